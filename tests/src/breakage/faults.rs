//! The table of faults.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;

use super::ground::{Daemon, Ground, HOST_PORT};
use crate::paths::NODE_BRIDGE;

/// What a fault is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bound {
    /// netd owns it: whole within a second.
    Repaired,
    /// It is not netd's to change: named within two.
    Named,
}

impl Bound {
    /// The time that it gives.
    pub(crate) fn limit(self) -> Duration {
        match self {
            Self::Repaired => Duration::from_secs(1),
            Self::Named => Duration::from_secs(2),
        }
    }
}

/// On which kind of node a fault shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    /// Mode `vlan`.
    Idc,
    /// Mode `routed`.
    Vpc,
}

type Act = fn(&Ground<'_>) -> Result<()>;

/// A way to break a node.
pub(crate) struct Fault {
    /// What is done, for people and for `--only`.
    pub(crate) name: &'static str,
    pub(crate) bound: Bound,
    pub(crate) site: Site,
    /// Whether containers lose packets while it lasts, so that a chaos run must not count them.
    pub(crate) interrupts: bool,
    /// Why it cannot be made on this machine; `None`: it can.
    pub(crate) missing: fn(&Ground<'_>) -> Option<String>,
    pub(super) act: Act,
    /// Whether the node is whole again; `None`: netd does not repair it.
    pub(super) whole: Option<fn(&Ground<'_>) -> Result<bool>>,
    /// Takes back what netd left; harmless where nothing is left.
    pub(super) undo: Act,
}

const fn repaired(
    name: &'static str,
    site: Site,
    act: Act,
    whole: fn(&Ground<'_>) -> Result<bool>,
) -> Fault {
    Fault {
        name,
        bound: Bound::Repaired,
        site,
        interrupts: true,
        missing: |_| None,
        act,
        whole: Some(whole),
        undo: |_| Ok(()),
    }
}

const fn named(name: &'static str, site: Site, act: Act, undo: Act) -> Fault {
    Fault {
        name,
        bound: Bound::Named,
        site,
        interrupts: true,
        missing: |_| None,
        act,
        whole: None,
        undo,
    }
}

/// Every fault, by what it touches.
pub(crate) const FAULTS: &[Fault] = &[
    repaired(
        "a controller is set and removed",
        Site::Idc,
        set_and_remove_controller,
        whole_switch,
    ),
    repaired(
        "a controller is set and stays",
        Site::Idc,
        set_controller,
        whole_switch,
    ),
    repaired("del-fail-mode", Site::Idc, del_fail_mode, whole_switch),
    repaired(
        "del-fail-mode and a restart of ovs-vswitchd",
        Site::Idc,
        del_fail_mode_and_restart,
        whole_switch,
    ),
    repaired("flows deleted", Site::Idc, delete_flows, whole_switch),
    repaired("a flow NORMAL added", Site::Idc, add_normal, whole_switch),
    repaired("routes flushed", Site::Idc, flush_routes, |g| {
        Ok(g.routes()? == g.before.routes)
    }),
    repaired("an address flushed", Site::Idc, flush_addresses, |g| {
        Ok(g.addresses()? == g.before.addresses)
    }),
    repaired(
        "the host port set down",
        Site::Idc,
        host_port_down,
        host_port_is_up,
    ),
    repaired(
        "a container's port deleted",
        Site::Idc,
        delete_pod_port,
        whole_ports,
    ),
    repaired(
        "the host port deleted",
        Site::Idc,
        delete_host_port,
        whole_ports,
    ),
    Fault {
        // netd ends it two seconds after its flows are in, if no restart is under way.
        bound: Bound::Named,
        undo: |g| {
            g.vsctl(&[
                "remove",
                "Open_vSwitch",
                ".",
                "other_config",
                "flow-restore-wait",
            ])
            .map(drop)
        },
        ..repaired(
            "flow-restore-wait left on",
            Site::Idc,
            restore_wait,
            no_restore_wait,
        )
    },
    Fault {
        missing: |g| no_tool("iptables").or_else(|| no_filter(g)),
        ..named(
            "netfilter: FORWARD policy DROP",
            Site::Vpc,
            forward_drop,
            |g| g.tool("iptables", &["-P", "FORWARD", "ACCEPT"]).map(drop),
        )
    },
    Fault {
        whole: Some(|g| Ok(sysctl(g, RP_FILTER)? != "1")),
        ..named(
            "rp_filter strict on the host port",
            Site::Vpc,
            |g| set_sysctl(g, RP_FILTER, "1"),
            |g| set_sysctl(g, RP_FILTER, "0"),
        )
    },
    Fault {
        whole: Some(|g| Ok(sysctl(g, FORWARDING)? == "1")),
        ..named(
            "ip_forward switched off",
            Site::Vpc,
            |g| set_sysctl(g, FORWARDING, "0"),
            |g| set_sysctl(g, FORWARDING, "1"),
        )
    },
    Fault {
        missing: |_| {
            let why = "a port of Open vSwitch does not pass br_netfilter; netd names it where the \
                       uplink is a Linux bridge";
            Some(why.to_owned())
        },
        whole: Some(|g| Ok(sysctl(g, BRIDGE_NF)? == "0")),
        interrupts: false,
        ..named(
            "bridge-nf-call-iptables switched on",
            Site::Idc,
            |g| set_sysctl(g, BRIDGE_NF, "1"),
            |g| set_sysctl(g, BRIDGE_NF, "0"),
        )
    },
    Fault {
        interrupts: false,
        ..named(
            "the store's disk is full",
            Site::Idc,
            fill_store,
            free_store,
        )
    },
    Fault {
        interrupts: false,
        ..named(
            "OVSDB unreachable",
            Site::Idc,
            |g| g.signal(Daemon::Database, Signal::SIGSTOP).map(drop),
            |g| g.signal(Daemon::Database, Signal::SIGCONT).map(drop),
        )
    },
    Fault {
        interrupts: true,
        ..named(
            "ovs-vswitchd does not answer",
            Site::Idc,
            |g| g.signal(Daemon::Switch, Signal::SIGSTOP).map(drop),
            |g| g.signal(Daemon::Switch, Signal::SIGCONT).map(drop),
        )
    },
];

/// Where nobody listens.
const NOBODY: &str = "tcp:127.0.0.1:1";
const RP_FILTER: &str = "net.ipv4.conf.flat0.rp_filter";
const FORWARDING: &str = "net.ipv4.ip_forward";
const BRIDGE_NF: &str = "net.bridge.bridge-nf-call-iptables";

fn set_and_remove_controller(g: &Ground<'_>) -> Result<()> {
    set_controller(g)?;
    g.vsctl(&["del-controller", NODE_BRIDGE]).map(drop)
}

fn set_controller(g: &Ground<'_>) -> Result<()> {
    // It waits for the switch, as the command does by itself: the switch acts on it.
    let mut command = g.node.vsctl();
    crate::run::output(command.args(["set-controller", NODE_BRIDGE, NOBODY]))?;
    Ok(())
}

fn del_fail_mode(g: &Ground<'_>) -> Result<()> {
    g.vsctl(&["del-fail-mode", NODE_BRIDGE]).map(drop)
}

/// The clock runs from when the switch answers again: before that, nobody can repair it.
fn del_fail_mode_and_restart(g: &Ground<'_>) -> Result<()> {
    del_fail_mode(g)?;
    g.kill_and_wait(Daemon::Switch)
}

fn delete_flows(g: &Ground<'_>) -> Result<()> {
    g.ofctl(&["del-flows", NODE_BRIDGE]).map(drop)
}

fn add_normal(g: &Ground<'_>) -> Result<()> {
    g.ofctl(&["add-flow", NODE_BRIDGE, "priority=65535,actions=NORMAL"])
        .map(drop)
}

/// `secure`, no controller, every flow of before and none that forwards by NORMAL.
fn whole_switch(g: &Ground<'_>) -> Result<bool> {
    // The count first: `ovs-vsctl` reads the whole database, and each look takes time from the
    // switch and from netd while they repair.
    if !g.has_as_many_flows()? {
        return Ok(false);
    }
    let row = g.vsctl(&["get", "Bridge", NODE_BRIDGE, "fail_mode", "controller"])?;
    let mut lines = row.lines().map(str::trim);
    let set = lines.next() == Some("secure") && lines.next() == Some("[]");
    if !set {
        return Ok(false);
    }
    let (flows, normal) = g.all_flows()?;
    Ok(g.before.flows.is_subset(&flows) && !normal)
}

fn flush_routes(g: &Ground<'_>) -> Result<()> {
    ensure!(
        !g.before.routes.is_empty(),
        "{} has no routes of netd's",
        g.node.name
    );
    for family in ["-4", "-6"] {
        // It fails where there is none of that family.
        let _ = g.tool(
            "ip",
            &[family, "route", "flush", "table", "all", "proto", "94"],
        );
    }
    Ok(())
}

fn flush_addresses(g: &Ground<'_>) -> Result<()> {
    ensure!(
        !g.before.addresses.is_empty(),
        "{HOST_PORT} has no addresses"
    );
    g.tool(
        "ip",
        &["address", "flush", "dev", HOST_PORT, "scope", "global"],
    )
    .map(drop)
}

fn host_port_down(g: &Ground<'_>) -> Result<()> {
    g.tool("ip", &["link", "set", HOST_PORT, "down"]).map(drop)
}

/// Up, with the addresses and routes that the kernel took away with it.
fn host_port_is_up(g: &Ground<'_>) -> Result<bool> {
    let up = g.tool("ip", &["-o", "link", "show", HOST_PORT, "up"])?;
    Ok(!up.trim().is_empty()
        && g.addresses()? == g.before.addresses
        && g.routes()? == g.before.routes)
}

fn delete_pod_port(g: &Ground<'_>) -> Result<()> {
    g.vsctl(&["del-port", NODE_BRIDGE, &g.pod_port()?])
        .map(drop)
}

fn delete_host_port(g: &Ground<'_>) -> Result<()> {
    g.vsctl(&["del-port", NODE_BRIDGE, HOST_PORT]).map(drop)
}

/// Every port of before, and the container reaches its gateway.
fn whole_ports(g: &Ground<'_>) -> Result<bool> {
    Ok(g.has_as_many_flows()?
        && g.ports()? == g.before.ports
        && g.addresses()? == g.before.addresses
        && g.before.flows.is_subset(&g.flows()?)
        && g.pod_passes()?)
}

fn restore_wait(g: &Ground<'_>) -> Result<()> {
    g.vsctl(&[
        "set",
        "Open_vSwitch",
        ".",
        "other_config:flow-restore-wait=true",
    ])
    .map(drop)
}

fn no_restore_wait(g: &Ground<'_>) -> Result<bool> {
    let config = g.vsctl(&["get", "Open_vSwitch", ".", "other_config"])?;
    Ok(
        !config.contains("flow-restore-wait=\"true\"")
            && !config.contains("flow-restore-wait=true"),
    )
}

fn no_tool(program: &str) -> Option<String> {
    let found = crate::run::search_path()
        .split(':')
        .any(|dir| PathBuf::from(dir).join(program).is_file());
    (!found).then(|| format!("there is no {program} on this machine"))
}

/// The policy that every namespace has at first; a kernel may have no tables of IPv4.
fn no_filter(g: &Ground<'_>) -> Option<String> {
    let set = g.tool("iptables", &["-P", "FORWARD", "ACCEPT"]);
    set.err()
        .map(|_| "this kernel has no filter table".to_owned())
}

fn forward_drop(g: &Ground<'_>) -> Result<()> {
    g.tool("iptables", &["-P", "FORWARD", "DROP"]).map(drop)
}

fn sysctl(g: &Ground<'_>, name: &str) -> Result<String> {
    Ok(g.tool("sysctl", &["-n", name])?.trim().to_owned())
}

fn set_sysctl(g: &Ground<'_>, name: &str, value: &str) -> Result<()> {
    g.tool("sysctl", &["-q", "-w", &format!("{name}={value}")])
        .map(drop)
}

/// What takes up the rest of the store's file system.
const FILL: &str = "fill";
/// The size of the store's file system while its disk is full, in bytes: a store of some
/// attachments has a few megabytes.
const SMALL_DISK: &str = "size=24m";

/// Gives the store a small disk of its own, with netd started anew on it, and fills that.
fn fill_store(g: &Ground<'_>) -> Result<()> {
    let store = g.node.paths.store();
    let old = g.lab.netd_pid(&g.node.name)?;
    let kept: Vec<(std::ffi::OsString, Vec<u8>)> = fs::read_dir(&store)?
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| Ok((entry.file_name(), fs::read(entry.path())?)))
        .collect::<Result<_>>()?;
    mount(
        Some("tmpfs"),
        &store,
        Some("tmpfs"),
        MsFlags::empty(),
        Some(SMALL_DISK),
    )
    .with_context(|| format!("a small disk at {}", store.display()))?;
    for (name, bytes) in kept {
        fs::write(store.join(name), bytes)?;
    }
    old.signal(Signal::SIGKILL)?;
    old.wait_gone(Duration::from_secs(10));
    g.lab.wait_ready(&g.node.name, Duration::from_secs(30))?;
    let mut fill = fs::File::create(store.join(FILL))?;
    let block = vec![0_u8; 64 * 1024];
    // Until the disk is full, to the last page.
    for size in [block.len(), 4096] {
        while std::io::Write::write_all(&mut fill, &block[..size]).is_ok() {}
    }
    Ok(())
}

/// Takes the small disk away, with netd started anew on the store of before.
fn free_store(g: &Ground<'_>) -> Result<()> {
    let store = g.node.paths.store();
    let _ = fs::remove_file(store.join(FILL));
    let old = g.lab.netd_pid(&g.node.name).ok();
    if umount2(&store, MntFlags::MNT_DETACH).is_err() {
        // It was never mounted.
        return Ok(());
    }
    if let Some(old) = old {
        old.signal(Signal::SIGKILL)?;
        old.wait_gone(Duration::from_secs(10));
    }
    g.lab.wait_ready(&g.node.name, Duration::from_secs(30))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_what_is_repaired_can_be_seen_whole() {
        let mut names: Vec<&str> = FAULTS.iter().map(|f| f.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAULTS.len());
        for fault in FAULTS.iter().filter(|f| f.bound == Bound::Repaired) {
            assert!(fault.whole.is_some(), "{}", fault.name);
        }
    }
}
