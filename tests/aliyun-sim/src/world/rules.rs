//! What the API lets through: destinations, next hops, quotas, states.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network};

use super::model::{Health, Hop, Router, Status, Table, contains};
use super::{Entry, World};
use crate::config::SharedAddressSpace;
use crate::error::ApiError;

/// Next hops of an ECMP entry, at most.
const ECMP_MOST: usize = 4;
/// 100.64.0.0/10 (RFC 6598), which the cloud's own services use.
const SHARED: (std::net::Ipv4Addr, u8) = (std::net::Ipv4Addr::new(100, 64, 0, 0), 10);

/// Reads a destination; a bare address is a prefix of full length.
///
/// # Errors
/// [`ApiError::MalformedCidrBlock`] if it is not a CIDR block or has host bits.
pub fn parse_destination(text: &str) -> Result<IpNetwork, ApiError> {
    let malformed = || ApiError::MalformedCidrBlock(text.to_owned());
    let network: IpNetwork = if text.contains('/') {
        text.parse().map_err(|_| malformed())?
    } else {
        text.parse::<IpAddr>()
            .map(IpNetwork::from)
            .map_err(|_| malformed())?
    };
    if network.ip() == network.network() {
        Ok(network)
    } else {
        Err(malformed())
    }
}

/// 100.64.0.0/10 as a network.
pub(super) fn shared_space() -> Option<IpNetwork> {
    Ipv4Network::new(SHARED.0, SHARED.1).ok().map(IpNetwork::V4)
}

impl World {
    pub(super) fn table(&self, id: &str) -> Result<&Table, ApiError> {
        let missing = || ApiError::RouteTableNotFound(id.to_owned());
        self.tables.get(id).ok_or_else(missing)
    }

    /// Whether the router of a table takes a write now.
    ///
    /// # Errors
    /// Why not; a table that is not there among it.
    pub(crate) fn check_table(&self, table_id: &str) -> Result<(), ApiError> {
        let table = self.table(table_id)?;
        if table.health != Health::Available {
            return Err(ApiError::IncorrectRouteTableStatus(table_id.to_owned()));
        }
        if let Router::Vpc(id) = &table.router
            && let Some(vpc) = self.vpcs.get(id)
        {
            if vpc.health != Health::Available {
                return Err(ApiError::IncorrectVpcStatus(id.clone()));
            }
            let mut switches = vpc.v_switches.iter();
            if let Some((id, _)) = switches.find(|(_, v)| v.health != Health::Available) {
                return Err(ApiError::IncorrectVSwitchStatus(id.clone()));
            }
        }
        if self.is_stable(&table.router) {
            Ok(())
        } else {
            Err(ApiError::TaskConflict)
        }
    }

    /// Whether every entry of a router is Available.
    pub fn is_stable(&self, router: &Router) -> bool {
        self.entries.values().all(|entry| {
            entry.state.status() == Status::Available
                || self
                    .tables
                    .get(&entry.table)
                    .is_none_or(|t| t.router != *router)
        })
    }

    /// Whether a destination may stand in a table beside what is there.
    pub(super) fn check_destination(
        &self,
        table_id: &str,
        destination: IpNetwork,
        hops: &[Hop],
    ) -> Result<(), ApiError> {
        let table = self.table(table_id)?;
        let text = || destination.to_string();
        if let Some(shared) = shared_space()
            && contains(shared, destination)
            && (self.shared == SharedAddressSpace::Forbidden || destination == shared)
        {
            return Err(ApiError::InvalidCidrBlock(text()));
        }
        if let Router::Vpc(id) = &table.router
            && let Some(vpc) = self.vpcs.get(id)
        {
            if !destination.is_ipv4() && vpc.ipv6_cidr.is_none() {
                return Err(ApiError::InvalidCidrBlock(text()));
            }
            let switches = vpc.v_switches.values();
            for cidr in switches.flat_map(|v| std::iter::once(v.cidr).chain(v.ipv6_cidr)) {
                if cidr == destination {
                    return Err(ApiError::RouteConflict(text()));
                }
                if contains(cidr, destination) {
                    return Err(ApiError::InvalidCidrBlock(text()));
                }
            }
        }
        let same = self
            .entries_of(table_id)
            .find(|(_, e)| e.destination == destination);
        match (same, &table.router) {
            (None, _) => Ok(()),
            (Some((_, entry)), _) if !same_hops(&entry.hops, hops) => {
                Err(ApiError::CidrDuplicate(text()))
            }
            (Some(_), Router::Vpc(_)) => Err(ApiError::EntryDuplicate(text())),
            (Some(_), Router::Vbr(_)) => Err(ApiError::VbrDuplicate(text())),
        }
    }

