//! The OpenAPI documents of the daemons, generated from the messages' types: docs/api/ holds what is
//! generated here. `UPDATE_DOCS=1 cargo test -p flatnet-types --test openapi` writes it anew.

mod ipamd;
mod netd;
mod operation;
mod vpc_route;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use utoipa::openapi::OpenApi;

/// Compares a document with the file that is committed, or writes it.
fn check(name: &str, document: &OpenApi) {
    let text = format!("{}\n", document.to_pretty_json().expect("JSON"));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/api")
        .join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("docs/api is written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not what the types say; UPDATE_DOCS=1 cargo test -p flatnet-types --test openapi",
        path.display()
    );
    assert_references(&serde_json::from_str(&text).expect("JSON"));
}

/// Every schema that is referred to is there, and every one that is there is referred to.
fn assert_references(document: &Value) {
    let mut referred = BTreeSet::new();
    collect_references(document, &mut referred);
    let schemas = document["components"]["schemas"].as_object();
    let there: BTreeSet<String> = schemas.expect("schemas").keys().cloned().collect();
    assert_eq!(referred, there);
}

fn collect_references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|r| r.strip_prefix("#/components/schemas/"));
            into.extend(name.map(str::to_owned));
            fields.values().for_each(|v| collect_references(v, into));
        }
        Value::Array(items) => items.iter().for_each(|v| collect_references(v, into)),
        _ => {}
    }
}

#[test]
fn docs_api_netd_is_what_the_types_say() {
    check("netd.json", &netd::document());
}

#[test]
fn docs_api_ipamd_is_what_the_types_say() {
    check("ipamd.json", &ipamd::document());
}

#[test]
fn docs_api_vpc_route_is_what_the_types_say() {
    check("vpc-route.json", &vpc_route::document());
}
