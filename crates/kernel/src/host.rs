//! Changes to home: links, addresses and routes, each of which may be made again.

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::errno::Errno;

use crate::error::{AddressError, Attempt, Fault, LinkError, RequestError, RouteError};
use crate::ioctl;
use crate::message::{address, link, route};
use crate::observe::{self, is_place, is_route};
use crate::pool::Worker;
use crate::spec::{AddressSpec, LinkChange, RouteSpec};
use crate::veth::classify;

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
    let attempted = || format!("adding {} to {ifname}", spec.address);
    let absent = || AddressError::NoSuchLink {
        name: ifname.clone(),
    };
    let ifindex = worker
        .at_home(|socket| ioctl::index_of(&*socket, ifname))
        .attempting(attempted)?
        .ok_or_else(absent)?;
    let failed = |fault: Fault| match fault.refusal() {
        Some(Errno::ENODEV) => absent(),
        _ => RequestError {
            attempted: attempted(),
            fault,
        }
        .into(),
    };
    let add =
        |worker: &mut Worker| worker.at_home(|socket| socket.request(address::add(ifindex, spec)));
    match add(worker) {
        Ok(()) => return Ok(true),
        Err(fault) if fault.refusal() == Some(Errno::EEXIST) => {}
        Err(fault) => return Err(failed(fault)),
    }
    // IPv4 refuses the same address with the same prefix length; IPv6 the same address
    // with any.
    let there = worker
        .at_home(|socket| observe::list_addresses(socket, Some(ifindex)))
        .attempting(attempted)?
        .into_iter()
        .find(|a| a.address.ip() == spec.address.ip() && a.address != spec.address);
    match there {
        Some(other) if spec.address.is_ipv6() => {
            worker
                .at_home(|socket| socket.request(address::delete(ifindex, other.address)))
                .map_err(failed)?;
            add(worker).map_err(failed)?;
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
    let in_place: Vec<_> = worker
        .at_home(|socket| observe::list_routes(socket, spec.dst.is_ipv6()))
        .attempting(|| format!("reading the routes to {}", spec.dst))?
        .into_iter()
        .filter(|r| is_place(r, spec))
        .collect();
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
    let mut existed = false;
    loop {
        match worker.at_home(|socket| socket.request(route::delete(spec))) {
            // IPv6 deletes the next hops of a multipath route one at a time.
            Ok(()) if spec.dst.is_ipv6() => existed = true,
            Ok(()) => return Ok(true),
            Err(fault) if matches!(fault.refusal(), Some(Errno::ESRCH | Errno::ENODEV)) => {
                return Ok(existed);
            }
            Err(fault) => return Err(unusable(spec, fault)),
        }
    }
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
