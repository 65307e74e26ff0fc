//! The definitions that are shipped are those of the types, structural, and told in full.

use std::path::{Path, PathBuf};

use flatnet_platform_types::crd;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/platform/crds")
}

#[test]
fn the_shipped_definitions_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut names = Vec::new();
    for definition in crd::all().expect("definitions") {
        let name = format!("{}.yaml", definition.spec.names.plural);
        let path = directory().join(&name);
        let current = crd::yaml(&definition).expect("YAML");
        if update {
            std::fs::create_dir_all(directory()).expect("a directory");
            std::fs::write(&path, &current).expect("writes");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == current,
            "{} differs: UPDATE_DOCS=1 cargo test -p flatnet-platform-types",
            path.display()
        );
        names.push(name);
    }
    names.sort();
    let there = std::fs::read_dir(directory()).expect("deploy/platform/crds");
    let named = there.map(|e| {
        e.expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut there: Vec<String> = named.collect();
    there.sort();
    assert_eq!(there, names);
}

/// Walks a schema; `place` is for the message.
fn structural(schema: &Value, place: &str) {
    let fields = schema
        .as_object()
        .unwrap_or_else(|| panic!("{place}: no schema"));
    let either = fields.contains_key("x-kubernetes-int-or-string");
    assert!(
        fields.contains_key("type") || either,
        "{place} has no type: {schema}"
    );
    for key in [
        "oneOf", "anyOf", "allOf", "not", "$ref", "const", "examples", "default",
    ] {
        assert!(!fields.contains_key(key), "{place} has {key}");
    }
    if fields.get("type").is_some_and(|t| t == "array") {
        assert!(fields.contains_key("maxItems"), "{place} has no bound");
    }
    let properties = fields.get("properties").and_then(Value::as_object);
    for (key, inner) in properties.into_iter().flatten() {
        let place = format!("{place}.{key}");
        let told = inner["description"].as_str().is_some_and(|d| !d.is_empty());
        assert!(
            told || key == "spec" || key == "status",
            "{place} has no description"
        );
        structural(inner, &place);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(key) {
            structural(inner, &format!("{place}.{key}"));
        }
    }
}

/// The place of each rule in a schema: whether what it stands at is there.
fn rules(schema: &Value, place: &str, found: &mut Vec<String>) {
    if schema.get("x-kubernetes-validations").is_some() {
        assert!(
            schema.get("type").is_some(),
            "{place} has a rule and is no field of the kind"
        );
        found.push(place.to_owned());
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, inner) in properties.into_iter().flatten() {
        rules(inner, &format!("{place}.{key}"), found);
    }
    if let Some(items) = schema.get("items") {
        rules(items, &format!("{place}[]"), found);
    }
}

#[test]
fn every_schema_is_structural_and_every_field_told() {
    for definition in crd::all().expect("definitions") {
        let kind = &definition.spec.names.kind;
        let value = serde_json::to_value(&definition).expect("JSON");
        let version = &value["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        structural(schema, kind);
        assert_eq!(
            value["spec"]["names"]["categories"],
            serde_json::json!(["flatnet-platform"])
        );
        let columns = version["additionalPrinterColumns"]
            .as_array()
            .expect("columns");
        assert!(columns.len() >= 3, "{kind}");
        let mut found = Vec::new();
        rules(schema, kind, &mut found);
        assert_eq!(found.is_empty(), kind == "Grant", "{kind}: {found:?}");
    }
}
