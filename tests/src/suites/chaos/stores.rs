//! One store, one writer; and a store that is older than the node.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::PATIENCE;
use super::containers::{Container, Living, Spot, collect, forget_all, spots};
use crate::process::poll;
use crate::suites::rig::Changed;
use crate::traces::{Traces, nothing_left};
use crate::{LabGuard, netd};

const NODE: &str = "idc1";
/// netd's store in its state directory.
const STORE: &str = "netd.redb";

pub(super) fn second_netd(lab: &LabGuard) -> Result<()> {
    let spots = spots(lab, &[NODE])?;
    forget_all(&spots)?;
    let one = attach(&spots[0], "chaos-second-1")?;
    let first = lab.netd_pid(NODE)?;
    let node = lab.node(NODE)?;
    let aside = node.paths.dir().join("second");
    fs::create_dir_all(&aside)?;
    let other = aside.display().to_string();
    let socket = format!("{other}/netd.sock");

    let said = refused(lab, &[("--socket", &socket)])?;
    let pid = format!("process {}", first.pid);
    ensure!(
        said.contains("held by") && said.contains(&pid),
        "with the same store: {said}"
    );
    let said = refused(lab, &[("--state", &other)])?;
    ensure!(
        said.contains("another netd serves"),
        "with the same socket: {said}"
    );

    ensure!(
        lab.netd_pid(NODE)? == first,
        "the first netd is another one now"
    );
    one.check().context("CHECK")?;
    let two = attach(&spots[0], "chaos-second-2")?;
    one.del()?;
    two.del()?;
    fs::remove_dir_all(&aside)?;
    nothing_left(&node, PATIENCE).map(drop)
}

/// Runs a netd beside the one that runs, with other values of some options; gives what it
/// said when it gave up.
fn refused(lab: &LabGuard, other: &[(&str, &str)]) -> Result<String> {
    let member = lab.member(NODE)?;
    let mut argv = netd::unit(lab.layout(), NODE, lab.datapath(), String::new()).argv;
    for (option, value) in other {
        let at = argv
            .iter()
            .position(|a| a == option)
            .context("netd's option")?;
        (*value).clone_into(&mut argv[at + 1]);
    }
    let mut child = member
        .command(&argv[0])
        .args(&argv[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let ended = poll(PATIENCE, || child.try_wait().ok().flatten());
    let Some(status) = ended else {
        child.kill()?;
        child.wait()?;
        bail!("a second netd with {other:?} runs");
    };
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut said)?;
    }
    ensure!(
        !status.success(),
        "a second netd with {other:?} ended as if all were well: {said}"
    );
    Ok(said)
}

pub(super) fn old_copy(lab: &LabGuard) -> Result<()> {
    for way in [Copy::AtRest, Copy::WhileItRuns] {
        put_back(lab, way).with_context(|| format!("a copy taken {way:?}"))?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    AtRest,
    WhileItRuns,
}

fn put_back(lab: &LabGuard, way: Copy) -> Result<()> {
    let spots = spots(lab, &[NODE])?;
    forget_all(&spots)?;
    let spot = &spots[0];
    let node = lab.node(NODE)?;
    let store = node.paths.store().join(STORE);
    let copy = node.paths.dir().join("old.redb");

    let mut before = attach_some(spot, "chaos-before", 3)?;
    match way {
        Copy::AtRest => stopped(lab, || copy_file(&store, &copy))?,
        Copy::WhileItRuns => copy_file(&store, &copy)?,
    }
    let after = attach_some(spot, "chaos-after", 3)?;
    let gone = before.remove(0);
    gone.del().context("DEL of the first")?;
    drop(gone);
    stopped(lab, || copy_file(&copy, &store))?;
    fs::remove_file(&copy)?;

    // The old store takes the addresses of what came after it for unused.
    let anew = attach_some(spot, "chaos-anew", 6)?;
    let all: Vec<&Living> = before.iter().chain(&after).chain(&anew).collect();
    borne_once(&all)?;
    for one in before.iter().chain(&anew) {
        one.check()
            .with_context(|| format!("CHECK of {}", one.id()))?;
    }
    for one in &after {
        one.del()
            .with_context(|| format!("DEL of {}, which the store does not know", one.id()))?;
    }
    drop(after);
    let living: Vec<&Living> = before.iter().chain(&anew).collect();
    collect(spot, &living)?;
    let traces = poll(PATIENCE, || {
        Traces::take(&node)
            .ok()
            .filter(|t| t.strays().is_empty() && t.attachments.len() == living.len())
    });
    ensure!(
        traces.is_some(),
        "after GC: {:?}",
        Traces::take(&node)?.all()
    );
    for one in &living {
        one.del()?;
    }
    nothing_left(&node, PATIENCE).map(drop)
}

/// No address is on two containers.
fn borne_once(all: &[&Living]) -> Result<()> {
    let mut borne: BTreeMap<IpAddr, &str> = BTreeMap::new();
    for one in all {
        for ip in one.container.addresses()? {
            if let Some(other) = borne.insert(ip, one.id()) {
                bail!("{ip} is on {other} and on {}", one.id());
            }
        }
    }
    Ok(())
}

/// Does something while netd does not run.
fn stopped(lab: &LabGuard, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let netd = Changed::stopped(lab, NODE)?;
    let done = work();
    netd.back()?;
    lab.wait_ready(NODE, PATIENCE)?;
    done
}

fn copy_file(from: &Path, to: &PathBuf) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} to {}", from.display(), to.display()))?;
    Ok(())
}

fn attach_some(spot: &Spot, what: &str, count: usize) -> Result<Vec<Living>> {
    (0..count)
        .map(|n| attach(spot, &format!("{what}-{n}")))
        .collect()
}

fn attach(spot: &Spot, id: &str) -> Result<Living> {
    let container = Container::create(id)?;
    let mut last = None;
    // netd may just be starting.
    let added = poll(Duration::from_secs(10), || {
        match spot.cni.add(&container.conf) {
            Ok(added) => Some(added),
            Err(e) => {
                last = Some(e);
                None
            }
        }
    });
    let added = added.with_context(|| format!("ADD of {id}: {last:?}"))?;
    Ok(Living {
        spot: spot.clone(),
        container,
        added,
    })
}
