//! What a plan is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Sightings;
use crate::model::{Generation, NextHops, NotUnderstood, Prefix, TableId, Timestamp};

/// What is to be done in one table, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Plan {
    /// The table whose entries the ops change.
    pub table: TableId,
    /// What to do, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<Op>,
    /// Desired entries that another's entry stands in the way of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Our entries that nothing asks for any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<Orphan>,
    /// What is not done, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Entries that are being made, changed or deleted right now: wait, then plan again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsettled: Vec<Prefix>,
    /// How many entries others have in the table, those that are not understood included.
    #[serde(default, rename = "foreign")]
    pub unmanaged: usize,
    /// Entries that are not understood: reported, and left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<NotUnderstood>,
}

impl Plan {
    /// What the next plan wants to know of this one: since when each orphan is known.
    pub fn sightings(&self) -> Sightings {
        let seen = self.orphans.iter().map(|o| (o.destination, o.since));
        seen.collect()
    }
}

/// One change of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "op",
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Op {
    /// Make an entry.
    Create {
        /// What it matches.
        destination: Prefix,
        /// Where it leads.
        next_hops: NextHops,
        /// Its name, which bears our mark.
        name: String,
        /// What for.
        why: CreateReason,
    },
    /// Give an entry another next hop, in place.
    Modify {
        /// What it matches.
        destination: Prefix,
        /// Where it leads now.
        from: NextHops,
        /// Where it shall lead.
        to: NextHops,
        /// Its new name.
        name: String,
        /// Its ID, where the provider has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Take an entry away. One that is not there is no error.
    Delete {
        /// What it matches.
        destination: Prefix,
        /// Where it leads.
        next_hops: NextHops,
        /// Its ID; none for an entry that this very plan makes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// What for.
        why: DeleteReason,
    },
}

/// Why an entry is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CreateReason {
    /// It is desired and was not there.
    New,
    /// It is one of the two next more specific prefixes of an entry that is about to be deleted
    /// and made anew, and stands in for its part meanwhile.
    #[serde(rename = "half")]
    MoreSpecific,
    /// It comes back with other next hops.
    Anew,
}

/// Why an entry is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeleteReason {
    /// Other desired entries hold all of its addresses.
    Replaced,
    /// Nothing asks for it any more.
    Orphan,
    /// It stood in for a part of an entry that is back.
    #[serde(rename = "half")]
    MoreSpecific,
    /// It is made anew right after, with other next hops.
    Anew,
}

impl CreateReason {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::MoreSpecific => "half",
            Self::Anew => "anew",
        }
    }
}

impl DeleteReason {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Orphan => "orphan",
            Self::MoreSpecific => "half",
            Self::Anew => "anew",
        }
    }
}

impl Op {
    /// The destination that it changes.
    pub fn destination(&self) -> Prefix {
        match self {
            Self::Create { destination, .. }
            | Self::Modify { destination, .. }
            | Self::Delete { destination, .. } => *destination,
        }
    }

    /// `create`, `modify` or `delete`, as in the metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Modify { .. } => "modify",
            Self::Delete { .. } => "delete",
        }
    }
}

/// An entry that this cluster does not manage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Unmanaged {
    /// What it matches.
    pub destination: Prefix,
    /// Where it leads.
    pub next_hops: NextHops,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A desired entry and the entry of somebody else that is in its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Conflict {
    /// What we want to match.
    pub destination: Prefix,
    /// Where we want it to lead.
    pub next_hops: NextHops,
    /// What we want it for.
    #[serde(default)]
    pub label: String,
    /// What is there.
    #[serde(rename = "foreign")]
    pub unmanaged: Unmanaged,
    /// How it is in the way.
    pub kind: ConflictKind,
}

/// How another's entry is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConflictKind {
    /// The same destination leads elsewhere.
    Diverts,
    /// The same destination leads where we want it: nothing is lost, `adopt` can take it over.
    Agrees,
    /// It is more specific, and takes a part of our addresses elsewhere.
    Shadows,
}

