//! `CNI_NETNS` that leads to something else.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{Scratch, Victim, refused};
use crate::LabGuard;
use crate::suites::rig::{Attached, Rig, Snapshot, interface};

pub(super) fn none(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-netns")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let dir = Scratch::on(&rig.node)?;
    let at = |name: &str| dir.at(name);
    fs::write(at("file"), "a file")?;
    mkfifo(&at("fifo"), Mode::S_IRWXU)?;
    let _socket = UnixListener::bind(at("socket"))?;
    symlink(at("file"), at("to-file"))?;
    symlink(at("nothing"), at("dangling"))?;
    symlink(at("loop"), at("loop"))?;
    let netd = lab.netd_pid("idc1")?.pid;
    let cases: Vec<(&str, PathBuf)> = vec![
        ("a file", at("file")),
        ("a directory", dir.0.clone()),
        ("a FIFO, which would block", at("fifo")),
        ("a socket", at("socket")),
        ("netd's own socket", rig.node.paths.netd_sock()),
        ("a device", "/dev/zero".into()),
        ("a symlink to a file", at("to-file")),
        ("a symlink to nothing", at("dangling")),
        ("a symlink to itself", at("loop")),
        ("nothing", at("nothing")),
        ("a path through a file", at("file").join("ns")),
        ("a mount namespace", "/proc/self/ns/mnt".into()),
        (
            "another's mount namespace",
            format!("/proc/{netd}/ns/mnt").into(),
        ),
        ("a user namespace", "/proc/self/ns/user".into()),
        ("a process", format!("/proc/{netd}").into()),
        ("whose it is", "/proc/self/ns/net".into()),
        (
            "the node's, by netd's process",
            format!("/proc/{netd}/ns/net").into(),
        ),
        ("the node's, by its name", rig.node.netns_path()),
    ];
    for (what, path) in cases {
        let call = |command| rig.call(command, ns).set("CNI_NETNS", &path);
        let object = refused(&call("ADD").run()?, &[8]).with_context(|| what.to_owned())?;
        ensure!(
            object.to_string().contains(&path.display().to_string()),
            "{what}: the error does not name the path: {object}"
        );
        // A sandbox that is gone is what DEL is for.
        call("DEL")
            .run()?
            .ok()
            .with_context(|| format!("DEL with {what}"))?;
    }
    let long = format!("/{}", "n".repeat(5000));
    for path in ["relative", "./x", "", &long] {
        let answer = rig.call("ADD", ns).set("CNI_NETNS", path).run()?;
        refused(&answer, &[4]).with_context(|| path.chars().take(20).collect::<String>())?;
    }
    ensure!(
        interface(ns, "eth0")?.is_none(),
        "the container that nobody named has an interface"
    );
    rig.same_as(&before)?;

    // A DEL with a wrong namespace still deletes what it names.
    let mut pod = rig.attach("bi-netns-del")?;
    pod.attached
        .call("DEL")
        .set("CNI_NETNS", at("file"))
        .run()?
        .ok()?;
    pod.attached.forget();
    rig.same_as(&before)
}

/// `/var/run/docker/netns/…` is one on most hosts.
pub(super) fn a_symlink(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-symlink")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let dir = Scratch::on(&rig.node)?;
    let link = dir.at("netns");
    symlink(ns.path(), &link)?;
    let mut attached: Attached = rig.add(ns, "eth0", |call| call.set("CNI_NETNS", &link))?;
    let inside = interface(ns, "eth0")?;
    ensure!(inside.is_some(), "eth0 is not behind the symlink");
    attached.netns = link;
    attached.check()?.ok().context("CHECK by the symlink")?;
    attached.del()?;
    ensure!(interface(ns, "eth0")?.is_none(), "eth0 is left");
    rig.same_as(&before)
}
