//! The file of faults: reading it, and taking the next one out.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The fault at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultAction {
    /// The step has no effect and returns an error.
    FailBefore,
    /// The step has its effect and returns an error.
    FailAfter,
    /// The process is killed before the step.
    Kill,
    /// The process is killed after the step.
    KillAfter,
    /// The step begins after this time.
    Hang(Duration),
    /// The step is executed without a fault.
    Pass,
}

impl FaultAction {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "fail-before" => Self::FailBefore,
            "fail-after" => Self::FailAfter,
            "kill" => Self::Kill,
            "kill-after" => Self::KillAfter,
            "pass" => Self::Pass,
            other => {
                let seconds = other.strip_prefix("hang=")?.parse().ok()?;
                Self::Hang(Duration::try_from_secs_f64(seconds).ok()?)
            }
        })
    }
}

/// The file of faults. Cheap to clone; a lock shared by the clones serializes access.
#[derive(Debug, Clone)]
pub struct FaultQueue {
    file: Option<PathBuf>,
    turn: Arc<Mutex<()>>,
}

impl FaultQueue {
    /// The file that the environment names; without one no fault is injected.
    pub fn from_env() -> Self {
        Self::at(std::env::var_os(super::FILE_VARIABLE).map(PathBuf::from))
    }

    /// A queue in this file; `None` for an empty queue.
    pub fn at(file: Option<PathBuf>) -> Self {
        Self {
            file,
            turn: Arc::default(),
        }
    }

    /// Removes the first fault for a step from the file and returns it; `Pass` if there is none.
    pub fn take(&self, step: &str) -> FaultAction {
        let Some(file) = &self.file else {
            return FaultAction::Pass;
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a file there are no faults.
        let Ok(text) = std::fs::read_to_string(file) else {
            return FaultAction::Pass;
        };
        let Some((action, rest)) = take(&text, step) else {
            return FaultAction::Pass;
        };
        let fresh = file.with_extension("taken");
        let taken = std::fs::write(&fresh, rest).and_then(|()| std::fs::rename(&fresh, file));
        match taken {
            Ok(()) => {
                tracing::warn!(step, ?action, "a failure on order");
                action
            }
            // It is still in the file: executing it would repeat it for ever.
            Err(e) => {
                tracing::error!(step, error = %e, "an order cannot be taken and is not obeyed");
                FaultAction::Pass
            }
        }
    }
}

/// The first fault for a step, and the rest of the text.
fn take(text: &str, step: &str) -> Option<(FaultAction, String)> {
    let mut found = None;
    let mut rest = String::with_capacity(text.len());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let order = match words[..] {
            [name, action] if found.is_none() => parse_order(step, name, action, "1"),
            [name, action, count] if found.is_none() => parse_order(step, name, action, count),
            _ => None,
        };
        match order {
            None => rest.push_str(line),
            Some((action, left)) => {
                found = Some(action);
                if left == 0 {
                    continue;
                }
                rest.push_str(&format!("{} {} {left}", words[0], words[1]));
            }
        }
        rest.push('\n');
    }
    found.map(|action| (action, rest))
}

/// The action of a line that is for this step, and how many repetitions remain.
fn parse_order(step: &str, name: &str, action: &str, count: &str) -> Option<(FaultAction, u32)> {
    let count: u32 = count.parse().ok()?;
    (name == step || name == "*").then_some(())?;
    Some((FaultAction::parse(action)?, count.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_taken_as_often_as_its_count_and_then_removed() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("orders");
        std::fs::write(&file, "add_port pass\nadd_port fail-after 2\nstore kill\n").expect("write");
        let queue = FaultQueue::at(Some(file.clone()));
        let taken: Vec<FaultAction> = (0..4).map(|_| queue.take("add_port")).collect();
        assert_eq!(
            taken,
            [
                FaultAction::Pass,
                FaultAction::FailAfter,
                FaultAction::FailAfter,
                FaultAction::Pass
            ]
        );
        assert_eq!(
            std::fs::read_to_string(&file).expect("read"),
            "store kill\n"
        );
    }

    #[test]
    fn a_fault_for_any_step_is_taken_by_the_next_one() {
        let (action, rest) = take("* hang=0.5\n", "configure").expect("an order");
        assert_eq!(
            (action, rest.as_str()),
            (FaultAction::Hang(Duration::from_millis(500)), "")
        );
    }

    #[test]
    fn other_lines_are_left_alone() {
        for text in [
            "",
            "# configure kill",
            "configure explode",
            "configure kill 0",
            "configure",
        ] {
            assert_eq!(take(text, "configure"), None, "{text:?}");
        }
    }

    #[test]
    fn without_a_file_no_fault_is_injected() {
        assert_eq!(FaultQueue::at(None).take("configure"), FaultAction::Pass);
        assert_eq!(
            FaultQueue::at(Some("/nonexistent".into())).take("configure"),
            FaultAction::Pass
        );
    }
}
