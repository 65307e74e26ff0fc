//! What is kept of an attachment, and what a caller asks for and gets.

use std::net::IpAddr;
use std::sync::Arc;

use flatnet_types::api::AssignedIp;
use flatnet_types::{AttachmentKey, NetworkName};
use serde::{Deserialize, Serialize};

use crate::durable::Durable;
use flatnet_types::Timestamp;

/// How far an attachment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// Its addresses are taken; the kernel and the bridge may have traces of it.
    Reserved,
    /// It is complete: the runtime may have been told.
    Committed,
}

/// An attachment in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is.
    pub key: AttachmentKey,
    /// Its number: higher than that of every earlier attachment of this node, for ever.
    pub generation: u64,
    /// A small number that no other living attachment has: port and ifindex.
    pub slot: u16,
    /// How far it has come.
    pub state: RecordState,
    /// The plan's network that its addresses are of.
    pub network: NetworkName,
    /// Its addresses with prefix length and gateway, IPv4 first.
    pub addresses: Vec<AssignedIp>,
    /// When it was reserved.
    pub created_at: Timestamp,
    /// The boot in which it was reserved: it cannot outlive it.
    pub boot_id: String,
    /// What the node daemon keeps with it.
    pub detail: serde_json::Value,
}

impl Record {
    /// Its addresses without prefix length.
    pub fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().map(|a| a.address.ip())
    }
}

/// What an attachment wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The plan's network to take addresses from.
    pub network: NetworkName,
    /// Addresses asked for by name, at most one of a family; others are chosen.
    pub ips: Vec<IpAddr>,
}

/// What an attachment got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// See [`Record::generation`].
    pub generation: u64,
    /// See [`Record::slot`].
    pub slot: u16,
    /// See [`Record::addresses`].
    pub addresses: Vec<AssignedIp>,
}

/// What became of a release.
#[derive(Debug)]
#[must_use = "the release is durable only when `durable` says so"]
pub enum Release {
    /// The attachment is gone, and its addresses rest.
    Released {
        /// What it was.
        record: Arc<Record>,
        /// When this is on disk.
        durable: Durable,
    },
    /// There is no such attachment: it was released before, or never was.
    Absent {
        /// When that is on disk: an earlier release may still be on its way.
        durable: Durable,
    },
}

impl Release {
    /// Whether there was such an attachment.
    pub fn existed(&self) -> bool {
        match self {
            Self::Released { .. } => true,
            Self::Absent { .. } => false,
        }
    }

    /// When this is on disk.
    pub fn durable(self) -> Durable {
        match self {
            Self::Released { durable, .. } | Self::Absent { durable } => durable,
        }
    }
}

/// What a start finds in the store. The first three are disjoint and complete, each by
/// generation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recovery {
    /// Of this boot and never committed: undo their traces, then `forget` them.
    pub uncommitted: Vec<Arc<Record>>,
    /// Of an earlier boot, committed or not: they cannot live any more. Clean up, then
    /// `forget` them.
    pub earlier_boot: Vec<Arc<Record>>,
    /// Of this boot and committed.
    pub alive: Vec<Arc<Record>>,
    /// Those of all the above with an address that the ranges no longer hand out. They are
    /// honoured: nobody else gets the address.
    pub outside: Vec<Arc<Record>>,
}
