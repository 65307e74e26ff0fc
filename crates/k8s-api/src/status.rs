//! What the daemons say of the objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The condition that says whether the objects are the plan in force.
pub const ACCEPTED: &str = "Accepted";

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
    /// `Accepted`: whether the objects, as they are now, are the plan in force.
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
