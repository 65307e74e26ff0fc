//! Shops, factories and clusters.

use super::{Disruption, Pair};

const WEST: &str = include_str!("../mistakes/plans/west.yaml");
const RETAIL: &str = include_str!("../mistakes/plans/retail.yaml");
const FACTORY: &str = include_str!("../mistakes/plans/factory.yaml");
const SHOPS: &str = include_str!("../mistakes/plans/shops.yaml");
const CLUSTERS: &str = include_str!("../mistakes/plans/clusters.yaml");

pub(super) const PAIRS: &[Pair] = &[
    Pair {
        plan: WEST,
        edits: &[("peers: [leaf2b]", "peers: []")],
        worst: Disruption::Outage,
        steps: &["make switches peers no longer [outage]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[(
            "hostName: \"r3-{n:02}\"\n      count: 16",
            "hostName: \"r3-{n:02}\"\n      count: 18",
        )],
        worst: Disruption::None,
        steps: &["new host [no]", "give a range of pods-r3 [no]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[("leaf1a", "tor1a"), ("leaf1b", "tor1b")],
        worst: Disruption::None,
        steps: &["rename the switch [no]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[("gateway: 10.60.16.1", "gateway: 10.60.31.254")],
        worst: Disruption::Recreate,
        steps: &["change a gateway [recreate]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[("trunk: [12, 112]", "trunk: [12, 112, 113]")],
        worst: Disruption::None,
        steps: &["add VLANs to the uplink's trunk [no]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[(
            "[10.112.0.0/16, \"fd77:112::/112\"]",
            "[10.112.0.0/17, \"fd77:112::/112\"]",
        )],
        worst: Disruption::Outage,
        steps: &["change service prefixes [outage]"],
        whom: None,
    },
    Pair {
        plan: WEST,
        edits: &[(
            "bond: lacp\n        nics: [{interface: ens1f0, switch: leaf3a",
            "bond: active-backup\n        nics: [{interface: ens1f0, switch: leaf3a",
        )],
        worst: Disruption::Outage,
        steps: &["change the uplink [outage]"],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[("- name: gold-b", "- name: platinum-b")],
        worst: Disruption::None,
        steps: &["rename the leased line [no]"],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[(
            "fromVpc: [10.72.0.0/24, 10.73.0.0/17]",
            "fromVpc: [10.73.0.0/17]",
        )],
        worst: Disruption::Outage,
        steps: &["cut a way between the sites [outage]"],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[("instanceId: i-2ze0002", "instanceId: i-2ze0009")],
        worst: Disruption::Brief,
        steps: &[
            "change the instance [seconds]",
            "lead elsewhere in route table sys in dr [seconds]",
        ],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[("sliceLength: 26", "sliceLength: 25")],
        worst: Disruption::None,
        steps: &["cut slices of another length [no]"],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[
            ("vSwitches: [prod-e, prod-g]", "vSwitches: [prod-e]"),
            ("vSwitches: [prod-l]", "vSwitches: [prod-g, prod-l]"),
        ],
        worst: Disruption::Brief,
        steps: &["bind a vSwitch to another route table [seconds]"],
        whom: None,
    },
    Pair {
        plan: RETAIL,
        edits: &[
            ("name: dr\n", "name: backup-site\n"),
            ("site: dr\n", "site: backup-site\n"),
            ("vpc: dr\n", "vpc: backup-site\n"),
        ],
        worst: Disruption::None,
        steps: &["rename the site [no]"],
        whom: None,
    },
    Pair {
        plan: FACTORY,
        edits: &[("neighbourRate: 200", "neighbourRate: 100")],
        worst: Disruption::None,
        steps: &["change a network's neighbour rate [no]"],
        whom: None,
    },
    Pair {
        plan: FACTORY,
        edits: &[("uplinks: [core, acc3]", "uplinks: [core]")],
        worst: Disruption::Brief,
        steps: &["take uplinks off a switch [seconds]"],
        whom: None,
    },
    Pair {
        plan: FACTORY,
        edits: &[("switch: acc3, port: \"3\"", "switch: acc1, port: \"3\"")],
        worst: Disruption::Outage,
        steps: &["move cables [outage]"],
        whom: None,
    },
    Pair {
        plan: FACTORY,
        edits: &[
            ("- name: cameras\n", "- name: video\n"),
            ("network: cameras", "network: video"),
        ],
        worst: Disruption::Recreate,
        steps: &[
            "rename the network [recreate]",
            "drain a range of cameras [recreate]",
        ],
        whom: None,
    },
    Pair {
        plan: FACTORY,
        edits: &[(
            "addresses: [192.168.20.13/24]",
            "addresses: [192.168.20.23/24]",
        )],
        worst: Disruption::Outage,
        steps: &["change the host's own addresses [outage]"],
        whom: None,
    },
    Pair {
        plan: SHOPS,
        edits: &[("      mtu: 1400\n", "")],
        worst: Disruption::Brief,
        steps: &["change a leased line's MTU [seconds]"],
        whom: None,
    },
    Pair {
        plan: SHOPS,
        edits: &[
            ("name: c-f, id: vsw-wz9f", "name: centre-f, id: vsw-wz9f"),
            ("vSwitch: c-f", "vSwitch: centre-f"),
        ],
        worst: Disruption::None,
        steps: &["rename the vSwitch [no]"],
        whom: None,
    },
    Pair {
        plan: CLUSTERS,
        edits: &[("except: [7]", "except: [7, 12]")],
        worst: Disruption::Recreate,
        steps: &["drain the host [recreate]"],
        whom: None,
    },
    Pair {
        plan: CLUSTERS,
        edits: &[
            ("id: 72, name: green", "id: 73, name: green"),
            ("vlan: 72", "vlan: 73"),
            ("trunk: [70, 71, 72]", "trunk: [70, 71, 73]"),
        ],
        worst: Disruption::Outage,
        steps: &["move a network [outage]"],
        whom: None,
    },
];
