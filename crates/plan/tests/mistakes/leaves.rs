//! Mistakes in a plan of a routed leaf-spine with LACP to pairs of leaves.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/leaves.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    (
        "- {name: leaf1b, macTableSize: 96000, mtu: 9216}",
        "- {name: leaf1b, macTableSize: 96000, mtu: 9216, peers: [leaf1a]}",
    ),
    (
        "{name: spine1, macTableSize: 128000, mtu: 9216}",
        "{name: spine1, mtu: 9216}",
    ),
    ("count: 20", "count: 8"),
];

const ROWS: &[Row] = &[
    (
        "addresses: [10.1.2.10/26",
        "addresses: [10.1.1.40/26",
        "FN0113",
        HERE,
    ),
    (
        "trunk: [1102, 2002]\n        nics",
        "trunk: [1102, 2001]\n        nics",
        "FN0305",
        HERE,
    ),
    (
        "peerTrunk: [1102, 2002]",
        "peerTrunk: [1102]",
        "FN0313",
        HERE,
    ),
    (
        "switch: leaf2b, port",
        "switch: leaf1b, port",
        "FN0406",
        HERE,
    ),
    (
        "{name: leaf2b, macTableSize: 96000, mtu: 9216}",
        "{name: leaf2b, macTableSize: 96000, mtu: 1600}",
        "FN0404",
        HERE,
    ),
    ("gateway: 10.64.32.1", "gateway: 10.64.0.1", "FN0112", HERE),
    ("\"fd00:1:2::10/64\"]", "\"fe80::10/64\"]", "FN0113", HERE),
    (
        "  networks:\n",
        "        - {id: 1103, name: hosts-rack3, role: host, subnets: [{prefix: 10.1.3.0/26, gateway: 10.1.3.1}]}\n  networks:\n",
        "FN0311",
        HERE,
    ),
    (
        "{prefix: 10.1.2.0/26, gateway: 10.1.2.1}",
        "{prefix: 10.1.0.0/22, gateway: 10.1.2.1}",
        "FN0113",
        HERE,
    ),
    (
        "count: 20",
        "count: 60",
        "FN0113",
        "addresses: [10.1.1.10/26, \"fd00:1:1::10/64\"]",
    ),
    ("\"fd00:1:2::10/64\"]", "\"fd00:1:2::10\"]", "FN0002", HERE),
    (
        "        nics:\n          - {interface: enp65s0f0, switch: leaf1a, port: \"Ethernet{n}\"}\n          - {interface: enp65s0f1, switch: leaf1b, port: \"Ethernet{n}\"}",
        "        switch: leaf1a\n        port: \"Ethernet{n}\"",
        "FN0409",
        "bond: lacp",
    ),
    ("bond: lacp", "bond: balance-slb", "FN0408", HERE),
    ("bond: lacp", "bond: 802.3ad", "FN0002", HERE),
    ("\"fd00:43::/112\"", "\"ff00:43::/112\"", "FN0119", HERE),
    (
        "servicePrefixes: [\"10.43.0.0/16\"",
        "servicePrefixes: [\"127.43.0.0/16\"",
        "FN0119",
        HERE,
    ),
    (
        "{network: rack2, length: 25",
        "{network: rack2, length: 27",
        "FN0504",
        HERE,
    ),
    ("from: 10.64.33.0", "from: 10.64.32.0", "FN0507", HERE),
    (
        "{network: rack2, length: 25, from: 10.64.33.0}",
        "{network: rack1, length: 25, from: 10.64.33.0}",
        "FN0110",
        HERE,
    ),
];
