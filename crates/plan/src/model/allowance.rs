//! Warnings that are known and accepted.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use super::formats;

/// A warning of the check that is known and accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Allowance {
    /// The code of the warning, such as `FN0405`.
    pub code: String,
    /// Where: `sites.idc.switches.tor1`, as `flatctl plan check --format json` has it, and
    /// everything in it; none: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<formats::Day>")]
    pub until: Option<Day>,
}

/// A day of the calendar, written `2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// Not a day.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no day: one is written as 2026-12-31")]
pub struct DayError(String);

impl Day {
    /// The day of a number of seconds since 1970-01-01 00:00 UTC, there.
    pub fn of_unix(seconds: u64) -> Self {
        // Days since 0000-03-01, so that a leap day ends its year.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        let narrow = |n: u64| u8::try_from(n).unwrap_or(u8::MAX);
        Self {
            year: u16::try_from(year + era * 400 + next).unwrap_or(u16::MAX),
            month: narrow(month),
            day: narrow(day),
        }
    }

    fn days_of(year: u16, month: u8) -> u8 {
        let leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        match month {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 31,
        }
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let wrong = || DayError(text.to_owned());
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts.as_slice() else {
            return Err(wrong());
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let lengths = [year.len(), month.len(), day.len()];
        if lengths != [4, 2, 2] || !parts.iter().all(|p| digits(p)) {
            return Err(wrong());
        }
        let found = Self {
            year: year.parse().map_err(|_| wrong())?,
            month: month.parse().map_err(|_| wrong())?,
            day: day.parse().map_err(|_| wrong())?,
        };
        let fits = (1..=12).contains(&found.month)
            && (1..=Self::days_of(found.year, found.month)).contains(&found.day);
        fits.then_some(found).ok_or_else(wrong)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_written_and_ordered() {
        for text in ["2026-12-31", "2024-02-29", "2000-02-29", "1970-01-01"] {
            let day: Day = text.parse().expect(text);
            assert_eq!(day.to_string(), text);
        }
        for text in [
            "2026-2-1",
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "31.12.2026",
            "",
            "+026-01-01",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        let day = |text: &str| text.parse::<Day>().expect(text);
        assert!(day("2026-09-30") < day("2026-10-01"));
    }

    #[test]
    fn the_day_of_a_time_is_that_of_utc() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_796_083_199, "2026-11-30"),
            (1_796_083_200, "2026-12-01"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(Day::of_unix(seconds).to_string(), text);
        }
    }
}
