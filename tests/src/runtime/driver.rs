//! The calls of a runtime: a list of plugins, in order or in reverse.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::conf::{Conflist, Plugin};
use super::error::RuntimeError;
use super::invoke::Invocation;
use super::netns;
use super::result::CniResult;

/// A plugin that takes longer is killed.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

/// What a runtime knows of one interface of one container (libcni's `RuntimeConf`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuntimeConf {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`; absent when the namespace is gone.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// `CNI_ARGS`, in order.
    pub args: Vec<(String, String)>,
    /// What the runtime offers as `runtimeConfig`, by capability.
    pub capabilities: Map<String, Value>,
}

impl RuntimeConf {
    /// An interface of a container with nothing special asked for.
    pub fn new(container_id: &str, netns: &Path, ifname: &str) -> Self {
        Self {
            container_id: container_id.to_owned(),
            netns: Some(netns.to_owned()),
            ifname: ifname.to_owned(),
            ..Self::default()
        }
    }

    /// With one more of `CNI_ARGS`.
    #[must_use]
    pub fn arg(mut self, name: &str, value: &str) -> Self {
        self.args.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a capability's value.
    #[must_use]
    pub fn capability(mut self, name: &str, value: Value) -> Self {
        self.capabilities.insert(name.to_owned(), value);
        self
    }

    fn args(&self) -> String {
        let pairs: Vec<String> = self.args.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join(";")
    }
}

/// What an ADD gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Added {
    /// The last plugin's result as printed: the `prevResult` of CHECK and DEL.
    pub raw: Value,
    /// The same, read.
    pub result: CniResult,
    /// How long the whole chain took.
    pub took: Duration,
}

/// A runtime for one network on one node.
#[derive(Debug, Clone)]
pub struct Cni {
    list: Conflist,
    path: Vec<PathBuf>,
    node: Option<PathBuf>,
    limit: Option<Duration>,
}

impl Cni {
    /// A runtime that looks for plugins in `path`, in order, and runs them where it is itself.
    pub fn new(list: Conflist, path: &[&Path]) -> Self {
        Self {
            list,
            path: path.iter().map(|&p| p.to_owned()).collect(),
            node: None,
            limit: Some(DEFAULT_LIMIT),
        }
    }

    /// Runs the plugins in a node's network namespace.
    #[must_use]
    pub fn on_node(mut self, netns: &Path) -> Self {
        self.node = Some(netns.to_owned());
        self
    }

    /// With another limit for each plugin, or none (which saves a thread a call).
    #[must_use]
    pub fn with_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// The list that it runs.
    pub fn list(&self) -> &Conflist {
        &self.list
    }

    /// ADD: the plugins in order, each with the result of the one before.
    ///
    /// # Errors
    /// The first plugin's [`RuntimeError`]; what earlier plugins made is left to a DEL, as
    /// runtimes do.
    pub fn add(&self, conf: &RuntimeConf) -> Result<Added, RuntimeError> {
        let started = Instant::now();
        let mut last: Option<Value> = None;
        let mut kind = "";
        for plugin in &self.list.plugins {
            let stdin = self.list.stdin(plugin, last.as_ref(), &conf.capabilities);
            last = Some(self.call("ADD", plugin, conf, &stdin)?);
            kind = &plugin.kind;
        }
        let took = started.elapsed();
        let raw = last.unwrap_or(Value::Null);
        let result = CniResult::parse(&raw).map_err(|source| RuntimeError::Result {
            plugin: kind.to_owned(),
            stdout: raw.to_string(),
            source,
        })?;
        Ok(Added { raw, result, took })
    }

    /// CHECK: the plugins in order, each with the result of the whole ADD.
    ///
    /// # Errors
    /// The first plugin's [`RuntimeError`], or that the version has no CHECK (before 0.4.0).
    pub fn check(&self, conf: &RuntimeConf, added: &Value) -> Result<Duration, RuntimeError> {
        self.since("0.4.0", "CHECK")?;
        let started = Instant::now();
        if !self.list.disable_check {
            for plugin in &self.list.plugins {
                let stdin = self.list.stdin(plugin, Some(added), &conf.capabilities);
                self.call("CHECK", plugin, conf, &stdin)?;
            }
        }
        Ok(started.elapsed())
    }

