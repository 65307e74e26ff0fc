//! The ranges that the node holds, and how an answer of ipamd changes them. Pure.

use flatnet_ipam::Span;
use flatnet_types::NodeName;
use flatnet_types::ipamd::{
    GrantState, HostRanges, Incarnation, RangeGrant, Release, Report, WaitReason,
};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// The use of a range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RangeUse {
    /// Assigned addresses of the range.
    pub used: u64,
    /// Addresses of the range for containers.
    pub capacity: u64,
}

/// A range that the node holds. Serialized in `ranges.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRange {
    /// What ipamd granted. `state` is set by the node: a range that ipamd no longer lists drains.
    #[serde(flatten)]
    pub grant: RangeGrant,
}

/// All ranges that the node holds: the content of `ranges.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldRanges {
    /// The incarnation of the ledger that answered last.
    pub ledger: Incarnation,
    /// The revision of its answer.
    pub revision: String,
    /// Active and draining ranges.
    pub ranges: Vec<HeldRange>,
}

fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    Span::from(a).overlaps(Span::from(b))
}

impl HeldRanges {
    /// The ranges after an answer of ipamd. A range that it no longer lists drains, unless ipamd
    /// only withholds it in the grace period after its start.
    #[must_use]
    pub fn after_answer(&self, answer: &HostRanges) -> Self {
        let mut ranges: Vec<HeldRange> = answer
            .ranges
            .iter()
            .map(|grant| HeldRange {
                grant: grant.clone(),
            })
            .collect();
        for before in &self.ranges {
            let prefix = before.grant.prefix;
            let named = |h: &HeldRange| overlap(h.grant.prefix, prefix);
            if ranges.iter().any(named) {
                continue;
            }
            let kept_back = answer.waiting.iter().any(|w| {
                w.reason == WaitReason::GracePeriod && w.prefix.is_some_and(|p| overlap(p, prefix))
            });
            let mut range = before.clone();
            if !kept_back {
                range.grant.state = GrantState::Draining;
            }
            ranges.push(range);
        }
        Self {
            ledger: answer.ledger,
            revision: answer.revision.clone(),
            ranges,
        }
    }

    /// Whether a range drains.
    pub fn drains(&self) -> bool {
        self.draining().next().is_some()
    }

    /// The prefixes of the draining ranges.
    pub fn draining(&self) -> impl Iterator<Item = IpNetwork> {
        let draining = |h: &&HeldRange| h.grant.state == GrantState::Draining;
        self.ranges.iter().filter(draining).map(|h| h.grant.prefix)
    }

    /// The report to ipamd.
    pub fn report(&self, range_use: impl Fn(IpNetwork) -> RangeUse) -> Report {
        let held = self.ranges.iter().map(|range| {
            let grant = &range.grant;
            let RangeUse { used, capacity } = range_use(grant.prefix);
            grant.held(used, capacity)
        });
        Report {
            held: held.collect(),
        }
    }

    /// The ranges without the draining ones that are empty, and the releases of those for ipamd. A
    /// range must have drained in `before`, the state before the last answer, too: an ADD may just
    /// be taking an address of one that has only begun to drain.
    pub fn releasable(
        &self,
        before: &Self,
        host: &NodeName,
        range_use: impl Fn(IpNetwork) -> RangeUse,
    ) -> (Self, Vec<Release>) {
        let drains = |h: &HeldRange| h.grant.state == GrantState::Draining;
        let (gone, ranges): (Vec<HeldRange>, Vec<HeldRange>) =
            self.ranges.iter().cloned().partition(|range| {
                let drained_before = |b: &HeldRange| b == range && drains(b);
                before.ranges.iter().any(drained_before)
                    && drains(range)
                    && range_use(range.grant.prefix).used == 0
            });
        let releases = gone.into_iter().map(|range| Release {
            host: host.clone(),
            prefix: range.grant.prefix,
            lease: Some(range.grant.lease),
            force: false,
        });
        let kept = Self {
            ranges,
            ..self.clone()
        };
        (kept, releases.collect())
    }
}

#[cfg(test)]
mod tests {
    use flatnet_types::ipamd::{LeaseId, Waiting};

    use super::*;

    fn grant(prefix: &str, state: GrantState) -> RangeGrant {
        RangeGrant {
            lease: LeaseId(7),
            ledger: Incarnation(1),
            network: "web".parse().expect("a name"),
            prefix: prefix.parse().expect("a prefix"),
            state,
        }
    }

    fn answer(ranges: &[(&str, GrantState)]) -> HostRanges {
        HostRanges {
            host: host(),
            revision: "1-9".to_owned(),
            ledger: Incarnation(1),
            ranges: ranges.iter().map(|(p, s)| grant(p, *s)).collect(),
            waiting: Vec::new(),
        }
    }

    fn host() -> NodeName {
        "idc1".parse().expect("a name")
    }

    fn states(held: &HeldRanges) -> Vec<(String, GrantState)> {
        let state = |h: &HeldRange| (h.grant.prefix.to_string(), h.grant.state);
        held.ranges.iter().map(state).collect()
    }

    fn filled(used: u64) -> impl Fn(IpNetwork) -> RangeUse {
        move |_| RangeUse {
            used,
            capacity: 254,
        }
    }

    use GrantState::{Active, Draining};

    #[test]
    fn a_range_that_grows_takes_the_place_of_the_smaller_one() {
        let before = HeldRanges::default().after_answer(&answer(&[("10.0.0.0/25", Active)]));
        let after = before.after_answer(&answer(&[("10.0.0.0/24", Active)]));
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Active)]);
    }

    #[test]
    fn a_range_that_ipamd_no_longer_lists_drains_and_is_released_when_it_is_empty() {
        let before = HeldRanges::default().after_answer(&answer(&[("10.0.0.0/24", Active)]));
        let after = before.after_answer(&answer(&[]));
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Draining)]);
        // It has only begun to drain: an ADD may be taking an address of it.
        let (kept, releases) = after.releasable(&before, &host(), filled(0));
        assert_eq!((&kept, releases.len()), (&after, 0));
        let (kept, releases) = after.releasable(&after, &host(), filled(3));
        assert_eq!((&kept, releases.len()), (&after, 0));
        let (kept, releases) = after.releasable(&after, &host(), filled(0));
        assert_eq!(kept.ranges, []);
        assert_eq!(releases[0].lease, Some(LeaseId(7)));
    }

    #[test]
    fn a_range_that_ipamd_withholds_in_its_grace_period_stays_in_service() {
        let before = HeldRanges::default().after_answer(&answer(&[("10.0.0.0/24", Active)]));
        let mut settling = answer(&[]);
        settling.waiting.push(Waiting {
            network: "web".parse().expect("a name"),
            prefix: Some("10.0.0.0/24".parse().expect("a prefix")),
            reason: WaitReason::GracePeriod,
            message: String::new(),
        });
        let after = before.after_answer(&settling);
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Active)]);
    }

    #[test]
    fn the_report_has_all_held_ranges_with_their_use() {
        let all = answer(&[("10.0.0.0/24", Active), ("10.0.1.0/24", Draining)]);
        let report = HeldRanges::default().after_answer(&all).report(filled(5));
        assert_eq!(report.held.len(), 2);
        assert_eq!((report.held[1].used, report.held[1].capacity), (5, 254));
    }
}
