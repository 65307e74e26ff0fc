//! Names that would be paths.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Victim, refused};
use crate::LabGuard;
use crate::suites::rig::{Changed, Rig, Snapshot, wait};

/// Every file below a directory.
fn files(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.insert(entry.path());
        }
    }
    Ok(found)
}

/// The spool is where a name becomes a file's.
pub(super) fn no_paths(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-names")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let root = rig.node.paths.dir();
    let long = "c".repeat(4000);
    let hostile = [
        "../x",
        "../../x",
        "a/../../x",
        "/etc/x",
        "..",
        ".",
        "a/b",
        "a\\b/c",
        "%2e%2e%2fx",
        "x\n",
        "-rf",
        "~",
        "$HOME",
        "a*",
        "",
        &long,
    ];
    let away = Changed::stopped(lab, "idc1")?;
    let there = files(root)?;
    for id in hostile {
        for command in ["DEL", "ADD", "CHECK"] {
            let answer = rig.call(command, ns).set("CNI_CONTAINERID", id).run()?;
            refused(&answer, &[4]).with_context(|| format!("{command} of {:.20?}", id))?;
        }
    }
    for ifname in ["../x", "a/b", "..", ".", "/x", "a b", ""] {
        let answer = rig.call("DEL", ns).set("CNI_IFNAME", ifname).run()?;
        refused(&answer, &[4]).with_context(|| format!("DEL of interface {ifname:?}"))?;
    }
    let after = files(root)?;
    let new: Vec<_> = after.difference(&there).collect();
    ensure!(
        new.iter()
            .all(|f| f.extension().is_some_and(|e| e == "log")),
        "files were made: {new:?}"
    );

    // Odd ones that are allowed wait in the spool, each as one file in it.
    let odd = ["a..b", "a.json", "A", "a-_.", &"c".repeat(200)];
    for (n, id) in odd.iter().enumerate() {
        rig.call("DEL", ns)
            .set("CNI_CONTAINERID", id)
            .run()?
            .ok()
            .with_context(|| format!("DEL of {id}"))?;
        let spooled = rig.spool()?;
        ensure!(spooled.len() == n + 1, "{id}: the spool has {spooled:?}");
        ensure!(
            spooled.iter().all(|f| f.is_file()),
            "the spool has {spooled:?}"
        );
    }
    away.back()?;
    wait("an empty spool", || rig.spool().is_ok_and(|s| s.is_empty()))?;
    rig.same_as(&before)
}
