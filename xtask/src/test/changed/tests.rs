use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::host;
use crate::workspace::{Member, Use};

/// low ← middle (with a feature) ← high; only the tests of `aside` use low, and `odd` uses `aside`.
fn workspace() -> Workspace {
    let member = |dir: &str, uses: &[(&str, When)]| {
        let member = Member {
            dir: PathBuf::from(dir),
            uses: uses
                .iter()
                .map(|&(name, when)| Use {
                    name: name.to_owned(),
                    when,
                })
                .collect(),
            ..Member::default()
        };
        let name = dir.rsplit('/').next().expect("a name");
        (name.to_owned(), member)
    };
    Workspace {
        members: BTreeMap::from([
            member("crates/low", &[]),
            member("middle", &[("low", When::Feature)]),
            member("high", &[("middle", When::Always)]),
            member("aside", &[("low", When::Tests)]),
            member("odd", &[("aside", When::Always)]),
            member("crates/trace", &[]),
            member("tests", &[]),
        ]),
    }
}

fn selected(files: &[&str]) -> (Vec<String>, Vec<String>) {
    let files: Vec<String> = files.iter().map(|&f| f.to_owned()).collect();
    let selection = select(&files, &workspace());
    let names = |choice: &Choice| match choice {
        Choice::All(_) => vec!["all".to_owned()],
        Choice::These(these) => these.keys().cloned().collect(),
    };
    (names(&selection.packages), names(&selection.suites))
}

#[test]
fn whoever_uses_a_changed_crate_is_tested_and_so_is_who_uses_it_in_tests() {
    let (packages, suites) = selected(&["crates/low/src/lib.rs"]);
    assert_eq!(packages, ["aside", "high", "low", "middle"]);
    // It is in no table.
    assert_eq!(suites, ["all"]);
    let (packages, _) = selected(&["high/Cargo.toml"]);
    assert_eq!(packages, ["high"]);
}

#[test]
fn a_change_of_tests_runs_these_tests_alone() {
    for file in [
        "crates/low/tests/a.rs",
        "crates/low/src/a/tests.rs",
        "crates/low/src/a/tests/b.rs",
        "crates/low/benches/a.rs",
    ] {
        let (packages, suites) = selected(&[file]);
        assert_eq!(
            (packages, suites.len()),
            (vec!["low".to_owned()], 0),
            "{file}"
        );
    }
    // Those of the lab are the suites themselves.
    let (packages, suites) = selected(&["tests/src/suites/a/tests.rs"]);
    assert_eq!(
        (packages.as_slice(), suites.as_slice()),
        (&["tests".to_owned()][..], &["all".to_owned()][..])
    );
}

#[test]
fn a_crate_of_the_table_asks_for_its_suites() {
    let (packages, suites) = selected(&["crates/trace/src/lib.rs"]);
    assert_eq!(
        (packages, suites),
        (vec!["trace".to_owned()], vec!["trace".to_owned()])
    );
}

#[test]
fn the_web_console_asks_for_its_suite_and_its_lock_file_for_the_test_of_it() {
    let selected = |file: &str| selected(&[file]);
    let suite = vec!["console".to_owned()];
    let page = selected("platform/console/src/pages/app.tsx");
    assert_eq!(page, (Vec::new(), suite.clone()));
    let lock = selected("platform/console/package-lock.json");
    assert_eq!(lock, (vec!["xtask".to_owned()], suite));
}

#[test]
fn documents_ask_for_the_tests_that_read_them() {
    let (packages, suites) = selected(&["docs/adr/0001-x.md", "README.md"]);
    assert_eq!(packages, ["flatnet-lab", "xtask"]);
    assert!(suites.is_empty());
    let (packages, _) = selected(&["docs/owned.md"]);
    assert_eq!(packages, ["flatnet-lab", "flatnet-netd", "xtask"]);
}

