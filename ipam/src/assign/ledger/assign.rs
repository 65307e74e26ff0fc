//! Giving hosts what is theirs.

use super::carve::without;
use super::*;
use crate::assign::declared::DeclaredRange;
use flatnet_types::ipamd::WaitReason;

impl Ledger {
    /// The ranges of `host`, which gets them with this if it had none.
    ///
    /// # Errors
    /// [`AssignError::UnknownHost`].
    pub fn ask(&mut self, host: &NodeName, now: Timestamp) -> Result<(), AssignError> {
        self.tick(now);
        if !self.declared.hosts().contains_key(host) && !self.by_host.contains_key(host) {
            return Err(AssignError::UnknownHost { host: host.clone() });
        }
        self.settle_host(host, now);
        Ok(())
    }

    /// Whether `host` needs no [`Ledger::ask`]: it has asked, and waits for nothing.
    pub fn is_served(&self, host: &NodeName) -> bool {
        self.revisions.contains_key(host) && !self.waiting.contains_key(host)
    }

    /// Goes over to another plan.
    pub fn declare(&mut self, declared: Arc<Declared>, now: Timestamp) -> PlanOutcome {
        self.declared = declared;
        if self.settling != Settling::No {
            let hosts = self.declared.hosts().keys().cloned();
            self.awaited.extend(hosts);
        }
        self.cursors.clear();
        self.tick(now);
        // What is another's by the new plan is drained before anybody is given anything.
        let hosts: BTreeSet<NodeName> = self.revisions.keys().cloned().collect();
        let mut outcome = PlanOutcome::default();
        for host in &hosts {
            self.judge(host, &mut outcome);
        }
        for host in &hosts {
            self.settle_host(host, now);
        }
        outcome.waiting = self.waiting.values().map(Vec::len).sum();
        outcome
    }

    /// Ends rests that are over and the time of settling, and gives what hosts wait for.
    pub fn tick(&mut self, now: Timestamp) {
        let rest = self.config.rest;
        let over: Vec<Key> = self
            .resting
            .iter()
            .take_while(|(since, _)| since.saturating_add(rest) <= now)
            .map(|(_, key)| *key)
            .collect();
        let mut free = !over.is_empty();
        for key in over {
            self.remove(key);
        }
        if self.settling != Settling::No && !self.is_settling(now) {
            self.settled();
            free = true;
        }
        if free {
            self.serve_waiting(now);
        }
        self.end_settling_if_all_reported(now);
    }

    /// Gives what hosts wait for, as far as it has become free.
    pub(super) fn serve_waiting(&mut self, now: Timestamp) {
        let hosts: Vec<NodeName> = self.waiting.keys().cloned().collect();
        for host in hosts {
            self.settle_host(&host, now);
        }
    }

