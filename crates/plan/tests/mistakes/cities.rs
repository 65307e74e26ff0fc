//! Mistakes in a plan of two data centres and two VPCs.

use super::{HERE, Row, each_is_one_finding, each_is_sound};

const PLAN: &str = include_str!("plans/cities.yaml");

#[test]
fn a_mistake_is_one_finding() {
    each_is_one_finding(PLAN, ROWS);
}

#[test]
fn another_sound_plan_is_clean() {
    each_is_sound(PLAN, SOUND);
}

const SOUND: &[(&str, &str)] = &[
    ("{name: bj-edge, quota: 100}", "{name: bj-edge}"),
    (
        "    - name: sz-line-a",
        "    - name: bj-line-b\n      idc: beijing\n      vpc: ali-bj\n      transfer: [{prefix: 10.255.0.8/30, idc: 10.255.0.9, vpc: 10.255.0.10}]\n      vbr: {id: vbr-2ze2, routeTable: vtb-vbr2ze2, routerInterface: ri-2zevbr2}\n      routerInterface: ri-2zevpc2\n      accept:\n        fromIdc: [10.110.0.0/23, 10.111.0.0/17]\n        fromVpc: [172.16.0.0/16, 10.200.0.0/18]\n    - name: sz-line-a",
    ),
    (
        "        fromIdc: [10.120.0.0/23, 10.121.0.0/17]\n        fromVpc: [172.24.0.0/16, 10.200.64.0/18]",
        "        fromIdc: [10.121.0.0/17]\n        fromVpc: [10.200.64.0/18]",
    ),
    (
        "vpc: ali-sz\n      transfer",
        "vpc: ali-sz\n      mtu: 1500\n      transfer",
    ),
    (
        "        - {name: bj-main, id: vtb-2zemain, quota: 200}",
        "        - {name: bj-h, id: vtb-2zeh, vSwitches: [bj-zone-h]}\n        - {name: bj-k, id: vtb-2zek, vSwitches: [bj-zone-k]}",
    ),
    (
        "hostName: \"sz{n:03}\"",
        "hostName: \"sz{n:03}\"\n      labels: {tier: gold, asset: \"SZ-{n}\"}",
    ),
];

