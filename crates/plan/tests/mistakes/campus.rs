//! Mistakes in access switches in a spanning tree: native VLANs, ports that differ, routers in containers.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/campus.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, MISTAKES);
}

#[test]
fn an_unusual_design_is_sound() {
    each_is_sound(PLAN, SOUND);
}

const MISTAKES: &[Row] = &[
    (
        "mac: \"52:54:00:aa:00:14\"",
        "mac: \"53:54:00:aa:00:14\"",
        "FN0002",
        HERE,
    ),
    ("port: \"2\", untagged: true", "port: \"2\"", "FN0312", HERE),
    (
        "port: \"2\", untagged: true",
        "port: \"1\", untagged: true",
        "FN0406",
        HERE,
    ),
    ("native: 30", "native: 31", "FN0312", HERE),
    (
        "reservedVlans: [4000, 4001]",
        "reservedVlans: [30, 4001]",
        "FN0302",
        "id: 30",
    ),
    ("10.199.149.64/26", "10.199.149.32/26", "FN0101", HERE),
];

const SOUND: &[(&str, &str)] = &[
    ("spanningTree: true\n          native: 30", "native: 30"),
    (
        "{name: core, macTableSize: 32000, spanningTree: true}",
        "{name: core, macTableSize: 32000, uplinks: [acc1], spanningTree: true}",
    ),
];
