//! One signed call of the API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use flatnet_clock::{Clock, Rng};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credentials::{CredentialError, Credentials};
use super::error::{CallError, Code};
use super::http::{Answer, Http, Method};
use super::listing;
use super::sign::{Call, SignatureVersion, sign};
use crate::providers::Observer;

/// The API's version.
pub const VERSION: &str = "2016-04-28";
/// Where the API is, unless configured otherwise.
pub const DEFAULT_ENDPOINT: &str = "https://vpc.aliyuncs.com";

/// Where and how to call.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://host` or, for a simulator, `http://host:port`.
    pub endpoint: String,
    /// `RegionId`.
    pub region: String,
    /// How to sign.
    pub signature: SignatureVersion,
}

/// Calls the API.
pub struct Client {
    config: ClientConfig,
    host: String,
    http: Http,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    observer: Option<Arc<dyn Observer>>,
    /// How far the API's clock is ahead of ours, in seconds.
    skew: AtomicI64,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(
        config: ClientConfig,
        http: Http,
        credentials: Credentials,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let host = config
            .endpoint
            .split_once("://")
            .map_or("", |(_, rest)| rest);
        Self {
            host: host.trim_end_matches('/').to_owned(),
            config,
            http,
            credentials,
            clock,
            rng,
            observer: None,
            skew: AtomicI64::new(0),
        }
    }

    /// The same, telling of every call.
    #[must_use]
    pub fn observed(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// One call; a second one at once if the first said that its credential or its time stamp
    /// had expired, which the gateway says before anything has an effect.
    ///
    /// # Errors
    /// Any of [`CallError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        action: &'static str,
        parameters: Vec<(String, String)>,
    ) -> Result<T, CallError> {
        let first = self.once(action, &parameters).await;
        let answer = match first {
            Err(CallError::Api { ref code, .. }) if is_of_the_gate(code) => {
                self.once(action, &parameters).await?
            }
            other => other?,
        };
        serde_json::from_slice(&answer.body).map_err(|source| CallError::Form { action, source })
    }

    async fn once(
        &self,
        action: &'static str,
        parameters: &[(String, String)],
    ) -> Result<Answer, CallError> {
        let started = Instant::now();
        let result = self.exchange(action, parameters).await;
        let code = result.as_ref().err().map_or("ok", CallError::label);
        let took = started.elapsed();
        tracing::debug!(action, code, ?took, "called");
        if let Some(observer) = &self.observer {
            observer.called(action, code, took);
        }
        result
    }

    async fn exchange(
        &self,
        action: &'static str,
        parameters: &[(String, String)],
    ) -> Result<Answer, CallError> {
        let now = self.now();
        let credential = self.credentials.get(now).await;
        let credential = credential
            .map_err(|source: CredentialError| CallError::Credentials { action, source })?;
        let mut parameters = parameters.to_vec();
        parameters.push(("RegionId".to_owned(), self.config.region.clone()));
        let call = Call {
            host: &self.host,
            action,
            version: VERSION,
            parameters: &parameters,
            timestamp: &humantime::format_rfc3339_seconds(now).to_string(),
            nonce: &format!("{:032x}", self.rng.random()),
        };
        let signed = sign(self.config.signature, &call, &credential);
        let endpoint = self.config.endpoint.trim_end_matches('/');
        let url = format!("{endpoint}/?{}", signed.query);
        let answer = self.http.send(Method::POST, &url, &signed.headers).await;
        let answer = answer.map_err(|source| CallError::Http { action, source })?;
        let refusal = match refusal(action, &answer) {
            Ok(None) => return Ok(answer),
            Ok(Some(error)) | Err(error) => error,
        };
        if let CallError::Api { code, .. } = &refusal {
            match code {
                Code::TokenExpired | Code::KeyNotFound => {
                    self.credentials.refuse(&credential.key_id).await;
                }
                Code::TimeStampExpired => self.correct(answer.date),
                _ => {}
            }
        }
        Err(refusal)
    }

    /// Our clock, corrected by what the API said of its own.
    fn now(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let by = Duration::from_secs(skew.unsigned_abs());
        let now = self.clock.now();
        let corrected = if skew < 0 {
            now.checked_sub(by)
        } else {
            now.checked_add(by)
        };
        corrected.unwrap_or(now)
    }

    fn correct(&self, theirs: Option<SystemTime>) {
        let Some(theirs) = theirs else { return };
        let ours = self.clock.now();
        let seconds = |d: Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
        let skew = match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        tracing::warn!(
            seconds = skew,
            "this machine's clock differs from the API's"
        );
        self.skew.store(skew, Ordering::Relaxed);
    }
}

/// Refused before anything had an effect, for a reason that the answer lets the client correct:
/// its clock, its credential or its nonce.
fn is_of_the_gate(code: &Code) -> bool {
    matches!(
        code,
        Code::TokenExpired | Code::TimeStampExpired | Code::NonceUsed
    )
}

/// The error that an answer is, if it is one.
fn refusal(action: &'static str, answer: &Answer) -> Result<Option<CallError>, CallError> {
    let is_object = answer.body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let parsed = is_object.then(|| serde_json::from_slice::<Value>(&answer.body));
    let Some(Ok(body)) = parsed else {
        let text = String::from_utf8_lossy(&answer.body);
        return Err(CallError::NotJson {
            action,
            status: answer.status,
            content_type: match answer.content_type.as_str() {
                "" => "an unnamed type".to_owned(),
                named => named.to_owned(),
            },
            start: text.trim().chars().take(40).collect(),
        });
    };
    let word = |name: &str| {
        let value = body.get(name).map(listing::text);
        value.and_then(Result::ok).flatten().unwrap_or_default()
    };
    let code = word("Code");
    if (200..300).contains(&answer.status) && code.is_empty() {
        return Ok(None);
    }
    Ok(Some(CallError::Api {
        action,
        code: Code::from(code.as_str()),
        message: without_request(&word("Message")),
        request_id: word("RequestId"),
        status: answer.status,
    }))
}

/// A message of `SignatureDoesNotMatch` repeats the request that was to be checked, security
/// token and all: that part is cut.
fn without_request(message: &str) -> String {
    let cut = message.find("server string to sign is");
    message[..cut.unwrap_or(message.len())]
        .trim_end()
        .to_owned()
}

/// Parameters by name, indexed ones included.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn into_vec(self) -> Vec<(String, String)> {
        self.0.into_iter().collect()
    }
}
