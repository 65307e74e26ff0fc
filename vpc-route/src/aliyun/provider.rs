//! The API as a [`Provider`].

use super::client::Client;
use super::table::{BATCH, Failed};
use crate::diff::Op;
use crate::model::{Entry, Table, TableId};
use crate::provider::{Failure, Provider, ProviderError};

impl Provider for Client {
    fn batch(&self) -> usize {
        BATCH
    }

    fn shares(&self, op: &Op) -> bool {
        match op {
            // CreateRouteEntries has one NextHop an entry.
            Op::Create { next_hops, .. } => next_hops.single().is_some(),
            Op::Delete { .. } => true,
            Op::Modify { .. } => false,
        }
    }

    async fn list(&self, table: &TableId) -> Result<Table, ProviderError> {
        Ok(Client::list(self, table).await?)
    }

    async fn write(&self, table: &TableId, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        let failed = Client::write(self, table, ops).await?;
        Ok(failed.into_iter().map(failure).collect())
    }

    async fn rename(
        &self,
        _table: &TableId,
        entry: &Entry,
        name: &str,
    ) -> Result<(), ProviderError> {
        let id = entry.id.as_deref().unwrap_or_default();
        Ok(Client::rename(self, id, name).await?)
    }
}

fn failure(failed: Failed) -> Failure {
    Failure {
        destination: failed.destination,
        next_hop: failed.next_hop,
        retryable: failed.code.is_retryable(),
        code: failed.code.as_str().to_owned(),
        message: failed.message,
    }
}
