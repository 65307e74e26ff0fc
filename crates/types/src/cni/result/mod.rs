//! ADD's result, independent of the CNI version (SPEC.md 1.1.0, "ADD Success").
//!
//! ```text
//!   prevResult ── [parse] any version ──▶ CniResult ── [print] any version ──▶ stdout
//!                                            ▲
//!                               [merge] what this plugin made
//! ```

mod merge;
mod parse;
mod print;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Serialize;

use crate::api::AddReply;
use crate::{IfName, MacAddr, NetnsPath};

/// A result. Every field of the specification survives parsing and printing in the versions that
/// have it; strings that this plugin does not use are not parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniResult {
    /// Interfaces that the attachment made, on the host and in the container.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<IpEntry>,
    /// Routes.
    pub routes: Vec<RouteEntry>,
    /// Name resolution, which the runtime sets up.
    pub dns: Dns,
}

/// An entry of `interfaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Its hardware address, in the form in which the plugin wrote it; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// MTU in bytes (1.1.0).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u64>,
    /// The network namespace; empty on the host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// A socket that belongs to the interface (1.1.0).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// Its PCI device (1.1.0).
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

/// An entry of `ips`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpEntry {
    /// The address with its interface's prefix length.
    pub address: IpNetwork,
    /// The gateway of the subnet.
    pub gateway: Option<IpAddr>,
    /// Index of its interface in `interfaces`.
    pub interface: Option<usize>,
}

/// An entry of `routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// The next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// MTU of the route, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u64>,
    /// The TCP segment size to advertise, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u64>,
    /// Priority; lower values take precedence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u64>,
    /// The routing table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u64>,
    /// 0 global, 253 link, 254 host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<u64>,
}

impl RouteEntry {
    /// A route with nothing but its destination and next hop.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>) -> Self {
        Self {
            dst,
            gw,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }
    }
}

/// CNI's `dns`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Dns {
    /// Servers, in order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// The local domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Search domains, in order of preference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options of the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether all fields are empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The result of this plugin's ADD, for [`CniResult::merge`].
#[derive(Debug, Clone, Copy)]
pub struct AddResult<'a> {
    /// netd's answer.
    pub reply: &'a AddReply,
    /// The interface inside the container.
    pub ifname: &'a IfName,
    /// `CNI_NETNS`, as the runtime wrote it.
    pub netns: &'a NetnsPath,
    /// The configuration's `dns`.
    pub dns: &'a Dns,
}

/// The expected state of one interface of the container, from `prevResult`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Its MAC, if the result has one.
    pub mac: Option<MacAddr>,
    /// Addresses with prefix lengths.
    pub ips: Vec<IpNetwork>,
    /// The routes of the main table that may be this interface's.
    pub routes: Vec<crate::api::Route>,
}
