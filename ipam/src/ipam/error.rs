//! Why a node's address management refused something.

use std::sync::Arc;

use flatnet_types::AttachmentKey;
use flatnet_types::api::code;
use thiserror::Error;

use crate::allocator::AllocateError;
use crate::record::Record;
use crate::store::StoreError;

/// Why nothing can be changed just now.
#[derive(Debug, Clone, Error)]
pub enum Blocked {
    /// Too many writes wait for the disk.
    #[error("{waiting} changes wait for the disk; no more are taken until it catches up")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// A write failed, and the store could not be mended yet. The writer keeps trying.
    #[error("the store takes no writes since one failed")]
    Unavailable {
        /// What the store said last.
        #[source]
        source: Arc<StoreError>,
    },
}

impl Blocked {
    /// Whether it can pass by itself.
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

/// Why nothing was reserved.
#[derive(Debug, Clone, Error)]
pub enum ReserveError {
    /// The attachment exists already.
    #[error("the attachment {} exists already, as generation {}", record.key, record.generation)]
    Exists {
        /// What it is.
        record: Arc<Record>,
    },
    /// No address, or not that one.
    #[error(transparent)]
    Allocate(#[from] AllocateError),
    /// As many attachments live as there are slots.
    #[error("all {slots} attachment slots of this node are in use")]
    SlotsExhausted {
        /// How many there are.
        slots: u16,
    },
    /// Nothing can be changed just now.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

impl ReserveError {
    /// Whether the same call can succeed with nothing done but waiting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exists { .. } | Self::SlotsExhausted { .. } => false,
            Self::Allocate(e) => e.is_retryable(),
            Self::Blocked(e) => e.is_retryable(),
        }
    }

    /// The code that CNI 1.1 ("Error") or Flatnet gives to it.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Exists { .. } => code::ALREADY_ATTACHED,
            Self::SlotsExhausted { .. } => code::NOT_AVAILABLE,
            Self::Allocate(e) => e.cni_code(),
            Self::Blocked(e) => e.cni_code(),
        }
    }
}

/// Why an attachment was not changed.
#[derive(Debug, Clone, Error)]
pub enum ChangeError {
    /// There is no such attachment. (To release it is no error.)
    #[error(
        "there is no attachment {key}; generation {generation} of it was released, or never was"
    )]
    Absent {
        /// The attachment that was asked for.
        key: AttachmentKey,
        /// The generation meant.
        generation: u64,
    },
    /// The attachment is there, but as another generation: what was meant is gone, and its
    /// successor is none of the caller's business. Nothing was changed.
    #[error(
        "generation {given} of the attachment {key} is not the current one, which is {current}"
    )]
    NotCurrent {
        /// The attachment that was asked for.
        key: AttachmentKey,
        /// The generation meant.
        given: u64,
        /// The generation that there is.
        current: u64,
    },
    /// Nothing can be changed just now.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

impl ChangeError {
    /// Whether the same call can succeed with nothing done but waiting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::NotCurrent { .. } => false,
            Self::Blocked(e) => e.is_retryable(),
        }
    }

    /// The code that CNI 1.1 ("Error") or Flatnet gives to it.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Absent { .. } => code::UNKNOWN_CONTAINER,
            Self::NotCurrent { .. } => code::INTERNAL,
            Self::Blocked(e) => e.cni_code(),
        }
    }
}
