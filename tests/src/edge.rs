//! The IDC's edge router: Debian's FRR, zebra and staticd, in its namespace.
//!
//! They are the lab's own: their sockets and files are below `/run/flatnet-lab/edge/frr/`, and
//! nothing of the machine's `/etc/frr` or `/run/frr` is read or written. Staticd saves nothing:
//! one that is started anew is empty, and vpc-route fills it. On a machine without FRR the
//! edge router is its kernel alone, and vpc-route writes to that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::files;
use crate::paths::{EDGE, Layout, namespace, netns_path};
use crate::supervise::{Stage, Unit};

/// Where Debian has the daemons.
const PROGRAMS: &str = "/usr/lib/frr";
/// The daemons, in the order in which they start.
const DAEMONS: [&str; 2] = ["zebra", "staticd"];
/// The user and group that Debian's FRR insists on becoming.
const USER: &str = "frr";

/// Whether this machine has FRR.
pub(crate) fn has_frr() -> bool {
    DAEMONS
        .iter()
        .all(|d| Path::new(PROGRAMS).join(d).is_file())
}

/// Whether a unit is one of them.
pub(crate) fn is_unit(unit: &str) -> bool {
    let name = unit.strip_prefix(EDGE).and_then(|n| n.strip_prefix('/'));
    name.is_some_and(|name| DAEMONS.contains(&name))
}

/// The daemons' directory.
pub(crate) fn directory(layout: &Layout) -> PathBuf {
    layout.member(EDGE).dir().join("frr")
}

/// Where the supervisor writes the PID of each.
pub(crate) fn pid_files(layout: &Layout) -> [PathBuf; 2] {
    DAEMONS.map(|daemon| directory(layout).join(format!("{daemon}.pid")))
}

/// How vpc-route reaches the edge router.
pub(crate) fn provider(layout: &Layout, frr: bool) -> Value {
    if frr {
        json!({"provider": "frr", "sockets": directory(layout)})
    } else {
        json!({"provider": "linux", "netns": netns_path(&namespace(EDGE))})
    }
}

/// Makes the daemons' directory and their empty configurations.
///
/// # Errors
/// [`Error::Io`]; [`Error::Unsupported`] where FRR is there without its user.
pub(crate) fn files(layout: &Layout) -> Result<()> {
    let directory = directory(layout);
    files::make_dir(&directory)?;
    let id = |source: nix::Error| Error::io("own", &directory)(source.into());
    let user = User::from_name(USER).map_err(id)?;
    let group = Group::from_name(USER).map_err(id)?;
    let (Some(user), Some(group)) = (user, group) else {
        let why = format!("{PROGRAMS} without the user {USER}: reinstall the package frr");
        return Err(Error::Unsupported(why));
    };
    let own = |path: &Path| {
        let owned = nix::unistd::chown(path, Some(user.uid), Some(group.gid));
        owned.map_err(|source| Error::io("own", path)(source.into()))
    };
    own(&directory)?;
    for daemon in DAEMONS {
        let path = directory.join(format!("{daemon}.conf"));
        if !path.exists() {
            files::write_if_changed(&path, b"")?;
        }
        own(&path)?;
    }
    Ok(())
}

/// Zebra, and staticd once zebra answers.
pub(crate) fn units(layout: &Layout) -> Vec<Unit> {
    let directory = directory(layout);
    let show = |name: &str| directory.join(name).display().to_string();
    let unit = |daemon: &str, pid_file: PathBuf| {
        let argv = [
            format!("{PROGRAMS}/{daemon}"),
            "--config_file".to_owned(),
            show(&format!("{daemon}.conf")),
            // Its own PID file, which it locks; the supervisor's is another.
            "--pid_file".to_owned(),
            show(&format!("{daemon}.lock")),
            "--socket".to_owned(),
            show("zserv.api"),
            "--vty_socket".to_owned(),
            directory.display().to_string(),
            // No telnet.
            "--vty_port".to_owned(),
            "0".to_owned(),
            "--log".to_owned(),
            "stdout".to_owned(),
        ];
        Unit {
            name: format!("{EDGE}/{daemon}"),
            netns: Some(netns_path(&namespace(EDGE))),
            argv: argv.to_vec(),
            env: BTreeMap::new(),
            pid_file: Some(pid_file),
            log: layout.member(EDGE).log(daemon),
            after: (daemon != DAEMONS[0]).then(|| directory.join("zebra.vty")),
            stage: Stage::Node,
            repair: Vec::new(),
            build: String::new(),
        }
    };
    let pid_files = pid_files(layout);
    DAEMONS
        .into_iter()
        .zip(pid_files)
        .map(|(daemon, pid_file)| unit(daemon, pid_file))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemons_are_the_labs_own_and_staticd_waits_for_zebra() {
        let units = units(&Layout::default());
        let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["edge/zebra", "edge/staticd"]);
        for unit in &units {
            let paths = unit.argv.iter().skip(1).filter(|a| a.starts_with('/'));
            let own = "/run/flatnet-lab/edge/frr";
            assert!(paths.clone().all(|p| p.starts_with(own)), "{:?}", unit.argv);
            assert_eq!(paths.count(), 4);
            assert_eq!(unit.netns, Some("/run/netns/fn-edge".into()));
        }
        assert_eq!(units[0].after, None);
        assert_eq!(
            units[1].after,
            Some("/run/flatnet-lab/edge/frr/zebra.vty".into())
        );
    }

    #[test]
    fn without_frr_vpc_route_writes_to_the_routers_kernel() {
        let layout = Layout::default();
        assert_eq!(provider(&layout, false)["netns"], "/run/netns/fn-edge");
        assert_eq!(
            provider(&layout, true)["sockets"],
            "/run/flatnet-lab/edge/frr"
        );
    }
}
