//! Who may lead by a record that several read and each may replace only in the version that it
//! saw: the rules of Kubernetes' leader election (client-go, `tools/leaderelection`), as values.
//!
//! ```text
//!   leader    ──write──▶ ▓▓▓▓▓▓▓ believes that it leads: `deadline` from when it sent that
//!   record             ●
//!   standby            │ ◀──sees the version── ░░░░░░░░░░ `duration` without another ──▶ writes
//! ```
//!
//! Guarantees: of any number of candidates at most one believes that it leads, however late calls
//! arrive and whichever fail. A standby begins to count when it has seen the leader's last write,
//! so after the leader began to count for it, and counts longer. Only each one's own clock is
//! asked, and only for how long something took: clocks may show what they like, and a standby's
//! may run up to `duration` ÷ `deadline` as fast as the leader's. The record's times are for
//! people.
//!
//! A record that is missing, or new and never held, counts as held by an unknown one: it may have
//! been deleted under a leader. It is made without a holder, and waited for as for any other: a
//! version is never there twice, while an absence may have been one of several.

use std::time::{Duration, SystemTime};

/// How long something has been, by a clock that never stands still or goes back.
pub type Moment = Duration;

/// The record's content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Who leads; empty: nobody.
    pub holder: String,
    /// For how long after it was seen to be renewed nobody else may take it.
    pub duration: Option<Duration>,
    /// Counts the holders: the epoch.
    pub transitions: u64,
    /// When the holder took it, by its clock.
    pub acquired: Option<SystemTime>,
    /// When the holder renewed it, by its clock.
    pub renewed: Option<SystemTime>,
}

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its content.
    pub record: Record,
    /// Each write gives it another.
    pub version: String,
}

/// How long everything takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A standby waits so long after the last renewal that it saw.
    pub duration: Duration,
    /// A leader that cannot renew stops so long after it sent its last renewal.
    pub deadline: Duration,
    /// Between two looks.
    pub retry: Duration,
    /// One call may take so long.
    pub call: Duration,
}

impl Timing {
    /// All of it from the lease's duration: with 10 s, a leader gives up after 7 s, and one look
    /// and one call take 2 s each.
    pub fn of(duration: Duration) -> Self {
        Self {
            duration,
            deadline: duration * 7 / 10,
            retry: duration / 5,
            call: duration / 5,
        }
    }
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the record, which nobody holds yet.
    Make(Record),
    /// Write this over that version, and lead.
    Write {
        /// The record.
        record: Record,
        /// What it replaces.
        over: String,
    },
    /// Somebody else may lead.
    Wait {
        /// Who; none: nobody has held it yet, or it was made anew.
        holder: Option<String>,
        /// It may be taken after so long, if nothing is seen of the holder.
        left: Duration,
        /// Whether the holder was seen to renew.
        alive: bool,
    },
}

/// One that would lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    me: String,
    timing: Timing,
    observed: Option<Observed>,
    /// What we wrote last, where nothing else can have been written in doubt since.
    written: Option<Stored>,
    until: Option<Moment>,
}

#[derive(Debug, Clone)]
struct Observed {
    version: String,
    holder: String,
    since: Moment,
    alive: bool,
}

impl Candidate {
    /// A candidate of that name, which no other may have.
    pub fn new(me: impl Into<String>, timing: Timing) -> Self {
        Self {
            me: me.into(),
            timing,
            observed: None,
            written: None,
            until: None,
        }
    }

    /// How long everything takes.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// The record as we left it, which saves a leader to read it.
    pub fn known(&self) -> Option<&Stored> {
        self.written.as_ref()
    }

    /// What to do about the record, which was found at `now` or later; what the record tells
    /// people is `wall`. No epoch below `at_least` is written.
    ///
    /// Assumptions: `now` is not before the answer was there.
    pub fn step(
        &mut self,
        found: Option<&Stored>,
        now: Moment,
        wall: SystemTime,
        at_least: u64,
    ) -> Step {
        let Some(Stored {
            record: before,
            version,
        }) = found
        else {
            self.loses();
            self.observed = None;
            return Step::Make(Record {
                duration: Some(self.timing.duration),
                transitions: at_least.saturating_sub(1),
                ..Record::default()
            });
        };
        let observed = self.observe(before, version, now);
        let (since, alive) = (observed.since, observed.alive);
        let ours = before.holder == self.me;
        if !ours {
            self.loses();
        }
        // Given back; one without a time was never held.
        let free = before.holder.is_empty() && before.renewed.is_some();
        let stays = before.duration.unwrap_or(self.timing.duration);
        let waited = now.saturating_sub(since);
        if !ours && !free && waited < stays {
            return Step::Wait {
                holder: Some(before.holder.clone()).filter(|h| !h.is_empty()),
                left: stays.saturating_sub(waited),
                alive,
            };
        }
        let transitions = before.transitions.saturating_add(u64::from(!ours));
        Step::Write {
            record: Record {
                holder: self.me.clone(),
                duration: Some(self.timing.duration),
                transitions: transitions.max(at_least),
                acquired: before.acquired.filter(|_| ours).or(Some(wall)),
                renewed: Some(wall),
            },
            over: version.clone(),
        }
    }

    fn loses(&mut self) {
        self.until = None;
        self.written = None;
    }

    fn observe(&mut self, record: &Record, version: &str, now: Moment) -> &Observed {
        let before = self.observed.take();
        let observed = match before {
            Some(observed) if observed.version == version => observed,
            before => Observed {
                alive: before.is_some_and(|b| !b.holder.is_empty() && b.holder == record.holder),
                holder: record.holder.clone(),
                since: now,
                version: version.to_owned(),
            },
        };
        self.observed.insert(observed)
    }

    /// A write goes out: until its outcome is known, the record is not.
    pub fn sends(&mut self) {
        self.written = None;
    }

    /// A write that was sent at `sent` was answered: it is in force.
    ///
    /// Assumptions: `sent` is not after the write went out.
    pub fn won(&mut self, stored: Stored, sent: Moment) {
        self.observe(&stored.record, &stored.version, sent);
        self.until = Some(sent + self.timing.deadline);
        self.written = Some(stored);
    }

    /// For how long this one leads still, if it is not renewed.
    pub fn left(&self, now: Moment) -> Duration {
        self.until
            .map_or(Duration::ZERO, |until| until.saturating_sub(now))
    }

    /// Whether this one leads: asked before each write to what it leads in.
    pub fn leads(&self, now: Moment) -> bool {
        !self.left(now).is_zero()
    }

    /// Leads no more, whatever the record says.
    pub fn steps_down(&mut self) {
        self.until = None;
    }

    /// The record that frees what is ours, and the version that it replaces.
    ///
    /// Assumptions: [`Self::steps_down`] came before, and nothing is written in this one's name.
    pub fn release(&self, found: &Stored, wall: SystemTime) -> Option<Record> {
        (found.record.holder == self.me).then(|| Record {
            holder: String::new(),
            renewed: Some(wall),
            ..found.record.clone()
        })
    }

    /// Whether it has read the record at all.
    pub fn has_observed(&self) -> bool {
        self.observed.is_some()
    }

    /// Who leads, as far as this one saw; one that has not renewed in time does not.
    pub fn leader(&self, now: Moment) -> Option<&str> {
        let observed = self.observed.as_ref()?;
        let fresh = now.saturating_sub(observed.since) < self.timing.duration;
        (fresh && !observed.holder.is_empty()).then_some(&observed.holder)
    }
}

#[cfg(test)]
mod tests;
