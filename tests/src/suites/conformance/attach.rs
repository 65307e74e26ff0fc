//! ADD that must not succeed, and DEL that must not fail.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::LabGuard;
use crate::suites::rig::{Rig, Snapshot, exec, interface};

pub(super) fn without_cni_path(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach_with("nopath", |call| call.unset("CNI_PATH"))?;
    pod.attached.del()?;
    rig.same_as(&before)
}

pub(super) fn existing_interface(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("existing")?;
    exec(
        &ns,
        "ip",
        &[
            "link", "add", "eth0", "type", "veth", "peer", "name", "other0",
        ],
    )?;
    exec(
        &ns,
        "ip",
        &["address", "add", "192.0.2.9/24", "dev", "eth0"],
    )?;
    let before = (Snapshot::take(&rig)?, interface(&ns, "eth0")?);
    for _ in 0..2 {
        let answer = rig.call("ADD", &ns).run()?;
        answer.refused(100, &["eth0"])?;
        rig.same_as(&before.0)?;
        ensure!(
            interface(&ns, "eth0")? == before.1,
            "the container's own eth0 was changed"
        );
    }
    // A runtime follows a failed ADD by a DEL, which must not take what is not ours.
    rig.call("DEL", &ns).run()?.ok()?;
    ensure!(
        interface(&ns, "eth0")? == before.1,
        "DEL changed the container's own eth0"
    );
    rig.same_as(&before.0)
}

pub(super) fn twice(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let pod = rig.attach("twice")?;
    let before = (Snapshot::take(&rig)?, interface(&pod.ns, "eth0")?);
    rig.call("ADD", &pod.ns).run()?.refused(100, &["twice"])?;
    rig.same_as(&before.0)?;
    let after = interface(&pod.ns, "eth0")?;
    ensure!(
        after == before.1,
        "the first was changed from {:?} to {after:?}",
        before.1
    );
    pod.attached
        .check()?
        .ok()
        .context("the first attachment's CHECK")?;
    Ok(())
}

pub(super) fn del_repeated(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach("repeated")?;
    for time in 1..=3 {
        pod.attached
            .del()
            .with_context(|| format!("DEL, time {time}"))?;
        ensure!(
            interface(&pod.ns, "eth0")?.is_none(),
            "eth0 is there after DEL"
        );
        ensure!(
            rig.attachment(&pod.attached.id, "eth0")?.is_none(),
            "netd still has it"
        );
    }
    rig.same_as(&before)
}

pub(super) fn del_without_netns(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "vpc1", "cloud")?;
    let before = Snapshot::take(&rig)?;
    for netns in [None, Some("")] {
        let mut pod = rig.attach("nonetns")?;
        let call = pod.attached.call("DEL").unset("CNI_NETNS");
        let call = netns.map_or(call.clone(), |path| call.set("CNI_NETNS", path));
        let answer = call.run()?.ok()?;
        ensure!(answer.is_null(), "DEL says nothing, not {answer}");
        pod.attached.forget();
        ensure!(
            interface(&pod.ns, "eth0")?.is_none(),
            "eth0 is there after DEL"
        );
        rig.same_as(&before)?;
    }
    Ok(())
}

pub(super) fn del_after_namespace(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let pod = rig.attach("gone")?;
    let mut attached = pod.attached;
    pod.ns.destroy()?;
    // CNI_NETNS names what is no more, and prevResult is what a runtime remembers.
    attached.del()?;
    rig.same_as(&before)
}

pub(super) fn del_after_interface(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach("nolink")?;
    pod.exec("ip", &["link", "delete", "eth0"])?;
    pod.attached.del()?;
    rig.same_as(&before)
}

pub(super) fn del_of_nothing(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let ns = rig.container("nothing")?;
    let before = Snapshot::take(&rig)?;
    rig.call("DEL", &ns).run()?.ok().context("never attached")?;
    // An attachment must not be kept for ever because its configuration was edited badly.
    for (key, value) in [
        ("mtu", json!("large")),
        ("prevResult", json!({"cniVersion": "1.1.0", "ips": "none"})),
        ("runtimeConfig", json!({"bandwidth": {"ingressRate": 5}})),
        ("ipam", json!({"type": "host-local"})),
    ] {
        let mut pod = rig.attach("nothing")?;
        let answer = pod.attached.call("DEL").key(key, value).run()?;
        answer
            .ok()
            .with_context(|| format!("DEL with a bad {key}"))?;
        pod.attached.forget();
        ensure!(
            interface(&pod.ns, "eth0")?.is_none(),
            "eth0 is there after DEL"
        );
    }
    rig.same_as(&before)
}
