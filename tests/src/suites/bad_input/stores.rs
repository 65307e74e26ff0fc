//! Files that a disk has lost or altered, or an administrator has put in the wrong place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::Scratch;
use super::peers::at_once;
use crate::process::poll;
use crate::suites::kit::eventually;
use crate::suites::rig::{Changed, PATIENCE, Rig, Snapshot};
use crate::{LabGuard, netd};

/// Runs a program that is to give up, and gives what it said.
fn refusal(command: &mut Command) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if poll(PATIENCE, || child.try_wait().ok().flatten()).is_none() {
        child.kill()?;
        child.wait()?;
        bail!("{command:?} neither gave up nor said anything");
    }
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output()?;
    let said = [stderr, stdout].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(!status.success(), "{command:?} took it: {said}");
    Ok(said)
}

/// What is done to a file, what netd then says of it, and what becomes of it.
type Damage = (&'static str, fn(&Path) -> Result<()>, &'static str);

const DAMAGES: [Damage; 6] = [
    (
        "gone",
        |_| Ok(()),
        "and this host has 1 links of containers",
    ),
    (
        "on a disk that is not mounted",
        |at| Ok(symlink("/mnt/not-mounted/netd.redb", at)?),
        "a symbolic link to /mnt/not-mounted/netd.redb, and nothing is there",
    ),
    (
        "a directory",
        |at| Ok(fs::create_dir(at)?),
        "it is a directory",
    ),
    (
        "empty",
        |at| Ok(fs::write(at, "")?),
        "is damaged (the file is empty)",
    ),
    (
        "no database",
        |at| Ok(fs::write(at, [7; 9000])?),
        "is damaged",
    ),
    (
        "a device",
        |at| Ok(symlink("/dev/zero", at)?),
        "it is a device",
    ),
];

/// What was renamed, until this is dropped: what has its name by then is removed.
struct Aside {
    at: PathBuf,
    aside: PathBuf,
}

impl Aside {
    fn of(at: &Path) -> Result<Self> {
        let aside = at.with_extension("aside");
        fs::rename(at, &aside)?;
        Ok(Self {
            at: at.to_owned(),
            aside,
        })
    }

    fn put_back(&self) -> Result<()> {
        match fs::symlink_metadata(&self.at) {
            Ok(there) if there.is_dir() => fs::remove_dir_all(&self.at)?,
            Ok(_) => fs::remove_file(&self.at)?,
            Err(_) => {}
        }
        Ok(fs::rename(&self.aside, &self.at)?)
    }

    fn back(self) -> Result<()> {
        self.put_back()
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.aside.exists() {
            // The check has said what is wrong.
            let _ = self.put_back();
        }
    }
}

pub(super) fn netds(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let mut pod = rig.attach("bi-stores")?;
    let stopped = Changed::stopped(lab, "idc1")?;
    let store = rig.node.paths.store().join("netd.redb");
    let aside = Aside::of(&store)?;
    let argv = netd::unit(lab.layout(), "idc1", lab.datapath(), String::new()).argv;
    let start = || refusal(lab.member("idc1")?.command(&argv[0]).args(&argv[1..]));
    for (what, damage, words) in DAMAGES {
        damage(&store).with_context(|| what.to_owned())?;
        let there = fs::symlink_metadata(&store)
            .map(|m| (m.file_type(), m.len()))
            .ok();
        let said = start().with_context(|| format!("with a store that is {what}"))?;
        ensure!(
            said.contains(words) && said.contains("netd.redb"),
            "of a store that is {what} netd says: {said}"
        );
        let now = fs::symlink_metadata(&store)
            .map(|m| (m.file_type(), m.len()))
            .ok();
        ensure!(now == there, "a store that is {what} was replaced");
        pod.exec("ping", &["-n", "-c", "1", "-W", "5", "10.100.0.1"])
            .with_context(|| format!("after a start with a store that is {what}"))?;
        match there {
            Some((kind, _)) if kind.is_dir() => fs::remove_dir(&store)?,
            Some(_) => fs::remove_file(&store)?,
            None => {}
        }
    }
    aside.back()?;
    // The whole directory is away, and all that remembers a store.
    let state = rig.node.paths.store();
    let aside = Aside::of(&state)?;
    let said = start().context("without its directory")?;
    ensure!(
        said.contains("there is no store at") && said.contains("links of containers"),
        "without its directory netd says: {said}"
    );
    ensure!(!store.exists(), "an empty store was made");
    aside.back()?;
    // What ipamd said is kept in a file of its own.
    let ranges = rig.node.paths.store().join("ranges.json");
    let kept = fs::read_to_string(&ranges)?;
    for altered in [
        kept.replacen("10.", "11.", 1),
        kept[..kept.len() / 2].to_owned(),
    ] {
        ensure!(altered != kept, "nothing was altered: {kept}");
        fs::write(&ranges, &altered)?;
        let said = start().context("with ranges that were altered")?;
        ensure!(
            said.contains("ranges.json"),
            "of altered ranges netd says: {said}"
        );
        ensure!(
            fs::read_to_string(&ranges)? == altered,
            "they were replaced"
        );
    }
    fs::write(&ranges, kept)?;
    stopped.back()?;
    pod.attached
        .check()?
        .ok()
        .context("CHECK after all of it")?;
    pod.attached.del()?;
    rig.same_as(&before)
}

