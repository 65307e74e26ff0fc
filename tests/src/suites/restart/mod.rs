//! `restart`: netd and Open vSwitch die and come back under running traffic, and what somebody
//! broke by hand comes back. Suite `chaos` kills them under load.

mod daemons;
mod repair;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::kit::container::Container;
use super::kit::pings::Stream;
use super::kit::{READY, pair};
use super::{Check, Suite};
use crate::{LabGuard, Node};

/// How long until traffic flows again after Open vSwitch was killed. The userspace datapath
/// stops with its process.
const RECOVERED: Duration = Duration::from_secs(15);

/// Nobody's port.
const FOREIGN_PORT: &str = "foreign0";

pub(super) const SUITE: Suite = Suite {
    name: "restart",
    about: "netd and Open vSwitch die under traffic; what was broken by hand is repaired",
    checks: &[
        Check {
            sentence: "netd may die and come back without a packet lost or a flow replaced",
            run: netd_under_pings,
        },
        Check {
            sentence: "flows come back by themselves after Open vSwitch was killed",
            run: ovs_under_pings,
        },
        Check {
            sentence: "each daemon of Open vSwitch may die under pings: flows come back in seconds",
            run: daemons::one_after_the_other,
        },
        Check {
            sentence: "netd stopped in order and killed finds nothing to do when it is back",
            run: daemons::netd_applies_nothing,
        },
        Check {
            sentence: "flows that were deleted by hand come back, and foreign ones go",
            run: repair::flows,
        },
        Check {
            sentence: "a port that was deleted by hand comes back, and a foreign one stays",
            run: repair::port,
        },
        Check {
            sentence: "addresses and routes that were deleted by hand come back, and foreign ones stay",
            run: repair::addresses_and_routes,
        },
        Check {
            sentence: "a bridge that was deleted by hand comes back with all of its containers",
            run: repair::bridge,
        },
        Check {
            sentence: "netd repairs by itself, at its resync at the latest",
            run: repair::by_itself,
        },
    ],
};

/// The flows of a node without their counters and ages.
fn flows(node: &Node) -> Result<BTreeSet<(String, bool)>> {
    let text = super::kit::output(node.ofctl().args(["dump-flows", "br-flat"]))?;
    let mut flows = BTreeSet::new();
    for line in text.lines().filter(|l| l.contains("cookie=")) {
        let Some((head, tail)) = line.split_once("table=") else {
            continue;
        };
        let age = head
            .split("duration=")
            .nth(1)
            .and_then(|d| d.split('s').next());
        let old = age
            .and_then(|a| a.parse::<f64>().ok())
            .is_some_and(|a| a >= 2.0);
        let stable: Vec<&str> = tail.split(", ").filter(|p| !p.starts_with("n_")).collect();
        flows.insert((stable.join(", "), old));
    }
    Ok(flows)
}

fn netd_under_pings(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let a = Container::attach(lab, &idc1, "web", "rs-a")?;
    let b = Container::attach(lab, &idc2, "web", "rs-b")?;
    a.settle()?;
    b.settle()?;
    a.reaches(b.v4.into())?;
    a.reaches(b.v6.into())?;
    std::thread::sleep(Duration::from_secs(2));
    let before = flows(&idc1)?;
    let streams = [
        Stream::start(&a, b.v4.into(), "0.01")?,
        Stream::start(&a, b.v6.into(), "0.01")?,
    ];
    for _ in 0..3 {
        lab.kill_netd(idc1.name.as_str())?;
        lab.wait_ready(idc1.name.as_str(), READY)?;
        std::thread::sleep(Duration::from_millis(300));
    }
    for stream in streams {
        stream.finish()?.lossless()?;
    }
    let after = flows(&idc1)?;
    let fresh: Vec<_> = after.iter().filter(|(_, old)| !old).collect();
    ensure!(fresh.is_empty(), "flows were made anew: {fresh:?}");
    ensure!(before == after, "the flows are not what they were");
    b.detach()?;
    a.detach()
}

fn ovs_under_pings(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, _] = pair(lab, "vpc")?;
    let a = Container::attach(lab, &idc1, "web", "ro-a")?;
    let b = Container::attach(lab, &idc2, "web", "ro-b")?;
    let c = Container::attach(lab, &vpc1, "cloud", "ro-c")?;
    let targets: [IpAddr; 3] = [b.v4.into(), b.v6.into(), c.v4.into()];
    for to in targets {
        a.reaches(to)?;
    }
    for node in [&idc1, &vpc1] {
        let streams: Vec<Stream> = targets
            .iter()
            .map(|to| Stream::start(&a, *to, "0.1"))
            .collect::<Result<_>>()?;
        std::thread::sleep(Duration::from_millis(500));
        lab.kill_ovs(node.name.as_str())?;
        lab.wait_ready(node.name.as_str(), READY)?;
        super::kit::eventually(RECOVERED, || {
            targets.iter().try_for_each(|to| a.reaches(*to))
        })?;
        std::thread::sleep(Duration::from_secs(1));
        for stream in streams {
            stream.finish()?.recovered(RECOVERED)?;
        }
    }
    a.check()?;
    c.detach()?;
    b.detach()?;
    a.detach()
}
