//! Links: `RTM_NEWLINK`, `RTM_SETLINK`, `RTM_GETLINK`, `RTM_DELLINK` (rtnetlink(7),
//! linux/if_link.h).

use std::os::fd::{AsRawFd, BorrowedFd};

use flatnet_types::{IfName, MacAddr, Mtu};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NlasIterator};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute,
    LinkExtentMask, LinkHeader, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::error::Fault;
use crate::socket::Request;
use crate::spec::{LinkChange, PairSpec, VethSpec};
use crate::view::{Link, OperState};

/// Bytes of `struct ifinfomsg`.
const HEADER_LEN: usize = 16;

/// Attributes of an end that both ends have.
fn end<T>(
    builder: LinkMessageBuilder<T>,
    name: &IfName,
    ifindex: u32,
    mac: MacAddr,
    mtu: Mtu,
) -> LinkMessageBuilder<T> {
    builder
        .index(ifindex)
        .name(name.as_str())
        .address(mac.0.to_vec())
        .mtu(mtu.get())
        // More queues would cost two RCU synchronisations for each pair.
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
}

/// Makes a veth pair, sent on a socket of the container's namespace: the container's end is
/// the one that the message is about, up at once, and its peer is born in `home`, down.
///
/// It is sent from inside because the kernel looks for an existing link of the given name
/// and index in the namespace of the *socket*: from the node, `eth0` would clash with the
/// node's own `eth0`. The peer's index counts only because the other end has one too.
pub(crate) fn new_veth(
    spec: &VethSpec,
    host_mac: MacAddr,
    container_ifindex: u32,
    home: BorrowedFd<'_>,
) -> Request {
    let peer = end(
        LinkMessageBuilder::<LinkUnspec>::new(),
        &spec.host_name,
        spec.host_ifindex,
        host_mac,
        spec.mtu,
    )
    .promiscuous(spec.promiscuous)
    .setns_by_fd(home.as_raw_fd())
    .build();
    let message = end(
        LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth),
        &spec.container_name,
        container_ifindex,
        spec.container_mac,
        spec.mtu,
    )
    .up()
    .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
    .build();
    Request::new(
        RouteNetlinkMessage::NewLink(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Makes a veth pair with both ends in the socket's own namespace, down.
pub(crate) fn new_pair(spec: &PairSpec) -> Request {
    let one_queue = || [LinkAttribute::NumTxQueues(1), LinkAttribute::NumRxQueues(1)];
    let mut peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(spec.peer.as_str())
        .mtu(spec.mtu.get())
        .build();
    peer.attributes.extend(one_queue());
    let mut message = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
        .name(spec.name.as_str())
        .mtu(spec.mtu.get())
        .promiscuous(spec.promiscuous)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .build();
    message.attributes.extend(one_queue());
    Request::new(
        RouteNetlinkMessage::NewLink(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Readies the host's end while it is down: no IPv6 address comes to it, and it gets its
/// alias. (Neither is taken when a link is made: `rtnl_create_link` passes them over.)
pub(crate) fn dress_host_end(ifindex: u32, alias: Option<&str>, ipv6: bool) -> Option<Request> {
    if alias.is_none() && !ipv6 {
        return None;
    }
    let mut builder = LinkUnspec::new_with_index(ifindex);
    if let Some(alias) = alias {
        builder = builder.append_extra_attribute(LinkAttribute::IfAlias(alias.to_owned()));
    }
    if ipv6 {
        builder = builder.append_extra_attribute(address_generation(In6AddrGenMode::None));
    }
    Some(Request::new(
        RouteNetlinkMessage::SetLink(builder.build()),
        0,
    ))
}

/// Has the link `ifindex` form its link-local address from its MAC (modified EUI-64): the
/// one that port security lets pass.
pub(crate) fn generate_eui64(ifindex: u32) -> Request {
    let message = LinkUnspec::new_with_index(ifindex)
        .append_extra_attribute(address_generation(In6AddrGenMode::Eui64))
        .build();
    Request::new(RouteNetlinkMessage::SetLink(message), 0)
}

/// How the interface is to form IPv6 addresses of its own.
fn address_generation(mode: In6AddrGenMode) -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
        mode,
    )])])
}

/// Brings the link `ifindex` up.
pub(crate) fn up(ifindex: u32) -> Request {
    Request::new(
        RouteNetlinkMessage::SetLink(LinkUnspec::new_with_index(ifindex).up().build()),
        0,
    )
}

