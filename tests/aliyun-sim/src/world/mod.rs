//! The state of the cloud's routing, without I/O: time comes with each call.
//!
//! ```text
//!   WorldFile ─▶ World ◀── create, modify, delete (rules) ── a call
//!                 │ ▲
//!                 │ └───── advance(now): Pending → Available, Modifying → Available,
//!                 ▼                      Deleting → gone
//!              History: each state of each entry, and when
//! ```
//!
//! Guarantees: a table never holds two custom entries of one destination, nor more of them
//! than its quota; an entry changes only if every entry of its router is stable.

mod build;
mod history;
mod ids;
mod model;
mod rules;
mod view;
mod write;

use std::collections::BTreeMap;

pub use history::{Cause, Event, History, Span};
pub use ids::Ids;
pub use model::{
    Entry, Health, Hop, LocalHop, Router, RouterInterface, State, Status, Table, VSwitch, Vbr, Vpc,
    contains,
};
pub use rules::parse_destination;
pub use view::{EntryView, HopView, Resolved, TableView};
pub(crate) use write::Writer;
pub use write::{Change, DeleteTarget, NewEntry};

use ipnetwork::IpNetwork;

use crate::config::{ConfigError, SharedAddressSpace, Timings, WorldFile};
use crate::time::Timestamp;

/// Everything that can be routed to, and the routes.
#[derive(Debug, Clone)]
pub struct World {
    /// Region ID, `cn-hangzhou`.
    pub region: String,
    /// The account's number.
    pub account: String,
    timings: Timings,
    shared: SharedAddressSpace,
    vpcs: BTreeMap<String, Vpc>,
    vbrs: BTreeMap<String, Vbr>,
    interfaces: BTreeMap<String, RouterInterface>,
    tables: BTreeMap<String, Table>,
    /// In the order of their making.
    entries: BTreeMap<u64, Entry>,
    next_entry: u64,
    ids: Ids,
    history: History,
    created: Timestamp,
    now: Timestamp,
}

impl World {
    /// Builds the world of a file.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] where a part names what is not there, a name is there twice,
    /// or an entry breaks a rule of the API.
    pub fn new(file: &WorldFile, now: Timestamp) -> Result<Self, ConfigError> {
        build::build(file, now)
    }

    /// Adds an instance to a VPC, or replaces the one of that ID.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`] for a VPC or a vSwitch that is not there.
    pub fn put_instance(
        &mut self,
        vpc: &str,
        instance: &crate::config::Instance,
    ) -> Result<(), ConfigError> {
        build::put_instance(self, vpc, instance)
    }

    /// Lets time pass: finishes what was due until `now`, each at its own time. A time
    /// before the last one changes nothing.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((at, number)) = self.next_due().filter(|(at, _)| *at <= now) {
            self.finish(number, at);
        }
        self.now = self.now.max(now);
    }

    /// When the next unstable entry becomes stable, and which.
    fn next_due(&self) -> Option<(Timestamp, u64)> {
        let due = |(number, entry): (&u64, &Entry)| Some((entry.state.until()?, *number));
        self.entries.iter().filter_map(due).min()
    }

    fn finish(&mut self, number: u64, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut entry.state, State::Available);
        entry.modified = at;
        match before {
            State::Deleting { .. } => {
                self.history.record(at, entry, Status::Gone, Cause::Time);
                self.entries.remove(&number);
            }
            State::Modifying { next, .. } => {
                entry.hops = next;
                self.history
                    .record(at, entry, Status::Available, Cause::Time);
            }
            State::Pending { .. } | State::Available => {
                self.history
                    .record(at, entry, Status::Available, Cause::Time);
            }
        }
    }

    /// What happened to the entries.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The VPCs by ID.
    pub fn vpcs(&self) -> &BTreeMap<String, Vpc> {
        &self.vpcs
    }

    /// The VBRs by ID.
    pub fn vbrs(&self) -> &BTreeMap<String, Vbr> {
        &self.vbrs
    }

    /// The router interfaces by ID.
    pub fn interfaces(&self) -> &BTreeMap<String, RouterInterface> {
        &self.interfaces
    }

    /// The route tables by ID.
    pub fn tables(&self) -> &BTreeMap<String, Table> {
        &self.tables
    }

    /// The custom entries of a table with their numbers, in the order of their making.
    pub fn entries_of<'w>(&'w self, table: &'w str) -> impl Iterator<Item = (u64, &'w Entry)> {
        let all = self.entries.iter().map(|(number, entry)| (*number, entry));
        all.filter(move |(_, entry)| entry.table == table)
    }

    /// The destinations of a table's system entries: its router's own networks.
    pub fn system_destinations(&self, table: &str) -> Vec<IpNetwork> {
        let router = self.tables.get(table).map(|t| &t.router);
        let Some(Router::Vpc(id)) = router else {
            return Vec::new();
        };
        let switches = self
            .vpcs
            .get(id)
            .into_iter()
            .flat_map(|v| v.v_switches.values());
        let own = switches.flat_map(|v| std::iter::once(v.cidr).chain(v.ipv6_cidr));
        own.chain(rules::shared_space()).collect()
    }

    /// When the world began.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// How long things take.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// The vSwitches of a VPC that use a table.
    pub fn users_of<'w>(&'w self, table: &'w str) -> impl Iterator<Item = &'w str> {
        let switches = self.vpcs.values().flat_map(|vpc| &vpc.v_switches);
        switches
            .filter(move |(_, v)| v.route_table == table)
            .map(|(id, _)| id.as_str())
    }
}

#[cfg(test)]
mod tests;
