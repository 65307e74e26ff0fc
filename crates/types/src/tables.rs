//! The message of vpc-route: every route table that it keeps, as it should be and as it is.
//!
//! | request | reply |
//! |---|---|
//! | `GET /v1/tables` | [`Tables`] |
//!
//! It is the document of `vpc-route plan -o json`, too. It is read leniently: what a newer
//! vpc-route adds is no error. Every answer whose status is not 2xx bears a [`Refused`].

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::api::view::PlanStatus;

/// The version of the document.
pub const VERSION: u32 = 1;

/// Every table that a vpc-route keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Tables {
    /// The version of the document.
    pub version: u32,
    /// Whose entries are ours.
    pub cluster: String,
    /// vpc-route's configuration, for commands that repair.
    #[serde(default)]
    pub config: String,
    /// Who keeps the tables right now, `host/process`; none: nobody does.
    #[serde(default)]
    pub leader: Option<String>,
    /// When they were listed, in seconds since 1970.
    #[serde(default)]
    pub at: u64,
    /// The plan that it works by; absent in the output of a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Every table that vpc-route keeps.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// For people: `route table main in vpc`.
    pub title: String,
    /// What it is; none: it could not be looked at, and [`Table::error`] says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// The plan's site.
    #[serde(default)]
    pub site: String,
    /// Its name in the plan; a VBR's is that of its line.
    #[serde(default)]
    pub name: String,
    /// Its ID, in its provider's words.
    #[serde(default)]
    pub table: String,
    /// How many custom entries it may hold.
    #[serde(default)]
    pub quota: Option<usize>,
    /// What it should hold of ours.
    #[serde(default)]
    pub desired: Vec<Desired>,
    /// What it holds.
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// Entries that vpc-route does not understand, and leaves alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<NotUnderstood>,
    /// What vpc-route would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Changes>,
    /// What a person has to know, a sentence each.
    #[serde(default)]
    pub events: Vec<String>,
    /// What a round that was not dry did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Why it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An entry that vpc-route does not understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotUnderstood {
    /// Its destination and its ID as the provider writes them.
    pub entry: String,
    /// Its destination, if it is an IP prefix; then it is among [`Table::entries`], too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub destination: Option<IpNetwork>,
    /// Whether it uses up quota.
    pub counts: bool,
    /// What is not understood.
    pub why: String,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A VPC's route table.
    VpcRouteTable,
    /// The cloud's end of a leased line.
    Vbr,
    /// The router at an IDC's edge.
    EdgeRouter,
}

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NextHop {
    /// `Instance`, `RouterInterface`, `Gateway`, …
    pub kind: String,
    /// Its ID in the cloud, or its address.
    pub id: String,
    /// Its share among several.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: u16,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(weight: &u16) -> bool {
    *weight == 0
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// Next hops of equal cost, as text.
pub fn hops(hops: &[NextHop]) -> String {
    let texts: Vec<String> = hops.iter().map(NextHop::to_string).collect();
    texts.join(" + ")
}

/// One entry as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// What it matches.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub destination: IpNetwork,
    /// Where it leads.
    pub next_hops: Vec<NextHop>,
    /// The node or the line that it is for.
    #[serde(default)]
    pub label: String,
}

/// One entry as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it matches.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub destination: IpNetwork,
    /// Where it leads.
    pub next_hops: Vec<NextHop>,
    /// The entry's name; empty where the provider has no names.
    #[serde(default)]
    pub name: String,
    /// Its ID, where the provider has one.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether the provider says that it forwards.
    #[serde(default)]
    pub status: Status,
    /// Where it comes from.
    #[serde(default)]
    pub kind: Origin,
    /// Under which leadership it was written, if it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// Whose an entry of ours is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Owner {
    /// The cluster whose vpc-route wrote the entry.
    #[serde(default)]
    pub cluster: String,
    /// The leadership under which it was written.
    pub generation: u64,
    /// The node or the line that it is for.
    #[serde(default)]
    pub label: String,
}

/// An entry's state, in the words of the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Status {
    /// In force.
    #[default]
    Available,
    /// Being made.
    Pending,
    /// Being changed: in force, leading where it did.
    Modifying,
    /// Being deleted.
    Deleting,
    /// What this version does not know.
    #[serde(other)]
    Other,
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Origin {
    /// Written by somebody.
    #[default]
    Custom,
    /// The cloud's or the kernel's own.
    System,
    /// Learned by a routing protocol.
    Learned,
    /// What this version does not know.
    #[serde(other)]
    Other,
}

impl Entry {
    /// Whether packets follow it now.
    pub fn is_in_force(&self) -> bool {
        matches!(self.status, Status::Available | Status::Modifying)
    }

    /// Whose it is, in a word or two.
    pub fn whose(&self) -> &'static str {
        match (self.kind, &self.owner) {
            (_, Some(_)) => "ours",
            (Origin::System, _) => "the system's",
            (Origin::Learned, _) => "learned",
            _ => "others'",
        }
    }
}