pub(super) fn journal(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let pod = rig.attach("bi-journal")?;
    let stopped = Changed::stopped(lab, "idc1")?;
    let journal = rig.node.paths.store().join("uplink.json");
    ensure!(!journal.exists(), "{} is there", journal.display());
    fs::write(&journal, "{\"version\": 1, \"boot_id\"")?;
    let told = || -> Result<()> {
        let (_, body) = netd::get(&rig.node.paths.netd_sock(), "/v1/node")?;
        ensure!(
            body.contains("\"uplink-journal\""),
            "it is not named: {body}"
        );
        ensure!(
            body.contains("uplink.json"),
            "its file is not named: {body}"
        );
        let (status, _) = netd::get(&rig.node.paths.netd_sock(), "/readyz")?;
        ensure!(status != 200, "ready, and nothing is repaired");
        Ok(())
    };
    // The guard waits until netd is ready, which it is once the journal is moved away.
    let done = std::thread::scope(|scope| {
        let back = scope.spawn(|| stopped.back());
        let named = eventually(PATIENCE / 2, told).map(drop);
        let moved = fs::remove_file(&journal).context("the journal is moved away");
        let back = back.join().map_err(|_| anyhow::anyhow!("it panicked"));
        named.and(moved).and(back?)
    });
    done?;
    pod.attached
        .check()?
        .ok()
        .context("CHECK after all of it")?;
    Ok(())
}

pub(super) fn plans(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let scratch = Scratch::on(&rig.node)?;
    let at = |name: &str| scratch.at(name);
    fs::File::create(at("huge"))?.set_len(100 << 20)?;
    fs::write(at("latin"), b"apiVersion: \xff\n")?;
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU)?;
    symlink("/dev/zero", at("endless"))?;
    symlink("/nowhere/plan", at("dangling"))?;
    fs::create_dir(at("directory"))?;
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (from, to) in "abcdefghi".chars().zip("bcdefghij".chars()) {
        let nine = vec![format!("*{from}"); 9].join(",");
        bomb.push_str(&format!("{to}: &{to} [{nine}]\n"));
    }
    fs::write(at("bomb"), bomb)?;
    fs::write(at("deep"), "[".repeat(1 << 20))?;
    for (name, words) in [
        ("huge", "104857600 bytes; at most 67108864"),
        ("latin", "not UTF-8: byte 13 in line 1"),
        ("fifo", "it is a FIFO"),
        ("endless", "it is a device"),
        ("dangling", "a symbolic link to /nowhere/plan"),
        ("directory", "is a directory"),
        ("bomb", "more than 2000000 values"),
        ("deep", "recursion limit exceeded"),
    ] {
        let plan = at(name);
        let bounded = |program: &str| {
            let mut command = Command::new("prlimit");
            command.arg("--as=2000000000").arg(rig.bin.join(program));
            command
        };
        let checked = at_once("flatctl", || {
            refusal(bounded("flatctl").args(["plan", "check"]).arg(&plan))
        })?;
        let derived = at_once("netd", || {
            refusal(
                bounded("netd")
                    .args(["derive", "--node", "idc1", "--plan"])
                    .arg(&plan),
            )
        })?;
        for said in [checked, derived] {
            let short: String = said.chars().take(500).collect();
            ensure!(said.contains(words), "of a plan that is {name}: {short}");
            ensure!(said.len() < 2000, "of a plan that is {name}: {short}");
        }
    }
    Ok(())
}
