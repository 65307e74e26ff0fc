//! What is no change of the plan: a line that is cut, and people who work in the same tables.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::forward::steps;
use super::judge::Judge;
use super::rig::{
    FOLLOWED, TABLE, World, converged, entries, finish, foreign_untouched, tables, within,
};
use crate::LabGuard;
use crate::cloud::by_hand;
use crate::suites::kit::{eventually, output, say};

/// How long the line is away: several rounds of vpc-route.
const CUT: Duration = Duration::from_secs(5);
/// Within so long all is well again: a round, and what the cloud and the kernel take.
const REPAIRED: Duration = Duration::from_secs(8);

pub(super) fn cut_and_back(lab: &LabGuard) -> Result<()> {
    let world = World::attach(lab)?;
    let edge = lab.member("edge")?;
    let link = |state: &str| output(edge.command("ip").args(["link", "set", "line0", state]));
    let streams = world.streams()?;
    // What the check before this one changed has come to rest in the cloud, too.
    converged(lab)?;
    let before = at_rest(lab)?;
    let judge = Judge::begin(lab)?;
    link("down")?;
    std::thread::sleep(CUT);
    let meanwhile = tables(lab)?;
    link("up")?;
    let up = Instant::now();
    for to in world.vpc1.ips() {
        eventually(REPAIRED, || world.idc.reaches(to))?;
    }
    let back = up.elapsed();
    // Pings of every stream come again, and the controller has nothing left to do.
    converged(lab)?;
    std::thread::sleep(Duration::from_millis(500));
    let outcomes = finish(streams)?;
    ensure!(meanwhile == before, "{meanwhile:?}, not {before:?}");
    judge.nothing_written()?;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            // From vSwitch to vSwitch no packet sees the line.
            2 | 3 => outcome.lossless()?,
            // There is one line: what crosses it is lost while it is cut.
            _ => outcome.recovered(CUT + REPAIRED)?,
        }
    }
    say(&format!(
        "the line was away for {CUT:.0?}; both families crossed it again {back:.1?} after it came back"
    ));
    world.detach()
}

/// The tables once they have stayed the same for longer than vpc-route leaves an entry there that
/// nobody wants any more: until then a controller that has nothing to do may still have one to delete.
fn at_rest(lab: &LabGuard) -> Result<Vec<serde_json::Value>> {
    const REST: Duration = Duration::from_secs(5);
    let (mut now, mut since) = (tables(lab)?, Instant::now());
    let end = since + 4 * REST;
    while since.elapsed() < REST {
        ensure!(Instant::now() < end, "the tables still change");
        std::thread::sleep(Duration::from_millis(200));
        let then = std::mem::replace(&mut now, tables(lab)?);
        if then != now {
            since = Instant::now();
        }
    }
    Ok(now)
}

pub(super) fn drift(lab: &LabGuard) -> Result<()> {
    const THEIRS: &str = "made by hand";
    let world = World::attach(lab)?;
    let theirs = json!({
        "destination": "10.99.0.0/16", "name": THEIRS,
        "nextHops": [{"type": "Instance", "id": "i-vpc1"}],
    });
    steps(
        lab,
        &json!([{"addEntry": {"table": TABLE, "entry": theirs}}]),
    )?;
    let before = entries(lab, TABLE)?;
    let of = |destination: &str| {
        let found = before.iter().find(|e| e.destination == destination);
        found.with_context(|| format!("an entry for {destination}"))
    };
    let (deleted, modified) = (of("172.30.16.0/20")?, of("fd20:30::2:0/112")?);
    let streams = world.streams()?;
    let judge = Judge::begin(lab)?;
    let begun = Instant::now();
    for (action, pairs) in [
        (
            "DeleteRouteEntry",
            vec![("RouteEntryId", deleted.id.as_str())],
        ),
        (
            "ModifyRouteEntry",
            vec![
                ("RouteEntryId", modified.id.as_str()),
                ("NewNextHopId", "i-vpc1"),
                ("NewNextHopType", "Instance"),
            ],
        ),
    ] {
        // The service takes one change of a VPC at a time.
        within(FOLLOWED, || {
            let (status, answer) = by_hand(lab, action, &pairs)?;
            ensure!(status == 200, "{action}: {status}: {answer}");
            Ok(())
        })?;
    }
    let what = |listed: &[super::rig::Listed]| {
        let mut all: Vec<_> = listed
            .iter()
            .map(|e| (e.destination.clone(), e.hops.clone(), e.name == THEIRS))
            .collect();
        all.sort_unstable();
        all
    };
    eventually(REPAIRED, || {
        let now = entries(lab, TABLE)?;
        ensure!(what(&now) == what(&before), "{now:?}");
        Ok(())
    })?;
    let repaired = begun.elapsed();
    converged(lab)?;
    std::thread::sleep(Duration::from_millis(500));
    for (number, outcome) in finish(streams)?.iter().enumerate() {
        match number {
            // To and from ranges whose entries nobody touched: vpc1's IPv6, vpc2's IPv4.
            1 | 4 => outcome.lossless()?,
            // A range without its entry is lost until the next look at the table.
            _ => outcome.recovered(REPAIRED)?,
        }
    }
    foreign_untouched(&judge.events()?, THEIRS)?;
    say(&format!(
        "two entries were repaired {repaired:.1?} after they were broken"
    ));
    let all = entries(lab, TABLE)?;
    let theirs = all.iter().find(|e| e.name == THEIRS).context("theirs")?;
    steps(lab, &json!([{"removeEntry": {"id": theirs.id}}]))?;
    world.detach()
}
