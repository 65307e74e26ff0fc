//! Granting ranges: those that the plan names, and slices of pools.

use super::sub_allocate::without;
use super::*;
use crate::assign::declared::DeclaredRange;
use flatnet_types::ipamd::WaitReason;

impl Ledger {
    /// Grants `host` the ranges that the plan gives it, unless it has them already.
    ///
    /// # Errors
    /// [`AssignError::UnknownHost`].
    pub fn ask(&mut self, host: &NodeName, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        if !self.declared.hosts().contains_key(host) && !self.by_host.contains_key(host) {
            return Err(AssignError::UnknownHost { host: host.clone() });
        }
        self.assign_host(host, now);
        Ok(())
    }

    /// Grants every host of the plan what the plan gives it, asked for or not.
    pub fn ask_all(&mut self, now: Timestamp) {
        self.tick(now);
        let declared = Arc::clone(&self.declared);
        for host in declared.hosts().keys() {
            if !self.is_served(host) {
                self.assign_host(host, now);
            }
        }
    }

    /// Whether [`Ledger::ask`] would change nothing: the host has asked before and waits for
    /// nothing.
    pub fn is_served(&self, host: &NodeName) -> bool {
        self.revisions.contains_key(host) && !self.waiting.contains_key(host)
    }

    /// Puts another plan in force.
    pub fn declare(&mut self, declared: Arc<Declared>, now: Timestamp) -> PlanOutcome {
        self.declared = declared;
        if self.grace != Grace::Over {
            let hosts = self.declared.hosts().keys().cloned();
            self.awaited.extend(hosts);
        }
        self.cursors.clear();
        self.tick(now);
        // Leases that the new plan gives to another host are drained before anything is granted.
        let hosts: BTreeSet<NodeName> = self.revisions.keys().cloned().collect();
        let mut outcome = PlanOutcome::default();
        for host in &hosts {
            self.drain_unwanted(host, &mut outcome);
        }
        for host in &hosts {
            self.assign_host(host, now);
        }
        outcome.waiting = self.waiting.values().map(Vec::len).sum();
        outcome
    }

    /// Ends quarantines and the grace period if their time is over, and grants what hosts wait for.
    pub fn tick(&mut self, now: Timestamp) {
        let quarantine = self.config.quarantine;
        let over: Vec<Key> = self
            .quarantined
            .iter()
            .take_while(|(since, _)| since.saturating_add(quarantine) <= now)
            .map(|(_, key)| *key)
            .collect();
        let mut free = !over.is_empty();
        for key in over {
            self.remove(key);
        }
        if self.grace != Grace::Over && !self.in_grace_period(now) {
            self.end_grace_period();
            free = true;
        }
        if free {
            self.serve_waiting(now);
        }
        self.end_grace_period_if_all_reported(now);
    }

    /// Grants what hosts wait for, as far as it has become free.
    pub(super) fn serve_waiting(&mut self, now: Timestamp) {
        let hosts: Vec<NodeName> = self.waiting.keys().cloned().collect();
        for host in hosts {
            self.assign_host(&host, now);
        }
    }

    /// Drains leases that the plan no longer gives to `host`, and cancels such drains if the plan
    /// gives the range to it again. A range that grew or shrank is left to
    /// [`Ledger::assign_host`].
    fn drain_unwanted(&mut self, host: &NodeName, outcome: &mut PlanOutcome) {
        let leases: Vec<Lease> = self.of_host(host).cloned().collect();
        for mut lease in leases {
            let wanted = self.is_in_plan(&lease);
            match lease.state {
                LeaseState::Active if !wanted => {
                    outcome.drained.push((host.clone(), lease.prefix));
                    lease.state = LeaseState::Draining {
                        reason: DrainReason::Plan,
                    };
                    self.put(lease);
                }
                LeaseState::Draining {
                    reason: DrainReason::Plan,
                } if wanted => {
                    lease.state = LeaseState::Active;
                    self.put(lease);
                }
                _ => {}
            }
        }
    }

    /// Whether the plan gives the addresses of `lease` to its host. It does if it names the range
    /// for the host, or a range that covers it (then the lease is about to grow), or a part of it
    /// (it is about to shrink), or if the lease is a slice that the host may have.
    pub(super) fn is_in_plan(&self, lease: &Lease) -> bool {
        let Some(host) = self.declared.hosts().get(&lease.host) else {
            return false;
        };
        let by_name = host.ranges.iter().any(|r| {
            r.network == lease.network
                && (covers(r.prefix, lease.prefix) || covers(lease.prefix, r.prefix))
        });
        by_name || self.is_slice(lease)
    }

