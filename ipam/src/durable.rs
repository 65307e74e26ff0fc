//! [`Durable`]: a future that resolves when a change is on disk.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use flatnet_types::api::code;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::store::StoreError;

/// The writer's result for a change.
pub(crate) type Outcome = Result<(), DurableError>;

/// A change did not become durable. The state in memory was reset to that on disk.
#[derive(Debug, Clone, Error)]
pub enum DurableError {
    /// The store could not write it.
    #[error("the change did not become durable and was undone")]
    Failed {
        /// The store's error.
        #[source]
        source: Arc<StoreError>,
    },
    /// The writer has ended.
    #[error("the store's writer has ended before the change was durable")]
    Stopped,
}

impl DurableError {
    /// Whether the operation can be retried.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Failed { .. } => true,
            Self::Stopped => false,
        }
    }

    /// CNI 1.1 "Error": 5, input or output failed; 50, not available.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Failed { .. } => code::IO_FAILURE,
            Self::Stopped => code::NOT_AVAILABLE,
        }
    }
}

/// Resolves when a change, and all that were made before it, are on disk.
///
/// # Guarantees
/// Cancel-safe: dropping it leaves the write as it is, and polling again goes on.
#[derive(Debug)]
#[must_use = "a change may be relied on only when it is durable"]
pub struct Durable(oneshot::Receiver<Outcome>);

impl Durable {
    pub(crate) fn channel() -> (oneshot::Sender<Outcome>, Self) {
        let (done, durable) = oneshot::channel();
        (done, Self(durable))
    }

    /// Blocks the thread until the change is on disk.
    ///
    /// # Errors
    /// [`DurableError`]: the change was undone.
    ///
    /// # Panics
    /// On a thread that runs async tasks.
    pub fn wait(self) -> Outcome {
        self.0.blocking_recv().unwrap_or(Err(DurableError::Stopped))
    }
}

impl Future for Durable {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let received = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(received.unwrap_or(Err(DurableError::Stopped)))
    }
}
