//! The pod condition `flatnet.io/in-service`, which netd alone writes at the pods of its own node. Pure.
//!
//! ```text
//!   Pod ──────────▶ [GatedPod] ─┐
//!   attachments ────────────────┼─▶ [decide] ─▶ [State] ─▶ [patch] ─▶ status.conditions
//!   AddressSets ─▶ [Sets] waits ┘
//! ```
//!
//! # Guarantees
//! - A condition that is True is withdrawn by what the pod and its node say, and never by an AddressSet: a list that
//!   has an address keeps it, so that another pod's arrival, a new set, or a subscriber that is late does not
//!   take a pod out that serves.
//! - What is not known decides nothing: [`decide`] gives `None`.

mod pod;
mod sets;
mod state;

pub use pod::{GatedPod, Shown};
pub use sets::{Sets, Wait};
pub use state::{State, decide, patch};

/// The readiness gate, and the condition's type.
pub const IN_SERVICE: &str = "flatnet.io/in-service";
/// The label by which a pod is wished to be in service: `true`.
pub const SERVE_LABEL: &str = "flatnet.io/serve";