    /// Whether `lease` is a slice that the plan lets its host have.
    fn is_slice(&self, lease: &Lease) -> bool {
        let family = Family::of(lease.prefix.ip());
        let Some(network) = self.declared.networks().get(&lease.network) else {
            return false;
        };
        let in_pool = |pool: &crate::assign::declared::DeclaredPool| {
            pool.slice.is_some()
                && covers(pool.prefix, lease.prefix)
                && !pool.blocked.iter().any(|b| overlap(*b, lease.prefix))
        };
        self.declared
            .may_sub_allocate(&lease.host, &lease.network, family)
            && self.declared.overlapping(lease.prefix).is_none()
            && network.pools.iter().any(in_pool)
    }

    /// Grants `host` what the plan gives it and no other host holds, and records what it waits
    /// for.
    pub(super) fn assign_host(&mut self, host: &NodeName, now: Timestamp) {
        let mut waiting = Vec::new();
        let declared = Arc::clone(&self.declared);
        if let Some(of_plan) = declared.hosts().get(host) {
            for range in &of_plan.ranges {
                if let Err(wait) = self.assign_range(host, range, now) {
                    waiting.push(wait);
                }
            }
            for (name, network) in declared.networks() {
                for family in [Family::V4, Family::V6] {
                    let sliced = network
                        .pools
                        .iter()
                        .any(|p| p.slice.is_some() && Family::of(p.prefix.ip()) == family);
                    if sliced
                        && declared.may_sub_allocate(host, name, family)
                        && let Err(wait) = self.assign_slice(host, name, family, now)
                    {
                        waiting.push(wait);
                    }
                }
            }
        }
        if !self.revisions.contains_key(host) {
            self.mark_changed(host);
        }
        let before = self.waiting.get(host);
        if before.map_or(&[][..], Vec::as_slice) != waiting.as_slice() {
            self.next_sequence();
            self.mark_changed(host);
        }
        if waiting.is_empty() {
            self.waiting.remove(host);
        } else {
            self.waiting.insert(host.clone(), waiting);
        }
    }

    /// Grants `host` a range that the plan names for it.
    fn assign_range(
        &mut self,
        host: &NodeName,
        range: &DeclaredRange,
        now: Timestamp,
    ) -> Result<(), Waiting> {
        let mut own = Vec::new();
        for lease in self.overlapping(range.prefix) {
            if &lease.host != host {
                return Err(blocked_by(range, lease));
            }
            own.push(lease.clone());
        }
        if let Some(((other, _), _)) = self
            .claims
            .iter()
            .find(|((h, _), c)| h != host && overlap(c.prefix, range.prefix))
        {
            return Err(wait(
                &range.network,
                Some(range.prefix),
                WaitReason::Owned,
                format!("host {other} reports that it uses addresses of it: drain it there"),
            ));
        }
        if let [lease] = own.as_slice()
            && lease.prefix == range.prefix
            && lease.network == range.network
        {
            return match lease.state {
                LeaseState::Active | LeaseState::Draining { .. } => Ok(()),
                LeaseState::Quarantined { drained: true, .. } => Err(blocked_by(range, lease)),
                LeaseState::Quarantined { .. } if self.in_grace_period(now) => {
                    Err(grace_period_wait(&range.network, Some(range.prefix)))
                }
                LeaseState::Quarantined { .. } => {
                    let mut lease = lease.clone();
                    lease.state = LeaseState::Active;
                    self.put(lease);
                    Ok(())
                }
            };
        }
        // A range of another network: it must be released first.
        if let Some(lease) = own.iter().find(|l| l.network != range.network) {
            return Err(blocked_by(range, lease));
        }
        if let Some(lease) = own
            .iter()
            .find(|l| matches!(l.state, LeaseState::Quarantined { drained: true, .. }))
        {
            return Err(blocked_by(range, lease));
        }
        // In the grace period only what the host has reported is known to be free of others.
        let confirmed = |l: &Lease| l.is_held() && !self.unconfirmed.contains(&key_of(l.prefix));
        let had = own
            .iter()
            .any(|l| confirmed(l) && covers(l.prefix, range.prefix));
        if !had && self.in_grace_period(now) {
            return Err(grace_period_wait(&range.network, Some(range.prefix)));
        }
        // The range grew (it covers the host's leases) or shrank (the host's lease covers it): a
        // lease of 10.0.0.0/24 whose range is now 10.0.0.0/25 leaves 10.0.0.128/25 to drain.
        for lease in own {
            self.remove(key_of(lease.prefix));
            if covers(range.prefix, lease.prefix) {
                continue;
            }
            for piece in without(lease.prefix, range.prefix) {
                self.put(Lease {
                    prefix: piece,
                    state: match lease.state {
                        LeaseState::Active => LeaseState::Draining {
                            reason: DrainReason::Plan,
                        },
                        other => other,
                    },
                    ..lease.clone()
                });
            }
        }
        self.grant(host, &range.network, range.prefix, LeaseSource::Plan, now);
        Ok(())
    }

