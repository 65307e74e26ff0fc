//! How the lab is.

use std::fmt;
use std::sync::Mutex;

use serde::Serialize;

use crate::datapath::Datapath;
use crate::error::Result;
use crate::fabric::Role;
use crate::lab::{Lab, Member, running};
use crate::paths::VPC_ROUTER;
use crate::process::ProcessId;
use crate::{edge, netd, ovs, run, supervise};

/// The lab at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether everything that should run runs, and every netd is ready.
    pub healthy: bool,
    /// The datapath of every switch.
    pub datapath: Datapath,
    /// The supervisor's PID, if it runs.
    pub supervisor: Option<i32>,
    /// Nodes, switches and routers.
    pub members: Vec<MemberStatus>,
    /// The daemons of the whole lab: ipamd, the simulator, vpc-route, the edge router's FRR.
    pub daemons: Vec<DaemonStatus>,
}

/// A daemon at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DaemonStatus {
    /// Its name, `vpcr/vpc-route`.
    pub name: String,
    /// Its PID, if it runs.
    pub pid: Option<i32>,
}

/// One member at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// `idc1`, `tor1`, `edge`.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Name of its network namespace, `fn-idc1`.
    pub namespace: String,
    /// Its netd, on a node.
    pub netd: Option<NetdStatus>,
    /// Whether its Open vSwitch answers, where it has one.
    pub ovs: Option<bool>,
    /// The ports of its bridge, where that is there.
    pub ports: Option<usize>,
    /// The ranges of a node.
    pub ranges: Vec<String>,
}

/// A netd at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetdStatus {
    /// Whether the supervisor is to run it.
    pub wanted: bool,
    /// Its PID, if it runs.
    pub pid: Option<i32>,
    /// Whether it says that it is ready.
    pub ready: bool,
    /// How many attachments it has, if it says.
    pub attachments: Option<usize>,
}

/// Asks everything.
///
/// # Errors
/// [`crate::Error`] where there is no lab; what does not answer is no error here.
pub fn status(lab: &Lab) -> Result<Status> {
    let units = supervise::read_units(&lab.layout().units()).unwrap_or_default();
    let found = Mutex::new(Vec::new());
    let members: Vec<(usize, Member)> = lab.members().into_iter().enumerate().collect();
    run::each(&members, |(index, member)| {
        let name = netd::unit_name(&member.name);
        let wanted = units.iter().any(|u| u.name == name);
        let status = member_status(lab, member, wanted);
        if let Ok(mut found) = found.lock() {
            found.push((*index, status));
        }
        Ok(())
    })?;
    let mut found = found.into_inner().unwrap_or_default();
    // The nodes first: they are what one looks for.
    found.sort_by_key(|(index, member)| (!member.role.is_node(), *index));
    let members: Vec<MemberStatus> = found.into_iter().map(|(_, status)| status).collect();
    let supervisor = supervise::is_running(lab.layout())
        .then(|| ProcessId::from_file(&lab.layout().supervisor_pid()))
        .flatten();
    let of_lab = units.iter().filter(|u| is_of_the_lab(&u.name));
    let daemons: Vec<DaemonStatus> = of_lab
        .map(|unit| DaemonStatus {
            name: unit.name.clone(),
            pid: unit
                .pid_file
                .as_deref()
                .and_then(ProcessId::from_file)
                .map(|p| p.pid),
        })
        .collect();
    Ok(Status {
        healthy: supervisor.is_some()
            && members.iter().all(MemberStatus::is_healthy)
            && daemons.iter().all(|d| d.pid.is_some()),
        datapath: lab.datapath(),
        supervisor: supervisor.map(|s| s.pid),
        members,
        daemons,
    })
}

/// ipamd, what runs in the VPC router, and the edge router's FRR; all others are a member's own.
fn is_of_the_lab(unit: &str) -> bool {
    unit.split_once('/')
        .is_none_or(|(member, _)| member == VPC_ROUTER)
        || edge::is_unit(unit)
}

