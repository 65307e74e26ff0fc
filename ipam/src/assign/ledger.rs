//! The ledger: a state machine without I/O that decides who owns which range.
//!
//! Every command takes the time, changes the memory at once and leaves behind the
//! [`Entry`]s that make it durable ([`Ledger::take_entries`]) and the hosts whose answer
//! changed ([`Ledger::take_changed`]). The caller tells nobody before the entries are on
//! disk, and goes back to the disk ([`Ledger::rebuild`]) where they cannot be written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::{NetworkName, NodeName};
use ipnetwork::IpNetwork;

use super::declared::Declared;
use super::store::{Entry, LedgerSaved, Start, Trust};
use crate::range::{Family, Span, bits_of};
use flatnet_types::Timestamp;
use flatnet_types::ipamd::{
    DrainReason, GrantState, Incarnation, Lease, LeaseId, LeaseState, Source,
};
use flatnet_types::ipamd::{
    HostRanges, HostWaiting, Listing, OwnerView, PoolRef, RangeGrant, Waiting,
};

mod adopt;
mod assign;
mod carve;
mod change;
mod error;
#[cfg(test)]
mod tests;
mod usage;
mod views;

pub use error::AssignError;
pub use usage::PoolUsage;
use usage::Use;

/// Where a range begins: IPv4 sorts before IPv6.
pub(super) type Key = (Family, u128);

/// The key of a prefix.
pub(super) fn key_of(prefix: IpNetwork) -> Key {
    (Family::of(prefix.ip()), bits_of(prefix.network()))
}

/// The first and the last address of a prefix as numbers.
pub(super) fn ends(prefix: IpNetwork) -> (u128, u128) {
    Span::from(prefix).bits()
}

/// Whether the two share an address.
pub(super) fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    Span::from(a).overlaps(Span::from(b))
}

/// Whether `outer` has all of `inner`.
pub(super) fn covers(outer: IpNetwork, inner: IpNetwork) -> bool {
    Span::from(outer).covers(Span::from(inner))
}

/// What a ledger goes by.
#[derive(Debug, Clone, Copy)]
pub struct LedgerConfig {
    /// How long a released range rests before another host may have it.
    pub rest: Duration,
    /// How long a ledger that was started grants nothing new, so that hosts can first say
    /// what they hold.
    pub settle: Duration,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            rest: Duration::from_secs(300),
            settle: Duration::from_secs(10),
        }
    }
}

/// How a ledger is started.
#[derive(Debug, Clone, Copy)]
pub struct LedgerStart {
    /// A random number that no earlier start had.
    pub incarnation: Incarnation,
    /// How far the store can be believed.
    pub trust: Trust,
}

/// What a new plan did to the leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOutcome {
    /// Leases that the plan no longer gives to their hosts: they drain.
    pub drained: Vec<(NodeName, IpNetwork)>,
    /// What hosts wait for, since somebody else has it.
    pub waiting: usize,
}

/// Until when nothing new is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settling {
    /// It grants.
    No,
    /// Until then.
    Until(Timestamp),
    /// Until every host of the plan has reported, and not before then; or until an admin
    /// says that it is right.
    UntilAll(Timestamp),
}

/// Who owns which range.
///
/// # Guarantees
/// - No address is in two leases.
/// - A host gets the same ranges whenever it asks, until they are released.
/// - A range goes to another host only after it was released and has rested.
/// - What a host shows it holds is nobody else's from then on.
#[derive(Debug, Clone)]
pub struct Ledger {
    config: LedgerConfig,
    incarnation: Incarnation,
    /// Each start's incarnation with the sequence at which it began.
    starts: Vec<Start>,
    sequence: u64,
    declared: Arc<Declared>,
    leases: BTreeMap<Key, Lease>,
    by_host: HashMap<NodeName, BTreeSet<Key>>,
    /// The leases that rest, by since when.
    resting: BTreeSet<(Timestamp, Key)>,
    /// The leases that are contested.
    contested: BTreeSet<Key>,
    /// Leases that were held when this life began and that their hosts have not shown since:
    /// in an old copy they may have become another's. Hidden until they are shown, or until
    /// it has settled.
    unconfirmed: BTreeSet<Key>,
    settling: Settling,
    /// Hosts that may hold ranges which an old copy does not know: those of every plan since
    /// the start.
    awaited: BTreeSet<NodeName>,
    /// Hosts that have reported since the start, or since the ledger was found to be old.
    reported: BTreeSet<NodeName>,
    /// What hosts show that another host owns: volatile, for they report it again.
    claims: BTreeMap<(NodeName, Key), Claim>,
    usage: HashMap<Key, Use>,
    waiting: BTreeMap<NodeName, Vec<Waiting>>,
    /// No free slice begins before this, by network and pool.
    cursors: HashMap<(NetworkName, IpNetwork, u8), u128>,
    entries: Vec<Entry>,
    changed: BTreeSet<NodeName>,
    revisions: HashMap<NodeName, u64>,
}

