//! The document's JSON Schema: generated from the types, so that it cannot differ from them.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::{Value, json};

use crate::model::NetworkPlan;

/// The schema of the whole document, as JSON Schema 2020-12 in indented JSON.
pub fn document() -> String {
    let schema = SchemaSettings::draft2020_12()
        .with_transform(RecursiveTransform(words))
        .into_generator()
        .into_root_schema_for::<NetworkPlan>();
    format!("{:#}\n", schema.as_value())
}

/// Lets a whole number stand for any word: a rack called 7 needs no quotes.
fn words(schema: &mut Schema) {
    let narrower = ["const", "enum", "pattern", "format"];
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if narrower.iter().any(|key| members.contains_key(*key)) {
        return;
    }
    match members.get_mut("type") {
        Some(Value::String(one)) if one == "string" => {
            members.insert("type".to_owned(), json!(["string", "integer"]));
        }
        Some(Value::Array(several)) if several.iter().any(|one| one == "string") => {
            several.push(json!("integer"));
        }
        _ => {}
    }
}
