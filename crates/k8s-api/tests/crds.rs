//! The definitions that are shipped are those of the types, and structural.

use std::path::{Path, PathBuf};

use flatnet_k8s_api::{Kind, crd};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds")
}

/// Of every kind, by its plural.
fn definitions() -> Vec<(&'static str, CustomResourceDefinition)> {
    let plan = crd::all().expect("definitions").into_iter();
    let plan = plan.map(|(kind, definition)| (kind.plural(), definition));
    let sets = crd::address_set().expect("a definition");
    plan.chain([("addresssets", sets)]).collect()
}

#[test]
fn the_shipped_definitions_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut names = Vec::new();
    for (plural, definition) in definitions() {
        let name = format!("{plural}.yaml");
        let (path, current) = (
            directory().join(&name),
            crd::yaml(&definition).expect("YAML"),
        );
        if update {
            std::fs::create_dir_all(directory()).expect("a directory");
            std::fs::write(&path, &current).expect("writes");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == current,
            "{} differs: UPDATE_DOCS=1 cargo test -p flatnet-k8s-api",
            path.display()
        );
        names.push(name);
    }
    names.sort();
    let there = std::fs::read_dir(directory()).expect("deploy/crds");
    let mut there: Vec<String> = there
        .map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    there.sort();
    assert_eq!(there, names);
}

/// Walks a schema; `place` is for the message.
fn structural(schema: &Value, place: &str) {
    let fields = schema
        .as_object()
        .unwrap_or_else(|| panic!("{place}: no schema"));
    assert!(fields["type"].is_string(), "{place} has no type: {schema}");
    for key in [
        "oneOf", "anyOf", "allOf", "not", "$ref", "const", "examples", "default",
    ] {
        assert!(!fields.contains_key(key), "{place} has {key}");
    }
    let both = fields.contains_key("properties") && fields.contains_key("additionalProperties");
    assert!(!both, "{place}");
    for (key, inner) in fields
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let place = format!("{place}.{key}");
        let told = inner["description"].as_str().is_some_and(|d| !d.is_empty());
        assert!(told, "{place} has no description");
        structural(inner, &place);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(key) {
            structural(inner, &format!("{place}.{key}"));
        }
    }
}

#[test]
fn every_schema_is_structural_and_every_field_told() {
    for (plural, definition) in definitions() {
        let value = serde_json::to_value(&definition).expect("JSON");
        let version = &value["spec"]["versions"][0];
        structural(&version["schema"]["openAPIV3Schema"], plural);
        assert_eq!(
            value["spec"]["names"]["categories"],
            serde_json::json!(["flatnet"])
        );
        // Sets are their applications', in whose namespaces they are.
        let scope = match plural {
            "addresssets" => "Namespaced",
            _ => "Cluster",
        };
        assert_eq!(value["spec"]["scope"], scope);
        assert!(value["spec"]["names"]["shortNames"][0].is_string());
        assert!(
            version["subresources"]["status"].is_object(),
            "{plural} has a status"
        );
        let columns = version["additionalPrinterColumns"]
            .as_array()
            .expect("columns");
        assert!(columns.len() >= 3, "{plural}");
    }
}

#[test]
fn pools_hosts_and_route_tables_must_name_their_cluster() {
    for (kind, definition) in crd::all().expect("definitions") {
        let value = serde_json::to_value(&definition).expect("JSON");
        let spec = &value["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let required = match kind {
            Kind::Host | Kind::RouteTable => &spec["required"],
            Kind::Network => &spec["properties"]["pools"]["items"]["required"],
            _ => continue,
        };
        let required = required.as_array().expect("required fields");
        assert!(required.iter().any(|r| r == "cluster"), "{kind:?}");
    }
}
