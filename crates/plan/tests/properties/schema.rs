//! What an editor marks by the schema, flatctl refuses: else a plan that is taken is marked, or
//! the schema asks for what nobody needs.

use std::sync::LazyLock;

use flatnet_plan::source::de::from_text;
use flatnet_plan::{NetworkPlan, Severity, Style, diagnose, schema};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::plan_of;
use super::shape::{Shape, shapes};

/// A change of a document at one of its places.
#[derive(Debug, Clone)]
enum Change {
    /// What stands there goes.
    Remove,
    /// Its key gets a letter more.
    Rename,
    /// A mapping gets a field, a list an item, anything else is followed by nothing.
    Add,
    /// Something else stands there.
    Replace(Value),
}

fn changes() -> impl Strategy<Value = Change> {
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1),
        json!(101),
        json!(129),
        json!(4095),
        json!(65536),
        json!(4_294_967_296_u64),
        json!(1.5),
        json!(""),
        json!(" x "),
        json!("x"),
        json!("x y"),
        json!("a/b"),
        json!("IDC"),
        json!("a-name-that-is-too-long-for-an-interface"),
        json!("n".repeat(254)),
        json!("10.0.0.1"),
        json!("10.0.0.0/33"),
        json!("10.0.0.0/24"),
        json!("fd00::/129"),
        json!("fd00::1"),
        json!("02:00:00:00:00"),
        json!("2026-13-01"),
        json!([]),
        json!(["x"]),
        json!([1]),
        json!({}),
        json!({"x": 1}),
    ];
    prop_oneof![
        1 => Just(Change::Remove),
        1 => Just(Change::Rename),
        1 => Just(Change::Add),
        6 => prop::sample::select(values.to_vec()).prop_map(Change::Replace),
    ]
}

/// The places of a document, as JSON pointers (RFC 6901).
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, inner) in members {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                found.push(at.clone());
                places(inner, &at, found);
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                let at = format!("{at}/{i}");
                found.push(at.clone());
                places(inner, &at, found);
            }
        }
        _ => {}
    }
}

fn change(document: &mut Value, place: &str, change: Change) {
    let (around, last) = place.rsplit_once('/').expect("a pointer");
    let there = document.pointer_mut(place).expect("a place");
    match change {
        Change::Replace(value) => *there = value,
        Change::Add => match there {
            Value::Object(members) => {
                members.insert("more".to_owned(), json!(1));
            }
            Value::Array(items) => items.push(json!(1)),
            _ => {}
        },
        Change::Remove | Change::Rename => match document.pointer_mut(around) {
            Some(Value::Object(members)) => {
                let value = members.remove(last);
                if let (Change::Rename, Some(value)) = (change, value) {
                    members.insert(format!("{last}x"), value);
                }
            }
            Some(Value::Array(items)) => {
                items.remove(last.parse().expect("an index"));
            }
            _ => {}
        },
    }
}

fn refused_alike(shape: &Shape, edits: Vec<(usize, Change)>) -> Result<(), TestCaseError> {
    let validator = &*VALIDATOR;
    let mut document = serde_json::to_value(plan_of(shape)).expect("JSON");
    prop_assert!(validator.is_valid(&document), "a sound plan is marked");
    for (pick, edit) in edits {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        let place = all[pick % all.len()].clone();
        change(&mut document, &place, edit);
    }
    // JSON is YAML (YAML 1.2 §1.3), and tells texts and numbers apart.
    let text = serde_json::to_string(&document).expect("JSON");
    let report = diagnose(&text, "plan.yaml");
    let marked: Vec<String> = validator
        .iter_errors(&document)
        .map(|e| format!("{}: {e}", e.instance_path()))
        .collect();
    if !marked.is_empty() {
        let errors = report.diagnostics.iter();
        let errors = errors
            .filter(|d| d.rule.severity == Severity::Error)
            .count();
        prop_assert!(
            errors > 0,
            "flatctl takes what the schema marks: {marked:#?}"
        );
    }
    // However often it goes on behind a fault, it tells none twice.
    let mut said: Vec<_> = report
        .diagnostics
        .iter()
        .map(|d| (d.rule.code, d.span, &d.message))
        .collect();
    said.sort_unstable();
    let many = said.len();
    said.dedup();
    prop_assert_eq!(
        many,
        said.len(),
        "{}",
        report.render(Style::Text { color: false })
    );
    Ok(())
}

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&schema::document()).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_the_schema_marks_is_refused(
        shape in shapes(),
        edits in prop::collection::vec((any::<usize>(), changes()), 1..4),
    ) {
        refused_alike(&shape, edits)?;
    }
}

/// Every place of one plan with every change alone: what chance may leave out.
#[test]
fn each_field_is_judged_by_the_schema_as_by_flatctl() {
    const PLAN: &str = include_str!("../verdicts.yaml");
    let validator = &*VALIDATOR;
    let plan = flatnet_plan::parse(PLAN).expect("a plan");
    let document = serde_json::to_value(&plan).expect("JSON");
    let mut all = Vec::new();
    places(&document, "", &mut all);
    let mut taken = Vec::new();
    for place in &all {
        for value in [
            json!(null),
            json!(true),
            json!(0),
            json!(1.5),
            json!(129),
            json!(""),
            json!(" x "),
            json!([1]),
            json!({"x": 1}),
        ] {
            let mut changed = document.clone();
            change(&mut changed, place, Change::Replace(value.clone()));
            if validator.is_valid(&changed) {
                continue;
            }
            let text = serde_json::to_string(&changed).expect("JSON");
            // Most does not fit the model; whether the rest is wrong takes a whole check.
            let fits = from_text::<NetworkPlan>(&text).is_ok();
            if fits && diagnose(&text, "plan.yaml").errors() == 0 {
                taken.push(format!("{place} = {value}"));
            }
        }
    }
    assert!(
        taken.is_empty(),
        "flatctl takes what the schema marks: {taken:#?}"
    );
}
