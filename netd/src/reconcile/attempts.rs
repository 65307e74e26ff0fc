//! Decides which ops are applied now and which later, and which are a quarrel. Pure: the time is an
//! argument.
//!
//! A failed op is retried after a back-off of its own, so that it does not delay others. An op that
//! is needed three times within ten seconds is a quarrel: something undoes it each time. A cosmetic
//! op (an MTU) is then held for a minute and more; any other op is applied once a second, because
//! isolation or forwarding depends on it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use flatnet_clock::{Backoff, Delays};

use super::actual::Actual;
use super::op::{Op, Severity};
use crate::problems::{Effect, Problem};

/// Delays before an op that failed is applied again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
/// How many applications within [`QUARREL_WINDOW`] make a quarrel.
const QUARREL_COUNT: usize = 3;
const QUARREL_WINDOW: Duration = Duration::from_secs(10);
/// Interval between two applications of an op during a quarrel: it does not grow.
const QUARREL_HOLD: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
/// How long a cosmetic op is held during a quarrel.
const COSMETIC_HOLD: Backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(3600));

/// Whether an op is applied now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Now.
    Now,
    /// Not before this time.
    HeldUntil(Instant),
}

struct Failure {
    op: String,
    error: String,
    severity: Severity,
    times: u32,
    delays: Delays,
    due: Instant,
}

struct Success {
    op: String,
    severity: Severity,
    /// The times of the last [`QUARREL_COUNT`] applications.
    at: VecDeque<Instant>,
    /// The value that it found, as text.
    found: String,
    /// How long the op is held after each application; `None` without a quarrel.
    hold: Option<Duration>,
    holds: Delays,
}

impl Success {
    fn last(&self) -> Option<Instant> {
        self.at.back().copied()
    }

    /// Whether the entry still counts: a quarrel is over when the op was not needed for
    /// [`QUARREL_WINDOW`] after its hold.
    fn is_live(&self, now: Instant) -> bool {
        let rest = self.hold.unwrap_or_default() + QUARREL_WINDOW;
        self.last().is_some_and(|last| now < last + rest)
    }
}

/// Recent failures and applications, by the hash of the op with all its values.
#[derive(Default)]
pub(super) struct Attempts {
    failures: HashMap<u64, Failure>,
    successes: HashMap<u64, Success>,
}

impl Attempts {
    /// Whether the op is applied at `now`.
    pub(super) fn admit(&self, op: &Op, now: Instant) -> Admission {
        let id = identity(op);
        let failed = self.failures.get(&id).map(|f| f.due);
        let held = self
            .successes
            .get(&id)
            .and_then(|s| Some(s.last()? + s.hold?));
        match failed.max(held) {
            Some(due) if due > now => Admission::HeldUntil(due),
            _ => Admission::Now,
        }
    }

    /// Records an application; `actual` is the state before it.
    pub(super) fn succeeded(&mut self, op: &Op, actual: &Actual, now: Instant) {
        let id = identity(op);
        self.failures.remove(&id);
        self.successes.retain(|_, s| s.is_live(now));
        let done = self.successes.entry(id).or_insert_with(|| Success {
            op: op.to_string(),
            severity: op.severity(),
            at: VecDeque::with_capacity(QUARREL_COUNT),
            found: String::new(),
            hold: None,
            holds: hold_of(op.severity()).delays(),
        });
        if done.at.len() == QUARREL_COUNT {
            done.at.pop_front();
        }
        done.at.push_back(now);
        done.found = op.replaced_value(actual);
        let often = done.at.len() == QUARREL_COUNT
            && done.at.front().is_some_and(|a| now < *a + QUARREL_WINDOW);
        let held = often || done.hold.is_some();
        done.hold = held.then(|| done.holds.after_failure());
    }

    /// Records a failure.
    pub(super) fn failed(&mut self, op: &Op, error: String, now: Instant) {
        let failure = self
            .failures
            .entry(identity(op))
            .or_insert_with(|| Failure {
                op: op.to_string(),
                error: String::new(),
                severity: op.severity(),
                times: 0,
                delays: RETRY.delays(),
                due: now,
            });
        failure.error = error;
        failure.times += 1;
        failure.due = now + failure.delays.after_failure();
    }

