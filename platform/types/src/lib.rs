//! The release platform's objects, `platform.flatnet.io/v1alpha1`, as they are on the hub cluster. No I/O.
//!
//! ```text
//!   [kinds] Cluster Template App Build Release Grant LocationClaim ─▶ [crd] deploy/platform/crds/*.yaml
//!      ├─▶ platform/engine: step(app, release, observed, now), place(request, headroom)
//!      └─▶ [api]: the messages of platform/server and its clients
//! ```
//!
//! # Guarantees
//! - Every number says its unit in its name or is a count. Durations are text (`90s`, `5m`, `24h`), moments are
//!   RFC 3339 in UTC.
//! - What one object can prove is a rule (CEL) in its definition. Two objects that are valid each may be wrong
//!   together: the controller's acceptance is the truth.

pub mod amount;
pub mod api;
pub mod crd;
pub mod kinds;
pub mod moment;
pub mod revision;
mod schema;
pub mod span;

pub use amount::Amount;
pub use moment::Moment;
pub use revision::revision;
pub use span::Span;

/// The API group.
pub const GROUP: &str = "platform.flatnet.io";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// The label on a pod that wishes it to serve (`true`) or not (`false`); its default is in the ReplicaSet's
/// template, so that a replacement serves without the hub.
pub const SERVE_LABEL: &str = "flatnet.io/serve";
/// The readiness gate and condition that says that a pod may receive new connections. netd alone writes it.
pub const IN_SERVICE: &str = "flatnet.io/in-service";
