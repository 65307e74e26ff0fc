//! The Helm chart: the same objects, with a template in the place of what an administrator chooses.
//!
//! A template is put in as a text between [`OPEN`] and [`CLOSE`], which YAML has to quote, and the quotes go
//! when the object is written. What else looks like a template is escaped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use serde_norway::{Mapping, Value};

use super::Files;
use super::source::{Manifests, Part, kind, name};
use super::values::Settings;

const DIR: &str = "deploy/helm/flatnet";
/// The registry and the version of the images in the manifests.
const REGISTRY: &str = "flatnet.io";
const OPEN: &str = "@@";
const CLOSE: &str = "@@";
/// The parts that are installed unless somebody says no.
const ON: [&str; 2] = ["ipamd", "netd"];

/// The chart's files, but for the kinds, which are a link to those of kustomize's base.
///
/// # Errors
/// If a manifest is not what a template can be made of.
pub(super) fn files(manifests: &Manifests) -> Result<Files> {
    let mut settings = Settings::default();
    general(&mut settings);
    let templates = Path::new(DIR).join("templates");
    let mut files = Files::new();
    let namespace = written(&manifests.namespace.value)?;
    files.insert(
        templates.join("namespace.yaml"),
        guarded("namespace.create", &namespace),
    );
    for part in &manifests.parts {
        let text = template(part, &mut settings).with_context(|| part.name.to_owned())?;
        files.insert(templates.join(format!("{}.yaml", part.name)), text);
    }
    let monitoring = format!("{}---\n{}", manifests.monitors, manifests.prometheus_rule);
    files.insert(
        templates.join("monitoring.yaml"),
        guarded("monitoring.enabled", &escaped(&monitoring)),
    );
    settings.add(
        "monitoring.enabled",
        Value::from(false),
        json!({"type": "boolean"}),
        "Whether PodMonitors and alerts are made, for the Prometheus operator",
    );
    let dir = PathBuf::from(DIR);
    files.insert(dir.join("Chart.yaml"), chart());
    files.insert(dir.join("values.yaml"), settings.yaml()?);
    files.insert(dir.join("values.schema.json"), settings.schema()?);
    Ok(files)
}

fn chart() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "# Made by `cargo xtask manifests`.\n\
         apiVersion: v2\nname: flatnet\ntype: application\n\
         description: Plain, routable addresses for containers, in data centres and clouds\n\
         version: {version}\nappVersion: \"{version}\"\n\
         kubeVersion: \">=1.32.0-0\"\nhome: https://flatnet.io\n"
    )
}

fn general(settings: &mut Settings) {
    let text = json!({"type": "string"});
    settings.add(
        "image.registry",
        Value::from(REGISTRY),
        json!({"type": "string", "minLength": 1}),
        "Registry, with a path if it has one, of the images netd, ipamd, vpc-route",
    );
    settings.add(
        "image.tag",
        Value::from(""),
        text.clone(),
        "Their tag; the chart's appVersion where empty",
    );
    settings.add(
        "image.pullPolicy",
        Value::from("IfNotPresent"),
        json!({"enum": ["Always", "IfNotPresent", "Never"]}),
        "When the kubelet pulls them",
    );
    settings.add(
        "namespace.create",
        Value::from(false),
        json!({"type": "boolean"}),
        "Whether the namespace flatnet is made (for `helm template`); by itself Helm has to have it before",
    );
    settings.add(
        "logLevel",
        Value::from("info,kube_client=off"),
        json!({"type": "string", "minLength": 1}),
        "RUST_LOG of all daemons: a level, or levels by module",
    );
}

/// The file of a part.
fn template(part: &Part, settings: &mut Settings) -> Result<String> {
    let key = camel(part.name);
    settings.add(
        &format!("{key}.enabled"),
        Value::from(ON.contains(&part.name)),
        json!({"type": "boolean"}),
        &format!("Whether {} is installed", part.name),
    );
    let mut texts = Vec::new();
    for object in &part.objects {
        let mut value = object.value.clone();
        match kind(&value) {
            "Deployment" | "DaemonSet" => workload(&mut value, settings)?,
            "ConfigMap" => configuration(&mut value, &key, settings)?,
            _ => {}
        }
        texts.push(written(&value)?);
    }
    Ok(guarded(&format!("{key}.enabled"), &texts.join("---\n")))
}

