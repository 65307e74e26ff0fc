//! What builds are made with: the command line's part.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use flatnet_daemon::args::seconds;
use thiserror::Error;

/// Where and how builds are made.
#[derive(Debug, Clone, Args)]
pub struct BuildArgs {
    /// Build in this cluster. Where absent, builds wait.
    #[arg(long, value_name = "CLUSTER", requires_all = ["registry", "builds_network"])]
    pub builds_in: Option<String>,
    /// The registry that images go to: `https://HOST[:PORT]`, or `http://` in a network that nobody listens in.
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// The network of the plan that builds run in: one with `egress`, in a VLAN of its own.
    #[arg(long, value_name = "NETWORK")]
    pub builds_network: Option<String>,
    /// Build on nodes with this label alone (may be repeated): others serve.
    #[arg(long, value_name = "LABEL=VALUE")]
    pub builds_nodes: Vec<String>,
    /// The builder's image.
    #[arg(long, value_name = "IMAGE", default_value = "flatnet.io/builder:0.1.0")]
    pub builder_image: String,
    /// The longest time that a build may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1800", value_parser = seconds)]
    pub build_time: Duration,
    /// The most memory that a build may use (a quantity of Kubernetes).
    #[arg(long, value_name = "QUANTITY", default_value = "2Gi")]
    pub build_memory: String,
    /// The most disk that a build may use (a quantity of Kubernetes).
    #[arg(long, value_name = "QUANTITY", default_value = "10Gi")]
    pub build_disk: String,
    /// Builds at a time; others wait.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub builds_at_once: usize,
}

/// What the command line says wrongly.
#[derive(Debug, Error)]
pub(crate) enum BuildError {
    /// `--registry`.
    #[error(
        "--registry {0}: `https://HOST[:PORT]` or `http://HOST[:PORT]` is wanted, without a path"
    )]
    Registry(String),
    /// `--builds-nodes`.
    #[error("--builds-nodes {0}: LABEL=VALUE is wanted")]
    Nodes(String),
    /// A flag that `--builds-in` needs.
    #[error("--builds-in needs --registry and --builds-network")]
    Missing,
}

/// The same, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Builds {
    pub(crate) cluster: String,
    /// `HOST[:PORT]`.
    pub(crate) registry: String,
    /// Whether the registry speaks plain HTTP.
    pub(crate) insecure: bool,
    pub(crate) network: String,
    /// Labels of the nodes.
    pub(crate) nodes: BTreeMap<String, String>,
    pub(crate) builder: String,
    pub(crate) time: Duration,
    pub(crate) memory: String,
    pub(crate) disk: String,
    pub(crate) at_once: usize,
}

impl BuildArgs {
    /// `None` where builds are not asked for.
    ///
    /// # Errors
    /// [`BuildError`].
    pub(crate) fn read(&self) -> Result<Option<Builds>, BuildError> {
        let Some(cluster) = self.builds_in.clone() else {
            return Ok(None);
        };
        let (Some(url), Some(network)) = (&self.registry, &self.builds_network) else {
            return Err(BuildError::Missing);
        };
        let (registry, insecure) = match (url.strip_prefix("https://"), url.strip_prefix("http://"))
        {
            (Some(host), _) => (host, false),
            (_, Some(host)) => (host, true),
            _ => return Err(BuildError::Registry(url.clone())),
        };
        let registry = registry.trim_end_matches('/');
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if registry.is_empty() || !registry.chars().all(plain) {
            return Err(BuildError::Registry(url.clone()));
        }
        let nodes = self.builds_nodes.iter().map(|text| {
            let label = text.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = label.ok_or_else(|| BuildError::Nodes(text.clone()))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        Ok(Some(Builds {
            nodes: nodes.collect::<Result<_, _>>()?,
            cluster,
            registry: registry.to_owned(),
            insecure,
            network: network.clone(),
            builder: self.builder_image.clone(),
            time: self.build_time,
            memory: self.build_memory.clone(),
            disk: self.build_disk.clone(),
            at_once: self.builds_at_once.max(1),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(registry: &str) -> Result<Option<Builds>, BuildError> {
        BuildArgs {
            builds_in: Some("idc".to_owned()),
            registry: Some(registry.to_owned()),
            builds_network: Some("builds".to_owned()),
            builds_nodes: vec!["pool=builds".to_owned()],
            builder_image: "b".to_owned(),
            build_time: Duration::from_secs(60),
            build_memory: "1Gi".to_owned(),
            build_disk: "1Gi".to_owned(),
            builds_at_once: 0,
        }
        .read()
    }

    #[test]
    fn a_registry_is_a_url_without_a_path() {
        let read_as = |url: &str| {
            let builds = read(url).expect("a registry").expect("builds");
            (builds.registry, builds.insecure, builds.at_once)
        };
        assert_eq!(
            read_as("https://registry.example/"),
            ("registry.example".to_owned(), false, 1)
        );
        assert_eq!(
            read_as("http://10.0.0.1:5000"),
            ("10.0.0.1:5000".to_owned(), true, 1)
        );
        for wrong in [
            "registry.example",
            "https://",
            "https://a/b",
            "https://u:p@a",
            "ftp://a",
        ] {
            assert!(
                matches!(read(wrong), Err(BuildError::Registry(_))),
                "{wrong}"
            );
        }
    }
}
