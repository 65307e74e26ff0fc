//! Mistakes in a plan of a data centre with two leased lines, VRRP and a transit VLAN.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/bank.yaml");

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
        ", spanningTree: true, uplinks: [n9k-1, n9k-2]",
        ", uplinks: [n9k-1, n9k-2]",
    ),
    (
        "port: Eth1/11, trunk",
        "port: Eth1/11, migrate: auto, trunk",
    ),
    (
        "      mtu: 1400\n",
        "      mtu: 1400\n      neighbourRate: 200\n",
    ),
    (
        "    - name: db01\n      site: dc\n",
        "    - name: db01\n      site: dc\n      labels: {\"true\": \"no\", role: db}\n",
    ),
    (
        "addresses: [10.2.0.42]}",
        "addresses: [10.2.0.42]}\n        - {protocol: ospf}",
    ),
];

const ROWS: &[Row] = &[
    (
        "addresses: [10.2.0.42]",
        "addresses: [10.2.0.1]",
        "FN0308",
        HERE,
    ),
    ("00:00:5e:00:01:2a", "00:00:0c:07:ac:2a", "FN0308", HERE),
    (
        "      mac: pod\n",
        "",
        "FN0308",
        "- {protocol: vrrp, mac: \"00:00:5e:00:01:2a\", addresses: [10.2.0.42]}",
    ),
    (
        "{name: n9k-1, macTableSize: 90000, peers: [n9k-2], spanningTree: true, peerTrunk: [2, 100, 200, 201, 300]}",
        "{name: n9k-1, macTableSize: 90000, spanningTree: true}",
        "FN0403",
        "uplink: {interface: bond0, bond: lacp, trunk: [100, 200, 201], nics: [{interface: eno49, switch: n9k-1, port: Eth1/13}, {interface: eno50, switch: n9k-2, port: Eth1/13}]}",
    ),
    (
        "trunk: [100, 201]}",
        "trunk: [100, 201], native: 100}",
        "FN0312",
        "uplink: {interface: eno1, switch: acc-1, port: Eth1}",
    ),
    (
        "trunk: [100, 201]}",
        "trunk: [100, 201, 299]}",
        "FN0306",
        HERE,
    ),
    ("until: 2099-06-30", "until: 30.06.2099", "FN0002", HERE),
    ("      mtu: 1400\n", "      mtu: 9000\n", "FN0404", HERE),
    (
        "{network: intern, prefix: 10.2.20.64/26}",
        "{network: intern, prefix: 10.2.20.70/26}",
        "FN0008",
        HERE,
    ),
    (
        "{network: intern, prefix: 10.2.20.64/26}",
        "{network: intern, prefix: 10.2.20.0/25}",
        "FN0101",
        HERE,
    ),
    (
        "{interface: eno50, switch: n9k-2, port: Eth1/13}",
        "{interface: eno50, switch: n9k-1, port: Eth1/13}",
        "FN0406",
        HERE,
    ),
    (
        "port: Eth1/12, trunk: [100, 200, 201]",
        "port: Eth1/12, trunk: [100, 200]",
        "FN0305",
        HERE,
    ),
    (
        "port: Eth1/12, trunk: [100, 200, 201]",
        "port: Eth1/12, trunk: [2, 100, 200, 201]",
        "FN0306",
        HERE,
    ),
    ("vSwitches: [m]}", "vSwitches: [n]}", "FN0006", HERE),
    (
        "pools: [{prefix: 172.30.0.0/20}]",
        "pools: [{prefix: 172.32.0.0/20}]",
        "FN0110",
        HERE,
    ),
    (
        "servicePrefixes: [10.96.0.0/12]",
        "servicePrefixes: [10.0.0.0/8]",
        "FN0104",
        HERE,
    ),
    (
        "addresses: [10.0.100.12/24]",
        "addresses: [10.0.2.12/24]",
        "FN0113",
        HERE,
    ),
];
