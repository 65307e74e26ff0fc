//! State of a daemon's plan: the accepted plan, and the error of the current file if it is refused.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use flatnet_plan::{Diagnostic, LoadError, Severity};
use flatnet_types::Timestamp;
use flatnet_types::api::view::PlanStatus;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The version of a plan: the SHA-256 of its text, so that `sha256sum plan.yaml` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u8; 32]);

impl Version {
    /// The version of a text.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The first twelve hexadecimal digits: enough for people to tell plans apart.
    pub fn short(&self) -> String {
        let mut hex = self.to_string();
        hex.truncate(12);
        hex
    }
}

/// 64 hexadecimal digits, lower case.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A plan that was accepted.
#[derive(Debug)]
pub struct Accepted<T> {
    /// What the daemon extracted from it.
    pub plan: Arc<T>,
    /// SHA-256 of its text.
    pub version: Version,
    /// Time when it was first accepted. Does not change with a restart.
    pub since: Timestamp,
}

impl<T> Clone for Accepted<T> {
    fn clone(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            version: self.version,
            since: self.since,
        }
    }
}

/// The error of a daemon that cannot use a plan although the plan is valid.
pub type UnusablePlan = Box<dyn Error + Send + Sync>;

/// A refused plan.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum Refusal {
    /// The file does not exist or cannot be read.
    #[error("cannot read the plan {}", path.display())]
    Read {
        path: PathBuf,
        /// The error of [`flatnet_files::read`].
        #[source]
        source: io::Error,
    },
    /// The document has errors. Contains all diagnostics, with file name and line.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The document is valid, but this daemon cannot use it.
    #[error("the plan {} is of no use here", path.display())]
    Unusable {
        path: PathBuf,
        /// What the daemon misses in it.
        #[source]
        source: UnusablePlan,
    },
    /// The API server's objects cannot be read. Which error it is, is not in the type: a daemon without the
    /// feature has nothing of the client.
    #[cfg(feature = "kubernetes")]
    #[error("cannot read the plan's objects")]
    Cluster(#[source] Box<dyn Error + Send + Sync>),
    /// The objects have errors. Contains all diagnostics, with object and field.
    #[cfg(feature = "kubernetes")]
    #[error("the cluster's objects are no valid plan{}", all(.0))]
    Objects(flatnet_k8s_api::join::Blamed),
    /// The objects are valid, and ipamd has not accepted them as they are.
    #[cfg(feature = "kubernetes")]
    #[error(
        "the cluster's objects ({revision}) are not the plan that ipamd has accepted: `kubectl get fnplan -o \
         yaml` says which one is, and why this one is not"
    )]
    NotInForce {
        /// The revision of the objects, short.
        revision: String,
    },
}

/// The errors, a line each.
#[cfg(feature = "kubernetes")]
fn all(blamed: &flatnet_k8s_api::join::Blamed) -> String {
    let errors = blamed.0.iter().take(blamed.errors());
    let line = |d: &flatnet_k8s_api::status::DiagnosticStatus| {
        let (code, object, field) = (&d.code, &d.object, &d.field);
        format!("\n{code}: {object} {field}: {}\n  {}", d.message, d.hint)
    };
    errors.map(line).collect()
}

impl Refusal {
    /// The errors of the document; empty if it could not be read or is valid.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Load(error) => &error.report().diagnostics,
            Self::Read { .. } | Self::Unusable { .. } => &[],
            #[cfg(feature = "kubernetes")]
            Self::Cluster(_) | Self::Objects(_) | Self::NotInForce { .. } => &[],
        }
    }

    /// Whether the same document would be refused again, whatever happens elsewhere.
    pub(crate) fn is_of_the_document(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Load(_) | Self::Unusable { .. } => true,
            #[cfg(feature = "kubernetes")]
            Self::Cluster(_) | Self::Objects(_) => true,
            #[cfg(feature = "kubernetes")]
            Self::NotInForce { .. } => false,
        }
    }

    /// What is wrong with the cluster's objects, errors first; empty if they could not be read or are valid.
    #[cfg(feature = "kubernetes")]
    pub fn objects(&self) -> &[flatnet_k8s_api::status::DiagnosticStatus] {
        match self {
            Self::Objects(blamed) => &blamed.0,
            _ => &[],
        }
    }

    /// One line: the document's first error with its line, and the number of further errors;
    /// without diagnostics the whole [`Refusal::text`].
    pub fn headline(&self) -> String {
        #[cfg(feature = "kubernetes")]
        if let Some(text) = self.objects_headline() {
            return text;
        }
        let is_error = |d: &&Diagnostic| d.rule.severity == Severity::Error;
        let mut errors = self.diagnostics().iter().filter(is_error);
        let Some(first) = errors.next() else {
            return self.text();
        };
        let more = match errors.count() {
            0 => String::new(),
            n => format!(" (and {n} more)"),
        };
        let (line, code) = (first.span.line, first.rule.code);
        format!("line {line}: {code}: {}{more}", first.message)
    }

    /// The first error of objects, with object and field, and the number of further ones.
    #[cfg(feature = "kubernetes")]
    fn objects_headline(&self) -> Option<String> {
        let first = self.objects().first()?;
        let errors = self.objects().iter().filter(|d| d.severity == "error");
        let more = match errors.count() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        let (code, object, field) = (&first.code, &first.object, &first.field);
        Some(format!("{code}: {object} {field}: {}{more}", first.message))
    }

    /// The error with all its causes.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a string does not fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

/// The plan in the current file, which was refused.
#[derive(Debug)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub struct Refused {
    /// Its version; `None` if it could not be read.
    pub version: Option<Version>,
    /// Time of the refusal.
    pub at: Timestamp,
    pub why: Refusal,
}

/// The state of a plan's source.
#[derive(Debug)]
pub struct State<T> {
    /// The plan in force.
    pub accepted: Accepted<T>,
    /// The plan in the current file, if it is refused.
    pub refused: Option<Arc<Refused>>,
    /// The error of saving the accepted plan to disk; `None` if it is saved.
    pub unkept: Option<Arc<str>>,
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self {
            accepted: self.accepted.clone(),
            refused: self.refused.clone(),
            unkept: self.unkept.clone(),
        }
    }
}

impl<T> State<T> {
    /// The state in the form of the daemons' APIs.
    pub fn status(&self) -> PlanStatus {
        PlanStatus {
            version: self.accepted.version.to_string(),
            since: self.accepted.since,
            refused: self.refused.as_ref().map(|r| r.why.text()),
            unkept: self.unkept.as_deref().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_sha256sum_shows() {
        let version = Version::of("abc");
        assert_eq!(
            version.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(version.short(), "ba7816bf8f01");
    }
}
