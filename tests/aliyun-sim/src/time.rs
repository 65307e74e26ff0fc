//! Points in time: milliseconds since the Unix epoch, given by whoever calls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// A point in time, in milliseconds since the Unix epoch (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The wall clock's time. Only the edges of the program ask for it.
    pub fn now() -> Self {
        Self::from_system(SystemTime::now())
    }

    /// From the system's form; a time before 1970 is 1970.
    pub fn from_system(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Later by so long.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Earlier or later by so many milliseconds.
    #[must_use]
    pub fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add_signed(millis))
    }

    /// How long after the other one this is; zero if it is before it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `YYYY-MM-DDThh:mm:ssZ`, the API's form (ISO 8601, UTC, whole seconds).
    pub fn iso(self) -> String {
        let time = UNIX_EPOCH + Duration::from_millis(self.0);
        humantime::format_rfc3339_seconds(time).to_string()
    }

    /// Reads the API's form and no other.
    pub fn parse_iso(text: &str) -> Option<Self> {
        let shape = text.len() == "2016-02-23T12:46:24Z".len() && text.ends_with('Z');
        let time = humantime::parse_rfc3339(text).ok().filter(|_| shape)?;
        Some(Self::from_system(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_api_is_read_and_written_the_same() {
        let time = Timestamp::parse_iso("2016-02-23T12:46:24Z").expect("the API's form");
        assert_eq!(time, Timestamp(1_456_231_584_000));
        assert_eq!(time.iso(), "2016-02-23T12:46:24Z");
    }

    #[test]
    fn other_forms_of_time_are_refused() {
        for text in [
            "",
            "2016-02-23",
            "2016-02-23T12:46:24+08:00",
            "2016-02-23T12:46:24.5Z",
        ] {
            assert_eq!(Timestamp::parse_iso(text), None, "{text}");
        }
    }
}