/// What vpc-route would do in one table, and what not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// Its ID, in its provider's words.
    #[serde(default)]
    pub table: String,
    /// In this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<Op>,
    /// Desired entries that another's entry stands in the way of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Entries of ours that nothing asks for any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<Orphan>,
    /// What is not done, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Entries that are being made, changed or deleted right now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub unsettled: Vec<IpNetwork>,
    /// How many entries others have in the table, those that are not understood included.
    #[serde(default, rename = "foreign")]
    pub unmanaged: usize,
    /// Entries that are not understood: reported, and left as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_understood: Vec<NotUnderstood>,
}

/// One change of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Op {
    /// Make an entry.
    Create {
        /// What it matches.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        destination: IpNetwork,
        /// Where it leads.
        next_hops: Vec<NextHop>,
        /// Its name, which bears our mark.
        #[serde(default)]
        name: String,
        /// `new`, `half` (it stands in for half of an entry that is made anew) or `anew`.
        #[serde(default)]
        why: String,
    },
    /// Give it another next hop.
    Modify {
        /// What it matches.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        destination: IpNetwork,
        /// Where it leads.
        from: Vec<NextHop>,
        /// Where it shall lead.
        to: Vec<NextHop>,
        /// Its new name.
        #[serde(default)]
        name: String,
        /// Its ID, where the provider has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Take it away.
    Delete {
        /// What it matches.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        destination: IpNetwork,
        /// Where it leads.
        next_hops: Vec<NextHop>,
        /// Its ID; absent for an entry that this very plan makes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// `replaced` (others hold all of its addresses), `orphan`, `half` or `anew`.
        #[serde(default)]
        why: String,
    },
}

/// A desired entry that another's entry stands in the way of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// What we want to match.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub destination: IpNetwork,
    /// Where we want it to lead.
    pub next_hops: Vec<NextHop>,
    /// The node or the line that it is for.
    #[serde(default)]
    pub label: String,
    /// What is there.
    #[serde(rename = "foreign")]
    pub unmanaged: Unmanaged,
    /// `diverts` (the same destination leads elsewhere), `agrees` (the same way) or `shadows`
    /// (more specific, and elsewhere).
    pub kind: String,
}

/// An entry of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Unmanaged {
    /// What it matches.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub destination: IpNetwork,
    /// Where it leads.
    pub next_hops: Vec<NextHop>,
    /// Its name; empty where it has none.
    #[serde(default)]
    pub name: String,
    /// Its ID, where the provider has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// An entry of ours that nothing asks for any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// What it matches.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub destination: IpNetwork,
    /// Where it leads.
    pub next_hops: Vec<NextHop>,
    /// Its name.
    pub name: String,
    /// Since when it is known to be one, in seconds since 1970.
    pub since: u64,
    /// From when on it is deleted, in seconds since 1970.
    pub due: u64,
}

/// What is not done, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// `overQuota`, `noOrder`, `noBridge`, `reserved`, `tooManyNextHops`, `twice`, `massDelete`,
    /// `superseded`.
    pub reason: String,
    /// What goes with the reason: `destination`, `quota`, ….
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub facts: serde_json::Map<String, serde_json::Value>,
}

/// What a round did in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many ops are in force.
    pub done: usize,
    /// Writing calls that were made.
    pub writes: usize,
    /// Listings that were made.
    pub lists: usize,
    /// What was not done.
    #[serde(rename = "undone")]
    pub failed: Vec<Failed>,
}

/// An op that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failed {
    /// What was to be done, as in `ops`.
    pub op: Op,
    /// Why not.
    #[serde(rename = "why")]
    pub reason: String,
}

/// The body of every answer of vpc-route whose status is not 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refused {
    /// What is wrong, for people.
    pub message: String,
    /// What to do.
    pub details: String,
}

impl Tables {
    /// The table of that kind, site and name.
    pub fn get(&self, kind: Kind, site: &str, name: &str) -> Option<&Table> {
        let mut all = self.tables.iter();
        all.find(|t| t.kind == Some(kind) && t.site == site && t.name == name)
    }
}

impl Table {
    /// The entry that packets to `address` take: the longest in force.
    pub fn lookup(&self, address: IpAddr) -> Option<&Entry> {
        let matching = |e: &&Entry| e.is_in_force() && e.destination.contains(address);
        let matches = self.entries.iter().filter(matching);
        matches.max_by_key(|e| e.destination.prefix())
    }

    /// The entry that packets to `address` should take.
    pub fn wanted(&self, address: IpAddr) -> Option<&Desired> {
        let matches = self.desired.iter();
        let matches = matches.filter(|d| d.destination.contains(address));
        matches.max_by_key(|d| d.destination.prefix())
    }

    /// How many custom entries it holds, which count against the quota.
    pub fn used(&self) -> usize {
        let custom = |e: &&Entry| e.kind == Origin::Custom;
        let hidden = |n: &&NotUnderstood| n.counts && n.destination.is_none();
        let hidden = self.not_understood.iter().filter(hidden).count();
        self.entries.iter().filter(custom).count() + hidden
    }
}
