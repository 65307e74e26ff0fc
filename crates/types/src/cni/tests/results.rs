use std::net::IpAddr;

use ipnetwork::IpNetwork;
use proptest::prelude::*;

use crate::api::{AddReply, AssignedIp, Route, code};
use crate::cni::result::AddResult;
use crate::cni::{CniResult, CniVersion, Dns, Interface, IpEntry, RouteEntry};
use crate::{IfName, Mtu, NetnsPath};

use super::document;

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn reply() -> AddReply {
    let default = |dst: &str, gw: &str| Route {
        dst: net(dst),
        gateway: Some(addr(gw)),
    };
    let ip = |address: &str, gw: &str| AssignedIp {
        address: net(address),
        gateway: Some(addr(gw)),
    };
    AddReply {
        host_ifname: IfName::new("veth1").expect("a name"),
        host_mac: "02:00:00:00:00:01".parse().expect("a MAC"),
        mac: "0a:f1:0a:00:00:05".parse().expect("a MAC"),
        mtu: Mtu::new(1500).expect("an MTU"),
        ips: vec![ip("10.0.0.5/24", "10.0.0.1"), ip("fd00::5/64", "fd00::1")],
        routes: vec![default("0.0.0.0/0", "10.0.0.1"), default("::/0", "fd00::1")],
        generation: 7,
    }
}

fn merged(earlier: CniResult, version: CniVersion) -> CniResult {
    let dns = Dns {
        nameservers: vec!["10.0.0.53".to_owned()],
        ..Dns::default()
    };
    let (ifname, netns) = (eth0(), netns());
    earlier.merge(
        AddResult {
            reply: &reply(),
            ifname: &ifname,
            netns: &netns,
            dns: &dns,
        },
        version,
    )
}

fn eth0() -> IfName {
    IfName::new("eth0").expect("a name")
}

fn netns() -> NetnsPath {
    NetnsPath::new("/run/netns/x").expect("a path")
}

