//! Mistakes in a plan of a head office with two VPCs and three lines.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/retail.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("quota: 48, vSwitches", "quota: 42, vSwitches"),
    (
        "pools: [{prefix: 10.65.0.0/16, sliceLength: 26}]",
        "pools: [{prefix: 10.65.0.0/17, sliceLength: 26}, {prefix: 10.66.0.0/17, sliceLength: 26}]",
    ),
    ("[10.72.0.0/16, 10.73.0.0/16]", "[10.72.0.0/15]"),
    (
        "fromVpc: [10.72.0.0/24, 10.73.0.0/17]",
        "fromVpc: [10.72.0.0/15]",
    ),
];

const ROWS: &[Row] = &[
    (
        "count: 15",
        "count: 24",
        "FN0601",
        "- {name: edge, id: vtb-uf6edge, quota: 48, vSwitches: [prod-l]}",
    ),
    ("sliceLength: 26", "sliceLength: 29", "FN0506", HERE),
    ("sliceLength: 26", "sliceLength: 15", "FN0118", HERE),
    (
        "vSwitches: [prod-e, prod-g]",
        "vSwitches: [prod-e]",
        "FN0612",
        "name: prod-g, id",
    ),
    (
        "10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6",
        "10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2",
        "FN0105",
        HERE,
    ),
    (
        "fromVpc: [10.72.0.0/24, 10.73.0.0/17]",
        "fromVpc: [10.72.0.0/24]",
        "FN0608",
        HERE,
    ),
    (
        "fromIdc: [10.30.0.0/24, 10.31.0.0/18]",
        "fromIdc: [10.30.0.0/24, 10.13.0.0/18]",
        "FN0608",
        HERE,
    ),
    (
        "routerInterface: ri-goldb\n",
        "routerInterface: ri-golda\n",
        "FN0013",
        HERE,
    ),
    ("vpc: dr\n", "vpc: prod\n", "FN0609", HERE),
    ("zone: cn-beijing-h", "zone: cn-shanghai-h", "FN0209", HERE),
    ("gateway: 10.64.7.253", "gateway: 10.64.7.1", "FN0208", HERE),
    (
        "addresses: [10.72.0.12/24]",
        "addresses: [10.72.0.253/24]",
        "FN0114",
        HERE,
    ),
    (
        "prefixes: [10.64.0.0/14]",
        "prefixes: [10.65.0.0/16]",
        "FN0117",
        HERE,
    ),
    (
        "instanceId: i-2ze0002",
        "instanceId: i-2ze0001",
        "FN0202",
        HERE,
    ),
    (
        "    - name: dr-apps\n      site: dr\n      pools: [{prefix: 10.73.0.0/17}]",
        "    - name: dr-apps\n      site: dr\n      pools: [{prefix: 10.72.0.0/17}]",
        "FN0110",
        HERE,
    ),
    (
        "name: to-cloud, role: transit, subnets: [{prefix: 10.255.1.0/29",
        "name: to-cloud, role: transit, subnets: [{prefix: 10.255.0.0/29",
        "FN0112",
        HERE,
    ),
    (
        "exclude: [10.31.0.0/24, 10.31.63.128/25]",
        "exclude: [10.31.0.0/22, 10.31.63.128/25]",
        "FN0507",
        HERE,
    ),
];
