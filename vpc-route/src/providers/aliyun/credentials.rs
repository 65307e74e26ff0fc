//! Access keys: where they come from, how long they last. Their secrets are never printed.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::key::parse_time;
pub use super::key::{Credential, CredentialError, Secret};
use super::metadata::Metadata;
use super::oidc::Oidc;

/// Renewed so long before they expire, at the latest.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Where access keys come from.
#[derive(Debug)]
pub enum Source {
    /// Given, and good for ever.
    Static(Credential),
    /// A JSON file with `accessKeyId`, `accessKeySecret` and perhaps `securityToken` and
    /// `expiration`; read again before it expires, and whenever it was refused.
    File(PathBuf),
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and perhaps
    /// `ALIBABA_CLOUD_SECURITY_TOKEN`, as Aliyun's SDKs have them.
    Environment,
    /// The role of this instance, from its metadata service.
    Instance {
        /// The service.
        metadata: Metadata,
        /// The role; `None`: the service says which.
        role: Option<String>,
    },
    /// A role, for the token of the pod's service account.
    Oidc(Oidc),
}

/// A source, and the last key that it gave.
#[derive(Debug)]
pub struct Credentials {
    source: Source,
    last: Mutex<Option<Credential>>,
}

impl Credentials {
    /// Nothing is read yet.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            last: Mutex::new(None),
        }
    }

    /// A key that is good now, and for some minutes if its source has such a one.
    ///
    /// # Errors
    /// Its source gives none. A key that is not expired yet is used when renewing it fails.
    pub async fn get(&self, now: SystemTime) -> Result<Credential, CredentialError> {
        let mut last = self.last.lock().await;
        if let Some(credential) = last.as_ref().filter(|c| is_good(c, now + RENEW_BEFORE)) {
            return Ok(credential.clone());
        }
        match (self.read(now).await, last.as_ref()) {
            (Ok(fresh), _) if is_good(&fresh, now) => Ok(last.insert(fresh).clone()),
            (_, Some(old)) if is_good(old, now) => Ok(old.clone()),
            (Ok(_), _) => Err(CredentialError::Expired),
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets a key that was refused; the next [`Self::get`] reads the source.
    pub async fn refuse(&self, key_id: &str) {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|c| c.key_id == key_id) {
            *last = None;
        }
    }

    async fn read(&self, now: SystemTime) -> Result<Credential, CredentialError> {
        match &self.source {
            Source::Static(credential) => Ok(credential.clone()),
            Source::File(path) => from_file(path),
            Source::Environment => from_environment(|name| std::env::var(name).ok()),
            Source::Instance { metadata, role } => metadata.credential(role.as_deref()).await,
            Source::Oidc(oidc) => oidc.credential(now).await,
        }
    }
}

fn is_good(credential: &Credential, at: SystemTime) -> bool {
    credential.expires.is_none_or(|expires| at < expires)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyFile {
    access_key_id: String,
    access_key_secret: Secret,
    security_token: Option<Secret>,
    expiration: Option<String>,
}

fn from_file(path: &Path) -> Result<Credential, CredentialError> {
    let text = flatnet_files::read_text(path, flatnet_files::SECRET_MAX);
    let text = text.map_err(|source| CredentialError::File {
        path: path.to_owned(),
        source,
    })?;
    let file: KeyFile = serde_json::from_str(&text).map_err(|e| CredentialError::Form {
        path: path.to_owned(),
        line: e.line(),
    })?;
    Ok(Credential {
        key_id: file.access_key_id,
        secret: file.access_key_secret,
        token: file.security_token,
        expires: file.expiration.as_deref().map(parse_time).transpose()?,
    })
}

/// An access key out of variables.
pub(super) fn from_environment(
    get: impl Fn(&str) -> Option<String>,
) -> Result<Credential, CredentialError> {
    let need = |variable| get(variable).ok_or(CredentialError::Environment { variable });
    Ok(Credential {
        key_id: need("ALIBABA_CLOUD_ACCESS_KEY_ID")?,
        secret: Secret::new(need("ALIBABA_CLOUD_ACCESS_KEY_SECRET")?),
        token: get("ALIBABA_CLOUD_SECURITY_TOKEN")
            .filter(|t| !t.is_empty())
            .map(Secret::new),
        expires: None,
    })
}
