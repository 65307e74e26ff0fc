//! `ranges`: what ipamd gives, cuts and takes back, as nodes, routes and `flatctl` see it.

mod ledger;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Range;
use flatnet_types::ipamd::LeaseState;
use ipnetwork::IpNetwork;

use self::ledger::{Planned, flatctl, holds, lease_at, listing, ranges_of, refused};
use super::kit::container::Container;
use super::kit::{eventually, say};
use super::{Check, Suite};
use crate::cloud::{socket, wait_converged};
use crate::ipamd::REST;
use crate::{LabGuard, Node, Silent};

/// How long a change of the plan may take to be what nodes do; the machine may be busy, and a
/// range that went to and fro has rested twice.
const FOLLOWED: Duration = Duration::from_secs(60);
/// What may be missing of a rest that is looked at from outside.
const BLUR: Duration = Duration::from_millis(500);

pub(super) const SUITE: Suite = Suite {
    name: "ranges",
    about: "ranges that ipamd cuts, moves and takes back, by `flatctl` and without a restart",
    checks: &[
        Check {
            sentence: "a range that ipamd cut from a pool is given out and routed like one of the plan",
            run: cut_ranges_are_routed,
        },
        Check {
            sentence: "a drained range gives nothing out, rests when it is empty, and is another host's only then",
            run: drained_and_moved,
        },
    ],
};

/// The IPv4 pool of a network.
fn pool<'p>(plan: &'p mut NetworkPlan, network: &str) -> Result<&'p mut flatnet_plan::model::Pool> {
    let mut networks = plan.spec.networks.iter_mut();
    let found = networks.find(|n| n.name.as_str() == network);
    let pools = &mut found.context("the network")?.pools;
    let v4 = pools.iter_mut().find(|p| p.prefix.is_ipv4());
    v4.context("an IPv4 pool")
}

/// Takes a host's IPv4 ranges of a network out of the plan, and puts others in.
fn set_ranges(
    plan: &mut NetworkPlan,
    host: &str,
    network: &str,
    to: &[IpNetwork],
) -> Result<Vec<IpNetwork>> {
    let mut hosts = plan.spec.hosts.iter_mut();
    let host = hosts
        .find(|h| h.name.as_str() == host)
        .context("the host")?;
    let (gone, kept) = std::mem::take(&mut host.ranges)
        .into_iter()
        .partition(|r: &Range| r.network.as_str() == network && r.prefix.is_ipv4());
    host.ranges = kept;
    let network = network.parse()?;
    let fresh = |prefix: &IpNetwork| Range {
        network: flatnet_types::NetworkName::clone(&network),
        prefix: *prefix,
    };
    host.ranges.extend(to.iter().map(fresh));
    Ok(gone.into_iter().map(|r| r.prefix).collect())
}

fn cut_ranges_are_routed(lab: &LabGuard) -> Result<()> {
    let mut plan = lab.plan().clone();
    let declared = set_ranges(&mut plan, "vpc2", "cloud", &[])?;
    let pool = pool(&mut plan, "cloud")?;
    pool.slice_length = Some(26);
    // What the node has is as good as a slice, unless nobody may have it.
    pool.exclude.extend(&declared);
    let planned = Planned::put(lab, &plan)?;
    let (vpc1, vpc2, idc1) = (lab.node("vpc1")?, lab.node("vpc2")?, lab.node("idc1")?);
    let netd = pid(&vpc2)?;

    let attach = || {
        let container = Container::attach(lab, &vpc2, "cloud", "ranges-cut")?;
        let old = declared.iter().any(|p| p.contains(container.v4.into()));
        ensure!(!old, "{} is of a range that drains", container.v4);
        Ok(container)
    };
    let (cut, took) = eventually(FOLLOWED, attach)?;
    let range = lease_at(lab, cut.v4.into())?.context("no lease has the container's address")?;
    ensure!(range.prefix.prefix() == 26, "{range:?} is no slice");
    wait_converged(lab.layout(), &Silent)?;
    let there = [
        Container::attach(lab, &idc1, "web", "ranges-idc")?,
        Container::attach(lab, &vpc1, "cloud", "ranges-vpc")?,
    ];
    for other in &there {
        for (from, to) in [(other, &cut), (&cut, other)] {
            eventually(FOLLOWED, || from.reaches(to.v4.into()))?;
        }
    }
    say(&format!(
        "{} was cut for vpc2, and an ADD had it after {:.1} s; reached from the IDC and the other zone",
        range.prefix,
        took.as_secs_f64()
    ));
    ensure!(pid(&vpc2)? == netd, "netd of vpc2 was restarted");
    who(lab, &cut, &range.prefix)?;
    traced(lab, &there[0], &cut)?;
    for container in there.into_iter().chain([cut]) {
        container.detach()?;
    }
    planned.back()
}

