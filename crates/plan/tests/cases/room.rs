//! Ranges that leave nothing to give out, and exclusions that are at fault.

use super::{finds, sound};

const LONE: &str = "{network: db, prefix: 10.200.16.0/26}";
const CLOUD: &str = "length: 26, from: 172.30.0.0";
const EXCLUDE: &str = "exclude: [10.100.0.0/20]";

#[test]
fn a_range_in_a_vpc_loses_its_network_gateway_and_broadcast() {
    finds(
        &[(CLOUD, "length: 32, from: 172.30.0.0")],
        &[("FN0507", "length: 32")],
    );
    finds(
        &[(CLOUD, "length: 31, from: 172.30.0.0")],
        &[("FN0508", "length: 31")],
    );
    sound(&[
        (CLOUD, "length: 30, from: 172.30.0.0"),
        ("site: vpc, pools", "site: vpc, density: 1, pools"),
    ]);
    sound(&[
        (CLOUD, "length: 31, from: 172.30.0.0"),
        ("site: vpc, pools", "site: vpc, density: 1, pools"),
    ]);
}

#[test]
fn a_slice_loses_the_same() {
    let none = (
        "      ranges: [{network: cloud, length: 26, from: 172.30.0.0}]\n",
        "",
    );
    let pool = |length: &str| format!("prefix: 172.30.0.0/16, sliceLength: {length}");
    finds(
        &[none, ("prefix: 172.30.0.0/16", &pool("32"))],
        &[("FN0507", "sliceLength: 32")],
    );
    finds(
        &[none, ("prefix: 172.30.0.0/16", &pool("31"))],
        &[("FN0508", "sliceLength: 31")],
    );
    sound(&[none, ("prefix: 172.30.0.0/16", &pool("29"))]);
}

#[test]
fn in_a_vlan_a_range_has_all_of_its_addresses() {
    finds(
        &[(LONE, "{network: db, prefix: 10.200.16.0/32}")],
        &[("FN0508", "/32")],
    );
    sound(&[(LONE, "{network: db, prefix: 10.200.16.0/31}")]);
}

#[test]
fn a_range_is_emptied_by_excluding_it_whole() {
    let two = (
        LONE,
        "{network: db, prefix: 10.200.16.0/26}, {network: db, prefix: 10.200.17.0/26}",
    );
    let drained = (
        "exclude: [10.200.0.0/20]",
        "exclude: [10.200.0.0/20, 10.200.16.0/26]",
    );
    sound(&[two, drained]);
    // Nothing is left.
    finds(&[drained], &[("FN0507", "10.200.16.0/26")]);
    // A range without a place for its gateway is refused by netd, whatever else the host has.
    let cloud = (
        "[{network: cloud, length: 26, from: 172.30.0.0}]",
        "[{network: cloud, length: 26, from: 172.30.0.0}, {network: cloud, length: 32, from: 172.30.64.0}]",
    );
    finds(&[cloud], &[("FN0507", "length: 32")]);
}

#[test]
fn what_is_excluded_of_the_gateway_and_the_edges_is_taken_off_once() {
    let range = (CLOUD, "length: 29, from: 172.30.0.0");
    let of = |exclude: &str, density: u8| {
        (
            "site: vpc, pools: [{prefix: 172.30.0.0/16}]".to_owned(),
            format!(
                "site: vpc, density: {density}, pools: [{{prefix: 172.30.0.0/16, exclude: [{exclude}]}}]"
            ),
        )
    };
    // Of eight, the network, the gateway and the broadcast are no container's.
    let (from, to) = of("172.30.0.0/31, 172.30.0.7/32", 5);
    sound(&[range, (&from, &to)]);
    let (from, to) = of("172.30.0.0/30", 4);
    finds(&[range, (&from, &to)], &[("FN0504", "172.30.0.0/30")]);
    let (from, to) = of("172.30.0.0/30", 3);
    sound(&[range, (&from, &to)]);
}

#[test]
fn one_wrong_exclusion_is_told_once_and_where_it_is() {
    finds(
        &[(EXCLUDE, "exclude: [10.100.0.0/19]")],
        &[("FN0507", "exclude: [10.100.0.0/19]")],
    );
    let dense = (
        "site: idc, vlan: 100, pools",
        "site: idc, vlan: 100, density: 40, pools",
    );
    sound(&[dense]);
    // Half of each of the first hosts' ranges.
    let half = (EXCLUDE, "exclude: [10.100.0.0/20, 10.100.16.0/27]");
    finds(&[dense, half], &[("FN0504", "10.100.16.0/27")]);
    // The range itself is too small.
    let all = (
        "site: idc, vlan: 100, pools",
        "site: idc, vlan: 100, density: 65, pools",
    );
    finds(&[all], &[("FN0504", "length: 26")]);
}
