//! What the API server wants of a schema beside what `kube` makes of it.

use serde_json::{Value, json};

/// The most items of a list, and the most bytes of a text: the server estimates a rule's cost by them.
const MOST: u64 = 1_024;

/// Bounds lists and texts that have no bound, and removes what Kubernetes does not know: formats of unsigned numbers
/// (their bounds are said), and defaults, which would be fields that nobody wrote.
pub(crate) fn bound(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    fields.remove("default");
    let unsigned = |f: &Value| f.as_str().is_some_and(|f| f.starts_with("uint"));
    if fields.get("format").is_some_and(unsigned) {
        fields.remove("format");
    }
    match fields.get("type").and_then(Value::as_str) {
        Some("array") => {
            fields.entry("maxItems").or_insert(MOST.into());
        }
        Some("string") if !fields.contains_key("enum") && !fields.contains_key("format") => {
            fields.entry("maxLength").or_insert(MOST.into());
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(bound);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            bound(inner);
        }
    }
}

/// Puts a rule (CEL) at a place in a schema: names of fields, `*` for the items of a list.
pub(crate) fn demand(schema: &mut Value, place: &[&str], rule: &str, message: &str) {
    let mut at = schema;
    for step in place {
        at = match *step {
            "*" => &mut at["items"],
            field => &mut at["properties"][field],
        };
    }
    let rule = json!({"rule": rule, "message": message});
    match at["x-kubernetes-validations"].as_array_mut() {
        Some(rules) => rules.push(rule),
        None => at["x-kubernetes-validations"] = json!([rule]),
    }
}
