//! Rules: `RTM_GETRULE` (linux/fib_rules.h).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::NlasIterator;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc;

use super::address::ip;
use super::link::number;
use crate::view::Rule;

/// Bytes of `struct fib_rule_hdr`.
const HEADER_LEN: usize = 12;
/// `FIB_RULE_INVERT`.
const INVERTED: u32 = 2;
/// `FRA_*`.
const DST: u16 = 1;
const SRC: u16 = 2;
const IIFNAME: u16 = 3;
const PRIORITY: u16 = 6;
const FWMARK: u16 = 10;
const TABLE: u16 = 15;
const OIFNAME: u16 = 17;

/// Asks for the rules of a family.
pub(crate) fn list(ipv6: bool) -> RouteNetlinkMessage {
    let mut message = RuleMessage::default();
    message.header.family = if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    RouteNetlinkMessage::GetRule(message)
}

/// Reads a rule; `None` if it is of another family or cut.
pub(crate) fn read(payload: &[u8]) -> Option<Rule> {
    let header = payload.get(..HEADER_LEN)?;
    let any: IpAddr = match i32::from(header[0]) {
        libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
        libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
        _ => return None,
    };
    let prefix = |length: u8| (length > 0).then(|| IpNetwork::new(any, length).ok())?;
    let mut rule = Rule {
        ipv6: any.is_ipv6(),
        priority: 0,
        dst: prefix(header[1]),
        src: prefix(header[2]),
        iif: None,
        oif: None,
        mark: None,
        inverted: number(&header[8..])? & INVERTED != 0,
        table: u32::from(header[4]),
        action: header[7],
    };
    let within = |length: u8, value: &[u8]| IpNetwork::new(ip(value)?, length).ok();
    for attribute in NlasIterator::new(&payload[HEADER_LEN..]).map_while(Result::ok) {
        let value = attribute.value();
        match attribute.kind() {
            DST => rule.dst = within(header[1], value),
            SRC => rule.src = within(header[2], value),
            IIFNAME => rule.iif = Some(text(value)),
            OIFNAME => rule.oif = Some(text(value)),
            PRIORITY => rule.priority = number(value).unwrap_or(0),
            FWMARK => rule.mark = number(value),
            TABLE => rule.table = number(value).unwrap_or(rule.table),
            _ => {}
        }
    }
    Some(rule)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
