//! Who leads: a Lease taken, renewed, and given up in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flatnet_leader::{Election, LeaseError, Verdict};
use tokio::sync::watch;

/// Whether this process leads and in which epoch, published to whoever subscribed.
pub(crate) struct Leadership {
    election: Arc<Election>,
    /// The highest epoch that was seen in a member: a Lease that was deleted does not begin anew below it.
    seen: AtomicU64,
    leading: watch::Sender<Option<u64>>,
}

impl Leadership {
    pub(crate) fn new(election: Election) -> Self {
        Self {
            election: Arc::new(election),
            seen: AtomicU64::new(0),
            leading: watch::Sender::new(None),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.leading.subscribe()
    }

    /// An epoch that was seen in a member. One that leads below it takes that one with its next renewal, and one more
    /// where it was another's.
    pub(crate) fn saw(&self, epoch: u64) {
        self.seen.fetch_max(epoch, Ordering::Relaxed);
    }

    /// Asked before each write.
    pub(crate) fn leads(&self) -> bool {
        self.election.leads()
    }

    /// Takes the lease when it can be had, and keeps it. Cancel safe.
    pub(crate) async fn keep(&self) {
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
    fn on_verdict(&self, verdict: &Verdict) -> std::time::Duration {
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
                every.min(*left + std::time::Duration::from_millis(50))
            }
        }
    }

    /// Publishes the loss of a lease that could not be renewed in time. Cancel safe.
    pub(crate) async fn expire(&self) {
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
    pub(crate) async fn resign(&self) -> Result<(), LeaseError> {
        self.leading.send_replace(None);
        self.election.resign().await
    }
}

/// An error with its causes, on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
