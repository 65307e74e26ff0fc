//! Designs that are sound, and have to be sayable.

use super::{edited, finds, report, sound};

const LINE: &str = "routerInterface: ri-1";

fn accept(idc: &str, vpc: &str) -> String {
    format!("{LINE}\n      accept: {{fromIdc: [{idc}], fromVpc: [{vpc}]}}")
}

#[test]
fn hosts_that_are_not_to_cross_are_left_out_of_accept_on_both_sides() {
    sound(&[(
        LINE,
        &accept("10.100.0.0/16, 10.200.0.0/16", "172.30.0.0/16"),
    )]);
}

#[test]
fn hosts_that_are_accepted_on_one_side_alone_get_no_answer() {
    let one = accept(
        "10.10.0.0/22, 10.100.0.0/16, 10.200.0.0/16",
        "172.30.0.0/16",
    );
    finds(&[(LINE, &one)], &[("FN0614", "fromVpc")]);
}

#[test]
fn a_pool_that_is_left_out_of_accept_is_missed() {
    let web = accept("10.100.0.0/16", "172.30.0.0/16");
    finds(&[(LINE, &web)], &[("FN0614", "fromIdc")]);
    // A network that is to stay inside is left out of one side, and the author says so.
    let allow = (
        "  servicePrefixes:",
        "  allow: [{code: FN0614, reason: db stays inside}]\n  servicePrefixes:",
    );
    sound(&[(LINE, &web), allow]);
    // Where nothing of a family is answered, it is no choice.
    finds(
        &[(LINE, &accept("10.0.0.0/8", ""))],
        &[("FN0608", "fromVpc")],
    );
    finds(
        &[(LINE, &accept("", "172.16.0.0/12"))],
        &[("FN0608", "fromIdc")],
    );
}

#[test]
fn a_lines_mtu_is_compared_with_what_it_carries() {
    let small = |accept: &str| format!("{accept}\n      mtu: 1400");
    let cloud = ("site: vpc, pools", "site: vpc, mtu: 1400, pools");
    let web = (
        "site: idc, vlan: 100, pools",
        "site: idc, vlan: 100, mtu: 1400, pools",
    );
    let all = small(LINE);
    finds(&[cloud, web, (LINE, &all)], &[("FN0405", "mtu: 1400")]);
    // `db` does not cross, and neither does the host that has nothing but `db`.
    let no_db = small(&accept("10.100.0.0/16", "172.30.0.0/16"));
    let lone = (
        "network: db, prefix: 10.200.16.0/26",
        "network: web, prefix: 10.100.64.0/26",
    );
    sound(&[cloud, web, lone, (LINE, &no_db)]);
}

#[test]
fn a_line_ends_in_a_transit_vlan() {
    let vlan = |subnet: &str| {
        format!("role: transit, subnets: [{{prefix: {subnet}, gateway: 10.255.0.1}}]")
    };
    let empty = "role: transit, subnets: []";
    sound(&[(empty, &vlan("10.255.0.0/30"))]);
    // The line's network may be a part of the VLAN's subnet.
    sound(&[(empty, &vlan("10.255.0.0/24"))]);
    // Another machine's address there is another one.
    let host = ("addresses: [10.10.1.11/22]", "addresses: [10.255.0.1/30]");
    finds(
        &[(empty, &vlan("10.255.0.0/30")), host],
        &[("FN0114", "10.255.0.1/30")],
    );
    // In a VLAN of containers it is cut off from them.
    let pods = vlan("10.255.0.0/30").replace("transit", "pod");
    finds(&[(empty, &pods)], &[("FN0105", "transfer")]);
}

#[test]
fn the_two_ends_of_a_line_have_an_address_each() {
    let ends = (
        "idc: 10.255.0.1, vpc: 10.255.0.2",
        "idc: 10.255.0.1, vpc: 10.255.0.1",
    );
    finds(&[ends], &[("FN0114", "vpc: 10.255.0.1")]);
    // The gateway of the line's VLAN is the edge router, and not the cloud's end.
    let vlan = (
        "role: transit, subnets: []",
        "role: transit, subnets: [{prefix: 10.255.0.0/30, gateway: 10.255.0.2}]",
    );
    finds(&[vlan], &[("FN0114", "vpc: 10.255.0.2")]);
}

const RACKS: (&str, &str) = (
    "- {id: 10, name: hosts, role: host, subnets: [{prefix: 10.10.0.0/22, gateway: 10.10.0.1}]}",
    "- {id: 10, name: rack1, role: host, subnets: [{prefix: 10.10.0.0/24, gateway: 10.10.0.1}]}\n        \
     - {id: 11, name: rack2, role: host, subnets: [{prefix: 10.10.1.0/24, gateway: 10.10.1.1}]}",
);
const ROW: (&str, &str) = ("10.10.0.11/22", "10.10.0.11/24");
const ALONE: (&str, &str) = ("10.10.1.11/22", "10.10.1.11/24");