fn drained_and_moved(lab: &LabGuard) -> Result<()> {
    let (idc1, idc2) = (lab.node("idc1")?, lab.node("idc2")?);
    let (idc1, idc2) = (&idc1, &idc2);
    let mut plan = lab.plan().clone();
    let whole = set_ranges(&mut plan, "idc1", "web", &[])?;
    let whole = whole.first().context("a range of idc1")?;
    let halves = halves(*whole)?;
    set_ranges(&mut plan, "idc1", "web", &halves)?;
    let planned = Planned::put(lab, &plan)?;
    let (_, took) = eventually(FOLLOWED, || holds(lab, "idc1", &halves))?;
    say(&format!(
        "idc1 has two ranges for one after {:.1} s",
        took.as_secs_f64()
    ));
    eventually(FOLLOWED, || {
        let served = ranges_of(idc1, "web")?;
        ensure!(
            halves.iter().all(|h| served.contains(h)),
            "netd has {served:?}"
        );
        Ok(())
    })?;
    let netd = pid(idc1)?;

    let first = Container::attach(lab, idc1, "web", "ranges-first")?;
    let drained = halves.into_iter().find(|h| h.contains(first.v4.into()));
    let drained = drained.context("its address is in neither range")?;
    let range = drained.to_string();
    let said = flatctl(lab, &["range", "drain", "idc1", &range])?;
    ensure!(said.contains("draining"), "{said}");

    // Nothing new is given out, by the same netd; what is in use stays, and cannot be released.
    eventually(FOLLOWED, || {
        let next = Container::attach(lab, idc1, "web", "ranges-next")?;
        let of_drained = drained.contains(next.v4.into());
        let address = next.v4;
        next.detach()?;
        ensure!(!of_drained, "{address} was given out of {drained}");
        Ok(())
    })?;
    ensure!(pid(idc1)? == netd, "netd of idc1 was restarted");
    eventually(FOLLOWED, || {
        let words = refused(lab, &["range", "release", "idc1", &range])?;
        ensure!(words.contains("in use"), "{words}");
        Ok(())
    })?;
    let listed = flatctl(
        lab,
        &["range", "list", "--host", "idc1", "--network", "web"],
    )?;
    let line = listed.lines().find(|l| l.starts_with(&range));
    let line = line.with_context(|| format!("{range} is not in {listed}"))?;
    ensure!(line.contains("draining (admin)"), "{line}");
    who(lab, &first, &drained)?;

    // The plan gives it to another host, which waits for it.
    let left = halves.into_iter().filter(|h| *h != drained);
    set_ranges(&mut plan, "idc1", "web", &left.collect::<Vec<_>>())?;
    let mut theirs = set_ranges(&mut plan, "idc2", "web", &[])?;
    theirs.push(drained);
    set_ranges(&mut plan, "idc2", "web", &theirs)?;
    planned.change(&plan)?;
    eventually(FOLLOWED, || {
        let waiting = listing(lab)?.waiting;
        let waits = |w: &&flatnet_types::ipamd::HostWaiting| {
            w.host.as_str() == "idc2" && w.waiting.prefix == Some(drained)
        };
        waiting.iter().find(waits).context("idc2 does not wait")?;
        Ok(())
    })?;
    ensure!(
        lease_at(lab, first.v4.into())?.is_some_and(|l| l.host.as_str() == "idc1"),
        "{drained} is not idc1's any more while it is used"
    );
    first.detach()?;
    let (rested, taken) = watch_move(lab, idc1, idc2, drained)?;
    ensure!(
        rested + BLUR >= REST,
        "{drained} was given away after {rested:?}; it rests {REST:?}"
    );
    say(&format!(
        "{drained}: drained and moved to idc2, {:.1} s after it was empty; it rested {:.1} s",
        taken.as_secs_f64(),
        rested.as_secs_f64()
    ));
    planned.back()
}

