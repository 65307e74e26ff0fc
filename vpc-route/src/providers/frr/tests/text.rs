//! What FRR 8.4.4 said, captured, and what is told to it.

use super::super::change::{Change, Taken, change};
use super::super::rib::{Rib, connected};
use super::super::running::{StaticRoute, parse};
use super::fake::Fake;
use crate::diff::{CreateReason, DeleteReason, Op};
use crate::model::{NextHop, NextHopKind, NextHops, Prefix, TableId};

const RUNNING: &str = include_str!("captured/running.txt");
const RIB4: &str = include_str!("captured/rib4.json");
const RIB6: &str = include_str!("captured/rib6.json");

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn hops(hops: &[&str]) -> NextHops {
    let hop = |id: &&str| NextHop {
        kind: NextHopKind::Gateway,
        id: (*id).to_owned(),
        weight: 0,
    };
    NextHops::new(hops.iter().map(hop).collect()).unwrap()
}

fn modify(destination: &str, from: &str, to: &str) -> Op {
    Op::Modify {
        destination: prefix(destination),
        from: hops(&[from]),
        to: hops(&[to]),
        name: "flatnet:prod:1:frr".into(),
        id: None,
    }
}

#[test]
fn a_captured_configuration_is_read_whole() {
    let routes = parse(RUNNING).unwrap();
    let line = |r: &StaticRoute| format!("{} {} {} {}", r.destination, r.hop, r.tag, r.distance);
    let lines: Vec<String> = routes.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "0.0.0.0/0 192.0.2.2 0 1",
            "10.1.0.0/16 192.0.2.2 0 1",
            "10.2.0.0/16 192.0.2.2 color 5 0 1",
            "10.2.0.0/16 192.0.2.3 0 1",
            "10.2.0.0/16 192.0.2.1 onlink 95 1",
            "10.2.0.0/16 192.0.2.1 up0 onlink 95 250",
            "10.4.0.0/16 blackhole 0 1",
            "10.5.0.0/16 Null0 0 1",
            "10.6.0.0/16 192.0.2.99 0 1",
            "10.7.0.0/16 198.51.100.1 0 1",
            "10.8.0.0/16 up0 0 1",
            "10.8.0.0/16 192.0.2.1 up0 0 1",
            "10.20.0.0/16 192.0.2.2 4294967295 200",
            "10.22.0.0/16 reject 0 1",
            "10.50.0.0/16 192.0.2.1 95 1",
            "10.52.0.0/16 192.0.2.1 0 1",
            "10.60.0.0/16 192.0.2.2 95 1",
            "10.70.0.0/16 192.0.2.1 95 1",
            "10.70.0.0/16 192.0.2.2 95 200",
            "10.71.0.0/16 198.51.100.7 95 1",
            "fd00:1::/48 2001:db8::1 95 1",
            "fd02::/48 fe80::1 up0 95 1",
            "fd60::/48 2001:db8::2 95 1",
        ]
    );
}

#[test]
fn a_route_that_is_none_is_named_by_its_line() {
    for line in [
        "ip route 10.1.0.0/16",
        "ipv6 route nonsense ::1",
        "ip route 10.0.0.0/8 tag 5",
    ] {
        let error = parse(&format!("!\n{line}\n")).unwrap_err();
        assert_eq!((error.line, error.text.as_str()), (2, line));
    }
}

#[tokio::test]
async fn entries_bear_our_name_by_their_tag_and_others_are_shown_as_they_are() {
    let fake = Fake::start(&[]);
    let table = fake
        .router()
        .table(&TableId("edge".into()), &parse(RUNNING).unwrap());
    let shown = |p: &str| {
        let entry = table.entries.iter().find(|e| e.destination == prefix(p));
        let entry = entry.unwrap_or_else(|| panic!("{p} is not listed"));
        format!("{} {}", entry.name, entry.next_hops)
    };
    assert_eq!(shown("10.1.0.0/16"), "static Gateway 192.0.2.2");
    assert_eq!(
        shown("10.20.0.0/16"),
        "static, tag 4294967295 Gateway 192.0.2.2"
    );
    assert_eq!(
        shown("10.50.0.0/16"),
        "flatnet:prod:0:frr Gateway 192.0.2.1"
    );
    assert_eq!(
        shown("10.2.0.0/16"),
        "flatnet:prod:0:frr Gateway 192.0.2.1 onlink + Gateway 192.0.2.1 up0 onlink"
    );
    assert_eq!(table.entries.len(), 18);
}

