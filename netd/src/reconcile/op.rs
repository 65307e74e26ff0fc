//! The changes of a node. A dry run prints them; a reconcile applies them.

use std::fmt;

use flatnet_ovs::openflow::{Flow, FlowHead, FlowKey, FragMode, Meter};
use flatnet_types::{AttachmentKey, IfName, Mtu};
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::actual::{Actual, BridgeRow, RouteActual};
use crate::flows::table;
use crate::node_ops::PortRow;
use crate::problems::Effect;

/// What an op changes belongs to. An op of an attachment is applied under its lock, and only while
/// the attachment still has that generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Subject {
    /// The node itself.
    Node,
    /// An attachment.
    Attachment {
        /// Network, container and interface of the attachment.
        key: AttachmentKey,
        /// The attachment's generation.
        generation: u64,
    },
}

/// How much the node depends on an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Without it packets do not pass, or containers are not isolated.
    Vital,
    /// It concerns one attachment, one destination or garbage: the rest of the node works.
    Partial,
    /// Nothing stops working without it.
    Cosmetic,
}

impl Severity {
    /// Whether the node is ready while such an op fails.
    pub fn effect(self) -> Effect {
        match self {
            Self::Vital => Effect::NotReady,
            Self::Partial | Self::Cosmetic => Effect::StaysReady,
        }
    }
}

/// One change. All are idempotent; deleting what is absent succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub enum Op {
    /// Make the bridge, with the host's port.
    CreateBridge {
        /// The wanted row of the bridge.
        bridge: BridgeRow,
        /// The host's port.
        host: PortRow,
    },
    /// Set the bridge's columns.
    SetBridge {
        /// The wanted row.
        bridge: BridgeRow,
        /// The columns that differ. They are part of the op's identity, so that three repairs of
        /// different columns are no quarrel.
        columns: Vec<String>,
    },
    /// Delete unmanaged flows: all of the same table and cookie as one of these.
    #[serde(rename = "DeleteForeign")]
    DeleteUnmanagedFlows(Vec<FlowHead>),
    /// Set the fragment mode of the switch.
    SetFragments(FragMode),
    /// Set the group of this number, which ARP and neighbour discovery pass.
    SetGroup(u32),
    /// Set the conntrack time-outs of netd's zones.
    SetTimeouts {
        /// The zones that get netd's time-outs.
        set: Vec<u16>,
        /// The zones that are no longer in use: netd's time-outs are removed.
        gone: Vec<u16>,
    },
    /// Clear the OpenFlow port flags that stop a port from receiving or sending.
    ///
    /// A port's name is Open vSwitch's text and may be longer than a link's.
    OpenPort(String),
    /// Remove `flow-restore-wait`, once all flows are set.
    EndRestore,
    /// Make a port.
    AddPort {
        /// What the changed row belongs to.
        subject: Subject,
        /// The wanted rows of the port.
        row: PortRow,
    },
    /// Set a port's columns.
    SetPort {
        /// What the changed row belongs to.
        subject: Subject,
        /// The wanted rows of the port.
        row: PortRow,
        /// The columns that differ.
        columns: Vec<String>,
    },
    /// Take ports out of the bridge.
    DeletePorts(Vec<String>),
    /// Delete a managed link whose attachment does not exist any more.
    DeleteLink {
        /// Name of the link.
        name: IfName,
        /// ifindex: a link of the same name with another one is not deleted.
        ifindex: u32,
    },
    /// Make a veth pair with both ends in the node's namespace, up.
    CreatePair {
        /// The end that becomes a port of the bridge.
        name: IfName,
        /// The other end.
        peer: IfName,
        /// In bytes.
        mtu: Mtu,
    },
    /// Set a link up, or its MTU.
    SetLink {
        /// Name of the link.
        name: IfName,
        /// In bytes.
        mtu: Option<Mtu>,
    },
    /// Give a link an address.
    AddAddress {
        /// Name of the link.
        dev: IfName,
        /// The address with its prefix length.
        address: IpNetwork,
    },
    /// Take an address from a link.
    DeleteAddress {
        /// Name of the link.
        dev: IfName,
        /// The address with its prefix length.
        address: IpNetwork,
    },
    /// Add a route.
    AddRoute(RouteActual),
    /// Delete a route of netd's.
    DeleteRoute(RouteActual),
    /// Set a sysctl.
    SetSysctl {
        /// Its key under `net`.
        key: String,
        /// The value to write.
        value: String,
    },
    /// Delete meters of slots that no attachment has.
    DeleteMeters(Vec<u32>),
    /// Change flows: an addition replaces the flow with the same key.
    ChangeFlows {
        /// What the changed row belongs to.
        subject: Subject,
        /// Meters to set before the flows.
        meters: Vec<Meter>,
        /// Flows to add.
        adds: Vec<Flow>,
        /// Flows to delete: cookie and key.
        deletes: Vec<(u64, FlowKey)>,
    },
}

