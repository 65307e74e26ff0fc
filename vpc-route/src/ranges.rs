//! The ranges that hosts hold, as ipamd last answered: kept on disk, and used while ipamd is away.
//!
//! ```text
//!   ipamd ── grants, watched ──▶ [Ranges] ──▶ ranges.json
//!                                   │ current()
//!                 plan ─────────────┴──▶ plan with grants ──▶ targets
//! ```
//!
//! # Guarantees
//! An unknown state is not an empty one: without an answer of ipamd and without a saved one there
//! is no round.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flatnet_client::{Client, ClientError};
use flatnet_clock::{Backoff, Delays};
use flatnet_plan::grants::heard;
use flatnet_types::ipamd::Grants;
use tokio::sync::watch;

use crate::store::{StoreError, read, write};
use flatnet_daemon::causes::chain;

/// The file in the state directory.
const FILE: &str = "ranges.json";
/// How long ipamd holds an answer back for a change.
const WATCH: Duration = Duration::from_secs(20);
/// Between two answers: hosts that come at once are one change.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two attempts to reach it, at first and at most.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(8));

/// Why it is not known what hosts hold.
#[derive(Debug, thiserror::Error)]
pub enum RangesError {
    /// There has never been an answer.
    #[error(
        "ipamd at {endpoint} has not said yet what hosts hold, and {} has no earlier answer: nothing is changed; start ipamd, or correct `ipamd` in the configuration", path.display()
    )]
    NeverKnown {
        /// Where it should be.
        endpoint: String,
        /// Where its answers are kept.
        path: PathBuf,
    },
    /// It did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The last answer is on disk and cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The last known ranges.
#[derive(Debug)]
pub struct Ranges {
    client: Client,
    path: PathBuf,
    known: watch::Sender<Option<Arc<Grants>>>,
}

impl Ranges {
    /// What was kept in the state directory.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read: it is not begun anew then.
    pub fn open(client: Client, state: &Path) -> Result<Self, StoreError> {
        let path = state.join(FILE);
        let kept: Option<Grants> = read(&path)?;
        Ok(Self {
            client,
            path,
            known: watch::Sender::new(kept.map(Arc::new)),
        })
    }

    /// The last known ranges.
    ///
    /// # Errors
    /// [`RangesError::NeverKnown`].
    pub fn current(&self) -> Result<Arc<Grants>, RangesError> {
        self.known
            .borrow()
            .clone()
            .ok_or_else(|| RangesError::NeverKnown {
                endpoint: self.client.endpoint().to_string(),
                path: self.path.clone(),
            })
    }

    /// Notified when the ranges change.
    pub fn changes(&self) -> watch::Receiver<Option<Arc<Grants>>> {
        self.known.subscribe()
    }

    /// Asks once.
    ///
    /// # Errors
    /// [`RangesError`]; the last known ranges stay.
    pub async fn ask(&self) -> Result<(), RangesError> {
        let mut session = self.client.connect().await?;
        let answer = session.grants(None, Duration::ZERO).await?;
        Ok(self.take_over(answer)?)
    }

    /// Follows for ever. Cancel safe: what is on disk is always whole, and nothing is gone by
    /// that is not there.
    pub async fn follow(&self) {
        let mut delays = RETRY.delays();
        let mut away = false;
        loop {
            if let Err(error) = self.converse(&mut away, &mut delays).await
                && !away
            {
                tracing::warn!(
                    error = chain(&error),
                    "ipamd is away; the tables are kept by what it said last"
                );
                away = true;
            }
            tokio::time::sleep(delays.after_failure()).await;
        }
    }

    /// One connection, until it breaks.
    async fn converse(&self, away: &mut bool, delays: &mut Delays) -> Result<(), RangesError> {
        let mut session = self.client.connect().await?;
        // The first answer is wanted whatever it is: another ipamd may have another.
        let mut revision = None;
        loop {
            let answer = session.grants(revision.as_deref(), WATCH).await?;
            if *away {
                tracing::info!("ipamd is back");
            }
            *away = false;
            delays.reset();
            revision = Some(answer.revision.clone());
            self.take_over(answer)?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn take_over(&self, answer: Grants) -> Result<(), StoreError> {
        let before = self.known.borrow().clone();
        if before.is_none() && answer.in_grace_period {
            tracing::info!("ipamd has just started and hears what hosts hold: waiting for it");
            return Ok(());
        }
        let now = heard(before.as_deref(), answer);
        if before.is_some_and(|b| *b == now) {
            return Ok(());
        }
        write(&self.path, &now)?;
        tracing::info!(
            ranges = now.ranges.len(),
            settling = now.in_grace_period,
            "ranges from ipamd"
        );
        self.known.send_replace(Some(Arc::new(now)));
        Ok(())
    }
}
