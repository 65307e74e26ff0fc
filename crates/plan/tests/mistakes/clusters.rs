//! Mistakes in a plan of two Kubernetes clusters in one hall.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/clusters.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("except: [7]", "except: [7, 9, 20]"),
    ("count: 48", "count: 44"),
    ("  cluster: blue\n", ""),
    (
        "apiServer: k8s-api.example.net:6443",
        "apiServer: \"[fd5a:70::1:1]:6443\"",
    ),
    (
        "exclude: [10.128.0.0/26], sliceLength: 26",
        "exclude: [10.128.0.0/26, 10.128.127.192/26], sliceLength: 26",
    ),
];

const ROWS: &[Row] = &[
    (
        "cluster: green\n      hostName",
        "cluster: gren\n      hostName",
        "FN0121",
        "cluster: gren",
    ),
    (
        "mtu: 9216, macTableSize: 16384, uplinks: [agg1, agg2], trunk: [70, 71, 72]",
        "mtu: 1500, macTableSize: 16384, uplinks: [agg1, agg2], trunk: [70, 71, 72]",
        "FN0404",
        HERE,
    ),
    ("trunk: [70, 71, 72]", "trunk: [70, 72]", "FN0305", HERE),
    (
        "prefix: 10.128.128.0/17, gateway: 10.128.128.1",
        "prefix: 10.128.0.0/16, gateway: 10.128.128.1",
        "FN0103",
        HERE,
    ),
    (
        "exclude: [10.128.0.0/26], sliceLength: 26",
        "exclude: [10.128.0.0/26], sliceLength: 28",
        "FN0506",
        HERE,
    ),
    (
        "exclude: [10.128.0.0/26], sliceLength: 26",
        "exclude: [10.128.0.0/18], sliceLength: 21",
        "FN0505",
        HERE,
    ),
    ("sliceLength: 112", "sliceLength: 60", "FN0118", HERE),
    (
        "servicePrefixes: [10.96.0.0/12",
        "servicePrefixes: [10.128.0.0/12",
        "FN0104",
        HERE,
    ),
    (
        "port: \"xe-0/1/{unit}\"",
        "port: \"ge-0/0/{unit}\"",
        "FN0406",
        HERE,
    ),
    (
        "addresses: [10.70.1.16/23]",
        "addresses: [10.70.0.48/23]",
        "FN0114",
        HERE,
    ),
    (
        "length: 25, from: 10.128.130.0",
        "length: 25, from: 10.128.130.64",
        "FN0007",
        HERE,
    ),
    (
        "length: 25, from: 10.128.130.0",
        "length: 25, from: 10.128.248.0",
        "FN0110",
        HERE,
    ),
    ("except: [7]", "except: [27]", "FN0007", HERE),
    (
        "hostName: \"green-{n:03}\"",
        "hostName: \"blue-{n:03}\"",
        "FN0005",
        HERE,
    ),
    (
        "switch: \"tor{rack}\", port: \"xe",
        "switch: \"tor-{rack}\", port: \"xe",
        "FN0006",
        HERE,
    ),
    (
        "hostsPerRack: 24",
        "hostsPerRack: 16",
        "FN0006",
        "uplink: {interface: eno1, switch: \"tor{rack}\", port: \"ge-0/0/{unit}\"}",
    ),
    (
        "uplinks: [agg1, agg2], trunk: [70, 71, 72]}\n        - {name: \"tor2\"",
        "uplinks: [agg1, agg3], trunk: [70, 71, 72]}\n        - {name: \"tor2\"",
        "FN0006",
        HERE,
    ),
    (
        "agg2, mtu: 9216, macTableSize: 32768",
        "agg2, mtu: 9216, macTableSize: 32768, uplinks: [tor1]",
        "FN0411",
        HERE,
    ),
];