impl Op {
    /// Whether the uplink may show other MACs for the node's addresses afterwards: flows of table
    /// UPSTREAM are written, as when the plan's `mac` changes or the switch restarts.
    pub(super) fn may_change_macs(&self) -> bool {
        let Self::ChangeFlows { adds, .. } = self else {
            return false;
        };
        adds.iter().any(|f| f.table == table::UPSTREAM)
    }

    /// Whether it can be applied concurrently with other independent ops: they concern different
    /// flows and ports.
    pub(super) fn is_independent(&self) -> bool {
        match self {
            Self::ChangeFlows { .. } => true,
            Self::AddPort { subject, .. } | Self::SetPort { subject, .. } => {
                matches!(subject, Subject::Attachment { .. })
            }
            _ => false,
        }
    }

    /// The number of flows and meters of a flow change; `None` for other ops.
    pub(super) fn flow_changes(&self) -> Option<usize> {
        match self {
            Self::ChangeFlows {
                meters,
                adds,
                deletes,
                ..
            } => Some(meters.len() + adds.len() + deletes.len()),
            _ => None,
        }
    }

    /// The span of its application.
    pub(super) fn span(&self) -> tracing::Span {
        match self.subject() {
            Subject::Node => tracing::info_span!("op", kind = self.kind()),
            Subject::Attachment { key, generation } => tracing::info_span!(
                "op",
                kind = self.kind(),
                container_id = %key.container_id,
                ifname = %key.ifname,
                network = %key.network,
                generation,
            ),
        }
    }

    /// The kind, used as a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CreateBridge { .. } => "create_bridge",
            Self::SetBridge { .. } => "set_bridge",
            Self::DeleteUnmanagedFlows(_) => "delete_foreign_flows",
            Self::SetFragments(_) => "set_fragments",
            Self::SetGroup(_) => "set_group",
            Self::SetTimeouts { .. } => "set_timeouts",
            Self::OpenPort(_) => "open_port",
            Self::EndRestore => "end_restore",
            Self::AddPort { .. } => "add_port",
            Self::SetPort { .. } => "set_port",
            Self::DeletePorts(_) => "delete_ports",
            Self::DeleteLink { .. } => "delete_link",
            Self::CreatePair { .. } => "create_pair",
            Self::SetLink { .. } => "set_link",
            Self::AddAddress { .. } => "add_address",
            Self::DeleteAddress { .. } => "delete_address",
            Self::AddRoute(_) => "add_route",
            Self::DeleteRoute(_) => "delete_route",
            Self::SetSysctl { .. } => "set_sysctl",
            Self::DeleteMeters(_) => "delete_meters",
            Self::ChangeFlows { .. } => "change_flows",
        }
    }

    /// How much the node depends on it.
    pub fn severity(&self) -> Severity {
        let of_subject = |subject: &Subject| match subject {
            Subject::Node => Severity::Vital,
            Subject::Attachment { .. } => Severity::Partial,
        };
        match self {
            Self::CreateBridge { .. }
            | Self::CreatePair { .. }
            | Self::SetBridge { .. }
            | Self::DeleteUnmanagedFlows(_)
            | Self::SetFragments(_)
            | Self::SetGroup(_)
            | Self::EndRestore
            | Self::AddAddress { .. }
            | Self::SetSysctl { .. } => Severity::Vital,
            Self::AddPort { subject, .. }
            | Self::SetPort { subject, .. }
            | Self::ChangeFlows { subject, .. } => of_subject(subject),
            Self::SetLink { mtu: Some(_), .. } => Severity::Cosmetic,
            Self::SetLink { mtu: None, .. }
            | Self::SetTimeouts { .. }
            | Self::OpenPort(_)
            | Self::DeletePorts(_)
            | Self::DeleteLink { .. }
            | Self::DeleteAddress { .. }
            | Self::AddRoute(_)
            | Self::DeleteRoute(_)
            | Self::DeleteMeters(_) => Severity::Partial,
        }
    }

    /// The value that the op replaces, as the end of a sentence; empty if there was none.
    pub(crate) fn replaced_value(&self, actual: &Actual) -> String {
        match self {
            Self::SetLink {
                name,
                mtu: Some(mtu),
            } => actual.link(name.as_str()).map_or_else(String::new, |l| {
                format!(", which sets {mtu} and finds {}", l.mtu)
            }),
            Self::SetSysctl { key, value } => {
                actual.sysctls.get(key).map_or_else(String::new, |is| {
                    format!(", which sets {value} and finds {is}")
                })
            }
            Self::SetFragments(_) => actual
                .switch
                .fragments
                .map_or_else(String::new, |is| format!(", and finds {is}")),
            Self::SetBridge { bridge, .. } => actual
                .bridge
                .as_ref()
                .map_or_else(String::new, |is| is.describe_differences(bridge)),
            _ => String::new(),
        }
    }

    /// What it changes belongs to.
    pub fn subject(&self) -> &Subject {
        match self {
            Self::AddPort { subject, .. }
            | Self::SetPort { subject, .. }
            | Self::ChangeFlows { subject, .. } => subject,
            _ => &Subject::Node,
        }
    }
}

