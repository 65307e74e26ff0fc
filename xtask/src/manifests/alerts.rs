//! Alerts and the dashboard, held against what daemons serve and against the runbooks.

use std::collections::BTreeSet;
use std::fs;

use serde_norway::Value;

use crate::host;

fn text(path: &str) -> String {
    fs::read_to_string(host::root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The names of all time series (OpenMetrics 1.0, "Suffixes"), of the lists that each daemon's tests keep.
fn series() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for daemon in ["ipamd", "netd", "vpc-route"] {
        let list = text(&format!("deploy/prometheus/metrics/{daemon}.txt"));
        for line in list.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(kind)) = (words.next(), words.next()) else {
                panic!("{daemon}: {line}");
            };
            let suffixes: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                "gauge" => &[""],
                other => panic!("{daemon}: {name} is a {other}"),
            };
            names.extend(suffixes.iter().map(|suffix| format!("{name}{suffix}")));
        }
    }
    names
}

/// The names in an expression that are ours.
fn named(expression: &str) -> Vec<&str> {
    expression
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("flatnet_"))
        .collect()
}

fn rules() -> Vec<Value> {
    let value: Value = serde_norway::from_str(&text("deploy/prometheus/rules.yaml")).expect("YAML");
    let groups = value["groups"].as_sequence().expect("groups").clone();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_sequence().expect("rules").clone());
    rules.collect()
}

fn field<'v>(rule: &'v Value, name: &str) -> &'v str {
    rule[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {rule:?}"))
}

#[test]
fn alerts_ask_for_metrics_that_are_served() {
    let series = series();
    assert!(series.len() > 40, "only {} time series", series.len());
    let mut asked = 0;
    for rule in rules() {
        for name in named(field(&rule, "expr")) {
            assert!(series.contains(name), "{}: {name}", field(&rule, "alert"));
            asked += 1;
        }
    }
    assert!(asked > 20, "only {asked} are asked for");
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
    let runbooks = text("docs/runbooks.md");
    let told: BTreeSet<&str> = runbooks
        .lines()
        .filter_map(|l| l.strip_prefix("## "))
        .collect();
    let mut alerts = BTreeSet::new();
    let rules = rules();
    for rule in &rules {
        let alert = field(rule, "alert");
        let url = field(&rule["annotations"], "runbook_url");
        let anchor = format!("docs/runbooks.md#{}", alert.to_lowercase());
        assert!(url.ends_with(&anchor), "{alert}: {url}");
        assert!(!field(&rule["annotations"], "summary").is_empty());
        let severity = field(&rule["labels"], "severity");
        assert!(
            ["page", "ticket"].contains(&severity),
            "{alert}: {severity}"
        );
        assert!(alerts.insert(alert), "{alert} is there twice");
    }
    assert_eq!(told, alerts);
}

#[test]
fn the_dashboard_asks_for_metrics_that_are_served() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&text("deploy/prometheus/dashboard.json")).expect("JSON");
    let series = series();
    let mut expressions = 0;
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64()), "{}", panel["title"]);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            for name in named(expression) {
                assert!(series.contains(name), "{}: {name}", panel["title"]);
            }
            expressions += 1;
        }
    }
    assert!(expressions > 20, "only {expressions}");
}
