//! Mistakes in a plan of three shops with a thin line each.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/shops.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("172.16.0.0/23", "172.16.0.0/16"),
    ("density: 25", "density: 29"),
];

const ROWS: &[Row] = &[
    (
        "10.2.0.0/27, gateway: 10.2.0.30",
        "10.2.0.0/27, gateway: 10.2.0.32",
        "FN0112",
        HERE,
    ),
    (
        "addresses: [10.3.0.2/27]",
        "addresses: [10.3.0.2/24]",
        "FN0113",
        HERE,
    ),
    (
        "addresses: [10.3.0.2/27]",
        "addresses: [10.3.0.30/27]",
        "FN0114",
        HERE,
    ),
    (
        "{prefix: 10.3.1.0/24, gateway: 10.3.1.254}",
        "{prefix: 10.1.1.0/24, gateway: 10.1.1.254}",
        "FN0111",
        HERE,
    ),
    (
        "fromVpc: [172.16.0.0/23, 172.18.0.0/17]",
        "fromVpc: [172.16.0.0/24, 172.18.0.0/17]",
        "FN0614",
        HERE,
    ),
    (
        "fromIdc: [10.3.0.0/27, 10.3.1.0/24]",
        "fromIdc: [10.3.0.0/27]",
        "FN0608",
        HERE,
    ),
    (
        "hub, site: centre, density: 40",
        "hub, site: centre, density: 300",
        "FN0504",
        HERE,
    ),
    ("quota: 12", "quota: 3", "FN0603", HERE),
    ("quota: 16", "quota: 1", "FN0605", HERE),
    (
        "site: shop2, addresses",
        "site: shop3, addresses",
        "FN0204",
        HERE,
    ),
    (
        "vSwitch: c-f, instanceId: i-wz9002, addresses: [172.16.1.12/24]",
        "vSwitch: c-d, instanceId: i-wz9002, addresses: [172.16.1.12/24]",
        "FN0113",
        HERE,
    ),
    (
        "vSwitch: c-f, instanceId: i-wz9002, ",
        "vSwitch: c-f, ",
        "FN0203",
        HERE,
    ),
    ("at: links.mpls-2", "at: links.mpls-3", "FN0011", HERE),
    (
        "      routerInterface: ri-wz9s2\n",
        "",
        "FN0610",
        "- name: mpls-2",
    ),
    (
        "servicePrefixes: [10.200.0.0/16]",
        "servicePrefixes: [10.0.0.0/14]",
        "FN0104",
        HERE,
    ),
];
