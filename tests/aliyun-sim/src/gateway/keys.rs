//! Who may call.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::AccessKey;
use crate::time::Timestamp;

/// A key. Its secrets are in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The AccessKeyId.
    pub id: String,
    /// The AccessKeySecret.
    pub secret: String,
    /// The SecurityToken of an STS key.
    pub token: Option<String>,
    /// When an STS key expires.
    pub expires: Option<Timestamp>,
    /// The RAM actions it may do; `*` at an end stands for anything.
    pub allow: Vec<String>,
    /// Whether it is switched off.
    pub inactive: bool,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// From the world file; its life begins now.
    pub fn from_file(key: &AccessKey, now: Timestamp) -> Self {
        let life = key
            .expires_after_seconds
            .map(std::time::Duration::from_secs);
        Self {
            id: key.id.clone(),
            secret: key.secret.clone(),
            token: key.token.clone(),
            expires: life.map(|life| now.plus(life)),
            allow: key.allow.clone(),
            inactive: key.inactive,
        }
    }

    /// Whether a RAM action is allowed: `vpc:CreateRouteEntry`.
    pub fn allows(&self, action: &str) -> bool {
        self.allow
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(begin) => action.starts_with(begin),
                None => pattern == action,
            })
    }
}

/// The keys by ID.
#[derive(Debug, Clone, Default)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Adds a key, or replaces the one of its ID.
    pub fn put(&mut self, key: Key) {
        self.0.insert(key.id.clone(), key);
    }

    /// The key of that ID.
    pub fn get(&self, id: &str) -> Option<&Key> {
        self.0.get(id)
    }

    /// Takes a key away.
    pub fn remove(&mut self, id: &str) -> Option<Key> {
        self.0.remove(id)
    }
}
