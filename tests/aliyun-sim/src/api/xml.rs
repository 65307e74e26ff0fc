//! The XML form of an answer: the service's default, where JSON is not asked for.

use serde_json::Value;

/// `<Root>…</Root>` with an element for each field; a list repeats its element.
pub fn to_xml(root: &str, body: &Value) -> String {
    let mut text = String::from("<?xml version='1.0' encoding='UTF-8'?>");
    element(&mut text, root, body);
    text
}

fn element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(members) = value {
        for member in members {
            element(text, name, member);
        }
        return;
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                element(text, name, value);
            }
        }
        Value::String(plain) => text.push_str(&escape(plain)),
        Value::Null | Value::Array(_) => {}
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}

fn escape(plain: &str) -> String {
    plain
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_repeats_its_element() {
        let body = json!({ "List": { "Row": [{ "Id": 1 }, { "Id": 2 }] }, "Text": "a<b&c" });
        assert_eq!(
            to_xml("Reply", &body),
            "<?xml version='1.0' encoding='UTF-8'?><Reply><List><Row><Id>1</Id></Row>\
             <Row><Id>2</Id></Row></List><Text>a&lt;b&amp;c</Text></Reply>"
        );
    }
}
