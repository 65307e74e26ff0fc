//! What a plan must respect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, Generation, Prefix, Timestamp};

/// Since when each orphan of one table is known. What a plan found is [`Plan::sightings`]:
/// keep it, and give it to the next one.
///
/// [`Plan::sightings`]: super::Plan::sightings
pub type Sightings = BTreeMap<Prefix, Timestamp>;

/// What a plan for one table must respect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rules {
    /// Whose entries are ours.
    pub cluster: ClusterName,
    /// What new entries bear; an entry of ours with a higher one means that another leads.
    pub generation: Generation,
    /// How many custom entries the table may hold, others' included; `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<usize>,
    /// What the quota counts together.
    #[serde(default)]
    pub quota_kind: QuotaKind,
    /// What a destination may contain but neither be nor lie in: the vSwitches' prefixes, and
    /// what the cloud routes by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Prefix>,
    /// The most next hops of one entry, at least 1.
    #[serde(default = "four")]
    pub equal_cost: usize,
    /// What can be changed in place.
    #[serde(default)]
    pub in_place: InPlace,
    /// How long an orphan is left where it is, in seconds.
    #[serde(default)]
    pub grace: u64,
    /// When to stop and ask.
    #[serde(default)]
    pub mass_delete: MassDelete,
}

impl Rules {
    /// The rules of a table without limits, for `cluster` under `generation`.
    pub fn new(cluster: ClusterName, generation: Generation) -> Self {
        Self {
            cluster,
            generation,
            quota: None,
            quota_kind: QuotaKind::default(),
            reserved: Vec::new(),
            equal_cost: four(),
            in_place: InPlace::default(),
            grace: 0,
            mass_delete: MassDelete::default(),
        }
    }

    /// The reserved prefix that forbids a destination.
    pub(super) fn reserves(&self, destination: Prefix) -> Option<Prefix> {
        self.reserved
            .iter()
            .copied()
            .find(|r| r.covers(destination))
    }
}

fn four() -> usize {
    4
}

/// What a table's quota counts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum QuotaKind {
    /// All custom entries of the table.
    #[default]
    Table,
    /// IPv4's and IPv6's each for themselves: a quota of 50 lets a table hold 50 of either.
    Family,
}

impl QuotaKind {
    /// The sets of entries that are counted.
    pub(super) fn counts(self) -> &'static [Counted] {
        match self {
            Self::Table => &[Counted::All],
            Self::Family => &[Counted::Ipv4, Counted::Ipv6],
        }
    }
}

/// A set of entries that a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    All,
    Ipv4,
    Ipv6,
}

impl Counted {
    /// Whether an entry is in the set.
    pub(super) fn has(self, destination: Prefix) -> bool {
        match self {
            Self::All => true,
            Self::Ipv4 => !destination.is_ipv6(),
            Self::Ipv6 => destination.is_ipv6(),
        }
    }
}

/// Which entries a provider can give a new next hop without taking them away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InPlace {
    /// From one next hop to one other.
    #[default]
    Single,
    /// All: a kernel's and a routing daemon's routes are replaced whole.
    Always,
}

/// The circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MassDelete {
    /// The largest share of our entries in a table that one plan may delete, in per cent.
    pub share: usize,
    /// So many deletions are always let through, whatever their share.
    pub always: usize,
    /// Somebody said yes.
    #[serde(default)]
    pub allowed: bool,
}

impl Default for MassDelete {
    fn default() -> Self {
        Self {
            share: 30,
            always: 5,
            allowed: false,
        }
    }
}

impl MassDelete {
    /// Whether deleting `deletes` of `ours` entries needs somebody's word.
    pub(super) fn asks(self, deletes: usize, ours: usize) -> bool {
        !self.allowed && deletes > self.always && deletes * 100 > ours * self.share
    }
}