fn member_status(lab: &Lab, member: &Member, netd_wanted: bool) -> MemberStatus {
    let paths = &member.paths;
    let is_node = member.role.is_node();
    let netd = is_node.then(|| NetdStatus {
        wanted: netd_wanted,
        pid: running(member, &paths.netd_pid()).map(|p| p.pid),
        ready: netd::is_ready(paths),
        attachments: netd::attachments(paths),
    });
    let ovs = member.role.has_ovs().then(|| {
        running(member, &paths.vswitchd_pid()).is_some()
            && running(member, &paths.ovsdb_pid()).is_some()
            && ovs::answers(paths)
    });
    let ports = match (&member.bridge, ovs) {
        (Some(bridge), Some(true)) => ovs::ports(paths, bridge).ok().flatten(),
        _ => None,
    };
    let ranges = lab.plan().spec.hosts.iter();
    MemberStatus {
        name: member.name.clone(),
        role: member.role,
        namespace: member.namespace.clone(),
        netd,
        ovs,
        ports: ports.map(|p| p.len()),
        ranges: ranges
            .filter(|h| is_node && h.name.as_str() == member.name)
            .flat_map(|h| &h.ranges)
            .map(|r| format!("{} {}", r.network, r.prefix))
            .collect(),
    }
}

impl MemberStatus {
    fn is_healthy(&self) -> bool {
        self.ovs != Some(false) && self.netd.as_ref().is_none_or(|n| !n.wanted || n.ready)
    }
}

/// A table for people; `serde` is for programs.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = [
            "NAME",
            "NAMESPACE",
            "NETD",
            "OVS",
            "PORTS",
            "ATTACHED",
            "RANGES",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        rows.extend(self.members.iter().map(row));
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        let daemons = self.daemons.iter().map(|d| match d.pid {
            Some(pid) => format!("{} ({pid})", d.name),
            None => format!("{} (down)", d.name),
        });
        let daemons: Vec<String> = daemons.collect();
        if !daemons.is_empty() {
            writeln!(f, "Beside them: {}.", daemons.join(", "))?;
        }
        writeln!(f, "Open vSwitch's datapath: {}.", self.datapath.name())?;
        match (self.supervisor, self.healthy) {
            (None, _) => writeln!(
                f,
                "The supervisor does not run: `flatnet-lab up` repairs it."
            ),
            (Some(pid), true) => writeln!(f, "All is well (supervisor {pid})."),
            (Some(pid), false) => writeln!(
                f,
                "Something is amiss: `flatnet-lab up` repairs it, supervisor.log tells (supervisor {pid})."
            ),
        }
    }
}

fn row(member: &MemberStatus) -> [String; 7] {
    let dash = || "-".to_owned();
    let netd = match &member.netd {
        None => dash(),
        Some(n) => match (n.pid, n.ready, n.wanted) {
            (Some(pid), true, _) => format!("ready ({pid})"),
            (Some(pid), false, _) => format!("not ready ({pid})"),
            (None, _, true) => "down".to_owned(),
            (None, _, false) => dash(),
        },
    };
    let attached = member.netd.as_ref().and_then(|n| n.attachments);
    [
        member.name.clone(),
        member.namespace.clone(),
        netd,
        member
            .ovs
            .map_or_else(dash, |up| if up { "up" } else { "down" }.to_owned()),
        member.ports.map_or_else(dash, |n| n.to_string()),
        attached.map_or_else(dash, |n| n.to_string()),
        member.ranges.join(", "),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_is_up_and_what_is_not() {
        let member = |name: &str, netd, ovs| MemberStatus {
            name: name.into(),
            role: Role::IdcNode,
            namespace: format!("fn-{name}"),
            netd,
            ovs,
            ports: Some(3),
            ranges: vec!["web 10.100.16.0/20".into()],
        };
        let netd = NetdStatus {
            wanted: true,
            pid: Some(42),
            ready: true,
            attachments: Some(7),
        };
        let status = Status {
            healthy: false,
            datapath: Datapath::Kernel,
            supervisor: Some(9),
            members: vec![
                member("idc1", Some(netd), Some(true)),
                member("tor1", None, Some(false)),
            ],
            daemons: vec![DaemonStatus {
                name: "vpcr/vpc-route".into(),
                pid: None,
            }],
        };
        let text = status.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].contains("ready (42)") && lines[1].contains("web 10.100.16.0/20"));
        assert!(lines[2].contains("down"));
        assert!(lines[3].contains("vpcr/vpc-route (down)"));
        assert!(lines[4].contains("kernel"));
        assert!(lines[5].contains("amiss"));
        let column = |l: &str| l.find("PORTS").or_else(|| l.find('3'));
        assert_eq!(column(lines[0]), column(lines[2]));
    }
}
