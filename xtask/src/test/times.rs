//! Where the time of a run went: its steps by their time, and what builds had of it.

use std::time::Duration;

use super::outcome::Outcome;
use super::time::Time;

/// Steps that are told by themselves have at least this share of all.
const SHARE_MIN: f64 = 0.01;

/// The lines at the end of a run that took `all`: steps may have run side by side, and some of the
/// time is nobody's.
pub(super) fn lines(outcomes: &[Outcome], all: Duration) -> Vec<String> {
    let sum = |of: fn(&Time) -> Duration| outcomes.iter().map(|o| of(&o.time)).sum::<Duration>();
    let (took, built) = (sum(|t| t.took), sum(|t| t.built));
    if took.is_zero() {
        return Vec::new();
    }
    let share = |part: Duration| part.as_secs_f64() / took.as_secs_f64();
    let told =
        |part: Duration| format!("{:.1} s ({:.0} %)", part.as_secs_f64(), share(part) * 100.0);
    let mut lines = vec![format!(
        "time: {:.1} s on the clock, {:.1} s in steps: builds {}, runs {}",
        all.as_secs_f64(),
        took.as_secs_f64(),
        told(built),
        told(took.saturating_sub(built)),
    )];
    let mut sorted: Vec<&Outcome> = outcomes.iter().collect();
    sorted.sort_by_key(|o| std::cmp::Reverse(o.time.took));
    let (long, short): (Vec<_>, Vec<_>) = sorted
        .into_iter()
        .filter(|o| !o.time.took.is_zero())
        .partition(|o| share(o.time.took) >= SHARE_MIN);
    lines.extend(long.into_iter().map(|outcome| {
        let built = match outcome.time.built {
            none if none.is_zero() => String::new(),
            built => format!(", {:.1} s of it a build", built.as_secs_f64()),
        };
        let time = outcome.time.took;
        format!(
            "  {:>8.1} s {:>3.0} %  {}{built}",
            time.as_secs_f64(),
            share(time) * 100.0,
            outcome.name
        )
    }));
    if !short.is_empty() {
        let time: Duration = short.iter().map(|o| o.time.took).sum();
        lines.push(format!(
            "  {:>8.1} s {:>3.0} %  {} more, each less than 1 %",
            time.as_secs_f64(),
            share(time) * 100.0,
            short.len()
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_step_comes_first_and_short_ones_are_added_up() {
        let step = |name: &str, took, built| {
            let mut outcome = Outcome::passed(name, Duration::ZERO);
            outcome.time = Time {
                took: Duration::from_millis(took),
                built: Duration::from_millis(built),
            };
            outcome
        };
        let outcomes = [
            step("one", 500, 0),
            step("two", 300_000, 0),
            step("tests", 699_000, 400_000),
            step("three", 500, 0),
            step("left out", 0, 0),
        ];
        assert_eq!(
            lines(&outcomes, Duration::from_secs(900)),
            [
                "time: 900.0 s on the clock, 1000.0 s in steps: builds 400.0 s (40 %), runs 600.0 s (60 %)",
                "     699.0 s  70 %  tests, 400.0 s of it a build",
                "     300.0 s  30 %  two",
                "       1.0 s   0 %  2 more, each less than 1 %",
            ]
        );
        assert!(lines(&[], Duration::ZERO).is_empty());
    }
}
