//! The section `aws` of the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::fake::Region;
use super::provider::Ec2;
use crate::providers::{BoxedProvider, Cloud, CloudConfig, Environment, OpenError};

/// Amazon's cloud, as the registry of the tests knows it.
#[derive(Debug)]
pub(in crate::providers) struct Aws;

/// How to reach the API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AwsConfig {
    /// The name under which a test has set up a region.
    region: String,
    /// The gateway of a line's cloud end towards the line, by the line's name in the plan.
    #[serde(default)]
    line_interfaces: BTreeMap<String, String>,
}

/// No test has set up such a region.
#[derive(Debug, thiserror::Error)]
#[error("there is no region {0}")]
struct NoRegion(String);

impl Cloud for Aws {
    fn key(&self) -> &'static str {
        "aws"
    }

    fn section(&self, text: &str) -> Result<Option<Box<dyn CloudConfig>>, serde_norway::Error> {
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            aws: Option<AwsConfig>,
        }
        let document: Document = serde_norway::from_str(text)?;
        Ok(document.aws.map(|section| Box::new(section) as _))
    }
}

impl CloudConfig for AwsConfig {
    fn line_interfaces(&self) -> &BTreeMap<String, String> {
        &self.line_interfaces
    }

    fn call_gap(&self) -> Duration {
        Duration::ZERO
    }

    fn open(&self, environment: Environment) -> Result<BoxedProvider, OpenError> {
        let region = Region::named(&self.region);
        let region = region.ok_or_else(|| OpenError::new(NoRegion(self.region.clone())))?;
        Ok(BoxedProvider::new(Ec2::new(
            region,
            environment.cluster,
            environment.observer,
        )))
    }
}
