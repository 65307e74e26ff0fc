//! The record of an attachment, and the requests and results of [`Ipam`](crate::Ipam).

use std::net::IpAddr;
use std::sync::Arc;

use flatnet_types::api::AssignedIp;
use flatnet_types::{AttachmentKey, NetworkName};
use serde::{Deserialize, Serialize};

use flatnet_types::Timestamp;

/// Whether the ADD of an attachment has completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// Its addresses are reserved; its link, flows and port may exist in part.
    Reserved,
    /// It is complete: the runtime may have got the result.
    Committed,
}

/// The record of an attachment, as stored in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Network, container ID and interface name.
    pub key: AttachmentKey,
    /// Its generation: higher than that of every earlier attachment of this node.
    pub generation: u64,
    /// A number from 1 to [`Config::slots`](crate::Config) that no other attachment has: its
    /// OpenFlow port and ifindex are derived from it.
    pub slot: u16,
    /// Whether its ADD has completed.
    pub state: RecordState,
    /// The plan's network that its addresses are of.
    pub network: NetworkName,
    /// Its addresses with prefix length and gateway, IPv4 first.
    pub addresses: Vec<AssignedIp>,
    /// Time of the reservation.
    pub created_at: Timestamp,
    /// The kernel's boot ID at the reservation: no attachment outlives its boot.
    pub boot_id: String,
    /// Data of netd, opaque to this crate.
    pub detail: serde_json::Value,
}

impl Record {
    /// Its addresses without prefix length.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|a| a.address.ip())
    }
}

/// The attachments that a start finds in the store, each list by generation. Each attachment is in
/// exactly one of the first three lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovery {
    /// Of this boot and never committed: undo what their ADD did, then `forget` them.
    pub uncommitted: Vec<Arc<Record>>,
    /// Of an earlier boot, committed or not: their containers are gone. Clean up, then `forget`
    /// them.
    pub earlier_boot: Vec<Arc<Record>>,
    /// Of this boot and committed.
    pub alive: Vec<Arc<Record>>,
    /// Those with an address that is outside the ranges or withheld. They keep it.
    pub outside: Vec<Arc<Record>>,
}
