//! The configured providers, each for its tables.

use std::collections::BTreeMap;

use crate::aliyun::Client;
use crate::diff::Op;
use crate::model::{Entry, Table, TableId};
use crate::provider::{Failure, Provider, ProviderError};
use crate::router::FileRouter;

/// Finds a table's provider: an edge router by its name, everything else is Aliyun's.
#[derive(Default)]
pub struct Fleet {
    /// Aliyun's API, where it is configured.
    pub aliyun: Option<Client>,
    /// Edge routers, by name.
    pub routers: BTreeMap<TableId, FileRouter>,
}

enum One<'a> {
    Aliyun(&'a Client),
    Router(&'a FileRouter),
}

impl Fleet {
    fn of(&self, table: &TableId) -> Result<One<'_>, ProviderError> {
        let router = self.routers.get(table).map(One::Router);
        let found = router.or_else(|| self.aliyun.as_ref().map(One::Aliyun));
        found.ok_or_else(|| ProviderError::NotConfigured {
            table: table.clone(),
        })
    }
}

impl Provider for Fleet {
    fn batch(&self) -> usize {
        crate::aliyun::table::BATCH
    }

    fn shares(&self, op: &Op) -> bool {
        self.aliyun.as_ref().is_none_or(|client| client.shares(op))
    }

    async fn list(&self, table: &TableId) -> Result<Table, ProviderError> {
        match self.of(table)? {
            One::Aliyun(client) => Provider::list(client, table).await,
            One::Router(router) => router.list(table).await,
        }
    }

    async fn write(&self, table: &TableId, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        match self.of(table)? {
            One::Aliyun(client) => Provider::write(client, table, ops).await,
            One::Router(router) => router.write(table, ops).await,
        }
    }

    async fn rename(
        &self,
        table: &TableId,
        entry: &Entry,
        name: &str,
    ) -> Result<(), ProviderError> {
        match self.of(table)? {
            One::Aliyun(client) => Provider::rename(client, table, entry, name).await,
            One::Router(router) => router.rename(table, entry, name).await,
        }
    }
}
