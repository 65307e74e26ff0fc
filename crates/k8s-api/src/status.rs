//! What the daemons say of the objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition that says whether the objects are the plan in force.
pub const ACCEPTED: &str = "Accepted";

/// The condition that says whether every NetworkPolicy of the cluster is enforced: `False` where there is any.
pub const POLICIES_ENFORCED: &str = "NetworkPoliciesEnforced";

/// Which plan is in force, and what is wrong with the objects as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPlanStatus {
    /// The plan in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedRevision>,
    /// The revision of the objects as they are now, where it is not the accepted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_revision: Option<String>,
    /// How many errors the objects have as they are now.
    #[serde(default)]
    pub errors: u32,
    /// What is wrong with the objects as they are now, in the words of `flatctl plan check`; the first
    /// hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticStatus>,
    /// `Accepted`: whether the objects, as they are now, are the plan in force. `NetworkPoliciesEnforced`:
    /// False where the cluster has NetworkPolicies, which restrict nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A plan that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRevision {
    /// SHA-256 of the plan's text, as `flatctl plan export` prints it.
    pub revision: String,
    /// Its first twelve digits.
    pub short: String,
    /// When it was accepted.
    pub since: Time,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticStatus {
    /// The code, which `flatctl explain` explains.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// The object: its kind, a slash, its name.
    pub object: String,
    /// The field of the object.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// What is said of an object of the plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// `Accepted`: False with the code where something is wrong with the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// What ipamd says of a range that it assigned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostRangeStatus {
    /// `active`, `draining`: the host assigns no more of its addresses; `quarantined`: it was released, and no
    /// other host may have it yet. Absent where the range is the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Why it drains, what it conflicts with, or when its quarantine ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why the host has it: `plan` (the plan names it), `carved` (a slice of a pool), `adopted` (the host
    /// reported it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Addresses that the host has for containers, as it last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Addresses that containers have or that are in quarantine, as the host last reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// `Accepted`: False with the code where something is wrong with the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The condition that says whether a node serves.
pub const READY: &str = "Ready";

/// What a node's netd says of the node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeNetworkStatus {
    /// The `metadata.generation` of the object as netd saw it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The node's part of the plan that is in force: of this object and of its NodePeers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedRevision>,
    /// The revision of the objects as they are now, where it is not the accepted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_revision: Option<String>,
    /// What is wrong with the objects as they are now; the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticStatus>,
    /// Addresses of all ranges together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<AddressCount>,
    /// Each range of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<RangeStatus>,
    /// How many problems the node has.
    #[serde(default)]
    pub problem_count: u32,
    /// What is wrong on the node, what keeps it from serving first; the first twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemStatus>,
    /// `Ready`: whether containers' packets pass and attaching is served. `Accepted`: whether the objects, as
    /// they are now, are the node's plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How full ranges are. IPv6 ranges count at most 2⁵³ addresses, the largest number that JSON's readers
/// agree on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressCount {
    /// Addresses that can be given to containers.
    pub capacity: u64,
    /// Addresses that containers have.
    pub used: u64,
    /// Released addresses that are not given out again yet.
    pub quarantined: u64,
    /// Addresses that can be given out now.
    pub free: u64,
}

/// A range of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RangeStatus {
    /// The network that it is of.
    pub network: String,
    /// Its prefix.
    pub prefix: String,
    /// How full it is.
    pub addresses: AddressCount,
}

/// Something wrong on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemStatus {
    /// Its code; docs/operations.md lists them.
    pub code: String,
    /// Whether the node is not ready because of it.
    pub blocking: bool,
    /// What is wrong.
    pub text: String,
    /// The command that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}
