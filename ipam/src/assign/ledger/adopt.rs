//! What hosts show: how full their ranges are, and ranges that the ledger does not know.

use super::*;
use flatnet_types::ipamd::Held;

/// What becomes of a range that a host shows.
enum Verdict {
    /// It is its lease.
    Known,
    /// A host whose own leases changed under it shows the old cut.
    Stale,
    /// It is nobody's: it becomes the host's.
    Adopt,
    /// It is another's.
    Contest,
}

impl Ledger {
    /// `host` says what it holds. It gets what is its own, as if it had asked.
    ///
    /// # Guarantees
    /// After this no other host is given an address that `host` has shown to be in use.
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
        for shown in held {
            if !self.knows(shown.ledger, shown.lease) {
                self.is_old(now);
                // No number that this host has seen is given out again.
                self.sequence = self.sequence.max(shown.lease.0);
            }
            match self.judge_shown(host, shown) {
                Verdict::Known => {
                    if self.unconfirmed.contains(&key_of(shown.prefix)) {
                        self.confirmed(key_of(shown.prefix));
                    }
                    self.note_use(shown, now);
                }
                Verdict::Stale => {}
                Verdict::Adopt => self.adopt(host, shown, now),
                Verdict::Contest => {
                    claimed.insert(key_of(shown.prefix));
                    self.contest(host, shown);
                }
            }
        }
        for key in before {
            if !claimed.contains(&key) {
                self.claims.remove(&(host.clone(), key));
                self.next_sequence();
                self.touch(host);
                self.cursors.clear();
            }
        }
        self.end_contests();
        self.reported.insert(host.clone());
        self.end_settling_if_all_reported(now);
        self.settle_host(host, now);
        Ok(())
    }

    /// Whether this ledger's own history has the lease: granted by one of its lives, within
    /// the part of that life that it remembers.
    fn knows(&self, ledger: Incarnation, lease: LeaseId) -> bool {
        self.starts.iter().enumerate().any(|(i, start)| {
            let end = self.starts.get(i + 1).map_or(self.sequence, |s| s.first);
            start.incarnation == ledger && start.first < lease.0 && lease.0 <= end
        })
    }

    /// A host has shown what this ledger never granted: it is an old copy. It grants
    /// nothing new until it has heard every host, or for as long as after a start.
    fn is_old(&mut self, now: Timestamp) {
        let until = now.saturating_add(self.config.settle);
        self.settling = match self.settling {
            Settling::UntilAll(from) => Settling::UntilAll(from),
            Settling::No => {
                self.reported.clear();
                Settling::Until(until)
            }
            Settling::Until(_) => Settling::Until(until),
        };
    }

    fn judge_shown(&self, host: &NodeName, shown: &Held) -> Verdict {
        let idle = shown.used == 0 && self.knows(shown.ledger, shown.lease);
        let mut mine = false;
        let mut others = false;
        for lease in self.overlapping(shown.prefix) {
            if &lease.host != host {
                others |= lease.is_held() && !self.gives_way(lease, shown);
            } else if lease.prefix == shown.prefix && lease.network == shown.network {
                return match lease.state {
                    // It was released, by force, and is in use nevertheless.
                    LeaseState::Resting { .. } if shown.used > 0 => Verdict::Adopt,
                    LeaseState::Resting { .. } => Verdict::Stale,
                    LeaseState::Active | LeaseState::Draining { .. } => Verdict::Known,
                };
            } else {
                mine |= lease.is_held();
            }
        }
        match (others, mine) {
            (true, _) if idle => Verdict::Stale,
            (true, _) => Verdict::Contest,
            (false, true) => Verdict::Stale,
            (false, false) if idle => Verdict::Stale,
            (false, false) => Verdict::Adopt,
        }
    }

    /// Whether `lease`, which its own host has not shown since the start, is an old copy's
    /// error: its host has let go of it, and what another shows was granted later.
    fn gives_way(&self, lease: &Lease, shown: &Held) -> bool {
        let later = !self.knows(shown.ledger, shown.lease) || shown.lease > lease.id;
        later && self.unconfirmed.contains(&key_of(lease.prefix))
    }

    /// Writes in what the host shows. What is in the way goes: its owner has let go of it.
    fn adopt(&mut self, host: &NodeName, shown: &Held, now: Timestamp) {
        let gone: Vec<Key> = self
            .overlapping(shown.prefix)
            .map(|l| key_of(l.prefix))
            .collect();
        for key in gone {
            self.remove(key);
        }
        let mut lease = Lease {
            id: shown.lease,
            ledger: shown.ledger,
            host: host.clone(),
            network: shown.network.clone(),
            prefix: shown.prefix,
            source: Source::Adopted,
            state: LeaseState::Active,
            granted_at: now,
            stamp: 0,
        };
        let clean = self.claimant(&lease).is_none();
        if !clean {
            lease.state = LeaseState::Draining {
                reason: DrainReason::Contested,
            };
        } else if !self.is_wanted(&lease) {
            lease.state = LeaseState::Draining {
                reason: DrainReason::Plan,
            };
        }
        self.cursors.clear();
        self.put(lease);
        self.note_use(shown, now);
    }

    /// Two hosts show the same addresses. Neither is to give out more of them.
    fn contest(&mut self, host: &NodeName, shown: &Held) {
        let claim = Claim {
            lease: shown.lease,
            ledger: shown.ledger,
            network: shown.network.clone(),
            prefix: shown.prefix,
        };
        let known = self
            .claims
            .insert((host.clone(), key_of(shown.prefix)), claim.clone());
        if known.as_ref() != Some(&claim) {
            self.next_sequence();
            self.touch(host);
            self.cursors.clear();
        }
        let others: Vec<Lease> = self
            .overlapping(shown.prefix)
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

    /// What is no longer contested goes back into service.
    fn end_contests(&mut self) {
        if let Settling::UntilAll(_) = self.settling {
            return;
        }
        let free: Vec<Lease> = self
            .contested
            .iter()
            .filter_map(|key| self.leases.get(key))
            .filter(|l| self.claimant(l).is_none())
            .cloned()
            .collect();
        for mut lease in free {
            lease.state = match self.is_wanted(&lease) {
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

    /// An old copy that has heard everybody knows what there is to know.
    pub(super) fn end_settling_if_all_reported(&mut self, now: Timestamp) {
        match self.settling {
            Settling::UntilAll(from) if from <= now => {}
            Settling::No | Settling::Until(_) | Settling::UntilAll(_) => return,
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
            self.settled();
            self.serve_waiting(now);
        }
    }
}