    /// Whether there is room for one more.
    pub(super) fn check_quota(&self, table_id: &str) -> Result<(), ApiError> {
        let table = self.table(table_id)?;
        let quota = table.quota;
        if self.entries_of(table_id).count() + table.foreign.len() < quota {
            return Ok(());
        }
        Err(ApiError::QuotaExceeded {
            table: table_id.to_owned(),
            quota,
        })
    }

    /// Whether a table's router can reach the next hops, and their number is allowed.
    pub(super) fn check_hops(&self, table_id: &str, hops: &[Hop]) -> Result<(), ApiError> {
        let table = self.table(table_id)?;
        let list = ApiError::IllegalParam("NextHopList");
        match hops {
            [] => return Err(ApiError::NextHopTypeAndListNull),
            [one] => self.check_hop(table, one)?,
            [first, rest @ ..] => {
                let same_type = rest.iter().all(|h| h.hop_type == first.hop_type);
                if hops.len() > ECMP_MOST || !same_type {
                    return Err(list);
                }
                for (n, hop) in hops.iter().enumerate() {
                    if hops[..n].iter().any(|h| h.id == hop.id) {
                        return Err(list);
                    }
                    self.check_hop(table, hop)?;
                }
            }
        }
        Ok(())
    }

    fn check_hop(&self, table: &Table, hop: &Hop) -> Result<(), ApiError> {
        if hop.weight > 255 {
            return Err(ApiError::IllegalParam("NextHopList.Weight"));
        }
        let missing = || ApiError::NextHopNotFound(hop.id.clone());
        if hop.hop_type == "RouterInterface" {
            let of_router = self.interfaces.get(&hop.id).map(|i| &i.router);
            let of_line = match &table.router {
                Router::Vbr(id) => self.vbrs.get(id).map(|v| v.vlan_interface.as_str()),
                Router::Vpc(_) => None,
            };
            let known = of_router == Some(&table.router) || of_line == Some(hop.id.as_str());
            return if known { Ok(()) } else { Err(missing()) };
        }
        let Router::Vpc(id) = &table.router else {
            return Err(ApiError::IllegalParam("NextHopType"));
        };
        let hops = self.vpcs.get(id).map(|vpc| &vpc.hops);
        let found = hops
            .and_then(|hops| hops.get(&hop.id))
            .ok_or_else(missing)?;
        if found.hop_type != hop.hop_type {
            return Err(missing());
        }
        if found.health != Health::Available {
            return Err(ApiError::IncorrectInstanceStatus(hop.id.clone()));
        }
        Ok(())
    }

    /// Whether an entry itself may be changed or deleted.
    pub(super) fn check_entry(entry: &Entry) -> Result<(), ApiError> {
        if entry.managed {
            return Err(ApiError::ManagedEntry(entry.id.clone()));
        }
        if entry.state.status() != Status::Available {
            return Err(ApiError::IncorrectRouteEntryStatus(entry.id.clone()));
        }
        Ok(())
    }
}

/// Whether two lists name the same next hops, in any order.
pub(super) fn same_hops(a: &[Hop], b: &[Hop]) -> bool {
    let ids = |hops: &[Hop]| {
        let mut ids: Vec<_> = hops.iter().map(|h| h.id.clone()).collect();
        ids.sort_unstable();
        ids
    };
    ids(a) == ids(b)
}
