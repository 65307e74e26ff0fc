//! Doing what [`super::plan`] says: as few processes as it takes, members side by side.

use std::fs;
use std::path::Path;

use super::{Fabric, Op};
use crate::error::{Error, Result};
use crate::netns::{self, Name};
use crate::paths::{namespace, netns_path};
use crate::run;

/// Does `ops` in their order: namespaces, cables, then each member by itself.
///
/// # Errors
/// The first thing that failed of each member; what is done stays, for every op can be
/// done again.
pub(crate) fn apply(fabric: &Fabric, ops: &[Op]) -> Result<()> {
    namespaces(ops)?;
    // Defaults must be there before the interfaces that inherit them.
    each_member(
        fabric,
        ops,
        |op| matches!(op, Op::Sysctl { key, .. } if inherited(key)),
    )?;
    each_member(fabric, ops, |op| matches!(op, Op::DeleteLink { .. }))?;
    let cables: Vec<String> = ops.iter().filter_map(cable_line).collect();
    run::ip_batch(&cables)?;
    each_member(fabric, ops, |op| match op {
        Op::Sysctl { key, .. } => !inherited(key),
        Op::DeleteLink { .. } | Op::Cable(_) => false,
        _ => true,
    })
}

/// Switches transmit checksum offload off at every end of every cable: a userspace switch
/// gets the packets as they are, and a checksum that is left for the hardware is wrong.
///
/// Not part of the plan, for asking costs as much as doing.
///
/// # Errors
/// [`Error::Command`] where `ethtool` fails.
pub(crate) fn offloads_off(fabric: &Fabric) -> Result<()> {
    run::each(&fabric.members, |member| {
        let ends: Vec<&str> = fabric
            .cables
            .iter()
            .flat_map(|c| [&c.a, &c.b])
            .filter(|e| e.member == member.name)
            .map(|e| e.link.as_str())
            .collect();
        if ends.is_empty() {
            return Ok(());
        }
        netns::enter(&netns_path(&namespace(&member.name)), || {
            ends.iter().try_for_each(|link| {
                run::output(run::command("ethtool").args(["-K", link, "tx", "off"])).map(drop)
            })
        })?
    })
}

fn namespaces(ops: &[Op]) -> Result<()> {
    let known = netns::names();
    let mut lines = Vec::new();
    for op in ops {
        if let Op::Namespace { member } = op {
            let name = namespace(member);
            if known.contains(&(name.clone(), Name::Stale)) {
                netns::remove(&name)?;
            }
            lines.push(format!("netns add {name}"));
        }
    }
    run::ip_batch(&lines)
}

fn each_member(fabric: &Fabric, ops: &[Op], which: impl Fn(&Op) -> bool + Sync) -> Result<()> {
    run::each(&fabric.members, |member| {
        let own: Vec<&Op> = ops
            .iter()
            .filter(|op| op.member() == Some(&member.name) && which(op))
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        netns::enter(&netns_path(&namespace(&member.name)), || {
            own.iter().try_for_each(|op| sysctl(op))?;
            let lines: Vec<String> = own.iter().flat_map(|op| lines(op)).collect();
            run::ip_batch(&lines)
        })?
    })
}

/// Settings that interfaces made later inherit, as opposed to those of one interface.
fn inherited(key: &str) -> bool {
    let mut parts = key.split('/').skip(1);
    parts.next() != Some("conf") || matches!(parts.next(), Some("all" | "default"))
}

fn sysctl(op: &Op) -> Result<()> {
    if let Op::Sysctl { key, value, .. } = op {
        let path = Path::new("/proc/sys/net").join(key);
        fs::write(&path, value).map_err(Error::io("write", path))?;
    }
    Ok(())
}

/// Both ends are born where they belong: the machine's own namespace never sees them.
fn cable_line(op: &Op) -> Option<String> {
    let Op::Cable(c) = op else { return None };
    Some(format!(
        "link add name {} netns {} mtu {mtu} type veth peer name {} netns {} mtu {mtu}",
        c.a.link,
        namespace(&c.a.member),
        c.b.link,
        namespace(&c.b.member),
        mtu = c.mtu,
    ))
}

fn lines(op: &Op) -> Vec<String> {
    match op {
        Op::Cable(_) | Op::Sysctl { .. } => Vec::new(),
        // A new one has its loopback interface down; no machine has.
        Op::Namespace { .. } => vec!["link set dev lo up".to_owned()],
        Op::DeleteLink { link, .. } => vec![format!("link delete dev {link}")],
        Op::Bridge { link, mac, .. } => vec![format!(
            "link add name {link} address {mac} type bridge forward_delay 0 mcast_snooping 0"
        )],
        Op::Master { link, master, .. } => vec![format!("link set dev {link} master {master}")],
        Op::Mtu { link, mtu, .. } => vec![format!("link set dev {link} mtu {mtu}")],
        Op::Up { link, .. } => vec![format!("link set dev {link} up")],
        Op::Address { link, address, .. } if address.is_ipv6() => {
            vec![format!("address replace {address} dev {link} nodad")]
        }
        Op::Address { link, address, .. } => vec![format!("address replace {address} dev {link}")],
        Op::Route {
            prefix,
            via,
            link,
            protocol,
            ..
        } => vec![format!(
            "route replace {prefix} via {via} dev {link} proto {protocol}"
        )],
    }
}
