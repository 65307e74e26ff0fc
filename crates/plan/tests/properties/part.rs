//! A node's part of a plan is a plan that is accepted, of which the same is derived.

use flatnet_plan::model::Host;
use flatnet_plan::part::{self, Peers};
use flatnet_plan::{NetworkPlan, diagnose, load, node, to_yaml};
use proptest::prelude::*;

use crate::shape::shapes;

/// The plan of one node, as it is read again from its text.
fn part(plan: &NetworkPlan, peers: &[Peers], host: &Host) -> Result<NetworkPlan, String> {
    let mut own = part::of_host(plan, host).map_err(|e| e.to_string())?;
    let is_own = |p: &&Peers| p.site == host.site && host.v_switch.as_ref() == Some(&p.v_switch);
    if let Some(peers) = peers.iter().find(is_own) {
        own = part::with_peers(own, peers.clone());
    }
    let text = to_yaml(&own).map_err(|e| e.to_string())?;
    load(&text).map_err(|e| format!("{e}\n{text}"))
}

fn all_parts(plan: &NetworkPlan) -> Result<(), String> {
    let peers = part::peers(plan);
    for host in &plan.spec.hosts {
        let part = part(plan, &peers, host)?;
        let (whole, reduced) = (
            node::derive(plan, &host.name),
            node::derive(&part, &host.name),
        );
        if whole != reduced {
            return Err(format!(
                "{}: {whole:#?}\nof its part: {reduced:#?}",
                host.name
            ));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_node_derives_the_same_of_its_part_as_of_the_whole_plan(shape in shapes()) {
        let plan = load(&shape.text()).expect("a valid plan");
        let done = all_parts(&plan);
        prop_assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}

#[test]
fn so_it_is_with_the_examples_and_every_plan_that_the_check_accepts() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let mut texts = Vec::new();
    for name in ["small", "lab", "hybrid"] {
        texts.push(format!("{root}../../examples/{name}.yaml"));
    }
    for entry in std::fs::read_dir(format!("{root}tests/fixtures")).expect("fixtures") {
        let path = entry.expect("an entry").path().join("good.yaml");
        if path.exists() {
            texts.push(path.display().to_string());
        }
    }
    assert!(texts.len() > 40, "{}", texts.len());
    let mut wrong = Vec::new();
    for path in texts {
        let text = std::fs::read_to_string(&path).expect("reads");
        if diagnose(&text, "plan").exit_code() != 0 {
            continue;
        }
        let plan = load(&text).expect("valid");
        if let Err(why) = all_parts(&plan) {
            wrong.push(format!("{path}: {why}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of them:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
