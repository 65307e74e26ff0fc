//! Who leads, by a Kubernetes Lease: standing by, leading, and ending when the Lease is lost.
//!
//! A process that led and does so no more ends: whoever starts it anew has it stand by with nothing of the
//! ledger in its memory, which is older than the other one's by then.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use flatnet_leader::{Election, KubernetesLease, LeaseKind, Participant, Verdict};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info};

use super::cli::RunArgs;
use super::duties::Duties;
use super::lease_place::LeasePlace;
use super::role::Role;

/// The manifest that grants ipamd its Lease.
const MANIFEST: &str = "deploy/kubernetes/ipamd.yaml";
/// How long before a standby's time is over it is looked again.
const MARGIN: Duration = Duration::from_millis(50);

/// One that takes part in the election.
pub(super) struct Candidate {
    election: Election,
    roles: watch::Sender<Role>,
}

impl Candidate {
    /// Takes part; nothing is asked yet.
    ///
    /// # Errors
    /// The way to the API server is not known.
    pub(super) async fn open(
        args: &RunArgs,
        place: &LeasePlace,
        roles: watch::Sender<Role>,
    ) -> Result<Self> {
        let participant = Participant {
            lease: LeaseKind::Kubernetes(KubernetesLease {
                namespace: place.namespace.clone(),
                name: place.name.clone(),
                kubeconfig: args.kubeconfig.clone(),
                identity: args.identity.clone(),
            }),
            // Of a lease in a file, which this is not.
            default_file: PathBuf::new(),
            duration: args.lease_time,
            place: "--elect".to_owned(),
            manifest: MANIFEST,
        };
        Ok(Self {
            election: Election::open(participant).await?,
            roles,
        })
    }

    /// Stands by, and carries out the duties of a leader while it leads. Ends only with an error: the Lease was
    /// lost, or the duties cannot be carried out. Cancel safe.
    ///
    /// # Errors
    /// What ended it.
    pub(super) async fn run(&self, duties: Duties) -> Result<()> {
        let mut duties = Some(duties);
        // Empty while it stands by; dropped, and what is in it with it, when this future is.
        let mut leading: JoinSet<Result<()>> = JoinSet::new();
        let mut trouble = None;
        loop {
            let attempt = self.election.try_take(0);
            let verdict = match leading.is_empty() {
                true => attempt.await,
                // The server may not answer for longer than the Lease lasts.
                false => match tokio::time::timeout(self.election.left(), attempt).await {
                    Ok(verdict) => verdict,
                    Err(_) => bail!("the Lease could not be renewed in time: another one may lead"),
                },
            };
            let wait = match verdict {
                Ok(verdict) => {
                    if trouble.take().is_some() {
                        info!("the Lease can be had again");
                    }
                    self.on_verdict(verdict, &mut duties, &mut leading)?
                }
                Err(e) => {
                    self.on_error(e, &mut trouble);
                    self.election.soon()
                }
            };
            if !leading.is_empty() && !self.election.leads() {
                bail!("the Lease could not be renewed in time: another one may lead");
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(ended) = leading.join_next() => {
                    return ended?.and_then(|()| Err(anyhow!("what the leader does ended by itself")));
                }
            }
        }
    }

    /// The time until the next look.
    fn on_verdict(
        &self,
        verdict: Verdict,
        duties: &mut Option<Duties>,
        leading: &mut JoinSet<Result<()>>,
    ) -> Result<Duration> {
        match verdict {
            Verdict::Leads { epoch } => {
                if let Some(duties) = duties.take() {
                    info!(epoch, "leads");
                    leading.spawn(duties.carry_out(self.roles.clone()));
                }
                Ok(self.election.every())
            }
            Verdict::Standby { holder, .. } if !leading.is_empty() => {
                let by = holder.as_deref().unwrap_or("nobody");
                bail!("{by} has the Lease now: this one ends, to stand by")
            }
            Verdict::Standby {
                holder,
                left,
                alive,
            } => {
                let leader = holder.filter(|_| alive);
                self.roles.send_if_modified(|role| {
                    let known = matches!(&*role, Role::Standby { leader: old } if *old == leader);
                    if !known {
                        info!(
                            leader = leader.as_deref().unwrap_or("nobody yet"),
                            "stands by"
                        );
                        *role = Role::Standby { leader };
                    }
                    !known
                });
                Ok(self.election.every().min(left + MARGIN))
            }
        }
    }

    /// Logs an error once, however long it lasts.
    fn on_error(&self, e: flatnet_leader::LeaseError, trouble: &mut Option<String>) {
        let words = format!("{:#}", anyhow::Error::from(e));
        if trouble.as_ref() != Some(&words) {
            error!(error = words, "the Lease");
            *trouble = Some(words);
        }
    }

    /// Gives the Lease back, so that a standby need not wait.
    ///
    /// Assumptions: [`Candidate::run`] has ended.
    ///
    /// # Errors
    /// What the API server says; a standby waits for the Lease's end then.
    pub(super) async fn resign(&self) -> Result<()> {
        Ok(self.election.resign().await?)
    }
}
