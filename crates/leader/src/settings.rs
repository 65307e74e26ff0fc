//! The key `lease` of a daemon's configuration: a file, or Kubernetes' Lease.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Where the lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseKind {
    /// In a file; none: `lease.json` in the state directory.
    File(Option<PathBuf>),
    /// In Kubernetes.
    Kubernetes(KubernetesLease),
}

/// Kubernetes' Lease.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KubernetesLease {
    /// `metadata.namespace`.
    pub namespace: ObjectName,
    /// `metadata.name`.
    pub name: ObjectName,
    /// The way to the API server; none: as a pod's service account.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Who this process is, for people; none: the host's name.
    #[serde(default)]
    pub identity: Option<String>,
}

impl fmt::Display for KubernetesLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", &*self.namespace, &*self.name)
    }
}

/// The name of an object in Kubernetes: a DNS label (RFC 1123), as every namespace's is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ObjectName(String);

impl TryFrom<String> for ObjectName {
    type Error = ObjectNameError;

    fn try_from(name: String) -> Result<Self, ObjectNameError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let ends = !name.starts_with('-') && !name.ends_with('-');
        if (1..=63).contains(&name.len()) && ends && name.bytes().all(inner) {
            return Ok(Self(name));
        }
        Err(ObjectNameError { name })
    }
}

impl Deref for ObjectName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// What cannot be a name in Kubernetes.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` cannot be a name in Kubernetes: 1 to 63 of a–z, 0–9 and `-`, which is neither first \
     nor last"
)]
pub struct ObjectNameError {
    name: String,
}

impl Default for LeaseKind {
    fn default() -> Self {
        Self::File(None)
    }
}

// By hand, so that the error of two bears the line of the second.
impl<'de> Deserialize<'de> for LeaseKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneOf)
    }
}

struct OneOf;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Key {
    File,
    Kubernetes,
}

impl<'de> Visitor<'de> for OneOf {
    type Value = LeaseKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`file: PATH` or `kubernetes: {namespace: …, name: …}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LeaseKind, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Key>()? {
            if found.is_some() {
                return Err(A::Error::custom(
                    "either `file` or `kubernetes`, once: two leases would let two lead; \
                     take one of them away",
                ));
            }
            found = Some(match key {
                Key::File => LeaseKind::File(Some(map.next_value()?)),
                Key::Kubernetes => LeaseKind::Kubernetes(map.next_value()?),
            });
        }
        found.ok_or_else(|| A::Error::custom(format_args!("it is empty; {}", Expected)))
    }
}

struct Expected;

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("give it ")?;
        OneOf.expecting(f)
    }
}
