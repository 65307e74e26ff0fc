//! Two interfaces of one container, on two networks.

use anyhow::{Context, Result, ensure};

use crate::LabGuard;
use crate::suites::rig::{Rig, Snapshot, exec, global_addresses, interface};

pub(super) fn two_interfaces(lab: &LabGuard) -> Result<()> {
    let (web, db) = (Rig::new(lab, "idc1", "web")?, Rig::new(lab, "idc1", "db")?);
    let before = Snapshot::take(&web)?;
    let ns = web.container("two")?;
    db.call_for("DEL", ns.id(), ns.path(), "net1").run()?.ok()?;
    let mut first = web.add(&ns, "eth0", |call| call)?;
    let mut second = db.add(&ns, "net1", |call| call)?;
    for attached in [&first, &second] {
        let name = &attached.ifname;
        let there = interface(&ns, name)?.with_context(|| format!("{name} is not there"))?;
        let (mut has, mut told) = (global_addresses(&there), attached.addresses());
        has.sort();
        told.sort();
        ensure!(
            has == told,
            "{name} has {has:?}, and the result says {told:?}"
        );
        attached
            .check()?
            .ok()
            .with_context(|| format!("CHECK of {name}"))?;
    }
    for gateway in ["10.100.0.1", "10.200.0.1", "fd10:100::1", "fd10:200::1"] {
        exec(&ns, "ping", &["-c", "2", "-W", "5", gateway]).context("two interfaces")?;
    }
    first.del()?;
    ensure!(
        interface(&ns, "eth0")?.is_none(),
        "eth0 is there after its DEL"
    );
    second
        .check()?
        .ok()
        .context("CHECK of net1 after the DEL of eth0")?;
    exec(&ns, "ping", &["-c", "2", "-W", "5", "10.200.0.1"]).context("net1 alone")?;
    second.del()?;
    web.same_as(&before)?;

    // Two interfaces of one network: two addresses, two MACs.
    let mut first = web.add(&ns, "eth0", |call| call)?;
    let mut second = web
        .add(&ns, "net1", |call| call)
        .context("a second on the same network")?;
    ensure!(
        first.address()? != second.address()?,
        "both have {}",
        first.address()?
    );
    first
        .check()?
        .ok()
        .context("CHECK of eth0 beside net1 of the same network")?;
    second
        .check()?
        .ok()
        .context("CHECK of net1 beside eth0 of the same network")?;
    second.del()?;
    first
        .check()?
        .ok()
        .context("CHECK of eth0 after the DEL of net1")?;
    first.del()?;
    web.same_as(&before)
}
