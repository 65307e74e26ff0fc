//! Route tables as vpc-route tells of them, and which entry an address takes.
//!
//! This is the document of `vpc-route plan -o json` and of `GET /v1/tables`. It is read
//! leniently: what a newer vpc-route adds is no error.

mod judge;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use flatnet_plan::routes::TableKind;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

pub use judge::{Fault, Judgement};

/// Every table that a vpc-route keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tables {
    /// The version of the document.
    pub version: u32,
    /// Whose entries are ours.
    pub cluster: String,
    /// vpc-route's configuration, for commands that mend.
    #[serde(default)]
    pub config: String,
    /// Who keeps the tables right now, `host/process`; none: nobody does.
    #[serde(default)]
    pub leader: Option<String>,
    /// When they were listed, in seconds since 1970.
    #[serde(default)]
    pub at: u64,
    /// Every table that vpc-route keeps.
    pub tables: Vec<Table>,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Why it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// An entry that vpc-route does not understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotUnderstood {
    /// Its destination and its ID as the provider writes them.
    pub entry: String,
    /// Its destination, if it is an IP prefix; then it is among [`Table::entries`], too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpNetwork>,
    /// Whether it uses up quota.
    pub counts: bool,
    /// What is not understood.
    pub why: String,
}

/// What a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A VPC's route table.
    VpcRouteTable,
    /// The cloud's end of a leased line.
    Vbr,
    /// The router at an IDC's edge.
    EdgeRouter,
}

impl Kind {
    /// The same in the plan's words.
    pub fn of_plan(self) -> TableKind {
        match self {
            Self::VpcRouteTable => TableKind::VpcRouteTable,
            Self::Vbr => TableKind::Vbr,
            Self::EdgeRouter => TableKind::EdgeRouter,
        }
    }
}

/// A next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// What it matches.
    pub destination: IpNetwork,
    /// Where it leads.
    pub next_hops: Vec<NextHop>,
    /// The node or the line that it is for.
    #[serde(default)]
    pub label: String,
}

/// One entry as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it matches.
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
pub struct Owner {
    /// The leadership under which it was written.
    pub generation: u64,
    /// The node or the line that it is for.
    #[serde(default)]
    pub label: String,
}

/// An entry's state, in the words of the cloud.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What vpc-route would do in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// In this order.
    #[serde(default)]
    pub ops: Vec<Op>,
}

/// One change of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Op {
    /// Make an entry.
    Create {
        /// What it matches.
        destination: IpNetwork,
        /// Where it leads.
        next_hops: Vec<NextHop>,
    },
    /// Give it another next hop.
    Modify {
        /// What it matches.
        destination: IpNetwork,
        /// Where it leads.
        from: Vec<NextHop>,
        /// Where it shall lead.
        to: Vec<NextHop>,
    },
    /// Take it away.
    Delete {
        /// What it matches.
        destination: IpNetwork,
        /// Where it leads.
        next_hops: Vec<NextHop>,
    },
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
