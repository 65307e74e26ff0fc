//! Mistakes in the plans of the other tests: MLAG pairs, quotas, budgets, one leased line.

use super::{CASES, FIXTURE, HERE, Row, each_is_one_finding};

#[test]
fn a_mistake_in_a_plan_of_groups_is_one_finding() {
    each_is_one_finding(CASES, IN_CASES);
}

#[test]
fn a_mistake_in_the_fixtures_plan_is_one_finding() {
    each_is_one_finding(FIXTURE, IN_FIXTURE);
}

const IN_CASES: &[Row] = &[
    (
        "- name: row\n      site: idc",
        "- name: row\n      site: vpc",
        "FN0204",
        HERE,
    ),
    (
        "- name: cloud\n      site: vpc",
        "- name: cloud\n      site: idc",
        "FN0204",
        HERE,
    ),
    (
        "- name: lone\n      site: idc",
        "- name: lone\n      site: vpc",
        "FN0204",
        HERE,
    ),
    (
        "{name: web, site: idc",
        "{name: web, site: vpc",
        "FN0307",
        HERE,
    ),
    (
        "{name: cloud, site: vpc",
        "{name: cloud, site: idc",
        "FN0307",
        HERE,
    ),
    ("type: IDC", "type: VPC", "FN0307", HERE),
    ("type: VPC", "type: IDC", "FN0307", HERE),
    ("{id: 300, ", "{id: 200, ", "FN0303", HERE),
    ("{id: 200, ", "{id: 300, ", "FN0303", HERE),
    ("{id: 100, ", "{id: 200, ", "FN0303", HERE),
    ("{id: 10, ", "{id: 100, ", "FN0303", HERE),
    ("peers: [tor2]", "peers: [tor1]", "FN0006", HERE),
    (", peers: [tor2]", "", "FN0403", "bond: lacp"),
    (
        "{name: tor2}",
        "{name: tor2, trunk: [10, 100]}",
        "FN0305",
        HERE,
    ),
    (
        "{name: tor2}",
        "{name: tor2, native: 10}",
        "FN0312",
        "interface: bond0",
    ),
    (
        "{name: tor2}",
        "{name: tor2, peerTrunk: [10, 100]}",
        "FN0313",
        HERE,
    ),
    (
        "switch: tor2, port: a",
        "switch: tor1, port: a",
        "FN0406",
        HERE,
    ),
    (
        "interface: eth1, switch: tor2",
        "interface: eth0, switch: tor2",
        "FN0013",
        HERE,
    ),
    (
        "bond: lacp, nics: [{interface: eth0, switch: tor1, port: a}, {interface: eth1, switch: tor2, port: a}]",
        "bond: lacp",
        "FN0409",
        HERE,
    ),
    ("bond: lacp, nics", "nics", "FN0401", HERE),
    ("bond: lacp", "bond: balance-slb", "FN0408", HERE),
    ("172.20.0.0/16]", "172.21.0.0/16]", "FN0117", HERE),
    ("[10.96.0.0/16]", "[172.20.0.0/16]", "FN0104", HERE),
    ("[10.96.0.0/16]", "[172.30.0.0/24]", "FN0104", HERE),
    ("gcThresh3: 65536", "gcThresh3: 4", "FN0503", HERE),
    (
        "count: 8\n      addresses",
        "count: 800\n      addresses",
        "FN0114",
        "10.10.1.11/22",
    ),
    (
        "addresses: [10.10.1.11/22]",
        "addresses: [10.10.0.12/22]",
        "FN0114",
        HERE,
    ),
    (
        "network: db, prefix: 10.200.16.0/26",
        "network: web, prefix: 10.100.16.0/26",
        "FN0101",
        HERE,
    ),
    (
        "network: db, prefix: 10.200.16.0/26",
        "network: db, prefix: 10.200.16.0/32",
        "FN0508",
        HERE,
    ),
    (
        "network: db, prefix: 10.200.16.0/26",
        "network: web, prefix: 10.200.16.0/26",
        "FN0110",
        HERE,
    ),
    ("quota: 200", "quota: 2", "FN0601", HERE),
    (
        "instanceId: \"i-{n}\"",
        "instanceId: \"i-1\"",
        "FN0202",
        HERE,
    ),
    (
        "prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2",
        "prefix: 10.100.0.0/30, idc: 10.100.0.1, vpc: 10.100.0.2",
        "FN0105",
        HERE,
    ),
    (
        "prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2",
        "prefix: 10.10.0.0/30, idc: 10.10.0.1, vpc: 10.10.0.2",
        "FN0105",
        HERE,
    ),
    (
        "prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2",
        "prefix: 172.30.0.0/30, idc: 172.30.0.1, vpc: 172.30.0.2",
        "FN0105",
        HERE,
    ),
];