/// A file that is there if a value says so. The policies name service accounts of one namespace.
fn guarded(value: &str, text: &str) -> String {
    format!(
        "{{{{- /* Made by `cargo xtask manifests`. */ -}}}}\n\
         {{{{- if ne .Release.Namespace \"flatnet\" }}}}\
         {{{{ fail \"the policies name service accounts of the namespace flatnet: install it with --namespace flatnet\" }}}}\
         {{{{- end }}}}\n\
         {{{{- if .Values.{value} }}}}\n{text}{{{{- end }}}}\n"
    )
}

/// A template in a value's place.
fn marked(template: &str) -> Value {
    Value::from(format!("{OPEN}{{{{ {template} }}}}{CLOSE}"))
}

/// An object as a template: the marks and their quotes go, what else looks like a template is escaped.
fn written(value: &Value) -> Result<String> {
    let mut text = serde_norway::to_string(value)?;
    let mut out = String::new();
    let (open, close) = (format!("'{OPEN}"), format!("{CLOSE}'"));
    while let Some(start) = text.find(&open) {
        let Some(length) = text[start..].find(&close) else {
            bail!("a template has no end");
        };
        let inside = &text[start + open.len()..start + length];
        ensure!(!inside.contains('\''), "a quote in the template {inside}");
        out += &escaped(&text[..start]);
        out += inside;
        text = text[start + length + close.len()..].to_owned();
    }
    out += &escaped(&text);
    ensure!(!out.contains(OPEN), "a template was written unquoted");
    Ok(out)
}

fn escaped(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// `vpc-route` is `vpcRoute`.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        out += &first.to_uppercase();
        out += rest;
    }
    out
}

/// A daemon: where it runs, how many, with what, from which image.
fn workload(value: &mut Value, settings: &mut Settings) -> Result<()> {
    let (daemon, deployed) = (name(value).to_owned(), kind(value) == "Deployment");
    let key = camel(&daemon);
    let spec = map(value.get_mut("spec").context("no spec")?)?;
    if deployed {
        let default = spec.get("replicas").cloned().unwrap_or(Value::from(1));
        let schema = json!({"type": "integer", "minimum": 1});
        settings.add(
            &format!("{key}.replicas"),
            default,
            schema,
            "How many run; one of them leads",
        );
        spec.insert(
            Value::from("replicas"),
            marked(&format!(".Values.{key}.replicas")),
        );
    }
    let template = map(spec.get_mut("template").context("no template")?)?;
    if key == "vpcRoute" {
        // A changed configuration starts it anew.
        let sum = marked("toJson .Values.vpcRoute.config | sha256sum");
        let metadata = map(template.get_mut("metadata").context("no metadata")?)?;
        let mut annotations = Mapping::new();
        annotations.insert(Value::from("checksum/config"), sum);
        metadata.insert(Value::from("annotations"), Value::Mapping(annotations));
    }
    let pod = map(template.get_mut("spec").context("no pod")?)?;
    for (field, empty, schema, about) in [
        (
            "nodeSelector",
            Value::Mapping(Mapping::new()),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            "Labels of the nodes that it runs on",
        ),
        (
            "tolerations",
            Value::Sequence(Vec::new()),
            json!({"type": "array", "items": {"type": "object"}}),
            "Taints that do not keep it away",
        ),
    ] {
        let default = pod.get(field).cloned().unwrap_or(empty);
        settings.add(&format!("{key}.{field}"), default, schema, about);
        pod.insert(
            Value::from(field),
            marked(&format!("toJson .Values.{key}.{field}")),
        );
    }
    let mut resources = Mapping::new();
    for list in ["initContainers", "containers"] {
        let containers = pod.get_mut(list).and_then(Value::as_sequence_mut);
        for one in containers.into_iter().flatten() {
            container(map(one)?, &key, &daemon, &mut resources)?;
        }
    }
    let of_one = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"requests": {"type": "object"}, "limits": {"type": "object"}},
    });
    let known: serde_json::Map<_, _> = resources
        .keys()
        .filter_map(|name| Some((name.as_str()?.to_owned(), of_one.clone())))
        .collect();
    let schema = json!({"type": "object", "additionalProperties": false, "properties": known});
    settings.add(
        &format!("{key}.resources"),
        Value::Mapping(resources),
        schema,
        "What its containers ask for, and may use",
    );
    Ok(())
}

