//! The pod condition `flatnet.io/in-service`, which netd alone writes at the pods of its own node. Pure.
//!
//! ```text
//!   Pod ──────────▶ [GatedPod] ─────┐
//!   attachments ────────────────────┼─▶ [decide] ─▶ [State] ─▶ [patch] ─▶ status.conditions
//!   AddressSets ─▶ [Sets] waits ────┤
//!   EndpointSlices ─▶ [Slices] ─┐   │
//!   new connections ────────────┴─▶ [Drain] (who is not wished to serve)
//! ```
//!
//! # Guarantees
//! - A condition that is True is withdrawn by what the pod and its node say, and never by an AddressSet: a list that
//!   has an address keeps it, so that another pod's arrival, a new set, or a subscriber that is late does not
//!   take a pod out that serves.
//! - What is not known decides nothing: [`decide`] gives `None`.

mod drain;
mod pod;
mod probes;
mod sets;
mod slices;
mod state;

pub use drain::{Counts, Drain, Drained, Offered, Progress};
pub use pod::{GatedPod, QUIET_DEFAULT, Shown};
pub use sets::{Sets, Wait};
pub use slices::{Slice, Slices};
pub use state::{State, decide, patch};

/// The readiness gate, and the condition's type.
pub const IN_SERVICE: &str = "flatnet.io/in-service";
/// The label by which a pod is wished to be in service: `true`.
pub const SERVE_LABEL: &str = "flatnet.io/serve";
/// The annotation with how long no new connection may come before a pod is drained: `2s`, `1500ms`.
pub const QUIET_ANNOTATION: &str = "flatnet.io/quiet";
/// The reason of the condition of a pod that is drained.
pub const DRAINED: &str = "Drained";
