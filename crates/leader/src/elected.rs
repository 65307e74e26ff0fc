//! A [`Candidate`] and the record it reads and writes, over a network that may lose or delay
//! every call.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flatnet_clock::Clock;

use crate::Verdict;
use crate::api::{KubernetesError, LeaseApi, Written};
use crate::candidate::{Candidate, Record, Step, Stored, Timing};

/// How often a record that others change meanwhile is read again.
const TRIES: usize = 3;

/// A candidate at work.
pub struct Elected<A> {
    api: A,
    clock: Arc<dyn Clock>,
    timing: Timing,
    state: Mutex<Candidate>,
}

impl<A: LeaseApi> Elected<A> {
    /// A candidate of that name, which no other may have; nothing is asked yet.
    pub fn new(api: A, me: impl Into<String>, timing: Timing, clock: Arc<dyn Clock>) -> Self {
        Self {
            api,
            clock,
            timing,
            state: Mutex::new(Candidate::new(me, timing)),
        }
    }

    /// Where the record is.
    pub fn api(&self) -> &A {
        &self.api
    }

    /// Takes or renews it. Cancel safe: what was written in doubt is read by the next call.
    ///
    /// # Errors
    /// [`KubernetesError`].
    pub async fn try_take(&self, at_least: u64) -> Result<Verdict, KubernetesError> {
        let known = self.state().known().cloned();
        let mut found = match known {
            Some(stored) => Some(stored),
            None => self.read().await?,
        };
        for _ in 0..TRIES {
            let (now, wall) = (self.clock.since_boot(), self.clock.now());
            let step = self.state().step(found.as_ref(), now, wall, at_least);
            let (record, over) = match step {
                Step::Wait {
                    holder,
                    left,
                    alive,
                } => {
                    return Ok(Verdict::Standby {
                        holder,
                        left,
                        alive,
                    });
                }
                Step::Make(record) => {
                    found = match self.write(&record, None).await? {
                        Written::Done(stored) => Some(stored),
                        Written::Conflict => self.read().await?,
                    };
                    continue;
                }
                Step::Write { record, over } => (record, over),
            };
            self.state().sends();
            let sent = self.clock.since_boot();
            match self.write(&record, Some(&over)).await? {
                Written::Done(stored) => {
                    let epoch = stored.record.transitions;
                    self.state().won(stored, sent);
                    return Ok(Verdict::Leads { epoch });
                }
                Written::Conflict => found = self.read().await?,
            }
        }
        Err(KubernetesError::Contended { times: TRIES })
    }

    /// For how long this one leads still, if it does not renew.
    pub fn left(&self) -> Duration {
        self.state().left(self.clock.since_boot())
    }

    /// Leads no more, and says so in the record.
    ///
    /// # Errors
    /// [`KubernetesError`]; this one leads no more all the same.
    pub async fn resign(&self) -> Result<(), KubernetesError> {
        self.state().steps_down();
        for _ in 0..TRIES {
            let Some(found) = self.read().await? else {
                return Ok(());
            };
            let free = self.state().release(&found, self.clock.now());
            let Some(free) = free else { return Ok(()) };
            match self.write(&free, Some(&found.version)).await? {
                Written::Done(_) => return Ok(()),
                Written::Conflict => {}
            }
        }
        Err(KubernetesError::Contended { times: TRIES })
    }

    /// Who leads, for people: by what was seen while standing by, else by what the record says.
    pub async fn leader(&self) -> Option<String> {
        let observed = {
            let state = self.state();
            let leader = state.leader(self.clock.since_boot());
            state.has_observed().then(|| leader.map(str::to_owned))
        };
        match observed {
            Some(leader) => leader,
            None => {
                let found = self.read().await.ok().flatten()?;
                Some(found.record.holder).filter(|holder| !holder.is_empty())
            }
        }
    }

    async fn read(&self) -> Result<Option<Stored>, KubernetesError> {
        self.timed("read", self.api.read()).await
    }

    async fn write(&self, record: &Record, over: Option<&str>) -> Result<Written, KubernetesError> {
        let doing = if over.is_some() { "update" } else { "create" };
        self.timed(doing, self.api.write(record, over)).await
    }

    async fn timed<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T, KubernetesError>>,
    ) -> Result<T, KubernetesError> {
        let after = self.timing.call;
        let outcome = tokio::time::timeout(after, call).await;
        outcome.unwrap_or(Err(KubernetesError::Silent { doing, after }))
    }

    fn state(&self) -> MutexGuard<'_, Candidate> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
