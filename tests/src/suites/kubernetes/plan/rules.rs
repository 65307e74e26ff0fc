//! What the API server refuses by itself: each rule, and each field that it does not know.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{flatctl, with_plan};
use crate::LabGuard;
use crate::suites::kit::eventually;
use crate::suites::kubernetes::cluster::Cluster;

/// Creates an object.
///
/// # Errors
/// What kubectl says.
pub(super) fn create(cluster: &Cluster, object: &str) -> Result<()> {
    kubectl(cluster, "create", object)
}

fn kubectl(cluster: &Cluster, how: &str, object: &str) -> Result<()> {
    let path = cluster.dir.join("object.json");
    std::fs::write(&path, object)?;
    let path = path.display().to_string();
    cluster.kubectl(&[how, "-f", &path]).map(drop)
}

/// An object that the server takes, and changes of its spec that it refuses, each with words of the refusal.
type Case = (&'static str, Value, Vec<(Value, &'static str)>);

fn cases() -> Vec<Case> {
    let subnet =
        |prefix: &str, gateway: &str| json!({"subnets": [{"prefix": prefix, "gateway": gateway}]});
    let pool = |fields: Value| json!({"pools": [fields]});
    let line = |prefix: &str, idc: &str, vpc: &str| json!({"transfer": [{"prefix": prefix, "idc": idc, "vpc": vpc}]});
    let host = json!({"cluster": "lab", "site": "idc", "addresses": ["10.10.0.99/24"], "uplink": {"interface": "eth0"}});
    vec![
        (
            "NetworkPlan",
            json!({"servicePrefixes": ["10.96.0.0/16"]}),
            vec![
                (
                    json!({"servicePrefixes": ["10.96.0.1/16"]}),
                    "no host bits set",
                ),
                (json!({"mtu": 10}), "should be greater than or equal to 68"),
            ],
        ),
        (
            "Site",
            json!({"type": "IDC"}),
            vec![
                (
                    json!({"type": "VPC", "prefixes": ["172.20.0.9/16"]}),
                    "no host bits set",
                ),
                (json!({"type": "DC"}), "Unsupported value"),
            ],
        ),
        (
            "Switch",
            json!({"site": "idc", "name": "tor7", "peers": ["tor8"]}),
            vec![
                (json!({"peers": ["tor7"]}), "a switch is not its own peer"),
                (
                    json!({"native": 4095}),
                    "should be less than or equal to 4094",
                ),
            ],
        ),
        (
            "Vlan",
            json!({"site": "idc", "id": 300, "role": "pod", "subnets": [{"prefix": "10.230.0.0/24", "gateway": "10.230.0.1"}]}),
            vec![
                (
                    subnet("10.230.0.0/24", "10.231.0.1"),
                    "a gateway is an address of its subnet",
                ),
                (subnet("10.230.0.7/24", "10.230.0.1"), "no host bits set"),
                (json!({"role": "pods"}), "Unsupported value"),
            ],
        ),
        (
            "RouteTable",
            json!({"site": "vpc", "cluster": "lab"}),
            vec![(json!({"cluster": null}), "spec.cluster: Required value")],
        ),
        (
            "Network",
            json!({"site": "idc", "pools": [{"prefix": "10.230.0.0/24", "cluster": "lab", "sliceLength": 26}]}),
            vec![
                (
                    pool(json!({"prefix": "10.230.0.0/24", "cluster": "lab", "sliceLength": 20})),
                    "a slice is not larger than its pool",
                ),
                (
                    pool(json!({"prefix": "10.230.0.9/24", "cluster": "lab"})),
                    "no host bits set",
                ),
                (
                    pool(json!({"prefix": "10.230.0.0/24"})),
                    "cluster: Required value",
                ),
                (
                    json!({"pools": [{"prefix": "10.230.0.0/24", "cluster": "lab"}, {"prefix": "10.231.0.0/24", "cluster": "other"}]}),
                    "all pools of a network are of one cluster",
                ),
            ],
        ),
        (
            "LeasedLine",
            json!({"idc": "idc", "vpc": "vpc", "transfer": [{"prefix": "10.254.9.0/30", "idc": "10.254.9.1", "vpc": "10.254.9.2"}]}),
            vec![
                (
                    line("10.254.9.0/30", "10.254.9.1", "10.254.8.2"),
                    "two addresses of its transfer network",
                ),
                (
                    line("10.254.9.0/30", "10.254.9.1", "10.254.9.1"),
                    "two addresses of its transfer network",
                ),
                (json!({"vpc": "idc"}), "joins two sites"),
            ],
        ),
        (
            "Host",
            host,
            vec![
                (
                    json!({"addresses": ["10.10.0.300/24"]}),
                    "written with the length of its subnet",
                ),
                (
                    json!({"uplink": {"interface": "bond0", "nics": [{"interface": "a"}, {"interface": "b"}]}}),
                    "how they are bonded",
                ),
                (json!({"cluster": null}), "spec.cluster: Required value"),
            ],
        ),
        (
            "HostRange",
            json!({"host": "idc1", "network": "web", "prefix": "10.100.16.0/26"}),
            vec![(json!({"prefix": "10.100.16.1/26"}), "no host bits set")],
        ),
    ]
}

