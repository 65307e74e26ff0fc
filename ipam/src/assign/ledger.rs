//! The ledger: a state machine without I/O that decides which host owns which range.
//!
//! Every command takes the current time and changes the memory at once. It queues the
//! [`Entry`]s that make the change durable ([`Ledger::take_entries`]) and the hosts whose answer
//! changed ([`Ledger::take_changed`]). The caller must publish no answer before the entries are on
//! disk; if they cannot be written, it reloads what the disk has ([`Ledger::rebuild`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::{NetworkName, NodeName};
use ipnetwork::IpNetwork;

use super::declared::Declared;
use super::keys::{Key, ends, key_of, overlap};
use super::store::{Entry, LedgerSaved, Start, Trust};
use crate::range::{Family, Span};
use flatnet_types::Timestamp;
use flatnet_types::ipamd::{
    DrainReason, GrantState, Incarnation, Lease, LeaseId, LeaseSource, LeaseState,
};
use flatnet_types::ipamd::{
    HostRanges, HostWaiting, Listing, OwnerView, PoolRef, RangeGrant, Waiting,
};

mod adopt;
mod assign;
mod change;
mod error;
mod sub_allocate;
#[cfg(test)]
mod tests;
mod usage;
mod views;

pub use error::AssignError;
pub use usage::PoolUsage;
use usage::ReportedUse;

/// Whether `outer` has all of `inner`.
pub(super) fn covers(outer: IpNetwork, inner: IpNetwork) -> bool {
    Span::from(outer).covers(Span::from(inner))
}

/// Timers of a ledger.
#[derive(Debug, Clone, Copy)]
pub struct LedgerConfig {
    /// Quarantine of a released range: how long no other host may have it.
    pub quarantine: Duration,
    /// Grace period after a start, in which nothing new is granted, so that hosts can first
    /// report what they hold.
    pub grace: Duration,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        Self {
            quarantine: Duration::from_secs(300),
            grace: Duration::from_secs(10),
        }
    }
}

/// Parameters of a start.
#[derive(Debug, Clone, Copy)]
pub struct LedgerStart {
    /// A random number that no earlier start had.
    pub incarnation: Incarnation,
    /// Whether the store is up to date.
    pub trust: Trust,
}

/// Effect of a new plan on the leases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOutcome {
    /// Leases that the plan no longer gives to their hosts: they drain.
    pub drained: Vec<(NodeName, IpNetwork)>,
    /// Number of ranges that hosts wait for because another host holds them.
    pub waiting: usize,
}

/// The grace period: until when nothing new is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grace {
    /// It has ended.
    Over,
    /// It ends at this time.
    Until(Timestamp),
    /// It ends when every host of the plan has reported, and not before this time; or when an
    /// admin declares the ledger correct ([`Ledger::trust`]).
    UntilAllReported(Timestamp),
}

/// Which host owns which range.
///
/// # Guarantees
/// - No address is in two leases.
/// - A host gets the same ranges whenever it asks, until they are released.
/// - A range goes to another host only after its release and quarantine.
/// - A range that a host has reported is granted to no other host from then on.
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
    /// Leases in quarantine, by the time of their release.
    quarantined: BTreeSet<(Timestamp, Key)>,
    /// The leases that are contested.
    contested: BTreeSet<Key>,
    /// Leases that were held at the start and that their hosts have not reported since. If the
    /// ledger is an older copy, another host may have them by now, so hosts do not see them until
    /// they are reported or the grace period has ended.
    unconfirmed: BTreeSet<Key>,
    grace: Grace,
    /// Hosts that may hold ranges of which an older copy has no record: the hosts of every plan
    /// since the start.
    awaited: BTreeSet<NodeName>,
    /// Hosts that have reported since the start, or since the ledger was found to be an older
    /// copy.
    reported: BTreeSet<NodeName>,
    /// Ranges that a host reports and another host owns. Not stored: hosts report them again.
    claims: BTreeMap<(NodeName, Key), Claim>,
    usage: HashMap<Key, ReportedUse>,
    waiting: BTreeMap<NodeName, Vec<Waiting>>,
    /// By network, pool and slice length: no free slice begins before this address.
    cursors: HashMap<(NetworkName, IpNetwork, u8), u128>,
    entries: Vec<Entry>,
    changed: BTreeSet<NodeName>,
    revisions: HashMap<NodeName, u64>,
}

/// A range that a host reports and another host owns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    lease: LeaseId,
    ledger: Incarnation,
    network: NetworkName,
    prefix: IpNetwork,
}

