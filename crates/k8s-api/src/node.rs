//! What nodes read of the accepted plan: for each its `NodeNetwork`, for each vSwitch one `NodePeers`, and one
//! `ServiceAddresses` for all.
//!
//! ```text
//!   accepted plan ─▶ [objects] ──────────┬─▶ API server ─▶ own NodeNetwork, its NodePeers ─┬─▶ [document]
//!   what is served ─▶ [services_object] ─┘              └▶ ServiceAddresses ─▶ [served] ────┘
//! ```
//!
//! # Guarantees
//! - An object depends on nothing but what its node derives something from: where that is as it was, the
//!   object is.
//! - Of a node's document [`flatnet_plan::node::derive`] makes the same as of the whole plan.

use std::collections::BTreeSet;

use flatnet_plan::model::{API_VERSION, KIND};
use flatnet_plan::part::{self, Peers};
use flatnet_plan::services::{self, ServiceAddresses};
use flatnet_plan::{NetworkPlan, NodeError};
use flatnet_types::NodeName;
use ipnetwork::IpNetwork;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::join::Joined;
use crate::join::text::Text;
use crate::kinds::{NodeNetworkSpec, NodePeersSpec, ServiceAddressesSpec};
use crate::name;
use crate::object::{Kind, Object};

/// Why a plan has no objects for its nodes.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum PartError {
    /// The plan refers to something that it does not have. One that was checked has no such place.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Two things of the plan would be one object.
    #[error("two things of the plan would be the object {0}")]
    Twice(String),
    /// A part has no form in JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        what: String,
        #[source]
        source: serde_json::Error,
    },
}

/// The name of the `ServiceAddresses` that nodes read.
pub const SERVICES: &str = "cluster";

/// The name of a node's `NodeNetwork`.
pub fn network_name(node: &NodeName) -> String {
    name::object(&[node.as_str()])
}

/// The `NodePeers` that a `NodeNetwork` is to be read with; `None`: the node is of no vSwitch.
pub fn peers_of(own: &Object) -> Option<String> {
    let host = own.spec.get("hosts")?.get(0)?;
    let text = |field: &str| host.get(field).and_then(Value::as_str);
    Some(peers_name(text("site")?, text("vSwitch")?))
}

fn peers_name(site: &str, v_switch: &str) -> String {
    name::object(&[site, v_switch])
}

/// The objects of an accepted plan: those of vSwitches first, so that what a node's part needs is there.
///
/// # Errors
/// [`PartError`].
pub fn objects(plan: &NetworkPlan) -> Result<Vec<Object>, PartError> {
    let label = name::label(&plan.metadata.name);
    let object = |kind, name, spec| Object {
        kind,
        name,
        plan: Some(label.clone()),
        spec,
    };
    let mut all = Vec::new();
    for peers in part::peers(plan) {
        let name = peers_name(&peers.site, &peers.v_switch);
        let spec = fields(&NodePeersSpec { part: peers }, &name)?;
        all.push(object(Kind::NodePeers, name, spec));
    }
    for host in &plan.spec.hosts {
        let own = part::of_host(plan, host)?;
        let spec = NodeNetworkSpec {
            plan: own.metadata.name,
            part: own.spec,
        };
        let name = network_name(&host.name);
        let spec = fields(&spec, &name)?;
        all.push(object(Kind::NodeNetwork, name, spec));
    }
    let mut known = BTreeSet::new();
    let twice = all.iter().find(|o| !known.insert((o.kind, &o.name)));
    match twice {
        Some(object) => Err(PartError::Twice(object.reference())),
        None => Ok(all),
    }
}

/// The `ServiceAddresses` of a plan's cluster.
///
/// # Errors
/// [`PartError::Json`].
pub fn services_object(plan: &NetworkPlan, served: ServiceAddresses) -> Result<Object, PartError> {
    Ok(Object {
        kind: Kind::ServiceAddresses,
        name: SERVICES.to_owned(),
        plan: Some(name::label(&plan.metadata.name)),
        spec: fields(&ServiceAddressesSpec { part: served }, SERVICES)?,
    })
}