/// A range that a host shows and another owns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    lease: LeaseId,
    ledger: Incarnation,
    network: NetworkName,
    prefix: IpNetwork,
}

impl Ledger {
    /// A ledger as it was saved, in a new life. It knows no plan yet: give it one with
    /// [`Ledger::declare`].
    pub fn restore(
        saved: LedgerSaved,
        start: LedgerStart,
        config: LedgerConfig,
        now: Timestamp,
    ) -> Self {
        let trust = if saved.distrusted {
            Trust::Old
        } else {
            start.trust
        };
        let begun = Start {
            number: saved.starts.len() as u64,
            incarnation: start.incarnation,
            first: saved.sequence,
        };
        let mut starts = saved.starts;
        starts.push(begun);
        let mut ledger = Self {
            config,
            incarnation: start.incarnation,
            starts,
            sequence: saved.sequence,
            declared: Arc::default(),
            leases: BTreeMap::new(),
            by_host: HashMap::new(),
            resting: BTreeSet::new(),
            contested: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            settling: match trust {
                Trust::New => Settling::No,
                Trust::Ours => Settling::Until(now.saturating_add(config.settle)),
                // What an old copy does not know of may have been released just now.
                Trust::Old => Settling::UntilAll(now.saturating_add(config.rest)),
            },
            awaited: BTreeSet::new(),
            reported: BTreeSet::new(),
            claims: BTreeMap::new(),
            usage: HashMap::new(),
            waiting: BTreeMap::new(),
            cursors: HashMap::new(),
            entries: vec![Entry::Started(begun)],
            changed: BTreeSet::new(),
            revisions: HashMap::new(),
        };
        if trust == Trust::Old {
            ledger.entries.push(Entry::Trusted(false));
        }
        for mut lease in saved.leases {
            // A clock that was set back must not make a rest longer than a whole one.
            if let LeaseState::Resting { since, drained } = lease.state
                && since > now
            {
                lease.state = LeaseState::Resting {
                    since: now,
                    drained,
                };
            }
            if trust != Trust::New && lease.is_held() {
                ledger.unconfirmed.insert(key_of(lease.prefix));
            }
            ledger.index(lease);
        }
        ledger
    }

    /// Goes back to what the disk has, after a write that failed. It grants nothing new for a
    /// while, as after a start: what hosts showed may not have been written.
    pub fn rebuild(&mut self, saved: LedgerSaved, now: Timestamp) {
        self.reported.clear();
        self.settling = match saved.distrusted {
            true => Settling::UntilAll(now),
            false => Settling::Until(now.saturating_add(self.config.settle)),
        };
        self.leases.clear();
        self.by_host.clear();
        self.resting.clear();
        self.contested.clear();
        self.cursors.clear();
        self.entries.clear();
        self.sequence = saved.sequence;
        for lease in saved.leases {
            self.index(lease);
        }
        // The start may not have been written; it is written with the next entries.
        if !saved
            .starts
            .iter()
            .any(|s| s.incarnation == self.incarnation)
            && let Some(begun) = self.starts.last()
        {
            self.entries.push(Entry::Started(*begun));
        }
        self.changed.extend(self.revisions.keys().cloned());
    }

