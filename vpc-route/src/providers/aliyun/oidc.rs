//! A role's key for the token of a service account (RRSA): STS's `AssumeRoleWithOIDC`, version 2015-04-01.
//!
//! ```text
//!   kubelet ─▶ token file, renewed ─▶ GET sts: role, provider, token ─▶ key with an expiration
//! ```
//!
//! The call bears no signature: the token says who asks. It stands in the query, which no error repeats.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;

use super::encode::canonical_query;
use super::http::{Http, Method};
use super::key::{Credential, CredentialError, Secret, parse_time};

/// Where STS is, unless configured otherwise; in a VPC `https://sts-vpc.REGION.aliyuncs.com`.
pub const DEFAULT_ENDPOINT: &str = "https://sts.aliyuncs.com";
/// What the API's audit shows beside the role.
const SESSION: &str = "flatnet-vpc-route";

/// How to get a role's key. What is not given is taken of the variables that a webhook for pod identities sets.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// The client.
    pub http: Http,
    /// STS's URL.
    pub endpoint: String,
    /// The role, `acs:ram::UID:role/NAME`; else `ALIBABA_CLOUD_ROLE_ARN`.
    pub role_arn: Option<String>,
    /// Who vouches for the token, `acs:ram::UID:oidc-provider/NAME`; else `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`.
    pub provider_arn: Option<String>,
    /// The token's file; else `ALIBABA_CLOUD_OIDC_TOKEN_FILE`.
    pub token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    access_key_id: String,
    access_key_secret: Secret,
    security_token: Secret,
    expiration: String,
}

/// What STS says where it refuses.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
}

impl Oidc {
    /// A fresh key of the role. The token is read each time: the kubelet renews it.
    ///
    /// # Errors
    /// Something is not given, the token cannot be read, STS does not answer or refuses.
    pub async fn credential(&self, now: SystemTime) -> Result<Credential, CredentialError> {
        let token_file = match &self.token_file {
            Some(path) => path.clone(),
            None => PathBuf::from(variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE")?),
        };
        let parameters = [
            ("Action", "AssumeRoleWithOIDC".to_owned()),
            ("Format", "JSON".to_owned()),
            (
                "OIDCProviderArn",
                given(&self.provider_arn, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN")?,
            ),
            ("OIDCToken", token(&token_file)?),
            ("RoleArn", given(&self.role_arn, "ALIBABA_CLOUD_ROLE_ARN")?),
            ("RoleSessionName", SESSION.to_owned()),
            (
                "Timestamp",
                humantime::format_rfc3339_seconds(now).to_string(),
            ),
            ("Version", "2015-04-01".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let endpoint = self.endpoint.trim_end_matches('/');
        let url = format!("{endpoint}/?{}", canonical_query(&parameters));
        let answer = self.http.send(Method::GET, &url, &[]).await;
        let answer = answer.map_err(CredentialError::Sts)?;
        if answer.status != 200 {
            let said: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
            return Err(CredentialError::RoleRefused {
                status: answer.status,
                code: said.code,
                message: said.message,
            });
        }
        let key = serde_json::from_slice::<Assumed>(&answer.body).map_err(|e| {
            CredentialError::NotOfSts {
                // Without the answer itself: it may have secrets in it.
                line: e.line(),
            }
        })?;
        let key = key.credentials;
        Ok(Credential {
            key_id: key.access_key_id,
            secret: key.access_key_secret,
            token: Some(key.security_token),
            expires: Some(parse_time(&key.expiration)?),
        })
    }
}

fn given(value: &Option<String>, name: &'static str) -> Result<String, CredentialError> {
    match value {
        Some(value) => Ok(value.clone()),
        None => variable(name),
    }
}

fn variable(variable: &'static str) -> Result<String, CredentialError> {
    std::env::var(variable).map_err(|_| CredentialError::Environment { variable })
}

fn token(path: &Path) -> Result<String, CredentialError> {
    let text = flatnet_files::read_text(path, flatnet_files::SECRET_MAX);
    let text = text.map_err(|source| CredentialError::Token {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}
