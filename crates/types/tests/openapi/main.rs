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

/// Compares a document with the file that is committed, or writes it, and with the routes in the
/// daemon's source.
fn check(name: &str, document: &OpenApi, source: &str) {
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
    let document = serde_json::from_str(&text).expect("JSON");
    assert_references(&document);
    let paths = document["paths"].as_object().expect("paths").iter();
    let described = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(move |method| (path.clone(), method.clone()))
    });
    assert_eq!(described.collect::<BTreeSet<_>>(), routes(source));
}

/// The paths and methods of the calls `.route("/path", get(…))` in a source.
fn routes(source: &str) -> BTreeSet<(String, String)> {
    let calls = source.split(".route(").skip(1);
    let route = |call: &str| {
        let (path, rest) = call.trim_start().strip_prefix('"')?.split_once('"')?;
        let method = rest
            .trim_start_matches([',', ' ', '\n'])
            .split('(')
            .next()?;
        Some((path.to_owned(), method.to_owned()))
    };
    calls
        .map(|call| route(call).expect("a path and a method"))
        .collect()
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
    let source = include_str!("../../../../netd/src/server.rs");
    check("netd.json", &netd::document(), source);
}

#[test]
fn docs_api_ipamd_is_what_the_types_say() {
    let source = include_str!("../../../../ipam/src/daemon/http.rs");
    check("ipamd.json", &ipamd::document(), source);
}

#[test]
fn docs_api_vpc_route_is_what_the_types_say() {
    let source = include_str!("../../../../vpc-route/src/run/serve.rs");
    check("vpc-route.json", &vpc_route::document(), source);
}
