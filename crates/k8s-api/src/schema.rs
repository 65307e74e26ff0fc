//! JSON Schema as schemars has it, made structural: what an API server takes for a custom resource.
//!
//! The differences (Kubernetes, "Specifying a structural schema"): one type each, `enum` instead of a
//! choice of constants, `nullable` instead of a choice with null, no `additionalProperties` beside
//! `properties` (the server itself refuses or drops what it does not know), no examples.

use serde_json::{Map, Value, json};

/// The most items of a list, and the most bytes of a text: the server estimates a rule's cost by them.
const MOST: u64 = 1024;
/// The most VLANs of a list: all that there are.
const MOST_VLANS: u64 = 4094;
/// The most bytes of a prefix or an address.
const LONGEST_ADDRESS: u64 = 50;

/// Makes a schema structural, with everything in it.
pub(crate) fn structural(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    choice(fields);
    one_type(fields);
    // A default that the server fills in would be a field that nobody wrote; the plan has its own.
    for key in ["examples", "$schema", "title", "nullable", "default"] {
        fields.remove(key);
    }
    // OpenAPI knows no unsigned numbers; schemars says their bounds too.
    let unsigned = |f: &Value| f.as_str().is_some_and(|f| f.starts_with("uint"));
    if fields.get("format").is_some_and(unsigned) {
        fields.remove("format");
    }
    match fields.get("type").and_then(Value::as_str) {
        Some("array") => {
            let numbers = fields.get("items").is_some_and(|i| i["type"] == "integer");
            let most = if numbers { MOST_VLANS } else { MOST };
            fields.entry("maxItems").or_insert(most.into());
        }
        Some("string") => {
            let address = |p: &Value| p.as_str().is_some_and(|p| p.contains("0-9a-fA-F]*:"));
            if fields.get("pattern").is_some_and(address) {
                fields.insert("maxLength".to_owned(), LONGEST_ADDRESS.into());
            } else if !fields.contains_key("enum") && !fields.contains_key("format") {
                fields.entry("maxLength").or_insert(MOST.into());
            }
        }
        _ => {}
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(structural);
        fields.remove("additionalProperties");
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            structural(inner);
        }
    }
}

/// A choice of constants is an `enum`, and one with null is what the other one is.
fn choice(fields: &mut Map<String, Value>) {
    for key in ["oneOf", "anyOf"] {
        let Some(Value::Array(options)) = fields.get(key) else {
            continue;
        };
        let null = |o: &&Value| o["type"] == "null" || o["enum"] == json!([null]);
        let options: Vec<Value> = options.iter().filter(|o| !null(o)).cloned().collect();
        let constants: Option<Vec<&Value>> = options.iter().map(constant).collect();
        if let Some(constants) = constants {
            let told = told(&options, &constants);
            let constants: Vec<Value> = constants.into_iter().cloned().collect();
            fields.remove(key);
            fields.insert("type".to_owned(), "string".into());
            fields.insert("enum".to_owned(), constants.into());
            let own = fields.get("description").and_then(Value::as_str);
            let description = [own.unwrap_or_default(), &told].join("\n\n");
            fields.insert("description".to_owned(), description.trim().into());
        } else if let [Value::Object(only)] = options.as_slice() {
            fields.remove(key);
            for (key, value) in only {
                fields.entry(key.clone()).or_insert_with(|| value.clone());
            }
            // What was inside may be a choice too.
            choice(fields);
        }
    }
    if let Some(constant) = fields.remove("const") {
        fields.insert("enum".to_owned(), Value::Array(vec![constant]));
    }
}

fn constant(option: &Value) -> Option<&Value> {
    let only = |values: &'_ Value| values.as_array().is_some_and(|v| v.len() == 1);
    let listed = option.get("enum").filter(|v| only(v)).map(|v| &v[0]);
    option.get("const").or(listed)
}

/// What each constant means, a line each.
fn told(options: &[Value], constants: &[&Value]) -> String {
    let pairs = options.iter().zip(constants);
    let lines = pairs.filter_map(|(option, constant)| {
        let means = option["description"].as_str()?;
        Some(format!("`{}`: {means}", constant.as_str()?))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A name of the plan may be written as a number in YAML; in the API it is a string.
fn one_type(fields: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = fields.get("type") else {
        return;
    };
    let types: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
    let one = match types.contains(&"string") {
        true => Some("string"),
        false => types.into_iter().find(|t| *t != "null"),
    };
    if let Some(one) = one {
        let one = one.to_owned();
        fields.insert("type".to_owned(), one.into());
    }
}
