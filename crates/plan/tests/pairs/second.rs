//! A fabric, two tenants of a VPC, an insurer with three lines, and a campus.

use super::{Disruption, Pair};

const NORTH: &str = include_str!("../mistakes/plans/north.yaml");
const TENANTS: &str = include_str!("../mistakes/plans/tenants.yaml");
const INSURER: &str = include_str!("../mistakes/plans/insurer.yaml");
const CAMPUS: &str = include_str!("../mistakes/plans/campus.yaml");

pub(super) const PAIRS: &[Pair] = &[
    Pair {
        plan: NORTH,
        edits: &[("count: 24", "count: 26")],
        worst: Disruption::None,
        steps: &["new host [no]", "give a range of r1 [no]"],
        whom: None,
    },
    Pair {
        plan: NORTH,
        edits: &[("except: [13]", "except: [7, 13]")],
        worst: Disruption::Recreate,
        steps: &["drain the host [recreate]", "remove the host [no]"],
        whom: Some(&["host n2-07"]),
    },
    Pair {
        plan: NORTH,
        edits: &[("  mtu: 9000\n  cluster", "  mtu: 1500\n  cluster")],
        worst: Disruption::Recreate,
        steps: &["change the MTU of every link [recreate]"],
        whom: Some(&["network r1", "network r2"]),
    },
    Pair {
        plan: NORTH,
        edits: &[("      vlan: 411\n", "      vlan: 411\n      mtu: 9000\n")],
        worst: Disruption::None,
        steps: &[],
        whom: Some(&[]),
    },
    Pair {
        plan: NORTH,
        edits: &[("mtu: 9216, peers: [leaf12]", "mtu: 9100, peers: [leaf12]")],
        worst: Disruption::Brief,
        steps: &["change a switch's MTU [seconds]"],
        whom: None,
    },
    Pair {
        plan: NORTH,
        edits: &[(
            "peers: [leaf22], uplinks: [spine1, spine2]",
            "peers: [leaf22], uplinks: [spine1]",
        )],
        worst: Disruption::Brief,
        steps: &["take uplinks off a switch [seconds]"],
        whom: None,
    },
    Pair {
        plan: NORTH,
        edits: &[("gateway: 10.44.63.254", "gateway: 10.44.63.253")],
        worst: Disruption::Recreate,
        steps: &["change a gateway [recreate]"],
        whom: Some(&["10.44.0.0/18"]),
    },
    Pair {
        plan: NORTH,
        edits: &[(
            "addresses: [10.40.2.11/24, \"fd40:2::11/64\"]",
            "addresses: [10.40.2.11/24]",
        )],
        worst: Disruption::Outage,
        steps: &["change the host's own addresses [outage]"],
        whom: None,
    },
    Pair {
        plan: NORTH,
        edits: &[(
            "fromIdc: [10.40.0.0/16, 10.44.0.0/17]",
            "fromIdc: [10.40.0.0/13]",
        )],
        worst: Disruption::None,
        steps: &["change what a leased line accepts [no]"],
        whom: None,
    },
    Pair {
        plan: NORTH,
        edits: &[(
            "addresses: [10.40.1.11/24, \"fd40:1::11/64\"]",
            "addresses: [\"fd40:1::11/64\", 10.40.1.11/24]",
        )],
        worst: Disruption::None,
        steps: &["order of the host's own addresses [no]"],
        whom: None,
    },
    Pair {
        plan: TENANTS,
        edits: &[(
            "quota: 60, vSwitches: [e-f]",
            "quota: 200, vSwitches: [e-f]",
        )],
        worst: Disruption::None,
        steps: &[],
        whom: Some(&[]),
    },
    Pair {
        plan: TENANTS,
        edits: &[("ports: [3306, 6379]", "ports: [3306, 6379, 5432]")],
        worst: Disruption::None,
        steps: &["change the destinations that a network allows [no]"],
        whom: Some(&[]),
    },
    Pair {
        plan: TENANTS,
        edits: &[("ports: [3306, 6379]", "ports: [3306]")],
        worst: Disruption::Outage,
        steps: &["change the destinations that a network allows [outage]"],
        whom: Some(&["network pay"]),
    },
    Pair {
        plan: TENANTS,
        edits: &[(
            "      egress:\n        - {to: 172.18.4.0/22, protocol: tcp, ports: [3306, 6379]}\n        - {to: 100.100.2.136/32, protocol: udp, ports: [53]}\n        - {to: 203.0.113.0/24, protocol: tcp, ports: [443]}\n",
            "",
        )],
        worst: Disruption::None,
        steps: &["change the destinations that a network allows [no]"],
        whom: Some(&[]),
    },
    Pair {
        plan: TENANTS,
        edits: &[
            ("vSwitches: [e-a, e-b]", "vSwitches: [e-a]"),
            ("vSwitches: [e-f]}", "vSwitches: [e-b, e-f]}"),
        ],
        worst: Disruption::Brief,
        steps: &["bind a vSwitch to another route table [seconds]"],
        whom: None,
    },
    Pair {
        plan: TENANTS,
        edits: &[("instanceId: i-uf6pay2", "instanceId: i-uf6pay9")],
        worst: Disruption::Brief,
        steps: &["change the instance [seconds]"],
        whom: None,
    },
    Pair {
        plan: TENANTS,
        edits: &[("sliceLength: 26", "sliceLength: 25")],
        worst: Disruption::None,
        steps: &["cut slices of another length [no]"],
        whom: Some(&[]),
    },
    Pair {
        plan: TENANTS,
        edits: &[
            (
                "ranges:\n        - {network: pay, prefix: 172.26.64.0/26}",
                "ranges:\n        - {network: pay, prefix: 172.26.64.128/26}",
            ),
            (
                "- {network: pay, prefix: 172.26.64.64/26}",
                "- {network: pay, prefix: 172.26.64.64/26}\n        - {network: pay, prefix: 172.26.64.0/26}",
            ),
        ],
        worst: Disruption::Recreate,
        steps: &[
            "drain a range of pay [recreate]",
            "hand on a range of pay [no]",
        ],
        whom: None,
    },
    Pair {
        plan: INSURER,
        edits: &[(
            "    - name: telco2\n      idc: hq\n      vpc: prod\n      transfer: [{prefix: 10.1.255.4/30, idc: 10.1.255.5, vpc: 10.1.255.6}]\n      vbr: {id: vbr-2ze2, routeTable: vtb-2zev2, routerInterface: ri-2zev2}\n      routerInterface: ri-2zep2\n",
            "",
        )],
        worst: Disruption::Brief,
        steps: &[
            "remove the leased line [no]",
            "lead over another line [seconds]",
        ],
        whom: None,
    },
    Pair {
        plan: INSURER,
        edits: &[(
            "    - name: telco3\n      idc: hq\n      vpc: dr\n      transfer: [{prefix: 10.1.255.8/30, idc: 10.1.255.9, vpc: 10.1.255.10}]\n      vbr: {id: vbr-m5e, quota: 24, routerInterface: ri-m5ev}\n      routerInterface: ri-m5ep\n",
            "",
        )],
        worst: Disruption::Outage,
        steps: &["cut a way between the sites [outage]"],
        whom: None,
    },
    Pair {
        plan: INSURER,
        edits: &[(
            "      allow:\n        - {protocol: vrrp, mac: \"00:00:5e:00:01:21\", addresses: [10.1.160.33]}\n",
            "",
        )],
        worst: Disruption::Outage,
        steps: &["change the protocols that a network allows [outage]"],
        whom: Some(&["10.1.160.33/32", "protocol vrrp of claims"]),
    },
    Pair {
        plan: INSURER,
        edits: &[("bond: active-backup", "bond: lacp")],
        worst: Disruption::Outage,
        steps: &["change the uplink [outage]"],
        whom: None,
    },
    Pair {
        plan: INSURER,
        edits: &[(
            "          - {interface: eno1, switch: sw-a, port: \"r{rack}u{unit}\"}\n          - {interface: eno2, switch: sw-b, port: \"r{rack}u{unit}\"}\n",
            "          - {interface: eno2, switch: sw-b, port: \"r{rack}u{unit}\"}\n          - {interface: eno1, switch: sw-a, port: \"r{rack}u{unit}\"}\n",
        )],
        worst: Disruption::None,
        steps: &[],
        whom: Some(&[]),
    },
    Pair {
        plan: INSURER,
        edits: &[("peerTrunk: [20, 120, 130, 60]", "peerTrunk: [20, 120, 130]")],
        worst: Disruption::None,
        steps: &["take VLANs off a trunk [no]"],
        whom: Some(&[]),
    },
    Pair {
        plan: CAMPUS,
        edits: &[(
            "      trunk: [{vlan: 31, addresses: [10.199.143.192/27]}]\n",
            "",
        )],
        worst: Disruption::Outage,
        steps: &["change a network's trunk [outage]"],
        whom: Some(&["10.199.143.192/27"]),
    },
    Pair {
        plan: CAMPUS,
        edits: &[(
            "trunk: [30, 31, 33], mtu: 1600}",
            "trunk: [30, 31, 33], mtu: 1700}",
        )],
        worst: Disruption::Brief,
        steps: &["change a port's MTU [seconds]"],
        whom: Some(&["host m5"]),
    },
    Pair {
        plan: CAMPUS,
        edits: &[
            (
                "switch: acc2, port: \"1\"}",
                "switch: acc2, port: \"1\", untagged: true}",
            ),
            (
                "          uplinks: [core]\n          spanningTree: true\n          trunk: [30, 31]\n",
                "          uplinks: [core]\n          spanningTree: true\n          trunk: [30, 31]\n          native: 30\n",
            ),
        ],
        worst: Disruption::Outage,
        steps: &["change the tag of the host's frames [outage]"],
        whom: Some(&["host m3"]),
    },
    Pair {
        plan: CAMPUS,
        edits: &[(
            "        - {id: 39, name: consoles",
            "        - {id: 38, name: voice, role: management, subnets: [{prefix: 10.199.67.0/24, gateway: 10.199.67.1}]}\n        - {id: 39, name: consoles",
        )],
        worst: Disruption::None,
        steps: &["new VLAN [no]"],
        whom: Some(&[]),
    },
];
