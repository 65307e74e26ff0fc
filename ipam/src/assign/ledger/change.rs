//! Requests that change leases: drain, release, grow, trust.

use super::*;
use flatnet_types::ipamd::{Drain, Grow, Release};

impl Ledger {
    /// Drains a range: its host assigns no more of its addresses. Or cancels a drain. Repeating it
    /// is no error.
    ///
    /// # Errors
    /// [`AssignError::NoLease`]; [`AssignError::Contested`] for a drain that cannot be cancelled.
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
                let wanted = self.is_in_plan(&lease);
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
            (LeaseState::Quarantined { .. }, _) => {
                return Err(AssignError::NoLease {
                    host: drain.host.clone(),
                    prefix: drain.prefix,
                });
            }
        }
        Ok(())
    }

    /// Releases a drained and empty range: it is quarantined, after which any host may have it.
    /// Repeating it is no error.
    ///
    /// # Errors
    /// [`AssignError`]: it is not drained, in use, contested, or not the lease that the request
    /// names.
    pub fn release(&mut self, release: &Release, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        let host = &release.host;
        let prefix = release.prefix;
        let mut lease = match self.lease(host, prefix) {
            Ok(lease) => lease,
            // A repeated request for a lease that is gone already.
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
            LeaseState::Quarantined { .. } => return Ok(()),
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
                Some(ReportedUse { used: 0, .. }) => {}
                Some(ReportedUse { used, .. }) => {
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
        lease.state = LeaseState::Quarantined {
            since: now,
            drained,
        };
        self.usage.remove(&key_of(prefix));
        self.put(lease);
        Ok(())
    }

    /// Grants `host` one more slice of a network, in each family whose pools are sub-allocated.
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
        let Some(pools) =
            of_site.filter(|n| n.site == of_plan.site && n.cluster == of_plan.cluster)
        else {
            return Err(AssignError::UnknownNetwork {
                host: host.clone(),
                network: network.clone(),
            });
        };
        if self.in_grace_period(now) {
            return Err(AssignError::GracePeriod {
                retry_in: self.config.grace,
            });
        }
        let mut families: BTreeSet<Family> = pools
            .pools
            .iter()
            .filter(|p| p.slice.is_some())
            .map(|p| Family::of(p.prefix.ip()))
            .collect();
        families.retain(|family| declared.may_sub_allocate(host, network, *family));
        if families.is_empty() {
            return Err(AssignError::NotSliced {
                host: host.clone(),
                network: network.clone(),
            });
        }
        for family in families {
            if !self.sub_allocate(host, network, family, now) {
                return Err(AssignError::Exhausted {
                    host: host.clone(),
                    network: network.clone(),
                });
            }
        }
        Ok(())
    }

    /// Ends the grace period: an admin has verified that the ledger is correct.
    pub fn trust(&mut self, now: Timestamp) {
        self.end_grace_period();
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

    /// Another host that reports addresses of `lease`, if there is one.
    pub(super) fn claimant(&self, lease: &Lease) -> Option<NodeName> {
        let mut claims = self.claims.iter();
        let ((host, _), _) =
            claims.find(|((h, _), c)| h != &lease.host && overlap(c.prefix, lease.prefix))?;
        Some(host.clone())
    }
}
