//! STATUS, GC, and a range that is full.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::LabGuard;
use crate::suites::rig::{Attached, Changed, Pod, Rig, Snapshot};

/// Runtimes ask STATUS every five seconds.
const QUICK: Duration = Duration::from_secs(1);

pub(super) fn status(lab: &LabGuard) -> Result<()> {
    for (node, network) in [("idc1", "web"), ("idc1", "db"), ("vpc1", "cloud")] {
        let rig = Rig::new(lab, node, network)?;
        let asked = Instant::now();
        let answer = rig.call_bare("STATUS").unset("CNI_PATH").run()?.ok()?;
        ensure!(answer.is_null(), "STATUS says nothing, not {answer}");
        ensure!(asked.elapsed() < QUICK, "STATUS took {:?}", asked.elapsed());
        let elsewhere = rig
            .call_bare("STATUS")
            .key("network", json!("nowhere"))
            .run()?;
        elsewhere.refused(7, &["nowhere"])?;
    }
    Ok(())
}

const ATTACHMENTS: &str = "cni.dev/valid-attachments";

pub(super) fn gc(lab: &LabGuard) -> Result<()> {
    let (web, db) = (Rig::new(lab, "idc1", "web")?, Rig::new(lab, "idc1", "db")?);
    let before = Snapshot::take(&web)?;
    let mut pods: Vec<Pod> = ["gc1", "gc2", "gc3"]
        .iter()
        .map(|id| web.attach(id))
        .collect::<Result<_>>()?;
    let mut other: Pod = db.attach("gc4")?;
    let all = Snapshot::take(&web)?;

    // No list is no wish, nor is a list that cannot be read.
    web.call_bare("GC").run()?.ok()?;
    web.call_bare("GC")
        .key(ATTACHMENTS, Value::Null)
        .run()?
        .ok()?;
    let half = json!([{"containerID": pods[0].attached.id, "ifname": "eth0"}, {"ifname": "eth0"}]);
    web.call_bare("GC")
        .key(ATTACHMENTS, half)
        .run()?
        .refused(7, &["containerID"])?;
    web.call_bare("GC")
        .key(ATTACHMENTS, json!("all"))
        .run()?
        .refused(7, &[ATTACHMENTS])?;
    web.same_as(&all).context("GC without a list")?;

    let listed = |which: &[&Attached]| -> Value {
        which
            .iter()
            .map(|a| json!({"containerID": a.id, "ifname": a.ifname}))
            .collect()
    };
    let everything = listed(&pods.iter().map(|p| &p.attached).collect::<Vec<_>>());
    web.call_bare("GC")
        .key(ATTACHMENTS, everything)
        .run()?
        .ok()?;
    web.same_as(&all).context("GC with all of them")?;

    let one = listed(&[&pods[1].attached]);
    web.call_bare("GC")
        .unset("CNI_PATH")
        .key(ATTACHMENTS, one.clone())
        .run()?
        .ok()?;
    for (n, kept) in [false, true, false].into_iter().enumerate() {
        let id = pods[n].attached.id.clone();
        ensure!(
            web.attachment(&id, "eth0")?.is_some() == kept,
            "GC with {one}: {id}"
        );
        pods[n].attached.forget();
    }
    pods[1]
        .attached
        .check()?
        .ok()
        .context("CHECK of what was listed")?;
    other
        .attached
        .check()?
        .ok()
        .context("CHECK of another network's")?;

    web.call_bare("GC")
        .key(ATTACHMENTS, json!([]))
        .run()?
        .ok()?;
    ensure!(
        web.attachment(&pods[1].attached.id, "eth0")?.is_none(),
        "an empty list keeps nothing"
    );
    other
        .attached
        .check()?
        .ok()
        .context("CHECK of another network's, after an empty list")?;
    other.attached.del()?;
    web.same_as(&before)
}

/// So many addresses does the small range have.
const SMALL: usize = 4;

pub(super) fn exhausted(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let small = Changed::with_small_range(lab, "idc1", &["--rest", "0"])?;
    rig.call_bare("STATUS")
        .run()?
        .ok()
        .context("STATUS with free addresses")?;
    let mut pods: Vec<Pod> = Vec::new();
    while pods.len() < SMALL {
        pods.push(rig.attach(&format!("full{}", pods.len()))?);
    }
    let full = Snapshot::take(&rig)?;
    let ns = rig.container("full-last")?;
    let how_full = ["web", "10.100.16.0/30", "4 used", "of 4"];
    rig.call("ADD", &ns).run()?.refused(105, &how_full)?;
    rig.same_as(&full)
        .context("an ADD without a free address")?;
    rig.call_bare("STATUS").run()?.refused(51, &how_full)?;
    let db = Rig::new(lab, "idc1", "db")?;
    db.call_bare("STATUS")
        .run()?
        .ok()
        .context("STATUS of a network that is not full")?;
    pods[0].attached.del()?;
    rig.call_bare("STATUS")
        .run()?
        .ok()
        .context("STATUS after a DEL")?;
    drop(rig.attach("full-last").context("ADD after a DEL")?);
    drop(pods);
    small.back()?;
    rig.same_as(&before)
}
