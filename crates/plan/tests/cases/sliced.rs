//! What ipamd cuts is counted as what the plan declares.

use flatnet_plan::capacity::capacity;
use flatnet_plan::grow::add_hosts;
use flatnet_plan::load;

use super::{edited, finds, sound};

const CLOUD: (&str, &str) = (
    "prefix: 172.30.0.0/16",
    "prefix: 172.30.0.0/16, sliceLength: 26",
);
const NO_CLOUD: (&str, &str) = (
    "      ranges: [{network: cloud, length: 26, from: 172.30.0.0}]\n",
    "",
);
const WEB: (&str, &str) = (
    "exclude: [10.100.0.0/20]",
    "exclude: [10.100.0.0/20], sliceLength: 26",
);
const NO_WEB: (&str, &str) = (
    "      ranges:\n        - {network: web, length: 26, from: 10.100.16.0}\n",
    "",
);
const MANY: (&str, &str) = ("count: 8\n      instanceId", "count: 250\n      instanceId");

#[test]
fn slices_fill_a_vpcs_route_table() {
    sound(&[CLOUD, NO_CLOUD]);
    finds(&[CLOUD, NO_CLOUD, MANY], &[("FN0601", "quota: 200")]);
    let apart = ("quota: 200}", "quota: 200, aggregate: false}");
    finds(&[CLOUD, NO_CLOUD, MANY, apart], &[("FN0602", "quota: 200")]);
}

#[test]
fn capacity_and_growth_count_slices() {
    let text = edited(&[CLOUD, NO_CLOUD]);
    let full = capacity(&load(&text).expect("a sound plan")).expect("tables");
    let main = full.tables.iter().find(|t| t.name == "main").expect("it");
    // Three subnets of the data centre, and eight hosts.
    assert_eq!(
        (main.used, main.headroom, main.more_hosts),
        (11, 189, Some(189))
    );
    let pool = full
        .pools
        .iter()
        .find(|p| p.network == "cloud")
        .expect("it");
    assert_eq!(
        (pool.hosts, pool.given, pool.range_length),
        (8, 512, Some(26))
    );
    assert_eq!(pool.more_hosts, Some(1024 - 8));
    assert!(add_hosts(&text, "cloud", 189).is_ok());
    let refused = add_hosts(&text, "cloud", 190).expect_err("the table would be full");
    assert!(format!("{refused:?}").contains("FN0601"), "{refused:?}");
}

#[test]
fn slices_use_the_vlan_of_their_network() {
    let trunk = |vlans| ("{name: tor1, ", vlans);
    let hosts = "{name: tor1, trunk: [10, 200], ";
    finds(
        &[WEB, NO_WEB, trunk(hosts)],
        &[("FN0305", "trunk: [10, 200]")],
    );
    sound(&[WEB, NO_WEB, trunk("{name: tor1, trunk: [10, 100, 200], ")]);
    let uplink = (
        "switch: tor1, port: \"{n}\"}",
        "switch: tor1, port: \"{n}\", trunk: [10]}",
    );
    finds(&[WEB, NO_WEB, uplink], &[("FN0305", "trunk: [10]")]);
}

#[test]
fn slices_carry_as_many_bytes_as_their_network() {
    finds(
        &[WEB, NO_WEB, ("{name: tor2}", "{name: tor2, mtu: 1400}")],
        &[("FN0404", "mtu: 1400")],
    );
    let uplink = (
        "uplink: {interface: eth0}",
        "uplink: {interface: eth0, mtu: 1400}",
    );
    finds(&[CLOUD, NO_CLOUD, uplink], &[("FN0404", "mtu: 1400")]);
}

#[test]
fn containers_of_slices_are_macs_and_neighbours() {
    let pods = (
        "vlan: 100, pools",
        "vlan: 100, mac: pod, density: 50, pools",
    );
    let small = ("{name: tor1, ", "{name: tor1, macTableSize: 512, ");
    finds(
        &[WEB, NO_WEB, pods, small],
        &[("FN0501", "macTableSize: 512")],
    );
    // Without a density a slice counts as if it were full.
    let full = ("vlan: 100, pools", "vlan: 100, mac: pod, pools");
    finds(
        &[WEB, NO_WEB, full, small],
        &[("FN0501", "macTableSize: 512")],
    );
    let budget = ("gcThresh3: 65536", "gcThresh3: 65536, neighbours: 400");
    finds(&[WEB, NO_WEB, pods, budget], &[("FN0502", "id: 100")]);
    let hosts = ("gcThresh3: 65536", "gcThresh3: 400");
    finds(&[WEB, NO_WEB, pods, hosts], &[("FN0503", "gcThresh3: 400")]);
}

#[test]
fn slices_have_to_be_accepted_by_the_line() {
    let accept = |vpc: &str| {
        format!("routerInterface: ri-1\n      accept: {{fromIdc: [10.0.0.0/8], fromVpc: [{vpc}]}}")
    };
    let without = accept("172.20.0.0/16");
    let line = ("routerInterface: ri-1", without.as_str());
    finds(&[CLOUD, NO_CLOUD, line], &[("FN0608", "fromVpc")]);
    let with = accept("172.20.0.0/16, 172.30.0.0/16");
    sound(&[CLOUD, NO_CLOUD, ("routerInterface: ri-1", with.as_str())]);
    // What is never cut need not be accepted.
    let half = accept("172.20.0.0/16, 172.30.0.0/17");
    let cut = (
        "prefix: 172.30.0.0/16",
        "prefix: 172.30.0.0/16, sliceLength: 26, exclude: [172.30.128.0/17]",
    );
    sound(&[cut, NO_CLOUD, ("routerInterface: ri-1", half.as_str())]);
}
