//! What a reservation and a release ask for and give.

use std::net::IpAddr;
use std::sync::Arc;

use flatnet_types::NetworkName;
use flatnet_types::api::AssignedIp;

use crate::durable::Durable;
use crate::record::Record;

/// A request for a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// The plan's network to take addresses from.
    pub network: NetworkName,
    /// Requested addresses, at most one of a family; others are chosen.
    pub ips: Vec<IpAddr>,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// See [`Record::generation`].
    pub generation: u64,
    /// See [`Record::slot`].
    pub slot: u16,
    /// See [`Record::addresses`].
    pub addresses: Vec<AssignedIp>,
}

/// The result of a release.
#[derive(Debug)]
#[must_use = "the release is durable only when `durable` says so"]
pub enum ReleaseOutcome {
    /// The attachment was released; its addresses are in quarantine.
    Released {
        /// Its last record.
        record: Arc<Record>,
        /// Resolves when the release is on disk.
        durable: Durable,
    },
    /// There is no such attachment: it was released before, or never was.
    Absent {
        /// Resolves when an earlier release, which may still be queued, is on disk.
        durable: Durable,
    },
}

impl ReleaseOutcome {
    /// Whether there was such an attachment.
    pub fn existed(&self) -> bool {
        match self {
            Self::Released { .. } => true,
            Self::Absent { .. } => false,
        }
    }

    /// Resolves when the release is on disk.
    pub fn durable(self) -> Durable {
        match self {
            Self::Released { durable, .. } | Self::Absent { durable } => durable,
        }
    }
}
