//! The part of the plan that the ledger needs: networks, pools, hosts and their ranges.

use std::collections::BTreeMap;

use flatnet_types::{NetworkName, NodeName};
use ipnetwork::IpNetwork;
use thiserror::Error;

use super::keys::{Key, ends, key_of};
use crate::range::Family;

/// Networks, pools, hosts and ranges of a plan.
///
/// # Guarantees
/// - No two declared ranges have an address in common.
/// - Every slice length fits its pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    networks: BTreeMap<NetworkName, DeclaredNetwork>,
    hosts: BTreeMap<NodeName, DeclaredHost>,
    /// By first address: last address and host of each declared range.
    taken: BTreeMap<Key, (u128, NodeName)>,
    segments: BTreeMap<Segment, Vec<NodeName>>,
}

/// A network and its pools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredNetwork {
    /// The site that it is in.
    pub site: String,
    /// The Kubernetes cluster whose hosts get slices of it; `None` if the plan names none.
    pub cluster: Option<String>,
    /// In the order in which slices are sub-allocated from them.
    pub pools: Vec<DeclaredPool>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPool {
    /// All addresses of the pool.
    pub prefix: IpNetwork,
    /// Prefix length of the slices of hosts to which the plan gives no range; `None` if the pool is
    /// not sub-allocated.
    pub slice: Option<u8>,
    /// Prefixes that no slice may overlap: exclusions, reservations, infrastructure addresses.
    pub blocked: Vec<IpNetwork>,
}

/// A link that hosts share, and on which they route to each other: a VPC's site and vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Segment {
    /// Name of the VPC's site.
    pub site: String,
    /// The vSwitch.
    pub name: String,
}

/// A host and the ranges that the plan gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredHost {
    /// Its site: its slices are of this site's networks.
    pub site: String,
    /// Its Kubernetes cluster; `None` if the plan names none.
    pub cluster: Option<String>,
    /// The segment whose hosts it routes to; `None` in an IDC.
    pub segment: Option<Segment>,
    /// The ranges that the plan gives it; if empty, it may get slices.
    pub ranges: Vec<DeclaredRange>,
}

/// A range that the plan gives to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRange {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
}

/// Invalid declaration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeclaredError {
    /// Two hosts, or one host twice, are given the same addresses.
    #[error(
        "the range {prefix} of host {host} overlaps one of host {other}: give each address to one host"
    )]
    Overlap {
        /// The range as a prefix.
        prefix: IpNetwork,
        /// Name of the host that it is given to.
        host: NodeName,
        /// The other host that has it; the same host if it has two overlapping ranges.
        other: NodeName,
    },
    /// The slice length is shorter than the pool's prefix length, longer than an address, or 0.
    #[error(
        "slices of /{slice} cannot be sub-allocated from the pool {pool} of network {network}: a length from {} to {longest} is wanted",
        pool.prefix()
    )]
    Slice {
        /// Name of the network in the plan.
        network: NetworkName,
        /// The pool as a prefix.
        pool: IpNetwork,
        /// The slice length in the plan.
        slice: u8,
        /// The longest prefix length of the pool's family: 32 or 128.
        longest: u8,
    },
}

impl Declared {
    /// Checks a declaration.
    ///
    /// # Errors
    /// [`DeclaredError`].
    pub fn new(
        networks: BTreeMap<NetworkName, DeclaredNetwork>,
        hosts: BTreeMap<NodeName, DeclaredHost>,
    ) -> Result<Self, DeclaredError> {
        for (name, network) in &networks {
            for pool in &network.pools {
                let longest = if pool.prefix.is_ipv4() { 32 } else { 128 };
                if let Some(slice) = pool.slice
                    && (slice < pool.prefix.prefix() || slice > longest || slice == 0)
                {
                    return Err(DeclaredError::Slice {
                        network: name.clone(),
                        pool: pool.prefix,
                        slice,
                        longest,
                    });
                }
            }
        }
        let mut taken: BTreeMap<Key, (u128, NodeName)> = BTreeMap::new();
        for (name, host) in &hosts {
            for range in &host.ranges {
                if let Some((_, _, other)) = first_overlap(&taken, range.prefix) {
                    return Err(DeclaredError::Overlap {
                        prefix: range.prefix,
                        host: name.clone(),
                        other: other.clone(),
                    });
                }
                taken.insert(key_of(range.prefix), (ends(range.prefix).1, name.clone()));
            }
        }
        let mut segments: BTreeMap<Segment, Vec<NodeName>> = BTreeMap::new();
        for (name, host) in &hosts {
            if let Some(segment) = &host.segment {
                segments
                    .entry(segment.clone())
                    .or_default()
                    .push(name.clone());
            }
        }
        Ok(Self {
            networks,
            hosts,
            taken,
            segments,
        })
    }

    /// The declared networks, by name.
    pub fn networks(&self) -> &BTreeMap<NetworkName, DeclaredNetwork> {
        &self.networks
    }

    /// The declared hosts, by name.
    pub fn hosts(&self) -> &BTreeMap<NodeName, DeclaredHost> {
        &self.hosts
    }

    /// The hosts of a segment.
    pub fn members(&self, segment: &Segment) -> &[NodeName] {
        self.segments.get(segment).map_or(&[], Vec::as_slice)
    }

    /// Every declared range with its host.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (&NodeName, &DeclaredRange)> {
        self.hosts
            .iter()
            .flat_map(|(name, host)| host.ranges.iter().map(move |range| (name, range)))
    }

    /// The last address, as a number, of a declared range that overlaps `prefix`.
    pub(super) fn overlapping(&self, prefix: IpNetwork) -> Option<u128> {
        first_overlap(&self.taken, prefix).map(|(_, last, _)| last)
    }

    /// Whether `host` gets slices of `network` in the family: it is in the network's site and
    /// cluster, and the plan gives it no range of the network in that family.
    pub(super) fn may_sub_allocate(
        &self,
        host: &NodeName,
        network: &NetworkName,
        family: Family,
    ) -> bool {
        let (Some(host), Some(network_of)) = (self.hosts.get(host), self.networks.get(network))
        else {
            return false;
        };
        host.site == network_of.site
            && host.cluster == network_of.cluster
            && !host
                .ranges
                .iter()
                .any(|r| &r.network == network && Family::of(r.prefix.ip()) == family)
    }
}

/// The first of non-overlapping intervals that overlaps `prefix`.
fn first_overlap(
    taken: &BTreeMap<Key, (u128, NodeName)>,
    prefix: IpNetwork,
) -> Option<(Key, u128, &NodeName)> {
    let (family, first) = key_of(prefix);
    let (_, last) = ends(prefix);
    let before = taken.range(..=(family, first)).next_back();
    let before = before.filter(|((f, _), (end, _))| *f == family && *end >= first);
    let after = || {
        let mut after = taken.range((family, first)..=(family, last));
        after.next()
    };
    let (key, (end, host)) = before.or_else(after)?;
    Some((*key, *end, host))
}
