//! The supported versions of the CNI specification.

use std::fmt;

use thiserror::Error;

use super::value::shorten;

/// A version that is not spoken here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("CNI version {asked:?} is not supported")]
pub struct VersionError {
    /// What was asked for, shortened.
    pub asked: String,
}

/// A version of the CNI specification. The order is that of the versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CniVersion {
    /// 0.1.0: results with `ip4` and `ip6`. Also meant by an empty or absent `cniVersion`.
    V0_1_0,
    /// 0.2.0: like 0.1.0, with VERSION.
    V0_2_0,
    /// 0.3.0: results with `interfaces` and `ips`; chains with `prevResult`.
    V0_3_0,
    /// 0.3.1: like 0.3.0.
    V0_3_1,
    /// 0.4.0: CHECK, and `prevResult` for DEL.
    V0_4_0,
    /// 1.0.0: `ips` lost their `version`.
    V1_0_0,
    /// 1.1.0: GC, STATUS, and more fields in results.
    V1_1_0,
}

impl CniVersion {
    /// Every version, oldest first, as VERSION reports them.
    pub const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// The newest supported version.
    pub const NEWEST: Self = Self::V1_1_0;

    /// The spelling in the specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Parses `cniVersion`; the empty string means 0.1.0, as in the reference library.
    ///
    /// # Errors
    /// [`VersionError`] for any version that is not one of [`Self::ALL`].
    pub fn parse(asked: &str) -> Result<Self, VersionError> {
        if asked.is_empty() {
            return Ok(Self::V0_1_0);
        }
        Self::ALL
            .into_iter()
            .find(|v| v.as_str() == asked)
            .ok_or_else(|| VersionError {
                asked: shorten(asked),
            })
    }
}

impl fmt::Display for CniVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether `asked` has the form of a version, so that VERSION may echo it: a runtime that is newer
/// than this plugin expects its own version in the answer.
pub fn is_plausible(asked: &str) -> bool {
    const LONGEST: usize = 32;
    asked.len() <= LONGEST
        && asked.starts_with(|c: char| c.is_ascii_digit())
        && asked
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
}
