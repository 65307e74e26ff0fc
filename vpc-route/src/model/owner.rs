//! Whether an entry is managed, and by which cluster: its name alone decides.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The first word of every managed entry's name.
const MARK: &str = "flatnet";
/// The longest name of an entry, in bytes (`RouteEntryName`: 1–128 characters).
const LONGEST_NAME: usize = 128;

/// The name of a cluster, as it stands in the names of route entries: 1–40 of `a-z 0-9 -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);

/// Invalid cluster name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no cluster name: 1–40 lower-case letters, digits and hyphens")]
pub struct ClusterNameError {
    /// What was given.
    pub given: String,
}

impl ClusterName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClusterName {
    type Error = ClusterNameError;

    fn try_from(name: String) -> Result<Self, ClusterNameError> {
        let fits = (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(name))
        } else {
            Err(ClusterNameError { given: name })
        }
    }
}

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(name: &str) -> Result<Self, ClusterNameError> {
        Self::try_from(name.to_owned())
    }
}

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.0
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Counts the leaders of a cluster: each new leader writes a higher one than all before it, so
/// that one that was superseded finds out from the entries themselves.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The mark in an entry's name: `flatnet:<cluster>:<generation>:<what for>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The cluster whose controller wrote the entry.
    pub cluster: ClusterName,
    /// The leadership under which it was written.
    pub generation: Generation,
    /// For people: the node or the link that the entry is for. Never compared.
    pub label: String,
}

impl Owner {
    /// The owner that a name states; `None` if the name is not of the form above.
    pub fn parse(name: &str) -> Option<Self> {
        let mut words = name.splitn(4, ':');
        if words.next()? != MARK {
            return None;
        }
        let cluster = words.next()?.parse().ok()?;
        let digits = words.next()?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            cluster,
            generation: Generation(digits.parse().ok()?),
            label: words.next()?.to_owned(),
        })
    }

    /// The name to write: at most 128 characters, the label is cut where it does not fit, and
    /// what is not a letter, a digit, or one of `-._/` in it becomes `-`.
    pub fn name(&self) -> String {
        let mut name = format!("{MARK}:{}:{}:", self.cluster, self.generation);
        let label = self.label.chars().map(|c| match c {
            c if c.is_ascii_alphanumeric() || "-._/".contains(c) => c,
            _ => '-',
        });
        let room = LONGEST_NAME - name.len();
        name.extend(label.take(room));
        name
    }
}