impl Ledger {
    /// Restores a saved ledger as a new incarnation. It has no plan yet: call
    /// [`Ledger::declare`] next.
    pub fn restore(
        saved: LedgerSaved,
        start: LedgerStart,
        config: LedgerConfig,
        now: Timestamp,
    ) -> Self {
        let trust = if saved.distrusted {
            Trust::RestoredFromBackup
        } else {
            start.trust
        };
        let begun = Start {
            // A store may have forgotten the oldest.
            number: saved.starts.last().map_or(0, |last| last.number + 1),
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
            quarantined: BTreeSet::new(),
            contested: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            grace: match trust {
                Trust::New => Grace::Over,
                Trust::Current => Grace::Until(now.saturating_add(config.grace)),
                // A range of which an older copy has no record may have been released just now:
                // its quarantine is waited for too.
                Trust::RestoredFromBackup => {
                    Grace::UntilAllReported(now.saturating_add(config.quarantine))
                }
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
        if trust == Trust::RestoredFromBackup {
            ledger.entries.push(Entry::Trusted(false));
        }
        for mut lease in saved.leases {
            // After a clock was set back, a quarantine lasts once more at most.
            if let LeaseState::Quarantined { since, drained } = lease.state
                && since > now
            {
                lease.state = LeaseState::Quarantined {
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

    /// Reloads what the disk has, after a failed write. Begins a grace period as after a start:
    /// what hosts reported may not have been written.
    pub fn rebuild(&mut self, saved: LedgerSaved, now: Timestamp) {
        self.reported.clear();
        self.grace = match saved.distrusted {
            true => Grace::UntilAllReported(now),
            false => Grace::Until(now.saturating_add(self.config.grace)),
        };
        self.leases.clear();
        self.by_host.clear();
        self.quarantined.clear();
        self.contested.clear();
        self.cursors.clear();
        self.entries.clear();
        self.sequence = saved.sequence;
        for lease in saved.leases {
            self.index(lease);
        }
        // If this start was not written, it is written with the next entries.
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

    /// Takes the entries to be written, in order.
    pub fn take_entries(&mut self) -> Vec<Entry> {
        if !self.entries.is_empty() {
            self.entries.push(Entry::Sequence(self.sequence));
        }
        std::mem::take(&mut self.entries)
    }

    /// Takes the hosts whose answer may have changed.
    pub fn take_changed(&mut self) -> BTreeSet<NodeName> {
        std::mem::take(&mut self.changed)
    }

    /// The incarnation: a random number, new at each start.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The sequence of the last change.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The plan in force.
    pub fn declared(&self) -> &Arc<Declared> {
        &self.declared
    }

    /// Ends the grace period: every unconfirmed lease counts as confirmed.
    fn end_grace_period(&mut self) {
        if let Grace::UntilAllReported(_) = self.grace {
            self.entries.push(Entry::Trusted(true));
        }
        self.grace = Grace::Over;
        self.awaited.clear();
        for key in std::mem::take(&mut self.unconfirmed) {
            self.confirm(key);
        }
    }

    /// The lease at `key` is valid: its host has reported it, or the grace period has ended.
    fn confirm(&mut self, key: Key) {
        self.unconfirmed.remove(&key);
        if let Some(host) = self.leases.get(&key).map(|l| l.host.clone()) {
            self.next_sequence();
            self.mark_changed(&host);
        }
    }

    /// Whether nothing new is granted at `now`.
    pub fn in_grace_period(&self, now: Timestamp) -> bool {
        match self.grace {
            Grace::Over => false,
            Grace::Until(end) => now < end,
            Grace::UntilAllReported(_) => true,
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

    /// Adds a lease to the indexes.
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
            LeaseState::Quarantined { since, .. } => {
                self.quarantined.insert((since, key));
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

    /// Removes the lease at `key` from the indexes.
    fn unindex(&mut self, key: Key) -> Option<Lease> {
        let lease = self.leases.remove(&key)?;
        if let Some(keys) = self.by_host.get_mut(&lease.host) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_host.remove(&lease.host);
            }
        }
        if let LeaseState::Quarantined { since, .. } = lease.state {
            self.quarantined.remove(&(since, key));
        }
        self.contested.remove(&key);
        self.unconfirmed.remove(&key);
        Some(lease)
    }

    /// Stores a lease, new or changed, with the next sequence number.
    fn put(&mut self, mut lease: Lease) {
        lease.stamp = self.next_sequence();
        self.mark_changed(&lease.host);
        self.entries.push(Entry::Put(lease.clone()));
        let key = key_of(lease.prefix);
        let confirmed = !self.unconfirmed.contains(&key);
        self.unindex(key);
        if !confirmed {
            self.unconfirmed.insert(key);
        }
        self.index(lease);
    }

    /// Grants a range as a new, active lease.
    fn grant(
        &mut self,
        host: &NodeName,
        network: &NetworkName,
        prefix: IpNetwork,
        source: LeaseSource,
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

    /// Deletes a lease.
    fn remove(&mut self, key: Key) -> Option<Lease> {
        let lease = self.unindex(key)?;
        self.next_sequence();
        self.usage.remove(&key);
        self.cursors.clear();
        self.entries.push(Entry::Remove(lease.prefix));
        self.mark_changed(&lease.host);
        Some(lease)
    }

    /// Gives the answer to `host` a new revision.
    fn mark_changed(&mut self, host: &NodeName) {
        self.revisions.insert(host.clone(), self.sequence);
        self.changed.insert(host.clone());
    }
}
