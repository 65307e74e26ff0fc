//! The messages of the platform's API, `/api/v1` ([docs/platform/api.md]). Field names are in camelCase, moments in RFC 3339,
//! durations as text (`90s`).
//!
//! An object carries the `resourceVersion` that it was read at. Who sends it back says what the change was decided on, and
//! gets 409 with the code `conflict` where somebody else was faster.
//!
//! [docs/platform/api.md]: https://github.com/flatnet/flatnet/blob/main/docs/platform/api.md

mod apps;
mod builds;
mod clusters;
mod difference;
mod problem;
mod releases;
mod sessions;

pub use apps::{
    AppObject, AppSummary, AppWrite, Claim, ClaimAnswer, ClaimObject, Instance, InstanceState,
    Instances, PlaceRequest, Placed, PlacedCell, PlacedNode, ScaleRequest, Scaled, Unread,
};
pub use builds::{BuildObject, BuildRequest};
pub use clusters::{
    ClusterAdd, ClusterCredentials, ClusterObject, ClusterUpdate, RegistryPassword, TemplateObject,
    TemplateWrite,
};
pub use difference::difference;
pub use problem::{Code, FieldProblem, Problem};
pub use releases::{
    Change, ChangeOutcome, FieldChange, PromoteRequest, ReleaseObject, ReleaseRequest,
    RollbackRequest,
};
pub use sessions::{Login, Session, WhoAmI};

use serde::{Deserialize, Serialize};

/// Where the API begins.
pub const ROOT: &str = "/api/v1";
/// The header by which a request that is sent again is known: the answer is that of the first one.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header with the seconds since the hub answered last, in answers that are made of what was seen then.
pub const STALE: &str = "flatnet-stale-seconds";

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The objects, in the order of their names unless the list says another.
    pub items: Vec<T>,
    /// What `after` is to be for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
