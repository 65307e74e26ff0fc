//! What the manifests are made of: objects by the part of Flatnet that needs them, none twice.
//!
//! Files of `deploy/kubernetes` are each complete for `kubectl apply -f`, so several make the namespace
//! or a service account. Taken together such an object is the one that says most.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize as _;
use serde_norway::Value;

/// The parts, by the beginning of their files' names.
const PARTS: [&str; 5] = ["addressd", "admission", "ipamd", "netd", "vpc-route"];
/// What is no part of an installation: an example, a patch, and what takes netd away.
const LEFT_OUT: [&str; 3] = [
    "address-subscriber.yaml",
    "netd-configmap.yaml",
    "netd-uninstall.yaml",
];
/// Alerts as a Prometheus without an operator reads them: the source.
const RULES: &str = "deploy/prometheus/rules.yaml";
/// The same as an object of the Prometheus operator: made.
pub(super) const PROMETHEUS_RULE: &str = "deploy/prometheus/prometheusrule.yaml";
/// Who is scraped, by an operator.
const MONITORS: &str = "deploy/prometheus/podmonitors.yaml";

/// One object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// As it is written, comments and all, without the file's own head.
    pub(super) text: String,
    /// The same, read.
    pub(super) value: Value,
}

/// A part: one that an installation has or has not.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Its sources' names, for the head of what is made of them.
    pub(super) sources: Vec<String>,
    pub(super) objects: Vec<Object>,
}

/// All of the sources.
#[derive(Debug)]
pub(super) struct Manifests {
    pub(super) namespace: Object,
    pub(super) parts: Vec<Part>,
    /// The kinds, one after another.
    pub(super) crds: String,
    /// Who is scraped.
    pub(super) monitors: String,
    /// The alerts, as an object.
    pub(super) prometheus_rule: String,
}

/// Reads `deploy`.
///
/// # Errors
/// If a file cannot be read, is of no part, or two files disagree about an object.
pub(super) fn read(root: &Path) -> Result<Manifests> {
    let mut parts: Vec<Part> = Vec::new();
    let mut namespaces = Vec::new();
    for path in yaml_files(&root.join("deploy/kubernetes"))? {
        let file = file_name(&path);
        if LEFT_OUT.contains(&file.as_str()) {
            continue;
        }
        let known = PARTS.iter().find(|part| is_of(part, &file));
        let name = known.with_context(|| {
            format!(
                "deploy/kubernetes/{file} is of none of the parts {}: name it after one, or add one to PARTS",
                PARTS.join(", ")
            )
        })?;
        let (shared, own): (Vec<_>, Vec<_>) = objects(&text(&path)?)
            .with_context(|| file.clone())?
            .into_iter()
            .partition(|object| kind(&object.value) == "Namespace");
        namespaces.extend(shared);
        match parts.iter_mut().find(|part| part.name == *name) {
            Some(part) => {
                part.sources.push(file);
                part.objects.extend(own);
            }
            None => parts.push(Part {
                name,
                sources: vec![file],
                objects: own,
            }),
        }
    }
    for part in &mut parts {
        part.objects = without_repeats(std::mem::take(&mut part.objects))?;
    }
    no_object_in_two_parts(&parts)?;
    let mut namespaces = without_repeats(namespaces)?;
    ensure!(
        namespaces.len() == 1,
        "the manifests make several namespaces"
    );
    let crds: Result<Vec<String>> = yaml_files(&root.join("deploy/crds"))?
        .iter()
        .map(|path| text(path))
        .collect();
    let rules = text(&root.join(RULES))?;
    Ok(Manifests {
        namespace: namespaces.remove(0),
        parts,
        crds: crds?.join("---\n"),
        monitors: text(&root.join(MONITORS))?,
        prometheus_rule: prometheus_rule(&rules)?,
    })
}

/// `netd-plan.yaml` is of `netd`; `netdx.yaml` is not.
fn is_of(part: &str, file: &str) -> bool {
    let rest = file.strip_prefix(part);
    rest.is_some_and(|rest| rest.starts_with(['-', '.']))
}

/// An object's `kind`.
pub(super) fn kind(value: &Value) -> &str {
    value
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An object's name.
pub(super) fn name(value: &Value) -> &str {
    let name = value.get("metadata").and_then(|m| m.get("name"));
    name.and_then(Value::as_str).unwrap_or_default()
}

/// What an API server knows it by.
fn identity(value: &Value) -> String {
    let namespace = value.get("metadata").and_then(|m| m.get("namespace"));
    let namespace = namespace.and_then(Value::as_str).unwrap_or_default();
    let group = value.get("apiVersion").and_then(Value::as_str);
    let group = group.and_then(|v| v.split_once('/')).map_or("", |(g, _)| g);
    format!("{} {group} {namespace}/{}", kind(value), name(value))
}

/// The objects of a file, in its order.
fn objects(text: &str) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for (number, text) in text.split("\n---\n").enumerate() {
        let value = Value::deserialize(serde_norway::Deserializer::from_str(text))?;
        if value.is_null() {
            continue;
        }
        ensure!(
            !name(&value).is_empty() && !kind(&value).is_empty(),
            "object {} has no kind or no name",
            number + 1
        );
        if let Some(number) = octal(&value) {
            bail!(
                "{}: {number} is a number in YAML 1.1 and a text in 1.2: write it in decimal",
                identity(&value)
            );
        }
        // The head of a file tells how to apply that file.
        let text = if number == 0 {
            without_head(text)
        } else {
            text
        };
        objects.push(Object {
            text: format!("{}\n", text.trim_end()),
            value,
        });
    }
    Ok(objects)
}

