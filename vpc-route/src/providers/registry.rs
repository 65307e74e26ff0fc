//! The configured providers, each for its tables.

use std::collections::BTreeMap;
use std::time::Duration;

use super::file::FileRouter;
use super::frr::FrrRouter;
use super::linux::LinuxRouter;
use super::{
    BoxedProvider, CLOUDS, Capabilities, CloudConfig, EdgeConfig, Environment, ErrorKind, Failure,
    NotConfigured, OpenError, Provider, ProviderError, TableScope,
};
use crate::diff::Op;
use crate::model::{Entry, Table, TableId};

/// The keys of the clouds' sections in the configuration.
pub fn cloud_keys() -> Vec<&'static str> {
    CLOUDS.iter().map(|cloud| cloud.key()).collect()
}

/// A cloud's key and its section of a configuration.
pub type CloudSection = (&'static str, Box<dyn CloudConfig>);

/// The clouds' sections of a configuration's text.
///
/// # Errors
/// A section is not as it should be.
pub fn cloud_sections(text: &str) -> Result<Vec<CloudSection>, serde_norway::Error> {
    let mut found = Vec::new();
    for cloud in CLOUDS {
        if let Some(section) = cloud.section(text)? {
            found.push((cloud.key(), section));
        }
    }
    Ok(found)
}

/// Finds a table's provider: an edge router by its name, every other table is the cloud's.
#[derive(Default)]
pub struct ProviderRegistry {
    cloud: Option<BoxedProvider>,
    call_gap: Duration,
    routers: BTreeMap<TableId, BoxedProvider>,
}

impl ProviderRegistry {
    /// The providers that a configuration's sections name; nothing is called yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        cloud: Option<&dyn CloudConfig>,
        edge_routers: &BTreeMap<TableId, EdgeConfig>,
        environment: &Environment,
    ) -> Result<Self, OpenError> {
        let mut found = Self::default();
        if let Some(cloud) = cloud {
            found.call_gap = cloud.call_gap();
            found.cloud = Some(cloud.open(environment.clone())?);
        }
        for (name, edge) in edge_routers {
            let cluster = environment.cluster.clone();
            let router = match edge {
                EdgeConfig::File { path } => BoxedProvider::new(FileRouter::new(path)),
                EdgeConfig::Frr(frr) => BoxedProvider::new(FrrRouter::new(frr.clone(), cluster)),
                EdgeConfig::Linux { netns } => {
                    let router = LinuxRouter::start(netns.as_deref(), cluster);
                    BoxedProvider::new(router.map_err(OpenError::new)?)
                }
            };
            found.routers.insert(name.clone(), router);
        }
        Ok(found)
    }

    /// The least time between two calls.
    pub fn call_gap(&self) -> Duration {
        self.call_gap
    }

    fn of(&self, table: &TableScope) -> Result<&BoxedProvider, ProviderError> {
        let router = self.routers.get(&table.id);
        router.or(self.cloud.as_ref()).ok_or_else(|| {
            let table = table.id.clone();
            ProviderError::new(ErrorKind::Refused, NotConfigured { table })
        })
    }
}

impl Provider for ProviderRegistry {
    fn capabilities(&self, table: &TableScope) -> Capabilities {
        // Without a provider the listing fails, and nothing is planned.
        self.of(table)
            .map_or_else(|_| Capabilities::default(), |p| p.capabilities(table))
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        self.of(table)?.list(table).await
    }

    async fn write(&self, table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        self.of(table)?.write(table, ops).await
    }

    async fn rename(
        &self,
        table: &TableScope,
        entry: &Entry,
        name: &str,
    ) -> Result<(), ProviderError> {
        self.of(table)?.rename(table, entry, name).await
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    /// A cloud is its folder, its declaration and its line in `CLOUDS`.
    #[test]
    fn nothing_outside_of_a_clouds_folder_names_it_but_its_declaration_and_its_line() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        sources(&root, &mut files);
        for cloud in super::cloud_keys() {
            let folder = root.join("providers").join(cloud);
            assert!(folder.is_dir(), "{}", folder.display());
            let mut named = Vec::new();
            for path in files.iter().filter(|path| !path.starts_with(&folder)) {
                let text = fs::read_to_string(path).unwrap();
                let lines = text.lines().filter(|l| l.to_lowercase().contains(cloud));
                let file = path.strip_prefix(&root).unwrap().display();
                named.extend(lines.map(|line| format!("{file}: {}", line.trim())));
            }
            assert_eq!(named.len(), 2, "{named:#?}");
            assert!(
                named.iter().all(|l| l.starts_with("providers/mod.rs: ")),
                "{named:#?}"
            );
        }
    }
}