impl ConflictKind {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Diverts => "diverts",
            Self::Agrees => "agrees",
            Self::Shadows => "shadows",
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, there) = match self.kind {
            ConflictKind::Diverts => ("is taken", "leads elsewhere"),
            ConflictKind::Agrees => ("is there already", "leads the same way"),
            ConflictKind::Shadows => ("is shadowed", "is more specific"),
        };
        write!(
            f,
            "{} via {} (for {}) {verb}: {} via {}, named `{}`{}, {there}",
            self.destination,
            self.next_hops,
            self.label,
            self.unmanaged.destination,
            self.unmanaged.next_hops,
            self.unmanaged.name,
            self.unmanaged
                .id
                .as_ref()
                .map(|id| format!(" ({id})"))
                .unwrap_or_default(),
        )
    }
}

/// One of our entries that nothing asks for any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Orphan {
    /// What it matches.
    pub destination: Prefix,
    /// Where it leads.
    pub next_hops: NextHops,
    /// Its name.
    pub name: String,
    /// Since when it is known to be one.
    pub since: Timestamp,
    /// From when on it is deleted.
    pub due: Timestamp,
}

/// What is not done, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(
    tag = "reason",
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Refusal {
    /// The table cannot hold it all; nothing is changed.
    #[error(
        "{desired} entries of ours, {unmanaged} of others and {orphans} orphans in their grace \
         exceed the quota of {quota}: aggregate the plan, delete entries, or have the quota raised"
    )]
    OverQuota {
        /// Custom entries that the table may hold.
        quota: usize,
        /// How many we want.
        desired: usize,
        /// How many others have.
        #[serde(rename = "foreign")]
        unmanaged: usize,
        /// How many of ours are kept for their grace.
        orphans: usize,
    },
    /// It would all fit in the end, but no order keeps the quota and every route on the way.
    #[error(
        "no order of changes keeps both the quota of {quota} and every route: \
         {} waits; free an entry for a moment",
        list(destinations)
    )]
    NoOrder {
        /// Custom entries that the table may hold.
        quota: usize,
        /// What stays as it is.
        destinations: Vec<Prefix>,
    },
    /// The next hops cannot be changed without a moment without a route.
    #[error(
        "{destination} cannot go from {from} to {to} without a gap: it has no more specific \
         prefixes that may stand in for it; delete it by hand when the gap does no harm"
    )]
    #[serde(rename = "noBridge")]
    NoMakeBeforeBreak {
        /// What it matches.
        destination: Prefix,
        /// Where it leads.
        from: NextHops,
        /// Where it should lead.
        to: NextHops,
    },
    /// The cloud does not let such an entry be made.
    #[error("{destination} is, or lies in, {reserved}, which the cloud routes by itself")]
    Reserved {
        /// What we want to match.
        destination: Prefix,
        /// The vSwitch's or the cloud's own prefix.
        reserved: Prefix,
    },
    /// More next hops than the table takes.
    #[error("{destination} has {next_hops} next hops, the table takes {limit}")]
    TooManyNextHops {
        /// What we want to match.
        destination: Prefix,
        /// How many we want.
        next_hops: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Two desired entries with one destination.
    #[error("{destination} is desired twice")]
    Twice {
        /// The destination.
        destination: Prefix,
    },
    /// The circuit breaker.
    #[error(
        "{deletes} of our {managed} entries would be deleted, more than {share} %: \
         look at the plan, then say --allow-mass-delete"
    )]
    MassDelete {
        /// How many would be deleted.
        deletes: usize,
        /// How many entries we have.
        #[serde(rename = "ours")]
        managed: usize,
        /// The share that is let through, in per cent.
        share: usize,
    },
    /// Another leader has written since; nothing is changed.
    #[error("{destination} was written under generation {found}, this is {own}: another leads")]
    Superseded {
        /// The entry that tells.
        destination: Prefix,
        /// Its generation.
        found: Generation,
        /// This controller's.
        #[serde(rename = "ours")]
        own: Generation,
    },
}

fn list(prefixes: &[Prefix]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = prefixes.iter().take(SHOWN).map(Prefix::to_string).collect();
    let mut text = shown.join(", ");
    if prefixes.len() > SHOWN {
        text.push_str(&format!(" and {} more", prefixes.len() - SHOWN));
    }
    text
}