#[test]
fn a_captured_table_tells_what_is_in_force() {
    let mut rib = Rib::default();
    rib.add(RIB4).unwrap();
    rib.add(RIB6).unwrap();
    let carries = |p: &str, hop: &str| rib.carries(prefix(p), hop);
    assert!(carries("10.50.0.0/16", "192.0.2.1") && !carries("10.50.0.0/16", "192.0.2.2"));
    assert!(carries("10.4.0.0/16", "blackhole") && carries("10.8.0.0/16", "up0"));
    assert!(carries("fd00:1::/48", "2001:db8::1"));
    // Its next hop cannot be reached; and the kernel's own route has the better distance.
    assert!(!carries("10.71.0.0/16", "198.51.100.7") && !rib.has(prefix("10.71.0.0/16")));
    assert!(!carries("10.70.0.0/16", "192.0.2.1") && !rib.has(prefix("10.70.0.0/16")));
    assert!(Rib::default().add("<html>").is_err());
}

#[test]
fn connected_networks_are_told_with_their_interface_and_links_own_addresses_are_not() {
    let told = |interface: &str, installed: bool| {
        serde_json::json!([{"protocol": "connected", "selected": installed,
            "installed": installed, "nexthops": [{"flags": 3, "fib": true,
            "directlyConnected": true, "interfaceIndex": 2, "interfaceName": interface,
            "active": true}]}])
    };
    let json = serde_json::json!({
        "192.0.2.0/30": told("line0", true),
        "198.51.100.0/24": told("old0", false),
        "fd00:99::/64": told("line0", true),
        "fe80::/64": told("line0", true),
    });
    let found = connected(&json.to_string()).unwrap();
    let expected = [prefix("192.0.2.0/30"), prefix("fd00:99::/64")];
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        expected.map(|p| (p, "line0".to_owned()))
    );
    assert!(connected("{}").unwrap().is_empty() && connected("<html>").is_err());
}

#[test]
fn an_ipv4_route_gets_its_new_next_hop_before_the_old_one_goes() {
    let routes = parse("ip route 10.1.0.0/16 192.0.2.1 tag 95 30\n").unwrap();
    let told = change(
        &modify("10.1.0.0/16", "192.0.2.1", "192.0.2.2"),
        &routes,
        95,
    )
    .unwrap();
    let awaited = vec![(prefix("10.1.0.0/16"), vec!["192.0.2.2".to_owned()])];
    assert_eq!(
        told,
        Change {
            first: vec!["ip route 10.1.0.0/16 192.0.2.2 tag 95 30".into()],
            awaited,
            undo: vec!["no ip route 10.1.0.0/16 192.0.2.2".into()],
            second: vec!["no ip route 10.1.0.0/16 192.0.2.1".into()],
            ..Change::default()
        }
    );
}

#[test]
fn an_ipv6_route_changes_behind_those_of_its_more_specifics_that_are_free() {
    let routes = "ipv6 route fd00::/48 2001:db8::1 tag 95\nipv6 route fd00::/49 2001:db8::7\n";
    let routes = parse(routes).unwrap();
    let told = change(
        &modify("fd00::/48", "2001:db8::1", "2001:db8::2"),
        &routes,
        95,
    )
    .unwrap();
    let half = "fd00:0:0:8000::/49";
    assert_eq!(
        told.first,
        [format!("ipv6 route {half} 2001:db8::2 tag 95")]
    );
    assert_eq!(
        told.awaited,
        [(prefix(half), vec!["2001:db8::2".to_owned()])]
    );
    assert_eq!(
        told.second,
        [
            "ipv6 route fd00::/48 2001:db8::2 tag 95",
            "no ipv6 route fd00::/48 2001:db8::1"
        ]
    );
    assert_eq!(told.third, [format!("no ipv6 route {half} 2001:db8::2")]);
    assert_eq!(told.undo, told.third);
}

#[test]
fn nothing_is_told_that_would_mark_anothers_route() {
    let create = |p: &str, hop: &str| Op::Create {
        destination: prefix(p),
        next_hops: hops(&[hop]),
        name: "flatnet:prod:1:frr".into(),
        why: CreateReason::New,
    };
    let routes = "ip route 10.1.0.0/16 192.0.2.1\nip route 10.2.0.0/16 192.0.2.1 tag 7 200\n";
    let routes = parse(routes).unwrap();
    let taken = change(&create("10.1.0.0/16", "192.0.2.2"), &routes, 95).unwrap_err();
    let Taken::Unmanaged { hop, tag, .. } = taken;
    assert_eq!((hop.as_str(), tag), ("192.0.2.1", 0));
    assert!(change(&create("10.2.0.0/16", "192.0.2.1"), &routes, 95).is_err());
    assert!(change(&create("10.2.0.0/16", "192.0.2.2"), &routes, 95).is_ok());
    let delete = Op::Delete {
        destination: prefix("10.1.0.0/16"),
        next_hops: hops(&["192.0.2.1"]),
        id: None,
        why: DeleteReason::Orphan,
    };
    assert_eq!(change(&delete, &routes, 95).unwrap(), Change::default());
}
