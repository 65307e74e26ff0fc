//! Gates that are no people: they are asked while the engine wants to know, each at most once at a time.
//!
//! ```text
//!   Action::Ask ─▶ [Board] ─▶ is it due? ─▶ [question], [subjects] (instances by cluster) ─▶ task: [probe], [paths], [sets], [metrics]
//!                    ▲                                                                    │
//!                    └────────────── answer: verdict, and why ◀──────────────────────────┘ ─▶ the application is looked at
//! ```
//!
//! # Rules
//! - What cannot be found out is `Unknown` and never a failure: the release waits, and pauses after `deadlines.gate`.
//! - A failure is what the new instances do where nothing else explains it. Before an instance that gives no answer is
//!   blamed, an old one of the same cluster is tried: if that one is silent too, the path is at fault.
//! - Answers are kept here alone. A controller that takes over asks anew, and the bake stands still until it knows.

mod metrics;
mod paths;
mod probe;
mod question;
mod sets;
mod subjects;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flatnet_platform_engine::observed::GateVerdict;
use flatnet_platform_types::kinds::Verdict;
use flatnet_platform_watch::Key;

pub(crate) use question::Question;
pub(crate) use subjects::{Subjects, Tools};

/// From one answer of a gate to the next question.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// Which gate of which release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Namespace and name of the application.
    pub(crate) app: Key,
    /// The release's name.
    pub(crate) release: String,
    /// The step, from 1.
    pub(crate) step: u32,
    /// The round of the step.
    pub(crate) round: u32,
    /// The gate's place in the step, from 0.
    pub(crate) gate: u32,
}

/// An answer, and when it came by the clock since the machine's start.
struct Answer {
    verdict: Verdict,
    reason: String,
    at: Duration,
}

/// Answers, and questions under way.
#[derive(Default)]
pub(crate) struct Board {
    answers: BTreeMap<Place, Answer>,
    asking: BTreeSet<Place>,
}

impl Board {
    /// What is known of a release's gates. What was answered for other releases of the application is forgotten.
    pub(crate) fn verdicts(&mut self, app: &Key, release: &str) -> Vec<GateVerdict> {
        self.answers
            .retain(|place, _| place.app != *app || place.release == release);
        let known = self.answers.iter().filter(|(place, _)| place.app == *app);
        let verdict = |(place, answer): (&Place, &Answer)| GateVerdict {
            step: place.step,
            round: place.round,
            gate: place.gate,
            verdict: answer.verdict,
            reason: answer.reason.clone(),
        };
        known.map(verdict).collect()
    }

    /// How long until a gate is to be asked; none while it is being asked.
    pub(crate) fn due(&self, place: &Place, now: Duration) -> Option<Duration> {
        if self.asking.contains(place) {
            return None;
        }
        let answer = self.answers.get(place);
        Some(answer.map_or(Duration::ZERO, |a| (a.at + EVERY).saturating_sub(now)))
    }

    /// A question is under way.
    pub(crate) fn asks(&mut self, place: &Place) {
        self.asking.insert(place.clone());
    }

    /// An answer came.
    pub(crate) fn answered(
        &mut self,
        place: Place,
        verdict: Verdict,
        reason: String,
        at: Duration,
    ) {
        self.asking.remove(&place);
        let answer = Answer {
            verdict,
            reason,
            at,
        };
        self.answers.insert(place, answer);
    }

    /// Forgets all answers: this process leads no more, or the hub is away. Gates are asked anew afterwards.
    pub(crate) fn clear(&mut self) {
        self.answers.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(release: &str, round: u32) -> Place {
        Place {
            app: Key::new("shop", "web"),
            release: release.to_owned(),
            step: 1,
            round,
            gate: 0,
        }
    }

    #[test]
    fn a_gate_is_asked_once_at_a_time_and_again_after_a_while() {
        let mut board = Board::default();
        let (one, now) = (place("web-1", 0), Duration::from_secs(100));
        assert_eq!(board.due(&one, now), Some(Duration::ZERO));
        board.asks(&one);
        assert_eq!(board.due(&one, now), None);
        board.answered(one.clone(), Verdict::Pass, "all".to_owned(), now);
        let later = now + Duration::from_secs(2);
        assert_eq!(board.due(&one, later), Some(EVERY - Duration::from_secs(2)));
        assert_eq!(board.due(&one, now + EVERY), Some(Duration::ZERO));
        // Another round is another question.
        assert_eq!(board.due(&place("web-1", 1), now), Some(Duration::ZERO));
    }

    #[test]
    fn the_next_release_knows_nothing_of_the_answers_to_the_one_before() {
        let mut board = Board::default();
        let app = Key::new("shop", "web");
        board.answered(
            place("web-1", 0),
            Verdict::Fail,
            String::new(),
            Duration::ZERO,
        );
        assert_eq!(board.verdicts(&app, "web-1").len(), 1);
        assert_eq!(board.verdicts(&Key::new("shop", "other"), "x"), []);
        assert_eq!(board.verdicts(&app, "web-2"), []);
        assert_eq!(board.verdicts(&app, "web-1"), []);
    }
}
