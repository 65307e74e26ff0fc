//! How many tests a step ran, read from what it printed.

use std::fmt;
use std::ops::AddAssign;

/// Tests of one step or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Count {
    /// The count of a step: what its output says, made true to its exit status. A step that
    /// counts nothing is itself one test, and one that failed has at least one failure.
    pub(crate) fn of_step(output: &str, success: bool) -> Self {
        let mut count = Self::in_output(output).unwrap_or(Self {
            passed: u64::from(success),
            ..Self::default()
        });
        if !success {
            count.failed = count.failed.max(1);
        }
        count
    }

    /// libtest's result lines added up, or else the last line of the form that [`fmt::Display`]
    /// writes.
    fn in_output(output: &str) -> Option<Self> {
        let mut sum: Option<Self> = None;
        for line in output.lines() {
            if let Some(rest) = line.trim_start().strip_prefix("test result: ") {
                *sum.get_or_insert_default() += Self::in_words(rest);
            }
        }
        sum.or_else(|| {
            output
                .lines()
                .rev()
                .map(Self::in_words)
                .zip(output.lines().rev())
                .find(|(count, line)| count.to_string() == line.trim())
                .map(|(count, _)| count)
        })
    }

    /// Every number with the word behind it: `5 passed; 0 failed; 1 ignored`.
    fn in_words(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut count = Self::default();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else {
                continue;
            };
            match pair[1].trim_end_matches([';', ',', '.']) {
                "passed" => count.passed += number,
                "failed" => count.failed += number,
                "ignored" | "skipped" => count.skipped += number,
                _ => {}
            }
        }
        count
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Count {
        Count {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn libtests_results_are_added_up() {
        let output = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
            test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured\n";
        assert_eq!(Count::of_step(output, false), count(5, 1, 1));
    }

    #[test]
    fn a_suites_last_line_is_its_count() {
        let output = "isolation: 3 passed, 9 failed attempts\nok\n12 passed, 0 failed, 2 skipped\n";
        assert_eq!(Count::of_step(output, true), count(12, 0, 2));
    }

    #[test]
    fn a_silent_step_is_one_test() {
        assert_eq!(Count::of_step("", true), count(1, 0, 0));
        assert_eq!(Count::of_step("error: no\n", false), count(0, 1, 0));
    }

    #[test]
    fn a_crash_after_passing_tests_is_a_failure() {
        let output = "test result: ok. 2 passed; 0 failed; 0 ignored\n";
        assert_eq!(Count::of_step(output, false), count(2, 1, 0));
    }

    #[test]
    fn the_last_line_has_its_exact_form() {
        assert_eq!(count(7, 0, 0).to_string(), "7 passed, 0 failed");
        assert_eq!(count(7, 1, 2).to_string(), "7 passed, 1 failed, 2 skipped");
    }
}
