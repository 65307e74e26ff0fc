//! The kinds: each spec is a type of the plan, with the fields that say where in the plan it stands,
//! and without the lists that are kinds of their own.

mod node;
mod part;

use flatnet_plan::model::{self, PlanSpec};
use kube::CustomResource;
use serde_json::Value;

use crate::status::{HostRangeStatus, NetworkPlanStatus, ObjectStatus};
use part::spec;

pub use node::{
    NodeNetwork, NodeNetworkSpec, NodePeers, NodePeersSpec, ServiceAddresses, ServiceAddressesSpec,
};

spec! {
    /// The head of a plan: what is of no site, no network and no host. A cluster has one. Its status says
    /// which revision of the whole plan is in force, and what is wrong with the objects as they are.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "NetworkPlan", plural = "networkplans",
        shortname = "fnplan", category = "flatnet", schema = "disabled", status = "NetworkPlanStatus",
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "Whether the objects, as they are now, are the plan in force"),
        printcolumn(name = "Revision", type_ = "string", json_path = ".status.accepted.short",
            description = "The revision in force"),
        printcolumn(name = "Since", type_ = "date", json_path = ".status.accepted.since",
            description = "When it was accepted"),
        printcolumn(name = "Errors", type_ = "integer", json_path = ".status.errors",
            description = "What is wrong with the objects as they are now"),
        printcolumn(name = "Message", type_ = "string", priority = "1",
            json_path = ".status.conditions[?(@.type==\"Accepted\")].message",
            description = "The first error")
    )]
    pub struct NetworkPlanSpec of PlanSpec {
        without: ["cluster", "sites", "networks", "hostGroups", "hosts", "links"],
        empty: ["sites", "networks"],
    }
}

spec! {
    /// A data centre (`type: IDC`) or a VPC. Its switches, VLANs and route tables are objects of their own.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "Site", plural = "sites",
        shortname = "fnsite", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Type", type_ = "string", json_path = ".spec.type",
            description = "IDC or VPC"),
        printcolumn(name = "Region", type_ = "string", json_path = ".spec.region",
            description = "The cloud's region"),
        printcolumn(name = "VPC", type_ = "string", json_path = ".spec.vpcId",
            description = "The cloud's ID of the VPC"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct SiteSpec of model::Site {
        without: ["switches", "vlans", "routeTables"],
        empty: [],
    }
}