fn prev(version: &str, result: &str) -> CniResult {
    let text = format!(r#"{{"cniVersion":"{version}","name":"n","prevResult":{result}}}"#);
    document(&text)
        .prev_result()
        .expect("a result")
        .expect("it is there")
}

fn print(result: &CniResult, version: CniVersion) -> String {
    result.print(version).expect("JSON")
}

const TWO_FAMILIES: &str = r#""ip4":{"ip":"10.0.0.5/24","gateway":"10.0.0.1","routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]},"ip6":{"ip":"fd00::5/64","gateway":"fd00::1","routes":[{"dst":"::/0","gw":"fd00::1"}]},"dns":{"nameservers":["10.0.0.53"]}}"#;

const INTERFACES: &str = r#""interfaces":[{"name":"veth1","mac":"02:00:00:00:00:01"},{"name":"eth0","mac":"0a:f1:0a:00:00:05","sandbox":"/run/netns/x"}]"#;

const ROUTES_AND_DNS: &str = r#""routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"},{"dst":"::/0","gw":"fd00::1"}],"dns":{"nameservers":["10.0.0.53"]}}"#;

fn literal(version: CniVersion) -> String {
    let head = format!(r#"{{"cniVersion":"{version}","#);
    let with_family = r#""ips":[{"version":"4","interface":1,"address":"10.0.0.5/24","gateway":"10.0.0.1"},{"version":"6","interface":1,"address":"fd00::5/64","gateway":"fd00::1"}]"#;
    let ips = r#""ips":[{"interface":1,"address":"10.0.0.5/24","gateway":"10.0.0.1"},{"interface":1,"address":"fd00::5/64","gateway":"fd00::1"}]"#;
    match version {
        CniVersion::V0_1_0 | CniVersion::V0_2_0 => format!("{head}{TWO_FAMILIES}"),
        CniVersion::V0_3_0 | CniVersion::V0_3_1 | CniVersion::V0_4_0 => {
            format!("{head}{INTERFACES},{with_family},{ROUTES_AND_DNS}")
        }
        CniVersion::V1_0_0 => format!("{head}{INTERFACES},{ips},{ROUTES_AND_DNS}"),
        CniVersion::V1_1_0 => {
            let interfaces = r#""interfaces":[{"name":"veth1","mac":"02:00:00:00:00:01","mtu":1500},{"name":"eth0","mac":"0a:f1:0a:00:00:05","mtu":1500,"sandbox":"/run/netns/x"}]"#;
            format!("{head}{interfaces},{ips},{ROUTES_AND_DNS}")
        }
    }
}

#[test]
fn a_result_has_the_form_of_each_version() {
    for version in CniVersion::ALL {
        let result = merged(CniResult::default(), version);
        assert_eq!(print(&result, version), literal(version));
    }
}

#[test]
fn a_literal_of_each_version_is_read_and_printed_as_it_was() {
    for version in CniVersion::ALL {
        let text = literal(version);
        assert_eq!(
            print(&prev(version.as_str(), &text), version),
            text,
            "{version}"
        );
    }
}

#[test]
fn a_result_that_says_no_version_is_in_the_configurations() {
    let result = prev("1.0.0", r#"{"ips":[{"address":"10.0.0.5/24"}]}"#);
    assert_eq!(result.ips.len(), 1);
    let result = prev("0.2.0", r#"{"ip4":{"ip":"10.0.0.5/24"}}"#);
    assert_eq!(result.ips.len(), 1);
    let result = prev(
        "1.0.0",
        r#"{"cniVersion":"0.2.0","ip6":{"ip":"fd00::5/64"}}"#,
    );
    assert_eq!(result.ips.len(), 1);
}

#[test]
fn every_specified_field_of_a_chain_passes_through() {
    let earlier = r#"{"cniVersion":"1.1.0","interfaces":[{"name":"net1","mac":"80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01","mtu":4092,"sandbox":"/run/netns/x","socketPath":"/run/vhost","pciID":"0000:04:00.5"}],"ips":[{"interface":0,"address":"192.168.0.9/24"}],"routes":[{"dst":"192.168.0.0/16","gw":"192.168.0.1","mtu":1400,"advmss":1360,"priority":10,"table":100,"scope":253}],"dns":{"nameservers":["1.1.1.1"],"domain":"d","search":["s"],"options":["ndots:5"]}}"#;
    let result = prev("1.1.0", earlier);
    assert_eq!(print(&result, CniVersion::V1_1_0), earlier);
    let result = merged(result, CniVersion::V1_1_0);
    assert_eq!(result.interfaces.len(), 3);
    assert_eq!(result.ips[0].interface, Some(0));
    assert_eq!(result.ips[1].interface, Some(2), "ours is behind theirs");
    assert_eq!(result.routes.len(), 3);
    assert_eq!(result.dns.domain, "d", "the first plugin's dns stays");
    assert!(print(&result, CniVersion::V1_1_0).contains("\"table\":100,\"scope\":253"));
}

#[test]
fn an_older_version_loses_only_what_it_has_no_place_for() {
    let result = prev(
        "1.1.0",
        r#"{"interfaces":[{"name":"a","mtu":9000,"pciID":"x"}],"ips":[{"interface":0,"address":"10.0.0.5/24"},{"address":"10.0.0.6/24"}]}"#,
    );
    assert_eq!(
        print(&result, CniVersion::V0_4_0),
        r#"{"cniVersion":"0.4.0","interfaces":[{"name":"a"}],"ips":[{"version":"4","interface":0,"address":"10.0.0.5/24"},{"version":"4","address":"10.0.0.6/24"}]}"#
    );
    assert_eq!(
        print(&result, CniVersion::V0_2_0),
        r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.5/24"}}"#
    );
}

#[test]
fn a_wrong_prev_result_is_code_7_and_names_its_place() {
    for (bad, place) in [
        (r#"[]"#, "prevResult"),
        (r#"{"interfaces":{}}"#, "prevResult.interfaces"),
        (
            r#"{"interfaces":[{"name":5}]}"#,
            "prevResult.interfaces[0].name",
        ),
        (
            r#"{"interfaces":[{"name":"a","mtu":-1}]}"#,
            "prevResult.interfaces[0].mtu",
        ),
        (r#"{"ips":[{}]}"#, "prevResult.ips[0].address"),
        (
            r#"{"ips":[{"address":"10.0.0.1/99"}]}"#,
            "prevResult.ips[0].address",
        ),
        (
            r#"{"ips":[{"address":"10.0.0.1/8","interface":0}]}"#,
            "prevResult.ips[0].interface",
        ),
        (
            r#"{"ips":[{"address":"10.0.0.1/8","interface":-1}]}"#,
            "prevResult.ips[0].interface",
        ),
        (
            r#"{"routes":[{"dst":"10.0.0.0/8","gw":1}]}"#,
            "prevResult.routes[0].gw",
        ),
        (r#"{"dns":{"domain":[]}}"#, "prevResult.dns.domain"),
    ] {
        let text = format!(r#"{{"cniVersion":"1.1.0","prevResult":{bad}}}"#);
        let err = document(&text).prev_result().expect_err(bad);
        assert_eq!(err.cni_code(), code::INVALID_CONFIG, "{bad}");
        assert!(err.to_string().contains(&format!("`{place}`")), "{err}");
    }
}

#[test]
fn a_check_looks_at_our_interface_and_not_at_what_later_plugins_made() {
    let result = prev(
        "1.1.0",
        r#"{"interfaces":[{"name":"veth1"},{"name":"eth0","mac":"0a:f1:0a:00:00:05","sandbox":"/run/netns/x"},{"name":"eth0"},{"name":"tun0","sandbox":"/run/netns/x"}],
            "ips":[{"interface":1,"address":"10.0.0.5/24"},{"interface":3,"address":"172.16.0.2/16"},{"address":"9.9.9.9/32"}],
            "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"},{"dst":"10.9.0.0/16","gw":"169.254.1.1"},
                      {"dst":"172.20.0.0/16","gw":"172.16.0.1"},{"dst":"10.8.0.0/16","gw":"10.0.0.1","table":100},
                      {"dst":"10.7.0.0/16"},{"dst":"10.6.0.0/16","gw":"10.0.0.1","table":254}]}"#,
    );
    let expected = result.expected(&eth0(), &netns()).expect("our interface");
    assert_eq!(
        expected.mac.map(|m| m.to_string()).as_deref(),
        Some("0a:f1:0a:00:00:05")
    );
    assert_eq!(expected.ips, [net("10.0.0.5/24")]);
    let routes: Vec<_> = expected.routes.iter().map(|r| r.dst.to_string()).collect();
    assert_eq!(routes, ["0.0.0.0/0", "10.9.0.0/16", "10.6.0.0/16"]);
}

#[test]
fn of_two_interfaces_with_our_name_the_one_in_our_namespace_is_ours() {
    let result = prev(
        "1.1.0",
        r#"{"interfaces":[{"name":"eth0","sandbox":"/other","mac":"02:00:00:00:00:01"},{"name":"eth0","sandbox":"/run/netns/x","mac":"02:00:00:00:00:02"}]}"#,
    );
    let expected = result.expected(&eth0(), &netns()).expect("our interface");
    assert_eq!(
        expected.mac.map(|m| m.to_string()).as_deref(),
        Some("02:00:00:00:00:02")
    );
    let spelled = prev(
        "1.1.0",
        r#"{"interfaces":[{"name":"eth0","sandbox":"/var/run/netns/x"}]}"#,
    );
    assert!(
        spelled.expected(&eth0(), &netns()).is_some(),
        "another spelling of the path"
    );
    assert!(prev("1.1.0", "{}").expected(&eth0(), &netns()).is_none());
}

fn any_result() -> impl Strategy<Value = CniResult> {
    let prefix = (any::<IpAddr>(), 0_u8..=32)
        .prop_map(|(ip, len)| IpNetwork::new(ip, len).expect("32 fits both"));
    let word = "[a-z0-9:\"\\\\\u{e9}]{0,8}";
    let number = prop::option::of(any::<u64>());
    let interface = (word, word, number.clone(), word, word, word).prop_map(
        |(name, mac, mtu, sandbox, socket_path, pci_id)| Interface {
            name,
            mac,
            mtu,
            sandbox,
            socket_path,
            pci_id,
        },
    );
    let ip = (
        prefix.clone(),
        prop::option::of(any::<IpAddr>()),
        any::<bool>(),
    );
    let route = (
        prefix,
        prop::option::of(any::<IpAddr>()),
        prop::array::uniform5(number),
    );
    let dns = (prop::collection::vec(word, 0..3), word);
    (
        prop::collection::vec(interface, 0..4),
        prop::collection::vec(ip, 0..4),
        prop::collection::vec(route, 0..4),
        dns,
    )
        .prop_map(|(interfaces, ips, routes, (search, domain))| CniResult {
            ips: ips
                .into_iter()
                .map(|(address, gateway, bound)| IpEntry {
                    address,
                    gateway,
                    interface: (bound && !interfaces.is_empty()).then(|| interfaces.len() - 1),
                })
                .collect(),
            interfaces,
            routes: routes
                .into_iter()
                .map(
                    |(dst, gw, [mtu, advmss, priority, table, scope])| RouteEntry {
                        dst,
                        gw,
                        mtu,
                        advmss,
                        priority,
                        table,
                        scope,
                    },
                )
                .collect(),
            dns: Dns {
                search,
                domain,
                ..Dns::default()
            },
        })
}

proptest! {
    #[test]
    fn any_result_survives_the_newest_versions(result in any_result()) {
        for version in [CniVersion::V1_0_0, CniVersion::V1_1_0] {
            prop_assert_eq!(&prev("1.1.0", &print(&result, version)), &result);
        }
    }

    #[test]
    fn printing_what_was_read_from_a_print_changes_nothing(result in any_result()) {
        for version in CniVersion::ALL {
            let once = print(&result, version);
            prop_assert_eq!(print(&prev("1.1.0", &once), version), once);
        }
    }
}