    /// Drains what the plan no longer gives to `host`, and takes back drains of what it
    /// gives it again. A range that grew or shrank is left to [`Ledger::settle_host`].
    fn judge(&mut self, host: &NodeName, outcome: &mut PlanOutcome) {
        let leases: Vec<Lease> = self.of_host(host).cloned().collect();
        for mut lease in leases {
            let wanted = self.is_wanted(&lease);
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

    /// Whether the plan gives the addresses of `lease` to its host: by name, as a part of a
    /// range by name (then it is about to grow), as a range with a part by name (it is
    /// about to shrink), or as a slice.
    pub(super) fn is_wanted(&self, lease: &Lease) -> bool {
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
        self.declared.cuts(&lease.host, &lease.network, family)
            && self.declared.overlapping(lease.prefix).is_none()
            && network.pools.iter().any(in_pool)
    }

    /// Gives `host` what the plan gives it and nobody else has, and notes what it waits for.
    pub(super) fn settle_host(&mut self, host: &NodeName, now: Timestamp) {
        let mut waiting = Vec::new();
        let declared = Arc::clone(&self.declared);
        if let Some(of_plan) = declared.hosts().get(host) {
            for range in &of_plan.ranges {
                if let Err(wait) = self.settle_range(host, range, now) {
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
                        && declared.cuts(host, name, family)
                        && let Err(wait) = self.settle_slice(host, name, family, now)
                    {
                        waiting.push(wait);
                    }
                }
            }
        }
        if !self.revisions.contains_key(host) {
            self.touch(host);
        }
        let before = self.waiting.get(host);
        if before.map_or(&[][..], Vec::as_slice) != waiting.as_slice() {
            self.next_sequence();
            self.touch(host);
        }
        if waiting.is_empty() {
            self.waiting.remove(host);
        } else {
            self.waiting.insert(host.clone(), waiting);
        }
    }

    /// Gives `host` a range that the plan gives it by name.
    fn settle_range(
        &mut self,
        host: &NodeName,
        range: &DeclaredRange,
        now: Timestamp,
    ) -> Result<(), Waiting> {
        let mut mine = Vec::new();
        for lease in self.overlapping(range.prefix) {
            if &lease.host != host {
                return Err(blocked_by(range, lease));
            }
            mine.push(lease.clone());
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
                format!("host {other} shows that it uses addresses of it: drain it there"),
            ));
        }
        if let [lease] = mine.as_slice()
            && lease.prefix == range.prefix
            && lease.network == range.network
        {
            return match lease.state {
                LeaseState::Active | LeaseState::Draining { .. } => Ok(()),
                LeaseState::Resting { drained: true, .. } => Err(blocked_by(range, lease)),
                LeaseState::Resting { .. } if self.is_settling(now) => {
                    Err(settling(&range.network, Some(range.prefix)))
                }
                LeaseState::Resting { .. } => {
                    let mut lease = lease.clone();
                    lease.state = LeaseState::Active;
                    self.put(lease);
                    Ok(())
                }
            };
        }
        // Of another network: its addresses must first be let go of.
        if let Some(lease) = mine.iter().find(|l| l.network != range.network) {
            return Err(blocked_by(range, lease));
        }
        if let Some(lease) = mine
            .iter()
            .find(|l| matches!(l.state, LeaseState::Resting { drained: true, .. }))
        {
            return Err(blocked_by(range, lease));
        }
        // Only what the host has already is sure to be nobody else's.
        let shown = |l: &Lease| l.is_held() && !self.unconfirmed.contains(&key_of(l.prefix));
        let had = mine
            .iter()
            .any(|l| shown(l) && covers(l.prefix, range.prefix));
        if !had && self.is_settling(now) {
            return Err(settling(&range.network, Some(range.prefix)));
        }
        // It grew (it covers what the host has) or shrank (the host has more around it).
        for lease in mine {
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
        self.grant(host, &range.network, range.prefix, Source::Plan, now);
        Ok(())
    }

    /// Gives `host` a slice of a network, if it has none of the family.
    fn settle_slice(
        &mut self,
        host: &NodeName,
        network: &NetworkName,
        family: Family,
        now: Timestamp,
    ) -> Result<(), Waiting> {
        let of_network = |l: &&Lease| {
            &l.network == network && Family::of(l.prefix.ip()) == family && self.is_wanted(l)
        };
        let mut resting = Vec::new();
        for lease in self.of_host(host).filter(of_network) {
            match lease.state {
                LeaseState::Active
                | LeaseState::Draining {
                    reason: DrainReason::Admin | DrainReason::Contested,
                } => return Ok(()),
                LeaseState::Draining {
                    reason: DrainReason::Plan,
                } => {}
                LeaseState::Resting { drained: true, .. } => {
                    return Err(wait(
                        network,
                        Some(lease.prefix),
                        WaitReason::Resting,
                        "it was drained and released, and rests".to_owned(),
                    ));
                }
                LeaseState::Resting { .. } => resting.push(lease.clone()),
            }
        }
        if self.is_settling(now) {
            return Err(settling(network, None));
        }
        if let Some(mut lease) = resting.into_iter().next() {
            lease.state = LeaseState::Active;
            self.put(lease);
            return Ok(());
        }
        match self.cut(host, network, family, now) {
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

    /// Cuts one slice for `host`, whether it has one or not.
    pub(super) fn cut(
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
            self.grant(host, network, slice, Source::Carved, now);
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

pub(super) fn settling(network: &NetworkName, prefix: Option<IpNetwork>) -> Waiting {
    wait(
        network,
        prefix,
        WaitReason::Settling,
        "ipamd has just started and first hears what hosts hold".to_owned(),
    )
}

fn blocked_by(range: &DeclaredRange, lease: &Lease) -> Waiting {
    let (reason, what) = match lease.state {
        LeaseState::Active | LeaseState::Draining { .. } => (
            WaitReason::Owned,
            format!(
                "host {} holds {} of network {}, which drains: it is free when the host has let go of it, or when it is released by force",
                lease.host, lease.prefix, lease.network
            ),
        ),
        LeaseState::Resting { .. } => (
            WaitReason::Resting,
            format!(
                "host {} has let go of {}, which rests",
                lease.host, lease.prefix
            ),
        ),
    };
    wait(&range.network, Some(range.prefix), reason, what)
}
