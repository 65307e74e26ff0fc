//! Mistakes in a plan of four racks with a bond over two switches each, and both families.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/racks.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("count: 18", "count: 20"),
    (
        "mtu: 9000\n  servicePrefixes",
        "mtu: 9000\n  density: 30\n  servicePrefixes",
    ),
    (
        "      count: 18\n",
        "      count: 18\n      except: [3, 4]\n",
    ),
];

const ROWS: &[Row] = &[
    (
        "gateway: 10.20.0.1\n",
        "gateway: 10.21.0.1\n",
        "FN0112",
        HERE,
    ),
    ("gateway: 10.32.0.1", "gateway: 10.31.0.1", "FN0112", HERE),
    (
        "- prefix: 10.32.8.0/21",
        "- prefix: 10.31.8.0/21",
        "FN0111",
        HERE,
    ),
    ("from: 10.33.8.0", "from: 10.32.8.0", "FN0110", HERE),
    (
        "from: \"fd0c:db8:32:0:1::\"",
        "from: \"fd0c:db8:32::\"",
        "FN0507",
        HERE,
    ),
    (
        "{interface: ens1f1, switch: sh4-r2b, port: \"ge-0/0/{unit}\"}",
        "{interface: ens1f1, switch: sh4-r3b, port: \"ge-0/0/{unit}\"}",
        "FN0305",
        HERE,
    ),
    ("trunk: [20, 303]", "trunk: [20]", "FN0305", HERE),
    ("trunk: [20, 303]", "trunk: [20, 303, 304]", "FN0306", HERE),
    ("trunk: [20, 304]", "trunk: [20, 340]", "FN0305", HERE),
    (
        "addresses: [10.20.2.11/20",
        "addresses: [10.20.1.20/20",
        "FN0114",
        HERE,
    ),
    (
        "addresses: [10.20.4.11/20",
        "addresses: [10.20.4.11/24",
        "FN0113",
        HERE,
    ),
    (
        "addresses: [10.20.1.11/20",
        "addresses: [10.20.0.1/20",
        "FN0114",
        HERE,
    ),
    (
        "- name: sh4-r3a\n          macTableSize: 16000\n          mtu: 9000",
        "- name: sh4-r3a\n          macTableSize: 16000\n          mtu: 1500",
        "FN0404",
        HERE,
    ),
    (
        "- name: sh4-agg1\n          macTableSize: 64000\n          mtu: 9000",
        "- name: sh4-agg1\n          macTableSize: 64000\n          mtu: 1500",
        "FN0404",
        HERE,
    ),
    (
        "      vlan: 303\n      density: 40",
        "      vlan: 303\n      density: 70",
        "FN0504",
        HERE,
    ),
    (
        "{network: pods-r4, length: 26",
        "{network: pods-r4, length: 27",
        "FN0504",
        HERE,
    ),
    (
        "bond: active-backup\n        nics:\n          - {interface: ens1f0, switch: sh4-r1a",
        "bond: lacp\n        nics:\n          - {interface: ens1f0, switch: sh4-r1a",
        "FN0403",
        HERE,
    ),
    (
        "{interface: ens1f1, switch: sh4-r1b",
        "{interface: ens1f0, switch: sh4-r1b",
        "FN0013",
        HERE,
    ),
    (
        "switch: sh4-r1a, port: \"ge-0/0/{unit}\"",
        "switch: sh4-r1a, port: \"ge-0/0/1\"",
        "FN0406",
        HERE,
    ),
    (
        "hostName: \"sh4-r1-n{n:02}\"",
        "hostName: \"sh4-r1-n02\"",
        "FN0005",
        HERE,
    ),
    (
        "hostName: \"sh4-r2-n{n:02}\"",
        "hostName: \"sh4-r1-n{n:02}\"",
        "FN0005",
        HERE,
    ),
    ("\"sh4-r3-n{n:02}\"", "\"sh4-r3-n{num:02}\"", "FN0007", HERE),
    ("- 10.233.0.0/18", "- 10.20.0.0/18", "FN0104", HERE),
    ("- id: 304", "- id: 303", "FN0303", HERE),
    ("      vlan: 302\n", "      vlan: 312\n", "FN0006", HERE),
    ("      vlan: 302\n", "      vlan: 20\n", "FN0304", HERE),
    ("      vlan: 302\n", "      vlan: 301\n", "FN0111", HERE),
    (
        "name: pods-r1\n          role: pod",
        "name: pods-r1\n          role: pods",
        "FN0002",
        HERE,
    ),
    (
        "macTableSize: 64000\n          mtu: 9000\n          peers",
        "macTabelSize: 64000\n          mtu: 9000\n          peers",
        "FN0002",
        HERE,
    ),
    ("peers: [sh4-agg2]", "peers: [sh4-ag2]", "FN0006", HERE),
    (
        "uplinks: [sh4-agg1, sh4-agg2]",
        "uplinks: [sh4-agg1, sh4-agg3]",
        "FN0006",
        HERE,
    ),
    (
        "- name: sh4-r2a\n          macTableSize: 16000",
        "- name: sh4-r2a\n          macTableSize: 16",
        "FN0501",
        HERE,
    ),
    (
        "exclude: [\"fd0c:db8:31::/112\"]",
        "exclude: [\"fd0c:db8:13::/112\"]",
        "FN0116",
        HERE,
    ),
    (
        "\"fd0c:db8:20::2:b/64\"",
        "\"fd0c:db8:02::2:b/64\"",
        "FN0113",
        HERE,
    ),
    (
        "        - {network: pods-r3, length: 112, from: \"fd0c:db8:33:0:1::\"}",
        "",
        "FN0206",
        "- name: rack3",
    ),
    (
        "mtu: 9000\n  servicePrefixes",
        "mtu: 1200\n  servicePrefixes",
        "FN0407",
        HERE,
    ),
    (
        "      vlan: 303\n",
        "      vlan: 303\n      vlan: 303\n",
        "FN0004",
        HERE,
    ),
    (
        "    - name: pods-r2\n      site",
        "    - name: pods-r2\n\t  site",
        "FN0001",
        "- name: pods-r2",
    ),
    ("kind: NetworkPlan", "kind: networkplan", "FN0003", HERE),
    ("flatnet.io/v1alpha1", "flatnet.io/v1", "FN0003", HERE),
    ("- id: 20\n", "- id: 020\n", "FN0002", HERE),
    (
        "- prefix: 10.20.0.0/20\n",
        "- prefix: 10.20.0.0/255.255.240.0\n",
        "FN0002",
        HERE,
    ),
    ("- 10.233.0.0/18", "- 10.233.0.0", "FN0002", HERE),
    (
        "- prefix: 10.34.8.0/21",
        "- prefix: 10.34.9.0/21",
        "FN0008",
        HERE,
    ),
    (
        "switch: sh4-r1a, port: \"ge-0/0/{unit}\"}",
        "switch: sh4-r1a, port: #1\n            }",
        "FN0002",
        HERE,
    ),
    ("      vlan: 302\n", "      vlan:\n", "FN0002", HERE),
    ("10.20.0.5:6443", "10.20.0.5", "FN0002", HERE),
    ("10.20.0.5:6443", "fd0c:db8:20::5:6443", "FN0002", HERE),
    (
        "hostName: \"sh4-r4-n{n:02}\"",
        "hostName: \"SH4-r3-n{n:02}\"",
        "FN0014",
        HERE,
    ),
    (
        "hostName: \"sh4-r4-n{n:02}\"",
        "hostName: \"sh4_r4_n{n:02}\"",
        "FN0015",
        HERE,
    ),
];
