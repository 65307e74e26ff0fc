//! Errors of a node's address management.

use std::sync::Arc;

use flatnet_types::AttachmentKey;
use flatnet_types::api::code;
use thiserror::Error;

use crate::allocator::AllocateError;
use crate::record::Record;
use crate::store::StoreError;

/// No change is accepted at present.
#[derive(Debug, Clone, Error)]
pub enum Blocked {
    /// Too many writes wait for the disk.
    #[error("{waiting} changes wait for the disk; no more are taken until it catches up")]
    Busy {
        /// Number of changes in the queue.
        waiting: usize,
    },
    /// A write failed, and the store could not be repaired yet. The writer retries each second.
    #[error("the store takes no writes since one failed")]
    Unavailable {
        /// The store's last error.
        #[source]
        source: Arc<StoreError>,
    },
}

impl Blocked {
    /// Whether it can end without an operator.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::Unavailable { source } => source.is_retryable(),
        }
    }

    /// CNI 1.1 "Error": 11, try again later; 50, not available.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Busy { .. } => code::TRY_AGAIN_LATER,
            Self::Unavailable { source } if source.is_retryable() => code::TRY_AGAIN_LATER,
            Self::Unavailable { .. } => code::NOT_AVAILABLE,
        }
    }
}

/// Nothing was reserved.
#[derive(Debug, Clone, Error)]
pub enum ReserveError {
    /// The attachment exists already.
    #[error("the attachment {} exists already, as generation {}", record.key, record.generation)]
    Exists {
        /// Its record.
        record: Arc<Record>,
    },
    /// No address is free, or not the requested one.
    #[error(transparent)]
    Allocate(#[from] AllocateError),
    /// All slots are in use.
    #[error("all {slots} attachment slots of this node are in use")]
    SlotsExhausted {
        /// Number of slots.
        slots: u16,
    },
    /// No change is accepted at present.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

impl ReserveError {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exists { .. } | Self::SlotsExhausted { .. } => false,
            Self::Allocate(e) => e.is_retryable(),
            Self::Blocked(e) => e.is_retryable(),
        }
    }

    /// The CNI error code: of CNI 1.1 ("Error"), or Flatnet's own.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Exists { .. } => code::ALREADY_ATTACHED,
            Self::SlotsExhausted { .. } => code::NOT_AVAILABLE,
            Self::Allocate(e) => e.cni_code(),
            Self::Blocked(e) => e.cni_code(),
        }
    }
}

/// An attachment was not changed.
#[derive(Debug, Clone, Error)]
pub enum ChangeError {
    /// There is no such attachment. (To release it is no error.)
    #[error(
        "there is no attachment {key}; generation {generation} of it was released, or never was"
    )]
    Absent {
        /// The attachment in the request.
        key: AttachmentKey,
        /// The generation in the request.
        generation: u64,
    },
    /// The attachment has another generation: that of the request was released, and a later ADD
    /// made a successor, which must not be affected.
    #[error(
        "generation {given} of the attachment {key} is not the current one, which is {current}"
    )]
    NotCurrent {
        /// The attachment in the request.
        key: AttachmentKey,
        /// The generation in the request.
        given: u64,
        /// The current generation.
        current: u64,
    },
    /// No change is accepted at present.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

impl ChangeError {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::NotCurrent { .. } => false,
            Self::Blocked(e) => e.is_retryable(),
        }
    }

    /// The CNI error code: of CNI 1.1 ("Error"), or Flatnet's own.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Absent { .. } => code::UNKNOWN_CONTAINER,
            Self::NotCurrent { .. } => code::INTERNAL,
            Self::Blocked(e) => e.cni_code(),
        }
    }
}
