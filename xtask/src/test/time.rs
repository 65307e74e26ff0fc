//! The time of one step, and what of it was a build.

use std::time::Duration;

/// A step's time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Time {
    /// In all.
    pub(super) took: Duration,
    /// Of that, compiling.
    pub(super) built: Duration,
}

impl Time {
    /// All of it was a build.
    pub(super) fn of_build(took: Duration) -> Self {
        Self { took, built: took }
    }

    /// That of a cargo command, by what it printed. One that could not compile did nothing else.
    pub(super) fn of_cargo(output: &str, took: Duration) -> Self {
        let finished = output.lines().filter_map(finished).sum::<Duration>();
        let built = match output.contains("error: could not compile") {
            true => took,
            false => finished.min(took),
        };
        Self { took, built }
    }
}

/// The time in cargo's line ``Finished `test` profile […] target(s) in 1m 02s``.
fn finished(line: &str) -> Option<Duration> {
    let line = line.trim_start().strip_prefix("Finished ")?;
    let (_, time) = line.rsplit_once(" in ")?;
    let mut seconds = 0.0;
    for word in time.split_whitespace() {
        let unit = word.chars().last()?;
        let number: f64 = word.strip_suffix(unit)?.parse().ok()?;
        seconds += number
            * match unit {
                'h' => 3600.0,
                'm' => 60.0,
                's' => 1.0,
                _ => return None,
            };
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_how_long_it_built() {
        let secs = |text: &str| finished(text).map(|d| d.as_secs_f64());
        let line = "    Finished `dev` profile [unoptimized + debuginfo] target(s) in 0.08s";
        assert_eq!(secs(line), Some(0.08));
        let line = "Finished `test` profile [unoptimized + debuginfo] target(s) in 61m 02s";
        assert_eq!(secs(line), Some(3662.0));
        assert_eq!(secs("test result: ok. finished in 3.00s"), None);
        assert_eq!(secs("Finished in time"), None);
        let output = format!("{line}\ntest result: ok\n");
        let took = Duration::from_secs(4000);
        assert_eq!(Time::of_cargo(&output, took).built.as_secs(), 3662);
        assert_eq!(Time::of_cargo("", took).built, Duration::ZERO);
        let failed = "error: could not compile `x` (lib)\n";
        assert_eq!(Time::of_cargo(failed, took).built, took);
    }
}
