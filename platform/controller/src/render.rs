//! A template with values to a pod's template. Pure.

use flatnet_platform_types::kinds::{AppSpec, Release, Template};
use flatnet_platform_types::revision;
use serde_json::{Map, Value};
use thiserror::Error;

use flatnet_platform_watch::hub::Hub;

/// Why a revision cannot be made.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum RenderError {
    /// No release and template together are that revision.
    #[error(
        "no release of the application with a version of template {template} is revision {revision}: was the release or \
         the template deleted?"
    )]
    Unknown { revision: String, template: String },
    /// A placeholder without a value.
    #[error("template {template}: there is no value for {{{{ .{name} }}}}")]
    NoValue { template: String, name: String },
}

/// What a revision is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The image's digest.
    pub digest: String,
    /// The pod's template.
    pub pod_template: Value,
}

/// What a revision is made of: the release and the template's version whose digest, name and values have that revision.
///
/// # Errors
/// [`RenderError`].
pub fn recipe(
    hub: &Hub,
    app: &AppSpec,
    releases: &[&Release],
    wanted: &str,
) -> Result<Recipe, RenderError> {
    let name = &app.template.name;
    let templates = || hub.templates.iter().filter(|t| t.spec.name == *name);
    for release in releases {
        let values = match release.spec.values.is_null() {
            true => &app.template.values,
            false => &release.spec.values,
        };
        for template in templates() {
            let with = format!("{name}@{}", template.spec.version);
            if revision(&release.spec.digest, &with, values) == wanted {
                return rendered(template, values, &release.spec.digest);
            }
        }
    }
    Err(RenderError::Unknown {
        revision: wanted.to_owned(),
        template: name.clone(),
    })
}

fn rendered(template: &Template, values: &Value, digest: &str) -> Result<Recipe, RenderError> {
    let mut all = values.as_object().cloned().unwrap_or_default();
    all.insert("digest".to_owned(), Value::String(digest.to_owned()));
    let filled = fill(&template.spec.pod_template, &all);
    let pod_template = filled.map_err(|name| RenderError::NoValue {
        template: format!("{}-v{}", template.spec.name, template.spec.version),
        name,
    })?;
    Ok(Recipe {
        digest: digest.to_owned(),
        pod_template,
    })
}

/// Puts values in the place of `{{ .NAME }}`. A text that is one placeholder becomes the value with its type.
fn fill(of: &Value, values: &Map<String, Value>) -> Result<Value, String> {
    match of {
        Value::String(text) => fill_text(text, values),
        Value::Array(items) => items.iter().map(|i| fill(i, values)).collect(),
        Value::Object(fields) => {
            let filled = fields
                .iter()
                .map(|(k, v)| Ok((k.clone(), fill(v, values)?)));
            filled
                .collect::<Result<Map<_, _>, String>>()
                .map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

fn fill_text(text: &str, values: &Map<String, Value>) -> Result<Value, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, behind)) = after.split_once("}}") else {
            break;
        };
        let name = inner.trim().trim_start_matches('.');
        let value = values.get(name).ok_or_else(|| name.to_owned())?;
        if before.is_empty() && behind.is_empty() && out.is_empty() {
            return Ok(value.clone());
        }
        out.push_str(before);
        match value {
            Value::String(text) => out.push_str(text),
            other => out.push_str(&other.to_string()),
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use flatnet_platform_watch::cache::Told;

    #[test]
    fn placeholders_are_filled_and_keep_their_types_where_they_stand_alone() {
        let values = json!({"port": 80, "name": "web"});
        let values = values.as_object().expect("an object");
        let template =
            json!({"a": "{{ .port }}", "b": ["x-{{.name}}:{{ .port }}", true], "c": "plain {{"});
        let filled = fill(&template, values).expect("all have values");
        assert_eq!(
            filled,
            json!({"a": 80, "b": ["x-web:80", true], "c": "plain {{"})
        );
        assert_eq!(
            fill(&json!("{{ .other }}"), values),
            Err("other".to_owned())
        );
    }

    #[test]
    fn a_revision_of_an_older_template_is_found_by_its_hash() {
        let template = |version: u32| -> Template {
            serde_json::from_value(json!({
                "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Template",
                "metadata": {"name": format!("plain-v{version}")},
                "spec": {"name": "plain", "version": version,
                    "podTemplate": {"image": "r@{{ .digest }}", "version": version}},
            }))
            .expect("a template")
        };
        let mut hub = Hub::default();
        hub.templates
            .told(Told::Listed(vec![template(1), template(2)], "1".to_owned()));
        let app: AppSpec = serde_json::from_value(json!({
            "repo": "r", "team": "t", "template": {"name": "plain", "version": 2}, "replicas": 1,
            "placement": {"locations": [{"name": "one"}]},
        }))
        .expect("an application");
        let release: Release = serde_json::from_value(json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Release", "metadata": {"name": "web-1"},
            "spec": {"app": "web", "digest": "sha256:1"},
        }))
        .expect("a release");
        let wanted = revision("sha256:1", "plain@1", &Value::Null);
        let recipe = recipe(&hub, &app, &[&release], &wanted).expect("it is known");
        assert_eq!(
            recipe.pod_template,
            json!({"image": "r@sha256:1", "version": 1})
        );
    }
}
