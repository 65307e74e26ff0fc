//! Every diagnostic has a plan that it accepts and one that it rejects, and the rejection
//! is printed exactly as `tests/fixtures/<code>/bad.txt` has it.
//!
//! After a deliberate change of words: `UPDATE_SNAPSHOTS=1 cargo test -p flatnet-plan`, and
//! review the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flatnet_plan::finding::RULES;
use flatnet_plan::{Report, Severity, Style, diagnose_on, explain};

/// What is found on a day on which some allowances have run out.
fn diagnose(text: &str, file: &str) -> Report {
    diagnose_on(text, file, Some("2026-06-01".parse().expect("a day")))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn read(code: &str, name: &str) -> String {
    let path = directory().join(code).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Compares with the committed file, or writes it where that was asked for.
fn snapshot(code: &str, name: &str, found: &str) {
    let path = directory().join(code).join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, found).expect("the snapshot is written");
        return;
    }
    assert_eq!(found, read(code, name), "{} differs", path.display());
}

#[test]
fn every_rule_has_its_fixtures_and_every_fixture_its_rule() {
    let rules: BTreeSet<String> = RULES.iter().map(|r| r.code.to_owned()).collect();
    assert_eq!(rules.len(), RULES.len(), "a code is given twice");
    let fixtures: BTreeSet<String> = std::fs::read_dir(directory())
        .expect("fixtures")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(rules, fixtures);
}

#[test]
fn a_good_plan_is_clean() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "good.yaml"), "good.yaml");
        let text = report.render(Style::Text { color: false });
        assert!(report.diagnostics.is_empty(), "{}:\n{text}", rule.code);
        assert_eq!((report.exit_code(), text.as_str()), (0, ""));
    }
}

#[test]
fn a_bad_plan_is_rejected_with_its_code_and_nothing_else() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "bad.yaml"), "bad.yaml");
        let text = report.render(Style::Text { color: false });
        let codes: BTreeSet<&str> = report.diagnostics.iter().map(|d| d.rule.code).collect();
        assert_eq!(codes, BTreeSet::from([rule.code]), "{}:\n{text}", rule.code);
        let exit = match (report.is_readable(), rule.severity) {
            (false, _) => 2,
            (true, Severity::Error) => 1,
            (true, Severity::Warning) => 0,
        };
        assert_eq!(report.exit_code(), exit, "{}", rule.code);
    }
}

#[test]
fn a_rejection_is_printed_as_it_was() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "bad.yaml"), "bad.yaml");
        snapshot(
            rule.code,
            "bad.txt",
            &report.render(Style::Text { color: false }),
        );
    }
}

#[test]
fn json_has_the_agreed_members() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "bad.yaml"), "bad.yaml");
        let json: serde_json::Value =
            serde_json::from_str(&report.render(Style::Json)).expect("JSON");
        let list = json.as_array().expect("a list");
        assert_eq!(list.len(), report.diagnostics.len());
        let keys: Vec<&str> = list[0]
            .as_object()
            .expect("object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            BTreeSet::from_iter(keys),
            BTreeSet::from([
                "code",
                "severity",
                "message",
                "file",
                "line",
                "column",
                "endColumn",
                "at",
                "help",
                "why",
                "related"
            ])
        );
        assert_eq!(list[0]["code"], rule.code);
        assert_eq!(list[0]["file"], "bad.yaml");
        assert!(list[0]["line"].as_u64().is_some_and(|l| l > 0));
        assert!(list[0]["column"].as_u64().is_some_and(|c| c > 0));
    }
}

#[test]
fn a_clean_plan_is_an_empty_list_in_json() {
    let report = diagnose(&read("FN0101", "good.yaml"), "good.yaml");
    assert_eq!(report.render(Style::Json), "[]\n");
    assert_eq!(report.render(Style::Github), "");
}

#[test]
fn a_workflow_command_is_one_line_a_diagnostic() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "bad.yaml"), "a:b,c.yaml");
        let text = report.render(Style::Github);
        assert_eq!(text.lines().count(), report.diagnostics.len());
        let severity = rule.severity.as_str();
        for line in text.lines() {
            assert!(
                line.starts_with(&format!("::{severity} file=a%3Ab%2Cc.yaml,line=")),
                "{line}"
            );
            assert!(line.contains(&format!("title={}::", rule.code)), "{line}");
        }
    }
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for rule in RULES {
        let report = diagnose(&read(rule.code, "bad.yaml"), "bad.yaml");
        let coloured = report.render(Style::Text { color: true });
        assert!(coloured.contains("\u{1b}[1;3"), "{}", rule.code);
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            plain.push_str(before);
            rest = after.split_once('m').expect("the end of a sequence").1;
        }
        plain.push_str(rest);
        assert_eq!(plain, report.render(Style::Text { color: false }));
    }
}