spec! {
    /// A physical switch of an IDC.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "Switch", plural = "switches",
        shortname = "fnsw", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The site that it is in"),
        printcolumn(name = "Peers", type_ = "string", json_path = ".spec.peers",
            description = "Switches that are one with it towards a bond"),
        printcolumn(name = "Trunk", type_ = "string", json_path = ".spec.trunk",
            description = "The VLANs on the hosts' ports"),
        printcolumn(name = "MACs", type_ = "integer", json_path = ".spec.macTableSize",
            description = "How many MAC addresses it can learn"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct SwitchSpec in site of model::Switch {
        without: [],
        empty: [],
    }
}

spec! {
    /// A VLAN of an IDC.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "Vlan", plural = "vlans",
        shortname = "fnvlan", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The site that it is in"),
        printcolumn(name = "ID", type_ = "integer", json_path = ".spec.id",
            description = "The 802.1Q ID"),
        printcolumn(name = "Role", type_ = "string", json_path = ".spec.role",
            description = "What it is for"),
        printcolumn(name = "Subnets", type_ = "string", json_path = ".spec.subnets[*].prefix",
            description = "The subnets on it"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct VlanSpec in site of model::Vlan {
        without: [],
        empty: [],
    }
}

spec! {
    /// A route table of a VPC that is ours to fill.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "RouteTable", plural = "routetables",
        shortname = "fnrt", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The VPC that it is of"),
        printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster",
            description = "The cluster whose vpc-route fills it"),
        printcolumn(name = "ID", type_ = "string", json_path = ".spec.id",
            description = "The cloud's ID"),
        printcolumn(name = "Quota", type_ = "integer", json_path = ".spec.quota",
            description = "How many custom entries it may hold"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct RouteTableSpec in site of model::RouteTable {
        without: [],
        empty: [],
    }
}

spec! {
    /// What a CNI configuration names: pools, and how they are reached.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "Network", plural = "networks",
        shortname = "fnnet", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The site that it is in"),
        printcolumn(name = "VLAN", type_ = "integer", json_path = ".spec.vlan",
            description = "The VLAN, in an IDC"),
        printcolumn(name = "Pools", type_ = "string", json_path = ".spec.pools[*].prefix",
            description = "Where the hosts' ranges come from"),
        printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.pools[0].cluster",
            description = "The cluster whose containers have its addresses"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct NetworkSpec of model::Network {
        without: [],
        empty: [],
    }
}

spec! {
    /// A leased line between an IDC's edge router and a VPC.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "LeasedLine", plural = "leasedlines",
        shortname = "fnline", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "IDC", type_ = "string", json_path = ".spec.idc",
            description = "The data centre"),
        printcolumn(name = "VPC", type_ = "string", json_path = ".spec.vpc",
            description = "The VPC"),
        printcolumn(name = "VBR", type_ = "string", json_path = ".spec.vbr.id",
            description = "The cloud's router at the line's end"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct LeasedLineSpec of model::LeasedLine {
        without: [],
        empty: [],
    }
}

spec! {
    /// A machine that runs containers. Its ranges are objects of their own.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "Host", plural = "hosts",
        shortname = "fnhost", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The site that it is in"),
        printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster",
            description = "The cluster whose node it is"),
        printcolumn(name = "Addresses", type_ = "string", json_path = ".spec.addresses",
            description = "Its own addresses"),
        printcolumn(name = "Uplink", type_ = "string", json_path = ".spec.uplink.interface",
            description = "The NIC or the bond that netd uses"),
        printcolumn(name = "Rack", type_ = "string", json_path = ".spec.location.rack", priority = "1",
            description = "Where it stands"),
        printcolumn(name = "Instance", type_ = "string", json_path = ".spec.instanceId", priority = "1",
            description = "The cloud's ID of the instance"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct HostSpec of model::Host {
        without: ["ranges"],
        empty: [],
    }
}

spec! {
    /// A slice of a pool that one host owns. It is never changed: a range that moves is another object. Those
    /// with the label `flatnet.io/assigned` are ipamd's ledger, and no part of the plan.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "HostRange", plural = "hostranges",
        shortname = "fnrange", category = "flatnet", schema = "disabled", status = "HostRangeStatus",
        printcolumn(name = "Host", type_ = "string", json_path = ".spec.host",
            description = "The host that owns it"),
        printcolumn(name = "Network", type_ = "string", json_path = ".spec.network",
            description = "The network whose pool it is of"),
        printcolumn(name = "Prefix", type_ = "string", json_path = ".spec.prefix",
            description = "Its addresses"),
        printcolumn(name = "State", type_ = "string", json_path = ".status.state",
            description = "active, draining or quarantined, where ipamd assigned it"),
        printcolumn(name = "Used", type_ = "integer", json_path = ".status.used",
            description = "Addresses in use or in quarantine, as the host reported"),
        printcolumn(name = "Capacity", type_ = "integer", json_path = ".status.capacity",
            description = "Addresses that the host has for containers"),
        printcolumn(name = "Source", type_ = "string", json_path = ".status.source", priority = "1",
            description = "Why the host has it: plan, carved or adopted"),
        printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason", priority = "1",
            description = "Why it drains, what it conflicts with, when its quarantine ends"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "False where something is wrong with it")
    )]
    pub struct HostRangeSpec in host of model::Range {
        without: [],
        empty: [],
    }
}
