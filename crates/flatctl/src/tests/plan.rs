use insta::assert_snapshot;

use super::*;

/// A file with a plan in which `from` is `to`.
pub(super) fn changed(from: &str, to: &str) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    assert!(text.contains(from), "{from:?} is not in the fixture");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text.replacen(from, to, 1)).expect("writing");
    file
}

pub(super) fn path(file: &tempfile::NamedTempFile) -> &str {
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
fn what_is_free_is_listed_with_the_best_beginning() {
    assert_snapshot!(result(&["plan", "ranges", TWO_SITES, "--free"]));
}

#[test]
fn capacity_says_how_many_hosts_more_fit() {
    assert_snapshot!(result(&["plan", "capacity", TWO_SITES]));
}

#[test]
fn routes_are_shown_for_every_table() {
    let full = changed("quota: 200", "quota: 8");
    let ran = flatctl(&["plan", "routes", path(&full)]);
    assert_eq!(ran.code, error::exit::FOUND);
    assert!(
        ran.err.contains("has 1 error: run `flatctl plan check"),
        "{}",
        ran.err
    );
    assert_snapshot!(ran.out);
}

#[test]
fn an_aggregate_is_proven_part_by_part() {
    let narrow = changed("routerInterface: ri-vbr-1", "quota: 5");
    let ran = flatctl(&[
        "plan",
        "routes",
        path(&narrow),
        "--table",
        "line1",
        "--proof",
    ]);
    assert_eq!(ran.code, error::exit::OK);
    assert_snapshot!(ran.out);
}

#[test]
fn what_fits_its_quota_exits_0() {
    let fits = result(&["plan", "routes", TWO_SITES, "--table", "main"]);
    assert!(fits.contains("9 entries of 200\n"), "{fits}");
}

#[test]
fn a_plan_that_cannot_be_used_says_what_to_do() {
    let bad_shape = changed("role: storage", "rule: storage");
    let twice = changed("from: 172.30.64.0", "from: 172.30.0.0");
    let mut said = String::new();
    for file in [&bad_shape, &twice] {
        said.push_str(&refusal(&["plan", "routes", path(file)]).replace(path(file), "plan.yaml"));
    }
    said.push_str(&refusal(&["plan", "show", "no/such/plan.yaml"]));
    said.push_str(&refusal(&["plan", "ranges", TWO_SITES, "--host", "idc-1"]));
    said.push_str(&refusal(&["plan", "ranges", TWO_SITES, "--network", "wbe"]));
    assert_snapshot!(said);
}

#[test]
fn check_exits_as_a_compiler_does() {
    let warned = changed(
        "macTableSize: 32000, peers: [tor1b]",
        "macTableSize: 10, peers: [tor1b]",
    );
    let unreadable = changed("role: storage", "rule: storage");
    let ran = flatctl(&["plan", "check", TWO_SITES]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(
        ran.err,
        format!("note: {TWO_SITES}: nothing is wrong with 16 hosts\n")
    );
    let ran = flatctl(&["plan", "check", path(&warned)]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.out.contains("FN0501"), "{}", ran.out);
    let ran = flatctl(&[
        "plan",
        "check",
        path(&warned),
        path(&unreadable),
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 2, "the worst of both");
    let list: Vec<serde_json::Value> = serde_json::from_str(&ran.out).expect("one list");
    let files: std::collections::BTreeSet<&str> =
        list.iter().filter_map(|d| d["file"].as_str()).collect();
    assert_eq!(files.len(), 2);
    for key in [
        "code", "severity", "message", "file", "line", "column", "help",
    ] {
        assert!(list[0].get(key).is_some(), "{key}");
    }
    let ran = flatctl(&["plan", "check", path(&unreadable), "--format", "github"]);
    assert!(ran.out.starts_with("::error file="), "{}", ran.out);
}

#[test]
fn every_code_is_explained() {
    let list: Vec<serde_json::Value> =
        serde_json::from_str(&result(&["explain", "-o", "json"])).expect("a list");
    assert!(list.len() > 40);
    for rule in &list {
        let code = rule["code"].as_str().expect("a code");
        let text = result(&["explain", &code.to_lowercase()]);
        assert!(
            text.starts_with(code) && text.contains("What to do"),
            "{text}"
        );
    }
    assert_snapshot!(refusal(&["explain", "FN9999"]));
}

#[test]
fn diff_is_steps_in_the_order_in_which_to_do_them() {
    let new = changed("count: 6", "count: 7");
    let text = std::fs::read_to_string(path(&new)).expect("the plan");
    let text = text
        .replacen("count: 4", "count: 2", 1)
        .replacen("quota: 200", "quota: 300", 1);
    std::fs::write(path(&new), text).expect("writing");
    let ran = flatctl(&[
        "plan",
        "diff",
        TWO_SITES,
        path(&new),
        "--details",
        "--exit-code",
    ]);
    assert_eq!(ran.code, error::exit::FOUND);
    assert_snapshot!(ran.out);
    let same = ["plan", "diff", TWO_SITES, TWO_SITES, "--exit-code"];
    assert_eq!(result(&same), "Nothing changes.\n");
}

#[test]
fn diff_fits_a_terminal_of_80_columns() {
    use unicode_width::UnicodeWidthStr;

    let new = changed("count: 6", "count: 3");
    let around = || Surroundings {
        width: Some(80),
        ..Surroundings::default()
    };
    let ran = flatctl_on(
        around(),
        &["plan", "diff", TWO_SITES, path(&new), "--details"],
    );
    let wide: Vec<&str> = ran.out.lines().filter(|l| l.width() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    for line in [
        "noticed by  idc-004…idc-006 and their containers",
        "for         until drained, for its containers are made again elsewhere",
        "run it on   each host that it concerns",
    ] {
        assert!(ran.out.lines().any(|l| l == line), "{line}: {}", ran.out);
    }
    assert!(
        ran.out.contains("done when   flatctl attachments shows"),
        "{}",
        ran.out
    );
}

#[test]
fn programs_read_who_notices_a_change_for_how_long_and_how_it_is_seen() {
    let new = changed("count: 6", "count: 5");
    let json = result(&["plan", "diff", TWO_SITES, path(&new), "-o", "json"]);
    let found: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let changes = found["changes"].as_array().expect("changes");
    let drain = changes
        .iter()
        .find(|c| c["phase"] == "drain")
        .expect("a drain");
    assert_eq!(drain["notices"], serde_json::json!([{"host": "idc-006"}]));
    assert_eq!(drain["lasts"]["until"], "drained");
    assert_eq!(drain["check"]["run"], "flatctl attachments");
    let take = changes
        .iter()
        .find(|c| c["phase"] == "take")
        .expect("a removal");
    assert_eq!(take["lasts"], serde_json::json!({"until": "never"}));
    assert!(take.get("notices").is_none(), "{take}");
}

#[test]
fn each_check_that_a_diff_names_is_a_call_that_flatctl_takes() {
    let mut own = 0;
    for check in flatnet_plan::diff::checks() {
        let Some(call) = check.run.strip_prefix("flatctl ") else {
            continue;
        };
        let filled = call
            .replace("ADDRESS", "10.100.16.5")
            .replace("GATEWAY", "10.100.0.1");
        let words = std::iter::once("flatctl").chain(filled.split_whitespace());
        let parsed = args::Cli::command().try_get_matches_from(words);
        assert!(parsed.is_ok(), "{}: {:?}", check.run, parsed.err());
        own += 1;
    }
    assert!(own > 5, "{own}");
}

#[test]
fn draw_is_a_picture_on_stdout_or_in_a_file() {
    let picture = result(&["plan", "draw", TWO_SITES]);
    assert!(picture.starts_with("<?xml") && picture.ends_with("</svg>\n"));
    for text in ["tor1a", "tor2b", "10.200.0.1", "gateway 172.20.1.253"] {
        assert!(picture.contains(&format!(">{text}</text>")), "{text}");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("plan.svg");
    let name = file.to_str().expect("text");
    let ran = flatctl(&["plan", "draw", TWO_SITES, "--file", name]);
    assert_eq!((ran.code, ran.out.as_str()), (error::exit::OK, ""));
    assert_eq!(
        std::fs::read_to_string(&file).expect("the picture"),
        picture
    );
    let nowhere = refusal(&["plan", "draw", TWO_SITES, "--file", "no/such/dir/plan.svg"]);
    assert!(
        nowhere.contains("next: check that the directory exists"),
        "{nowhere}"
    );
}

#[test]
fn grow_writes_a_plan_in_which_nothing_moved() {
    let file = changed("hostsPerRack: 3", "hostsPerRack: 4");
    let old = changed("hostsPerRack: 3", "hostsPerRack: 4");
    let before = std::fs::read_to_string(path(&file)).expect("the plan");
    let printed = flatctl(&["plan", "grow", path(&file), "hosts", "compute", "2"]);
    assert_eq!(printed.code, error::exit::OK, "{}", printed.err);
    assert_eq!(printed.out, before.replacen("count: 6", "count: 8", 1));
    assert_eq!(
        std::fs::read_to_string(path(&file)).expect("the plan"),
        before
    );
    let written = flatctl(&[
        "plan",
        "grow",
        path(&file),
        "hosts",
        "compute",
        "2",
        "--write",
    ]);
    assert_eq!(
        std::fs::read_to_string(path(&file)).expect("the plan"),
        printed.out
    );
    assert_snapshot!(format!("{}\n{}", written.out, written.err).replace(path(&file), "plan.yaml"));
    let vlan = [
        "plan",
        "grow",
        path(&file),
        "--write",
        "vlan",
        "cache",
        "--site",
        "idc",
        "--id",
        "400",
        "--prefix",
        "10.60.0.0/20",
    ];
    assert_eq!(flatctl(&vlan).code, error::exit::OK);
    let diff = flatctl(&["plan", "diff", path(&old), path(&file)]);
    assert!(
        diff.out.contains("containers notice: nothing"),
        "{}",
        diff.out
    );
}

#[test]
fn a_dry_run_of_growth_is_a_patch_and_writes_nothing() {
    let file = changed("hostsPerRack: 3", "hostsPerRack: 4");
    let before = std::fs::read_to_string(path(&file)).expect("the plan");
    let grow = [
        "plan",
        "grow",
        path(&file),
        "hosts",
        "compute",
        "2",
        "--write",
        "--dry-run",
    ];
    let ran = flatctl(&grow);
    assert_eq!(ran.code, error::exit::OK, "{}", ran.err);
    let shown = ran.out.replace(path(&file), "plan.yaml");
    assert!(
        shown.starts_with("--- plan.yaml\n+++ plan.yaml\n@@ "),
        "{shown}"
    );
    let changes = |sign: char| -> Vec<&str> {
        let lines = shown.lines().skip(2);
        lines
            .filter_map(|l| l.strip_prefix(sign))
            .map(str::trim)
            .collect()
    };
    assert_eq!(changes('-'), ["count: 6   # three a rack"], "{shown}");
    assert_eq!(changes('+'), ["count: 8   # three a rack"], "{shown}");
    let after = std::fs::read_to_string(path(&file)).expect("the plan");
    assert_eq!(after, before);
}

#[test]
fn a_plan_that_is_written_keeps_its_link_and_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let (real, link) = (dir.path().join("real.yaml"), dir.path().join("plan.yaml"));
    std::fs::copy(TWO_SITES, &real).expect("a copy");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).expect("allowed");
    std::os::unix::fs::symlink("real.yaml", &link).expect("a link");
    let link_text = link.to_str().expect("text");
    let ran = flatctl(&[
        "plan", "grow", link_text, "hosts", "cloud-a", "1", "--write",
    ]);
    assert_eq!(ran.code, error::exit::OK, "{}", ran.err);
    assert!(link.symlink_metadata().expect("there").is_symlink());
    let mode = real.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let names = std::fs::read_dir(dir.path()).expect("files").count();
    assert_eq!(names, 2, "nothing is left beside it");
    let nowhere = dir.path().join("no/plan.yaml");
    let nowhere = nowhere.to_str().expect("text");
    let said = refusal(&[
        "plan", "grow", TWO_SITES, "hosts", "cloud-a", "1", "-f", nowhere,
    ]);
    assert!(said.starts_with("exit 2\nerror: cannot write "), "{said}");
}

#[test]
fn a_plan_with_errors_does_not_grow() {
    let broken = changed("from: 172.30.64.0", "from: 172.30.0.0");
    let said = refusal(&["plan", "grow", path(&broken), "hosts", "compute", "1"]);
    assert!(said.contains("FN0101"), "{said}");
    assert!(said.contains("next: correct the errors above"), "{said}");
    let lab = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/lab.yaml");
    let said = refusal(&["plan", "grow", lab, "hosts", "idc", "1"]);
    assert!(said.contains("writes its hosts out one by one"), "{said}");
}

#[test]
fn growth_that_breaks_the_plan_is_refused_with_what_to_do() {
    // The next range of the group in zone-a is the first of the group in zone-b.
    let close = changed("from: 172.30.64.0", "from: 172.30.0.192");
    let full = refusal(&["plan", "grow", path(&close), "hosts", "cloud-a", "1"]);
    assert_snapshot!(full.replace(path(&close), "plan.yaml"));
    let nobody = refusal(&["plan", "grow", TWO_SITES, "hosts", "computes", "1"]);
    assert!(nobody.contains("next: there is compute"), "{nobody}");
}
