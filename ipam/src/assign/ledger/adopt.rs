//! Reports of hosts: how full their ranges are, and ranges of which the ledger has no record.
//!
//! The ledger may be an older copy: an operator restored a backup, or a disk lost its last
//! writes. A host's own store is then the only record of what was granted since. So the ledger
//! adopts what hosts report, before it grants anything new.
//!
//! # Example
//! A pool `10.0.0.0/24` with slices of /27, and hosts `a`, `b` and `c`. (A test in
//! `tests/rules.rs` runs it.)
//!
//! 1. Incarnation 1 grants `10.0.0.0/27` to `a` as lease 1. An operator makes a backup, whose
//!    sequence is 1.
//! 2. Incarnation 1 grants `10.0.0.32/27` to `b` as lease 2.
//! 3. The backup is restored and ipamd starts as incarnation 2. Its history is: incarnation 1
//!    granted the leases up to 1. It believes that `10.0.0.32/27` is free.
//! 4. In the grace period `b` reports `10.0.0.32/27`, lease 2 of incarnation 1, with 5 addresses
//!    in use. No lease overlaps it: [`Verdict::Adopt`]. Lease 2 is greater than 1, so the ledger
//!    knows that it is a copy: it restarts its grace period and continues its sequence from 2,
//!    so that no lease ID is issued twice.
//! 5. After the grace period `c` asks, and gets `10.0.0.64/27`. Without the report it would have
//!    got `10.0.0.32/27`, and two containers would have had one address.
//!
//! If `b` reports only after the grace period, when `10.0.0.32/27` is already `c`'s, then two
//! hosts hold it: [`Verdict::Contest`]. Both see the range as draining, so neither assigns
//! more of its addresses.
//!
//! A restored ledger can also err in the other direction. Suppose that after the backup `a`
//! released `10.0.0.0/27` and `b` got it as lease 3. The copy still has it as lease 1 of `a`, which
//! `a` does not report any more. When `b` reports it, lease 1 is unconfirmed and older than lease
//! 3, so it is superseded ([`Ledger::is_superseded_by`]) and `b`'s lease replaces it.

use super::*;
use flatnet_types::ipamd::Held;

/// What is done with one range of a report.
enum Verdict {
    /// The host holds exactly this lease: its usage is recorded.
    Known,
    /// The report is outdated: the host's own leases have changed since (its range grew or
    /// shrank), or the range was released and is idle. It is ignored; the answer corrects the host.
    Stale,
    /// No other host holds any of it: it is recorded as a lease of the reporting host.
    Adopt,
    /// Another host holds some of it: both are drained.
    Contest,
}

impl Ledger {
    /// Processes a report of `host`: every range that it holds, with its usage. Also grants the
    /// host what it is entitled to, as [`Ledger::ask`] does.
    ///
    /// # Guarantees
    /// After this no other host is granted an address that `host` has reported to be in use.
    ///
    /// # Errors
    /// [`AssignError::UnknownHost`].
    pub fn report(
        &mut self,
        host: &NodeName,
        held: &[Held],
        now: Timestamp,
    ) -> Result<(), AssignError> {
        self.tick(now);
        if held.is_empty()
            && !self.declared.hosts().contains_key(host)
            && !self.by_host.contains_key(host)
        {
            return Err(AssignError::UnknownHost { host: host.clone() });
        }
        let before: Vec<Key> = self.claims_of(host).collect();
        let mut claimed = BTreeSet::new();
        for reported in held {
            if !self.has_granted(reported.ledger, reported.lease) {
                self.restart_grace_period(now);
                // A lease ID that this host has seen must not be issued again.
                self.sequence = self.sequence.max(reported.lease.0);
            }
            match self.classify(host, reported) {
                Verdict::Known => {
                    if self.unconfirmed.contains(&key_of(reported.prefix)) {
                        self.confirm(key_of(reported.prefix));
                    }
                    self.record_use(reported, now);
                }
                Verdict::Stale => {}
                Verdict::Adopt => self.adopt(host, reported, now),
                Verdict::Contest => {
                    claimed.insert(key_of(reported.prefix));
                    self.record_claim(host, reported);
                }
            }
        }
        for key in before {
            if !claimed.contains(&key) {
                self.claims.remove(&(host.clone(), key));
                self.next_sequence();
                self.mark_changed(host);
                self.cursors.clear();
            }
        }
        self.end_contests();
        self.reported.insert(host.clone());
        self.end_grace_period_if_all_reported(now);
        self.assign_host(host, now);
        Ok(())
    }

    /// Whether the lease is in this ledger's own history: granted by one of its incarnations, at
    /// a sequence that this copy contains.
    fn has_granted(&self, ledger: Incarnation, lease: LeaseId) -> bool {
        self.starts.iter().enumerate().any(|(i, start)| {
            let end = self.starts.get(i + 1).map_or(self.sequence, |s| s.first);
            start.incarnation == ledger && start.first < lease.0 && lease.0 <= end
        })
    }

    /// A host has reported a lease that this ledger never granted, so the ledger is an older
    /// copy. Begins a new grace period, in which nothing new is granted; one that waits for every
    /// host ([`Grace::UntilAllReported`]) continues.
    fn restart_grace_period(&mut self, now: Timestamp) {
        let until = now.saturating_add(self.config.grace);
        self.grace = match self.grace {
            Grace::UntilAllReported(from) => Grace::UntilAllReported(from),
            Grace::Over => {
                self.reported.clear();
                Grace::Until(until)
            }
            Grace::Until(_) => Grace::Until(until),
        };
    }

