//! Mistakes in a plan of a branch office whose hosts send no tag.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/branch.yaml");

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
        "      untagged: true\n      switch: cat9300\n      port: Te1/1/1",
        "      switch: cat9300\n      port: Te1/1/1\n      untagged: true",
    ),
    (
        "      interface: eth0\n      untagged: true\n      switch: cat9300\n      port: Te1/1/1\n",
        "      interface: bond0\n      bond: active-backup\n      untagged: true\n      nics:\n      - {interface: eth0, switch: cat9300, port: Te1/1/1}\n      - {interface: eth1, switch: cat9300, port: Te1/1/11}\n",
    ),
    (
        "  - name: node-c\n    site: office\n",
        "  - name: node-c\n    site: office\n    location: {room: \"1\", rack: \"2\", unit: \"3\"}\n",
    ),
];

const ROWS: &[Row] = &[
    (
        "      untagged: true\n      switch: cat9300\n      port: Te1/1/2",
        "      switch: cat9300\n      port: Te1/1/2",
        "FN0312",
        "uplink:",
    ),
    (
        "prefix: 192.168.40.64/27",
        "prefix: 192.168.40.32/27",
        "FN0101",
        HERE,
    ),
    (
        "prefix: 192.168.40.96/27",
        "prefix: 192.168.41.192/27",
        "FN0115",
        HERE,
    ),
    (
        "prefix: 192.168.40.96/27",
        "prefix: 192.168.41.224/27",
        "FN0107",
        HERE,
    ),
    (
        "prefix: 192.168.50.128/27",
        "prefix: 192.168.51.128/27",
        "FN0110",
        HERE,
    ),
    (
        "- {network: build, prefix: 192.168.50.96/27}",
        "- {network: biuld, prefix: 192.168.50.96/27}",
        "FN0006",
        HERE,
    ),
    (
        "mac: \"3c:ec:ef:00:00:03\"",
        "mac: \"3c:ec:ef:00:00:01\"",
        "FN0013",
        HERE,
    ),
    (
        "mac: \"3c:ec:ef:00:00:03\"",
        "mac: \"01:00:5e:00:00:03\"",
        "FN0002",
        HERE,
    ),
    ("port: Te1/1/4", "port: Te1/1/2", "FN0406", HERE),
    ("port: Te1/1/4", "port: te1/1/2", "FN0014", HERE),
    ("192.168.5.23/24", "192.168.5.22/24", "FN0114", HERE),
    ("192.168.5.23/24", "192.168.5.255/24", "FN0113", HERE),
    ("192.168.5.23/24", "192.168.5.0/24", "FN0113", HERE),
    ("192.168.5.23/24", "192.168.60.23/24", "FN0113", HERE),
    ("192.168.5.23/24", "192.168.40.99/23", "FN0113", HERE),
    (
        "- prefix: 192.168.41.192/26",
        "- prefix: 192.168.42.192/26",
        "FN0116",
        HERE,
    ),
    (
        "addresses: [192.168.60.64/27]",
        "addresses: [192.168.60.0/27]",
        "FN0309",
        HERE,
    ),
    (
        "      addresses: [192.168.60.64/27]",
        "      any: true",
        "FN0310",
        HERE,
    ),
    (
        "    - vlan: 60\n      addresses: [192.168.60.64/27]",
        "    - vlan: 61\n      addresses: [192.168.60.64/27]",
        "FN0309",
        HERE,
    ),
    ("density: 20", "density: 40", "FN0504", HERE),
    (
        "    ranges:\n    - {network: apps, prefix: 192.168.40.96/27}\n    - {network: build, prefix: 192.168.50.128/27}\n",
        "",
        "FN0201",
        "- name: node-c",
    ),
    (
        "{network: apps, prefix: 192.168.40.96/27}",
        "{network: apps, prefix: 192.168.40.96/32}",
        "FN0508",
        HERE,
    ),
    (
        "exclude: [192.168.50.0/26]",
        "exclude: [192.168.50.0/26, 192.168.50.128/27]",
        "FN0507",
        HERE,
    ),
    (
        "      switch: cat9300\n      port: Te1/1/1\n",
        "      switch: cat9300\n      port: Te1/1/1\n      nics:\n      - {interface: eth1, switch: cat9300, port: Te1/1/9}\n",
        "FN0409",
        "switch: cat9300",
    ),
    (
        "  - name: build\n    site: office",
        "  - name: apps\n    site: office",
        "FN0006",
        HERE,
    ),
    (
        "      - prefix: 192.168.40.0/23\n        gateway: 192.168.41.254\n",
        "      - prefix: 192.168.40.0/23\n",
        "FN0002",
        "- prefix: 192.168.40.0/23",
    ),
    ("  - 10.152.183.0/24", "  - 10.152.183.0", "FN0002", HERE),
    ("- name: node-a", "- name: on", "FN0002", HERE),
    ("macTableSize: 32000", "macTableSize: 32e3", "FN0002", HERE),
    ("density: 20", "density: +20", "FN0002", HERE),
    (
        "  servicePrefixes:\n",
        "  mtu: \"1500\"\n  servicePrefixes:\n",
        "FN0002",
        HERE,
    ),
    ("    vlan: 40", "    vlan: apps", "FN0002", HERE),
    ("    vlan: 40", "    vlan: 50", "FN0111", HERE),
    ("    vlan: 40", "    vlan: 60", "FN0111", HERE),
    (
        "- name: node-c\n    site: office",
        "- name: node-c\n    site: ofice",
        "FN0006",
        HERE,
    ),
];
