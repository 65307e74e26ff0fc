//! Adding the result of ADD to a `prevResult`, and extracting from one what CHECK compares.

use std::net::IpAddr;

use super::{AddResult, Expected, Interface, IpEntry, RouteEntry};
use crate::api::Route;
use crate::cni::{CniResult, CniVersion};
use crate::{IfName, MacAddr, NetnsPath};

/// The kernel's main routing table (`RT_TABLE_MAIN`), where a route without `table` goes.
const MAIN_TABLE: u64 = 254;

impl CniResult {
    /// This result with that of our ADD appended: the host's end, the container's
    /// interface, its addresses (with `interface` indexes after the existing ones) and
    /// routes. `dns` is the earlier plugin's unless that is empty. MTUs are included from 1.1.0 on.
    #[must_use]
    pub fn merge(mut self, made: AddResult<'_>, version: CniVersion) -> Self {
        let AddResult {
            reply,
            ifname,
            netns,
            dns,
        } = made;
        let mtu = (version >= CniVersion::V1_1_0).then(|| reply.mtu.get().into());
        self.interfaces.push(Interface {
            name: reply.host_ifname.to_string(),
            mac: reply.host_mac.to_string(),
            mtu,
            ..Interface::default()
        });
        let inside = self.interfaces.len();
        self.interfaces.push(Interface {
            name: ifname.to_string(),
            mac: reply.mac.to_string(),
            mtu,
            sandbox: netns.to_string(),
            ..Interface::default()
        });
        self.ips.extend(reply.ips.iter().map(|ip| IpEntry {
            address: ip.address,
            gateway: ip.gateway,
            interface: Some(inside),
        }));
        self.routes.extend(
            reply
                .routes
                .iter()
                .map(|r| RouteEntry::new(r.dst, r.gateway)),
        );
        if self.dns.is_empty() {
            self.dns = dns.clone();
        }
        self
    }

    /// The expected state of the interface `ifname` in `netns`, from this result as `prevResult` of
    /// a CHECK; `None` if it does not contain the interface.
    ///
    /// Later plugins of the chain may have added interfaces, addresses and routes, and moved
    /// routes to tables of their own. So an address counts only with our interface's index,
    /// and a route only in the main table, and not if its next hop lies in the subnet of
    /// another interface, or if it has no next hop and there is another interface that it
    /// could belong to.
    ///
    /// The namespace's path is compared only to choose between interfaces of the same name: a
    /// runtime may use another path for it after a restart.
    pub fn expected(&self, ifname: &IfName, netns: &NetnsPath) -> Option<Expected> {
        let named = |i: &Interface| i.name == ifname.as_str() && !i.sandbox.is_empty();
        let exact = |i: &Interface| named(i) && i.sandbox == netns.as_str();
        let ours = self
            .interfaces
            .iter()
            .position(exact)
            .or_else(|| self.interfaces.iter().position(named))?;
        let ips = self.ips.iter().filter(|ip| ip.interface == Some(ours));
        let routes = self.routes.iter().filter(|r| self.may_be_of(r, ours));
        Some(Expected {
            // `None` for an address that is not six octets (InfiniBand has twenty).
            mac: self.interfaces[ours].mac.parse::<MacAddr>().ok(),
            ips: ips.map(|ip| ip.address).collect(),
            routes: routes
                .map(|r| Route {
                    dst: r.dst,
                    gateway: r.gw,
                })
                .collect(),
        })
    }

    fn may_be_of(&self, route: &RouteEntry, ours: usize) -> bool {
        if route.table.is_some_and(|t| t != MAIN_TABLE && t != 0) {
            return false;
        }
        match route.gw {
            Some(gateway) => self.reaches(gateway, ours) || !self.others_reach(gateway, ours),
            None => !self.has_others(ours),
        }
    }

    /// Whether `address` is in a subnet of the interface `ours`.
    fn reaches(&self, address: IpAddr, ours: usize) -> bool {
        self.ips
            .iter()
            .any(|ip| ip.interface == Some(ours) && ip.address.contains(address))
    }

    fn others_reach(&self, address: IpAddr, ours: usize) -> bool {
        self.ips
            .iter()
            .any(|ip| ip.interface != Some(ours) && ip.address.contains(address))
    }

    /// Whether the container has an address on another interface.
    fn has_others(&self, ours: usize) -> bool {
        self.ips.iter().any(|ip| ip.interface != Some(ours))
    }
}