    /// Drops the failures of ops other than these.
    pub(super) fn retain<'o>(&mut self, wanted: impl IntoIterator<Item = &'o Op>) {
        if self.failures.is_empty() {
            return;
        }
        let wanted: HashSet<u64> = wanted.into_iter().map(identity).collect();
        self.failures.retain(|id, _| wanted.contains(id));
    }

    /// Lets every op be applied at once, because an operator requested a reconcile.
    pub(super) fn retry_now(&mut self) {
        self.failures.clear();
        for success in self.successes.values_mut() {
            success.at.clear();
            success.hold = None;
            success.holds.reset();
        }
    }

    /// The problems: ops that fail, and quarrels.
    pub(super) fn problems(&self, now: Instant) -> Vec<Problem> {
        let mut failures: Vec<&Failure> = self.failures.values().collect();
        failures.sort_by(|a, b| a.op.cmp(&b.op));
        let failures = failures.into_iter().map(|f| Problem {
            effect: f.severity.effect(),
            ..Problem::non_blocking(
                "change-failed",
                format!(
                    "{}: {} (failed {} times; netd goes on trying)",
                    f.op, f.error, f.times
                ),
            )
        });
        let mut quarrels: Vec<&Success> = self
            .successes
            .values()
            .filter(|s| s.hold.is_some() && s.is_live(now))
            .collect();
        quarrels.sort_by(|a, b| a.op.cmp(&b.op));
        let quarrels = quarrels.into_iter().map(|s| {
            let (effect, then) = match s.severity {
                Severity::Cosmetic => (Effect::StaysReady, "netd leaves it alone for a while"),
                severity => (severity.effect(), "netd repairs it once a second"),
            };
            Problem {
                effect,
                ..Problem::non_blocking(
                    "quarrel",
                    format!(
                        "something undoes what netd does, again and again: netd did `{}`{}; {then}: \
                         find the other writer and stop it",
                        s.op, s.found
                    ),
                )
            }
        });
        failures.chain(quarrels).collect()
    }
}

/// How long an op of this severity is held during a quarrel.
fn hold_of(severity: Severity) -> Backoff {
    match severity {
        Severity::Cosmetic => COSMETIC_HOLD,
        _ => QUARREL_HOLD,
    }
}

/// The hash of an op with all its values.
fn identity(op: &Op) -> u64 {
    let mut hasher = DefaultHasher::new();
    op.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use flatnet_types::{IfName, Mtu};

    use super::*;

    fn mtu() -> Op {
        Op::SetLink {
            name: IfName::literal("flat0"),
            mtu: Mtu::new(9000).ok(),
        }
    }

    fn sysctl() -> Op {
        Op::SetSysctl {
            key: "ipv4/ip_forward".into(),
            value: "1".into(),
        }
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_failed_op_is_retried_with_backoff_and_delays_no_other() {
        let (mut attempts, t) = (Attempts::default(), Instant::now());
        attempts.failed(&sysctl(), "read-only".into(), t);
        assert_eq!(
            attempts.admit(&sysctl(), t),
            Admission::HeldUntil(after(t, 50))
        );
        assert_eq!(attempts.admit(&mtu(), t), Admission::Now);
        assert_eq!(attempts.admit(&sysctl(), after(t, 50)), Admission::Now);
        for _ in 0..20 {
            attempts.failed(&sysctl(), "read-only".into(), t);
        }
        assert_eq!(
            attempts.admit(&sysctl(), t),
            Admission::HeldUntil(after(t, 5000))
        );
        let problems = attempts.problems(t);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].text.contains("read-only"), "{problems:?}");
        attempts.retain([&mtu()]);
        assert!(attempts.problems(t).is_empty());
    }

    #[test]
    fn a_cosmetic_op_is_held_after_three_applications_in_ten_seconds() {
        let (mut attempts, t) = (Attempts::default(), Instant::now());
        for i in 0..3 {
            assert_eq!(attempts.admit(&mtu(), after(t, i)), Admission::Now);
            attempts.succeeded(&mtu(), &Actual::default(), after(t, i));
        }
        let held = Admission::HeldUntil(after(t, 60_002));
        assert_eq!(attempts.admit(&mtu(), after(t, 10)), held);
        let problems = attempts.problems(after(t, 10));
        assert_eq!(
            (problems.len(), problems[0].effect),
            (1, Effect::StaysReady)
        );
        // Undone again after the minute: it is held for longer.
        attempts.succeeded(&mtu(), &Actual::default(), after(t, 61_000));
        let held = Admission::HeldUntil(after(t, 181_000));
        assert_eq!(attempts.admit(&mtu(), after(t, 62_000)), held);
        // It is not undone any more: the quarrel is over.
        assert!(attempts.problems(after(t, 300_000)).is_empty());
    }

    #[test]
    fn a_vital_op_is_applied_once_a_second_in_a_quarrel_and_the_node_is_not_ready() {
        let (mut attempts, t) = (Attempts::default(), Instant::now());
        for i in 0..3 {
            attempts.succeeded(&sysctl(), &Actual::default(), after(t, i));
        }
        let problems = attempts.problems(after(t, 3));
        assert_eq!((problems.len(), problems[0].effect), (1, Effect::NotReady));
        for i in 1..30 {
            let last = after(t, 2 + (i - 1) * 1000);
            assert_ne!(attempts.admit(&sysctl(), last), Admission::Now);
            let now = after(t, 2 + i * 1000);
            assert_eq!(attempts.admit(&sysctl(), now), Admission::Now);
            attempts.succeeded(&sysctl(), &Actual::default(), now);
        }
        assert!(attempts.problems(after(t, 60_000)).is_empty());
    }

    #[test]
    fn three_times_in_a_minute_are_no_quarrel() {
        let (mut attempts, t) = (Attempts::default(), Instant::now());
        for i in 0..6 {
            let now = after(t, i * 9_000);
            assert_eq!(attempts.admit(&mtu(), now), Admission::Now);
            attempts.succeeded(&mtu(), &Actual::default(), now);
            assert!(attempts.problems(now).is_empty());
        }
    }
}
