//! Pairs of plans as an engineer has them before and after a change, and what the diff has to say of
//! it: the worst that anybody notices, and the steps that matter.

use flatnet_plan::diff::{Disruption, diff};
use flatnet_plan::expand::expand;
use flatnet_plan::{NetworkPlan, parse};

const WEST: &str = include_str!("mistakes/plans/west.yaml");
const RETAIL: &str = include_str!("mistakes/plans/retail.yaml");
const FACTORY: &str = include_str!("mistakes/plans/factory.yaml");
const SHOPS: &str = include_str!("mistakes/plans/shops.yaml");
const CLUSTERS: &str = include_str!("mistakes/plans/clusters.yaml");

struct Pair {
    plan: &'static str,
    /// What stands in the plan, wherever it does, and what is written instead.
    edits: &'static [(&'static str, &'static str)],
    /// The worst that containers notice.
    worst: Disruption,
    /// Steps that have to be there, as `what [disruption]`.
    steps: &'static [&'static str],
}

/// A plan with its groups written out. What is wrong with it is for the check to say.
fn read(text: &str) -> NetworkPlan {
    expand(&parse(text).expect("a plan")).plan
}

#[test]
fn the_diff_says_what_an_engineer_expects_of_a_change() {
    let mut wrong = Vec::new();
    for pair in PAIRS {
        let mut text = pair.plan.to_owned();
        for (from, to) in pair.edits {
            assert!(text.contains(from), "not there: {from}");
            text = text.replace(from, to);
        }
        let (old, new) = (read(pair.plan), read(&text));
        let found = diff(&old, &new).expect("routes");
        let said = found.changes.iter();
        let said: Vec<String> = said
            .map(|c| format!("{} [{}]", c.what, c.disrupts.as_str()))
            .collect();
        let lacks = |step: &&&str| !said.iter().any(|s| s == **step);
        let lacking: Vec<&&str> = pair.steps.iter().filter(lacks).collect();
        if found.disruption() != pair.worst || !lacking.is_empty() {
            wrong.push(format!("{:?}: {lacking:?} is not in {said:#?}", pair.edits));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PAIRS: &[Pair] = &[
    Pair {
        plan: WEST,
        edits: &[("peers: [leaf2b]", "peers: []")],
        worst: Disruption::Outage,
        steps: &["make switches peers no longer [outage]"],
    },
    Pair {
        plan: WEST,
        edits: &[(
            "hostName: \"r3-{n:02}\"\n      count: 16",
            "hostName: \"r3-{n:02}\"\n      count: 18",
        )],
        worst: Disruption::None,
        steps: &["new host [no]", "give a range of pods-r3 [no]"],
    },
    Pair {
        plan: WEST,
        edits: &[("leaf1a", "tor1a"), ("leaf1b", "tor1b")],
        worst: Disruption::None,
        steps: &["rename the switch [no]"],
    },
    Pair {
        plan: WEST,
        edits: &[("gateway: 10.60.16.1", "gateway: 10.60.31.254")],
        worst: Disruption::Recreate,
        steps: &["change a gateway [recreate]"],
    },
    Pair {
        plan: WEST,
        edits: &[("trunk: [12, 112]", "trunk: [12, 112, 113]")],
        worst: Disruption::None,
        steps: &["add VLANs to the uplink's trunk [no]"],
    },
    Pair {
        plan: WEST,
        edits: &[(
            "[10.112.0.0/16, \"fd77:112::/112\"]",
            "[10.112.0.0/17, \"fd77:112::/112\"]",
        )],
        worst: Disruption::Outage,
        steps: &["change service prefixes [outage]"],
    },
    Pair {
        plan: WEST,
        edits: &[(
            "bond: lacp\n        nics: [{interface: ens1f0, switch: leaf3a",
            "bond: active-backup\n        nics: [{interface: ens1f0, switch: leaf3a",
        )],
        worst: Disruption::Outage,
        steps: &["change the uplink [outage]"],
    },
    Pair {
        plan: RETAIL,
        edits: &[("- name: gold-b", "- name: platinum-b")],
        worst: Disruption::None,
        steps: &["rename the leased line [no]"],
    },
    Pair {
        plan: RETAIL,
        edits: &[(
            "fromVpc: [10.72.0.0/24, 10.73.0.0/17]",
            "fromVpc: [10.73.0.0/17]",
        )],
        worst: Disruption::Outage,
        steps: &["cut a way between the sites [outage]"],
    },
    Pair {
        plan: RETAIL,
        edits: &[("instanceId: i-2ze0002", "instanceId: i-2ze0009")],
        worst: Disruption::Brief,
        steps: &[
            "change the instance [seconds]",
            "lead elsewhere in route table sys in dr [seconds]",
        ],
    },
    Pair {
        plan: RETAIL,
        edits: &[("sliceLength: 26", "sliceLength: 25")],
        worst: Disruption::None,
        steps: &["cut slices of another length [no]"],
    },
    Pair {
        plan: RETAIL,
        edits: &[
            ("vSwitches: [prod-e, prod-g]", "vSwitches: [prod-e]"),
            ("vSwitches: [prod-l]", "vSwitches: [prod-g, prod-l]"),
        ],
        worst: Disruption::Brief,
        steps: &["bind a vSwitch to another route table [seconds]"],
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
    },
    Pair {
        plan: FACTORY,
        edits: &[("neighbourRate: 200", "neighbourRate: 100")],
        worst: Disruption::None,
        steps: &["change a network's neighbour rate [no]"],
    },
    Pair {
        plan: FACTORY,
        edits: &[("uplinks: [core, acc3]", "uplinks: [core]")],
        worst: Disruption::Brief,
        steps: &["take uplinks off a switch [seconds]"],
    },
    Pair {
        plan: FACTORY,
        edits: &[("switch: acc3, port: \"3\"", "switch: acc1, port: \"3\"")],
        worst: Disruption::Outage,
        steps: &["move cables [outage]"],
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
    },
    Pair {
        plan: FACTORY,
        edits: &[(
            "addresses: [192.168.20.13/24]",
            "addresses: [192.168.20.23/24]",
        )],
        worst: Disruption::Outage,
        steps: &["change the host's own addresses [outage]"],
    },
    Pair {
        plan: SHOPS,
        edits: &[("      mtu: 1400\n", "")],
        worst: Disruption::Brief,
        steps: &["change a leased line's MTU [seconds]"],
    },
    Pair {
        plan: SHOPS,
        edits: &[
            ("name: c-f, id: vsw-wz9f", "name: centre-f, id: vsw-wz9f"),
            ("vSwitch: c-f", "vSwitch: centre-f"),
        ],
        worst: Disruption::None,
        steps: &["rename the vSwitch [no]"],
    },
    Pair {
        plan: CLUSTERS,
        edits: &[("except: [7]", "except: [7, 12]")],
        worst: Disruption::Recreate,
        steps: &["drain the host [recreate]"],
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
    },
];
