//! Entries by hand: what they let through, and what is lost without them.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use flatnet_plan::model::SiteType;
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::rig::{CONTROLLER, FOLLOWED, SIMULATOR, World, all_reached, converged, tables, within};
use crate::cloud::{ask, line_interface};
use crate::suites::kit::container::{Container, ping};
use crate::{Lab, LabGuard};

/// An entry that is wanted, as `/_sim/world` takes it.
#[derive(Debug, Clone)]
struct Wanted {
    table: String,
    destination: IpNetwork,
    kind: &'static str,
    hop: String,
}

/// Does `work` on empty tables while vpc-route is away; afterwards it fills them again.
fn by_hand(lab: &LabGuard, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let stopped = lab.stop_unit(CONTROLLER)?;
    clear(lab)?;
    let outcome = work();
    clear(lab)?;
    drop(stopped);
    outcome.and(converged(lab))
}

pub(super) fn empty_tables(lab: &LabGuard) -> Result<()> {
    by_hand(lab, || nothing_crosses(lab))
}

fn nothing_crosses(lab: &LabGuard) -> Result<()> {
    let world = World::attach(lab)?;
    for (from, to) in world.ways() {
        for ip in to.ips() {
            lost(from, ip)?;
        }
    }
    let node = lab.node("vpc1")?;
    let mut hosts = lab.plan().spec.hosts.iter();
    let other = hosts.find(|h| h.name.as_str() == "vpc2").context("vpc2")?;
    for address in &other.addresses {
        let to = address.ip().to_string();
        ping(&mut node.command("ping"), &to).context("from vSwitch to vSwitch")?;
    }
    world.detach()
}

pub(super) fn full_tables(lab: &LabGuard) -> Result<()> {
    by_hand(lab, || everyone_is_reached(lab))
}

fn everyone_is_reached(lab: &LabGuard) -> Result<()> {
    for wanted in wanted(lab)? {
        add(lab, &wanted)?;
    }
    let world = World::attach(lab)?;
    all_reached(&world)?;
    world.detach()
}

pub(super) fn each_entry(lab: &LabGuard) -> Result<()> {
    by_hand(lab, || each_is_needed(lab))
}

fn each_is_needed(lab: &LabGuard) -> Result<()> {
    let all = wanted(lab)?;
    let mut ids = Vec::new();
    for wanted in &all {
        ids.push(add(lab, wanted)?);
    }
    let world = World::attach(lab)?;
    all_reached(&world)?;
    let pairs = [
        (&world.idc, &world.vpc1),
        (&world.vpc1, &world.vpc2),
        (&world.vpc2, &world.vpc1),
        (&world.vpc2, &world.idc),
    ];
    let mut missed = 0;
    for (wanted, id) in all.iter().zip(ids) {
        // An entry that no packet of ours needs is left alone.
        let needs = |(from, to): &&(&Container, &Container)| {
            let line = from.node.name.starts_with("idc") != to.node.name.starts_with("idc");
            let mut ends = to.ips().into_iter().chain(from.ips());
            ends.any(|ip| wanted.destination.contains(ip)) && (line || wanted.kind == "Instance")
        };
        let concerned = pairs.iter().find(needs);
        let Some((from, to)) = concerned else {
            continue;
        };
        remove(lab, &id)?;
        let v4 = wanted.destination.is_ipv4();
        let ip = to.ips().into_iter().find(|ip| ip.is_ipv4() == v4);
        lost(from, ip.context("an address of the family")?)
            .with_context(|| format!("without {wanted:?}"))?;
        add(lab, wanted)?;
        missed += 1;
    }
    all_reached(&world)?;
    ensure!(missed >= 8, "only {missed} entries were tried");
    world.detach()
}

pub(super) fn simulator_dies(lab: &LabGuard) -> Result<()> {
    let world = World::attach(lab)?;
    all_reached(&world)?;
    let before = entries(lab)?;
    let simulator = lab.process(SIMULATOR)?;
    simulator.signal(nix::sys::signal::Signal::SIGKILL)?;
    within(FOLLOWED, || {
        ensure!(!simulator.alive(), "it lives");
        Ok(())
    })?;
    // Its world begins anew, with empty tables.
    converged(lab)?;
    all_reached(&world)?;
    let after = entries(lab)?;
    ensure!(before == after, "before: {before:?}, after: {after:?}");
    world.detach()
}

