//! A network configuration list, and what each plugin of it gets on its standard input.

use std::cmp::Ordering;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::ConfError;

/// A network configuration list (SPEC.md 1.1.0, "Network configuration format").
#[derive(Debug, Clone, PartialEq)]
pub struct Conflist {
    /// The network's name.
    pub name: String,
    /// The version that plugins are to answer in.
    pub cni_version: String,
    /// Whether runtimes are told to leave CHECK out.
    pub disable_check: bool,
    /// In the order of ADD.
    pub plugins: Vec<Plugin>,
}

/// One plugin's object in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    /// The binary's name.
    pub kind: String,
    /// The object as written.
    pub conf: Map<String, Value>,
}

impl Conflist {
    /// Reads a list from a file.
    ///
    /// # Errors
    /// [`ConfError`] if the file cannot be read or is no list.
    pub fn read(path: &Path) -> Result<Self, ConfError> {
        let text = std::fs::read(path).map_err(|source| ConfError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Parses a list.
    ///
    /// # Errors
    /// [`ConfError`] if it is no JSON or lacks a name, plugins, or a plugin's type.
    pub fn parse(text: &[u8]) -> Result<Self, ConfError> {
        let mut list: Map<String, Value> = serde_json::from_slice(text)?;
        let name = text_field(&list, "name").ok_or(ConfError::Missing { field: "name" })?;
        let plugins: Vec<Map<String, Value>> = match list.remove("plugins") {
            Some(plugins) => serde_json::from_value(plugins)?,
            None => return Err(ConfError::Missing { field: "plugins" }),
        };
        let plugins = plugins
            .into_iter()
            .map(|conf| {
                let kind = text_field(&conf, "type").ok_or(ConfError::Missing {
                    field: "plugin type",
                })?;
                Ok(Plugin { kind, conf })
            })
            .collect::<Result<Vec<_>, ConfError>>()?;
        if plugins.is_empty() {
            return Err(ConfError::Missing { field: "plugins" });
        }
        Ok(Self {
            name,
            cni_version: text_field(&list, "cniVersion").unwrap_or_default(),
            disable_check: list.get("disableCheck").and_then(Value::as_bool) == Some(true),
            plugins,
        })
    }

    /// The same list in another version.
    #[must_use]
    pub fn with_version(mut self, cni_version: &str) -> Self {
        cni_version.clone_into(&mut self.cni_version);
        self
    }

    /// The same list with another plugin behind those it has.
    #[must_use]
    pub fn chained(mut self, plugin: Plugin) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Whether the list's version is at least that one.
    pub fn at_least(&self, version: &str) -> bool {
        compare_versions(&self.cni_version, version) != Ordering::Less
    }

    /// What a plugin of this list reads for ADD, CHECK and DEL.
    pub fn stdin(
        &self,
        plugin: &Plugin,
        prev_result: Option<&Value>,
        capabilities: &Map<String, Value>,
    ) -> Value {
        let mut conf = self.named(plugin);
        if let Some(prev) = prev_result {
            conf.insert("prevResult".to_owned(), prev.clone());
        }
        let runtime = plugin.wanted(capabilities);
        if !runtime.is_empty() {
            conf.insert("runtimeConfig".to_owned(), Value::Object(runtime));
        }
        Value::Object(conf)
    }

    /// What a plugin of this list reads for STATUS.
    pub fn status_stdin(&self, plugin: &Plugin) -> Value {
        Value::Object(self.named(plugin))
    }

    /// What a plugin of this list reads for GC: the attachments that live, as pairs of
    /// container ID and interface name. libcni sends them under both keys.
    pub fn gc_stdin(&self, plugin: &Plugin, valid: &[(String, String)]) -> Value {
        let valid: Vec<Value> = valid
            .iter()
            .map(|(container, ifname)| json!({"containerID": container, "ifname": ifname}))
            .collect();
        let mut conf = self.named(plugin);
        conf.insert("cni.dev/valid-attachments".to_owned(), json!(valid));
        conf.insert("cni.dev/attachments".to_owned(), json!(valid));
        Value::Object(conf)
    }

    /// The plugin's object with the list's name and version (libcni, `buildOneConfig`).
    fn named(&self, plugin: &Plugin) -> Map<String, Value> {
        let mut conf = plugin.conf.clone();
        conf.insert("name".to_owned(), json!(self.name));
        conf.insert("cniVersion".to_owned(), json!(self.cni_version));
        conf
    }
}

impl Plugin {
    /// A plugin from its object.
    ///
    /// # Errors
    /// [`ConfError::Missing`] if it names no type, [`ConfError::Decode`] if it is no object.
    pub fn new(conf: Value) -> Result<Self, ConfError> {
        let conf: Map<String, Value> = serde_json::from_value(conf)?;
        let kind = text_field(&conf, "type").ok_or(ConfError::Missing {
            field: "plugin type",
        })?;
        Ok(Self { kind, conf })
    }

    /// Of what the runtime offers, what this plugin declares to take
    /// (libcni, `injectRuntimeConfig`).
    fn wanted(&self, offered: &Map<String, Value>) -> Map<String, Value> {
        let declared = self.conf.get("capabilities").and_then(Value::as_object);
        offered
            .iter()
            .filter(|(name, _)| {
                declared.is_some_and(|d| d.get(*name).and_then(Value::as_bool) == Some(true))
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

fn text_field(object: &Map<String, Value>, field: &str) -> Option<String> {
    object
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Compares dotted versions by their numbers; what is absent or no number counts as 0.
fn compare_versions(a: &str, b: &str) -> Ordering {
    let numbers = |v: &str| {
        let mut parts = v.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
        [(); 3].map(|()| parts.next().unwrap_or(0))
    };
    numbers(a).cmp(&numbers(b))
}