/// The prefixes of a `ServiceAddresses`.
///
/// # Errors
/// It is not of this version's shape.
pub fn served(services: &Object) -> Result<Vec<IpNetwork>, serde_json::Error> {
    let spec = Value::Object(services.spec.clone());
    Ok(serde_json::from_value::<ServiceAddresses>(spec)?.prefixes)
}

/// The plan of one node, of its `NodeNetwork`, the `NodePeers` that [`peers_of`] names and what is [`served`]. A
/// field that this version does not know is in the document, and refused there; one of a peer is refused here.
///
/// # Errors
/// What is wrong with the `NodePeers`, which is not of this shape.
pub fn document(
    own: &Object,
    peers: Option<&Object>,
    served: &[IpNetwork],
) -> Result<Joined, serde_json::Error> {
    let mut spec = own.spec.clone();
    let plan = spec.remove("plan").unwrap_or_default();
    serve(&mut spec, served);
    let list = |value: Option<Value>| match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let networks = list(spec.remove("networks"));
    let hosts = list(spec.remove("hosts"));
    let (mut peer_networks, mut peer_hosts) = (Vec::new(), Vec::new());
    if let (Some(peers), Some(host)) = (peers, hosts.first()) {
        let peers: Peers = serde_json::from_value(Value::Object(peers.spec.clone()))?;
        let own_name = host.get("name").and_then(Value::as_str).map(str::to_owned);
        peer_networks = written(&peers.networks)?;
        for peer in peers.hosts {
            if own_name.as_deref() == Some(peer.name.as_str()) {
                continue;
            }
            // What it has in common with this host: the vSwitch. Of its uplink nothing is derived.
            let mut fields = host.as_object().cloned().unwrap_or_default();
            fields.insert("ranges".to_owned(), Value::Array(Vec::new()));
            if let Value::Object(more) = serde_json::to_value(&peer)? {
                fields.extend(more);
            }
            peer_hosts.push(Value::Object(fields));
        }
    }
    let mut text = Text::default();
    text.line(0, &format!("apiVersion: {API_VERSION}"));
    text.line(0, &format!("kind: {KIND}"));
    text.line(0, "metadata:");
    let reference = own.reference();
    let metadata = Map::from_iter([("name".to_owned(), plan)]);
    text.of(&reference, false, |t| t.fields(1, &metadata));
    text.line(0, "spec:");
    text.of(&reference, false, |t| t.fields(1, &spec));
    let foreign = peers.map(Object::reference).unwrap_or_default();
    for (list, own, others) in [
        ("networks", networks, peer_networks),
        ("hosts", hosts, peer_hosts),
    ] {
        if own.is_empty() && others.is_empty() {
            text.line(1, &format!("{list}: []"));
            continue;
        }
        text.of(&reference, false, |t| {
            t.line(1, &format!("{list}:"));
            own.iter().for_each(|item| t.any_item(2, item));
        });
        for item in &others {
            text.of(&foreign, false, |t| t.any_item(2, item));
        }
    }
    Ok(text.finish(Vec::new()))
}

/// Adds prefixes to those of a spec. What is written there and is none stays as it is, and is refused later.
fn serve(spec: &mut Map<String, Value>, served: &[IpNetwork]) {
    const FIELD: &str = "servicePrefixes";
    if served.is_empty() {
        return;
    }
    let own = match spec.get(FIELD) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.clone(),
        Some(_) => return,
    };
    let parsed = own.iter().map(|item| item.as_str()?.parse().ok());
    let Some(parsed) = parsed.collect::<Option<Vec<IpNetwork>>>() else {
        return;
    };
    let all = services::union(&parsed, served);
    let all = all.iter().map(|prefix| prefix.to_string().into());
    spec.insert(FIELD.to_owned(), Value::Array(all.collect()));
}

fn written<T: Serialize>(items: &[T]) -> Result<Vec<Value>, serde_json::Error> {
    items.iter().map(serde_json::to_value).collect()
}

/// A spec as its fields.
fn fields(spec: &impl Serialize, what: &str) -> Result<Map<String, Value>, PartError> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Ok(Map::new()),
        Err(source) => Err(PartError::Json {
            what: what.to_owned(),
            source,
        }),
    }
}