/// What lets everyone reach everyone: the VPC's way to each range and to the IDC, and the
/// VBR's both ways.
fn wanted(lab: &Lab) -> Result<Vec<Wanted>> {
    let plan = lab.plan();
    let spec = &plan.spec;
    let vpc = spec
        .sites
        .iter()
        .find(|s| s.site_type == SiteType::Vpc)
        .context("a VPC")?;
    let idc = spec
        .sites
        .iter()
        .find(|s| s.site_type == SiteType::Idc)
        .context("an IDC")?;
    let line = spec.links.first().context("a line")?;
    let vbr = line.vbr.as_ref().context("a VBR")?;
    let table = vpc
        .route_tables
        .first()
        .and_then(|t| t.id.clone())
        .context("a table")?;
    let of_vbr = vbr.route_table.clone().context("the VBR's table")?;
    let mut all = Vec::new();
    let mut want = |table: &str, destination, kind, hop: Option<&String>| {
        all.push(Wanted {
            table: table.to_owned(),
            destination,
            kind,
            hop: hop.cloned().unwrap_or_default(),
        });
    };
    for host in spec.hosts.iter().filter(|h| h.site == vpc.name) {
        for range in &host.ranges {
            want(&table, range.prefix, "Instance", host.instance_id.as_ref());
        }
    }
    let subnets = |all: Vec<&flatnet_plan::model::Subnet>| -> Vec<IpNetwork> {
        all.into_iter().map(|s| s.prefix).collect()
    };
    let to_idc = line_interface(&line.name);
    for prefix in subnets(idc.vlans.iter().flat_map(|v| &v.subnets).collect()) {
        want(
            &table,
            prefix,
            "RouterInterface",
            line.router_interface.as_ref(),
        );
        want(&of_vbr, prefix, "RouterInterface", Some(&to_idc));
    }
    let pools = spec
        .networks
        .iter()
        .filter(|n| n.site == vpc.name)
        .flat_map(|n| &n.pools);
    let switches = subnets(vpc.v_switches.iter().flat_map(|v| &v.subnets).collect());
    for prefix in pools.map(|p| p.prefix).chain(switches) {
        want(
            &of_vbr,
            prefix,
            "RouterInterface",
            vbr.router_interface.as_ref(),
        );
    }
    Ok(all)
}

/// Pings are lost, as soon as the kernel has followed.
fn lost(from: &Container, to: IpAddr) -> Result<()> {
    within(FOLLOWED, || {
        let mut ping = from.command("ping");
        let out = ping
            .args(["-n", "-c", "1", "-W", "1", &to.to_string()])
            .output()?;
        ensure!(!out.status.success(), "{to} answers {}", from.id());
        Ok(())
    })
}

pub(super) fn steps(lab: &Lab, steps: &Value) -> Result<Value> {
    // The simulator may be on its way back.
    within(FOLLOWED, || {
        ask(lab, "GET", "/_sim/faults", "")?;
        Ok(())
    })?;
    let (status, body) = ask(lab, "POST", "/_sim/world", &steps.to_string())?;
    ensure!(status == 200, "{status}: {body}");
    serde_json::from_str(&body).context("the simulator's answer")
}

fn add(lab: &Lab, wanted: &Wanted) -> Result<String> {
    let entry = json!({
        "destination": wanted.destination,
        "nextHops": [{"type": wanted.kind, "id": wanted.hop}],
        "name": "suite cloud",
    });
    let step = json!([{"addEntry": {"table": wanted.table, "entry": entry}}]);
    let made = steps(lab, &step).with_context(|| format!("{wanted:?}"))?;
    Ok(made[0]["id"].as_str().unwrap_or_default().to_owned())
}

fn remove(lab: &Lab, id: &str) -> Result<()> {
    steps(lab, &json!([{"removeEntry": {"id": id}}])).map(drop)
}

/// Every table's destinations.
fn entries(lab: &Lab) -> Result<Vec<(String, Vec<String>)>> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let of = |t: &Value| {
        let entries = t["entries"].as_array().into_iter().flatten();
        let mut all: Vec<String> = entries.map(|e| text(&e["destination"])).collect();
        all.sort_unstable();
        (text(&t["id"]), all)
    };
    Ok(tables(lab)?.iter().map(of).collect())
}

/// Takes every custom entry away.
fn clear(lab: &Lab) -> Result<()> {
    within(FOLLOWED, || {
        let tables = tables(lab)?;
        let entries = tables
            .iter()
            .filter_map(|t| t["entries"].as_array())
            .flatten();
        let gone: Vec<Value> = entries
            .map(|e| json!({"removeEntry": {"id": e["id"]}}))
            .collect();
        steps(lab, &json!(gone)).map(drop)
    })
}
