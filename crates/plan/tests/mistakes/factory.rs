//! Mistakes in a plan of a hall with a ring of switches, untagged hosts and a virtual address.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/factory.yaml");

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
        "port: \"48\", untagged: true",
        "port: \"47\", untagged: true",
    ),
    (
        "{id: 60, name: plc, role: storage, subnets: []}",
        "{id: 60, name: plc, role: storage, subnets: [{prefix: 192.168.60.0/24, gateway: 192.168.60.1}], mtu: 1500}",
    ),
    ("neighbourRate: 200", "neighbourRate: 20"),
    (
        "spanningTree: true}\n",
        "spanningTree: true, ports: [{name: uplink, native: 1, trunk: [20, 50, 51]}]}\n",
    ),
    ("uplinks: [core, acc3]", "uplinks: [acc3]"),
];

const ROWS: &[Row] = &[
    (
        "uplinks: [core, acc3], native: 20",
        "uplinks: [core, acc3], native: 50",
        "FN0312",
        HERE,
    ),
    (
        "mac: \"00:00:5e:00:01:32\"",
        "mac: \"02:00:5e:00:01:32\"",
        "FN0308",
        HERE,
    ),
    (
        "addresses: [192.168.48.50]",
        "addresses: [192.168.49.50]",
        "FN0308",
        HERE,
    ),
    (
        "addresses: [192.168.56.128/26]",
        "addresses: [192.168.57.0/26]",
        "FN0309",
        HERE,
    ),
    (
        "mac: pod",
        "mac: host",
        "FN0308",
        "allow: [{protocol: vrrp, mac: \"00:00:5e:00:01:32\", addresses: [192.168",
    ),
    (
        "ranges: [{network: control, prefix: 192.168.49.64/26}]",
        "ranges: [{network: control, prefix: 192.168.55.64/26}]",
        "FN0115",
        HERE,
    ),
    (
        "port: \"3\", untagged: true",
        "port: \"48\", untagged: true",
        "FN0406",
        HERE,
    ),
    ("port: \"3\", untagged: true", "port: \"3\"", "FN0312", HERE),
    (
        "name: \"48\", trunk: [20, 51], native: 20",
        "name: \"48\", trunk: [20], native: 20",
        "FN0305",
        HERE,
    ),
    ("density: 8", "density: 33", "FN0504", HERE),
    (
        "gateway: 192.168.48.1",
        "gateway: 192.168.49.1",
        "FN0107",
        HERE,
    ),
    (
        "prefix: 192.168.56.0/22, gateway: 192.168.56.1",
        "prefix: 192.168.54.0/23, gateway: 192.168.54.1",
        "FN0111",
        HERE,
    ),
    (
        "prefix: 192.168.57.32/27",
        "prefix: 192.168.57.24/29",
        "FN0101",
        HERE,
    ),
];
