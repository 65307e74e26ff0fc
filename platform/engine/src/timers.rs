//! Time that counts only while somebody looks.

use flatnet_platform_types::kinds::{Phase, Timers};
use flatnet_platform_types::{Moment, Span};

/// The most that one look adds while a step is under way.
pub(crate) const MOST: Span = Span::seconds(30);
/// The most that one look adds while old instances are parked: nobody needs to look often then.
pub(crate) const MOST_HOLDING: Span = Span::seconds(900);

/// What passed since the last look, as far as it counts.
pub(crate) fn passed(timers: &Timers, phase: Phase, now: Moment) -> Span {
    let most = match phase {
        Phase::Holding => MOST_HOLDING,
        _ => MOST,
    };
    timers
        .seen
        .map_or(Span::default(), |seen| now.since(seen).min(most))
}

/// When to look again though nothing happens: before the bound of [`passed`] loses time, and when a wait may be over.
pub(crate) fn wake(phase: Phase, left: Span) -> Option<Span> {
    let most = match phase {
        Phase::Holding => MOST_HOLDING,
        phase if phase.is_step() => MOST,
        Phase::Aborting | Phase::Retiring => MOST,
        _ => return None,
    };
    Some(left.max(Span::seconds(1)).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_gives_no_more_than_the_bound_and_one_that_goes_back_nothing() {
        let seen = Moment::from_millis(1_000_000);
        let timers = Timers {
            seen: Some(seen),
            ..Timers::default()
        };
        let at = |span| passed(&timers, Phase::Baking, seen.after(span));
        assert_eq!(at(Span::seconds(7)), Span::seconds(7));
        assert_eq!(at(Span::seconds(86_400)), MOST);
        assert_eq!(
            passed(&timers, Phase::Baking, Moment::from_millis(0)),
            Span::default()
        );
        assert_eq!(
            passed(&Timers::default(), Phase::Baking, seen),
            Span::default()
        );
    }
}
