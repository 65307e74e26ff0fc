//! The configuration file, in two layers: as it is written, then checked.

mod lease;
mod sections;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_client::{Access, AccessError, Client, Endpoint};
use flatnet_leader::{LeaseKind, Participant};
use serde::Deserialize;

use crate::diff::MassDelete;
use crate::model::{ClusterName, TableId};
use crate::providers::{CloudConfig, registry};

pub use crate::providers::EdgeConfig;

/// The file, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Where it was read from.
    #[serde(skip)]
    pub path: PathBuf,
    /// Whose entries are ours.
    pub cluster: ClusterName,
    /// The plan.
    pub plan: PlanOrigin,
    /// Where ranges come from that the plan does not declare; none: it declares them all.
    #[serde(default)]
    pub ipamd: Option<IpamdConfig>,
    /// Where the lease, what was seen, ranges and recorded states are.
    #[serde(default = "state_dir")]
    pub state_dir: PathBuf,
    /// The time between two looks at the tables, in seconds.
    #[serde(default = "thirty")]
    pub interval_seconds: u64,
    /// How long an orphan stays, in seconds.
    #[serde(default = "sixty")]
    pub grace_seconds: u64,
    /// Where the lease is.
    #[serde(default)]
    pub lease: LeaseKind,
    /// The line of `lease`, for messages.
    #[serde(skip)]
    pub lease_line: Option<usize>,
    /// How long a standby waits for a leader that does not renew, in seconds.
    #[serde(default = "ten")]
    pub lease_seconds: u64,
    /// When to stop and ask.
    #[serde(default)]
    pub mass_delete: MassDelete,
    /// Where metrics are served, such as `127.0.0.1:9470`.
    #[serde(default)]
    pub metrics: Option<std::net::SocketAddr>,
    /// Where `run` serves root of this machine what the tables hold; `null`: nowhere.
    #[serde(default = "socket")]
    pub socket: Option<PathBuf>,
    /// The section of the cloud that has the plan's VPCs; its key is the cloud's.
    #[serde(skip)]
    pub cloud: Option<Box<dyn CloudConfig>>,
    /// Edge routers by name, each with the way to its static routes.
    #[serde(default)]
    pub edge_routers: BTreeMap<TableId, EdgeConfig>,
}

/// Where the plan comes from: `plan: /etc/flatnet/plan.yaml`, or `plan: {cluster: {}}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "a file's path, or `cluster:` with `{}` or `{kubeconfig: FILE}`"
)]
pub enum PlanOrigin {
    /// A file.
    File(PathBuf),
    /// The objects of a Kubernetes cluster, as ipamd has accepted them.
    Objects(ObjectsConfig),
}

/// The objects of a cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// The cluster.
    pub cluster: ClusterAccess,
}

/// The way to a cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterAccess {
    /// A kubeconfig; none: as kubectl finds it, in a pod by its service account.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
}