#[test]
fn what_nobody_knows_asks_for_everything() {
    for file in [
        "Cargo.lock",
        ".ci/run",
        "examples/lab.yaml",
        "deploy/x",
        "new/thing",
    ] {
        let (packages, suites) = selected(&["docs/a.md", file]);
        assert_eq!(
            (packages, suites),
            (vec!["all".to_owned()], vec!["all".to_owned()]),
            "{file}"
        );
    }
}

#[test]
fn what_is_left_out_is_told_with_the_reason() {
    let files = ["crates/trace/src/lib.rs", "fuzz/a.rs"].map(str::to_owned);
    let lines = select(&files, &workspace()).lines(&workspace()).join("\n");
    for told in [
        "tests: trace (crates/trace/src/lib.rs changed)",
        "suite: trace (crates/trace runs in it)",
        "tests of aside, high, low, middle, odd, tests: they use nothing that changed",
        "every other suite and the demo",
        "fuzz/a.rs: no step runs",
    ] {
        assert!(lines.contains(told), "{told} is not in:\n{lines}");
    }
    let lines = select(&["x".to_owned()], &workspace()).lines(&workspace());
    assert_eq!(lines.last().map(String::as_str), Some("  nothing"));
}

/// Every Rust source of the workspace: its path relative to it, and its text.
fn sources(workspace: &Workspace) -> Vec<(String, String)> {
    let mut dirs: Vec<PathBuf> = workspace
        .members
        .values()
        .map(|m| host::root().join(&m.dir))
        .collect();
    let mut found = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(host::root()).expect("inside");
                let text = fs::read_to_string(&path).expect("text");
                found.push((relative.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What stands between `before` and a quote.
fn quoted<'t>(text: &'t str, before: &str) -> Vec<&'t str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

/// `a/b/../c` is `a/c`.
fn normal(path: &Path) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in path.iter().map(|n| n.to_string_lossy().into_owned()) {
        match name.as_str() {
            ".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names.join("/")
}

#[test]
fn the_tables_name_what_the_sources_borrow_and_read() {
    let workspace = Workspace::read(host::root()).expect("cargo knows it");
    let package = |file: &str| match part(file, &workspace) {
        Part::Source { package, .. } | Part::Test { package } => package,
        other => panic!("{file} is {other:?}"),
    };
    let (mut borrowed, mut read) = (0, 0);
    for (file, text) in sources(&workspace) {
        let own = package(&file);
        let dir = Path::new(&file).parent().expect("a directory");
        for path in quoted(&text, "#[path = \"") {
            let path = normal(&dir.join(path));
            if !file.starts_with("xtask/") && package(&path) != own {
                borrowed += 1;
                let known = tables::borrowers(&path).any(|name| name == own);
                assert!(known, "{own} is compiled with {path}: name it in BORROWED");
            }
        }
        for page in quoted(&text, "../docs/") {
            if page.ends_with(".md") {
                read += 1;
                let page = format!("docs/{page}");
                let known = tables::readers(&page).any(|name| name == own);
                assert!(known, "{own} reads {page}: name it in READ");
            }
        }
    }
    assert!(borrowed > 3 && read > 3, "{borrowed} borrowed, {read} read");
}

#[test]
fn the_table_of_suites_names_crates_and_suites_that_there_are() {
    let workspace = Workspace::read(host::root()).expect("cargo knows it");
    let texts: Vec<String> = sources(&workspace)
        .into_iter()
        .filter(|(file, _)| file.starts_with("tests/src/suites/"))
        .map(|(_, text)| text)
        .collect();
    for (dir, suite) in tables::named() {
        let there = workspace.members.values().any(|m| m.dir == Path::new(dir));
        assert!(there, "there is no crate {dir}");
        let name = format!("name: \"{suite}\"");
        let there = texts.iter().any(|text| text.contains(&name));
        let other = ["demo", super::super::SIMULATOR_SUITE].contains(&suite);
        assert!(there || other, "there is no suite {suite}");
    }
}
