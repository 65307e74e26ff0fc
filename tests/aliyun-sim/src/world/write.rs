//! What changes entries.

use std::time::Duration;

use ipnetwork::IpNetwork;
use serde_json::Value;

use super::history::Cause;
use super::model::{Entry, Hop, State, Status};
use super::rules::same_hops;
use super::{Health, World};
use crate::config;
use crate::error::ApiError;
use crate::time::Timestamp;

/// What a new entry is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// ID of the route table, `vtb-…`.
    pub table: String,
    /// Destination CIDR block, IPv4 or IPv6.
    pub destination: IpNetwork,
    /// The next hops.
    pub hops: Vec<Hop>,
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Description as its user gave it; may be empty.
    pub description: String,
}

/// Which entry is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteTarget {
    /// By its ID.
    Id(String),
    /// By where it leads.
    Path {
        /// ID of the route table, `vtb-…`.
        table: String,
        /// Destination CIDR block, IPv4 or IPv6.
        destination: IpNetwork,
        /// The next hops' IDs; none: any.
        hops: Vec<String>,
    },
}

/// What of an entry is to change; `None`: it stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The next hops.
    pub hops: Option<Vec<Hop>>,
    /// New name; none: it stays.
    pub name: Option<String>,
    /// New description; none: it stays.
    pub description: Option<String>,
}

/// One call's writes: a batch checks the router's stability once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer {
    /// The number in the log.
    pub(crate) call: u64,
    /// The simulator's time of the call.
    pub(crate) now: Timestamp,
    /// Whether only to check.
    pub(crate) dry_run: bool,
}

impl World {
    /// Makes an entry, Pending, and answers with its ID. A dry run checks the same and ends
    /// in [`ApiError::DryRunOperation`].
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn create(&mut self, by: Writer, new: &NewEntry) -> Result<String, ApiError> {
        self.check_table(&new.table)?;
        self.create_in_batch(by, new)
    }

    /// The same without the check of stability, which a batch makes once.
    pub(crate) fn create_in_batch(
        &mut self,
        by: Writer,
        new: &NewEntry,
    ) -> Result<String, ApiError> {
        self.table(&new.table)?;
        self.check_hops(&new.table, &new.hops)?;
        self.check_destination(&new.table, new.destination, &new.hops)?;
        self.check_quota(&new.table)?;
        if by.dry_run {
            return Err(ApiError::DryRunOperation);
        }
        let until = by.now.plus(self.takes(self.timings.create_ms));
        let entry = Entry {
            id: format!("rte-{}", self.ids.word(17)),
            table: new.table.clone(),
            destination: new.destination,
            hops: new.hops.clone(),
            name: new.name.clone(),
            description: new.description.clone(),
            managed: false,
            state: State::Pending { until },
            modified: by.now,
        };
        Ok(self.place(entry, by.now, Cause::Call(by.call)))
    }

    /// Puts an entry in place at once, Available: the world file's, or one made by hand.
    ///
    /// # Errors
    /// The rule that it breaks; stability is not asked for.
    pub fn insert(
        &mut self,
        now: Timestamp,
        cause: Cause,
        table: &str,
        entry: &config::Entry,
    ) -> Result<String, ApiError> {
        let hop = |h: &config::EntryHop| Hop {
            hop_type: h.hop_type.clone(),
            id: h.id.clone(),
            weight: h.weight,
        };
        let hops: Vec<Hop> = entry.next_hops.iter().map(hop).collect();
        super::parse_destination(&entry.destination.to_string())?;
        self.check_hops(table, &hops)?;
        self.check_destination(table, entry.destination, &hops)?;
        self.check_quota(table)?;
        let entry = Entry {
            id: format!("rte-{}", self.ids.word(17)),
            table: table.to_owned(),
            destination: entry.destination,
            hops,
            name: entry.name.clone(),
            description: entry.description.clone(),
            managed: entry.managed,
            state: State::Available,
            modified: now,
        };
        Ok(self.place(entry, now, cause))
    }

    /// Takes an entry away at once, whatever its state: another user's doing.
    ///
    /// # Errors
    /// [`ApiError::EntryIdNotFound`].
    pub fn remove(&mut self, now: Timestamp, id: &str) -> Result<(), ApiError> {
        let number = self.number_of(id)?;
        if let Some(entry) = self.entries.remove(&number) {
            self.history.record(now, &entry, Status::Gone, Cause::Hand);
        }
        Ok(())
    }

    fn place(&mut self, entry: Entry, now: Timestamp, cause: Cause) -> String {
        let id = entry.id.clone();
        self.history
            .record(now, &entry, entry.state.status(), cause);
        self.entries.insert(self.next_entry, entry);
        self.next_entry += 1;
        id
    }

    /// Changes an entry. Name and description change at once; next hops take time.
    ///
    /// # Errors
    /// The rule that the change breaks.
    pub(crate) fn modify(
        &mut self,
        by: Writer,
        target: &DeleteTarget,
        change: &Change,
    ) -> Result<(), ApiError> {
        let number = self.find(target)?;
        let entry = self.numbered(number)?;
        let table = entry.table.clone();
        Self::check_entry(entry)?;
        self.check_table(&table)?;
        if let Some(hops) = &change.hops {
            self.check_hops(&table, hops)?;
        }
        if by.dry_run {
            return Err(ApiError::DryRunOperation);
        }
        let until = by.now.plus(self.takes(self.timings.modify_ms));
        let Some(entry) = self.entries.get_mut(&number) else {
            return Ok(());
        };
        if let Some(name) = &change.name {
            entry.name.clone_from(name);
        }
        if let Some(description) = &change.description {
            entry.description.clone_from(description);
        }
        if let Some(next) = change
            .hops
            .clone()
            .filter(|hops| !same_hops(hops, &entry.hops))
        {
            entry.state = State::Modifying { until, next };
        }
        entry.modified = by.now;
        let status = entry.state.status();
        self.history
            .record(by.now, entry, status, Cause::Call(by.call));
        Ok(())
    }

