//! What `flatctl plan diff -o json` says of pings, and whether what came of them agrees. Pure.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use ipnetwork::IpNetwork;
use serde::Deserialize;

use crate::suites::kit::pings::Outcome;

/// The longest that "seconds" may be; the machine may be busy.
const SECONDS: Duration = Duration::from_secs(15);

/// A plan's differences, as programs read them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Diff {
    changes: Vec<Step>,
}

/// One change.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Step {
    pub(super) phase: Phase,
    pub(super) what: String,
    #[serde(default)]
    pub(super) notices: Vec<Notices>,
    pub(super) lasts: Lasts,
    pub(super) check: Option<Check>,
}

/// When it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Phase {
    Record,
    Carry,
    Reach,
    Give,
    Drain,
    Take,
    HandOn,
    Forget,
    Clear,
}

/// For how long it is noticed.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Lasts {
    pub(super) until: Until,
}

/// The least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Until {
    Never,
    AtMostSeconds,
    Seconds,
    Drained,
    Done,
    Undone,
}

/// Who notices it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Notices {
    Site(String),
    Host(String),
    Network(String),
    Protocol {},
    Tagged {},
    Prefix(IpNetwork),
    Between([String; 2]),
    Across { prefix: IpNetwork, site: String },
}

/// How it is seen to be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Check {
    pub(super) run: String,
    #[serde(default)]
    pub(super) metric: String,
}

/// One end of a flow of pings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) site: String,
    pub(super) host: String,
    /// None: it is no container.
    pub(super) network: Option<String>,
    pub(super) address: IpAddr,
}

impl Diff {
    /// What is to be done, in its order.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.changes.iter().filter(|c| c.phase != Phase::Record)
    }

    /// The longest that pings between two ends may suffer.
    pub(super) fn verdict(&self, ends: [&End; 2]) -> Until {
        let concerned = self.steps().filter(|s| s.concerns(ends));
        concerned
            .map(|s| s.lasts.until)
            .max()
            .unwrap_or(Until::Never)
    }

    /// Whether containers at an end have to be made again for what they get, where they are.
    pub(super) fn remakes(&self, end: &End) -> bool {
        let steps = self.steps().filter(|s| s.phase != Phase::Drain);
        let mut remade = steps.filter(|s| s.lasts.until == Until::Drained);
        remade.any(|s| s.concerns([end, end]))
    }
}

impl Step {
    /// Whether it names either end, or what lies between them.
    pub(super) fn concerns(&self, ends: [&End; 2]) -> bool {
        self.notices.iter().any(|n| n.name(ends))
    }
}

impl Notices {
    fn name(&self, ends: [&End; 2]) -> bool {
        let [one, other] = ends;
        let any = |is: &dyn Fn(&End) -> bool| is(one) || is(other);
        match self {
            Self::Site(site) => any(&|e| e.site == *site),
            Self::Host(host) => any(&|e| e.host == *host),
            Self::Network(name) => any(&|e| e.network.as_ref() == Some(name)),
            // Pings are of no such protocol, and bear no tag of a trunk.
            Self::Protocol {} | Self::Tagged {} => false,
            Self::Prefix(prefix) => any(&|e| prefix.contains(e.address)),
            Self::Between(sites) => {
                let way = |a: &End, b: &End| a.site == sites[0] && b.site == sites[1];
                way(one, other) || way(other, one)
            }
            Self::Across { prefix, site } => {
                let way = |a: &End, b: &End| prefix.contains(a.address) && b.site == *site;
                way(one, other) || way(other, one)
            }
        }
    }
}

/// What a verdict wants of pings that went on from before the change until after it.
///
/// # Errors
/// Where something else came of them.
pub(super) fn agrees(verdict: Until, came: &Outcome) -> Result<()> {
    match verdict {
        // Who has to be made again goes on as he is until then.
        Until::Never | Until::Drained => came.lossless(),
        Until::AtMostSeconds | Until::Seconds => came.recovered(SECONDS),
        Until::Done | Until::Undone => {
            ensure!(
                came.lossless().is_err() && came.recovered(SECONDS).is_err(),
                "{}: {} of {} pings answered, to the last: nothing is cut off",
                came.name,
                came.answered,
                came.sent
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(host: &str, network: Option<&str>, address: &str) -> End {
        End {
            site: host.trim_end_matches(char::is_numeric).to_owned(),
            host: host.to_owned(),
            network: network.map(str::to_owned),
            address: address.parse().expect("an address"),
        }
    }

    /// What flatctl prints of a plan that differs from the lab's.
    fn diff(edit: impl FnOnce(&mut flatnet_plan::NetworkPlan)) -> Diff {
        let old = crate::plan::generate(2, 2).expect("a plan");
        let mut new = old.clone();
        edit(&mut new);
        let found = flatnet_plan::diff::diff(&old, &new).expect("routes");
        serde_json::from_value(serde_json::to_value(found).expect("JSON")).expect("as it is read")
    }

    #[test]
    fn a_verdict_is_for_those_whom_a_step_names() {
        let web = end("idc1", Some("web"), "10.100.16.2");
        let db = end("idc1", Some("db"), "10.200.16.2");
        let cloud = end("vpc1", Some("cloud"), "172.30.16.2");
        let mtu = diff(|p| p.spec.networks[0].mtu = Some(1400.try_into().expect("an MTU")));
        assert_eq!(mtu.verdict([&web, &cloud]), Until::Drained);
        assert_eq!(mtu.verdict([&db, &cloud]), Until::Never);
        assert!(mtu.remakes(&web) && !mtu.remakes(&db));
        let cut = diff(|p| p.spec.links.clear());
        assert_eq!(cut.verdict([&web, &cloud]), Until::Undone);
        assert_eq!(cut.verdict([&cloud, &db]), Until::Undone);
        assert_eq!(cut.verdict([&web, &db]), Until::Never);
        assert_eq!(cut.verdict([&cloud, &cloud]), Until::Never);
        let gone = diff(|p| drop(p.spec.hosts.remove(0)));
        assert_eq!(gone.verdict([&web, &cloud]), Until::Drained);
        assert!(!gone.remakes(&web), "it leaves");
        assert_eq!(diff(|_| {}).steps().count(), 0);
    }

    #[test]
    fn what_came_of_pings_is_judged_by_the_verdict() {
        let came = |answered: usize, lost: usize, gap: u64, tail: u32| Outcome {
            name: "a to b".into(),
            sent: 100,
            answered,
            lost,
            gap: Duration::from_secs(gap),
            unanswered_tail: tail,
        };
        let (whole, hurt, cut) = (came(100, 0, 0, 0), came(90, 10, 2, 0), came(50, 0, 0, 50));
        for (verdict, fits) in [
            (Until::Never, [true, false, false]),
            (Until::Drained, [true, false, false]),
            (Until::AtMostSeconds, [true, true, false]),
            (Until::Seconds, [true, true, false]),
            (Until::Undone, [false, false, true]),
        ] {
            let found = [&whole, &hurt, &cut].map(|c| agrees(verdict, c).is_ok());
            assert_eq!(found, fits, "{verdict:?}");
        }
    }
}
