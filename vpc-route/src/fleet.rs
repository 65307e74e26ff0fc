//! The configured providers, each for its tables.

use std::collections::BTreeMap;

use crate::aliyun::Client;
use crate::diff::Op;
use crate::model::{Entry, Table, TableId};
use crate::provider::{Failure, Provider, ProviderError};
use crate::router::{FileRouter, FrrRouter, LinuxRouter};

/// Finds a table's provider: an edge router by its name, everything else is Aliyun's.
#[derive(Default)]
pub struct Fleet {
    /// Aliyun's API, where it is configured.
    pub aliyun: Option<Client>,
    /// Edge routers, by name.
    pub routers: BTreeMap<TableId, Router>,
}

/// A router of one kind or another.
pub enum Router {
    /// Its routes are in a file.
    File(FileRouter),
    /// Its routes are FRR's.
    Frr(FrrRouter),
    /// Its routes are a kernel's.
    Linux(LinuxRouter),
}

enum One<'a> {
    Aliyun(&'a Client),
    File(&'a FileRouter),
    Frr(&'a FrrRouter),
    Linux(&'a LinuxRouter),
}

impl Fleet {
    fn of(&self, table: &TableId) -> Result<One<'_>, ProviderError> {
        let router = self.routers.get(table).map(|router| match router {
            Router::File(router) => One::File(router),
            Router::Frr(router) => One::Frr(router),
            Router::Linux(router) => One::Linux(router),
        });
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
            One::File(router) => router.list(table).await,
            One::Frr(router) => router.list(table).await,
            One::Linux(router) => router.list(table).await,
        }
    }

    async fn write(&self, table: &TableId, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        match self.of(table)? {
            One::Aliyun(client) => Provider::write(client, table, ops).await,
            One::File(router) => router.write(table, ops).await,
            One::Frr(router) => router.write(table, ops).await,
            One::Linux(router) => router.write(table, ops).await,
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
            One::File(router) => router.rename(table, entry, name).await,
            One::Frr(router) => router.rename(table, entry, name).await,
            One::Linux(router) => router.rename(table, entry, name).await,
        }
    }
}