#[test]
fn each_rack_of_a_routed_fabric_has_its_own_vlan_of_hosts() {
    sound(&[RACKS, ROW, ALONE]);
    // Each host has its own VLAN on the trunk, and not the others'.
    let trunk = ("port: \"{n}\"}", "port: \"{n}\", trunk: [10, 100]}");
    sound(&[RACKS, ROW, ALONE, trunk]);
    let other = ("port: \"{n}\"}", "port: \"{n}\", trunk: [11, 100]}");
    finds(
        &[RACKS, ROW, ALONE, other],
        &[("FN0305", "trunk: [11, 100]")],
    );
}

#[test]
fn a_host_in_none_of_the_racks_and_a_rack_without_hosts_are_told() {
    let far = ("10.10.1.11/22", "10.10.2.11/24");
    finds(&[RACKS, ROW, far], &[("FN0113", "10.10.2.11/24")]);
    let length = ("10.10.1.11/22", "10.10.1.11/25");
    finds(&[RACKS, ROW, length], &[("FN0113", "10.10.1.11/25")]);
}

#[test]
fn a_routers_link_local_address_is_the_gateway_of_many_vlans() {
    let six = |of: &str, prefix: &str| {
        format!("gateway: {of}}}, {{prefix: \"{prefix}\", gateway: \"fe80::1\"}}")
    };
    let (hosts, web) = (
        six("10.10.0.1", "fd10:10::/64"),
        six("10.100.0.1", "fd10:100::/64"),
    );
    let both = [
        ("gateway: 10.10.0.1}", hosts.as_str()),
        ("gateway: 10.100.0.1}", web.as_str()),
    ];
    sound(&both);
    // Of IPv4 there is none that all routers have.
    finds(
        &[("gateway: 10.100.0.1", "gateway: 169.254.0.1")],
        &[("FN0112", "169.254.0.1")],
    );
}

#[test]
fn a_ports_native_vlan_and_the_hosts_uplink_agree() {
    let tor1 = ("{name: tor1, ", "{name: tor1, native: 10, ");
    let tor2 = ("{name: tor2}", "{name: tor2, native: 10}");
    let row = ("port: \"{n}\"}", "port: \"{n}\", untagged: true}");
    let lone = ("{interface: bond0, ", "{interface: bond0, untagged: true, ");
    sound(&[tor1, tor2, row, lone]);
    finds(&[tor1, tor2, row], &[("FN0312", "bond0")]);
    let other = ("{name: tor1, ", "{name: tor1, native: 999, ");
    sound(&[other]);
    finds(&[other, row], &[("FN0312", "untagged: true")]);
    let port = (
        "{name: tor1, ",
        "{name: tor1, native: 999, ports: [{name: a, trunk: [10, 200], native: 10}], ",
    );
    finds(&[port], &[("FN0312", "bond0")]);
    sound(&[port, tor2, lone]);
}

#[test]
fn the_links_between_peers_carry_the_vlans_of_bonds() {
    let peers = |list: &str| format!("{{name: tor1, peerTrunk: [{list}], ");
    sound(&[("{name: tor1, ", &peers("10, 200"))]);
    finds(
        &[("{name: tor1, ", &peers("10"))],
        &[("FN0313", "peerTrunk: [10]")],
    );
    // Every VLAN that is missing is named, and at each of the two switches.
    let both = [
        ("{name: tor1, ", "{name: tor1, peerTrunk: [], "),
        ("{name: tor2}", "{name: tor2, peerTrunk: [10]}"),
    ];
    let text = edited(&both);
    let report = report(&text);
    let said: Vec<&str> = report
        .diagnostics
        .iter()
        .map(|d| d.message.as_str())
        .collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].contains("VLANs 10, 200"), "{said:#?}");
    assert!(said[1].contains("VLAN 200"), "{said:#?}");
}

#[test]
fn hosts_that_expect_another_tag_are_counted_and_not_their_cables() {
    let row = (
        "{interface: eth0, switch: tor1, port: \"{n}\"}",
        "{interface: bond0, bond: lacp, nics: [{interface: eth0, switch: tor1, port: \"{n}\"}, \
         {interface: eth1, switch: tor2, port: \"{n}\"}]}",
    );
    let native = [
        row,
        ("{name: tor1, ", "{name: tor1, native: 100, "),
        ("{name: tor2}", "{name: tor2, native: 100}"),
    ];
    let text = edited(&native);
    let report = report(&text);
    let said = &report.diagnostics[0].message;
    assert!(said.ends_with("(and 7 more by this line)"), "{said}");
}
