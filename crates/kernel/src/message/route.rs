//! Routes: `RTM_NEWROUTE`, `RTM_DELROUTE`, `RTM_GETROUTE` (rtnetlink(7),
//! linux/rtnetlink.h).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NlaBuffer, NlasIterator};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric, RouteNextHop,
    RouteNextHopFlags, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;
use rtnetlink::RouteMessageBuilder;

use crate::error::Fault;
use crate::message::address::ip;
use crate::message::link::number;
use crate::socket::Request;
use crate::spec::{ContainerRoute, RouteSpec};
use crate::view::{NextHop, Route, RouteKind, RouteScope};

/// Bytes of `struct rtmsg`.
const HEADER_LEN: usize = 12;
/// Bytes of `struct rtnexthop`.
const NEXTHOP_LEN: usize = 8;
/// `RTNH_F_ONLINK`, in the flags of a route and of a next hop.
const ONLINK: u32 = 4;
/// `RTM_F_CLONED`: an entry of the cache, not a route.
const CLONED: u32 = 0x200;
/// `RTAX_MTU` within `RTA_METRICS`.
const RTAX_MTU: u16 = 2;
/// The metric of an IPv6 route for which none was asked (`IP6_RT_PRIO_USER`).
pub(crate) const IPV6_DEFAULT_METRIC: u32 = 1024;
/// `RTPROT_STATIC`: what `ip route` users expect of routes that a CNI plugin makes.
const STATIC: u8 = 4;

fn address(ip: IpAddr) -> RouteAddress {
    RouteAddress::from(ip)
}

/// The attribute that names a gateway: of the destination's family, or (RFC 5549) not.
fn gateway(dst: &IpNetwork, via: IpAddr) -> RouteAttribute {
    if dst.is_ipv4() == via.is_ipv4() {
        RouteAttribute::Gateway(address(via))
    } else {
        RouteAttribute::Via(RouteVia::from(via))
    }
}