    /// DEL: the plugins in reverse, each with the result of the whole ADD where it is known
    /// (and the version is 0.4.0 or later).
    ///
    /// # Errors
    /// The first plugin's [`RuntimeError`].
    pub fn del(&self, conf: &RuntimeConf, added: Option<&Value>) -> Result<Duration, RuntimeError> {
        let started = Instant::now();
        let prev = added.filter(|_| self.list.at_least("0.4.0"));
        for plugin in self.list.plugins.iter().rev() {
            let stdin = self.list.stdin(plugin, prev, &conf.capabilities);
            self.call("DEL", plugin, conf, &stdin)?;
        }
        Ok(started.elapsed())
    }

    /// GC: every plugin hears what lives, also after another one failed.
    ///
    /// # Errors
    /// Each plugin's [`RuntimeError`], or that the version has no GC (before 1.1.0).
    pub fn gc(&self, valid: &[(String, String)]) -> Result<(), Vec<RuntimeError>> {
        self.since("1.1.0", "GC").map_err(|e| vec![e])?;
        let nobody = RuntimeConf::default();
        let errors: Vec<RuntimeError> = self
            .list
            .plugins
            .iter()
            .filter_map(|plugin| {
                let stdin = self.list.gc_stdin(plugin, valid);
                self.call("GC", plugin, &nobody, &stdin).err()
            })
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    /// STATUS: the plugins in order.
    ///
    /// # Errors
    /// The first plugin's [`RuntimeError`], or that the version has no STATUS (before 1.1.0).
    pub fn status(&self) -> Result<Duration, RuntimeError> {
        self.since("1.1.0", "STATUS")?;
        let started = Instant::now();
        for plugin in &self.list.plugins {
            let stdin = self.list.status_stdin(plugin);
            self.call("STATUS", plugin, &RuntimeConf::default(), &stdin)?;
        }
        Ok(started.elapsed())
    }

    /// VERSION of one plugin: the versions that it supports.
    ///
    /// # Errors
    /// The plugin's [`RuntimeError`].
    pub fn versions(&self, plugin: &str) -> Result<Vec<String>, RuntimeError> {
        let plugin = Plugin {
            kind: plugin.to_owned(),
            conf: Map::new(),
        };
        // libcni fills what VERSION does not need with a dummy (`GetVersionInfo`).
        let dummy = RuntimeConf {
            netns: Some("dummy".into()),
            ifname: "dummy".to_owned(),
            ..RuntimeConf::default()
        };
        let stdin = json!({"cniVersion": self.list.cni_version});
        let answer = self.call("VERSION", &plugin, &dummy, &stdin)?;
        let versions = answer["supportedVersions"].as_array();
        Ok(versions
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect())
    }

    fn since(&self, version: &str, command: &'static str) -> Result<(), RuntimeError> {
        if self.list.at_least(version) {
            return Ok(());
        }
        Err(RuntimeError::NoSuchCommand {
            cni_version: self.list.cni_version.clone(),
            command,
        })
    }

    fn call(
        &self,
        command: &'static str,
        plugin: &Plugin,
        conf: &RuntimeConf,
        stdin: &Value,
    ) -> Result<Value, RuntimeError> {
        let env = environment(command, conf, &self.path);
        let stdin = stdin.to_string();
        let invocation = Invocation {
            plugin: &plugin.kind,
            path: &self.path,
            env: &env,
            stdin: stdin.as_bytes(),
            limit: self.limit,
        };
        match &self.node {
            Some(node) => netns::within(node, || invocation.run())?,
            None => invocation.run(),
        }
    }
}

/// The variables of a call. libcni sets every one, empty where it has nothing to say.
pub(super) fn environment(
    command: &str,
    conf: &RuntimeConf,
    path: &[PathBuf],
) -> Vec<(&'static str, String)> {
    let text = |p: &Path| p.to_string_lossy().into_owned();
    let path: Vec<String> = path.iter().map(|p| text(p)).collect();
    vec![
        ("CNI_COMMAND", command.to_owned()),
        ("CNI_CONTAINERID", conf.container_id.clone()),
        (
            "CNI_NETNS",
            conf.netns.as_deref().map(text).unwrap_or_default(),
        ),
        ("CNI_ARGS", conf.args()),
        ("CNI_IFNAME", conf.ifname.clone()),
        ("CNI_PATH", path.join(":")),
    ]
}
