//! The section `aliyun` of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, ClientConfig, DEFAULT_ENDPOINT};
use super::credentials::{Credential, Credentials, Secret, Source};
use super::http::{Http, HttpError};
use super::metadata::{DEFAULT_ADDRESS, Metadata};
use super::oidc::{self, Oidc};
use super::sign::SignatureVersion;
use crate::providers::{BoxedProvider, Cloud, CloudConfig, Environment, OpenError};

/// Alibaba Cloud, as the registry knows it.
#[derive(Debug)]
pub struct Aliyun;

impl Cloud for Aliyun {
    fn key(&self) -> &'static str {
        "aliyun"
    }

    fn section(&self, text: &str) -> Result<Option<Box<dyn CloudConfig>>, serde_norway::Error> {
        /// The configuration, of which the other keys are read elsewhere.
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            aliyun: Option<AliyunConfig>,
        }
        let document: Document = serde_norway::from_str(text)?;
        Ok(document.aliyun.map(|section| Box::new(section) as _))
    }
}

/// How to reach Aliyun.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AliyunConfig {
    /// The API's URL.
    #[serde(default = "endpoint")]
    pub endpoint: String,
    /// Its ID, as `cn-hangzhou`.
    pub region: String,
    /// How to sign.
    #[serde(default)]
    pub signature: SignatureVersion,
    /// Where access keys come from.
    #[serde(default)]
    pub credentials: CredentialsConfig,
    /// The metadata service.
    #[serde(default = "metadata")]
    pub metadata: String,
    /// How long one call may take, in seconds.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    /// The time between two calls, in milliseconds; more when the API throttles.
    #[serde(default)]
    pub call_gap_millis: u64,
    /// A VBR's interface towards its line, by the line's name in the plan.
    #[serde(default)]
    pub line_interfaces: BTreeMap<String, String>,
}

/// Where access keys come from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "source")]
pub enum CredentialsConfig {
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID` and its fellows.
    #[default]
    Environment,
    /// A JSON file.
    File {
        /// JSON with `accessKeyId`, `accessKeySecret` and perhaps `securityToken` and `expiration`.
        path: PathBuf,
    },
    /// The role of this instance.
    #[serde(rename_all = "camelCase")]
    Instance {
        /// The role; none: the instance's only one.
        #[serde(default)]
        role: Option<String>,
    },
    /// A role, for the token of the pod's service account (RRSA). What is not given is taken of
    /// `ALIBABA_CLOUD_ROLE_ARN`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`, `ALIBABA_CLOUD_OIDC_TOKEN_FILE`.
    #[serde(rename_all = "camelCase")]
    Oidc {
        /// `acs:ram::UID:role/NAME`.
        #[serde(default)]
        role_arn: Option<String>,
        /// `acs:ram::UID:oidc-provider/NAME`.
        #[serde(default)]
        provider_arn: Option<String>,
        /// The token, of the audience `sts.aliyuncs.com`.
        #[serde(default)]
        token_file: Option<PathBuf>,
        /// STS's URL.
        #[serde(default = "sts")]
        endpoint: String,
    },
    /// Here, for a simulator.
    #[serde(rename_all = "camelCase")]
    Static {
        /// `AccessKeyId`.
        access_key_id: String,
        /// `AccessKeySecret`.
        access_key_secret: Secret,
    },
}

impl CloudConfig for AliyunConfig {
    fn line_interfaces(&self) -> &BTreeMap<String, String> {
        &self.line_interfaces
    }

    fn call_gap(&self) -> Duration {
        Duration::from_millis(self.call_gap_millis)
    }

    fn open(&self, environment: Environment) -> Result<BoxedProvider, OpenError> {
        let http = Http::new(Duration::from_secs(self.timeout_seconds)).map_err(OpenError::new)?;
        let source = self.source().map_err(OpenError::new)?;
        let client = Client::new(
            ClientConfig {
                endpoint: self.endpoint.clone(),
                region: self.region.clone(),
                signature: self.signature,
            },
            http,
            Credentials::new(source),
            environment.clock,
            environment.rng,
        );
        Ok(BoxedProvider::new(match environment.observer {
            Some(observer) => client.observed(observer),
            None => client,
        }))
    }
}

impl AliyunConfig {
    /// Where access keys come from.
    ///
    /// # Errors
    /// [`HttpError`] where TLS cannot be set up.
    pub fn source(&self) -> Result<Source, HttpError> {
        Ok(match &self.credentials {
            CredentialsConfig::Environment => Source::Environment,
            CredentialsConfig::File { path } => Source::File(path.clone()),
            CredentialsConfig::Instance { role } => Source::Instance {
                metadata: Metadata::new(Http::new(Duration::from_secs(5))?, &self.metadata),
                role: role.clone(),
            },
            CredentialsConfig::Oidc {
                role_arn,
                provider_arn,
                token_file,
                endpoint,
            } => Source::Oidc(Oidc {
                http: Http::new(Duration::from_secs(self.timeout_seconds))?,
                endpoint: endpoint.clone(),
                role_arn: role_arn.clone(),
                provider_arn: provider_arn.clone(),
                token_file: token_file.clone(),
            }),
            CredentialsConfig::Static {
                access_key_id,
                access_key_secret,
            } => Source::Static(Credential {
                key_id: access_key_id.clone(),
                secret: access_key_secret.clone(),
                token: None,
                expires: None,
            }),
        })
    }
}

fn endpoint() -> String {
    DEFAULT_ENDPOINT.to_owned()
}

fn metadata() -> String {
    DEFAULT_ADDRESS.to_owned()
}

fn sts() -> String {
    oidc::DEFAULT_ENDPOINT.to_owned()
}

fn ten() -> u64 {
    10
}
