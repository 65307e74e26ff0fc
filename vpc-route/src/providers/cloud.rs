//! A cloud: its section of the configuration, and the provider made from it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flatnet_clock::{Clock, Rng};

use super::{BoxedProvider, Observer};
use crate::model::ClusterName;

/// A kind of cloud, as the registry lists it.
pub trait Cloud: Sync {
    /// The key of its section in the configuration.
    fn key(&self) -> &'static str;

    /// Reads its section of a whole configuration; none where there is none. Reading the whole
    /// text keeps the line numbers in errors.
    ///
    /// # Errors
    /// The section is not as it should be.
    fn section(&self, text: &str) -> Result<Option<Box<dyn CloudConfig>>, serde_norway::Error>;
}

/// A cloud's section of the configuration.
pub trait CloudConfig: fmt::Debug + Send + Sync {
    /// The ID of the interface of a leased line's cloud end towards the line, by the line's name
    /// in the plan.
    fn line_interfaces(&self) -> &BTreeMap<String, String>;

    /// The least time between two calls.
    fn call_gap(&self) -> Duration;

    /// The provider; nothing is called yet.
    ///
    /// # Errors
    /// [`OpenError`], such as where TLS cannot be set up.
    fn open(&self, environment: Environment) -> Result<BoxedProvider, OpenError>;
}

/// What a provider gets beside its configuration.
#[derive(Clone)]
pub struct Environment {
    /// The cluster whose entries are managed.
    pub cluster: ClusterName,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Notified of every call.
    pub observer: Option<Arc<dyn Observer>>,
}

/// Why a provider cannot be set up, in its own words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(Box<dyn std::error::Error + Send + Sync>);

impl OpenError {
    /// From a provider's own error.
    pub fn new(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}
