//! The chart's values: their defaults are what the manifests say, and their schema refuses what no template reads.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Map, Value as Json, json};
use serde_norway::Value;

/// One value.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its keys, one or two.
    path: Vec<String>,
    default: Value,
    /// JSON Schema, draft 7.
    schema: Json,
    /// For the comment and the schema.
    about: String,
}

/// All values, in the order in which they are shown.
#[derive(Debug, Default)]
pub(super) struct Settings(Vec<Setting>);

impl Settings {
    /// Adds one, unless it is there.
    pub(super) fn add(&mut self, path: &str, default: Value, schema: Json, about: &str) {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        if self.0.iter().all(|setting| setting.path != path) {
            self.0.push(Setting {
                path,
                default,
                schema,
                about: about.to_owned(),
            });
        }
    }

    /// `values.yaml`.
    ///
    /// # Errors
    /// If a default cannot be written.
    pub(super) fn yaml(&self) -> Result<String> {
        let mut text = String::from(
            "# Made by `cargo xtask manifests`: the defaults are those of deploy/kubernetes.\n",
        );
        let mut group = None;
        for setting in &self.0 {
            let (indent, key) = match &setting.path[..] {
                [first, second] => {
                    if group != Some(first) {
                        let _ = writeln!(text, "{first}:");
                        group = Some(first);
                    }
                    ("  ", second)
                }
                path => ("", &path[0]),
            };
            let _ = writeln!(text, "{indent}# {}", setting.about);
            text.push_str(&entry(indent, key, &setting.default)?);
        }
        Ok(text)
    }

    /// `values.schema.json`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn schema(&self) -> Result<String> {
        let mut top = Map::new();
        // Helm gives a chart that is part of another one this value.
        top.insert("global".to_owned(), json!({"type": "object"}));
        for setting in &self.0 {
            let mut schema = setting.schema.clone();
            schema["description"] = Json::from(setting.about.clone());
            match &setting.path[..] {
                [first, second] => {
                    let group = top.entry(first.clone()).or_insert_with(|| {
                        json!({"type": "object", "additionalProperties": false, "properties": {}})
                    });
                    group["properties"][second.as_str()] = schema;
                }
                path => {
                    top.insert(path[0].clone(), schema);
                }
            }
        }
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "Values of the chart flatnet",
            "type": "object",
            "additionalProperties": false,
            "properties": top,
        });
        Ok(serde_json::to_string_pretty(&schema)? + "\n")
    }
}

/// `key: value`, as lines of block style where it has any inside.
fn entry(indent: &str, key: &str, value: &Value) -> Result<String> {
    let text = serde_norway::to_string(value)?;
    let text = text.trim_end();
    let filled = match value {
        Value::Mapping(map) => !map.is_empty(),
        Value::Sequence(list) => !list.is_empty(),
        _ => false,
    };
    if !filled {
        return Ok(format!("{indent}{key}: {text}\n"));
    }
    let mut lines = format!("{indent}{key}:\n");
    for line in text.lines() {
        let _ = writeln!(lines, "{indent}  {line}");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_grouped_and_their_schema_takes_no_other() {
        let mut settings = Settings::default();
        settings.add(
            "level",
            Value::from("info"),
            json!({"type": "string"}),
            "the log's",
        );
        settings.add(
            "a.on",
            Value::from(true),
            json!({"type": "boolean"}),
            "whether",
        );
        settings.add("a.on", Value::from(false), json!({}), "is there already");
        let list = Value::Sequence(vec![Value::from("x")]);
        settings.add("a.list", list, json!({"type": "array"}), "some");
        let text = settings.yaml().expect("YAML");
        assert!(
            text.ends_with("# the log's\nlevel: info\na:\n  # whether\n  on: true\n  # some\n  list:\n    - x\n"),
            "{text}"
        );
        let read: Value = serde_norway::from_str(&text).expect("YAML");
        assert_eq!(read["a"]["on"], Value::from(true));
        let schema: Json = serde_json::from_str(&settings.schema().expect("JSON")).expect("JSON");
        let group = &schema["properties"]["a"];
        assert_eq!(group["additionalProperties"], false);
        assert_eq!(group["properties"]["on"]["type"], "boolean");
    }
}
