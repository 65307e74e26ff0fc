//! Why a round, or one table's part of it, did not come about.

use std::time::Duration;

use crate::apply::ApplyError;
use crate::desired::TargetError;
use crate::model::TableId;
use crate::providers::{OpenError, ProviderError};
use crate::ranges::RangesError;
use crate::store::StoreError;

/// Why a table was left alone, or left half-way.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum RoundError {
    /// The plan does not say enough of it.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It cannot be listed.
    #[error("cannot list {table}")]
    List {
        table: TableId,
        #[source]
        source: ProviderError,
    },
    /// Its plan was not carried out to the end.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// It takes long, and others wait for the next round.
    #[error("{table}: not done in {} s; the others do not wait: it goes on in the next round", after.as_secs())]
    Late {
        table: TableId,
        /// How long it was given.
        after: Duration,
    },
}

/// Why there was no round at all. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The plan is refused.
    #[error(transparent)]
    Plan(#[from] flatnet_plan_source::Refusal),
    /// There is no plan to go by.
    #[error(transparent)]
    NoPlan(#[from] flatnet_plan_source::OpenError),
    /// There is no way to the cluster that has the plan.
    #[error("the plan's cluster")]
    Cluster(#[source] flatnet_k8s_client::ClusterError),
    /// The plan of a cluster was not read.
    #[error("the plan of the cluster was not read yet")]
    NotRead,
    /// The plan contradicts itself.
    #[error(transparent)]
    Routes(#[from] flatnet_plan::routes::RoutesError),
    /// The state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The way to ipamd.
    #[error("ipamd: {0}")]
    Access(#[from] flatnet_client::AccessError),
    /// It is not known what hosts hold.
    #[error(transparent)]
    Ranges(#[from] RangesError),
    /// A provider cannot be set up.
    #[error(transparent)]
    Provider(#[from] OpenError),
}
