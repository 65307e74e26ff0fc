//! Taking the steps, asking the gates, and undoing everything where something is missing.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::gate::Gate;
use crate::journal::{Journal, JournalError, Phase, Store};
use crate::step::{Step, StepError};

/// How long all gates may take to answer.
const GATES: Duration = Duration::from_secs(30);
/// What the steps themselves may take: until then the guard waits for a mover that lives.
const STEPS: Duration = Duration::from_secs(90);
/// Between two looks of who waits.
const LOOK: Duration = Duration::from_millis(200);
/// Between two attempts at undoing what could not be undone.
const RETRY: Duration = Duration::from_secs(1);

/// The effects of a move.
pub trait Host: Sync {
    /// Takes a step. One that is taken already changes nothing.
    fn apply(
        &self,
        journal: &Journal,
        step: &Step,
    ) -> impl Future<Output = Result<(), StepError>> + Send;

    /// Undoes a step. One that was not taken, or was undone, changes nothing.
    fn undo(
        &self,
        journal: &Journal,
        step: &Step,
    ) -> impl Future<Output = Result<(), StepError>> + Send;

    /// Whether it answers now, on the host's port.
    fn answers(&self, journal: &Journal, gate: &Gate) -> impl Future<Output = bool> + Send;

    /// Kills a mover that holds the lock beyond its time.
    fn end(&self, pid: i32);

    /// The time since the boot.
    fn now(&self) -> Duration;

    /// Lets time pass.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// How a move ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The uplink is in the bridge, and the host's addresses are on its port.
    Kept,
    /// Everything answers; the administrator has this long to confirm.
    Waiting(Duration),
    /// Everything is as it was, for this reason.
    RolledBack(String),
}

/// Why a move did not come to one of its two ends.
#[derive(Debug, Error)]
pub enum MoveError {
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The dead man's timer did not start: nothing was touched.
    #[error("the guard that would undo a failed move did not start, so nothing was begun: {0}")]
    Guard(String),
    /// An earlier move is unfinished.
    #[error("a move is under way: `netd uplink status` shows it, `netd uplink rollback` undoes it")]
    Unfinished,
    /// There is nothing to confirm.
    #[error("there is no move that waits for a confirmation: {0}")]
    NothingToConfirm(String),
    /// There is nothing to undo.
    #[error("there is no move of this boot to undo")]
    NothingToUndo,
    /// Some steps could not be undone. The guard tries again.
    #[error("could not be undone yet: {}", failed.join("; "))]
    Undo {
        /// What failed.
        failed: Vec<String>,
    },
}

/// A move on a host. Every entry point takes the journal's lock.
pub struct Mover<'a, H> {
    /// What carries the steps out.
    pub host: &'a H,
    /// Where the journal is kept.
    pub store: &'a Store,
    /// This boot.
    pub boot_id: &'a str,
}

