//! The kinds. Specs are what people want, statuses what the controller says.

#![allow(
    clippy::duplicated_attributes,
    reason = "columns of one type: each `printcolumn` is an attribute of its own to kube"
)]

mod access;
mod app;
mod build;
mod cluster;
mod common;
mod release;
mod template;

pub use access::{
    Grant, GrantSpec, LocationClaim, LocationClaimSpec, LocationClaimStatus, Role, Subject,
};
pub use app::{
    App, AppSpec, AppStatus, Deadlines, Discovery, Gate, KeepOld, LocationWish, Locations, Metrics,
    OnFailure, PlacementSpec, ReleasePolicy, Resources, Scale, Signal, SignalLoss, Spread, Step,
    TemplateRef,
};
pub use build::{
    BUILD_CONTAINERS, BUILD_LABEL, BUILDS_NAMESPACE, Build, BuildPhase, BuildSpec, BuildStatus,
    TEAM_LABEL,
};
pub use cluster::{
    Cluster, ClusterSpec, ClusterState, ClusterStatus, GroupHeadroom, NodeGroup, Reachable,
    SecretRef,
};
pub use common::{CellCount, Hooks, Stable};
pub use release::{
    ClusterCount, Decision, GateStatus, HistoryEntry, Phase, Release, ReleaseKind, ReleaseSpec,
    ReleaseStatus, Timers, Verdict,
};
pub use template::{Template, TemplateSpec};
