//! The log of SARIF 2.1.0 says what JSON says, in the structure of the standard.

use flatnet_plan::diagnostics::sarif;
use flatnet_plan::finding::RULES;
use flatnet_plan::{Report, Style, diagnose};
use serde_json::Value;

/// The members that flatctl writes, as the standard has them.
const STRUCTURE: &str = include_str!("sarif.schema.json");

fn bad(code: &str) -> Report {
    let path = format!(
        "{}/tests/fixtures/{code}/bad.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).expect("a fixture");
    diagnose(&text, &format!("plans/{code} a.yaml"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_log_has_the_structure_of_the_standard() {
    let structure = json(STRUCTURE);
    let validator = jsonschema::validator_for(&structure).expect("a schema");
    for rule in RULES {
        let log = json(&bad(rule.code).render(Style::Sarif));
        let wrong: Vec<String> = validator.iter_errors(&log).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", rule.code);
    }
    // The structure is not one that anything has.
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0", "runs": [{}]})));
}

#[test]
fn a_log_has_the_places_and_the_words_of_the_json() {
    for rule in RULES {
        let report = bad(rule.code);
        let log = json(&report.render(Style::Sarif));
        let run = &log["runs"][0];
        let results = run["results"].as_array().expect("results");
        let list = json(&report.render(Style::Json));
        let list = list.as_array().expect("a list");
        assert_eq!(results.len(), list.len(), "{}", rule.code);
        for (result, found) in results.iter().zip(list) {
            assert_eq!(result["ruleId"], found["code"]);
            assert_eq!(result["level"], found["severity"]);
            let index = result["ruleIndex"].as_u64().expect("an index");
            let index = usize::try_from(index).expect("small");
            let rule = &run["tool"]["driver"]["rules"][index];
            assert_eq!(rule["id"], found["code"]);
            assert_eq!(rule["fullDescription"]["text"], found["why"]);
            let text = result["message"]["text"].as_str().expect("a text");
            for part in ["message", "help"] {
                assert!(
                    text.contains(found[part].as_str().expect("a text")),
                    "{text}"
                );
            }
            place(&result["locations"][0], found);
            let related = found["related"].as_array().expect("a list");
            let also = result["relatedLocations"].as_array();
            assert_eq!(also.map_or(0, Vec::len), related.len());
            for (also, related) in also.into_iter().flatten().zip(related) {
                assert_eq!(also["message"]["text"], related["message"]);
                place(also, related);
            }
        }
    }
}

#[track_caller]
fn place(location: &Value, found: &Value) {
    let physical = &location["physicalLocation"];
    let region = &physical["region"];
    assert_eq!(region["startLine"], found["line"]);
    assert_eq!(region["startColumn"], found["column"]);
    assert_eq!(region["endColumn"], found["endColumn"]);
    let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
    assert!(
        uri.starts_with("plans/FN") && uri.ends_with("%20a.yaml"),
        "{uri}"
    );
}

#[test]
fn several_plans_are_one_run() {
    let reports = [bad("FN0101"), bad("FN0405")];
    let results = reports.iter().map(|r| r.diagnostics.len()).sum::<usize>();
    let log = json(&sarif(&reports, false));
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().map(Vec::len), Some(results));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(
        run["tool"]["driver"]["rules"].as_array().map(Vec::len),
        Some(RULES.len())
    );
}
