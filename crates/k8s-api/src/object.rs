//! An object of any of the kinds.

use kube::api::{ApiResource, DynamicObject, ObjectMeta};
use serde_json::{Map, Value, json};

use crate::{GROUP, PLAN_LABEL, VERSION};

/// The kinds, in the order in which one leads to the next: sites before what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "what they are, `kinds` says")]
pub enum Kind {
    NetworkPlan,
    Site,
    Switch,
    Vlan,
    RouteTable,
    Network,
    LeasedLine,
    Host,
    HostRange,
    NodeNetwork,
    NodePeers,
    ServiceAddresses,
}

impl Kind {
    /// The kinds that a plan is made of.
    pub const ALL: [Self; 9] = [
        Self::NetworkPlan,
        Self::Site,
        Self::Switch,
        Self::Vlan,
        Self::RouteTable,
        Self::Network,
        Self::LeasedLine,
        Self::Host,
        Self::HostRange,
    ];

    /// The kinds that ipamd makes for nodes: of the accepted plan, and of the cluster's Services. Those that
    /// nodes have in common come first.
    pub const NODE: [Self; 3] = [Self::ServiceAddresses, Self::NodePeers, Self::NodeNetwork];

    /// As `kind` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetworkPlan => "NetworkPlan",
            Self::Site => "Site",
            Self::Switch => "Switch",
            Self::Vlan => "Vlan",
            Self::RouteTable => "RouteTable",
            Self::Network => "Network",
            Self::LeasedLine => "LeasedLine",
            Self::Host => "Host",
            Self::HostRange => "HostRange",
            Self::NodeNetwork => "NodeNetwork",
            Self::NodePeers => "NodePeers",
            Self::ServiceAddresses => "ServiceAddresses",
        }
    }

    /// As an address of the API has it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::NetworkPlan => "networkplans",
            Self::Site => "sites",
            Self::Switch => "switches",
            Self::Vlan => "vlans",
            Self::RouteTable => "routetables",
            Self::Network => "networks",
            Self::LeasedLine => "leasedlines",
            Self::Host => "hosts",
            Self::HostRange => "hostranges",
            Self::NodeNetwork => "nodenetworks",
            Self::NodePeers => "nodepeers",
            Self::ServiceAddresses => "serviceaddresses",
        }
    }

    /// For a client of the API.
    pub fn resource(self) -> ApiResource {
        ApiResource {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            api_version: format!("{GROUP}/{VERSION}"),
            kind: self.as_str().to_owned(),
            plural: self.plural().to_owned(),
        }
    }
}

/// An object: its kind, its name, and what is declared in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `kind`.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: String,
    /// The plan that it was applied from ([`PLAN_LABEL`]); `None` where somebody else made it.
    pub plan: Option<String>,
    /// `spec`, as it is in the API.
    pub spec: Map<String, Value>,
}

impl Object {
    /// As `Kind/name`.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind.as_str(), self.name)
    }

    /// The object of the API, without what the server adds.
    pub fn to_api(&self) -> DynamicObject {
        let mut metadata = ObjectMeta {
            name: Some(self.name.clone()),
            ..ObjectMeta::default()
        };
        if let Some(plan) = &self.plan {
            let label = (PLAN_LABEL.to_owned(), plan.clone());
            metadata.labels = Some([label].into());
        }
        let mut object = DynamicObject::new(&self.name, &self.kind.resource());
        object.metadata = metadata;
        object.data = json!({"spec": self.spec});
        object
    }

    /// Of an object of the API. One that is being deleted is still there.
    pub fn of_api(kind: Kind, object: &DynamicObject) -> Self {
        let labels = object.metadata.labels.as_ref();
        Self {
            kind,
            name: object.metadata.name.clone().unwrap_or_default(),
            plan: labels.and_then(|l| l.get(PLAN_LABEL)).cloned(),
            spec: match object.data.get("spec") {
                Some(Value::Object(spec)) => spec.clone(),
                _ => Map::new(),
            },
        }
    }
}
