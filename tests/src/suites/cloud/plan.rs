//! The plan's file is written anew, and ipamd, netd and vpc-route take it over.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Range;
use serde_json::json;

use super::judge::Judge;
use super::rig::{CONTROLLER, TABLE, World, converged, entries, lossless, within};
use crate::cloud::identified;
use crate::paths::{namespace, netns_path};
use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::pings::Stream;
use crate::suites::kit::{eventually, say};
use crate::{Lab, LabGuard, Silent, UpOptions, replan, write_plan};

/// How long the daemons may take to follow a plan, on a busy machine.
const FOLLOWED: Duration = Duration::from_secs(30);
/// The range that is handed on, and an address of each family in it.
const RANGE: [&str; 2] = ["172.30.112.0/20", "fd20:30::7:0/112"];
const INSIDE: [&str; 2] = ["172.30.112.9", "fd20:30::7:9"];
/// The lab's grace (`graceSeconds`).
const GRACE: Duration = Duration::from_secs(3);

pub(super) fn nodes_come_and_go(lab: &LabGuard) -> Result<()> {
    let outcome = come_and_go(lab);
    // The next check finds the lab as this one did.
    let back = replan(&UpOptions::default(), lab.plan().clone(), &Silent);
    outcome?;
    back?;
    for node in ["vpc3", "vpc4"] {
        let home = netns_path(&namespace(node));
        ensure!(!home.exists(), "{node} is still there");
    }
    Ok(())
}

fn come_and_go(lab: &Lab) -> Result<()> {
    let world = World::attach(lab)?;
    let mut streams = world.streams()?;

    // Two nodes come, the first with a range more.
    let mut plan = lab.plan().clone();
    let bigger = identified(crate::plan::generate(2, 4)?);
    let new = bigger.spec.hosts.into_iter();
    plan.spec
        .hosts
        .extend(new.filter(|h| ["vpc3", "vpc4"].contains(&h.name.as_str())));
    hand_over(&mut plan, "vpc3")?;
    let begun = Instant::now();
    let grown = replan(&UpOptions::default(), plan.clone(), &Silent)?;
    let third = Container::attach(&grown, &grown.node("vpc3")?, "cloud", "cloud-vpc3")?;
    let fourth = Container::attach(&grown, &grown.node("vpc4")?, "cloud", "cloud-vpc4")?;
    for new in [&third, &fourth] {
        meets(new, &[&world.idc, &world.vpc1, &world.vpc2])?;
    }
    say(&format!(
        "two nodes raised and reached after {:.1?}",
        begun.elapsed()
    ));
    for ip in third.ips() {
        streams.push(Stream::start(&world.idc, ip, "0.02")?);
        streams.push(Stream::start(&world.vpc1, ip, "0.02")?);
    }

    // A range goes from one node to another, with the container that has its address.
    let judge = Judge::begin(lab)?;
    let moving = inside(&grown, "vpc3")?;
    meets(&moving, &[&world.idc, &world.vpc1])?;
    moving.detach()?;
    hand_over(&mut plan, "vpc2")?;
    let begun = Instant::now();
    write_plan(&plan, lab.layout())?;
    within(FOLLOWED, || leads_to(lab, "i-vpc2"))?;
    let routed = begun.elapsed();
    let (moved, _) = eventually(FOLLOWED, || inside(&grown, "vpc2"))?;
    // The node that let go of it sends there, too.
    eventually(FOLLOWED, || meets(&moved, &[&world.idc, &third]))?;
    // vpc1 had a host-gw route to where the range was.
    eventually(FOLLOWED, || meets(&moved, &[&world.vpc1]))?;
    say(&format!(
        "a range led to its new node after {routed:.1?}, its container was reached there after {:.1?}",
        begun.elapsed()
    ));
    for address in INSIDE {
        judge.always_routed(TABLE, address.parse()?)?;
    }
    moved.detach()?;

    // A node goes while the controller runs.
    fourth.detach()?;
    plan.spec.hosts.retain(|h| h.name.as_str() != "vpc4");
    let begun = Instant::now();
    write_plan(&plan, lab.layout())?;
    within(FOLLOWED, || gone(lab, "i-vpc4"))?;
    let while_up = begun.elapsed();
    ensure!(
        while_up >= GRACE,
        "the entries were gone after {while_up:?}"
    );

    // Another goes while it is down: nobody saw that.
    let outcomes = streams.split_off(6);
    for outcome in super::rig::finish(outcomes)? {
        outcome.lossless()?;
    }
    third.detach()?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    write_plan(lab.plan(), lab.layout())?;
    std::thread::sleep(Duration::from_secs(1));
    ensure!(
        gone(lab, "i-vpc3").is_err(),
        "entries went with no controller"
    );
    let begun = Instant::now();
    drop(stopped);
    within(FOLLOWED, || gone(lab, "i-vpc3"))?;
    let while_down = begun.elapsed();
    ensure!(
        while_down >= GRACE,
        "the orphans were gone after {while_down:?}"
    );
    say(&format!(
        "a node's entries went {while_up:.1?} after it, and those of one that went while no controller ran {while_down:.1?} after its start; the grace is {GRACE:.0?}"
    ));
    within(FOLLOWED, || converged(lab))?;
    let answered = lossless(streams)?;
    say(&format!(
        "{answered} pings between the others meanwhile, none lost"
    ));
    world.detach()
}

/// Gives [`RANGE`] to a host, and takes it from every other.
fn hand_over(plan: &mut NetworkPlan, to: &str) -> Result<()> {
    for host in &mut plan.spec.hosts {
        host.ranges
            .retain(|r| !RANGE.contains(&r.prefix.to_string().as_str()));
        if host.name.as_str() == to {
            for prefix in RANGE {
                host.ranges.push(Range {
                    network: "cloud".parse()?,
                    prefix: prefix.parse()?,
                });
            }
        }
    }
    Ok(())
}

/// A container of a node with the addresses of [`INSIDE`].
fn inside(lab: &Lab, node: &str) -> Result<Container> {
    let wish = Wish::capability("ips", json!(INSIDE));
    Container::attach_as(lab, &lab.node(node)?, "cloud", "cloud-moves", &wish)
}

/// That a container reaches others and is reached by them, in both families.
fn meets(one: &Container, others: &[&Container]) -> Result<()> {
    for other in others {
        let both = |from: &Container, to: &Container| {
            let each = |ip: IpAddr| within(Duration::from_secs(5), || from.reaches(ip));
            to.ips().into_iter().try_for_each(each)
        };
        both(one, other)?;
        both(other, one)?;
    }
    Ok(())
}

/// That both prefixes of [`RANGE`] lead to an instance, and to no other.
fn leads_to(lab: &Lab, instance: &str) -> Result<()> {
    let all = entries(lab, TABLE)?;
    for prefix in RANGE {
        let found = all.iter().find(|e| e.destination == prefix);
        let found = found.with_context(|| format!("no entry for {prefix}"))?;
        ensure!(found.hops == [instance], "{found:?}");
    }
    Ok(())
}

/// That no entry leads to an instance.
fn gone(lab: &Lab, instance: &str) -> Result<()> {
    let all = entries(lab, TABLE)?;
    let left = all.iter().find(|e| e.hops.iter().any(|h| h == instance));
    ensure!(left.is_none(), "{left:?}");
    Ok(())
}
