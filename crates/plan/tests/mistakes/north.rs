//! Mistakes in a fabric of leaves and spines with jumbo frames and two families: a VLAN of hosts in each rack.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/north.yaml");

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
        "gateway: 10.40.2.254",
        "gateway: 10.40.1.254",
        "FN0112",
        HERE,
    ),
    (
        "- {prefix: 10.44.64.0/18, gateway",
        "- {prefix: 10.44.0.0/17, gateway",
        "FN0103",
        HERE,
    ),
    (
        "peers: [leaf22], uplinks: [spine1, spine2], spanningTree: true, trunk: [402, 412]",
        "peers: [leaf22], uplinks: [spine1, spine2], spanningTree: true, trunk: [402, 411]",
        "FN0305",
        HERE,
    ),
    (
        "macTableSize: 32768, mtu: 9216, peers: [leaf11]",
        "macTableSize: 32768, mtu: 1500, peers: [leaf11]",
        "FN0404",
        HERE,
    ),
    (
        "bond: lacp\n        nics:\n          - {interface: ens1f0, switch: leaf21",
        "bond: balance-slb\n        nics:\n          - {interface: ens1f0, switch: leaf21",
        "FN0408",
        HERE,
    ),
    (
        "switch: leaf22, port: \"Eth1/{n}\"",
        "switch: leaf12, port: \"Eth1/{n}\"",
        "FN0305",
        HERE,
    ),
    (
        "addresses: [10.40.2.11/24, \"fd40:2::11/64\"]",
        "addresses: [10.40.2.11/24, \"fd40:1::11/64\"]",
        "FN0113",
        HERE,
    ),
    (
        "length: 26, from: 10.44.65.0",
        "length: 26, from: 10.44.63.0",
        "FN0107",
        HERE,
    ),
    (
        "length: 26, from: 10.44.65.0",
        "length: 24, from: 10.44.65.32",
        "FN0007",
        HERE,
    ),
    ("count: 24", "count: 260", "FN0113", HERE),
    ("vlan: 412", "vlan: 402", "FN0304", HERE),
    ("vlan: 412", "vlan: 411", "FN0111", HERE),
    (
        "fromIdc: [10.40.0.0/16, 10.44.0.0/17]",
        "fromIdc: [10.40.0.0/16, 10.44.0.0/18]",
        "FN0614",
        HERE,
    ),
    (
        "fromVpc: [10.80.0.0/16, 10.84.0.0/18]",
        "fromVpc: [10.80.0.0/16]",
        "FN0608",
        HERE,
    ),
    (
        "transfer: [{prefix: 10.40.255.0/30, idc: 10.40.255.1, vpc: 10.40.255.2}]",
        "transfer: [{prefix: 10.40.2.128/30, idc: 10.40.2.129, vpc: 10.40.2.130}]",
        "FN0105",
        HERE,
    ),
    ("instanceId: i-bp1b", "instanceId: i-bp1a", "FN0202", HERE),
    (
        "        - {prefix: 10.84.0.0/18}",
        "        - {prefix: 10.80.0.0/18}",
        "FN0110",
        HERE,
    ),
    ("zone: cn-hangzhou-i", "zone: cn-beijing-i", "FN0209", HERE),
    (
        "servicePrefixes: [10.240.0.0/16",
        "servicePrefixes: [10.44.0.0/16",
        "FN0104",
        HERE,
    ),
    ("id: 490, name: ipmi", "id: 401, name: ipmi", "FN0303", HERE),
];

const SOUND: &[(&str, &str)] = &[
    (
        "bond: lacp\n        nics:\n          - {interface: ens1f0, switch: leaf21",
        "bond: balance-xor\n        nics:\n          - {interface: ens1f0, switch: leaf21",
    ),
    ("except: [13]", "except: [1, 13, 20]"),
    (
        "{name: sys, id: vtb-bp1sys, quota: 200}",
        "{name: sys, id: vtb-bp1sys, quota: 200, vSwitches: [n-h, n-i]}",
    ),
    ("mtu: 9216, peers: [leaf12]", "mtu: 9000, peers: [leaf12]"),
    ("peers: [leaf11], uplinks", "uplinks"),
    (
        "gateway: \"fe80::1\"}\n        - id: 402",
        "gateway: \"fd40:1::1\"}\n        - id: 402",
    ),
    (
        "fromVpc: [10.80.0.0/16, 10.84.0.0/18]",
        "fromVpc: [10.80.0.0/13]",
    ),
];