    /// Begins to delete an entry.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn delete(&mut self, by: Writer, target: &DeleteTarget) -> Result<(), ApiError> {
        let number = self.find(target)?;
        let entry = self.numbered(number)?;
        Self::check_entry(entry)?;
        let table = entry.table.clone();
        self.check_table(&table)?;
        self.delete_in_batch(by, target)
    }

    /// The same without the check of stability, which a batch makes once.
    pub(crate) fn delete_in_batch(
        &mut self,
        by: Writer,
        target: &DeleteTarget,
    ) -> Result<(), ApiError> {
        let number = self.find(target)?;
        Self::check_entry(self.numbered(number)?)?;
        if by.dry_run {
            return Err(ApiError::DryRunOperation);
        }
        let until = by.now.plus(self.takes(self.timings.delete_ms));
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.state = State::Deleting { until };
            entry.modified = by.now;
            let cause = Cause::Call(by.call);
            self.history.record(by.now, entry, Status::Deleting, cause);
        }
        Ok(())
    }

    /// The number of the entry that is meant.
    ///
    /// # Errors
    /// [`ApiError::EntryIdNotFound`], [`ApiError::EntryNotFound`],
    /// [`ApiError::RouteTableNotFound`].
    fn find(&self, target: &DeleteTarget) -> Result<u64, ApiError> {
        match target {
            DeleteTarget::Id(id) => self.number_of(id),
            DeleteTarget::Path {
                table,
                destination,
                hops,
            } => {
                self.table(table)?;
                let of_hops = |entry: &Entry| {
                    let mut known: Vec<&str> = entry.hops.iter().map(|h| h.id.as_str()).collect();
                    let mut asked: Vec<&str> = hops.iter().map(String::as_str).collect();
                    known.sort_unstable();
                    asked.sort_unstable();
                    asked.is_empty() || known == asked
                };
                let found = self
                    .entries_of(table)
                    .find(|(_, e)| e.destination == *destination && of_hops(e));
                let missing = || ApiError::EntryNotFound(destination.to_string());
                found.map(|(number, _)| number).ok_or_else(missing)
            }
        }
    }

    fn number_of(&self, id: &str) -> Result<u64, ApiError> {
        let found = self.entries.iter().find(|(_, entry)| entry.id == id);
        let missing = || ApiError::EntryIdNotFound(id.to_owned());
        found.map(|(number, _)| *number).ok_or_else(missing)
    }

    fn numbered(&self, number: u64) -> Result<&Entry, ApiError> {
        let missing = || ApiError::EntryIdNotFound(number.to_string());
        self.entries.get(&number).ok_or_else(missing)
    }

    /// The table that a target is in, if it is there.
    pub(crate) fn table_of(&self, target: &DeleteTarget) -> Option<String> {
        match target {
            DeleteTarget::Path { table, .. } => Some(table.clone()),
            DeleteTarget::Id(id) => {
                let found = self.entries.values().find(|entry| entry.id == *id);
                found.map(|entry| entry.table.clone())
            }
        }
    }

    fn takes(&mut self, millis: u64) -> Duration {
        let jitter = self.ids.below(self.timings.jitter_ms.saturating_add(1));
        Duration::from_millis(millis.saturating_add(jitter))
    }

    /// Sets whether a VPC, vSwitch, route table or next hop can be worked with.
    ///
    /// # Errors
    /// [`ApiError::InstanceNotFound`] if nothing has the ID.
    pub fn set_health(&mut self, id: &str, health: Health) -> Result<(), ApiError> {
        if let Some(table) = self.tables.get_mut(id) {
            table.health = health;
            return Ok(());
        }
        for (vpc_id, vpc) in &mut self.vpcs {
            let found = if vpc_id == id {
                Some(&mut vpc.health)
            } else if let Some(v_switch) = vpc.v_switches.get_mut(id) {
                Some(&mut v_switch.health)
            } else {
                vpc.hops.get_mut(id).map(|hop| &mut hop.health)
            };
            if let Some(found) = found {
                *found = health;
                return Ok(());
            }
        }
        Err(ApiError::InstanceNotFound(id.to_owned()))
    }

    /// Sets a table's quota; what is over it stays.
    ///
    /// # Errors
    /// [`ApiError::RouteTableNotFound`].
    pub fn set_quota(&mut self, table: &str, quota: usize) -> Result<(), ApiError> {
        let missing = || ApiError::RouteTableNotFound(table.to_owned());
        self.tables.get_mut(table).ok_or_else(missing)?.quota = quota;
        Ok(())
    }

    /// Lists these entries in a table as they stand, beside its own, in place of those that were
    /// set before: kinds of entries, and ways to write them, that the simulator does not know.
    ///
    /// # Errors
    /// [`ApiError::RouteTableNotFound`].
    pub fn set_foreign(&mut self, table: &str, entries: Vec<Value>) -> Result<(), ApiError> {
        let missing = || ApiError::RouteTableNotFound(table.to_owned());
        self.tables.get_mut(table).ok_or_else(missing)?.foreign = entries;
        Ok(())
    }

    /// Sets how long things take from now on.
    pub fn set_timings(&mut self, timings: config::Timings) {
        self.timings = timings;
    }
}
