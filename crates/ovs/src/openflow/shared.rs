//! What the connection's task and the handles share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, RwLock};

use tokio::sync::{broadcast, oneshot, watch};

use super::error::OpenFlowError;
use super::port::{PortDesc, PortEvent};
use super::protocol::ProtocolError;
use super::requests::{Parts, Request};
use crate::link;

/// Why a connection to a switch ended or did not come about.
pub type ConnError = link::ConnError<ProtocolError>;

/// How the connection is.
#[derive(Debug, Clone)]
pub enum SwitchState {
    /// There is none; another attempt follows.
    Disconnected {
        /// Attempts that failed since it was last usable.
        failures: u32,
        /// Why it ended or did not come about; `None` before the first attempt.
        cause: Option<Arc<ConnError>>,
    },
    /// It is made; version and ports are being exchanged.
    Connecting,
    /// It is usable. A new generation may be a switch that was restarted and has no flows:
    /// compare and install.
    Connected {
        /// How many times it was usable, this time included.
        generation: u64,
        /// The bridge's ID.
        datapath_id: u64,
    },
}

impl SwitchState {
    /// The generation of the connection, if it is usable.
    pub fn generation(&self) -> Option<u64> {
        match self {
            Self::Connected { generation, .. } => Some(*generation),
            Self::Disconnected { .. } | Self::Connecting => None,
        }
    }
}

pub(crate) type Reply = oneshot::Sender<Result<Parts, OpenFlowError>>;

/// A request, and who wants its answer.
pub(crate) type Command = (Request, Reply);

/// What the task and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ports: RwLock<BTreeMap<u32, PortDesc>>,
    pub(crate) ports_version: watch::Sender<u64>,
    pub(crate) events: broadcast::Sender<PortEvent>,
    pub(crate) flows_version: watch::Sender<u64>,
    pub(crate) monitored: AtomicBool,
    pub(crate) state: watch::Sender<SwitchState>,
    pub(crate) generation: AtomicU64,
    pub(crate) heard: AtomicU64,
}
