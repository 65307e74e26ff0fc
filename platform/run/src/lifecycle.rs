//! What is done at which event, without doing it.

use std::time::{Duration, Instant};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// SIGTERM or SIGINT.
    StopWanted,
    /// Another signal, by its number.
    Signal(i32),
    /// The application ended with this exit code.
    ApplicationEnded(u8),
    /// The stop script ended.
    StopScriptEnded,
    /// The deadline of [`Lifecycle::deadline`] is over.
    Deadline,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Run the stop script.
    RunStopScript,
    /// Send the signal to the application.
    PassOn(i32),
    /// Send SIGTERM to every process of the container.
    TerminateAll,
    /// Send SIGKILL to every process of the container.
    KillAll,
}

/// How long each part of a stop may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The stop script's time; `None` if there is no script.
    pub(crate) stop_script: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub(crate) kill_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The stop script runs; the application serves on.
    StopScript {
        until: Instant,
    },
    Terminating {
        until: Instant,
    },
    /// A killed process may be the parent of others, which are found only then: killing is repeated.
    Killing {
        again: Instant,
    },
}

/// One run of an application, from its start until nothing of it is left.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    limits: Limits,
    phase: Phase,
    code: Option<u8>,
}

impl Lifecycle {
    const KILL_AGAIN: Duration = Duration::from_millis(100);

    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Running,
            code: None,
        }
    }

    /// When [`Event::Deadline`] is due; `None` while nothing is waited for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running => None,
            Phase::StopScript { until } | Phase::Terminating { until } => Some(until),
            Phase::Killing { again } => Some(again),
        }
    }

    /// The exit code, once the application has ended.
    pub(crate) fn code(&self) -> Option<u8> {
        self.code
    }

    /// Takes note of `event`, and gives what is to be done now.
    pub(crate) fn on(&mut self, event: Event, now: Instant) -> Option<Action> {
        if let Event::ApplicationEnded(code) = event {
            self.code = Some(code);
        }
        match (self.phase, event) {
            (Phase::Running, Event::StopWanted) => match self.limits.stop_script {
                Some(limit) => {
                    let until = now + limit;
                    self.phase = Phase::StopScript { until };
                    Some(Action::RunStopScript)
                }
                None => Some(self.terminate(now)),
            },
            // What the application started in the background ends with it.
            (Phase::Running, Event::ApplicationEnded(_)) => Some(self.terminate(now)),
            (Phase::Running | Phase::StopScript { .. }, Event::Signal(signal)) => {
                Some(Action::PassOn(signal))
            }
            // A script usually ends the application, and may have work to do after that.
            (Phase::StopScript { .. }, Event::ApplicationEnded(_)) => None,
            (
                Phase::StopScript { .. },
                Event::StopScriptEnded | Event::StopWanted | Event::Deadline,
            ) => Some(self.terminate(now)),
            (Phase::Terminating { .. } | Phase::Killing { .. }, Event::Deadline) => {
                let again = now + Self::KILL_AGAIN;
                self.phase = Phase::Killing { again };
                Some(Action::KillAll)
            }
            _ => None,
        }
    }

    fn terminate(&mut self, now: Instant) -> Action {
        let until = now + self.limits.kill_after;
        self.phase = Phase::Terminating { until };
        Action::TerminateAll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: Duration = Duration::from_secs(20);
    const KILL: Duration = Duration::from_secs(8);

    fn with_script() -> Lifecycle {
        Lifecycle::new(Limits {
            stop_script: Some(SCRIPT),
            kill_after: KILL,
        })
    }

    fn without_script() -> Lifecycle {
        Lifecycle::new(Limits {
            stop_script: None,
            kill_after: KILL,
        })
    }

    #[test]
    fn the_stop_script_goes_before_sigterm() {
        let (mut life, now) = (with_script(), Instant::now());
        assert_eq!(life.on(Event::StopWanted, now), Some(Action::RunStopScript));
        assert_eq!(life.deadline(), Some(now + SCRIPT));
        assert_eq!(life.on(Event::Signal(1), now), Some(Action::PassOn(1)));
        assert_eq!(
            life.on(Event::StopScriptEnded, now),
            Some(Action::TerminateAll)
        );
        assert_eq!(life.deadline(), Some(now + KILL));
    }

    #[test]
    fn a_script_that_hangs_is_not_waited_for_and_a_second_sigterm_ends_it_too() {
        for event in [Event::Deadline, Event::StopWanted] {
            let (mut life, now) = (with_script(), Instant::now());
            life.on(Event::StopWanted, now);
            assert_eq!(life.on(event, now), Some(Action::TerminateAll), "{event:?}");
        }
    }

    #[test]
    fn a_script_that_ends_the_application_may_work_on() {
        let (mut life, now) = (with_script(), Instant::now());
        life.on(Event::StopWanted, now);
        assert_eq!(life.on(Event::ApplicationEnded(7), now), None);
        assert_eq!(life.code(), Some(7));
        assert_eq!(
            life.on(Event::StopScriptEnded, now),
            Some(Action::TerminateAll)
        );
    }

    #[test]
    fn what_does_not_end_is_killed_again_and_again() {
        let (mut life, now) = (without_script(), Instant::now());
        assert_eq!(life.on(Event::StopWanted, now), Some(Action::TerminateAll));
        assert_eq!(life.on(Event::StopWanted, now), None);
        for _ in 0..3 {
            assert_eq!(life.on(Event::Deadline, now), Some(Action::KillAll));
            assert!(life.deadline().is_some());
        }
    }

    #[test]
    fn an_application_that_ends_takes_its_background_processes_along() {
        let (mut life, now) = (with_script(), Instant::now());
        let ended = life.on(Event::ApplicationEnded(3), now);
        assert_eq!(ended, Some(Action::TerminateAll));
        assert_eq!(life.code(), Some(3));
    }
}
