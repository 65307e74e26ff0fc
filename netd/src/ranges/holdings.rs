//! What the node holds, and how it follows what ipamd says: pure.

use flatnet_ipam::Span;
use flatnet_types::NodeName;
use flatnet_types::ipamd::{
    GrantState, HostRanges, Incarnation, RangeGrant, Release, Report, WaitReason,
};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// How full a range is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    /// Attachments with an address in it.
    pub used: u64,
    /// Addresses that it has for containers.
    pub capacity: u64,
}

/// A range that the node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holding {
    /// What ipamd granted. `state` is the node's own: what it no longer names drains here.
    #[serde(flatten)]
    pub grant: RangeGrant,
}

/// All that the node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    /// The life of the ledger that answered last.
    pub ledger: Incarnation,
    /// The revision of its answer.
    pub revision: String,
    /// What the node may give addresses of, and what it still drains.
    pub ranges: Vec<Holding>,
}

fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    Span::from(a).overlaps(Span::from(b))
}

impl Holdings {
    /// What they are when ipamd has answered. A range that it no longer names, and does not
    /// keep back only because it has just started, drains.
    #[must_use]
    pub fn following(&self, answer: &HostRanges) -> Self {
        let mut ranges: Vec<Holding> = answer
            .ranges
            .iter()
            .map(|grant| Holding {
                grant: grant.clone(),
            })
            .collect();
        for before in &self.ranges {
            let prefix = before.grant.prefix;
            let named = |h: &Holding| overlap(h.grant.prefix, prefix);
            if ranges.iter().any(named) {
                continue;
            }
            let kept_back = answer.waiting.iter().any(|w| {
                w.reason == WaitReason::GracePeriod && w.prefix.is_some_and(|p| overlap(p, prefix))
            });
            let mut holding = before.clone();
            if !kept_back {
                holding.grant.state = GrantState::Draining;
            }
            ranges.push(holding);
        }
        Self {
            ledger: answer.ledger,
            revision: answer.revision.clone(),
            ranges,
        }
    }

    /// Whether a range is to be let go of when it is empty.
    pub fn drains(&self) -> bool {
        self.draining().next().is_some()
    }

    /// Those that are to be let go of when they are empty.
    pub fn draining(&self) -> impl Iterator<Item = IpNetwork> {
        let draining = |h: &&Holding| h.grant.state == GrantState::Draining;
        self.ranges.iter().filter(draining).map(|h| h.grant.prefix)
    }

    /// What is shown to ipamd.
    pub fn report(&self, fill: impl Fn(IpNetwork) -> Fill) -> Report {
        let held = self.ranges.iter().map(|holding| {
            let grant = &holding.grant;
            let Fill { used, capacity } = fill(grant.prefix);
            grant.held(used, capacity)
        });
        Report {
            held: held.collect(),
        }
    }

    /// Without what drains and is empty, and what to tell ipamd of it. `before` is what was
    /// held, and shown to be empty, before the last answer: what has just begun to drain may
    /// still be in the hands of an ADD.
    pub fn letting_go(
        &self,
        before: &Self,
        host: &NodeName,
        fill: impl Fn(IpNetwork) -> Fill,
    ) -> (Self, Vec<Release>) {
        let drains = |h: &Holding| h.grant.state == GrantState::Draining;
        let (gone, ranges): (Vec<Holding>, Vec<Holding>) =
            self.ranges.iter().cloned().partition(|holding| {
                let drained_before = |b: &Holding| b == holding && drains(b);
                before.ranges.iter().any(drained_before)
                    && drains(holding)
                    && fill(holding.grant.prefix).used == 0
            });
        let releases = gone.into_iter().map(|holding| Release {
            host: host.clone(),
            prefix: holding.grant.prefix,
            lease: Some(holding.grant.lease),
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

    fn states(holdings: &Holdings) -> Vec<(String, GrantState)> {
        let state = |h: &Holding| (h.grant.prefix.to_string(), h.grant.state);
        holdings.ranges.iter().map(state).collect()
    }

    fn filled(used: u64) -> impl Fn(IpNetwork) -> Fill {
        move |_| Fill {
            used,
            capacity: 254,
        }
    }

    use GrantState::{Active, Draining};

    #[test]
    fn a_range_that_grows_takes_the_place_of_the_smaller_one() {
        let before = Holdings::default().following(&answer(&[("10.0.0.0/25", Active)]));
        let after = before.following(&answer(&[("10.0.0.0/24", Active)]));
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Active)]);
    }

    #[test]
    fn what_ipamd_no_longer_names_drains_until_it_is_empty_and_is_let_go_of_then() {
        let before = Holdings::default().following(&answer(&[("10.0.0.0/24", Active)]));
        let after = before.following(&answer(&[]));
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Draining)]);
        // It has just begun: an ADD may hold an address of it that is not on record yet.
        let (kept, releases) = after.letting_go(&before, &host(), filled(0));
        assert_eq!((&kept, releases.len()), (&after, 0));
        let (kept, releases) = after.letting_go(&after, &host(), filled(3));
        assert_eq!((&kept, releases.len()), (&after, 0));
        let (kept, releases) = after.letting_go(&after, &host(), filled(0));
        assert_eq!(kept.ranges, []);
        assert_eq!(releases[0].lease, Some(LeaseId(7)));
    }

    #[test]
    fn what_ipamd_keeps_back_while_it_settles_stays_in_service() {
        let before = Holdings::default().following(&answer(&[("10.0.0.0/24", Active)]));
        let mut settling = answer(&[]);
        settling.waiting.push(Waiting {
            network: "web".parse().expect("a name"),
            prefix: Some("10.0.0.0/24".parse().expect("a prefix")),
            reason: WaitReason::GracePeriod,
            message: String::new(),
        });
        let after = before.following(&settling);
        assert_eq!(states(&after), [("10.0.0.0/24".to_owned(), Active)]);
    }

    #[test]
    fn all_that_is_held_is_shown_with_how_full_it_is() {
        let all = answer(&[("10.0.0.0/24", Active), ("10.0.1.0/24", Draining)]);
        let report = Holdings::default().following(&all).report(filled(5));
        assert_eq!(report.held.len(), 2);
        assert_eq!((report.held[1].used, report.held[1].capacity), (5, 254));
    }
}
