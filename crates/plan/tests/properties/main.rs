//! What the generator makes is accepted; every single mutation of a list is rejected with
//! its own code. Both go through the text, as an admin's document does.

mod defaults;
mod mutations;
mod part;
mod schema;
mod shape;

use std::collections::BTreeSet;

use flatnet_plan::finding::RULES;
use flatnet_plan::grow::{NewVlan, add_hosts, add_vlan};
use flatnet_plan::model::VlanRole;
use flatnet_plan::{
    Diagnostic, NetworkPlan, Report, Style, diagnose, diagnose_on, load, parse, to_yaml,
};
use flatnet_types::VlanId;
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use mutations::{EDITS, mutations};
use shape::{Shape, shapes};

fn diagnosed(plan: &NetworkPlan) -> Report {
    let today = "2026-06-01".parse().expect("a day");
    diagnose_on(&to_yaml(plan).expect("yaml"), "plan.yaml", Some(today))
}

fn plan_of(shape: &Shape) -> NetworkPlan {
    parse(&shape.text()).expect("the generator writes plans")
}

fn clean(shape: &Shape) -> Result<(), TestCaseError> {
    let text = shape.text();
    let report = diagnose(&text, "plan.yaml");
    let shown = report.render(Style::Text { color: false });
    prop_assert!(report.diagnostics.is_empty(), "{shown}\n{text}");
    let again = diagnose(&text, "plan.yaml").render(Style::Json);
    prop_assert_eq!(report.render(Style::Json), again);
    Ok(())
}

fn codes(plan: &NetworkPlan) -> Vec<&'static str> {
    let report = diagnosed(plan);
    let mut codes: Vec<&str> = report.diagnostics.iter().map(|d| d.rule.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_generated_plan_is_clean_every_time_it_is_checked(shape in shapes()) {
        clean(&shape)?;
    }

    #[test]
    fn the_order_of_hosts_changes_no_verdict(
        shape in shapes(),
        mutation in prop::sample::select(mutations()),
        pick: usize,
    ) {
        let mut plan = plan_of(&shape);
        (mutation.apply)(&mut plan, pick);
        let forward = codes(&plan);
        plan.spec.hosts.reverse();
        plan.spec.host_groups.reverse();
        prop_assert_eq!(forward, codes(&plan), "{}", mutation.what);
    }
}

/// Every range: its host, its network, its prefix.
fn ranges(text: &str) -> BTreeSet<(String, String, IpNetwork)> {
    let plan = load(text).expect("a plan without errors");
    let hosts = plan.spec.hosts.into_iter();
    hosts
        .flat_map(|h| {
            let name = h.name.to_string();
            h.ranges
                .into_iter()
                .map(move |r| (name.clone(), r.network.to_string(), r.prefix))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn growth_moves_no_range_and_takes_no_character_away(
        shape in shapes(),
        steps in prop::collection::vec((0_u32..4, 1_u32..9), 1..4),
        windows: bool,
        last_break: bool,
    ) {
        let mut text = shape.text();
        if !last_break {
            text.truncate(text.trim_end().len());
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        for (step, (group, count)) in steps.into_iter().enumerate() {
            let groups = plan_of(&shape).spec.host_groups;
            let grown = if let Some(group) = groups.get(group as usize) {
                add_hosts(&text, &group.name, count)
            } else {
                let id = 400 + u32::try_from(step).expect("small");
                add_vlan(&text, &NewVlan {
                    site: "idc".into(),
                    id: VlanId::new(id).expect("an ID"),
                    name: format!("new{id}"),
                    role: VlanRole::Pod,
                    subnets: vec![(format!("10.{}.0.0/16", id - 200).parse().expect("a prefix"), None)],
                })
            };
            let grown = grown.map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(ranges(&text).is_subset(&ranges(&grown.text)), "{}", grown.text);
            let lines: Vec<&str> = grown.text.lines().collect();
            let gone = text.lines().filter(|l| !lines.contains(l)).count();
            prop_assert!(gone <= 1, "a count, and nothing else: {}", grown.text);
            prop_assert_eq!(windows, grown.text.contains("\r\n"));
            prop_assert_eq!(last_break, grown.text.ends_with('\n'));
            text = grown.text;
        }
    }
}

/// Whether a code is told: a mutated value may be wrong in several ways, and its one finding names the codes
/// of all of them.
fn tells(found: &Diagnostic, code: &str) -> bool {
    let (_, others) = found.message.rsplit_once("(also ").unwrap_or_default();
    found.rule.code == code || others.contains(code)
}

proptest! {
    // Each case tries the whole list.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_mutation_is_rejected_with_its_code(shape in shapes(), pick: usize) {
        for mutation in mutations() {
            let mut plan = plan_of(&shape);
            (mutation.apply)(&mut plan, pick);
            let report = diagnosed(&plan);
            let found = report.diagnostics.iter().any(|d| tells(d, mutation.code));
            let shown = report.render(Style::Text { color: false });
            prop_assert!(found, "{} was to give {}:\n{shown}", mutation.what, mutation.code);
        }
        for (code, what, from, to) in EDITS {
            let text = shape.text();
            prop_assert!(text.contains(from), "{from}");
            let report = diagnose(&text.replacen(from, to, 1), "plan.yaml");
            let found = report.diagnostics.iter().any(|d| tells(d, code));
            let shown = report.render(Style::Text { color: false });
            prop_assert!(found, "{what} was to give {code}:\n{shown}");
        }
    }
}

#[test]
fn the_lists_have_every_code() {
    for rule in RULES {
        let listed = mutations().iter().any(|m| m.code == rule.code)
            || EDITS.iter().any(|(code, ..)| *code == rule.code);
        assert!(listed, "{}", rule.code);
    }
}