    /// Grants `host` a slice of a network, if it has none of the family.
    fn assign_slice(
        &mut self,
        host: &NodeName,
        network: &NetworkName,
        family: Family,
        now: Timestamp,
    ) -> Result<(), Waiting> {
        let of_network = |l: &&Lease| {
            &l.network == network && Family::of(l.prefix.ip()) == family && self.is_in_plan(l)
        };
        let mut quarantined = Vec::new();
        for lease in self.of_host(host).filter(of_network) {
            match lease.state {
                LeaseState::Active
                | LeaseState::Draining {
                    reason: DrainReason::Admin | DrainReason::Contested,
                } => return Ok(()),
                LeaseState::Draining {
                    reason: DrainReason::Plan,
                } => {}
                LeaseState::Quarantined { drained: true, .. } => {
                    return Err(wait(
                        network,
                        Some(lease.prefix),
                        WaitReason::Quarantined,
                        "it was drained and released, and is in quarantine".to_owned(),
                    ));
                }
                LeaseState::Quarantined { .. } => quarantined.push(lease.clone()),
            }
        }
        if self.in_grace_period(now) {
            return Err(grace_period_wait(network, None));
        }
        if let Some(mut lease) = quarantined.into_iter().next() {
            lease.state = LeaseState::Active;
            self.put(lease);
            return Ok(());
        }
        match self.sub_allocate(host, network, family, now) {
            true => Ok(()),
            false => Err(wait(
                network,
                None,
                WaitReason::Exhausted,
                format!(
                    "no pool of {network} has a free {family} slice: add a pool to the plan, or release ranges that nobody needs"
                ),
            )),
        }
    }

    /// Sub-allocates one slice to `host`, whether it has one or not. `false` if no pool has a free
    /// slice.
    pub(super) fn sub_allocate(
        &mut self,
        host: &NodeName,
        network: &NetworkName,
        family: Family,
        now: Timestamp,
    ) -> bool {
        let declared = Arc::clone(&self.declared);
        let pools = declared.networks().get(network).map(|n| n.pools.as_slice());
        let mut pools = pools
            .unwrap_or_default()
            .iter()
            .filter(|p| Family::of(p.prefix.ip()) == family);
        let slice = pools.find_map(|pool| self.free_slice(network, pool));
        if let Some(slice) = slice {
            self.grant(host, network, slice, LeaseSource::SubAllocated, now);
        }
        slice.is_some()
    }
}

fn wait(
    network: &NetworkName,
    prefix: Option<IpNetwork>,
    reason: WaitReason,
    message: String,
) -> Waiting {
    Waiting {
        network: network.clone(),
        prefix,
        reason,
        message,
    }
}

pub(super) fn grace_period_wait(network: &NetworkName, prefix: Option<IpNetwork>) -> Waiting {
    wait(
        network,
        prefix,
        WaitReason::GracePeriod,
        "ipamd has just started and first collects what hosts hold".to_owned(),
    )
}

fn blocked_by(range: &DeclaredRange, lease: &Lease) -> Waiting {
    let (reason, what) = match lease.state {
        LeaseState::Active | LeaseState::Draining { .. } => (
            WaitReason::Owned,
            format!(
                "host {} holds {} of network {}, which drains: it is free when the host has released it, or when it is released by force",
                lease.host, lease.prefix, lease.network
            ),
        ),
        LeaseState::Quarantined { .. } => (
            WaitReason::Quarantined,
            format!(
                "host {} has released {}, which is in quarantine",
                lease.host, lease.prefix
            ),
        ),
    };
    wait(&range.network, Some(range.prefix), reason, what)
}
