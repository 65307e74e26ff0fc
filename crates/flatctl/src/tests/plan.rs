use insta::assert_snapshot;

use super::*;

/// A file with a plan in which `from` is `to`.
fn changed(from: &str, to: &str) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    assert!(text.contains(from), "{from:?} is not in the fixture");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text.replacen(from, to, 1)).expect("writing");
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("text")
}

#[test]
fn show_is_a_table_of_each_part() {
    assert_snapshot!(result(&["plan", "show", TWO_SITES, "all"]));
}

#[test]
fn show_wide_has_every_column() {
    assert_snapshot!(result(&["plan", "show", TWO_SITES, "hosts", "-o", "wide"]));
}

#[test]
fn show_without_a_part_is_a_summary() {
    assert_snapshot!(result(&["plan", "show", TWO_SITES]));
}

#[test]
fn programs_read_the_same_as_json_and_yaml() {
    let json = result(&["plan", "show", TWO_SITES, "all", "-o", "json"]);
    let yaml = result(&["plan", "show", TWO_SITES, "all", "-o", "yaml"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let yaml: serde_json::Value = serde_norway::from_str(&yaml).expect("YAML");
    assert_eq!(json, yaml);
    assert_eq!(json["hosts"].as_array().map(Vec::len), Some(16));
    assert_eq!(json["summary"]["vpcs"], 1);
}

#[test]
fn ranges_are_listed_in_the_order_of_addresses() {
    assert_snapshot!(result(&["plan", "ranges", TWO_SITES, "-o", "wide"]));
    let one = result(&["plan", "ranges", TWO_SITES, "--host", "db-003"]);
    assert!(one.contains("1 range of 1 host\n"), "{one}");
}

#[test]
fn capacity_says_how_many_hosts_more_fit() {
    assert_snapshot!(result(&["plan", "capacity", TWO_SITES]));
}

#[test]
fn routes_are_shown_for_every_table() {
    let full = changed("quota: 200", "quota: 8");
    let ran = flatctl(&["plan", "routes", path(&full)]);
    assert_eq!((ran.code, ran.err.as_str()), (error::exit::FOUND, ""));
    assert_snapshot!(ran.out);
}

#[test]
fn an_aggregate_is_proven_part_by_part() {
    let narrow = changed("routerInterface: ri-vbr-1", "quota: 5");
    assert_snapshot!(result(&[
        "plan",
        "routes",
        path(&narrow),
        "--table",
        "line1",
        "--proof"
    ]));
}

#[test]
fn what_fits_its_quota_exits_0() {
    let fits = result(&["plan", "routes", TWO_SITES, "--table", "main"]);
    assert!(fits.contains("9 entries of 200\n"), "{fits}");
}

#[test]
fn a_plan_that_cannot_be_used_says_what_to_do() {
    let bad_shape = changed("role: storage", "rule: storage");
    let bad_group = changed("idc-{n:03}", "idc-{m}");
    let twice = changed("from: 172.30.64.0", "from: 172.30.0.0");
    let mut said = String::new();
    for file in [&bad_shape, &bad_group, &twice] {
        said.push_str(&refusal(&["plan", "routes", path(file)]).replace(path(file), "plan.yaml"));
    }
    said.push_str(&refusal(&["plan", "show", "no/such/plan.yaml"]));
    said.push_str(&refusal(&["plan", "ranges", TWO_SITES, "--host", "idc-1"]));
    said.push_str(&refusal(&["plan", "ranges", TWO_SITES, "--network", "wbe"]));
    assert_snapshot!(said);
}
