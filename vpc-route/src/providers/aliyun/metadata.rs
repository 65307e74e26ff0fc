//! An instance's metadata service, with tokens (version 2) where it has them.

use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::Mutex;

use super::http::{Answer, Http, HttpError, Method};
use super::key::{Credential, CredentialError, Secret, parse_time};

/// Where the service is, on every instance.
pub const DEFAULT_ADDRESS: &str = "http://100.100.100.200";
const TOKEN_TTL: &str = "21600";
const TOKEN_TTL_HEADER: &str = "X-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "X-aliyun-ecs-metadata-token";
const ROLES: &str = "/latest/meta-data/ram/security-credentials/";

/// The service, and the token that it gave.
#[derive(Debug, Clone)]
pub struct Metadata {
    http: Http,
    address: String,
    token: Arc<Mutex<Option<Secret>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleCredential {
    code: String,
    access_key_id: Option<String>,
    access_key_secret: Option<Secret>,
    security_token: Option<Secret>,
    expiration: Option<String>,
}

impl Metadata {
    /// The service at an address such as [`DEFAULT_ADDRESS`].
    pub fn new(http: Http, address: impl Into<String>) -> Self {
        Self {
            http,
            address: address.into().trim_end_matches('/').to_owned(),
            token: Arc::default(),
        }
    }

    /// One datum, such as `instance-id`, `region-id` or `vpc-id`.
    ///
    /// # Errors
    /// The service does not answer, or has no such datum.
    pub async fn datum(&self, name: &str) -> Result<String, CredentialError> {
        self.text(&format!("/latest/meta-data/{name}")).await
    }

    /// The credential of the instance's role.
    ///
    /// # Errors
    /// The service does not answer, has no role, or its answer is no credential.
    pub async fn credential(&self, role: Option<&str>) -> Result<Credential, CredentialError> {
        let role = match role {
            Some(role) => role.to_owned(),
            None => self.text(ROLES).await?.trim().to_owned(),
        };
        let path = format!("{ROLES}{role}");
        let text = self.text(&path).await?;
        let bad = |why: String| CredentialError::NotACredential {
            path: path.clone(),
            why,
        };
        let found: RoleCredential = serde_json::from_str(&text)
            .map_err(|e| bad(format!("not its JSON, at line {}", e.line())))?;
        if found.code != "Success" {
            return Err(bad(format!("its Code is `{}`", found.code)));
        }
        let (Some(key_id), Some(secret)) = (found.access_key_id, found.access_key_secret) else {
            return Err(bad("AccessKeyId or AccessKeySecret is missing".into()));
        };
        Ok(Credential {
            key_id,
            secret,
            token: found.security_token,
            expires: found.expiration.as_deref().map(parse_time).transpose()?,
        })
    }

    async fn text(&self, path: &str) -> Result<String, CredentialError> {
        let mut answer = self.get(path).await.map_err(CredentialError::Metadata)?;
        if answer.status == 401 {
            // The token is not good any more: drop it, and ask for another once.
            *self.token.lock().await = None;
            answer = self.get(path).await.map_err(CredentialError::Metadata)?;
        }
        if answer.status == 200 {
            return Ok(String::from_utf8_lossy(&answer.body).into_owned());
        }
        Err(CredentialError::NoRole {
            path: path.to_owned(),
            status: answer.status,
        })
    }

    async fn get(&self, path: &str) -> Result<Answer, HttpError> {
        let token = self.token().await?;
        let headers: Vec<(&'static str, String)> = token
            .iter()
            .map(|t| (TOKEN_HEADER, t.expose().to_owned()))
            .collect();
        let url = format!("{}{path}", self.address);
        self.http.send(Method::GET, &url, &headers).await
    }

    /// The token; none where the service has no tokens yet (version 1).
    async fn token(&self) -> Result<Option<Secret>, HttpError> {
        let mut token = self.token.lock().await;
        if token.is_none() {
            let url = format!("{}/latest/api/token", self.address);
            let ttl = [(TOKEN_TTL_HEADER, TOKEN_TTL.to_owned())];
            let answer = self.http.send(Method::PUT, &url, &ttl).await?;
            if answer.status == 200 {
                *token = Some(Secret::new(String::from_utf8_lossy(&answer.body).trim()));
            }
        }
        Ok(token.clone())
    }
}
