//! The API as a [`Provider`].

use flatnet_plan::routes::TableKind;

use super::client::Client;
use super::table::{BATCH, RefusedEntry};
use crate::diff::{InPlace, Op, QuotaKind};
use crate::model::{Entry, Prefix, Table};
use crate::providers::{Call, Capabilities, Failure, Provider, ProviderError, TableScope};

/// 100.64.0.0/10: the cloud's own services live there.
const CLOUDS_OWN: &str = "100.64.0.0/10";

impl Provider for Client {
    fn capabilities(&self, table: &TableScope) -> Capabilities {
        let in_vpc = table.kind == TableKind::VpcRouteTable;
        let reserved = CLOUDS_OWN.parse::<Prefix>().ok().filter(|_| in_vpc);
        Capabilities {
            batch: BATCH,
            // `ModifyRouteEntry` takes one entry.
            batch_modify: false,
            // `CreateRouteEntries` has one `NextHop` an entry.
            batch_equal_cost: false,
            // `ModifyRouteEntry` has a single `NewNextHopId`.
            in_place: InPlace::Single,
            equal_cost: if in_vpc { 4 } else { 1 },
            quota: QuotaKind::Table,
            reserved: reserved.into_iter().collect(),
        }
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let listed = Client::list(self, &table.id).await;
        listed.map_err(|e| e.neutral(Call::List))
    }

    async fn write(&self, table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        let failed = Client::write(self, &table.id, ops).await;
        let failed = failed.map_err(|e| e.neutral(Call::Write))?;
        Ok(failed.into_iter().map(failure).collect())
    }

    async fn rename(
        &self,
        _table: &TableScope,
        entry: &Entry,
        name: &str,
    ) -> Result<(), ProviderError> {
        let id = entry.id.as_deref().unwrap_or_default();
        let renamed = Client::rename(self, id, name).await;
        renamed.map_err(|e| e.neutral(Call::Write))
    }
}

fn failure(failed: RefusedEntry) -> Failure {
    Failure {
        destination: failed.destination,
        next_hop: failed.next_hop,
        retryable: failed.code.is_retryable(),
        code: failed.code.as_str().to_owned(),
        message: failed.message,
    }
}
