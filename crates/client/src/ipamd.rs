//! A client of ipamd: netd takes its ranges with it, flatctl asks and commands.
//!
//! A [`Session`] is one connection, with one request at a time; who loses it connects again.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::NodeName;
use flatnet_types::ipamd::{
    Drain, ErrorBody, Grants, Grow, HostRanges, Listing, OwnerView, Release, Report,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::timeout;

use crate::Endpoint;
use crate::dial::dial;
use flatnet_tls::ClientTls;

/// How long an answer may take, beside what a watch waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes: a listing of 100,000 leases.
const ANSWER_MAX: usize = 64 << 20;

/// Why a call did not succeed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("ipamd cannot be reached at {endpoint}: {source}")]
    Connect {
        /// Address that was tried.
        endpoint: Endpoint,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to ipamd broke: {}", causes(.0))]
    Broken(#[from] hyper::Error),
    /// The answer took too long.
    #[error("ipamd has not answered for {} s", after.as_secs())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// ipamd refuses it.
    #[error("ipamd refuses ({}): {}", body.code, body.message)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What it says.
        body: ErrorBody,
    },
    /// It is not ipamd, or one of another version.
    #[error("the answer is not one of ipamd's: {detail}")]
    Foreign {
        /// What is wrong with it.
        detail: String,
    },
}

/// An error of hyper's says little; its causes, such as an alert of TLS, say what it was.
pub fn causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

impl ClientError {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken(_) | Self::Timeout { .. } => true,
            Self::Refused { body, .. } => body.retryable,
            Self::Foreign { .. } => false,
        }
    }
}

/// Where ipamd is, and what lets one in.
#[derive(Clone)]
pub struct Client {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: Option<String>,
    pub(crate) tls: Option<Arc<ClientTls>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.endpoint)
    }
}

impl Client {
    /// A client of a unix socket, or over TCP with the token. For TLS: [`Client::open`].
    pub fn new(endpoint: Endpoint, token: Option<String>) -> Self {
        Self {
            endpoint,
            token,
            tls: None,
        }
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What is brought over TCP.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Connects, for requests that are one's own.
    ///
    /// # Errors
    /// What the network or TLS says.
    pub async fn dial(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        dial(&self.endpoint, self.tls.as_deref()).await
    }

    /// Connects.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub async fn connect(&self) -> Result<Session, ClientError> {
        let sender = self.dial().await;
        let sender = sender.map_err(|source| ClientError::Connect {
            endpoint: self.endpoint.clone(),
            source,
        })?;
        Ok(Session {
            sender,
            host: match &self.endpoint {
                Endpoint::Unix(_) => "ipamd".to_owned(),
                Endpoint::Tcp(authority) | Endpoint::Tls(authority) => authority.clone(),
            },
            token: self.token.clone(),
        })
    }
}

/// One connection.
pub struct Session {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    token: Option<String>,
}

impl Session {
    /// The ranges of `host`, which gets them with this if it had none. With `after`, waits
    /// up to `wait` until the revision is another.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ranges(
        &mut self,
        host: &NodeName,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<HostRanges, ClientError> {
        self.watch(&format!("/v1/hosts/{host}/ranges"), after, wait)
            .await
    }

    /// What the other hosts of the segment of `host` hold. Waits as [`Session::ranges`] does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn peers(
        &mut self,
        host: &NodeName,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<Grants, ClientError> {
        self.watch(&format!("/v1/hosts/{host}/peers"), after, wait)
            .await
    }

    /// What all hosts hold. Waits as [`Session::ranges`] does.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn grants(
        &mut self,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<Grants, ClientError> {
        self.watch("/v1/grants", after, wait).await
    }

    async fn watch<T: DeserializeOwned>(
        &mut self,
        path: &str,
        after: Option<&str>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let path = match after {
            Some(after) => format!("{path}?after={after}&wait={}s", wait.as_secs_f64()),
            None => path.to_owned(),
        };
        self.call(Method::GET, &path, None::<&()>, ANSWER_TIMEOUT + wait)
            .await
    }

    /// What `host` holds; answered with its ranges.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(
        &mut self,
        host: &NodeName,
        report: &Report,
    ) -> Result<HostRanges, ClientError> {
        let path = format!("/v1/hosts/{host}/use");
        self.post(&path, report).await
    }

    /// Lets a range rest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn release(&mut self, release: &Release) -> Result<HostRanges, ClientError> {
        self.post("/v1/ranges/release", release).await
    }

    /// Drains a range, or takes that back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn drain(&mut self, drain: &Drain) -> Result<HostRanges, ClientError> {
        self.post("/v1/ranges/drain", drain).await
    }

    /// Gives a host one slice more.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn grow(&mut self, grow: &Grow) -> Result<HostRanges, ClientError> {
        self.post("/v1/ranges/grow", grow).await
    }

    /// Every lease.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&mut self) -> Result<Listing, ClientError> {
        self.call(Method::GET, "/v1/ranges", None::<&()>, ANSWER_TIMEOUT)
            .await
    }

    /// Who owns an address.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn owner(&mut self, address: std::net::IpAddr) -> Result<OwnerView, ClientError> {
        let path = format!("/v1/owner?address={address}");
        self.call(Method::GET, &path, None::<&()>, ANSWER_TIMEOUT)
            .await
    }

    async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, Some(body), ANSWER_TIMEOUT)
            .await
    }

    async fn call<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        wait: Duration,
    ) -> Result<T, ClientError> {
        let answer = timeout(wait, self.exchange(method, path, body)).await;
        let (status, text) = answer.map_err(|_| ClientError::Timeout { after: wait })??;
        let foreign = |e: serde_json::Error| ClientError::Foreign {
            detail: format!("status {status}: {e}"),
        };
        if status.is_success() {
            return serde_json::from_slice(&text).map_err(foreign);
        }
        Err(ClientError::Refused {
            status: status.as_u16(),
            body: serde_json::from_slice(&text).map_err(foreign)?,
        })
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let foreign = |detail: String| ClientError::Foreign { detail };
        let text = match body {
            Some(body) => serde_json::to_vec(body).map_err(|e| foreign(e.to_string()))?,
            None => Vec::new(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::from(text))
            .map_err(|e| foreign(e.to_string()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX);
        let body = body.collect().await.map_err(|e| foreign(e.to_string()))?;
        Ok((status, body.to_bytes()))
    }
}
