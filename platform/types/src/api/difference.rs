//! What changed between two versions of an object, field by field.

use serde::Serialize;
use serde_json::Value;

use super::FieldChange;

/// The fields that differ, with their paths; `before` is `None` for an object that is new.
pub fn difference<T: Serialize>(before: Option<&T>, after: &T) -> Vec<FieldChange> {
    let value = |of: &T| serde_json::to_value(of).unwrap_or(Value::Null);
    let mut found = Vec::new();
    let before = before.map_or(Value::Null, value);
    compare("", Some(&before), Some(&value(after)), &mut found);
    found
}

fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<FieldChange>,
) {
    let given = |v: Option<&Value>| v.filter(|v| !v.is_null()).cloned();
    match (before, after) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let names = a.keys().chain(b.keys().filter(|k| !a.contains_key(*k)));
            for name in names {
                let at = match path {
                    "" => name.clone(),
                    _ => format!("{path}.{name}"),
                };
                compare(&at, a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for place in 0..a.len().max(b.len()) {
                compare(
                    &format!("{path}[{place}]"),
                    a.get(place),
                    b.get(place),
                    found,
                );
            }
        }
        // A new object is told by its fields.
        (None | Some(Value::Null), Some(Value::Object(b))) if path.is_empty() => {
            for (name, value) in b {
                compare(name, None, Some(value), found);
            }
        }
        (a, b) if given(a) == given(b) => {}
        (a, b) => found.push(FieldChange {
            field: path.to_owned(),
            from: given(a),
            to: given(b),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_with_its_path_and_what_is_equal_is_not() {
        let before = json!({"replicas": 2, "locations": [{"name": "one"}, {"name": "two"}], "gone": 1, "same": {"a": 1}});
        let after = json!({"replicas": 4, "locations": [{"name": "one", "min": 1}], "same": {"a": 1}, "empty": null});
        let told: Vec<String> = difference(Some(&before), &after)
            .into_iter()
            .map(|c| {
                format!(
                    "{} {:?} {:?}",
                    c.field,
                    c.from.map(|v| v.to_string()),
                    c.to.map(|v| v.to_string())
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "gone Some(\"1\") None",
                "locations[0].min None Some(\"1\")",
                "locations[1] Some(\"{\\\"name\\\":\\\"two\\\"}\") None",
                "replicas Some(\"2\") Some(\"4\")",
            ]
        );
        assert_eq!(difference(Some(&before), &before), []);
        assert_eq!(difference(None, &json!({"a": 1})).len(), 1);
    }
}
