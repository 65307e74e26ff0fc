//! Changes to home: links, addresses and routes, each of which may be made again.

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::errno::Errno;

use crate::error::{AddressError, Attempt, Fault, LinkError, RequestError, RouteError};
use crate::ioctl;
use crate::message::{address, link, route};
use crate::observe::{self, is_place, is_route};
use crate::pool::Worker;
use crate::socket::RouteSocket;
use crate::spec::{AddressSpec, LinkChange, RouteSpec};
use crate::veth::classify;
use crate::view::Route;

/// Changes a link if it is not so already.
pub(crate) fn set_link(
    worker: &mut Worker,
    name: &IfName,
    change: &LinkChange,
) -> Result<bool, LinkError> {
    let attempted = || format!("changing {name}");
    let Some(now) = worker
        .at_home(|socket| observe::get_link(socket, name))
        .attempting(attempted)?
    else {
        return Err(LinkError::NoSuchLink { name: name.clone() });
    };
    let differing = LinkChange {
        up: change.up.filter(|up| *up != now.up),
        mtu: change.mtu.filter(|mtu| mtu.get() != now.mtu),
        mac: change.mac.filter(|mac| Some(*mac) != now.mac),
        alias: change
            .alias
            .clone()
            .filter(|a| a != now.alias.as_deref().unwrap_or_default()),
    };
    if differing == LinkChange::default() {
        return Ok(false);
    }
    worker
        .at_home(|socket| socket.request(link::change(now.ifindex, &differing)))
        .map_err(|fault| match fault.refusal() {
            Some(Errno::ENODEV) => LinkError::NoSuchLink { name: name.clone() },
            _ => classify(fault, attempted),
        })?;
    Ok(true)
}

/// Adds an address if it is not there.
pub(crate) fn ensure_address(
    worker: &mut Worker,
    ifname: &IfName,
    spec: &AddressSpec,
) -> Result<bool, AddressError> {
    let absent = || AddressError::NoSuchLink {
        name: ifname.clone(),
    };
    let added = worker.at_home(|socket| match ioctl::index_of(&*socket, ifname)? {
        Some(ifindex) => put_address(socket, ifindex, spec).map(Some),
        None => Ok(None),
    });
    match added {
        Ok(Some(added)) => Ok(added),
        Ok(None) => Err(absent()),
        Err(fault) if fault.refusal() == Some(Errno::ENODEV) => Err(absent()),
        Err(fault) => Err(RequestError {
            attempted: format!("adding {} to {ifname}", spec.address),
            fault,
        }
        .into()),
    }
}

/// Adds an address in the socket's namespace if it is not there.
pub(crate) fn put_address(
    socket: &mut RouteSocket,
    ifindex: u32,
    spec: &AddressSpec,
) -> Result<bool, Fault> {
    match socket.request(address::add(ifindex, spec)) {
        Ok(()) => return Ok(true),
        Err(fault) if fault.refusal() == Some(Errno::EEXIST) => {}
        Err(fault) => return Err(fault),
    }
    // IPv4 refuses the same address with the same prefix length; IPv6 the same address
    // with any.
    let other = observe::list_addresses(socket, Some(ifindex))?
        .into_iter()
        .find(|a| a.address.ip() == spec.address.ip() && a.address != spec.address);
    match other {
        Some(other) if spec.address.is_ipv6() => {
            socket.request(address::delete(ifindex, other.address))?;
            socket.request(address::add(ifindex, spec))?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Deletes an address if it is there.
pub(crate) fn delete_address(
    worker: &mut Worker,
    ifname: &IfName,
    address: IpNetwork,
) -> Result<bool, AddressError> {
    let attempted = || format!("deleting {address} from {ifname}");
    let found = worker.at_home(|socket| ioctl::index_of(&*socket, ifname));
    let Some(ifindex) = found.attempting(attempted)? else {
        return Ok(false);
    };
    match worker.at_home(|socket| socket.request(address::delete(ifindex, address))) {
        Ok(()) => Ok(true),
        Err(fault)
            if matches!(
                fault.refusal(),
                Some(Errno::EADDRNOTAVAIL | Errno::ENODEV | Errno::ENXIO)
            ) =>
        {
            Ok(false)
        }
        Err(fault) => Err(RequestError {
            attempted: attempted(),
            fault,
        }
        .into()),
    }
}

/// Adds a route, or puts it in the place of one of the same protocol.
pub(crate) fn ensure_route(worker: &mut Worker, spec: &RouteSpec) -> Result<bool, RouteError> {
    match worker.at_home(|socket| socket.request(route::add(spec))) {
        Ok(()) => return Ok(true),
        Err(fault) if fault.refusal() == Some(Errno::EEXIST) => {}
        Err(fault) => return Err(unusable(spec, fault)),
    }
    let in_place = routes_in_place(worker, spec)?;
    if in_place
        .iter()
        .any(|r| r.protocol == spec.protocol && is_route(r, spec))
    {
        return Ok(false);
    }
    if let Some(foreign) = in_place.iter().find(|r| r.protocol != spec.protocol) {
        return Err(RouteError::Foreign {
            dst: spec.dst,
            table: spec.table,
            protocol: foreign.protocol,
        });
    }
    worker
        .at_home(|socket| socket.request(route::replace(spec)))
        .map_err(|fault| unusable(spec, fault))?;
    Ok(true)
}

/// Deletes a route if it is there.
pub(crate) fn delete_route(worker: &mut Worker, spec: &RouteSpec) -> Result<bool, RouteError> {
    // A request without a metric would match a route of any, so look first.
    let ours = routes_in_place(worker, spec)?
        .into_iter()
        .filter(|r| r.protocol == spec.protocol && r.kind == spec.kind)
        .count();
    let mut existed = false;
    for _ in 0..ours {
        match worker.at_home(|socket| socket.request(route::delete(spec))) {
            Ok(()) => existed = true,
            Err(fault) if matches!(fault.refusal(), Some(Errno::ESRCH | Errno::ENODEV)) => break,
            Err(fault) => return Err(unusable(spec, fault)),
        }
    }
    Ok(existed)
}

/// The routes with the destination, table and metric of `spec`.
fn routes_in_place(worker: &mut Worker, spec: &RouteSpec) -> Result<Vec<Route>, RouteError> {
    let mut found = worker
        .at_home(|socket| observe::list_routes(socket, spec.dst.is_ipv6(), Some(spec.table)))
        .attempting(|| format!("reading the routes to {}", spec.dst))?;
    found.retain(|r| is_place(r, spec));
    Ok(found)
}

/// Tells a next hop that cannot be used yet from other failures.
fn unusable(spec: &RouteSpec, fault: Fault) -> RouteError {
    match fault.refusal() {
        Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::ENODEV) => {
            RouteError::NextHopUnusable {
                dst: spec.dst,
                fault,
            }
        }
        _ => RequestError {
            attempted: format!("the route to {} in table {}", spec.dst, spec.table),
            fault,
        }
        .into(),
    }
}