/// An object with fields of its spec replaced; null takes one away.
fn object(kind: &str, spec: &Value, change: &Value) -> String {
    let mut spec = spec.clone();
    for (key, value) in change.as_object().into_iter().flatten() {
        match (value, spec.as_object_mut()) {
            (Value::Null, Some(fields)) => drop(fields.remove(key)),
            _ => spec[key] = value.clone(),
        }
    }
    json!({"apiVersion": "flatnet.io/v1alpha1", "kind": kind, "metadata": {"name": "probe"}, "spec": spec})
        .to_string()
}

fn refused(done: Result<()>, word: &str) -> Result<()> {
    match done {
        Ok(()) => anyhow::bail!("taken, and not refused with {word:?}"),
        Err(e) => {
            let said = format!("{e:#}");
            ensure!(said.contains(word), "{word:?} is not in: {said}");
            Ok(())
        }
    }
}

pub(in super::super) fn rules_refuse(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    for (kind, spec, changes) in cases() {
        for (change, word) in &changes {
            let wrong = create(&cluster, &object(kind, &spec, change));
            refused(wrong, word).with_context(|| format!("{kind} {change}"))?;
        }
        create(&cluster, &object(kind, &spec, &Value::Null)).with_context(|| kind.to_owned())?;
        let stays = match kind {
            "HostRange" => Some((json!({"host": "idc2"}), "a range is never changed")),
            "RouteTable" => Some((json!({"site": "idc"}), "stays in its site")),
            _ => None,
        };
        if let Some((change, word)) = stays {
            refused(
                kubectl(&cluster, "replace", &object(kind, &spec, &change)),
                word,
            )?;
        }
        cluster.kubectl(&["delete", &kind.to_lowercase(), "probe"])?;
    }
    Ok(())
}

pub(in super::super) fn unknown_fields(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    let future = json!({"fromTheFuture": true});
    for (kind, spec, _) in cases() {
        let wrong = create(&cluster, &object(kind, &spec, &future));
        refused(wrong, "unknown field \"spec.fromTheFuture\"")?;
    }
    // A newer version's definition knows it; what is older here says so, and drops nothing.
    let at = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/fromTheFuture";
    let crd = ["patch", "crd", "vlans.flatnet.io", "--type=json", "-p"];
    let patch = |patch: Value| {
        let patch = json!([patch]).to_string();
        cluster.kubectl(&[&crd[..], &[patch.as_str()]].concat())
    };
    patch(json!({"op": "add", "path": at, "value": {"type": "boolean"}}))?;
    let set = r#"{"spec":{"fromTheFuture":true}}"#;
    let stored = || {
        cluster.kubectl(&["patch", "vlan", "idc.100", "--type=merge", "-p", set])?;
        let field = [
            "get",
            "vlan",
            "idc.100",
            "-o",
            "jsonpath={.spec.fromTheFuture}",
        ];
        let now = cluster.kubectl(&field)?;
        ensure!(now == "true", "the server does not store it yet");
        Ok(())
    };
    eventually(super::SERVED, stored)?;
    let said = flatctl(lab, &cluster, &["check", "--from-cluster", "-o", "json"])?.with(1)?;
    let said: Value = serde_json::from_str(&said)?;
    let found = said["diagnostics"].as_array().context("diagnostics")?;
    let told = |d: &&Value| {
        d["code"] == "FN0002" && d["object"] == "Vlan/idc.100" && d["field"] == "spec.fromTheFuture"
    };
    ensure!(found.iter().any(|d| told(&d)), "{said}");
    let take = r#"[{"op":"remove","path":"/spec/fromTheFuture"}]"#;
    cluster.kubectl(&["patch", "vlan", "idc.100", "--type=json", "-p", take])?;
    patch(json!({"op": "remove", "path": at}))?;
    flatctl(lab, &cluster, &["check", "--from-cluster"])?.with(0)?;
    Ok(())
}
