//! Reading what the kernel has.

use flatnet_types::IfName;
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::libc;

use crate::error::{Attempt, Fault, ObserveError};
use crate::message::route::IPV6_DEFAULT_METRIC;
use crate::message::{address, link, route, rule};
use crate::netns::Netns;
use crate::pool::Worker;
use crate::socket::RouteSocket;
use crate::spec::{RouteSpec, TABLE_MAIN};
use crate::view::{Address, ContainerView, Link, NeighbourCount, NextHop, Route, RouteKind, Rule};

/// All links of home.
pub(crate) fn links(worker: &mut Worker) -> Result<Vec<Link>, ObserveError> {
    let found = worker.at_home(|socket| {
        socket.dump(&link::list(), |kind, payload, found| {
            if kind == libc::RTM_NEWLINK {
                found.extend(link::read(payload)?);
            }
            Ok(())
        })
    });
    Ok(found.attempting(|| "listing links".to_owned())?)
}

/// A link of home.
pub(crate) fn link(worker: &mut Worker, name: &IfName) -> Result<Option<Link>, ObserveError> {
    Ok(worker
        .at_home(|socket| get_link(socket, name))
        .attempting(|| format!("reading the link {name}"))?)
}

/// A link of the socket's namespace.
pub(crate) fn get_link(socket: &mut RouteSocket, name: &IfName) -> Result<Option<Link>, Fault> {
    match socket.get(link::get(name), |_, payload| link::read(payload)) {
        Ok(found) => Ok(found.flatten()),
        Err(fault) if fault.refusal() == Some(Errno::ENODEV) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// All addresses of home.
pub(crate) fn addresses(worker: &mut Worker) -> Result<Vec<Address>, ObserveError> {
    Ok(worker
        .at_home(|socket| list_addresses(socket, None))
        .attempting(|| "listing addresses".to_owned())?)
}

/// The addresses of an interface, or of all, of the socket's namespace.
pub(crate) fn list_addresses(
    socket: &mut RouteSocket,
    ifindex: Option<u32>,
) -> Result<Vec<Address>, Fault> {
    let mut found = socket.dump(&address::list(ifindex), |kind, payload, found| {
        if kind == libc::RTM_NEWADDR {
            found.extend(address::read(payload)?);
        }
        Ok(())
    })?;
    if let Some(ifindex) = ifindex {
        found.retain(|a| a.ifindex == ifindex);
    }
    Ok(found)
}

/// All routes of home.
pub(crate) fn routes(worker: &mut Worker) -> Result<Vec<Route>, ObserveError> {
    let both = worker.at_home(|socket| {
        let mut found = list_routes(socket, false, None)?;
        found.extend(list_routes(socket, true, None)?);
        Ok(found)
    });
    Ok(both.attempting(|| "listing routes".to_owned())?)
}

/// The routes of a family, of one table or of all, of the socket's namespace.
pub(crate) fn list_routes(
    socket: &mut RouteSocket,
    ipv6: bool,
    table: Option<u32>,
) -> Result<Vec<Route>, Fault> {
    let found = socket.dump(&route::list(ipv6, table), |kind, payload, found| {
        if kind == libc::RTM_NEWROUTE {
            found.extend(route::read(payload)?);
        }
        Ok(())
    });
    match found {
        // A table that has no route does not exist.
        Err(fault) if fault.refusal() == Some(Errno::ENOENT) => Ok(Vec::new()),
        // A kernel without IPv6 has nobody to answer.
        Err(fault) if ipv6 && fault.refusal() == Some(Errno::EOPNOTSUPP) => Ok(Vec::new()),
        Ok(mut found) => {
            // Such a kernel may also answer with IPv4's.
            found.retain(|r: &Route| r.dst.is_ipv6() == ipv6 && table.is_none_or(|t| r.table == t));
            Ok(found)
        }
        Err(fault) => Err(fault),
    }
}

/// All rules of home.
pub(crate) fn rules(worker: &mut Worker) -> Result<Vec<Rule>, ObserveError> {
    let both = worker.at_home(|socket| {
        let mut found = Vec::new();
        for ipv6 in [false, true] {
            let listed = socket.dump(&rule::list(ipv6), |kind, payload, found| {
                if kind == libc::RTM_NEWRULE {
                    found.extend(rule::read(payload));
                }
                Ok(())
            });
            match listed {
                Ok(rules) => found.extend(rules.into_iter().filter(|r: &Rule| r.ipv6 == ipv6)),
                // A kernel without rules of that family.
                Err(fault)
                    if matches!(
                        fault.refusal(),
                        Some(Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP)
                    ) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(found)
    });
    Ok(both.attempting(|| "listing rules".to_owned())?)
}

/// The numbers of neighbours in home.
pub(crate) fn neighbours(worker: &mut Worker) -> Result<NeighbourCount, ObserveError> {
    let count = |socket: &mut RouteSocket, family| {
        let mut message = NeighbourMessage::default();
        message.header = NeighbourHeader {
            family,
            ..NeighbourHeader::default()
        };
        let message = RouteNetlinkMessage::GetNeighbour(message);
        let wanted = u8::from(family);
        let found = socket.dump(&message, |kind, payload, found| {
            // The first octet of struct ndmsg is the family.
            if kind == libc::RTM_NEWNEIGH && payload.first() == Some(&wanted) {
                found.push(());
            }
            Ok(())
        })?;
        Ok(found.len())
    };
    let both = worker.at_home(|socket| {
        Ok(NeighbourCount {
            ipv4: count(socket, AddressFamily::Inet)?,
            ipv6: count(socket, AddressFamily::Inet6)?,
        })
    });
    Ok(both.attempting(|| "counting neighbours".to_owned())?)
}

/// The interface of a container.
pub(crate) fn container(
    worker: &mut Worker,
    netns: &Netns,
    ifname: &IfName,
) -> Result<Option<ContainerView>, ObserveError> {
    let view = netns.with_socket(worker, |socket| {
        let Some(link) = get_link(socket, ifname)? else {
            return Ok(None);
        };
        let addresses = list_addresses(socket, Some(link.ifindex))?;
        let mut routes = list_routes(socket, false, Some(TABLE_MAIN))?;
        routes.extend(list_routes(socket, true, Some(TABLE_MAIN))?);
        routes.retain(|r| r.nexthops.iter().any(|n| n.ifindex == Some(link.ifindex)));
        Ok(Some(ContainerView {
            ifindex: link.ifindex,
            mac: link.mac,
            mtu: link.mtu,
            up: link.up,
            oper: link.oper,
            peer_ifindex: link.peer_ifindex,
            addresses,
            routes,
        }))
    });
    Ok(view.attempting(|| format!("reading {ifname} in {}", netns.path()))?)
}

/// Whether `there` stands where `wanted` would: the same destination, table and metric.
pub(crate) fn is_place(there: &Route, wanted: &RouteSpec) -> bool {
    let metric = |m: Option<u32>| match m {
        // IPv6 takes a metric of 0 for none.
        None | Some(0) if wanted.dst.is_ipv6() => IPV6_DEFAULT_METRIC,
        m => m.unwrap_or(0),
    };
    there.dst.network() == wanted.dst.network()
        && there.dst.prefix() == wanted.dst.prefix()
        && there.table == wanted.table
        && metric(there.metric) == metric(wanted.metric)
}

/// Whether `there` is what `wanted` says, apart from who made it.
pub(crate) fn is_route(there: &Route, wanted: &RouteSpec) -> bool {
    let scope = wanted.dst.is_ipv6() || there.scope == wanted.scope;
    let to_nowhere = !matches!(wanted.kind, RouteKind::Unicast | RouteKind::Local);
    // Such a route of IPv6 shows lo as its interface.
    let leads = to_nowhere || same_hops(&there.nexthops, &wanted.nexthops);
    let src = wanted.src.is_none() || there.src == wanted.src;
    is_place(there, wanted) && there.kind == wanted.kind && scope && leads && src
}

/// Whether the next hops are the same in any order, where an interface that was left to
/// the kernel is any.
fn same_hops(there: &[NextHop], wanted: &[NextHop]) -> bool {
    let mut left: Vec<&NextHop> = there.iter().collect();
    let single = wanted.len() == 1;
    wanted.len() == there.len()
        && wanted.iter().all(|w| {
            let place = left.iter().position(|t| {
                t.via == w.via
                    && t.onlink == w.onlink
                    && (single || t.weight == w.weight)
                    && (w.ifindex.is_none() || t.ifindex == w.ifindex)
            });
            place.map(|i| left.swap_remove(i)).is_some()
        })
}

#[cfg(test)]
#[path = "observe/tests.rs"]
mod tests;