/// What `spec` says apart from where it leads.
fn base(spec: &RouteSpec) -> RouteMessage {
    let mut message = match spec.dst {
        IpNetwork::V4(d) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(d.network(), d.prefix())
            .table_id(spec.table)
            .build(),
        IpNetwork::V6(d) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(d.network(), d.prefix())
            .table_id(spec.table)
            .build(),
    };
    if spec.table > 255 {
        message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    }
    message.header.protocol = spec.protocol.into();
    message.header.kind = u8::from(spec.kind).into();
    message.header.scope = if spec.dst.is_ipv6() {
        0.into()
    } else {
        u8::from(spec.scope).into()
    };
    if let Some(metric) = metric(spec) {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    message
}

/// The metric to name in a request. IPv6 has a default that counts when a route is deleted
/// too; IPv4's is 0.
fn metric(spec: &RouteSpec) -> Option<u32> {
    match spec.metric {
        None | Some(0) if spec.dst.is_ipv6() => Some(IPV6_DEFAULT_METRIC),
        metric => metric,
    }
}

fn whole(spec: &RouteSpec) -> RouteMessage {
    let mut message = base(spec);
    if let Some(src) = spec.src {
        message
            .attributes
            .push(RouteAttribute::PrefSource(address(src)));
    }
    match spec.nexthops.as_slice() {
        [] => {}
        [one] => {
            if one.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
            if let Some(via) = one.via {
                message.attributes.push(gateway(&spec.dst, via));
            }
            if let Some(ifindex) = one.ifindex {
                message.attributes.push(RouteAttribute::Oif(ifindex));
            }
        }
        several => message.attributes.push(RouteAttribute::MultiPath(
            several.iter().map(|n| next_hop(&spec.dst, n)).collect(),
        )),
    }
    message
}

fn next_hop(dst: &IpNetwork, hop: &NextHop) -> RouteNextHop {
    let mut made = RouteNextHop::default();
    // The kernel counts from 0.
    made.hops = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    made.interface_index = hop.ifindex.unwrap_or(0);
    if hop.onlink {
        made.flags |= RouteNextHopFlags::Onlink;
    }
    if let Some(via) = hop.via {
        made.attributes.push(gateway(dst, via));
    }
    made
}

/// Adds a route; one with its destination, table and metric is refused with EEXIST.
pub(crate) fn add(spec: &RouteSpec) -> Request {
    Request::new(
        RouteNetlinkMessage::NewRoute(whole(spec)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Puts a route in the place of the one with its destination, table and metric.
pub(crate) fn replace(spec: &RouteSpec) -> Request {
    Request::new(
        RouteNetlinkMessage::NewRoute(whole(spec)),
        NLM_F_CREATE | NLM_F_REPLACE,
    )
}

/// Deletes the route with the destination, table, protocol and metric of `spec`, wherever
/// it leads. An absent one is refused with ESRCH.
pub(crate) fn delete(spec: &RouteSpec) -> Request {
    let mut message = base(spec);
    // RT_SCOPE_NOWHERE matches any scope.
    if spec.dst.is_ipv4() {
        message.header.scope = u8::from(RouteScope::Nowhere).into();
    }
    Request::new(RouteNetlinkMessage::DelRoute(message), 0)
}

/// A container's route as a route of its main table through `ifindex`.
pub(crate) fn container_route(route: &ContainerRoute, ifindex: u32) -> RouteSpec {
    let hop = NextHop {
        via: route.via,
        ifindex: Some(ifindex),
        onlink: route.onlink,
        weight: 1,
    };
    RouteSpec {
        src: route.src,
        metric: route.metric,
        ..RouteSpec::new(route.dst, vec![hop], STATIC)
    }
}

/// Adds a container's route.
pub(crate) fn add_container(route: &ContainerRoute, ifindex: u32) -> Request {
    let mut message = whole(&container_route(route, ifindex));
    if let Some(mtu) = route.mtu {
        message
            .attributes
            .push(RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]));
    }
    Request::new(
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Asks for the routes of a family, of one table or of all.
///
/// A kernel without strict checking answers with those of all tables: whoever reads
/// filters again.
pub(crate) fn list(ipv6: bool, table: Option<u32>) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    if let Some(table) = table {
        message.attributes.push(RouteAttribute::Table(table));
    }
    RouteNetlinkMessage::GetRoute(message)
}

/// Reads a route from the payload of an `RTM_NEWROUTE`; `None` if it is of a family other
/// than IPv4 and IPv6, or an entry of the cache.
///
/// # Errors
/// [`Fault::Undecodable`] if it is cut.
pub(crate) fn read(payload: &[u8]) -> Result<Option<Route>, Fault> {
    let bad = |reason: String| Fault::Undecodable { reason };
    let header = RouteHeader::parse(payload).map_err(|e| bad(format!("a route: {e}")))?;
    let unspecified: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return Ok(None),
    };
    let flags = header.flags.bits();
    if flags & CLONED != 0 {
        return Ok(None);
    }
    let mut dst = unspecified;
    let mut route = Route {
        dst: IpNetwork::from(unspecified),
        table: header.table.into(),
        protocol: header.protocol.into(),
        metric: None,
        scope: RouteScope::from(u8::from(header.scope)),
        kind: RouteKind::from(u8::from(header.kind)),
        src: None,
        mtu: None,
        nexthops: Vec::new(),
    };
    let mut single = NextHop {
        via: None,
        ifindex: None,
        onlink: flags & ONLINK != 0,
        weight: 1,
    };
    for attribute in NlasIterator::new(payload.get(HEADER_LEN..).unwrap_or_default()) {
        let attribute = attribute.map_err(|e| bad(format!("a route: {e}")))?;
        let value = attribute.value();
        match attribute.kind() {
            libc::RTA_DST => dst = ip(value).unwrap_or(dst),
            libc::RTA_PREFSRC => route.src = ip(value),
            libc::RTA_PRIORITY => route.metric = number(value).filter(|n| *n != 0),
            libc::RTA_TABLE => route.table = number(value).unwrap_or(route.table),
            libc::RTA_OIF => single.ifindex = number(value),
            libc::RTA_MULTIPATH => route.nexthops = next_hops(value)?,
            libc::RTA_METRICS => {
                route.mtu = NlasIterator::new(value)
                    .map_while(Result::ok)
                    .find(|a| a.kind() == RTAX_MTU)
                    .and_then(|a| number(a.value()));
            }
            _ => single.via = via(&attribute).or(single.via),
        }
    }
    route.dst =
        IpNetwork::new(dst, header.destination_prefix_length).map_err(|e| bad(e.to_string()))?;
    if route.nexthops.is_empty() && (single.via.is_some() || single.ifindex.is_some()) {
        route.nexthops.push(single);
    }
    Ok(Some(route))
}

/// The gateway, if this attribute names one.
fn via(attribute: &NlaBuffer<&[u8]>) -> Option<IpAddr> {
    let value = attribute.value();
    match attribute.kind() {
        libc::RTA_GATEWAY => ip(value),
        // struct rtvia: the family, then the address.
        libc::RTA_VIA => ip(value.get(2..)?),
        _ => None,
    }
}

/// The next hops of a multipath route: each a `struct rtnexthop` and its attributes.
fn next_hops(mut value: &[u8]) -> Result<Vec<NextHop>, Fault> {
    let mut hops = Vec::new();
    while value.len() >= NEXTHOP_LEN {
        let length = usize::from(u16::from_ne_bytes([value[0], value[1]]));
        let Some(one) = value.get(..length).filter(|o| o.len() >= NEXTHOP_LEN) else {
            return Err(Fault::Undecodable {
                reason: "a next hop that is cut".to_owned(),
            });
        };
        hops.push(NextHop {
            via: NlasIterator::new(&one[NEXTHOP_LEN..])
                .map_while(Result::ok)
                .find_map(|a| via(&a)),
            ifindex: number(&one[4..]).filter(|n| *n != 0),
            onlink: u32::from(one[2]) & ONLINK != 0,
            weight: u16::from(one[3]) + 1,
        });
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}