impl fmt::Display for RouteActual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dst)?;
        if let Some(via) = self.via {
            write!(f, " via {via}")?;
        }
        write!(f, " dev {}", self.dev)?;
        match self.src {
            Some(src) => write!(f, " src {src}"),
            None => Ok(()),
        }
    }
}

/// The first four zones, and how many more.
fn zone_list(zones: &[u16]) -> String {
    let named = zones.iter().take(4).map(|zone| format!(" {zone}"));
    let named: String = named.collect();
    match zones.len() {
        0 => " none".to_owned(),
        1..=4 => named,
        n => format!("{named} and {} more", n - 4),
    }
}

/// The text form, with the terms of `ovs-vsctl` and `ip`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateBridge { bridge, host } => {
                write!(f, "add bridge {} with port {}", bridge.name, host.name)
            }
            Self::SetBridge { bridge, columns } => {
                write!(f, "set bridge {}: {}", bridge.name, columns.join(", "))
            }
            Self::DeleteUnmanagedFlows(flows) => {
                f.write_str("delete foreign flows:")?;
                let first = flows.iter().take(4);
                first
                    .into_iter()
                    .try_for_each(|flow| write!(f, " {flow}"))?;
                match flows.len() {
                    0..=4 => Ok(()),
                    n => write!(f, " and {} more", n - 4),
                }
            }
            Self::SetFragments(mode) => write!(f, "set fragments {mode}"),
            Self::SetGroup(id) => write!(f, "set group {id}"),
            Self::SetTimeouts { set, gone } => write!(
                f,
                "set time-outs of conntrack zones{}, delete those of{}",
                zone_list(set),
                zone_list(gone)
            ),
            Self::OpenPort(name) => write!(f, "open port {name}"),
            Self::EndRestore => f.write_str("end flow-restore-wait"),
            Self::AddPort { row, .. } => write!(f, "add port {} number {}", row.name, row.number),
            Self::SetPort { row, columns, .. } => {
                write!(f, "set port {}: {}", row.name, columns.join(", "))
            }
            Self::DeletePorts(names) => write!(f, "delete ports {}", names.join(" ")),
            Self::DeleteLink { name, .. } => write!(f, "delete link {name}"),
            Self::CreatePair { name, peer, .. } => write!(f, "add link {name} with peer {peer}"),
            Self::SetLink { name, mtu } => {
                write!(f, "set link {name} up")?;
                mtu.map_or(Ok(()), |m| write!(f, " mtu {m}"))
            }
            Self::AddAddress { dev, address } => write!(f, "add address {address} dev {dev}"),
            Self::DeleteAddress { dev, address } => {
                write!(f, "delete address {address} dev {dev}")
            }
            Self::AddRoute(r) => write!(f, "add route {r}"),
            Self::DeleteRoute(r) => write!(f, "delete route {r}"),
            Self::SetSysctl { key, value } => write!(f, "set sysctl net.{key} = {value}"),
            Self::DeleteMeters(ids) => write!(f, "delete {} meters", ids.len()),
            Self::ChangeFlows {
                subject,
                adds,
                deletes,
                ..
            } => {
                match subject {
                    Subject::Node => f.write_str("node flows:")?,
                    Subject::Attachment { key, .. } => write!(f, "flows of {key}:")?,
                }
                write!(f, " add {}, delete {}", adds.len(), deletes.len())
            }
        }
    }
}
