//! Mistakes in a data centre of two switches, two VPCs, and three lines of which two lead to one.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/insurer.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, MISTAKES);
}

#[test]
fn an_unusual_design_is_sound() {
    each_is_sound(PLAN, SOUND);
}

const MISTAKES: &[Row] = &[
    ("bond: active-backup", "bond: lacpp", "FN0002", HERE),
    ("peers: [sw-b]", "peers: [sw-c]", "FN0006", HERE),
    (
        "peerTrunk: [20, 120, 130, 60]\n        - name: sw-b",
        "peerTrunk: [20, 120, 60]\n        - name: sw-b",
        "FN0313",
        HERE,
    ),
    (
        "trunk: [20, 120, 130]\n      ranges",
        "trunk: [20, 120]\n      ranges",
        "FN0305",
        HERE,
    ),
    (
        "mac: \"00:00:5e:00:01:21\"",
        "mac: \"00:00:5e:00:02:21\"",
        "FN0308",
        HERE,
    ),
    (
        "addresses: [10.1.160.33]",
        "addresses: [10.1.128.33]",
        "FN0308",
        HERE,
    ),
    (
        "quota: 24, routerInterface: ri-m5ev",
        "quota: 1, routerInterface: ri-m5ev",
        "FN0603",
        HERE,
    ),
    (
        "      routerInterface: ri-2zep2\n",
        "",
        "FN0610",
        "name: telco2",
    ),
    (
        "interface: eno2, switch: sw-b",
        "interface: eno1, switch: sw-b",
        "FN0013",
        HERE,
    ),
    (
        "instanceIds: [i-m5e01, i-m5e02, i-m5e03,",
        "instanceIds: [i-m5e01, i-m5e03,",
        "FN0007",
        HERE,
    ),
    (
        "exclude: [10.1.128.0/25]",
        "exclude: [10.1.128.0/21]",
        "FN0507",
        HERE,
    ),
    (
        "edgeRouter: {name: hq-asr, quota: 40}",
        "edgeRouter: {name: hq-asr, quota: 1}",
        "FN0605",
        HERE,
    ),
    (
        "idc: 10.1.255.9, vpc: 10.1.255.10",
        "idc: 10.1.255.9, vpc: 10.1.255.13",
        "FN0112",
        HERE,
    ),
    (
        "length: 26, from: 10.1.162.0",
        "length: 25, from: 10.1.160.0",
        "FN0507",
        HERE,
    ),
];

const SOUND: &[(&str, &str)] = &[
    ("bond: active-backup", "bond: lacp"),
    (
        "      allow:\n        - {protocol: vrrp, mac: \"00:00:5e:00:01:21\", addresses: [10.1.160.33]}\n",
        "",
    ),
    (
        "routerInterface: ri-2zev2}\n",
        "routerInterface: ri-2zev2, aggregate: false}\n",
    ),
    (
        "        trunk: [20, 120, 130]\n      ranges",
        "      ranges",
    ),
];