fn container(one: &mut Mapping, key: &str, daemon: &str, resources: &mut Mapping) -> Result<()> {
    let text = |field: &str| one.get(field).and_then(Value::as_str).map(str::to_owned);
    let called = text("name").context("a container has no name")?;
    let image = text("image").with_context(|| format!("{called} has no image"))?;
    let image = image
        .strip_prefix(REGISTRY)
        .and_then(|i| i.strip_prefix('/'));
    let image = image
        .and_then(|i| i.split_once(':'))
        .map(|(image, _)| image);
    let image = image.with_context(|| format!("the image of {called} is none of {REGISTRY}"))?;
    let reference = format!(
        "printf \"%s/{image}:%s\" .Values.image.registry (.Values.image.tag | default .Chart.AppVersion)"
    );
    one.insert(Value::from("image"), marked(&reference));
    one.insert(
        Value::from("imagePullPolicy"),
        marked(".Values.image.pullPolicy"),
    );
    if let Some(default) = one.get("resources").cloned() {
        resources.insert(Value::from(called.clone()), default);
        one.insert(
            Value::from("resources"),
            marked(&format!(
                "toJson (index .Values.{key}.resources \"{called}\")"
            )),
        );
    }
    if called == daemon {
        let mut level = Mapping::new();
        level.insert(Value::from("name"), Value::from("RUST_LOG"));
        level.insert(Value::from("value"), marked(".Values.logLevel | quote"));
        let env = one
            .entry(Value::from("env"))
            .or_insert_with(|| Value::Sequence(Vec::new()));
        let env = env.as_sequence_mut().context("env is no list")?;
        env.push(Value::Mapping(level));
    }
    Ok(())
}

/// The configurations that the chart knows: netd's datapath, and vpc-route's whole file.
fn configuration(value: &mut Value, key: &str, settings: &mut Settings) -> Result<()> {
    let Some(data) = value.get_mut("data") else {
        return Ok(());
    };
    let data = map(data)?;
    if let Some(datapath) = data.get("datapath").cloned() {
        settings.add(
            &format!("{key}.datapath"),
            datapath,
            json!({"enum": ["system", "netdev"]}),
            "Open vSwitch's datapath: system is the kernel's module, netdev is for hosts without it",
        );
        let template = format!(".Values.{key}.datapath | quote");
        data.insert(Value::from("datapath"), marked(&template));
    }
    if let Some(text) = data.get("vpc-route.yml").and_then(Value::as_str) {
        let mut config: Mapping = serde_norway::from_str(text)?;
        // Helm leaves out values that are null, and without one vpc-route would make a socket.
        ensure!(
            config
                .remove("socket")
                .is_some_and(|socket| socket.is_null()),
            "vpc-route.yml has a socket, which nobody reaches in a pod"
        );
        settings.add(
            "vpcRoute.config",
            Value::Mapping(config),
            json!({"type": "object", "required": ["cluster", "plan", "lease"]}),
            "Its configuration, docs/vpc-route.md: yours are cluster, aliyun.region, aliyun.credentials",
        );
        let template = "set (deepCopy .Values.vpcRoute.config) \"socket\" nil | toYaml | quote";
        data.insert(Value::from("vpc-route.yml"), marked(template));
    }
    Ok(())
}

fn map(value: &mut Value) -> Result<&mut Mapping> {
    value.as_mapping_mut().context("not a mapping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_loses_its_quotes_and_what_looks_like_one_is_escaped() {
        let mut object = Mapping::new();
        object.insert(Value::from("a"), marked(".Values.a | quote"));
        object.insert(Value::from("b"), Value::from("{{ $labels.node }} is down"));
        let text = written(&Value::Mapping(object)).expect("written");
        assert!(text.contains("a: {{ .Values.a | quote }}\n"), "{text}");
        assert!(text.contains("{{ \"{{\" }} $labels.node }}"), "{text}");
        assert!(!text.contains(OPEN), "{text}");
    }

    #[test]
    fn the_name_of_a_value_is_in_camel_case() {
        assert_eq!(camel("vpc-route"), "vpcRoute");
        assert_eq!(camel("netd"), "netd");
    }

    #[test]
    fn an_image_of_another_registry_is_refused() {
        let mut one: Mapping =
            serde_norway::from_str("{name: a, image: 'example.io/a:1'}").expect("YAML");
        let error = container(&mut one, "a", "a", &mut Mapping::new()).expect_err("refused");
        assert!(error.to_string().contains("flatnet.io"), "{error}");
    }
}