    fn classify(&self, host: &NodeName, reported: &Held) -> Verdict {
        let idle = reported.used == 0 && self.has_granted(reported.ledger, reported.lease);
        let mut own = false;
        let mut others = false;
        for lease in self.overlapping(reported.prefix) {
            if &lease.host != host {
                others |= lease.is_held() && !self.is_superseded_by(lease, reported);
            } else if lease.prefix == reported.prefix && lease.network == reported.network {
                return match lease.state {
                    // It was released by force although it is in use.
                    LeaseState::Quarantined { .. } if reported.used > 0 => Verdict::Adopt,
                    LeaseState::Quarantined { .. } => Verdict::Stale,
                    LeaseState::Active | LeaseState::Draining { .. } => Verdict::Known,
                };
            } else {
                own |= lease.is_held();
            }
        }
        match (others, own) {
            (true, _) if idle => Verdict::Stale,
            (true, _) => Verdict::Contest,
            (false, true) => Verdict::Stale,
            (false, false) if idle => Verdict::Stale,
            (false, false) => Verdict::Adopt,
        }
    }

    /// Whether `lease` is an error of an older copy: its own host has not reported it since the
    /// start, and another host reports the same addresses by a lease that was granted later.
    fn is_superseded_by(&self, lease: &Lease, reported: &Held) -> bool {
        let later = !self.has_granted(reported.ledger, reported.lease) || reported.lease > lease.id;
        later && self.unconfirmed.contains(&key_of(lease.prefix))
    }

    /// Records a reported range as a lease of `host`. Overlapping leases are removed: they are in
    /// quarantine or superseded ([`Ledger::classify`]).
    fn adopt(&mut self, host: &NodeName, reported: &Held, now: Timestamp) {
        let overlapping: Vec<Key> = self
            .overlapping(reported.prefix)
            .map(|l| key_of(l.prefix))
            .collect();
        for key in overlapping {
            self.remove(key);
        }
        let mut lease = Lease {
            id: reported.lease,
            ledger: reported.ledger,
            host: host.clone(),
            network: reported.network.clone(),
            prefix: reported.prefix,
            source: LeaseSource::Adopted,
            state: LeaseState::Active,
            granted_at: now,
            stamp: 0,
        };
        let uncontested = self.claimant(&lease).is_none();
        if !uncontested {
            lease.state = LeaseState::Draining {
                reason: DrainReason::Contested,
            };
        } else if !self.is_in_plan(&lease) {
            lease.state = LeaseState::Draining {
                reason: DrainReason::Plan,
            };
        }
        self.cursors.clear();
        self.put(lease);
        self.record_use(reported, now);
    }

    /// Two hosts report the same addresses. Drains both, so that neither assigns more of them.
    fn record_claim(&mut self, host: &NodeName, reported: &Held) {
        let claim = Claim {
            lease: reported.lease,
            ledger: reported.ledger,
            network: reported.network.clone(),
            prefix: reported.prefix,
        };
        let known = self
            .claims
            .insert((host.clone(), key_of(reported.prefix)), claim.clone());
        if known.as_ref() != Some(&claim) {
            self.next_sequence();
            self.mark_changed(host);
            self.cursors.clear();
        }
        let others: Vec<Lease> = self
            .overlapping(reported.prefix)
            .filter(|l| &l.host != host && l.is_held())
            .cloned()
            .collect();
        let contested = LeaseState::Draining {
            reason: DrainReason::Contested,
        };
        for mut lease in others {
            if lease.state != contested {
                lease.state = contested;
                self.put(lease);
            }
        }
    }

    /// Ends the drain of leases that no other host claims any more. Does nothing while not every
    /// host has reported.
    fn end_contests(&mut self) {
        if let Grace::UntilAllReported(_) = self.grace {
            return;
        }
        let uncontested: Vec<Lease> = self
            .contested
            .iter()
            .filter_map(|key| self.leases.get(key))
            .filter(|l| self.claimant(l).is_none())
            .cloned()
            .collect();
        for mut lease in uncontested {
            lease.state = match self.is_in_plan(&lease) {
                true => LeaseState::Active,
                false => LeaseState::Draining {
                    reason: DrainReason::Plan,
                },
            };
            self.put(lease);
        }
    }

    fn claims_of(&self, host: &NodeName) -> impl Iterator<Item = Key> {
        let from = (host.clone(), (Family::V4, 0));
        let claims = self.claims.range(from..);
        claims
            .take_while(move |((h, _), _)| h == host)
            .map(|((_, key), _)| *key)
    }

    /// Ends [`Grace::UntilAllReported`] when every host has reported: every host of the plan, of
    /// any plan since the start, and with a lease.
    pub(super) fn end_grace_period_if_all_reported(&mut self, now: Timestamp) {
        match self.grace {
            Grace::UntilAllReported(from) if from <= now => {}
            Grace::Over | Grace::Until(_) | Grace::UntilAllReported(_) => return,
        }
        if self.reported.len() < self.declared.hosts().len() {
            return;
        }
        let all = self
            .declared
            .hosts()
            .keys()
            .chain(&self.awaited)
            .chain(self.by_host.keys())
            .all(|h| self.reported.contains(h));
        if all {
            self.end_grace_period();
            self.serve_waiting(now);
        }
    }
}
