//! Where the kernel would send a packet, and what it knows of its neighbours.

use std::net::IpAddr;

use flatnet_types::{IfName, MacAddr};
use netlink_packet_core::NlasIterator;
use netlink_packet_route::neighbour::{NeighbourHeader, NeighbourMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;

use crate::error::{Attempt, Fault, ObserveError};
use crate::ioctl;
use crate::message::address::ip;
use crate::message::route;
use crate::netns::Netns;
use crate::pool::Worker;
use crate::socket::RouteSocket;
use crate::view::{Neighbour, RouteLookup};

/// Bytes of `struct ndmsg` (linux/neighbour.h).
const NDMSG_LEN: usize = 12;
/// `NDA_DST`, `NDA_LLADDR`.
const DESTINATION: u16 = 1;
const LINK_LAYER: u16 = 2;
/// `NUD_INCOMPLETE`, `NUD_FAILED`.
const INCOMPLETE: u16 = 0x01;
const FAILED: u16 = 0x20;

/// Asks for the route of one packet; of one that came in by `from`, if that is given.
pub(crate) fn route(
    worker: &mut Worker,
    dst: IpAddr,
    src: Option<IpAddr>,
    from: Option<&IfName>,
) -> Result<RouteLookup, ObserveError> {
    let found = worker.at_home(|socket| {
        let mut message = RouteMessage::default();
        let (family, length) = match dst {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = length;
        // The entry that matches, and not the packet's own copy of it.
        message.header.flags = RouteFlags::FibMatch;
        message
            .attributes
            .push(RouteAttribute::Destination(address(dst)));
        if let Some(src) = src {
            message.header.source_prefix_length = length;
            message
                .attributes
                .push(RouteAttribute::Source(address(src)));
        }
        if let Some(from) = from {
            let Some(ifindex) = ioctl::index_of(&*socket, from)? else {
                return Ok(RouteLookup::Refused {
                    reason: format!("there is no link {from}"),
                });
            };
            message.attributes.push(RouteAttribute::Iif(ifindex));
        }
        let message = RouteNetlinkMessage::GetRoute(message);
        match socket.get(message, |_, payload| route::read(payload)) {
            Ok(Some(Some(route))) => Ok(RouteLookup::Found(Box::new(route))),
            Ok(_) => Ok(RouteLookup::Refused {
                reason: "the kernel names no route".to_owned(),
            }),
            Err(fault) => match fault.refusal() {
                Some(errno) => Ok(RouteLookup::Refused {
                    reason: errno.desc().to_lowercase(),
                }),
                None => Err(fault),
            },
        }
    });
    Ok(found.attempting(|| format!("looking up the route to {dst}"))?)
}

fn address(ip: IpAddr) -> RouteAddress {
    match ip {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

/// The neighbours of home, of both families.
pub(crate) fn neighbours(worker: &mut Worker) -> Result<Vec<Neighbour>, ObserveError> {
    let found = worker.at_home(list);
    Ok(found.attempting(|| "listing neighbours".to_owned())?)
}

/// The neighbours of a container.
pub(crate) fn neighbours_in(
    worker: &mut Worker,
    netns: &Netns,
) -> Result<Vec<Neighbour>, ObserveError> {
    let found = netns.with_socket(worker, list);
    Ok(found.attempting(|| format!("listing neighbours in {}", netns.path()))?)
}

fn list(socket: &mut RouteSocket) -> Result<Vec<Neighbour>, Fault> {
    let mut all = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = NeighbourMessage::default();
        message.header = NeighbourHeader {
            family,
            ..NeighbourHeader::default()
        };
        let wanted = u8::from(family);
        let message = RouteNetlinkMessage::GetNeighbour(message);
        all.extend(socket.dump(&message, |kind, payload, found| {
            if kind == libc::RTM_NEWNEIGH && payload.first() == Some(&wanted) {
                found.extend(read(payload));
            }
            Ok(())
        })?);
    }
    Ok(all)
}

/// Reads a neighbour; none: it has no address, or is cut.
fn read(payload: &[u8]) -> Option<Neighbour> {
    let ifindex = u32::from_ne_bytes(payload.get(4..8)?.try_into().ok()?);
    let state = u16::from_ne_bytes(payload.get(8..10)?.try_into().ok()?);
    let (mut address, mut mac) = (None, None);
    for attribute in NlasIterator::new(payload.get(NDMSG_LEN..)?).map_while(Result::ok) {
        match attribute.kind() {
            DESTINATION => address = ip(attribute.value()),
            LINK_LAYER => mac = attribute.value().try_into().ok().map(MacAddr),
            _ => {}
        }
    }
    Some(Neighbour {
        address: address?,
        ifindex,
        mac,
        failed: state & (INCOMPLETE | FAILED) != 0,
    })
}
