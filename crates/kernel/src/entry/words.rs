//! Entries in the words of `ip`.

use std::fmt::Write;
use std::net::IpAddr;

use flatnet_types::MacAddr;
use nix::libc;

use super::attributes::{self, FRA_IIFNAME, FRA_OIFNAME, iter, text};
use super::{Entry, EntryKind};
use crate::message::address::ip;
use crate::message::link::number;

pub(super) fn of(entry: &Entry, name_of: &dyn Fn(u32) -> String) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = match entry.kind {
        EntryKind::Address => address(entry, name_of, &mut out),
        EntryKind::Route => route(entry, name_of, &mut out),
        EntryKind::Rule => rule(entry, &mut out),
        EntryKind::Neighbour => neighbour(entry, name_of, &mut out),
    };
    out
}

fn index(bytes: &[u8]) -> u32 {
    number(bytes).unwrap_or(0)
}

fn address(e: &Entry, name_of: &dyn Fn(u32) -> String, out: &mut String) -> std::fmt::Result {
    let dev = name_of(index(&e.payload[4..]));
    let Some(seen) = e.as_address() else {
        return write!(out, "(unreadable) dev {dev}");
    };
    write!(out, "{}", seen.address)?;
    if let Some(peer) = e.attribute(libc::IFA_ADDRESS).and_then(ip)
        && peer != seen.address.ip()
    {
        write!(out, " peer {peer}")?;
    }
    if let Some(brd) = e.attribute(libc::IFA_BROADCAST).and_then(ip) {
        write!(out, " brd {brd}")?;
    }
    write!(out, " dev {dev}")?;
    match e.payload[3] {
        0 => {}
        253 => out.push_str(" scope link"),
        254 => out.push_str(" scope host"),
        n => write!(out, " scope {n}")?,
    }
    if let Some(label) = e.attribute(libc::IFA_LABEL).map(text)
        && *label != *dev
    {
        write!(out, " label {label}")?;
    }
    // IFA_RT_PRIORITY
    if let Some(metric) = e.attribute(9).and_then(number) {
        write!(out, " metric {metric}")?;
    }
    for (bit, word) in [
        (0x02, "nodad"),
        (0x200, "noprefixroute"),
        (0x100, "mngtmpaddr"),
        (0x10, "home"),
    ] {
        if seen.flags & bit != 0 {
            write!(out, " {word}")?;
        }
    }
    if seen.protocol != 0 {
        write!(out, " proto {}", seen.protocol)?;
    }
    // struct ifa_cacheinfo: preferred, valid; 2³²−1 is for ever.
    if let Some(info) = e.attribute(libc::IFA_CACHEINFO) {
        let (preferred, valid) = (index(info), number(info.get(4..).unwrap_or_default()));
        if let Some(valid) = valid.filter(|v| *v != u32::MAX) {
            write!(out, " valid_lft {valid} preferred_lft {preferred}")?;
        }
    }
    Ok(())
}

fn protocol(n: u8) -> String {
    match n {
        2 => "kernel".to_owned(),
        3 => "boot".to_owned(),
        4 => "static".to_owned(),
        9 => "ra".to_owned(),
        16 => "dhcp".to_owned(),
        n => n.to_string(),
    }
}

fn route(e: &Entry, name_of: &dyn Fn(u32) -> String, out: &mut String) -> std::fmt::Result {
    let Some(seen) = e.as_route() else {
        return write!(out, "(unreadable)");
    };
    match e.payload[7] {
        1 => {}
        2 => out.push_str("local "),
        3 => out.push_str("broadcast "),
        4 => out.push_str("anycast "),
        5 => out.push_str("multicast "),
        6 => out.push_str("blackhole "),
        7 => out.push_str("unreachable "),
        8 => out.push_str("prohibit "),
        n => write!(out, "type {n} ")?,
    }
    if seen.dst.prefix() == 0 {
        out.push_str("default");
    } else {
        write!(out, "{}", seen.dst)?;
    }
    if let Some(from) = e.attribute(libc::RTA_SRC).and_then(ip) {
        write!(out, " from {from}/{}", e.payload[2])?;
    }
    if e.payload[3] != 0 {
        write!(out, " tos {:#04x}", e.payload[3])?;
    }
    if e.attribute(21).is_some() || e.attribute(22).is_some() {
        out.push_str(" encap …");
    }
    let many = seen.nexthops.len() > 1;
    if !many {
        for hop in &seen.nexthops {
            hop_words(hop.via, hop.ifindex, hop.onlink, name_of, out)?;
        }
    }
    if seen.table != 254 {
        write!(out, " table {}", seen.table)?;
    }
    if seen.protocol != 3 {
        write!(out, " proto {}", protocol(seen.protocol))?;
    }
    if !e.is_ipv6() {
        match e.payload[6] {
            0 => {}
            200 => out.push_str(" scope site"),
            253 => out.push_str(" scope link"),
            254 => out.push_str(" scope host"),
            255 => out.push_str(" scope nowhere"),
            n => write!(out, " scope {n}")?,
        }
    }
    if let Some(src) = seen.src {
        write!(out, " src {src}")?;
    }
    if let Some(metric) = seen.metric {
        write!(out, " metric {metric}")?;
    }
    metrics(e, out)?;
    if let Some(pref) = e.attribute(20).and_then(<[u8]>::first) {
        match pref {
            1 => out.push_str(" pref high"),
            3 => out.push_str(" pref low"),
            _ => {}
        }
    }
    if let Some(seconds) = e
        .as_request()
        .attribute(attributes::RTA_EXPIRES)
        .and_then(number)
    {
        write!(out, " expires {seconds}")?;
    }
    if many {
        for hop in &seen.nexthops {
            out.push_str(" nexthop");
            hop_words(hop.via, hop.ifindex, hop.onlink, name_of, out)?;
            write!(out, " weight {}", hop.weight)?;
        }
    }
    Ok(())
}

