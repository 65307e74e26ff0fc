//! The custom resource definitions, made from the kinds.

mod addresses;
mod rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation,
};
use kube::CustomResourceExt;
use schemars::JsonSchema;
use serde_json::{Value, json};
use thiserror::Error;

use crate::addresses::{AddressSet, AddressSetSpec, AddressSetStatus};
use crate::kinds::{
    Host, HostRange, HostRangeSpec, HostSpec, LeasedLine, LeasedLineSpec, Network, NetworkPlan,
    NetworkPlanSpec, NetworkSpec, NodeNetwork, NodeNetworkSpec, NodePeers, NodePeersSpec,
    RouteTable, RouteTableSpec, ServiceAddresses, ServiceAddressesSpec, Site, SiteSpec, Switch,
    SwitchSpec, Vlan, VlanSpec,
};
use crate::object::Kind;
use crate::schema::structural;
use crate::status::{HostRangeStatus, NetworkPlanStatus, NodeNetworkStatus, ObjectStatus};

/// A schema that is not one of OpenAPI.
#[derive(Debug, Error)]
#[error("the schema of {kind} is not one of OpenAPI")]
pub struct SchemaError {
    kind: &'static str,
    #[source]
    source: serde_json::Error,
}

/// The definition of every kind.
///
/// # Errors
/// [`SchemaError`], which a test rules out.
pub fn all() -> Result<Vec<(Kind, CustomResourceDefinition)>, SchemaError> {
    let kinds = Kind::ALL.into_iter().chain(Kind::NODE);
    kinds.map(|kind| Ok((kind, definition(kind)?))).collect()
}

/// The definition of `AddressSet`, which is of no plan.
///
/// # Errors
/// [`SchemaError`], which a test rules out.
pub fn address_set() -> Result<CustomResourceDefinition, SchemaError> {
    let mut definition = AddressSet::crd();
    let schema = addresses::schema(of_type::<AddressSetSpec>(), of_status::<AddressSetStatus>());
    let schema = serde_json::from_value(schema).map_err(|source| SchemaError {
        kind: "AddressSet",
        source,
    })?;
    if let Some(version) = definition.spec.versions.first_mut() {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema),
        });
    }
    Ok(definition)
}

/// The YAML of a definition, as it is in `deploy/crds`.
///
/// # Errors
/// The serializer's, which a definition gives it no cause to.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_norway::Error> {
    let text = serde_norway::to_string(definition)?;
    Ok(format!(
        "# Generated from crates/k8s-api: UPDATE_DOCS=1 cargo test -p flatnet-k8s-api\n{text}"
    ))
}

fn definition(kind: Kind) -> Result<CustomResourceDefinition, SchemaError> {
    macro_rules! of {
        ($kind:ident, $spec:ident, $status:ty) => {
            (
                <$kind as CustomResourceExt>::crd(),
                spec($spec::part_schema(), $spec::PLACE, $spec::WITHOUT),
                of_status::<$status>(),
                $spec::ABOUT,
            )
        };
    }
    let (mut definition, mut spec, status, about) = match kind {
        Kind::NetworkPlan => of!(NetworkPlan, NetworkPlanSpec, NetworkPlanStatus),
        Kind::Site => of!(Site, SiteSpec, ObjectStatus),
        Kind::Switch => of!(Switch, SwitchSpec, ObjectStatus),
        Kind::Vlan => of!(Vlan, VlanSpec, ObjectStatus),
        Kind::RouteTable => of!(RouteTable, RouteTableSpec, ObjectStatus),
        Kind::Network => of!(Network, NetworkSpec, ObjectStatus),
        Kind::LeasedLine => of!(LeasedLine, LeasedLineSpec, ObjectStatus),
        Kind::Host => of!(Host, HostSpec, ObjectStatus),
        Kind::HostRange => of!(HostRange, HostRangeSpec, HostRangeStatus),
        Kind::NodeNetwork => of!(NodeNetwork, NodeNetworkSpec, NodeNetworkStatus),
        Kind::NodePeers => of!(NodePeers, NodePeersSpec, ObjectStatus),
        Kind::ServiceAddresses => of!(ServiceAddresses, ServiceAddressesSpec, ObjectStatus),
    };
    let about = about.trim();
    if Kind::NODE.contains(&kind) {
        // They are found by their own names, which are made of the plan's.
        spec["properties"].as_object_mut().map(|p| p.remove("name"));
        let about = match kind {
            Kind::ServiceAddresses => "What the cluster's Services are reached at.",
            _ => "What nodes need of the accepted plan.",
        };
        spec["description"] = about.into();
    } else {
        spec["description"] =
            "What is declared. Where `name` is absent, the object's name is it.".into();
    }
    rules::demand(kind, &mut spec);
    let schema = json!({
        "type": "object",
        "description": about,
        "properties": {"spec": spec, "status": status},
        "required": ["spec"],
    });
    let schema = serde_json::from_value(schema).map_err(|source| SchemaError {
        kind: kind.as_str(),
        source,
    })?;
    if let Some(version) = definition.spec.versions.first_mut() {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema),
        });
    }
    Ok(definition)
}

/// The schema of a spec: the plan's, without what is of other kinds, with the place.
fn spec(mut schema: Value, place: Option<&str>, without: &[&str]) -> Value {
    structural(&mut schema);
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|key, _| !without.contains(&key.as_str()));
        if let Some(place) = place {
            let description = format!("The {place} that it is of, by its name in the plan.");
            let field = json!({"type": "string", "description": description, "maxLength": 253});
            properties.insert(place.to_owned(), field);
        }
        properties.entry("name").or_insert_with(|| {
            json!({"type": "string", "maxLength": 253,
                "description": "Its name in the plan, where it is not the object's."})
        });
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let kept = |key: &Value| {
        let key = key.as_str().unwrap_or_default();
        key != "name" && !without.contains(&key)
    };
    let mut required: Vec<Value> = required.into_iter().filter(kept).collect();
    required.extend(place.map(Value::from));
    if required.is_empty() {
        schema.as_object_mut().map(|s| s.remove("required"));
    } else {
        schema["required"] = required.into();
    }
    schema
}

fn of_status<S: JsonSchema>() -> Value {
    let mut schema = of_type::<S>();
    if let Some(conditions) = schema["properties"]["conditions"].as_object_mut() {
        conditions.insert("x-kubernetes-list-type".to_owned(), "map".into());
        conditions.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    }
    schema
}

/// The structural schema of a type that is no part of the plan.
fn of_type<T: JsonSchema>() -> Value {
    let mut settings = schemars::generate::SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut schema = schema.to_value();
    structural(&mut schema);
    schema
}
