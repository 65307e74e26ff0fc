//! Mistakes in a plan of a cluster in three zones of a cloud, whose slices ipamd cuts.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/zones.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("count: 50", "count: 60"),
    (", vSwitches: [vsw-b, vsw-g, vsw-j]", ""),
    (
        "prefixes: [192.168.0.0/16]",
        "prefixes: [192.168.0.0/16, 10.8.0.0/16]",
    ),
    (
        "  hostGroups:\n",
        "  hosts:\n    - name: cn-hangzhou.infra-1\n      site: hz\n      vSwitch: vsw-b\n      instanceId: i-bp1infra1\n      addresses: [192.168.0.101/22]\n      uplink: {interface: eth0}\n      ranges: [{network: pods, prefix: 10.128.255.0/25}]\n  hostGroups:\n",
    ),
];

const ROWS: &[Row] = &[
    (
        "count: 50",
        "count: 110",
        "FN0601",
        "- {name: sys, id: vtb-bp1sys, quota: 200, vSwitches: [vsw-b, vsw-g, vsw-j]}",
    ),
    (
        "vSwitches: [vsw-b, vsw-g, vsw-j]",
        "vSwitches: [vsw-b, vsw-g]",
        "FN0612",
        HERE,
    ),
    (
        "{prefix: 10.128.0.0/16, sliceLength: 26}",
        "{prefix: 10.128.0.0/20, sliceLength: 26}",
        "FN0505",
        HERE,
    ),
    ("sliceLength: 26", "sliceLength: 28", "FN0506", HERE),
    (
        "servicePrefixes: [172.21.0.0/20]",
        "servicePrefixes: [100.100.0.0/16]",
        "FN0119",
        HERE,
    ),
    (
        "servicePrefixes: [172.21.0.0/20]",
        "servicePrefixes: [10.128.64.0/20]",
        "FN0104",
        HERE,
    ),
    (
        "addresses: [192.168.0.110/22]",
        "addresses: [192.168.3.205/22]",
        "FN0114",
        HERE,
    ),
    (
        "    - name: pods\n      site: hz\n",
        "    - name: pods\n      site: hz\n      vlan: 10\n",
        "FN0307",
        HERE,
    ),
    (
        "\"cn-hangzhou.worker-b-{n}\"",
        "\"cn-hangzhou.Worker-b-{n}\"",
        "FN0015",
        HERE,
    ),
    (
        "instanceId: \"i-bp1g{n:05}\"",
        "instanceId: \"i-bp1b{n:05}\"",
        "FN0202",
        HERE,
    ),
    (
        "vSwitches: [vsw-b, vsw-g, vsw-j]}",
        "vSwitches: [vsw-b, vsw-g, vsw-j]}\n        - {name: j, id: vtb-bp1j, vSwitches: [vsw-j]}",
        "FN0013",
        HERE,
    ),
    (
        "addresses: [192.168.4.110/22]",
        "addresses: [192.168.8.110/22]",
        "FN0113",
        HERE,
    ),
    (
        "  hostGroups:\n",
        "  hosts:\n    - name: infra-1\n      site: hz\n      vSwitch: vsw-b\n      instanceId: i-bp1infra1\n      addresses: [192.168.0.101/22]\n      uplink: {interface: eth0}\n      ranges: [{network: pods, prefix: 10.129.0.0/26}]\n  hostGroups:\n",
        "FN0110",
        "ranges: [{network: pods, prefix: 10.129.0.0/26}]",
    ),
    (
        "  hostGroups:\n",
        "  hosts:\n    - name: infra-1\n      site: hz\n      vSwitch: vsw-b\n      instanceId: i-bp1infra1\n      addresses: [192.168.0.130/22]\n      uplink: {interface: eth0}\n      ranges: [{network: pods, prefix: 10.128.255.0/26}]\n  hostGroups:\n",
        "FN0114",
        "addresses: [192.168.0.130/22]",
    ),
];