impl<H: Host> Mover<'_, H> {
    /// Makes the move: journal, guard (`arm`), steps, gates. `stop` ends it early, as a failure.
    ///
    /// # Errors
    /// [`MoveError`]. A step that fails, or a gate that does not answer, is
    /// [`Outcome::RolledBack`].
    pub async fn migrate(
        &self,
        mut journal: Journal,
        arm: impl FnOnce() -> Result<(), String>,
        stop: &AtomicBool,
    ) -> Result<Outcome, MoveError> {
        let _lock = self.store.lock()?;
        if let Some(last) = self.store.load()?
            && last.phase.is_unfinished()
            && last.boot_id == self.boot_id
        {
            return Err(MoveError::Unfinished);
        }
        journal.deadline_ms = self.in_ms(STEPS + GATES);
        self.store.save(&journal)?;
        if let Err(reason) = arm() {
            journal.phase = Phase::RolledBack {
                reason: "the guard did not start".to_owned(),
            };
            self.store.save(&journal)?;
            return Err(MoveError::Guard(reason));
        }
        for step in &journal.steps {
            let done = self.host.apply(&journal, step).await;
            let reason = match done {
                Err(e) => e.to_string(),
                Ok(()) if stop.load(Ordering::Relaxed) => "it was interrupted".to_owned(),
                Ok(()) => continue,
            };
            return self.give_up(journal.clone(), reason).await;
        }
        if let Some(reason) = self.missing(&journal, stop).await {
            return self.give_up(journal, reason).await;
        }
        self.decide(journal)
    }

    /// All gates answer: the move is kept, or waits to be confirmed.
    fn decide(&self, mut journal: Journal) -> Result<Outcome, MoveError> {
        let outcome = match journal.confirm_s.map(Duration::from_secs) {
            None => {
                journal.phase = Phase::Kept;
                journal.recorded = true;
                Outcome::Kept
            }
            Some(time) => {
                journal.phase = Phase::Waiting;
                journal.deadline_ms = self.in_ms(time);
                Outcome::Waiting(time)
            }
        };
        self.store.save(&journal)?;
        Ok(outcome)
    }

    /// Asks the gates until each has answered; which did not, in the end.
    async fn missing(&self, journal: &Journal, stop: &AtomicBool) -> Option<String> {
        let end = self.host.now() + GATES;
        let mut left: Vec<&Gate> = journal.gates.iter().collect();
        loop {
            let mut still = Vec::new();
            for gate in left {
                if !self.host.answers(journal, gate).await {
                    still.push(gate);
                }
            }
            left = still;
            if left.is_empty() {
                return None;
            }
            if stop.load(Ordering::Relaxed) {
                return Some("it was interrupted".to_owned());
            }
            if self.host.now() >= end {
                let names: Vec<String> = left.iter().map(ToString::to_string).collect();
                return Some(format!(
                    "no answer on {} within {} s from {}",
                    journal.host_port,
                    GATES.as_secs(),
                    names.join(", ")
                ));
            }
            self.host.sleep(LOOK).await;
        }
    }

    async fn give_up(&self, journal: Journal, reason: String) -> Result<Outcome, MoveError> {
        self.undo_all(journal, reason.clone()).await?;
        Ok(Outcome::RolledBack(reason))
    }

    /// Undoes all steps in reverse; goes on where one cannot be undone.
    async fn undo_all(&self, mut journal: Journal, reason: String) -> Result<(), MoveError> {
        journal.phase = Phase::RollingBack {
            reason: reason.clone(),
        };
        self.store.save(&journal)?;
        let mut failed = Vec::new();
        for step in journal.steps.iter().rev() {
            if let Err(e) = self.host.undo(&journal, step).await {
                failed.push(e.to_string());
            }
        }
        if !failed.is_empty() {
            return Err(MoveError::Undo { failed });
        }
        journal.phase = Phase::RolledBack { reason };
        self.store.save(&journal)?;
        Ok(())
    }

    /// Keeps a move that waits.
    ///
    /// # Errors
    /// [`MoveError::NothingToConfirm`]; [`MoveError::Journal`].
    pub fn confirm(&self) -> Result<(), MoveError> {
        let _lock = self.store.lock()?;
        let nothing = |why: &str| Err(MoveError::NothingToConfirm(why.to_owned()));
        let Some(mut journal) = self.store.load()? else {
            return nothing("there was none");
        };
        if journal.boot_id != self.boot_id {
            return nothing("the last one was made before the last boot");
        }
        match &journal.phase {
            Phase::Waiting if self.now_ms() < journal.deadline_ms => {}
            Phase::Waiting => return nothing("its time is over, and it is being undone"),
            Phase::Kept => return nothing("it is kept already"),
            Phase::RolledBack { reason } | Phase::RollingBack { reason } => {
                return nothing(&format!("it was undone: {reason}"));
            }
            Phase::Moving => return nothing("its gates have not answered yet"),
        }
        journal.phase = Phase::Kept;
        journal.recorded = true;
        Ok(self.store.save(&journal)?)
    }

    /// Undoes the move of this boot, whether it is kept, waits, or was left unfinished. What cannot
    /// be undone at once, the guard (`arm`) tries again.
    ///
    /// # Errors
    /// [`MoveError::NothingToUndo`]; [`MoveError`].
    pub async fn roll_back(
        &self,
        reason: &str,
        arm: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), MoveError> {
        let _lock = self.store.lock()?;
        let mut journal = self
            .store
            .load()?
            .filter(|j| j.boot_id == self.boot_id)
            .filter(|j| !matches!(j.phase, Phase::RolledBack { .. }))
            .ok_or(MoveError::NothingToUndo)?;
        journal.recorded = false;
        journal.phase = Phase::RollingBack {
            reason: reason.to_owned(),
        };
        self.store.save(&journal)?;
        if let Err(reason) = arm() {
            tracing::warn!(reason, "undoing without a guard");
        }
        self.undo_all(journal, reason.to_owned()).await
    }

    /// Undoes a move that nobody is at any more: its mover died, or its time is over. `true` if
    /// there is nothing left to guard.
    ///
    /// # Errors
    /// [`MoveError`]: call again.
    pub async fn recover(&self) -> Result<bool, MoveError> {
        let lock = match self.store.lock() {
            Ok(lock) => lock,
            // Somebody is at it.
            Err(JournalError::Locked) => return Ok(false),
            Err(e) => return Err(e.into()),
        };
        let Some(journal) = self.store.load()?.filter(|j| j.boot_id == self.boot_id) else {
            return Ok(true);
        };
        let reason = match &journal.phase {
            Phase::Kept | Phase::RolledBack { .. } => return Ok(true),
            Phase::Waiting if self.now_ms() < journal.deadline_ms => return Ok(false),
            Phase::Waiting => "nobody confirmed it in time".to_owned(),
            Phase::Moving => "the process that made it died".to_owned(),
            Phase::RollingBack { reason } => reason.clone(),
        };
        self.undo_all(journal, reason).await?;
        drop(lock);
        Ok(true)
    }

    /// The dead man's timer: returns when the move is at one of its two ends.
    ///
    /// # Errors
    /// [`MoveError::Journal`] where the journal cannot be read at all.
    pub async fn guard(&self) -> Result<(), MoveError> {
        loop {
            match self.recover().await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    self.end_a_mover_that_hangs()?;
                    self.host.sleep(LOOK).await;
                }
                Err(e @ MoveError::Undo { .. }) => {
                    tracing::error!(error = %e, "undoing the move of the uplink");
                    self.host.sleep(RETRY).await;
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// A mover beyond its time holds the lock: nothing of it may go on when all is undone.
    fn end_a_mover_that_hangs(&self) -> Result<(), MoveError> {
        if let Some(journal) = self.store.load()?
            && journal.phase == Phase::Moving
            && self.now_ms() >= journal.deadline_ms
        {
            self.host.end(journal.pid);
        }
        Ok(())
    }

    /// Waits until a move that waits is confirmed or undone.
    ///
    /// # Errors
    /// [`MoveError::Journal`].
    pub async fn wait(&self) -> Result<Outcome, MoveError> {
        loop {
            match self.store.load()?.map(|j| j.phase) {
                None | Some(Phase::Kept) => return Ok(Outcome::Kept),
                Some(Phase::RolledBack { reason }) => return Ok(Outcome::RolledBack(reason)),
                Some(_) => self.host.sleep(LOOK).await,
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.host.now().as_millis()).unwrap_or(u64::MAX)
    }

    fn in_ms(&self, time: Duration) -> u64 {
        self.now_ms()
            .saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}
