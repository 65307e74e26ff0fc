//! Nothing is broken, or nobody is there.

use anyhow::{Result, ensure};

use super::rig::{Tables, attach, clean, first_fault, link_check, trace};
use crate::LabGuard;
use crate::suites::kit::say;

pub(super) fn pairs(lab: &LabGuard) -> Result<()> {
    let web1 = attach(lab, "idc1", "web", "web1")?;
    let web1b = attach(lab, "idc1", "web", "web1b")?;
    let web2 = attach(lab, "idc2", "web", "web2")?;
    let db1 = attach(lab, "idc1", "db", "db1")?;
    let db2 = attach(lab, "idc2", "db", "db2")?;
    let vpc1 = attach(lab, "vpc1", "cloud", "vpc1")?;
    let vpc1b = attach(lab, "vpc1", "cloud", "vpc1b")?;
    let vpc2 = attach(lab, "vpc2", "cloud", "vpc2")?;
    let mut traced = 0;
    for (from, to) in [
        // One node; one VLAN; VLAN to VLAN on one node and on two.
        (&web1, &web1b),
        (&web1, &web2),
        (&web1, &db1),
        (&web1, &db2),
        // The VPC: one node, two vSwitches.
        (&vpc1, &vpc1b),
        (&vpc1, &vpc2),
        // Over the line, from both sides.
        (&web1, &vpc2),
        (&vpc1, &db2),
    ] {
        for ip in to.ips() {
            clean(lab, from, ip, Tables::Asked)?;
            traced += 1;
        }
    }
    // Hosts themselves: a container's own, another one of its VLANs, one beyond the line.
    for (from, host) in [
        (&web1, "idc1"),
        (&web1, "idc2"),
        (&vpc1, "vpc1"),
        (&vpc1, "vpc2"),
        (&web2, "vpc1"),
        (&vpc2, "idc1"),
    ] {
        let node = lab.node(host)?;
        for address in &node.spec.host_addresses {
            clean(lab, from, address.ip(), Tables::Asked)?;
            traced += 1;
        }
    }
    let line = link_check(lab, Tables::Asked)?;
    ensure!(line.code == 0, "{:#}", line.view);
    say(&format!("{traced} pairs, there and back"));
    for container in [web1, web1b, web2, db1, db2, vpc1, vpc1b, vpc2] {
        container.detach()?;
    }
    Ok(())
}

pub(super) fn nobody(lab: &LabGuard) -> Result<()> {
    let web1 = attach(lab, "idc1", "web", "alone")?;
    let nobody = "172.30.32.200".parse()?;
    let said = trace(lab, web1.v4.into(), nobody, Tables::Asked)?;
    first_fault(&said, "attachment", "node vpc2")?;
    let unknown = trace(lab, web1.v4.into(), "192.0.2.1".parse()?, Tables::Asked)?;
    first_fault(&unknown, "plan", "plan")?;
    web1.detach()
}
