//! DEL while netd is away, and afterwards.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::LabGuard;
use crate::suites::rig::{Changed, Rig, Snapshot, interface, wait};

pub(super) fn away(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach("away")?;
    let (host, address) = (pod.attached.host_ifname()?, pod.attached.address()?);
    // A container that nobody deletes: it must not notice anything.
    let living = rig.attach("stays")?;
    let ns = rig.container("away-new")?;

    let stopped = Changed::stopped(lab, "idc1")?;
    rig.call("ADD", &ns).run()?.refused(11, &["netd"])?;
    pod.attached.check()?.refused(11, &["netd"])?;
    rig.call_bare("STATUS").run()?.refused(50, &["netd"])?;
    let gc = rig
        .call_bare("GC")
        .key("cni.dev/valid-attachments", json!([]));
    gc.run()?.refused(11, &["netd"])?;
    living
        .exec("ping", &["-c", "2", "-W", "5", "10.100.0.1"])
        .context("while netd is away")?;
    ensure!(
        interface(&ns, "eth0")?.is_none(),
        "an ADD that failed left an interface"
    );
    ensure!(
        rig.spool()?.is_empty(),
        "only a DEL is spooled: {:?}",
        rig.spool()?
    );
    for _ in 0..2 {
        pod.attached.del().context("DEL while netd is away")?;
        ensure!(rig.spool()?.len() == 1, "the spool has {:?}", rig.spool()?);
    }
    let ports = rig.vsctl(&["list-ports", "br-flat"])?;
    ensure!(
        ports.lines().any(|p| p == host),
        "nobody can have taken {host} away: {ports}"
    );

    stopped.back()?;
    wait("the end of the spool", || {
        rig.spool().is_ok_and(|files| files.is_empty())
    })?;
    ensure!(
        rig.attachment(&pod.attached.id, "eth0")?.is_none(),
        "netd still has it"
    );
    ensure!(
        interface(&pod.ns, "eth0")?.is_none(),
        "eth0 is there after the spooled DEL"
    );
    // It was held until now: otherwise it would have rested long enough.
    let wish = json!({"ips": [address]});
    let answer = rig.call("ADD", &ns).key("runtimeConfig", wish).run()?;
    answer.refused(11, &[&address, "quarantine"])?;
    living
        .attached
        .check()?
        .ok()
        .context("CHECK of what nobody deleted")?;
    drop(living);
    rig.same_as(&before)
}

pub(super) fn stale(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let mut pod = rig.attach("stale")?;
    let stopped = Changed::stopped(lab, "idc1")?;
    pod.attached.del()?;
    let files = rig.spool()?;
    ensure!(files.len() == 1, "the spool has {files:?}");
    let entry = std::fs::read(&files[0])?;
    stopped.back()?;
    wait("the end of the spool", || {
        rig.spool().is_ok_and(|files| files.is_empty())
    })?;

    // The same key again, and then the old entry, as if its removal had not reached the disk.
    let newer = rig.attach("stale")?;
    let generation = |rig: &Rig| -> Result<Option<u64>> {
        let known = rig.attachment(&newer.attached.id, "eth0")?;
        Ok(known.and_then(|a| a["generation"].as_u64()))
    };
    let born = generation(&rig)?;
    std::fs::write(&files[0], entry)?;
    wait("netd's look at the spool", || {
        rig.spool().is_ok_and(|files| files.is_empty())
    })?;
    ensure!(
        generation(&rig)? == born && born.is_some(),
        "the newer attachment is gone"
    );
    newer
        .attached
        .check()?
        .ok()
        .context("CHECK of the newer attachment")?;
    newer.exec("ping", &["-c", "2", "-W", "5", "10.100.0.1"])?;
    Ok(())
}
