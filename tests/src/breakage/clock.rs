//! How long a fault lasts: until the node is whole, and until netd tells of it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::faults::{Bound, Fault};
use super::ground::Ground;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(4);

/// What came of one fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Until the node was whole again; `None`: it was not within the limit, or it is not netd's
    /// to repair.
    pub(crate) repaired: Option<Duration>,
    /// Until netd named a problem or was not ready; `None`: it never did.
    pub(crate) named: Option<Duration>,
    /// The problems that it named.
    pub(crate) codes: BTreeSet<String>,
    /// netd had to be started anew afterwards.
    pub(crate) restarted: bool,
}

impl Sample {
    /// Whether the bound is kept. A thing that is named may as well be repaired in its time.
    pub(crate) fn keeps(&self, bound: Bound) -> bool {
        let within = |time: Option<Duration>, limit| time.is_some_and(|t| t <= limit);
        within(self.repaired, Bound::Repaired.limit())
            || bound == Bound::Named && within(self.named, Bound::Named.limit())
    }
}

/// Breaks the node, looks at it until the fault's bound can be judged or `limit` is over, undoes
/// what is left of it, and waits until all is well.
///
/// # Errors
/// If the fault cannot be made, or the node does not recover.
pub(crate) fn time(fault: &Fault, ground: &Ground<'_>, limit: Duration) -> Result<Sample> {
    let mut sample = Sample::default();
    let outcome = (fault.act)(ground)
        .with_context(|| fault.name)
        .map(|()| watch(fault, ground, limit, &mut sample));
    // Undone also where it was made half.
    let undone = (fault.undo)(ground).with_context(|| format!("undo: {}", fault.name));
    outcome?;
    undone?;
    sample.restarted = ground.recover().with_context(|| fault.name)?;
    Ok(sample)
}

fn watch(fault: &Fault, ground: &Ground<'_>, limit: Duration, sample: &mut Sample) {
    let begun = Instant::now();
    loop {
        // The node first: netd may say in the next moment what it has repaired in this one.
        let whole = fault
            .whole
            .is_some_and(|whole| whole(ground).unwrap_or(false));
        if whole {
            sample.repaired = Some(begun.elapsed());
        }
        let codes = ground.problems();
        if sample.named.is_none() && (!codes.is_empty() || !ground.ready()) {
            sample.named = Some(begun.elapsed());
        }
        sample.codes.extend(codes);
        let judged = match fault.bound {
            Bound::Repaired => whole,
            // A code comes with the next look where readiness went first.
            Bound::Named => whole || sample.named.is_some() && !sample.codes.is_empty(),
        };
        if judged || begun.elapsed() >= limit {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repair_in_time_keeps_either_bound_and_a_name_only_its_own() {
        let seconds = Duration::from_secs_f64;
        let repaired = Sample {
            repaired: Some(seconds(0.9)),
            ..Sample::default()
        };
        assert!(repaired.keeps(Bound::Repaired) && repaired.keeps(Bound::Named));
        let named = Sample {
            named: Some(seconds(1.9)),
            ..Sample::default()
        };
        assert!(!named.keeps(Bound::Repaired) && named.keeps(Bound::Named));
        let late = Sample {
            repaired: Some(seconds(1.1)),
            named: Some(seconds(2.1)),
            ..Sample::default()
        };
        assert!(!late.keeps(Bound::Repaired) && !late.keeps(Bound::Named));
        assert!(!Sample::default().keeps(Bound::Named));
    }
}
