//! CHECK: what it lets pass and what it finds.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::results::VERSIONS;
use crate::suites::kit::READY;
use crate::suites::rig::{Pod, Rig};
use crate::{LabGuard, NetdArgs};

pub(super) fn passes(lab: &LabGuard) -> Result<()> {
    for (node, network) in [("idc1", "web"), ("vpc1", "cloud")] {
        let rig = Rig::new(lab, node, network)?;
        for version in VERSIONS.into_iter().filter(|v| *v >= "0.4.0") {
            let pod = rig.attach_with("passes", |call| call.key("cniVersion", json!(version)))?;
            for _ in 0..2 {
                let call = pod.attached.call("CHECK").key("cniVersion", json!(version));
                let call = call.key("prevResult", pod.attached.result.clone());
                let said = call
                    .run()?
                    .ok()
                    .with_context(|| format!("{version} on {node}"))?;
                ensure!(said.is_null(), "CHECK says nothing, not {said}");
            }
        }
    }
    Ok(())
}

pub(super) fn tolerates(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let pod = rig.attach("tolerates")?;
    let gateway = "10.100.0.1";
    let additions: [&[&str]; 5] = [
        &["address", "add", "192.0.2.9/24", "dev", "eth0"],
        &["address", "add", "2001:db8::9/64", "dev", "eth0", "nodad"],
        &["route", "add", "198.51.100.0/24", "via", gateway],
        &["route", "add", "default", "via", gateway, "table", "77"],
        &["link", "set", "eth0", "mtu", "1400"],
    ];
    for addition in additions {
        pod.exec("ip", addition)?;
        let checked = pod.attached.check()?;
        checked
            .ok()
            .with_context(|| format!("after `ip {}`", addition.join(" ")))?;
    }
    let mut later = pod.attached.result.clone();
    let add = |list: &mut serde_json::Value, entry| {
        if let Some(list) = list.as_array_mut() {
            list.push(entry);
        }
    };
    add(
        &mut later["interfaces"],
        json!({"name": "other0", "sandbox": pod.ns.path()}),
    );
    add(
        &mut later["ips"],
        json!({"address": "192.0.2.77/24", "interface": 2}),
    );
    add(
        &mut later["routes"],
        json!({"dst": "203.0.113.0/24", "gw": "192.0.2.1"}),
    );
    let call = pod.attached.call("CHECK").key("prevResult", later);
    call.run()?
        .ok()
        .context("prevResult with what a later plugin added")?;
    Ok(())
}

/// Something to spoil, and what CHECK says of it.
struct Tampering {
    what: &'static str,
    how: fn(&Rig, &Pod) -> Result<()>,
    says: &'static [&'static str],
    /// Whether a reconcile repairs it.
    repaired: bool,
}

pub(super) fn finds_inside(lab: &LabGuard) -> Result<()> {
    let inside = |what, how, says| Tampering {
        what,
        how,
        says,
        repaired: false,
    };
    let spoils = [
        inside(
            "the IPv4 address removed",
            |_, p| flush(p, "-4"),
            &["lacks the address 10.100."],
        ),
        inside(
            "the IPv6 address removed",
            |_, p| flush(p, "-6"),
            &["lacks the address fd10:100:"],
        ),
        inside(
            "the IPv4 default route removed",
            |_, p| p.exec("ip", &["route", "del", "default"]).map(drop),
            &["lacks the route 0.0.0.0/0", "via 10.100.0.1"],
        ),
        inside(
            "the IPv6 default route removed",
            |_, p| p.exec("ip", &["-6", "route", "del", "default"]).map(drop),
            &["lacks the route ::/0", "via fd10:100::1"],
        ),
        inside(
            "the default route through somebody else",
            |_, p| {
                p.exec("ip", &["route", "replace", "default", "via", "10.100.0.99"])
                    .map(drop)
            },
            &["lacks the route 0.0.0.0/0"],
        ),
        inside(
            "the interface down",
            |_, p| p.exec("ip", &["link", "set", "eth0", "down"]).map(drop),
            &["eth0 is down"],
        ),
        inside(
            "another MAC, which port security would drop",
            |_, p| {
                p.exec(
                    "ip",
                    &["link", "set", "eth0", "address", "02:aa:aa:aa:aa:aa"],
                )
                .map(drop)
            },
            &["has MAC 02:aa:aa:aa:aa:aa"],
        ),
        inside(
            "the interface renamed",
            |_, p| {
                p.exec("ip", &["link", "set", "eth0", "down"])?;
                p.exec("ip", &["link", "set", "eth0", "name", "eth9"])
                    .map(drop)
            },
            &["eth0 is not in the container"],
        ),
        inside(
            "the interface deleted",
            |_, p| p.exec("ip", &["link", "del", "eth0"]).map(drop),
            &["eth0 is not in the container", "is not on the host"],
        ),
    ];
    let rig = Rig::new(lab, "idc1", "web")?;
    spoils
        .iter()
        .try_for_each(|spoil| try_tampering(&rig, spoil))
}

