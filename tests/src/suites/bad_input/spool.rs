//! A spool in which somebody has left more than DELs.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flatnet_spool::SpooledDel;
use flatnet_types::ContainerId;
use nix::sys::stat::Mode;
use serde_json::Value;

use crate::LabGuard;
use crate::netd;
use crate::suites::kit::{eventually, say};
use crate::suites::rig::{Changed, PATIENCE, Rig, Snapshot, interface, wait};

/// A user who is not root.
const NOBODY: u32 = 65_534;
/// DELs of containers that this node has not: more than netd reads at a time.
const OTHERS: usize = 1500;

/// The problem of this code that netd names, in its words.
fn named(rig: &Rig, code: &str) -> Result<Option<String>> {
    let (_, body) = netd::get(&rig.node.paths.netd_sock(), "/v1/node")?;
    let view: Value = serde_json::from_str(&body)?;
    let all = view["problems"].as_array().into_iter().flatten();
    let mut found = all.filter(|p| p["code"] == code);
    Ok(found.next().map(ToString::to_string))
}

/// Puts beside a real entry what no plugin wrote; how many of it there are.
fn add_foreign_entries(dir: &Path, real: &Path) -> Result<usize> {
    let text = fs::read(real)?;
    let at = |name: &str| dir.join(name);
    fs::write(at("another-name.json"), &text)?;
    fs::write(at("new\nline.json"), "{}")?;
    fs::write(at("binary.json"), [0xff; 4096])?;
    fs::write(at("cut-off.json"), &text[..text.len() / 2])?;
    fs::File::create(at("huge.json"))?.set_len(1 << 40)?;
    symlink("/dev/zero", at("endless.json"))?;
    symlink(real, at("linked.json"))?;
    nix::unistd::mkfifo(&at("fifo.json"), Mode::S_IRWXU)?;
    fs::create_dir_all(at("directory.tmp/inside"))?;
    fs::create_dir_all(at("directory.json/inside"))?;
    // One that would be an entry, were it root's.
    let mut theirs: SpooledDel = serde_json::from_slice(&text)?;
    theirs.request.key.container_id = ContainerId::new("bi-spool-living")?;
    let path = dir.join(theirs.file_name());
    fs::write(&path, serde_json::to_vec(&theirs)?)?;
    chown(&path, Some(NOBODY), Some(NOBODY))?;
    for n in 0..OTHERS {
        let mut other: SpooledDel = serde_json::from_slice(&text)?;
        other.request.key.container_id = ContainerId::new(format!("elsewhere-{n}"))?;
        fs::write(dir.join(other.file_name()), serde_json::to_vec(&other)?)?;
    }
    Ok(11)
}

pub(super) fn hostile(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach("bi-spool")?;
    let living = rig.attach("bi-spool-living")?;
    let dir = rig.node.paths.spool();
    let stopped = Changed::stopped(lab, "idc1")?;
    pod.attached.del().context("DEL while netd is away")?;
    let files = rig.spool()?;
    ensure!(files.len() == 1, "the spool has {files:?}");
    let bad = add_foreign_entries(&dir, &files[0])?;
    let log = rig.node.paths.log("netd");
    let began = usize::try_from(fs::metadata(&log)?.len())?;
    stopped.back()?;
    let aside = || -> Result<Vec<PathBuf>> {
        let mut files = rig.spool()?;
        files.retain(|f| f.extension().is_some_and(|e| e == "bad"));
        Ok(files)
    };
    wait("the end of the honest DELs", || {
        rig.spool().is_ok_and(|files| files.len() == bad)
    })?;
    ensure!(aside()?.len() == bad, "the spool has {:?}", rig.spool()?);
    ensure!(
        rig.attachment("bi-spool", "eth0")?.is_none() && interface(&pod.ns, "eth0")?.is_none(),
        "an honest DEL was not done"
    );
    living
        .attached
        .check()?
        .ok()
        .context("who was not deleted")?;
    let (problem, took) = eventually(PATIENCE, || {
        named(&rig, "spool-bad")?.context("spool-bad is not named")
    })?;
    ensure!(problem.contains(&format!("{bad} files")), "{problem}");
    let logged = fs::read(&log)?;
    let logged = String::from_utf8_lossy(&logged[began..]).into_owned();
    let told = logged.matches("not an entry of the spool").count();
    ensure!(told == bad, "{told} of {bad} are in the log");
    say(&format!(
        "{OTHERS} DELs of other containers and {bad} files that are none: done and named after {:.1} s",
        took.as_secs_f64()
    ));
    // Somebody has looked.
    for path in aside()? {
        match fs::symlink_metadata(&path)?.is_dir() {
            true => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    wait("the end of the problem", || {
        named(&rig, "spool-bad").is_ok_and(|p| p.is_none())
    })?;
    drop(living);
    rig.same_as(&before)
}
