//! The ledger as a cluster's objects: a head, and one object for each lease (docs/adr/0035).
//!
//! ```text
//!   a batch ─▶ [head]: sequence, starts, the batch itself ─ replaces the version read ─▶ committed
//!                                                               │ another one's: superseded, for good
//!                                                               ▼
//!              the batch's leases ─▶ objects: made, changed, deleted ─▶ answered
//!
//!   a start  ─▶ the head is written anew, which shuts every other writer out ─▶ objects are listed
//!                                                        ─▶ the head's batch is carried out again
//! ```
//!
//! An API server has no transaction over two objects. The head is the commit: a batch that is in it is
//! carried out by whoever writes next, however far its own writer came.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use flatnet_types::ipamd::{Incarnation, Lease};
use ipnetwork::IpNetwork;
use thiserror::Error;

use super::{Entry, LedgerSaved, LedgerStore, Start, Trust};
use crate::assign::keys::{Key, key_of, overlap};
use crate::store::StoreError;

mod batch;
mod head;
#[cfg(test)]
mod tests;

use head::{Head, Pending};

/// What becomes of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeChange {
    /// The object of this lease's first address is to have this lease.
    Put(Lease),
    /// There is to be no object of this range's first address.
    Remove(IpNetwork),
}

/// Why a call to the objects did not succeed.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// Another version of the head was there, so nothing was written.
    #[error("the head is in another version than the one that was read")]
    Conflict,
    /// The call failed, perhaps after it was done.
    #[error(transparent)]
    Failed(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// The objects, as [`ObjectLedger`] uses them. All calls block.
pub trait LedgerObjects: Send {
    /// The head, for messages: what it is, where it is.
    fn place(&self) -> String;

    /// Reads the head's text; `None`: there is no such object, `Some("")`: nothing was written to it yet.
    ///
    /// # Errors
    /// [`ObjectError::Failed`].
    fn head(&mut self) -> Result<Option<String>, ObjectError>;

    /// Replaces the head, in the version that was read or written last.
    ///
    /// # Errors
    /// [`ObjectError::Conflict`]: it has another version; nothing was written.
    fn replace_head(&mut self, text: &str) -> Result<(), ObjectError>;

    /// Lists every lease that is recorded, in any order.
    ///
    /// # Errors
    /// [`ObjectError::Failed`].
    fn ranges(&mut self) -> Result<Vec<Lease>, ObjectError>;

    /// Carries out changes of different objects, in any order, each against what was listed or written last:
    /// what somebody else recorded is not written over. What is there already is left as it is.
    ///
    /// # Errors
    /// [`ObjectError::Failed`]; some may have been carried out.
    fn write(&mut self, changes: &[RangeChange]) -> Result<(), ObjectError>;
}

/// A ledger whose store is a cluster's objects.
#[derive(Debug)]
pub struct ObjectLedger<O> {
    objects: O,
    /// Who this is, in the head: no other process has the name.
    me: String,
    head: Head,
    /// The incarnation of each lease that is recorded.
    granted_by: BTreeMap<Key, Incarnation>,
    trust: Trust,
    /// What [`ObjectLedger::open`] read, for the first [`LedgerStore::load`].
    read: Option<LedgerSaved>,
    /// Who writes the ledger now, once it is another one.
    superseded_by: Option<String>,
}

impl<O: LedgerObjects> ObjectLedger<O> {
    /// Opens the ledger, and shuts out whoever wrote it before. Blocks.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::NoHead`] where there is no head, not even an empty one.
    pub fn open(objects: O, me: String) -> Result<Self, StoreError> {
        let mut ledger = Self {
            objects,
            me,
            head: Head::default(),
            granted_by: BTreeMap::new(),
            trust: Trust::Current,
            read: None,
            superseded_by: None,
        };
        let text = ledger.read_head()?;
        ledger.head = ledger.parse(&text)?;
        let saved = ledger.take_over()?;
        let newest = saved.leases.iter().map(|l| l.stamp.max(l.id.0)).max();
        // A head that is new beside leases, or behind them, is not the one that they were written with.
        let is_behind = newest.is_some_and(|newest| newest > ledger.head.sequence);
        ledger.trust = match saved.distrusted || is_behind {
            true => Trust::RestoredFromBackup,
            // Never `New`, which has no grace period: hosts may hold ranges of a ledger whose objects were
            // deleted with their definitions.
            false => Trust::Current,
        };
        ledger.read = Some(saved);
        Ok(ledger)
    }

    /// Whether it is up to date.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    fn read_head(&mut self) -> Result<String, StoreError> {
        let found = self.objects.head();
        let found = found.map_err(|e| self.unreadable("read", e))?;
        found.ok_or_else(|| StoreError::NoHead { path: self.path() })
    }

    fn parse(&self, text: &str) -> Result<Head, StoreError> {
        head::parse(text).map_err(|wrong| match wrong {
            head::Wrong::Newer { found } => StoreError::NewerSchema {
                path: self.path(),
                found,
                supported: head::SCHEMA,
            },
            head::Wrong::Damaged(detail) => self.corrupt(detail),
        })
    }

    /// Writes the head as this one's, and then reads the leases: nobody else commits any more.
    fn take_over(&mut self) -> Result<LedgerSaved, StoreError> {
        let mut next = self.head.clone();
        next.writer.clone_from(&self.me);
        self.commit(next)?;
        let listed = self.objects.ranges();
        let listed = listed.map_err(|e| self.unreadable("list the leases of", e))?;
        let mut leases: BTreeMap<Key, Lease> =
            listed.into_iter().map(|l| (key_of(l.prefix), l)).collect();
        let mut due = Vec::new();
        for (key, change) in batch::last_of_each(&self.head.pending) {
            let is_done = match &change {
                RangeChange::Put(lease) => leases.get(&key) == Some(lease),
                RangeChange::Remove(_) => !leases.contains_key(&key),
            };
            if is_done {
                continue;
            }
            match &change {
                RangeChange::Put(lease) => leases.insert(key, lease.clone()),
                RangeChange::Remove(_) => leases.remove(&key),
            };
            due.push(change);
        }
        if !due.is_empty() {
            tracing::info!(
                changes = due.len(),
                "the last batch was not carried out to its end; it is now"
            );
            self.write(&due)?;
        }
        for (a, b) in leases.values().zip(leases.values().skip(1)) {
            if overlap(a.prefix, b.prefix) {
                return Err(
                    self.corrupt(format!("two leases overlap: {} and {}", a.prefix, b.prefix))
                );
            }
        }
        self.granted_by = leases.iter().map(|(key, l)| (*key, l.ledger)).collect();
        Ok(LedgerSaved {
            leases: leases.into_values().collect(),
            starts: self.head.starts.clone(),
            sequence: self.head.sequence,
            distrusted: self.head.distrusted,
        })
    }

    /// Replaces the head; after `Ok` it is this one's.
    fn commit(&mut self, next: Head) -> Result<(), StoreError> {
        let text = next
            .text()
            .map_err(|source| self.unwritable(source.into()))?;
        match self.objects.replace_head(&text) {
            Ok(()) => {}
            Err(ObjectError::Conflict) => {
                // Somebody may have changed a label of it.
                let found = self.read_head()?;
                let found = self.parse(&found)?;
                if found != self.head {
                    return Err(self.is_superseded(found.writer));
                }
                match self.objects.replace_head(&text) {
                    Ok(()) => {}
                    Err(ObjectError::Conflict) => {
                        return Err(self.is_superseded("another one".to_owned()));
                    }
                    Err(ObjectError::Failed(source)) => return Err(self.unwritable(source)),
                }
            }
            Err(ObjectError::Failed(source)) => return Err(self.unwritable(source)),
        }
        self.head = next;
        Ok(())
    }

    fn write(&mut self, changes: &[RangeChange]) -> Result<(), StoreError> {
        match self.objects.write(changes) {
            Ok(()) => {}
            Err(ObjectError::Conflict) => return Err(self.is_superseded("another one".to_owned())),
            Err(ObjectError::Failed(source)) => return Err(self.unwritable(source)),
        }
        for change in changes {
            match change {
                RangeChange::Put(lease) => {
                    self.granted_by.insert(key_of(lease.prefix), lease.ledger)
                }
                RangeChange::Remove(prefix) => self.granted_by.remove(&key_of(*prefix)),
            };
        }
        Ok(())
    }

    fn is_superseded(&mut self, by: String) -> StoreError {
        self.superseded_by = Some(by.clone());
        StoreError::Superseded {
            path: self.path(),
            by,
        }
    }

    fn path(&self) -> PathBuf {
        self.objects.place().into()
    }

    fn corrupt(&self, detail: String) -> StoreError {
        StoreError::Corrupt {
            path: self.path(),
            detail,
        }
    }

    fn unreadable(&self, doing: &'static str, source: ObjectError) -> StoreError {
        StoreError::Read {
            path: self.path(),
            doing,
            source: source.into(),
        }
    }

    fn unwritable(&self, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
        StoreError::Write {
            path: self.path(),
            source,
        }
    }
}

