//! Leader election: by a lease in a file, for daemons that share a directory, or by Kubernetes'
//! Lease.
//!
//! ```text
//!   [settings] the key `lease` of a daemon's configuration
//!   [file]  read, decide, replace under a lock            ┐
//!   [elected] read, decide ([candidate]), replace that    ├─▶ Election: try_take, leads, resign
//!             version only, through [kubernetes]          ┘          │
//!   [leadership] asks all the time; publishes the epoch in which it leads ◀┘
//! ```
//!
//! Each new holder counts the epoch up. What a leader writes bears its epoch (vpc-route: the
//! generation in the names of route entries), so that one that was superseded finds out even if its
//! clock stood still.

pub mod api;
pub mod candidate;
pub mod elected;
pub mod file;
pub mod kubernetes;
mod leadership;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use api::KubernetesError;
use candidate::Timing;
use elected::Elected;
use file::{Decision, FileError, LeaseFile, millis};
use flatnet_clock::{Clock, Rng, System};
use kubernetes::KubeApi;

pub use leadership::Leadership;
pub use settings::{KubernetesLease, LeaseKind, ObjectName, ObjectNameError};

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is ours.
    Leads {
        /// Counts the holders.
        epoch: u64,
    },
    /// It is another's.
    Standby {
        /// Who; none: nobody knows yet.
        holder: Option<String>,
        /// For so long at least.
        left: Duration,
        /// Whether the holder is known to be alive.
        alive: bool,
    },
}

/// Why a lease cannot be taken.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum LeaseError {
    /// The one in a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Kubernetes'.
    #[error("{place}: the Lease {lease} of Kubernetes")]
    Kubernetes {
        /// The configuration's file, and the line that asks for it.
        place: String,
        /// `namespace/name`.
        lease: String,
        #[source]
        source: KubernetesError,
    },
}

/// What an election needs to know of the daemon that takes part in it.
#[derive(Debug, Clone)]
pub struct Participant {
    /// The lease that the configuration names.
    pub lease: LeaseKind,
    /// The file of the lease where the configuration names none.
    pub default_file: PathBuf,
    /// For how long a lease lasts that is not renewed.
    pub duration: Duration,
    /// Where the lease is asked for, for messages: the configuration's file, and the line.
    pub place: String,
    /// The manifest that grants this daemon access to its Lease, for messages: a path in the
    /// repository.
    pub manifest: &'static str,
}

/// The lease that the configuration names, and what this process knows of it.
pub struct Election {
    kind: Kind,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    place: String,
    every: Duration,
    soon: Duration,
}

enum Kind {
    File { file: LeaseFile, until: AtomicU64 },
    Kubernetes(Box<Elected<KubeApi>>),
}

impl Election {
    /// The participant's; nothing is asked yet.
    ///
    /// Assumptions: a tokio runtime runs.
    ///
    /// # Errors
    /// [`LeaseError::Kubernetes`] where the way there is not known.
    pub async fn open(participant: Participant) -> Result<Self, LeaseError> {
        let clock: Arc<dyn Clock> = Arc::new(System);
        let rng: Arc<dyn Rng> = Arc::new(System);
        let Participant {
            lease,
            default_file,
            duration,
            place,
            manifest,
        } = participant;
        let path = match &lease {
            LeaseKind::Kubernetes(wanted) => {
                let timing = Timing::of(duration);
                let api = KubeApi::open(wanted, timing.call, manifest).await;
                let api = api.map_err(|source| LeaseError::Kubernetes {
                    place: place.clone(),
                    lease: wanted.to_string(),
                    source,
                })?;
                let me = kubernetes::identity(wanted, &*rng);
                let elected = Elected::new(api, me, timing, Arc::clone(&clock));
                return Ok(Self {
                    kind: Kind::Kubernetes(Box::new(elected)),
                    clock,
                    rng,
                    place,
                    every: timing.retry,
                    soon: timing.retry / 2,
                });
            }
            LeaseKind::File(Some(path)) => path.clone(),
            LeaseKind::File(None) => default_file,
        };
        let every = duration / 3;
        Ok(Self {
            kind: Kind::File {
                file: LeaseFile::new(path, file::holder(), duration),
                until: AtomicU64::new(0),
            },
            clock,
            rng,
            place,
            every,
            soon: every,
        })
    }

    /// Takes the lease, or renews it, if nobody else has it. No epoch below `at_least` is taken.
    /// Cancel safe: a write that was cut is looked up by the next call.
    ///
    /// # Errors
    /// [`LeaseError`]. One that leads does so until its time is up ([`Self::leads`]).
    pub async fn try_take(&self, at_least: u64) -> Result<Verdict, LeaseError> {
        match &self.kind {
            Kind::File { file, until } => match file.try_take(self.clock.now(), at_least)? {
                Decision::Take(lease) => {
                    until.store(lease.expires, Ordering::Relaxed);
                    Ok(Verdict::Leads { epoch: lease.epoch })
                }
                Decision::Wait { holder, millis } => {
                    until.store(0, Ordering::Relaxed);
                    Ok(Verdict::Standby {
                        holder: Some(holder),
                        left: Duration::from_millis(millis),
                        alive: true,
                    })
                }
            },
            Kind::Kubernetes(elected) => {
                let verdict = elected.try_take(at_least).await;
                verdict.map_err(|source| self.error(elected, source))
            }
        }
    }

    /// For how long the lease is ours still, if it is not renewed; 0: it is not.
    pub fn left(&self) -> Duration {
        match &self.kind {
            Kind::File { until, .. } => {
                let until = until.load(Ordering::Relaxed);
                Duration::from_millis(until.saturating_sub(millis(self.clock.now())))
            }
            Kind::Kubernetes(elected) => elected.left(),
        }
    }

    /// Whether the lease is ours now: asked before each write to a table.
    pub fn leads(&self) -> bool {
        !self.left().is_zero()
    }

    /// Gives it back, so that a standby need not wait.
    ///
    /// Assumptions: nothing is written to a table any more, and no [`Self::try_take`] is under
    /// way.
    ///
    /// # Errors
    /// [`LeaseError`]; a standby waits for its time then.
    pub async fn resign(&self) -> Result<(), LeaseError> {
        match &self.kind {
            Kind::File { file, until } => {
                until.store(0, Ordering::Relaxed);
                Ok(file.resign(self.clock.now())?)
            }
            Kind::Kubernetes(elected) => {
                let given = elected.resign().await;
                given.map_err(|source| self.error(elected, source))
            }
        }
    }

    /// Who leads, for people; none: nobody does, or it cannot be read.
    pub async fn leader(&self) -> Option<String> {
        match &self.kind {
            Kind::File { file, .. } => {
                let lease = file.read().ok().flatten()?;
                (lease.expires > millis(self.clock.now())).then_some(lease.holder)
            }
            Kind::Kubernetes(elected) => elected.leader().await,
        }
    }

    /// The time between two renewals, or looks; of many standbys not all look at once.
    pub fn every(&self) -> Duration {
        self.every + self.rng.share_of(self.every / 5)
    }

    /// The time after which what failed is tried again.
    pub fn soon(&self) -> Duration {
        self.soon
    }

    fn error(&self, elected: &Elected<KubeApi>, source: KubernetesError) -> LeaseError {
        LeaseError::Kubernetes {
            place: self.place.clone(),
            lease: elected.api().to_string(),
            source,
        }
    }
}