pub(super) fn finds_on_node(lab: &LabGuard) -> Result<()> {
    let on_node = |what, how, says| Tampering {
        what,
        how,
        says,
        repaired: true,
    };
    let spoils = [
        on_node(
            "the port deleted from the bridge",
            |r, p| {
                r.vsctl(&["del-port", "br-flat", &p.attached.host_ifname()?])
                    .map(drop)
            },
            &["is not on the bridge"],
        ),
        on_node(
            "the port's VLAN changed",
            |r, p| {
                r.vsctl(&["set", "Port", &p.attached.host_ifname()?, "tag=200"])
                    .map(drop)
            },
            &["VLAN 200", "VLAN 100 was planned"],
        ),
        on_node(
            "all of its flows deleted",
            |r, p| r.ofctl(&["del-flows", "br-flat", &cookie(r, p)?]).map(drop),
            &["flows are missing"],
        ),
        on_node(
            "its port security deleted",
            |r, p| {
                let some = format!("{},table=1", cookie(r, p)?);
                r.ofctl(&["del-flows", "br-flat", &some]).map(drop)
            },
            &["flows are missing"],
        ),
        on_node(
            "the host's end down",
            |r, p| {
                r.on_node("ip", &["link", "set", &p.attached.host_ifname()?, "down"])
                    .map(drop)
            },
            &["is down"],
        ),
    ];
    let _idle = NetdArgs::idle(lab, &["idc1"], READY)?;
    let rig = Rig::new(lab, "idc1", "web")?;
    spoils
        .iter()
        .try_for_each(|spoil| try_tampering(&rig, spoil))
}

fn try_tampering(rig: &Rig, spoil: &Tampering) -> Result<()> {
    let what = spoil.what;
    let mut pod = rig.attach("spoilt")?;
    pod.attached
        .check()?
        .ok()
        .with_context(|| format!("before: {what}"))?;
    (spoil.how)(rig, &pod).with_context(|| what.to_owned())?;
    let answer = pod.attached.check()?;
    answer
        .refused(101, spoil.says)
        .with_context(|| what.to_owned())?;
    if spoil.repaired {
        let (status, body) = crate::netd::post(&rig.node.paths.netd_sock(), "/v1/reconcile")?;
        ensure!(status == 200, "reconcile: {status} {body}");
        pod.attached
            .check()?
            .ok()
            .with_context(|| format!("{what}, reconciled: {body}"))?;
        pod.exec("ping", &["-c", "2", "-W", "5", "10.100.0.1"])
            .with_context(|| format!("{what}, reconciled"))?;
    }
    pod.attached
        .del()
        .with_context(|| format!("DEL after: {what}"))?;
    Ok(())
}

pub(super) fn prev_result(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let mut pod = rig.attach("remembers")?;
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut prev = pod.attached.result.clone();
        change(&mut prev);
        pod.attached.call("CHECK").key("prevResult", prev).run()
    };
    with(&|prev| prev["ips"][0]["address"] = json!("10.100.31.250/16"))?
        .refused(101, &["10.100.31.250"])?;
    with(&|prev| prev["interfaces"][1]["mac"] = json!("02:bb:bb:bb:bb:bb"))?
        .refused(101, &["02:bb:bb:bb:bb:bb"])?;
    with(&|prev| prev["interfaces"] = json!([]))?.refused(7, &["prevResult"])?;
    with(&|prev| prev["ips"][0]["address"] = json!("nonsense"))?.refused(7, &["prevResult.ips"])?;
    pod.attached
        .call("CHECK")
        .run()?
        .refused(7, &["prevResult"])
        .context("none at all")?;
    let check = pod
        .attached
        .call("CHECK")
        .key("prevResult", pod.attached.result.clone());
    pod.attached.del()?;
    check
        .run()?
        .refused(3, &["remembers"])
        .context("after its DEL")?;
    Ok(())
}

fn flush(pod: &Pod, family: &str) -> Result<()> {
    pod.exec(
        "ip",
        &[family, "address", "flush", "dev", "eth0", "scope", "global"],
    )
    .map(drop)
}

/// The match of an attachment's flows.
fn cookie(rig: &Rig, pod: &Pod) -> Result<String> {
    let known = rig
        .attachment(&pod.attached.id, "eth0")?
        .context("netd does not have it")?;
    let generation = known["generation"]
        .as_u64()
        .context("it has no generation")?;
    Ok(format!(
        "cookie={:#x}/-1",
        0x464e_0000_0000_0000 | generation
    ))
}