fn hop_words(
    via: Option<IpAddr>,
    ifindex: Option<u32>,
    onlink: bool,
    name_of: &dyn Fn(u32) -> String,
    out: &mut String,
) -> std::fmt::Result {
    if let Some(via) = via {
        write!(out, " via {via}")?;
    }
    if let Some(ifindex) = ifindex {
        write!(out, " dev {}", name_of(ifindex))?;
    }
    if onlink {
        out.push_str(" onlink");
    }
    Ok(())
}

/// `RTAX_*`; `RTAX_LOCK` (1) is a set of those that may not change by themselves.
fn metrics(e: &Entry, out: &mut String) -> std::fmt::Result {
    let Some(metrics) = e.attribute(libc::RTA_METRICS) else {
        return Ok(());
    };
    let locked = iter(metrics)
        .find(|(k, _)| *k == 1)
        .and_then(|(_, v)| number(v))
        .unwrap_or(0);
    for (kind, value) in iter(metrics) {
        let word = match kind {
            2 => "mtu",
            3 => "window",
            4 => "rtt",
            5 => "rttvar",
            6 => "ssthresh",
            7 => "cwnd",
            8 => "advmss",
            9 => "reordering",
            10 => "hoplimit",
            11 => "initcwnd",
            12 => "features",
            13 => "rto_min",
            14 => "initrwnd",
            15 => "quickack",
            _ => continue,
        };
        let lock = if locked & (1 << kind) != 0 {
            "lock "
        } else {
            ""
        };
        write!(out, " {word} {lock}{}", index(value))?;
    }
    Ok(())
}

fn rule(e: &Entry, out: &mut String) -> std::fmt::Result {
    let p = &e.payload;
    if index(&p[8..]) & 2 != 0 {
        out.push_str("not ");
    }
    let prefix = |kind: u16, length: u8| e.attribute(kind).and_then(ip).map(|ip| (ip, length));
    match prefix(2, p[2]) {
        Some((ip, length)) => write!(out, "from {ip}/{length}")?,
        None => out.push_str("from all"),
    }
    if let Some((ip, length)) = prefix(1, p[1]) {
        write!(out, " to {ip}/{length}")?;
    }
    if let Some(mark) = e.attribute(10).and_then(number).filter(|m| *m != 0) {
        write!(
            out,
            " fwmark {mark:#x}/{:#x}",
            e.attribute(16).map_or(u32::MAX, index)
        )?;
    }
    for (kind, word) in [(FRA_IIFNAME, "iif"), (FRA_OIFNAME, "oif")] {
        if let Some(name) = e.attribute(kind) {
            write!(out, " {word} {}", text(name))?;
        }
    }
    let table = e.attribute(15).map_or(u32::from(p[4]), index);
    match p[7] {
        1 => write!(out, " lookup {table}")?,
        2 => write!(out, " goto {}", e.attribute(4).map_or(0, index))?,
        6 => out.push_str(" blackhole"),
        7 => out.push_str(" unreachable"),
        8 => out.push_str(" prohibit"),
        n => write!(out, " action {n}")?,
    }
    if let Some(length) = e.attribute(14).and_then(number).filter(|l| *l != u32::MAX) {
        write!(out, " suppress_prefixlength {length}")?;
    }
    write!(out, " priority {}", e.attribute(6).map_or(0, index))?;
    if let Some(n) = e.attribute(21).and_then(<[u8]>::first).filter(|n| **n != 0) {
        write!(out, " protocol {}", protocol(*n))?;
    }
    Ok(())
}

fn neighbour(e: &Entry, name_of: &dyn Fn(u32) -> String, out: &mut String) -> std::fmt::Result {
    if let Some(ip) = e.neighbour() {
        write!(out, "{ip}")?;
    }
    if let Some(mac) = e.attribute(2).and_then(|v| <[u8; 6]>::try_from(v).ok()) {
        write!(out, " lladdr {}", MacAddr(mac))?;
    }
    write!(
        out,
        " dev {} nud permanent",
        name_of(index(&e.payload[4..]))
    )
}
