//! Route tables: as they should be, and as a provider lists them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{ClusterName, NextHops, Owner, Prefix};

/// The ID of a route table, in the words of its provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub String);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This time of day, in whole seconds; a time before 1970 is 0.
    pub fn of(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        )
    }
}

/// What state an entry is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// In force; the only state in which it can be changed.
    #[default]
    Available,
    /// Being made.
    Pending,
    /// Being changed.
    Modifying,
    /// Being deleted: it is listed until it is gone.
    Deleting,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// Written by somebody: it counts against the quota.
    #[default]
    Custom,
    /// The cloud's own: neither counted nor touched.
    System,
    /// Learned by BGP, from a CEN or a gateway: neither counted nor touched.
    Learned,
}

/// One entry, as a provider lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// What it matches.
    pub destination: Prefix,
    /// Where it leads.
    pub next_hops: NextHops,
    /// Its name, which says whose it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its ID, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its state.
    #[serde(default)]
    pub status: Status,
    /// Where it comes from.
    #[serde(default)]
    pub kind: EntryKind,
}

impl Entry {
    /// The owner, if this cluster's controller wrote it.
    pub fn owner_in(&self, cluster: &ClusterName) -> Option<Owner> {
        if self.kind != EntryKind::Custom {
            return None;
        }
        Owner::parse(&self.name).filter(|owner| owner.cluster == *cluster)
    }
}

/// A route table, as a provider lists it. Destinations are unique among its custom entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Table {
    /// Its ID.
    pub table: TableId,
    /// Its entries.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// What of the listing was not understood. Of those with a destination there is an entry
    /// among [`Self::entries`], too, which is unmanaged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<NotUnderstood>,
}

impl Table {
    /// A table without entries.
    pub fn new(table: TableId) -> Self {
        Self {
            table,
            entries: Vec::new(),
            not_understood: Vec::new(),
        }
    }

    /// How many custom entries use up quota and are not among [`Self::entries`].
    pub fn hidden(&self) -> usize {
        let hides = |n: &&NotUnderstood| n.counts && n.destination.is_none();
        self.not_understood.iter().filter(hides).count()
    }
}

/// An entry of a listing that this version does not understand: it is reported, and left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotUnderstood {
    /// Its destination and its ID as the provider writes them, shortened.
    pub entry: String,
    /// Its destination, if it is an IP prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Prefix>,
    /// Whether it uses up quota: whatever is not known to be the cloud's own does.
    pub counts: bool,
    /// What is not understood.
    pub why: String,
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; it is left as it is", self.entry, self.why)
    }
}

/// A route table, as it should be: what is ours in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DesiredTable {
    /// Its ID.
    pub table: TableId,
    /// What should be in it, of ours.
    #[serde(default)]
    pub entries: Vec<DesiredEntry>,
}

/// One entry, as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DesiredEntry {
    /// What it matches.
    pub destination: Prefix,
    /// Where it leads.
    pub next_hops: NextHops,
    /// The node or the link that it is for; goes into the entry's name.
    #[serde(default)]
    pub label: String,
}