#[test]
fn every_code_is_explained_whatever_its_case() {
    for rule in RULES {
        let text = explain(rule.code).expect("an explanation");
        assert_eq!(
            explain(&rule.code.to_lowercase()).as_deref(),
            Some(text.as_str())
        );
        assert!(text.starts_with(&format!("{}: ", rule.code)));
        for part in ["Why it matters", "What to do", "For example"] {
            assert!(text.contains(part), "{}: {part}", rule.code);
        }
    }
    assert_eq!(explain("FN9999"), None);
}

#[test]
fn the_reference_lists_every_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan.md");
    let reference = std::fs::read_to_string(&path).expect("the reference");
    let is_row = |l: &&str| l.starts_with("| FN");
    let listed: Vec<&str> = reference.lines().filter(is_row).collect();
    let wanted: Vec<String> = RULES
        .iter()
        .map(|r| format!("| {} | {} | {} |", r.code, r.severity.as_str(), r.title))
        .collect();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        let at = reference.find("| FN").expect("the list");
        let end = at + listed.iter().map(|l| l.len() + 1).sum::<usize>();
        let rows = wanted.join("\n") + "\n";
        let text = format!("{}{rows}{}", &reference[..at], &reference[end..]);
        std::fs::write(&path, text).expect("the reference is written");
        return;
    }
    assert_eq!(listed, wanted);
}

/// `docs/plan-codes.md` is what `flatctl explain` says of every code.
#[test]
fn the_codes_are_documented_with_an_example_each() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan-codes.md");
    let mut wanted = String::from(
        "# Codes of the plan's check\n\nGenerated from the rules (`UPDATE_SNAPSHOTS=1 cargo test -p flatnet-plan --test \
         fixtures`); `flatctl explain FN0403` says\nthe same. The reference of the fields is [plan.md](plan.md).\n",
    );
    wanted += &seen_by_an_editor();
    for rule in RULES {
        wanted += &format!(
            "\n## {}: {}\n{}: {}\n\nWhat to do: {}\n\n```yaml\n{}\n```\n",
            rule.code,
            rule.title,
            match rule.severity {
                Severity::Error => "Error",
                Severity::Warning => "Warning",
            },
            rule.why,
            rule.help,
            rule.example
        );
    }
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &wanted).expect("the codes are written");
        return;
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the codes"), wanted);
}

/// Which codes the JSON Schema can express: the fixtures' bad plans, as an editor judges them.
fn seen_by_an_editor() -> String {
    let schema = serde_json::from_str(&flatnet_plan::schema::document()).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let (mut none, mut marked, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for rule in RULES {
        let bad = read(rule.code, "bad.yaml");
        // Of a key that is given twice JSON would have the last.
        let list = match serde_norway::from_str::<serde_norway::Value>(&bad) {
            Err(_) => &mut none,
            Ok(document) => {
                let document = serde_json::to_value(&document).expect("JSON");
                match validator.is_valid(&document) {
                    true => &mut silent,
                    false => &mut marked,
                }
            }
        };
        list.push(rule.code);
    }
    for rule in RULES {
        let good = read(rule.code, "good.yaml");
        let good = serde_norway::from_str(&good).expect("YAML");
        assert!(
            validator.is_valid(&good),
            "{}: a good plan is marked",
            rule.code
        );
    }
    format!(
        "\n## What an editor marks\n\n\
         An editor that has the plan's JSON Schema marks {}, and\n\
         texts that are no YAML document as it is wanted ({}). All that it marks, flatctl\n\
         refuses. The other codes compare fields, count, or ask for a second look, which a schema\n\
         cannot express; `flatctl plan check` alone tells them:\n\n{}\n",
        marked.join(", "),
        none.join(", "),
        lines_of(&silent)
    )
}

/// Codes in lines of ten.
fn lines_of(codes: &[&str]) -> String {
    let lines: Vec<String> = codes.chunks(10).map(|line| line.join(", ")).collect();
    lines.join(",\n")
}
