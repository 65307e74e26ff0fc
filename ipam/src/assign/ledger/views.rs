//! Answers to queries.

use super::*;
use crate::assign::declared::Segment;
use flatnet_types::ipamd::{HostGrant, LeaseView};

/// A lease as programs that route to its host see it; `None` if it is in quarantine.
fn granted(lease: &Lease) -> Option<HostGrant> {
    Some(HostGrant {
        host: lease.host.clone(),
        network: lease.network.clone(),
        prefix: lease.prefix,
        state: grant_state(lease)?,
    })
}

fn grant_state(lease: &Lease) -> Option<GrantState> {
    match lease.state {
        LeaseState::Active => Some(GrantState::Active),
        LeaseState::Draining { .. } => Some(GrantState::Draining),
        LeaseState::Quarantined { .. } => None,
    }
}

impl Ledger {
    /// The answer to `host`; `None` for a host that never asked.
    pub fn ranges_of(&self, host: &NodeName) -> Option<HostRanges> {
        let revision = self.revisions.get(host)?;
        let hidden = |lease: &&Lease| self.unconfirmed.contains(&key_of(lease.prefix));
        let mut waiting = self.waiting.get(host).cloned().unwrap_or_default();
        let unconfirmed = self.of_host(host).filter(hidden);
        waiting.extend(
            unconfirmed.map(|l| super::assign::grace_period_wait(&l.network, Some(l.prefix))),
        );
        let mut ranges: Vec<RangeGrant> = self
            .of_host(host)
            .filter(|lease| !hidden(lease))
            .filter_map(|lease| {
                Some(RangeGrant {
                    lease: lease.id,
                    ledger: lease.ledger,
                    network: lease.network.clone(),
                    prefix: lease.prefix,
                    state: grant_state(lease)?,
                })
            })
            .collect();
        // A range that it reports and another host owns: its addresses stay in use, and it assigns
        // no more of them.
        let contested = self.claims.iter().filter(|((h, _), _)| h == host);
        ranges.extend(contested.map(|(_, claim)| RangeGrant {
            lease: claim.lease,
            ledger: claim.ledger,
            network: claim.network.clone(),
            prefix: claim.prefix,
            state: GrantState::Draining,
        }));
        Some(HostRanges {
            host: host.clone(),
            revision: format!("{}-{revision}", self.incarnation),
            ledger: self.incarnation,
            ranges,
            waiting,
        })
    }

    /// What every host holds, whether it has reported it since the start or not.
    pub fn grants(&self) -> Vec<HostGrant> {
        self.leases.values().filter_map(granted).collect()
    }

    /// What the other hosts of the segment of `host` hold.
    pub fn peers_of(&self, host: &NodeName, segment: &Segment) -> Vec<HostGrant> {
        let members = self.declared.members(segment).iter();
        let others = members.filter(|member| *member != host);
        let mut found: Vec<HostGrant> = others
            .flat_map(|member| self.of_host(member).filter_map(granted))
            .collect();
        found.sort_by_key(|grant| key_of(grant.prefix));
        found
    }

    /// Every lease, and what hosts wait for.
    pub fn list(&self, now: Timestamp) -> Listing {
        Listing {
            ledger: self.incarnation,
            in_grace_period: self.in_grace_period(now),
            ranges: self.leases.values().map(|l| self.view(l)).collect(),
            waiting: self
                .waiting
                .iter()
                .flat_map(|(host, waiting)| {
                    waiting.iter().map(|waiting| HostWaiting {
                        host: host.clone(),
                        waiting: waiting.clone(),
                    })
                })
                .collect(),
        }
    }

    /// Number of leases, and number of ranges that hosts wait for.
    pub fn counts(&self) -> (usize, usize) {
        let waiting = self.waiting.values().map(Vec::len).sum();
        (self.leases.len(), waiting)
    }

    /// Who owns `address`.
    pub fn owner(&self, address: IpAddr) -> OwnerView {
        let host = IpNetwork::from(address);
        let inside = |prefix: IpNetwork| covers(prefix, host);
        OwnerView {
            address,
            lease: self.overlapping(host).next().map(|l| self.view(l)),
            declared: self
                .declared
                .ranges()
                .find(|(_, r)| inside(r.prefix))
                .map(|(host, _)| host.clone()),
            pools: self
                .declared
                .networks()
                .iter()
                .flat_map(|(name, network)| network.pools.iter().map(move |p| (name, p.prefix)))
                .filter(|(_, pool)| inside(*pool))
                .map(|(name, pool)| PoolRef {
                    network: name.clone(),
                    pool,
                })
                .collect(),
        }
    }

    fn view(&self, lease: &Lease) -> LeaseView {
        let usage = self.usage.get(&key_of(lease.prefix));
        LeaseView {
            lease: lease.clone(),
            used: usage.map(|u| u.used),
            capacity: usage.map(|u| u.capacity),
            reported_at: usage.map(|u| u.at),
        }
    }
}
