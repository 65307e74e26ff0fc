//! The plans that are shipped as examples are clean, and what they say they are.

use std::path::{Path, PathBuf};

use flatnet_plan::diagnostics::Document;
use flatnet_plan::{NetworkPlan, Style, diagnose, load, node, parse, schema, to_yaml};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(name: &str) -> (String, Document) {
    let text = std::fs::read_to_string(root().join("examples").join(name)).expect("example");
    let mut report = diagnose(&text, name);
    let shown = report.render(Style::Text { color: false });
    assert!(report.diagnostics.is_empty(), "{shown}");
    (text, report.take_document().expect("a plan"))
}

#[test]
fn every_example_is_clean() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("examples"))
        .expect("examples")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .filter(|n| n.ends_with(".yaml"))
        .collect();
    names.sort();
    assert_eq!(names, ["hybrid.yaml", "lab.yaml", "small.yaml"]);
    for name in names {
        example(&name);
    }
}

#[test]
fn the_hybrid_example_is_five_hundred_hosts_for_six_thousand_containers() {
    let (text, document) = example("hybrid.yaml");
    let plan = &document.expanded.plan;
    let of = |site: &str| plan.spec.hosts.iter().filter(|h| h.site == site).count();
    assert_eq!((of("idc"), of("vpc")), (400, 100));
    let containers: u32 = plan
        .spec
        .hosts
        .iter()
        .map(|h| {
            let network = plan.network(&h.ranges[0].network).expect("its network");
            plan.density(h, network).expect("a density")
        })
        .sum();
    assert_eq!(containers, 6000);
    assert!(document.written.spec.hosts.is_empty(), "all are of groups");
    assert!(text.lines().count() < 300, "a few lines");
}

#[test]
fn every_host_of_every_example_derives_its_part() {
    for name in ["small.yaml", "lab.yaml", "hybrid.yaml"] {
        let (_, document) = example(name);
        let plan = &document.expanded.plan;
        for host in &plan.spec.hosts {
            let spec = node::derive(plan, &host.name).expect("derives");
            assert!(!spec.networks.is_empty(), "{name}: {}", host.name);
        }
    }
}

#[test]
fn an_example_written_out_is_the_same_plan_and_clean_too() {
    for name in ["small.yaml", "lab.yaml", "hybrid.yaml"] {
        let (text, document) = example(name);
        let written = to_yaml(&document.expanded.plan).expect("yaml");
        assert_eq!(load(&written).expect("clean"), document.expanded.plan);
        let again: NetworkPlan =
            parse(&to_yaml(&parse(&text).expect("parses")).expect("yaml")).expect("parses");
        assert_eq!(again, document.written);
    }
}

#[test]
fn the_shipped_schema_is_that_of_the_types() {
    let path = root().join("deploy/schema/networkplan.schema.json");
    let current = schema::document();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &current).expect("the schema is written");
    }
    let shipped = std::fs::read_to_string(&path).expect("the shipped schema");
    assert_eq!(
        shipped, current,
        "run UPDATE_SNAPSHOTS=1 cargo test -p flatnet-plan --test examples"
    );
}