    /// What is to be made durable, in order.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        if !self.entries.is_empty() {
            self.entries.push(Entry::Sequence(self.sequence));
        }
        std::mem::take(&mut self.entries)
    }

    /// The hosts whose answer may have changed.
    pub fn take_changed(&mut self) -> BTreeSet<NodeName> {
        std::mem::take(&mut self.changed)
    }

    /// This life's number.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The sequence of the last change.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The plan that it goes by.
    pub fn declared(&self) -> &Arc<Declared> {
        &self.declared
    }

    /// Ends the time of settling.
    fn settled(&mut self) {
        if let Settling::UntilAll(_) = self.settling {
            self.entries.push(Entry::Trusted(true));
        }
        self.settling = Settling::No;
        self.awaited.clear();
        for key in std::mem::take(&mut self.unconfirmed) {
            self.confirmed(key);
        }
    }

    /// The host of the lease at `key` has shown it, or nobody can show it any more.
    fn confirmed(&mut self, key: Key) {
        self.unconfirmed.remove(&key);
        if let Some(host) = self.leases.get(&key).map(|l| l.host.clone()) {
            self.next_sequence();
            self.touch(&host);
        }
    }

    /// Whether it grants nothing new at `now`.
    pub fn is_settling(&self, now: Timestamp) -> bool {
        match self.settling {
            Settling::No => false,
            Settling::Until(end) => now < end,
            Settling::UntilAll(_) => true,
        }
    }

    /// The leases that have an address of `prefix`, in order.
    fn overlapping(&self, prefix: IpNetwork) -> impl Iterator<Item = &Lease> {
        let (family, first) = key_of(prefix);
        let (_, last) = ends(prefix);
        let before = self.leases.range(..(family, first)).next_back();
        let before = before.filter(move |(_, lease)| overlap(lease.prefix, prefix));
        let inside = self.leases.range((family, first)..=(family, last));
        before.into_iter().chain(inside).map(|(_, lease)| lease)
    }

    /// The leases of a host, in order.
    fn of_host(&self, host: &NodeName) -> impl Iterator<Item = &Lease> {
        let keys = self.by_host.get(host).into_iter().flatten();
        keys.filter_map(|key| self.leases.get(key))
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Puts a lease into memory.
    fn index(&mut self, lease: Lease) {
        let key = key_of(lease.prefix);
        self.by_host
            .entry(lease.host.clone())
            .or_default()
            .insert(key);
        self.changed.insert(lease.host.clone());
        let revision = self.revisions.entry(lease.host.clone()).or_default();
        *revision = (*revision).max(lease.stamp);
        match lease.state {
            LeaseState::Resting { since, .. } => {
                self.resting.insert((since, key));
            }
            LeaseState::Draining {
                reason: DrainReason::Contested,
            } => {
                self.contested.insert(key);
            }
            LeaseState::Active | LeaseState::Draining { .. } => {}
        }
        self.leases.insert(key, lease);
    }

    /// Takes what is at `key` out of memory.
    fn unindex(&mut self, key: Key) -> Option<Lease> {
        let lease = self.leases.remove(&key)?;
        if let Some(keys) = self.by_host.get_mut(&lease.host) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_host.remove(&lease.host);
            }
        }
        if let LeaseState::Resting { since, .. } = lease.state {
            self.resting.remove(&(since, key));
        }
        self.contested.remove(&key);
        self.unconfirmed.remove(&key);
        Some(lease)
    }

    /// Writes a lease, new or changed.
    fn put(&mut self, mut lease: Lease) {
        lease.stamp = self.next_sequence();
        self.touch(&lease.host);
        self.entries.push(Entry::Put(lease.clone()));
        let key = key_of(lease.prefix);
        let confirmed = !self.unconfirmed.contains(&key);
        self.unindex(key);
        if !confirmed {
            self.unconfirmed.insert(key);
        }
        self.index(lease);
    }

    /// Grants a range.
    fn grant(
        &mut self,
        host: &NodeName,
        network: &NetworkName,
        prefix: IpNetwork,
        source: Source,
        now: Timestamp,
    ) {
        let id = LeaseId(self.sequence + 1);
        self.put(Lease {
            id,
            ledger: self.incarnation,
            host: host.clone(),
            network: network.clone(),
            prefix,
            source,
            state: LeaseState::Active,
            granted_at: now,
            stamp: 0,
        });
    }

    /// Takes a lease out.
    fn remove(&mut self, key: Key) -> Option<Lease> {
        let lease = self.unindex(key)?;
        self.next_sequence();
        self.usage.remove(&key);
        self.cursors.clear();
        self.entries.push(Entry::Remove(lease.prefix));
        self.touch(&lease.host);
        Some(lease)
    }

    /// The answer to `host` is another from now on.
    fn touch(&mut self, host: &NodeName) {
        self.revisions.insert(host.clone(), self.sequence);
        self.changed.insert(host.clone());
    }
}
