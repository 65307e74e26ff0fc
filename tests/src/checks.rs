//! What the machine must have, looked at before anything is touched.

use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::netns;
use crate::process::{ProcessId, lineage};
use crate::{ovs, run};

/// Programs, and the Debian package that brings each.
const PROGRAMS: [(&str, &str); 8] = [
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("nsenter", "util-linux"),
    ("ovsdb-tool", "openvswitch-switch"),
    ("ovsdb-server", "openvswitch-switch"),
    ("ovs-vswitchd", "openvswitch-switch"),
    ("ovs-vsctl", "openvswitch-common"),
    ("ovs-appctl", "openvswitch-common"),
];

/// Looks at everything and names all that is missing at once.
///
/// # Errors
/// [`Error::Preconditions`].
pub(crate) fn machine() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        // Without root the other answers would mislead.
        return Err(Error::Preconditions(vec![
            "it makes network namespaces: run it as root (sudo)".into(),
        ]));
    }
    let mut missing: Vec<String> = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(program, package)| format!("there is no `{program}`: apt-get install {package}"))
        .collect();
    for (path, what) in [
        (ovs::SCHEMA, "apt-get install openvswitch-switch"),
        (
            "/dev/net/tun",
            "the kernel needs CONFIG_TUN (modprobe tun), for Open vSwitch's ports",
        ),
        (
            "/proc/self/ns/net",
            "the kernel needs CONFIG_NET_NS, for network namespaces",
        ),
        (
            "/proc/sys/net/ipv6",
            "the kernel needs IPv6 (no ipv6.disable=1 on its command line)",
        ),
    ] {
        if !Path::new(path).exists() {
            missing.push(format!("there is no {path}: {what}"));
        }
    }
    if missing.is_empty() {
        missing.extend(kernel());
    }
    none(missing)
}

/// Whether this machine has the datapath.
///
/// # Errors
/// [`Error::Preconditions`] where the kernel's is asked for and there is none.
pub(crate) fn datapath(datapath: Datapath) -> Result<()> {
    if datapath == Datapath::User {
        return Ok(());
    }
    // Best effort: it may be built in, and what counts is whether it answers.
    let _ = run::output(run::command("modprobe").args(["-q", "openvswitch"]));
    let asked = run::output(run::command("ovs-dpctl").arg("dump-dps"));
    none(asked.err().map_or_else(Vec::new, |e| {
        vec![format!(
            "this kernel has no Open vSwitch datapath (modprobe openvswitch; `cargo xtask … \
             --datapath kernel` runs the lab in a guest that has it): {e}"
        )]
    }))
}

/// The programs of this project that `up` installs into the lab.
///
/// # Errors
/// [`Error::Preconditions`].
pub(crate) fn binaries(dir: &Path, names: &[&str]) -> Result<()> {
    none(
        names
            .iter()
            .filter(|name| !dir.join(name).is_file())
            .map(|name| {
                format!(
                    "there is no {}: build it, or say --bin-dir",
                    dir.join(name).display()
                )
            })
            .collect(),
    )
}

/// Whether this very process is in one of the lab's namespaces, where `down` would end it.
///
/// # Errors
/// [`Error::Inside`].
pub(crate) fn outside() -> Result<()> {
    let Some(own) = ProcessId::own() else {
        return Ok(());
    };
    let line = lineage(own.pid);
    match netns::processes_inside()
        .into_iter()
        .find(|(_, p)| line.contains(&p.pid))
    {
        Some((name, _)) => Err(Error::Inside(name)),
        None => Ok(()),
    }
}

/// Tries veths and bridges in a namespace that has no name and ends with its thread.
fn kernel() -> Vec<String> {
    let trial = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|e| format!("no network namespace can be made: {e}"))?;
        for (kind, lines) in [
            ("veth", "link add name trial0 type veth peer name trial1"),
            ("bridge", "link add name trial2 type bridge"),
        ] {
            run::ip_batch(&[lines.to_owned()])
                .map_err(|e| format!("the kernel makes no {kind} (modprobe {kind}): {e}"))?;
        }
        Ok(())
    });
    match trial.join() {
        Ok(Err(reason)) => vec![reason],
        _ => Vec::new(),
    }
}

fn find(program: &str) -> Option<PathBuf> {
    run::search_path()
        .split(':')
        .map(|dir| Path::new(dir).join(program))
        .find(|p| p.is_file())
}

fn none(missing: Vec<String>) -> Result<()> {
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::Preconditions(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_missing_binary_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().expect("dir");
        let err = binaries(dir.path(), &["netd", "flatnet"]).expect_err("empty");
        let text = err.to_string();
        assert!(text.contains("netd") && text.contains("flatnet") && text.contains("build"));
    }

    #[test]
    fn programs_are_found_whatever_the_callers_path() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program").is_none());
    }
}
