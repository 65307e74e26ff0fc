//! Pairs of plans as an engineer has them before and after a change, and what the diff has to say of
//! it: the worst that anybody notices, and the steps that matter.

mod first;
mod second;

use std::collections::BTreeSet;

use flatnet_plan::diff::{Disruption, Notices, diff};
use flatnet_plan::expand::expand;
use flatnet_plan::{NetworkPlan, parse};

struct Pair {
    plan: &'static str,
    /// What stands in the plan, wherever it does, and what is written instead.
    edits: &'static [(&'static str, &'static str)],
    /// The worst that containers notice.
    worst: Disruption,
    /// Steps that have to be there, as `what [disruption]`.
    steps: &'static [&'static str],
    /// All who notice any of it, in words; none: that is not what the pair is about.
    whom: Option<&'static [&'static str]>,
}

/// Who notices something, in words.
fn named(notices: &Notices) -> String {
    match notices {
        Notices::Site(site) => format!("site {site}"),
        Notices::Host(host) => format!("host {host}"),
        Notices::Network(network) => format!("network {network}"),
        Notices::Protocol { network, protocol } => format!("protocol {protocol} of {network}"),
        Notices::Tagged { network, vlan } => format!("tag {vlan} of {network}"),
        Notices::Prefix(prefix) => prefix.to_string(),
        Notices::Between([a, b]) => format!("between {a} and {b}"),
        Notices::Across { prefix, site } => format!("between {prefix} and {site}"),
    }
}

/// A plan with its groups written out. What is wrong with it is for the check to say.
fn read(text: &str) -> NetworkPlan {
    expand(&parse(text).expect("a plan")).plan
}

#[test]
fn the_diff_says_what_an_engineer_expects_of_a_change() {
    let mut wrong = Vec::new();
    for pair in first::PAIRS.iter().chain(second::PAIRS) {
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
        let notices = found.changes.iter().flat_map(|c| &c.notices);
        let whom: BTreeSet<String> = notices.map(named).collect();
        let others = pair.whom.is_some_and(|w| !w.iter().eq(whom.iter()));
        if others {
            wrong.push(format!("{:?}: noticed by {whom:?}", pair.edits));
        }
        if found.disruption() != pair.worst || !lacking.is_empty() {
            wrong.push(format!("{:?}: {lacking:?} is not in {said:#?}", pair.edits));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