/// A text in a value that kubectl reads as an octal number.
fn octal(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let digits = text.strip_prefix('0')?;
            let all = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            all.then_some(text)
        }
        Value::Sequence(list) => list.iter().find_map(octal),
        Value::Mapping(map) => map.values().find_map(octal),
        _ => None,
    }
}

fn without_head(text: &str) -> &str {
    let mut rest = text;
    while let Some((line, below)) = rest.split_once('\n') {
        if !line.starts_with('#') && !line.trim().is_empty() {
            break;
        }
        rest = below;
    }
    rest
}

/// Each object once: of two with one identity the one that says more.
fn without_repeats(objects: Vec<Object>) -> Result<Vec<Object>> {
    let mut kept: Vec<Object> = Vec::new();
    for object in objects {
        let id = identity(&object.value);
        let Some(there) = kept.iter_mut().find(|o| identity(&o.value) == id) else {
            kept.push(object);
            continue;
        };
        if says_all_of(&object.value, &there.value) {
            *there = object;
        } else if !says_all_of(&there.value, &object.value) {
            bail!("two manifests disagree about {id}");
        }
    }
    Ok(kept)
}

fn no_object_in_two_parts(parts: &[Part]) -> Result<()> {
    let mut seen: Vec<(String, &str)> = Vec::new();
    for part in parts {
        for object in &part.objects {
            let id = identity(&object.value);
            if let Some((_, other)) = seen.iter().find(|(there, _)| *there == id) {
                bail!("{id} is of {other} and of {}", part.name);
            }
            seen.push((id, part.name));
        }
    }
    Ok(())
}

/// Whether a value has every field of another, and the same there.
fn says_all_of(more: &Value, less: &Value) -> bool {
    match (more, less) {
        (Value::Mapping(more), Value::Mapping(less)) => less
            .iter()
            .all(|(key, value)| more.get(key).is_some_and(|m| says_all_of(m, value))),
        _ => more == less,
    }
}

/// The rules as an object of the Prometheus operator.
fn prometheus_rule(rules: &str) -> Result<String> {
    let value: Value = serde_norway::from_str(rules).context(RULES)?;
    ensure!(value.get("groups").is_some(), "{RULES} has no groups");
    let mut text = String::from(
        "# Made of rules.yaml by `cargo xtask manifests`.\n\
         apiVersion: monitoring.coreos.com/v1\n\
         kind: PrometheusRule\n\
         metadata:\n  name: flatnet\n  namespace: flatnet\n\
         spec:\n",
    );
    for line in without_head(rules).lines() {
        if !line.is_empty() {
            text.push_str("  ");
            text.push_str(line);
        }
        text.push('\n');
    }
    Ok(text)
}

fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        objects(text).expect("YAML").remove(0)
    }

    #[test]
    fn of_an_object_that_two_files_make_the_fuller_one_is_kept() {
        let bare = object("kind: Namespace\nmetadata: {name: a}\n");
        let full = object("kind: Namespace\nmetadata: {name: a, labels: {b: c}}\n");
        let other = object("kind: Namespace\nmetadata: {name: a, labels: {b: d}}\n");
        for pair in [
            vec![bare.clone(), full.clone()],
            vec![full.clone(), bare.clone()],
        ] {
            let kept = without_repeats(pair).expect("they agree");
            assert_eq!(kept.len(), 1);
            assert!(kept[0].text.contains("labels"));
        }
        let error = without_repeats(vec![full, other]).expect_err("they disagree");
        assert!(error.to_string().contains("Namespace"), "{error}");
    }

    #[test]
    fn the_head_of_a_file_goes_and_an_objects_own_comment_stays() {
        let text = "# how to apply it\n#\n\nkind: A\nmetadata: {name: a}\n---\n# why\nkind: B\nmetadata: {name: b}\n";
        let objects = objects(text).expect("YAML");
        assert!(objects[0].text.starts_with("kind: A"));
        assert!(objects[1].text.starts_with("# why"));
    }

    #[test]
    fn a_number_that_versions_of_yaml_read_differently_is_refused() {
        let mode = |mode: &str| format!("kind: A\nmetadata: {{name: a}}\nspec: {{mode: {mode}}}\n");
        assert!(objects(&mode("288")).is_ok() && objects(&mode("0")).is_ok());
        let error = objects(&mode("0440")).expect_err("refused").to_string();
        assert!(
            error.contains("0440") && error.contains("decimal"),
            "{error}"
        );
    }

    #[test]
    fn a_file_belongs_to_the_part_that_its_name_begins_with() {
        assert!(is_of("netd", "netd.yaml") && is_of("netd", "netd-plan.yaml"));
        assert!(!is_of("netd", "netdx.yaml"));
    }
}
