//! Addresses: `RTM_NEWADDR`, `RTM_DELADDR`, `RTM_GETADDR` (rtnetlink(7), linux/if_addr.h).

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
    AddressProtocol,
};
use nix::libc;
use rtnetlink::AddressMessageBuilder;

use crate::error::Fault;
use crate::message::link::number;
use crate::socket::Request;
use crate::spec::AddressSpec;
use crate::view::{Address, RouteScope};

/// Bytes of `struct ifaddrmsg`.
const HEADER_LEN: usize = 8;
/// linux/if_addr.h, since 5.18; libc has no name for it.
const IFA_PROTO: u16 = 11;

fn message(ifindex: u32, address: IpNetwork) -> AddressMessage {
    match address {
        // The builder adds the broadcast address, as other CNI plugins do.
        IpNetwork::V4(a) => AddressMessageBuilder::<std::net::Ipv4Addr>::new()
            .index(ifindex)
            .address(a.ip(), a.prefix())
            .build(),
        IpNetwork::V6(a) => AddressMessageBuilder::<std::net::Ipv6Addr>::new()
            .index(ifindex)
            .address(a.ip(), a.prefix())
            .build(),
    }
}

/// Adds an address. One that is there already is refused with EEXIST.
pub(crate) fn add(ifindex: u32, spec: &AddressSpec) -> Request {
    let mut message = message(ifindex, spec.address);
    let mut flags = AddressFlags::empty();
    if spec.nodad && spec.address.is_ipv6() {
        flags |= AddressFlags::Nodad;
        message.header.flags |= AddressHeaderFlags::Nodad;
    }
    if spec.noprefixroute {
        flags |= AddressFlags::Noprefixroute;
    }
    if !flags.is_empty() {
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if spec.protocol != 0 {
        let protocol = AddressProtocol::from(spec.protocol);
        message
            .attributes
            .push(AddressAttribute::Protocol(protocol));
    }
    Request::new(
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Deletes an address. One that is absent is refused with EADDRNOTAVAIL.
pub(crate) fn delete(ifindex: u32, address: IpNetwork) -> Request {
    Request::new(
        RouteNetlinkMessage::DelAddress(message(ifindex, address)),
        0,
    )
}

/// Asks for the addresses of `ifindex`, or of all interfaces.
///
/// A kernel without strict checking answers with all: whoever reads filters again.
pub(crate) fn list(ifindex: Option<u32>) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.index = ifindex.unwrap_or(0);
    RouteNetlinkMessage::GetAddress(message)
}

/// Reads an address from the payload of an `RTM_NEWADDR`; `None` if it is of a family
/// other than IPv4 and IPv6, or has no address.
///
/// # Errors
/// [`Fault::Undecodable`] if it is cut.
pub(crate) fn read(payload: &[u8]) -> Result<Option<Address>, Fault> {
    let bad = |reason: String| Fault::Undecodable { reason };
    let header = AddressHeader::parse(payload).map_err(|e| bad(format!("an address: {e}")))?;
    let mut local = None;
    let mut prefix = None;
    let mut flags = u32::from(header.flags.bits());
    let mut protocol = 0;
    for attribute in NlasIterator::new(payload.get(HEADER_LEN..).unwrap_or_default()) {
        let attribute = attribute.map_err(|e| bad(format!("an address: {e}")))?;
        match attribute.kind() {
            // IFA_ADDRESS is the prefix's address, which differs only on point-to-point
            // links; IPv6 has no IFA_LOCAL otherwise.
            libc::IFA_LOCAL => local = ip(attribute.value()),
            libc::IFA_ADDRESS => prefix = ip(attribute.value()),
            IFA_PROTO => protocol = attribute.value().first().copied().unwrap_or(0),
            libc::IFA_FLAGS => flags = number(attribute.value()).unwrap_or(flags),
            _ => {}
        }
    }
    let Some(ip) = local.or(prefix) else {
        return Ok(None);
    };
    let address = IpNetwork::new(ip, header.prefix_len).map_err(|e| bad(e.to_string()))?;
    Ok(Some(Address {
        ifindex: header.index,
        address,
        scope: RouteScope::from(u8::from(header.scope)),
        flags,
        protocol,
    }))
}

/// An address of four or sixteen octets.
pub(crate) fn ip(value: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(value)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from))
        .ok()
}
