//! An address that goes from one container to the next.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::suites::kit::container::{Container, Wish, ping};
use crate::suites::kit::pair;
use crate::{LabGuard, NetdArgs};

/// How long a netd may take to be ready again.
const READY: Duration = Duration::from_secs(15);

pub(super) fn at_once(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    // Addresses rest for a second only.
    let _rest = NetdArgs::set(lab, &[&idc1.name], &["--rest", "1"], READY)?;
    let near = Container::attach(lab, &idc1, "web", "dp-reuse-near")?;
    let far = Container::attach(lab, &idc2, "web", "dp-reuse-far")?;
    let edge = lab.member("edge")?;
    let mac = |n: u8| json!(format!("02:00:00:00:77:{n:02x}"));
    let first = Wish::capability("mac", mac(0));
    let first = Container::attach_as(lab, &idc1, "web", "dp-reuse-0", &first)?;
    let ips = first.ips();
    // What a switch cached while nobody had the address is gone milliseconds after the ADD;
    // what a neighbour remembers would last for half a minute.
    let settled = || lab.settle_switches(&[&idc1.name, &idc2.name, "tor1", "tor2"]);
    let everyone_reaches = || -> Result<()> {
        settled()?;
        for ip in ips {
            near.reaches(ip).context("same node")?;
            far.reaches(ip).context("other node")?;
            ping(&mut edge.command("ping"), &ip.to_string()).context("gateway")?;
            ping(&mut idc1.command("ping"), &ip.to_string()).context("host")?;
        }
        Ok(())
    };
    everyone_reaches().context("at first")?;
    first.detach()?;
    // Each of the next has the address, another MAC, and neighbours that remember the last.
    for n in 1..=3 {
        std::thread::sleep(Duration::from_millis(1100));
        let wish = Wish::capability("mac", mac(n)).and("ips", json!([ips[0], ips[1]]));
        let next = Container::attach_as(lab, &idc1, "web", &format!("dp-reuse-{n}"), &wish)?;
        ensure!(
            next.ips() == ips,
            "{ips:?} was asked for and {:?} given",
            next.ips()
        );
        everyone_reaches().with_context(|| format!("used again, {n}"))?;
        next.detach()?;
    }
    Ok(())
}
