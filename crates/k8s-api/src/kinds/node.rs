//! What nodes read: made of the accepted plan by ipamd, and by nobody else.

use flatnet_plan::model::PlanSpec;
use flatnet_plan::part::Peers;
use flatnet_plan::services::ServiceAddresses as Served;
use kube::CustomResource;
use serde_json::Value;

use super::part::{self, spec};
use crate::status::{NodeNetworkStatus, ObjectStatus};

spec! {
    /// The part of the accepted plan that one node needs. ipamd writes it, and puts back what somebody else
    /// changes: change the plan's own objects instead. Its status is written by the node's netd.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "NodeNetwork", plural = "nodenetworks",
        shortname = "fnnode", category = "flatnet", schema = "disabled", status = "NodeNetworkStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.sites[0].name",
            description = "The site that the node is in"),
        printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status",
            description = "Whether containers' packets pass and attaching is served"),
        printcolumn(name = "Accepted", type_ = "string", json_path = ".status.conditions[?(@.type==\"Accepted\")].status",
            description = "Whether the node takes this object, as it is now, for its plan"),
        printcolumn(name = "Revision", type_ = "string", json_path = ".status.accepted.short",
            description = "The revision of the node's part that is in force"),
        printcolumn(name = "Used", type_ = "integer", json_path = ".status.addresses.used",
            description = "Addresses that containers have"),
        printcolumn(name = "Free", type_ = "integer", json_path = ".status.addresses.free",
            description = "Addresses that can be given out now"),
        printcolumn(name = "Problems", type_ = "integer", json_path = ".status.problemCount",
            description = "What netd names as wrong on the node"),
        printcolumn(name = "Quarantine", type_ = "integer", json_path = ".status.addresses.quarantined", priority = "1",
            description = "Released addresses that are not given out again yet"),
        printcolumn(name = "Since", type_ = "date", json_path = ".status.accepted.since", priority = "1",
            description = "When the revision in force was accepted"),
        printcolumn(name = "Problem", type_ = "string", json_path = ".status.problems[0].text", priority = "1",
            description = "The first problem")
    )]
    pub struct NodeNetworkSpec in plan of PlanSpec {
        without: ["cluster", "density", "allow", "budgets", "hostGroups", "links"],
        empty: [],
    }
}

spec! {
    /// What the nodes of a vSwitch need of each other: the networks, and every host with its ranges. One object
    /// for all of them, so that a change of one host is no write for each of its neighbours. ipamd writes it,
    /// and puts back what somebody else changes.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "NodePeers", plural = "nodepeers",
        shortname = "fnpeers", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Site", type_ = "string", json_path = ".spec.site",
            description = "The VPC"),
        printcolumn(name = "vSwitch", type_ = "string", json_path = ".spec.vSwitch",
            description = "The vSwitch"),
        printcolumn(name = "Networks", type_ = "string", json_path = ".spec.networks[*].name",
            description = "The networks that its hosts have ranges of")
    )]
    pub struct NodePeersSpec of Peers {
        without: [],
        empty: [],
    }
}

spec! {
    /// What kube-proxy serves on every node beside the plan's service prefixes: of the cluster's ServiceCIDRs,
    /// of Services' external IPs and of load balancers' addresses. One object, named `cluster`, for all nodes.
    /// ipamd writes it, and puts back what somebody else changes.
    #[derive(CustomResource, Debug, Clone, PartialEq)]
    #[kube(
        group = "flatnet.io", version = "v1alpha1", kind = "ServiceAddresses", plural = "serviceaddresses",
        shortname = "fnservices", category = "flatnet", schema = "disabled", status = "ObjectStatus",
        printcolumn(name = "Prefixes", type_ = "string", json_path = ".spec.prefixes[*]",
            description = "What nodes give to kube-proxy"),
        printcolumn(name = "Refused", type_ = "integer", json_path = ".spec.refusedCount",
            description = "Claims that are refused"),
        printcolumn(name = "Of", type_ = "string", json_path = ".spec.refused[0].of",
            description = "Whose the first refused claim is"),
        printcolumn(name = "Why", type_ = "string", json_path = ".spec.refused[0].why", priority = "1",
            description = "Why it is refused")
    )]
    pub struct ServiceAddressesSpec of Served {
        without: [],
        empty: [],
    }
}
