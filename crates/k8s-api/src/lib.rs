//! The plan as Kubernetes objects, `flatnet.io/v1alpha1`: the custom resources, and the way from a
//! plan to objects and back. No I/O.
//!
//! ```text
//!   [kinds] the plan's own types, each as the spec of a kind ─▶ [schema] ─▶ [crd] deploy/crds/*.yaml
//!
//!   plan.yaml ─▶ [plan] written out, every cluster named ─▶ [split] ─▶ objects ─▶ API server
//!                                                                                    │
//!   flatnet_plan::diagnose ◀── document (YAML) ◀── [join] ◀────────── objects ◀──────┘
//!             └── diagnostics ─▶ [join::Joined::blame]: the object and the field of each
//!
//!   Services, ServiceCIDRs ─▶ [service] addresses
//!   accepted plan ─▶ [node] parts of nodes, lists of peers ─▶ API server ─▶ [node::document] of one node
//!
//!   ipamd's lease ─▶ [range] a HostRange that is no part of the plan ─▶ API server ─▶ the lease again
//!   [addresses] of a label selector's pods: of no plan
//!   [in_service] the condition of a pod that netd writes: of no plan
//! ```
//!
//! # Guarantees
//! - There is one model: a field that the plan gains is in the custom resource with the next
//!   `UPDATE_DOCS=1 cargo test -p flatnet-k8s-api`, and in the objects at once.
//! - `join(split(plan))` is the plan, in the order of names ([`plan::resolved`]).
//! - A field that this version does not know is in the document that [`join()`] writes, and is refused
//!   there with its code (FN0002); it is never dropped.

pub mod addresses;
pub mod crd;
pub mod in_service;
pub mod join;
pub mod kinds;
pub mod name;
pub mod network_policy;
pub mod node;
pub mod object;
pub mod own_node;
pub mod plan;
pub mod pod_event;
pub mod range;
mod schema;
pub mod service;
pub mod split;
pub mod status;

pub use join::{Joined, join};
pub use object::{Kind, Object};
pub use split::{SplitError, split};

/// The API group.
pub const GROUP: &str = "flatnet.io";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// The label that names the plan an object was applied from: what `flatctl plan apply` may delete.
pub const PLAN_LABEL: &str = "flatnet.io/plan";