/// How to reach ipamd.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IpamdConfig {
    /// `unix:PATH`, `https://HOST:PORT` or `http://HOST:PORT`.
    pub endpoint: Endpoint,
    /// The file with the token that it wants over TCP.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// The authority of its certificate.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The certificate that says who this is.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// Its key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}{}", path.display(), place(source))]
    Form {
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_norway::Error,
    },
    /// Sections of two clouds.
    #[error("{}: `{first}` and `{second}`: one vpc-route keeps the tables of one cloud", path.display())]
    TwoClouds {
        path: PathBuf,
        /// The key of one section.
        first: &'static str,
        /// The key of the other.
        second: &'static str,
    },
    /// A number that cannot be.
    #[error("{}: {field} must be at least {least}", path.display())]
    TooSmall {
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// The smallest that makes sense.
        least: u64,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Any of [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = flatnet_files::read_text(path, flatnet_files::STATE_MAX).map_err(|source| {
            ConfigError::Read {
                path: path.to_owned(),
                source,
            }
        })?;
        let form = |source| ConfigError::Form {
            path: path.to_owned(),
            source,
        };
        let mut config = sections::without::<Self>(&text, &registry::cloud_keys()).map_err(form)?;
        let mut clouds = registry::cloud_sections(&text).map_err(form)?.into_iter();
        if let (Some((first, cloud)), second) = (clouds.next(), clouds.next()) {
            if let Some((second, _)) = second {
                return Err(ConfigError::TwoClouds {
                    path: path.to_owned(),
                    first,
                    second,
                });
            }
            config.cloud = Some(cloud);
        }
        config.lease_line = lease::line(&text);
        config.path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        for (field, value, least) in [
            ("intervalSeconds", config.interval_seconds, 1),
            ("leaseSeconds", config.lease_seconds, 3),
        ] {
            if value < least {
                return Err(ConfigError::TooSmall {
                    path: path.to_owned(),
                    field,
                    least,
                });
            }
        }
        Ok(config)
    }

    /// How long a standby waits for a leader that does not renew.
    pub fn lease_duration(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// What the election of the leader needs to know.
    pub fn participant(&self) -> Participant {
        Participant {
            lease: self.lease.clone(),
            default_file: self.state_dir.join("lease.json"),
            duration: self.lease_duration(),
            place: self.lease_place(),
            manifest: "deploy/kubernetes/vpc-route-lease.yaml",
        }
    }

    /// Where the lease is asked for, for messages: the file, and the line if there is one.
    pub fn lease_place(&self) -> String {
        match self.lease_line {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

/// `:LINE:COLUMN`, where an error has one.
fn place(error: &serde_norway::Error) -> String {
    let at = error.location();
    at.map_or(String::new(), |at| {
        format!(":{}:{}", at.line(), at.column())
    })
}

impl IpamdConfig {
    /// A client of it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn client(&self) -> Result<Client, AccessError> {
        let access = Access {
            token_file: self.token_file.clone(),
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
        };
        Client::open(self.endpoint.clone(), access)
    }
}

fn state_dir() -> PathBuf {
    PathBuf::from("/var/lib/flatnet/vpc-route")
}

#[allow(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
fn socket() -> Option<PathBuf> {
    Some(PathBuf::from("/run/flatnet/vpc-route.sock"))
}

fn ten() -> u64 {
    10
}

fn thirty() -> u64 {
    30
}

fn sixty() -> u64 {
    60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configurations_that_are_shipped_are_understood() {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        let manifest = std::fs::read_to_string(deploy.join("kubernetes/vpc-route.yaml"));
        let manifest = manifest.expect("the manifest");
        let first = serde_norway::Deserializer::from_str(&manifest).next();
        let first = serde_norway::Value::deserialize(first.expect("a document")).expect("YAML");
        let text = first["data"]["vpc-route.yml"].as_str().expect("its text");
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("vpc-route.yml");
        std::fs::write(&path, text).expect("written");
        let overlays = std::fs::read_dir(deploy.join("kustomize/overlays")).expect("overlays");
        let overlays = overlays.map(|dir| dir.expect("one").path().join("vpc-route.yml"));
        let overlays: Vec<_> = overlays.filter(|path| path.is_file()).collect();
        assert!(!overlays.is_empty());
        for path in overlays.into_iter().chain([path]) {
            let config = Config::read(&path).expect("a configuration");
            assert!(matches!(config.plan, PlanOrigin::Objects(_)));
            assert!(config.cloud.is_some() && config.socket.is_none());
            // Probes ask there, from the host.
            assert_eq!(config.metrics.map(|m| m.port()), Some(9470));
        }
    }

    #[test]
    fn the_plan_is_a_file_or_a_clusters_objects() {
        let origin = |text: &str| serde_norway::from_str::<PlanOrigin>(text);
        assert!(matches!(origin("/etc/plan.yaml"), Ok(PlanOrigin::File(p)) if p.is_absolute()));
        let kubeconfig = |text| match origin(text) {
            Ok(PlanOrigin::Objects(objects)) => objects.cluster.kubeconfig,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(kubeconfig("cluster: {}"), None);
        let named = kubeconfig("cluster: {kubeconfig: /a/b}");
        assert_eq!(named.as_deref(), Some(Path::new("/a/b")));
        for wrong in ["cluster: {kubeConfig: /a}", "file: /a", "7", "[]"] {
            let error = origin(wrong).expect_err(wrong).to_string();
            assert!(error.contains("a file's path, or `cluster:`"), "{error}");
        }
    }
}
