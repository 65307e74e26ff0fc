//! What an admin, and a host that has emptied a range, ask for.

use super::*;
use flatnet_types::ipamd::{Drain, Grow, Release};

impl Ledger {
    /// Drains a range: the host gives out no more of its addresses. Repeating it is no
    /// error.
    ///
    /// # Errors
    /// [`AssignError::NoLease`]; [`AssignError::Contested`] for a drain that cannot be
    /// taken back.
    pub fn drain(&mut self, drain: &Drain, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        let mut lease = self.lease(&drain.host, drain.prefix)?;
        match (lease.state, drain.cancel) {
            (LeaseState::Active, false)
            | (
                LeaseState::Draining {
                    reason: DrainReason::Plan,
                },
                false,
            ) => {
                lease.state = LeaseState::Draining {
                    reason: DrainReason::Admin,
                };
                self.put(lease);
            }
            (LeaseState::Draining { .. }, true) => {
                if let Some(other) = self.claimant(&lease) {
                    return Err(AssignError::Contested {
                        prefix: lease.prefix,
                        other,
                    });
                }
                let wanted = self.is_wanted(&lease);
                let state = match wanted {
                    true => LeaseState::Active,
                    false => LeaseState::Draining {
                        reason: DrainReason::Plan,
                    },
                };
                if lease.state != state {
                    lease.state = state;
                    self.put(lease);
                }
            }
            (LeaseState::Draining { .. }, false) | (LeaseState::Active, true) => {}
            (LeaseState::Resting { .. }, _) => {
                return Err(AssignError::NoLease {
                    host: drain.host.clone(),
                    prefix: drain.prefix,
                });
            }
        }
        Ok(())
    }

    /// Lets a drained and empty range rest, after which any host may have it. Repeating it
    /// is no error.
    ///
    /// # Errors
    /// [`AssignError`]: it is not drained, in use, contested, or not the lease that was
    /// meant.
    pub fn release(&mut self, release: &Release, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        let host = &release.host;
        let prefix = release.prefix;
        let mut lease = match self.lease(host, prefix) {
            Ok(lease) => lease,
            // A host that repeats itself, of a lease that is history.
            Err(AssignError::NoLease { .. }) if release.lease.is_some() => return Ok(()),
            Err(e) => return Err(e),
        };
        if let Some(meant) = release.lease
            && meant != lease.id
        {
            return Err(AssignError::NotCurrent {
                host: host.clone(),
                prefix,
                current: lease.id.0,
            });
        }
        let drained = match lease.state {
            LeaseState::Resting { .. } => return Ok(()),
            LeaseState::Active => false,
            LeaseState::Draining { .. } => true,
        };
        if !release.force {
            if !drained {
                return Err(AssignError::NotDrained {
                    host: host.clone(),
                    prefix,
                });
            }
            match self.usage.get(&key_of(prefix)) {
                Some(Use { used: 0, .. }) => {}
                Some(Use { used, .. }) => {
                    return Err(AssignError::InUse {
                        host: host.clone(),
                        prefix,
                        used: *used,
                    });
                }
                None => {
                    return Err(AssignError::UseUnknown {
                        host: host.clone(),
                        prefix,
                    });
                }
            }
        }
        lease.state = LeaseState::Resting {
            since: now,
            drained,
        };
        self.usage.remove(&key_of(prefix));
        self.put(lease);
        Ok(())
    }

    /// Gives `host` one slice more of a network, in each family whose pools are sliced.
    ///
    /// # Errors
    /// [`AssignError`]; in one family it may have succeeded nevertheless, if the pools of
    /// the other are exhausted.
    pub fn grow(&mut self, grow: &Grow, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        let (host, network) = (&grow.host, &grow.network);
        let declared = Arc::clone(&self.declared);
        let Some(of_plan) = declared.hosts().get(host) else {
            return Err(AssignError::UnknownHost { host: host.clone() });
        };
        let of_site = declared.networks().get(network);
        let Some(pools) = of_site.filter(|n| n.site == of_plan.site) else {
            return Err(AssignError::UnknownNetwork {
                host: host.clone(),
                network: network.clone(),
            });
        };
        if self.is_settling(now) {
            return Err(AssignError::Settling {
                retry_in: self.config.settle,
            });
        }
        let mut families: BTreeSet<Family> = pools
            .pools
            .iter()
            .filter(|p| p.slice.is_some())
            .map(|p| Family::of(p.prefix.ip()))
            .collect();
        families.retain(|family| declared.cuts(host, network, *family));
        if families.is_empty() {
            return Err(AssignError::NotSliced {
                host: host.clone(),
                network: network.clone(),
            });
        }
        for family in families {
            if !self.cut(host, network, family, now) {
                return Err(AssignError::Exhausted {
                    host: host.clone(),
                    network: network.clone(),
                });
            }
        }
        Ok(())
    }

    /// An admin has made sure that the ledger is right: it grants from now on.
    pub fn trust(&mut self, now: Timestamp) {
        self.settled();
        self.serve_waiting(now);
    }

    fn lease(&self, host: &NodeName, prefix: IpNetwork) -> Result<Lease, AssignError> {
        self.leases
            .get(&key_of(prefix))
            .filter(|l| l.prefix == prefix && &l.host == host)
            .cloned()
            .ok_or_else(|| AssignError::NoLease {
                host: host.clone(),
                prefix,
            })
    }

    /// The host that shows addresses of `lease`, if there is one.
    pub(super) fn claimant(&self, lease: &Lease) -> Option<NodeName> {
        let mut claims = self.claims.iter();
        let ((host, _), _) =
            claims.find(|((h, _), c)| h != &lease.host && overlap(c.prefix, lease.prefix))?;
        Some(host.clone())
    }
}