/// The two halves of a range's first /24: small ranges, and both inside it.
fn halves(whole: IpNetwork) -> Result<[IpNetwork; 2]> {
    let first = IpNetwork::new(whole.network(), 25)?;
    let second = IpNetwork::new(
        match whole.network() {
            std::net::IpAddr::V4(a) => std::net::Ipv4Addr::from(u32::from(a) + 128).into(),
            std::net::IpAddr::V6(_) => anyhow::bail!("{whole} is no IPv4 range"),
        },
        25,
    )?;
    Ok([first, second])
}

/// That `flatctl trace` knows both ends, and finds nothing wrong.
fn traced(lab: &LabGuard, from: &Container, to: &Container) -> Result<()> {
    let (from, to) = (from.v4.to_string(), to.v4.to_string());
    let plan = lab.layout().plan().display().to_string();
    let sockets = lab.layout().root().display().to_string();
    let tables = socket(lab.layout()).display().to_string();
    let words = ["trace", &from, &to, "--plan", &plan, "--netd-dir", &sockets];
    let said = flatctl(lab, &[&words[..], &["--vpc-route", &tables]].concat())?;
    ensure!(said.contains("nothing is wrong"), "{said}");
    Ok(())
}

/// What `flatctl ip who` says of a container's address.
fn who(lab: &LabGuard, container: &Container, range: &IpNetwork) -> Result<()> {
    let (plan, sockets) = (lab.layout().plan(), lab.layout().root().to_owned());
    let (plan, sockets) = (plan.display().to_string(), sockets.display().to_string());
    let address = container.v4.to_string();
    let words = [
        "ip",
        "who",
        &address,
        "--plan",
        &plan,
        "--netd-dir",
        &sockets,
    ];
    let said = flatctl(lab, &words)?;
    let mut hosts = lab.plan().spec.hosts.iter();
    let host = hosts.find(|h| h.name.as_str() == container.node.name);
    let host = host.context("the container's host")?;
    let range = range.to_string();
    for (what, wanted) in [
        ("the site", host.site.as_str()),
        ("the pool", "pool"),
        ("the range", range.as_str()),
        ("the host", container.node.name.as_str()),
        ("the container", container.id()),
        ("since when", "since"),
    ] {
        ensure!(
            said.contains(wanted),
            "{what} ({wanted}) is not in:\n{said}"
        );
    }
    Ok(())
}

/// Follows a range from one host by its rest to the other: how long it rested, and how long
/// all of that took.
fn watch_move(
    lab: &LabGuard,
    from: &Node,
    to: &Node,
    range: IpNetwork,
) -> Result<(Duration, Duration)> {
    let begun = Instant::now();
    let mut resting = None;
    loop {
        let lease = lease_at(lab, range.network())?;
        match &lease {
            Some(l) if l.host.as_str() == to.name => break,
            Some(l) if matches!(l.state, LeaseState::Quarantined { .. }) => {
                resting.get_or_insert_with(Instant::now);
            }
            _ => {}
        }
        ensure!(begun.elapsed() < FOLLOWED, "still {lease:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let rested = resting.context("it was never seen to rest")?.elapsed();
    let taken = begun.elapsed();
    eventually(FOLLOWED, || {
        let served = ranges_of(to, "web")?;
        ensure!(
            served.contains(&range),
            "netd of {} has {served:?}",
            to.name
        );
        let before = ranges_of(from, "web")?;
        ensure!(
            !before.contains(&range),
            "netd of {} still has it",
            from.name
        );
        Ok(())
    })?;
    Ok((rested, taken))
}

/// The process that is a node's netd now.
fn pid(node: &Node) -> Result<String> {
    let file = node.paths.netd_pid();
    std::fs::read_to_string(&file).with_context(|| file.display().to_string())
}
