//! Leadership of a process over its lifetime: the lease taken, renewed, and given up in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flatnet_daemon::causes::chain;
use tokio::sync::watch;

use crate::{Election, LeaseError, Verdict};

/// Whether this process leads and in which epoch, published to whoever subscribed.
pub struct Leadership {
    election: Election,
    /// The highest epoch that was seen in what leaders write: a lease that was deleted does not begin anew below it.
    seen: AtomicU64,
    leading: watch::Sender<Option<u64>>,
}

impl Leadership {
    /// Leads nothing yet: [`Leadership::keep`] and [`Leadership::expire`] have to run.
    pub fn new(election: Election) -> Self {
        Self {
            election,
            seen: AtomicU64::new(0),
            leading: watch::Sender::new(None),
        }
    }

    /// The epoch in which this process leads; `None` while it does not.
    pub fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.leading.subscribe()
    }

    /// An epoch that was seen in what leaders write. One that leads below it takes that one with its next renewal, and one more
    /// where it was another's.
    pub fn saw(&self, epoch: u64) {
        self.seen.fetch_max(epoch, Ordering::Relaxed);
    }

    /// Whether the lease is held at this moment: to be asked before each write.
    pub fn leads(&self) -> bool {
        self.election.leads()
    }

    /// Takes the lease when it can be had, and keeps it. Cancel safe.
    pub async fn keep(&self) {
        let mut trouble = None;
        loop {
            let wait = match self
                .election
                .try_take(self.seen.load(Ordering::Relaxed))
                .await
            {
                Ok(verdict) => {
                    if trouble.take().is_some() {
                        tracing::info!("the lease can be had again");
                    }
                    self.on_verdict(&verdict)
                }
                Err(error) => {
                    let words = chain(&error);
                    // Once, however long it lasts.
                    if trouble.as_ref() != Some(&words) {
                        tracing::error!(error = words, "the lease");
                        trouble = Some(words);
                    }
                    self.election.soon()
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Publishes a change of leadership; the time until the next look at the lease.
    fn on_verdict(&self, verdict: &Verdict) -> Duration {
        let every = self.election.every();
        match verdict {
            Verdict::Leads { epoch } => {
                if self.leading.send_replace(Some(*epoch)) != Some(*epoch) {
                    tracing::info!(epoch, "leads");
                }
                every
            }
            Verdict::Standby { holder, left, .. } => {
                if self.leading.send_replace(None).is_some() {
                    let leader = holder.as_deref().unwrap_or("nobody");
                    tracing::warn!(leader, "does not lead any more");
                }
                // Soon after it may expire, and not much later than a renewal would show.
                every.min(*left + Duration::from_millis(50))
            }
        }
    }

    /// Publishes the loss of a lease that could not be renewed in time. Cancel safe.
    pub async fn expire(&self) {
        let mut leading = self.leading.subscribe();
        loop {
            if leading.borrow_and_update().is_none() {
                // The sender is this one's own.
                let _ = leading.changed().await;
                continue;
            }
            let left = self.election.left();
            if left.is_zero() {
                tracing::error!("does not lead any more: the lease could not be renewed in time");
                self.leading.send_replace(None);
            } else {
                tokio::time::sleep(left).await;
            }
        }
    }

    /// Gives the lease back, so that a standby need not wait.
    ///
    /// # Errors
    /// [`LeaseError`]; a standby waits for its time then.
    pub async fn resign(&self) -> Result<(), LeaseError> {
        self.leading.send_replace(None);
        self.election.resign().await
    }
}
