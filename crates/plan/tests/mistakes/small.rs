//! Mistakes in examples/small.yaml: one switch with a trunk, reservations, a density.

use super::{HERE, Row, SMALL, each_is_one_finding};

#[test]
fn a_mistake_in_the_smallest_plan_is_one_finding() {
    each_is_one_finding(SMALL, MISTAKES);
}

const MISTAKES: &[Row] = &[
    ("trunk: [10, 100]", "trunk: [10]", "FN0305", HERE),
    ("trunk: [10, 100]", "trunk: [100]", "FN0305", HERE),
    ("trunk: [10, 100]", "trunk: [10, 101]", "FN0305", HERE),
    ("trunk: [10, 100]", "trunk: [10, 100, 200]", "FN0306", HERE),
    ("- id: 100", "- id: 101", "FN0006", HERE),
    ("- id: 10\n", "- id: 11\n", "FN0305", HERE),
    ("- id: 100", "- id: 10", "FN0303", HERE),
    ("      vlan: 100", "      vlan: 101", "FN0006", HERE),
    ("      vlan: 100", "      vlan: 10", "FN0304", HERE),
    ("name: tor1, mac", "name: tor2, mac", "FN0006", HERE),
    (
        "switch: tor1, port: \"1\"",
        "switch: tor2, port: \"1\"",
        "FN0006",
        HERE,
    ),
    ("port: \"2\"", "port: \"1\"", "FN0406", HERE),
    ("macTableSize: 8192", "macTableSize: 4", "FN0501", HERE),
    ("density: 50", "density: 500", "FN0504", HERE),
    ("type: IDC", "type: VPC", "FN0307", HERE),
    (
        "- name: office\n      type",
        "- name: offices\n      type",
        "FN0006",
        HERE,
    ),
    (
        "site: office\n      vlan",
        "site: home\n      vlan",
        "FN0006",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24",
        "prefix: 10.10.0.0/29",
        "FN0113",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24",
        "prefix: 10.100.0.0/24",
        "FN0112",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24, gateway: 10.10.0.1",
        "prefix: 10.20.0.0/24, gateway: 10.20.0.1",
        "FN0113",
        HERE,
    ),
    (
        "prefix: 10.100.0.0/22, gateway",
        "prefix: 10.100.0.0/23, gateway",
        "FN0111",
        HERE,
    ),
    (
        "prefix: 10.100.0.0/22, gateway",
        "prefix: 10.100.0.0/24, gateway",
        "FN0111",
        HERE,
    ),
    (
        "gateway: 10.100.0.1}",
        "gateway: 10.100.1.1}",
        "FN0107",
        HERE,
    ),
    (
        "- prefix: 10.100.0.0/22",
        "- prefix: 10.100.0.0/23",
        "FN0116",
        HERE,
    ),
    (
        "- prefix: 10.100.0.0/22",
        "- prefix: 10.100.0.0/24",
        "FN0110",
        HERE,
    ),
    (
        "- prefix: 10.100.0.0/22",
        "- prefix: 10.110.0.0/22",
        "FN0111",
        HERE,
    ),
    (
        "exclude: [10.100.0.0/27]",
        "exclude: [10.100.0.0/23]",
        "FN0507",
        HERE,
    ),
    (
        "exclude: [10.100.0.0/27]",
        "exclude: [10.100.0.0/24]",
        "FN0507",
        HERE,
    ),
    (
        "exclude: [10.100.0.0/27]",
        "exclude: [10.10.0.0/27]",
        "FN0116",
        HERE,
    ),
    (
        "prefix: 10.100.3.0/24, for",
        "prefix: 10.100.1.0/24, for",
        "FN0115",
        HERE,
    ),
    (
        "prefix: 10.100.3.0/24, for",
        "prefix: 10.100.4.0/24, for",
        "FN0116",
        HERE,
    ),
    ("10.10.0.12/24", "10.10.0.11/24", "FN0114", HERE),
    ("10.10.0.12/24", "10.10.10.12/24", "FN0113", HERE),
    ("10.10.0.12/24", "10.100.0.12/24", "FN0113", HERE),
    (
        "prefix: 10.100.1.0/25",
        "prefix: 10.100.0.128/25",
        "FN0101",
        HERE,
    ),
    (
        "prefix: 10.100.1.0/25",
        "prefix: 10.100.1.0/24",
        "FN0101",
        HERE,
    ),
    (
        "prefix: 10.100.1.0/25",
        "prefix: 10.100.1.0/27",
        "FN0504",
        HERE,
    ),
    (
        "prefix: 10.100.1.0/25",
        "prefix: 10.100.3.0/25",
        "FN0115",
        HERE,
    ),
    (
        "prefix: 10.100.1.0/25",
        "prefix: 10.101.1.0/25",
        "FN0110",
        HERE,
    ),
    (
        "      ranges:\n        - {network: containers, prefix: 10.100.1.0/25}\n",
        "",
        "FN0201",
        "- name: node2",
    ),
    ("name: node2", "name: node1", "FN0005", HERE),
    ("name: node2", "name: Node2", "FN0015", HERE),
    (
        "servicePrefixes: [10.96.0.0/16]",
        "servicePrefixes: [10.100.0.0/16]",
        "FN0104",
        HERE,
    ),
    (
        "interface: eth0, switch: tor1, port: \"1\"",
        "interface: eth0, bond: lacp, switch: tor1, port: \"1\"",
        "FN0409",
        HERE,
    ),
    (
        "interface: eth0, switch: tor1, port: \"1\"",
        "interface: eth0.10, switch: tor1, port: \"1\"",
        "FN0410",
        HERE,
    ),
];
