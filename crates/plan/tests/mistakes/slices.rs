//! Mistakes in a plan of one VLAN for all hosts, whose slices ipamd cuts.

use super::{HERE, Row, each_is_one_finding};

const PLAN: &str = include_str!("plans/slices.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

const ROWS: &[Row] = &[
    ("sliceLength: 26", "sliceLength: 28", "FN0506", HERE),
    ("sliceLength: 26", "sliceLength: 22", "FN0505", HERE),
    ("sliceLength: 26", "sliceLength: 19", "FN0118", HERE),
    (
        "edge-2, macTableSize: 4096, uplinks: [dist], trunk: [700, 701]",
        "edge-2, macTableSize: 4096, uplinks: [dist], trunk: [700]",
        "FN0305",
        HERE,
    ),
    (
        "edge-2, macTableSize: 4096",
        "edge-2, macTableSize: 128",
        "FN0501",
        HERE,
    ),
    (
        "budgets: {gcThresh3: 8192}",
        "budgets: {gcThresh3: 8192, neighbours: 100}",
        "FN0502",
        "- {id: 701, name: pods, role: pod, subnets: [{prefix: 10.71.0.0/20, gateway: 10.71.0.1}]}",
    ),
    (
        "budgets: {gcThresh3: 8192}",
        "budgets: {gcThresh3: 64}",
        "FN0503",
        HERE,
    ),
    (
        "port: \"4\"}]}}",
        "port: \"4\"}]}, ranges: [{network: pods, prefix: 10.71.15.192/26}]}",
        "FN0108",
        HERE,
    ),
    (
        "name: pods, role: pod",
        "name: pods, role: management",
        "FN0304",
        HERE,
    ),
];
