//! What can be done to a node. A dry run prints these; a real run applies them.

use std::fmt;

use flatnet_ovs::openflow::{Flow, FlowKey, Meter};
use flatnet_types::AttachmentKey;
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::actual::{BridgeRow, RouteActual};
use crate::world::PortRow;

/// Whose thing an op changes. What belongs to an attachment is changed under its lock, and
/// only while the attachment is still of that generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Subject {
    /// The node's own.
    Node,
    /// An attachment's.
    Attachment {
        /// Which.
        key: AttachmentKey,
        /// As of which generation.
        generation: u64,
    },
}

/// One change. All are idempotent; deleting the absent is done at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Op {
    /// Make the bridge, with the host's port.
    CreateBridge {
        /// The bridge.
        bridge: BridgeRow,
        /// The host's port.
        host: PortRow,
    },
    /// Set the bridge's columns.
    SetBridge(BridgeRow),
    /// Make a port.
    AddPort {
        /// Whose.
        subject: Subject,
        /// The port.
        row: PortRow,
    },
    /// Set a port's columns.
    SetPort {
        /// Whose.
        subject: Subject,
        /// The port.
        row: PortRow,
    },
    /// Take ports out of the bridge.
    DeletePorts(Vec<String>),
    /// Delete a link of ours whose attachment is no more.
    DeleteLink {
        /// Its name.
        name: String,
        /// Its index.
        ifindex: u32,
    },
    /// Set a link up, or its MTU.
    SetLink {
        /// Its name.
        name: String,
        /// In bytes.
        mtu: Option<u32>,
    },
    /// Give a link an address.
    AddAddress {
        /// The link.
        dev: String,
        /// The address.
        address: IpNetwork,
    },
    /// Take an address from a link.
    DeleteAddress {
        /// The link.
        dev: String,
        /// The address.
        address: IpNetwork,
    },
    /// Add a route.
    AddRoute(RouteActual),
    /// Delete a route of ours.
    DeleteRoute(RouteActual),
    /// Set a sysctl.
    SetSysctl {
        /// Its key under `net`.
        key: String,
        /// Its value.
        value: String,
    },
    /// Delete meters that nobody has.
    DeleteMeters(Vec<u32>),
    /// Change flows: additions take the place of flows with the same key.
    ChangeFlows {
        /// Whose.
        subject: Subject,
        /// Meters to set first.
        meters: Vec<Meter>,
        /// To add.
        adds: Vec<Flow>,
        /// To delete.
        deletes: Vec<FlowKey>,
    },
}

impl Op {
    /// The kind, for a metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CreateBridge { .. } => "create_bridge",
            Self::SetBridge(_) => "set_bridge",
            Self::AddPort { .. } => "add_port",
            Self::SetPort { .. } => "set_port",
            Self::DeletePorts(_) => "delete_ports",
            Self::DeleteLink { .. } => "delete_link",
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

    /// Whose thing it changes.
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

/// In the words of `ovs-vsctl` and `ip`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateBridge { bridge, host } => {
                write!(f, "add bridge {} with port {}", bridge.name, host.name)
            }
            Self::SetBridge(b) => write!(f, "set bridge {}", b.name),
            Self::AddPort { row, .. } => write!(f, "add port {} number {}", row.name, row.number),
            Self::SetPort { row, .. } => write!(f, "set port {}", row.name),
            Self::DeletePorts(names) => write!(f, "delete ports {}", names.join(" ")),
            Self::DeleteLink { name, .. } => write!(f, "delete link {name}"),
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