const IN_FIXTURE: &[Row] = &[
    (
        "- name: idc1\n      site: idc",
        "- name: idc1\n      site: vpc",
        "FN0204",
        HERE,
    ),
    (
        "- name: idc2\n      site: idc",
        "- name: idc2\n      site: vpc",
        "FN0204",
        HERE,
    ),
    (
        "- name: vpc2\n      site: vpc",
        "- name: vpc2\n      site: idc",
        "FN0204",
        HERE,
    ),
    (
        "- name: db\n      site: idc",
        "- name: db\n      site: vpc",
        "FN0307",
        HERE,
    ),
    ("type: IDC", "type: VPC", "FN0307", HERE),
    ("type: VPC", "type: IDC", "FN0307", HERE),
    ("- id: 201", "- id: 100", "FN0303", HERE),
    ("- id: 100", "- id: 201", "FN0303", HERE),
    ("- id: 100", "- id: 10", "FN0303", HERE),
    ("- id: 10\n", "- id: 201\n", "FN0303", HERE),
    ("- id: 10\n", "- id: 20\n", "FN0305", HERE),
    (
        "macTableSize: 1000, mtu: 9216, peers",
        "macTableSize: 2, mtu: 9216, peers",
        "FN0501",
        HERE,
    ),
    (
        "macTableSize: 1000, mtu: 9216, peers",
        "macTableSize: 1000, mtu: 1216, peers",
        "FN0404",
        HERE,
    ),
    (", peers: [tor2]", "", "FN0403", "bond: lacp"),
    ("neighbours: 1024", "neighbours: 4", "FN0502", HERE),
    ("  mtu: 1500", "  mtu: 9500", "FN0404", HERE),
    ("trunk: [10, 100]", "trunk: [10]", "FN0305", HERE),
    ("trunk: [10, 100]", "trunk: [10, 201]", "FN0305", HERE),
    (
        "port: \"2\"}\n          - {interface: eth1",
        "port: \"1\"}\n          - {interface: eth1",
        "FN0406",
        HERE,
    ),
    ("instanceId: i-vpc2", "instanceId: i-vpc1", "FN0202", HERE),
    ("      instanceId: i-vpc2\n", "", "FN0203", "- name: vpc2"),
    ("172.20.1.12/24", "172.20.1.11/24", "FN0114", HERE),
    (
        "prefix: 172.20.1.0/24",
        "prefix: 172.21.1.0/24",
        "FN0112",
        HERE,
    ),
    (
        "prefix: 172.30.0.64/26",
        "prefix: 172.30.0.0/26",
        "FN0101",
        HERE,
    ),
    (
        "prefix: 172.30.0.64/26",
        "prefix: 172.20.1.64/26",
        "FN0110",
        HERE,
    ),
    (
        "prefix: 172.30.0.64/26",
        "prefix: 172.30.0.64/30",
        "FN0504",
        HERE,
    ),
    ("quota: 48", "quota: 1", "FN0603", HERE),
    ("quota: 16", "quota: 1", "FN0605", HERE),
    ("density: 20", "density: 200", "FN0504", HERE),
];