/// Changes the link `ifindex`.
pub(crate) fn change(ifindex: u32, change: &LinkChange) -> Request {
    let mut builder = LinkUnspec::new_with_index(ifindex);
    builder = match change.up {
        Some(true) => builder.up(),
        Some(false) => builder.down(),
        None => builder,
    };
    if let Some(mtu) = change.mtu {
        builder = builder.mtu(mtu.get());
    }
    if let Some(mac) = change.mac {
        builder = builder.address(mac.0.to_vec());
    }
    if let Some(alias) = &change.alias {
        builder = builder.append_extra_attribute(LinkAttribute::IfAlias(alias.clone()));
    }
    Request::new(RouteNetlinkMessage::SetLink(builder.build()), 0)
}

/// Deletes the link `ifindex`.
pub(crate) fn delete(ifindex: u32) -> Request {
    Request::new(
        RouteNetlinkMessage::DelLink(LinkUnspec::new_with_index(ifindex).build()),
        0,
    )
}

/// Asks for the link `name`.
pub(crate) fn get(name: &IfName) -> RouteNetlinkMessage {
    let mut message = LinkUnspec::new_with_name(name.as_str()).build();
    message.attributes.push(no_statistics());
    RouteNetlinkMessage::GetLink(message)
}

/// Asks for all links.
pub(crate) fn list() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(no_statistics());
    RouteNetlinkMessage::GetLink(message)
}

fn no_statistics() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

/// Reads a link from the payload of an `RTM_NEWLINK` or `RTM_DELLINK`; `None` if it is not
/// about the link itself but about its being a port of a bridge (family `AF_BRIDGE`).
///
/// Only what is wanted is read, so what a newer kernel adds cannot spoil it.
///
/// # Errors
/// [`Fault::Undecodable`] if it is cut.
pub(crate) fn read(payload: &[u8]) -> Result<Option<Link>, Fault> {
    let bad = |e: netlink_packet_core::DecodeError| Fault::Undecodable {
        reason: format!("a link: {e}"),
    };
    let header = LinkHeader::parse(payload).map_err(bad)?;
    if header.interface_family != AddressFamily::Unspec {
        return Ok(None);
    }
    let mut link = Link {
        name: String::new(),
        ifindex: header.index,
        mac: None,
        mtu: 0,
        up: header
            .flags
            .contains(netlink_packet_route::link::LinkFlags::Up),
        oper: OperState::Unknown,
        kind: None,
        alias: None,
        peer_ifindex: None,
        peer_in_other_netns: false,
        master: None,
        active_slave: None,
    };
    for attribute in NlasIterator::new(payload.get(HEADER_LEN..).unwrap_or_default()) {
        let attribute = attribute.map_err(bad)?;
        let value = attribute.value();
        match attribute.kind() {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_ADDRESS => link.mac = value.try_into().ok().map(MacAddr),
            libc::IFLA_MTU => link.mtu = number(value).unwrap_or(0),
            libc::IFLA_OPERSTATE => {
                link.oper = value
                    .first()
                    .map_or(OperState::Unknown, |n| OperState::from(*n));
            }
            libc::IFLA_IFALIAS => link.alias = Some(text(value)),
            // 0 is "no other end" (a veth whose peer is gone).
            libc::IFLA_LINK => link.peer_ifindex = number(value).filter(|n| *n != 0),
            libc::IFLA_LINK_NETNSID => link.peer_in_other_netns = true,
            libc::IFLA_MASTER => link.master = number(value),
            libc::IFLA_LINKINFO => {
                let inside = |kind| {
                    NlasIterator::new(value)
                        .map_while(Result::ok)
                        .find(|a| a.kind() == kind)
                };
                link.kind = inside(libc::IFLA_INFO_KIND).map(|a| text(a.value()));
                if link.kind.as_deref() == Some("bond") {
                    let data = inside(libc::IFLA_INFO_DATA);
                    link.active_slave = data.and_then(|a| active_slave(a.value()));
                }
            }
            _ => {}
        }
    }
    Ok(Some(link))
}

/// What a bond says of itself (linux/if_link.h).
fn active_slave(data: &[u8]) -> Option<u32> {
    const IFLA_BOND_ACTIVE_SLAVE: u16 = 2;
    NlasIterator::new(data)
        .map_while(Result::ok)
        .find(|a| a.kind() == IFLA_BOND_ACTIVE_SLAVE)
        .and_then(|a| number(a.value()))
}

/// A C string, without its NUL.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// A 32-bit number of the host's byte order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|b| u32::from_ne_bytes(*b))
}