const ROWS: &[Row] = &[
    (
        "{name: sz-app, site: shenzhen, vlan: 210, pools: [{prefix: 10.121.64.0/19}]}",
        "{name: sz-app, site: shenzhen, vlan: 210, pools: [{prefix: 10.111.64.0/19}]}",
        "FN0111",
        HERE,
    ),
    (
        "{name: sz-app, site: shenzhen",
        "{name: sz-app, site: beijing",
        "FN0111",
        HERE,
    ),
    (
        "- name: sz\n      site: shenzhen",
        "- name: sz\n      site: beijing",
        "FN0204",
        HERE,
    ),
    (
        "idc: shenzhen\n      vpc: ali-sz",
        "idc: shenzhen\n      vpc: ali-bj",
        "FN0608",
        HERE,
    ),
    (
        "idc: shenzhen\n      vpc: ali-sz",
        "idc: ali-sz\n      vpc: shenzhen",
        "FN0006",
        HERE,
    ),
    (
        "{prefix: 10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6}",
        "{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}",
        "FN0105",
        HERE,
    ),
    ("vpc: 10.255.0.6}", "vpc: 10.255.0.9}", "FN0112", HERE),
    (
        "idc: 10.255.0.5, vpc: 10.255.0.6}",
        "idc: 10.255.0.5, vpc: 10.255.0.5}",
        "FN0114",
        HERE,
    ),
    ("vpc: 10.255.0.6}", "vpc: 10.255.0.7}", "FN0112", HERE),
    (
        "routerInterface: ri-wz9vpc1",
        "routerInterface: ri-2zevpc1",
        "FN0013",
        HERE,
    ),
    ("id: vbr-wz91", "id: vbr-2ze1", "FN0013", HERE),
    (
        "routeTable: vtb-vbrwz91",
        "routeTable: vtb-wz9main",
        "FN0013",
        HERE,
    ),
    ("id: vtb-wz9main", "id: vtb-2zemain", "FN0013", HERE),
    ("vpcId: vpc-wz9sz", "vpcId: vpc-2ze0bj", "FN0013", HERE),
    ("id: vsw-2zek", "id: vsw-2zeh", "FN0013", HERE),
    ("zone: cn-shenzhen-d", "zone: cn-beijing-d", "FN0209", HERE),
    ("i-wz97, i-wz98", "i-wz97, i-wz97", "FN0202", HERE),
    (", i-wz9b]", "]", "FN0007", HERE),
    (
        "instanceId: \"i-2zk{n:04}\"",
        "instanceId: \"i-2zk0001\"",
        "FN0202",
        HERE,
    ),
    (
        "      instanceId: \"i-2zk{n:04}\"\n",
        "",
        "FN0203",
        "- name: ecs-bj-k",
    ),
    (
        "fromVpc: [172.24.0.0/16, 10.200.64.0/18]",
        "fromVpc: [172.24.0.0/16]",
        "FN0608",
        HERE,
    ),
    (
        "fromIdc: [10.120.0.0/23, 10.121.0.0/17]",
        "fromIdc: [10.120.0.0/23]",
        "FN0608",
        HERE,
    ),
    (
        "fromIdc: [10.120.0.0/23, 10.121.0.0/17]",
        "fromIdc: [10.120.0.0/23, 10.112.0.0/17]",
        "FN0608",
        HERE,
    ),
    (
        "        fromIdc: [10.120.0.0/23, 10.121.0.0/17]\n        fromVpc: [172.24.0.0/16, 10.200.64.0/18]",
        "        fromVpc: [10.120.0.0/23, 10.121.0.0/17]\n        fromIdc: [172.24.0.0/16, 10.200.64.0/18]",
        "FN0613",
        "accept:",
    ),
    (
        "fromVpc: [172.24.0.0/16, 10.200.64.0/18]",
        "fromVpc: [172.24.0.0/16, 10.200.64.0/23]",
        "FN0614",
        HERE,
    ),
    (
        "{name: sz-cloud, site: ali-sz, pools: [{prefix: 10.200.64.0/18}]}",
        "{name: sz-cloud, site: ali-sz, pools: [{prefix: 172.24.0.0/18}]}",
        "FN0110",
        HERE,
    ),
    (
        "{name: sz-main, id: vtb-wz9main, quota: 200}",
        "{name: sz-main, id: vtb-wz9main, quota: 10}",
        "FN0601",
        HERE,
    ),
    (
        "routerInterface: ri-wz9vbr1, quota: 48",
        "routerInterface: ri-wz9vbr1, quota: 1",
        "FN0603",
        HERE,
    ),
    (
        "{name: sz-edge, quota: 100}",
        "{name: sz-edge, quota: 1}",
        "FN0605",
        HERE,
    ),
    ("      vSwitch: sz-zone-d\n", "", "FN0205", "- name: ecs-sz"),
    (
        "      vSwitch: bj-zone-k\n",
        "      vSwitch: bj-zone-h\n",
        "FN0113",
        HERE,
    ),
    (
        "      vSwitch: bj-zone-k\n",
        "      vSwitch: sz-zone-d\n",
        "FN0006",
        HERE,
    ),
    (
        "gateway: 172.24.3.253",
        "gateway: 172.24.0.1",
        "FN0208",
        HERE,
    ),
    (
        "addresses: [172.24.0.10/22]",
        "addresses: [172.24.3.250/22]",
        "FN0114",
        HERE,
    ),
    ("from: 10.200.4.0", "from: 10.200.3.128", "FN0101", HERE),
    (
        "- {id: 210, name: sz-pods",
        "- {id: 4095, name: sz-pods",
        "FN0301",
        HERE,
    ),
    (
        "switch: sz-sw1, port: \"Gi1/0/{unit}\"",
        "switch: bj-sw1, port: \"Gi1/0/{unit}\"",
        "FN0006",
        HERE,
    ),
    (
        "hostsPerRack: 20",
        "hostsPerRack: 10",
        "FN0006",
        "uplink: {interface: eno1, switch: \"bj-sw{rack}\", port: \"Gi1/0/{unit}\"}",
    ),
    (
        "      uplink: {interface: eno1, switch: sz-sw1, port: \"Gi1/0/{unit}\"}",
        "      uplink: {interface: eno1, switch: sz-sw1, port: \"Gi1/0/1\"}",
        "FN0406",
        HERE,
    ),
    (
        "uplink: {interface: eno1, switch: sz-sw1",
        "uplink: {interface: br-flat, switch: sz-sw1",
        "FN0410",
        HERE,
    ),
    (
        "uplink: {interface: eno1, switch: sz-sw1",
        "uplink: {interface: eno1.110, switch: sz-sw1",
        "FN0410",
        HERE,
    ),
    (
        "uplink: {interface: eno1, switch: sz-sw1",
        "uplink: {interface: enp134s0f0np0interface, switch: sz-sw1",
        "FN0002",
        HERE,
    ),
    (
        "servicePrefixes: [192.168.128.0/20]",
        "servicePrefixes: [172.16.0.0/20]",
        "FN0104",
        HERE,
    ),
    (
        "      vbr: {id: vbr-wz91, routeTable: vtb-vbrwz91, routerInterface: ri-wz9vbr1, quota: 48}\n",
        "",
        "FN0610",
        "- name: sz-line-a",
    ),
    (
        "      routerInterface: ri-wz9vpc1\n",
        "",
        "FN0610",
        "- name: sz-line-a",
    ),
    (
        "      routerInterface: ri-wz9vpc1\n",
        "      routerInterface: ri-wz9vpc1\n      mtu: 1400\n",
        "FN0405",
        HERE,
    ),
    (
        "      transfer: [{prefix: 10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6}]\n",
        "",
        "FN0002",
        "- name: sz-line-a",
    ),
    (
        "{name: sz-cloud, site: ali-sz, pools: [{prefix: 10.200.64.0/18}]}",
        "{name: sz-cloud, site: ali-sz, pools: [{prefix: 10.200.0.0/17}]}",
        "FN0102",
        HERE,
    ),
];
