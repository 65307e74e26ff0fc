//! Mistakes in a plan of a routed leaf-spine with both families.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/west.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("quota: 32", "quota: 3"),
    ("count: 16", "count: 20"),
    ("density: 20", "density: 60"),
    ("peers: [leaf1b], ", "peers: [leaf1b], uplinks: [], "),
    ("trunk: [11, 111]", "trunk: [11, 111]\n        mtu: 1500"),
];

const ROWS: &[Row] = &[
    ("trunk: [12, 112]", "trunk: [12, 111]", "FN0305", HERE),
    ("trunk: [13, 113]", "trunk: [13, 113, 112]", "FN0306", HERE),
    ("peers: [leaf2b]", "peers: [leaf3b]", "FN0403", HERE),
    (
        "peerTrunk: [11, 111, 900]",
        "peerTrunk: [11, 900]",
        "FN0313",
        HERE,
    ),
    (
        "addresses: [10.20.2.10/26, \"fd77:20:2::a/64\"]",
        "addresses: [10.20.2.10/26, \"fd77:20:1::a/64\"]",
        "FN0113",
        HERE,
    ),
    (
        "hostName: \"r1-{n:02}\"\n      count: 16",
        "hostName: \"r1-{n:02}\"\n      count: 60",
        "FN0113",
        "count: 60",
    ),
    (
        "prefix: 10.60.16.0/20, gateway: 10.60.16.1",
        "prefix: 10.60.16.0/21, gateway: 10.60.16.1",
        "FN0111",
        "- {prefix: 10.60.16.0/20, exclude: [10.60.16.0/24]}",
    ),
    (
        "length: 26, from: 10.60.17.0",
        "length: 26, from: 10.60.16.0",
        "FN0507",
        HERE,
    ),
    (
        "length: 112, from: \"fd77:60:3::1:0\"",
        "length: 112, from: \"fd77:60:3::8000\"",
        "FN0007",
        HERE,
    ),
    ("vlan: 113", "vlan: 13", "FN0304", HERE),
    (
        "exclude: [\"fd77:60:2::/112\"]",
        "exclude: [\"fd77:60:3::/112\"]",
        "FN0116",
        HERE,
    ),
    (
        "{id: 900, name: oob",
        "{id: 3968, name: oob",
        "FN0302",
        HERE,
    ),
    (
        "switch: leaf3a, port: \"Eth{n}\"",
        "switch: leaf3a, port: \"Eth1\"",
        "FN0406",
        HERE,
    ),
    ("density: 20", "density: 70", "FN0504", HERE),
];
