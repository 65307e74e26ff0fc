//! [`Provider`] behind one type: its futures have types of their own, so it is not
//! `dyn`-compatible itself.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Capabilities, Failure, Provider, ProviderError, TableScope};
use crate::diff::Op;
use crate::model::{Entry, Table};

/// Any provider.
pub struct BoxedProvider(Box<dyn Erased>);

impl BoxedProvider {
    /// A provider whose type is forgotten.
    pub fn new(provider: impl Provider + 'static) -> Self {
        Self(Box::new(provider))
    }
}

trait Erased: Send + Sync {
    fn capabilities(&self, table: &TableScope) -> Capabilities;

    fn list<'a>(&'a self, table: &'a TableScope) -> BoxFuture<'a, Result<Table, ProviderError>>;

    fn write<'a>(
        &'a self,
        table: &'a TableScope,
        ops: &'a [Op],
    ) -> BoxFuture<'a, Result<Vec<Failure>, ProviderError>>;

    fn rename<'a>(
        &'a self,
        table: &'a TableScope,
        entry: &'a Entry,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;
}

impl<P: Provider> Erased for P {
    fn capabilities(&self, table: &TableScope) -> Capabilities {
        Provider::capabilities(self, table)
    }

    fn list<'a>(&'a self, table: &'a TableScope) -> BoxFuture<'a, Result<Table, ProviderError>> {
        Provider::list(self, table).boxed()
    }

    fn write<'a>(
        &'a self,
        table: &'a TableScope,
        ops: &'a [Op],
    ) -> BoxFuture<'a, Result<Vec<Failure>, ProviderError>> {
        Provider::write(self, table, ops).boxed()
    }

    fn rename<'a>(
        &'a self,
        table: &'a TableScope,
        entry: &'a Entry,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Provider::rename(self, table, entry, name).boxed()
    }
}

impl Provider for BoxedProvider {
    fn capabilities(&self, table: &TableScope) -> Capabilities {
        self.0.capabilities(table)
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        self.0.list(table).await
    }

    async fn write(&self, table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        self.0.write(table, ops).await
    }

    async fn rename(
        &self,
        table: &TableScope,
        entry: &Entry,
        name: &str,
    ) -> Result<(), ProviderError> {
        self.0.rename(table, entry, name).await
    }
}