impl<O: LedgerObjects> LedgerStore for ObjectLedger<O> {
    fn load(&mut self) -> Result<LedgerSaved, StoreError> {
        if let Some(saved) = self.read.take() {
            return Ok(saved);
        }
        if let Some(by) = self.superseded_by.clone() {
            return Err(self.is_superseded(by));
        }
        // A write that failed may have been done: the head tells.
        let text = self.read_head()?;
        let found = self.parse(&text)?;
        if found.writer != self.me {
            return Err(self.is_superseded(found.writer));
        }
        self.head = found;
        self.take_over()
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        self.read = None;
        if let Some(by) = self.superseded_by.clone() {
            return Err(self.is_superseded(by));
        }
        for part in batch::parts(entries, batch::MOST) {
            let mut next = self.head.clone();
            next.pending.clear();
            for entry in part {
                match entry {
                    Entry::Put(lease) => {
                        next.sequence = next.sequence.max(lease.stamp);
                        next.pending.push(Pending::Put(lease.clone()));
                    }
                    Entry::Remove(prefix) => next.pending.push(Pending::Remove(*prefix)),
                    Entry::Started(start) => next.starts.push(*start),
                    Entry::Sequence(sequence) => next.sequence = next.sequence.max(*sequence),
                    Entry::Trusted(trusted) => next.distrusted = !trusted,
                }
            }
            forget_old_starts(&mut next.starts, &self.granted_by);
            self.commit(next)?;
            let changes: Vec<RangeChange> = batch::last_of_each(&self.head.pending)
                .into_values()
                .collect();
            self.write(&changes)?;
        }
        Ok(())
    }
}

/// The most starts that are remembered beside those that a lease names: the head has to stay small.
const STARTS: usize = 512;

/// Forgets the oldest starts that no recorded lease is of. A host that still reports a lease of one is taken
/// for one that the ledger does not know, which is safe: its range is recorded, and a grace period begins.
fn forget_old_starts(starts: &mut Vec<Start>, granted_by: &BTreeMap<Key, Incarnation>) {
    if starts.len() <= STARTS {
        return;
    }
    let named: BTreeSet<u64> = granted_by.values().map(|i| i.0).collect();
    let old = starts.len() - STARTS;
    let mut index = 0;
    starts.retain(|start| {
        index += 1;
        index > old || named.contains(&start.incarnation.0)
    });
}
