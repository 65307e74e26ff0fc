//! Providers: what lists and writes the route tables of one kind of place.
//!
//! ```text
//!   controller, apply ──▶ [registry] ── by table ──┬─▶ a cloud  (one folder each, one line below)
//!        Capabilities, Table ◀──┐                  ├─▶ frr      (an edge router's daemons)
//!        ProviderError ◀────────┴──────────────────├─▶ linux    (a kernel)
//!                                                  └─▶ file     (a configuration file)
//! ```
//!
//! The rest of vpc-route knows [`Provider`], [`Capabilities`] and [`ProviderError`] only. A cloud's
//! names, codes and limits stay in its folder.

mod boxed;
mod capabilities;
mod cloud;
mod edge;
mod error;
pub mod file;
pub mod frr;
pub mod linux;
pub mod registry;

// A cloud is a folder, declared here and listed in `CLOUDS`.
pub mod aliyun;
#[cfg(test)]
mod aws;

/// The clouds that a configuration may have a section for.
static CLOUDS: &[&dyn Cloud] = &[
    &aliyun::Aliyun,
    #[cfg(test)]
    &aws::Aws,
];

use std::future::Future;
use std::time::Duration;

use flatnet_plan::routes::TableKind;

use crate::diff::Op;
use crate::model::{Entry, Prefix, Table, TableId};
pub use boxed::BoxedProvider;
pub use capabilities::Capabilities;
pub use cloud::{Cloud, CloudConfig, Environment, OpenError};
pub use edge::EdgeConfig;
pub use error::{Call, ErrorKind, NotConfigured, ProviderError};
pub use registry::ProviderRegistry;

/// A table, and what its provider may need from the plan to tell whose its entries are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableScope {
    /// The provider's ID of the table; an edge router's is its name in the plan.
    pub id: TableId,
    /// What kind of table the plan has it as.
    pub kind: TableKind,
    /// The pools of all of the plan's networks. A provider whose entries have no names counts
    /// only entries inside these as managed.
    pub pools: Vec<Prefix>,
}

impl TableScope {
    /// A table of a VPC, with no pools.
    pub fn of_vpc(id: impl Into<String>) -> Self {
        Self {
            id: TableId(id.into()),
            kind: TableKind::VpcRouteTable,
            pools: Vec::new(),
        }
    }

    /// The table of an edge router, with no pools.
    pub fn of_router(name: impl Into<String>) -> Self {
        Self {
            kind: TableKind::EdgeRouter,
            ..Self::of_vpc(name)
        }
    }
}

/// Lists and writes route tables.
pub trait Provider: Send + Sync {
    /// What the provider can do in this table.
    fn capabilities(&self, table: &TableScope) -> Capabilities;

    /// Every entry of a table. Managed entries bear a name that
    /// [`Owner::parse`](crate::model::Owner::parse) understands; where the place has no names, the
    /// provider gives them one of generation 0.
    ///
    /// # Errors
    /// The table cannot be listed whole.
    fn list(&self, table: &TableScope)
    -> impl Future<Output = Result<Table, ProviderError>> + Send;

    /// Writes ops of one kind that do not overlap, as many as [`Capabilities`] lets share a call.
    /// The result has those that failed; the others were accepted, and are in force when a listing
    /// shows them.
    ///
    /// # Errors
    /// Nothing was accepted, unless the kind is [`ErrorKind::Ambiguous`].
    fn write(
        &self,
        table: &TableScope,
        ops: &[Op],
    ) -> impl Future<Output = Result<Vec<Failure>, ProviderError>> + Send;

    /// Gives an entry another name and leaves its next hops as they are.
    ///
    /// # Errors
    /// The entry keeps its name, unless the kind is [`ErrorKind::Ambiguous`].
    fn rename(
        &self,
        table: &TableScope,
        entry: &Entry,
        name: &str,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// One op of a batch that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The destination, as the provider named it.
    pub destination: Option<Prefix>,
    /// The next hop's ID, as the provider named it; empty: any.
    pub next_hop: String,
    /// The provider's code.
    pub code: String,
    /// The provider's message.
    pub message: String,
    /// Whether the same op may succeed later.
    pub retryable: bool,
}

/// Notified of every call to a cloud's API: for metrics.
pub trait Observer: Send + Sync {
    /// A call ended after this time, with the code of its error or `ok`.
    fn called(&self, action: &'static str, code: &str, took: Duration);
}
