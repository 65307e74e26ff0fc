//! Mistakes in a VPC of two clusters: route tables of their own, a sliced pool, a list of destinations.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/tenants.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, MISTAKES);
}

#[test]
fn an_unusual_design_is_sound() {
    each_is_sound(PLAN, SOUND);
}

const MISTAKES: &[Row] = &[
    ("sliceLength: 26", "sliceLength: 29", "FN0506", HERE),
    (
        "prefix: 172.26.0.0/18, cluster: shop",
        "prefix: 172.26.0.0/22, cluster: shop",
        "FN0505",
        HERE,
    ),
    (
        "quota: 60, vSwitches: [e-f]",
        "quota: 6, vSwitches: [e-f]",
        "FN0601",
        HERE,
    ),
    ("vSwitches: [e-a, e-b]", "vSwitches: [e-a]", "FN0612", "e-b"),
    (
        "{prefix: 172.27.0.0/17, cluster: batch",
        "{prefix: 172.27.0.0/17, cluster: shop",
        "FN0121",
        HERE,
    ),
    (
        "prefix: 172.26.64.64/26",
        "prefix: 172.26.64.32/26",
        "FN0101",
        HERE,
    ),
    (
        "prefix: 172.26.64.64/26",
        "prefix: 172.26.67.64/26",
        "FN0115",
        HERE,
    ),
    (
        "addresses: [172.18.5.5/22]",
        "addresses: [172.18.1.5/22]",
        "FN0113",
        HERE,
    ),
    (
        "addresses: [172.18.5.5/22]",
        "addresses: [172.18.4.25/22]",
        "FN0114",
        HERE,
    ),
    (
        "gateway: 172.18.7.253",
        "gateway: 172.18.4.1",
        "FN0208",
        HERE,
    ),
    (
        "addresses: [172.18.1.5/22]",
        "addresses: [172.18.3.253/22]",
        "FN0114",
        HERE,
    ),
    (
        "      vSwitch: e-b\n      instanceId: i-uf6pay2",
        "      instanceId: i-uf6pay2",
        "FN0205",
        "name: pay-2",
    ),
    ("      instanceId: i-uf6pay2\n", "", "FN0203", "name: pay-2"),
    (
        "- {to: 203.0.113.0/24, protocol: tcp, ports: [443]}",
        "- {to: 203.0.113.0/24, ports: [443]}",
        "FN0314",
        HERE,
    ),
    (
        "- {to: 100.100.2.136/32, protocol: udp, ports: [53]}",
        "- {to: 100.100.0.0/16, protocol: udp, ports: [53]}",
        "FN0315",
        HERE,
    ),
    (
        "prefix: 172.18.4.0/22, gateway: 172.18.7.253",
        "prefix: 172.19.4.0/22, gateway: 172.19.7.253",
        "FN0113",
        HERE,
    ),
    ("mtu: 1450", "mtu: 1600", "FN0404", HERE),
    (
        "length: 25, from: 172.27.4.0",
        "length: 28, from: 172.27.4.0",
        "FN0504",
        HERE,
    ),
    (
        "cluster: batch\n      vSwitch: e-f",
        "cluster: bacth\n      vSwitch: e-f",
        "FN0121",
        HERE,
    ),
    (
        "instanceId: \"i-uf6b{n:04}\"",
        "instanceId: \"i-uf6a{n:04}\"",
        "FN0202",
        HERE,
    ),
];

const SOUND: &[(&str, &str)] = &[
    ("mtu: 1450", "mtu: 1280"),
    (
        "      egress:\n        - {to: 172.18.4.0/22, protocol: tcp, ports: [3306, 6379]}",
        "      egress:\n        - {to: 172.18.4.0/22}",
    ),
    (
        "length: 25, from: 172.27.4.0",
        "length: 26, from: 172.27.4.0",
    ),
    (
        "reservations: [{prefix: 172.26.67.0/24, for: acquirer tests}]",
        "exclude: [172.26.67.0/24]",
    ),
    (
        "length: 25, from: 172.27.4.0",
        "length: 27, from: 172.27.4.0",
    ),
];
