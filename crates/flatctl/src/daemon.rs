//! One request to a daemon, and its answer.
//!
//! netd serves root of its machine on a unix socket; ipamd does, and over TCP whoever brings
//! a certificate or the token. The answers are read leniently: a field that a newer daemon adds is no error.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use flatnet_client::ipamd::causes;
use flatnet_client::{Client, Endpoint};
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// How long a daemon may take, connection and answer together.
const PATIENCE: Duration = Duration::from_secs(15);
/// The largest answer in bytes: a listing of 100,000 ranges, a node's every flow.
const ANSWER_MAX: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// Nobody is there.
    #[error("{daemon} does not answer at {endpoint}")]
    Connect {
        /// Which daemon.
        daemon: &'static str,
        /// Address that was tried.
        endpoint: Endpoint,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The connection broke, or took too long.
    #[error("the answer of {daemon} did not come: {detail}")]
    Broken {
        /// Which daemon.
        daemon: &'static str,
        /// What failed, in a sentence.
        detail: String,
    },
    /// It says no.
    #[error("{daemon} refuses: {message}")]
    Refused {
        /// Which daemon.
        daemon: &'static str,
        /// The HTTP status.
        status: u16,
        /// The answer's message.
        message: String,
        /// What it says to do.
        details: String,
    },
    /// It is not the daemon that was asked.
    #[error("the answer is not one of {daemon}'s: {detail}")]
    Foreign {
        /// Which daemon.
        daemon: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl DaemonError {
    /// What to do next; none where the daemon's own words say it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Connect {
                daemon,
                endpoint: Endpoint::Unix(_),
                source,
            } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!("{daemon} serves root only: run this as root")
                }
                io::ErrorKind::NotFound => format!(
                    "is {daemon} running on this machine? `systemctl status {daemon}`; or name its \
                     socket with --{daemon}"
                ),
                _ => format!("{daemon} is gone and left its socket: `systemctl restart {daemon}`"),
            },
            Self::Connect { daemon, .. } => {
                format!("check the address, and that {daemon} listens there (--listen)")
            }
            Self::Refused { status: 401, .. } => {
                "bring a certificate (--ipamd-cert, --ipamd-key) or the token (--token-file), or ask on \
                 ipamd's machine as root"
                    .to_owned()
            }
            Self::Refused { details, .. } if !details.is_empty() => details.clone(),
            Self::Refused { status: 0..500, .. } => return None,
            Self::Refused { daemon, .. } | Self::Broken { daemon, .. } => {
                format!("look into its log: `journalctl -u {daemon}`")
            }
            Self::Foreign { daemon, .. } => {
                format!("check that {daemon} and flatctl are of one release")
            }
        })
    }
}

/// A daemon that can be asked.
#[derive(Clone)]
pub struct Daemon {
    name: &'static str,
    client: Client,
}

impl Daemon {
    /// netd behind its socket.
    pub fn netd(socket: &Path) -> Self {
        Self {
            name: "netd",
            client: Client::new(Endpoint::Unix(socket.to_owned()), None),
        }
    }

    /// vpc-route behind its socket.
    pub fn vpc_route(socket: &Path) -> Self {
        Self {
            name: "vpc-route",
            client: Client::new(Endpoint::Unix(socket.to_owned()), None),
        }
    }

    /// ipamd.
    pub fn ipamd(client: Client) -> Self {
        Self {
            name: "ipamd",
            client,
        }
    }

    /// Asks for what is at `path`.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, DaemonError> {
        self.call("GET", path, Vec::new())
    }

    /// Commands.
    ///
    /// # Errors
    /// [`DaemonError`].
    pub fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, DaemonError> {
        let body = serde_json::to_vec(body).map_err(|e| self.broken(&e))?;
        self.call("POST", path, body)
    }

    fn broken(&self, detail: &dyn fmt::Display) -> DaemonError {
        DaemonError::Broken {
            daemon: self.name,
            detail: detail.to_string(),
        }
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, DaemonError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| self.broken(&e))?;
        let asked =
            async { tokio::time::timeout(PATIENCE, self.exchange(method, path, body)).await };
        let (status, text) = runtime
            .block_on(asked)
            .map_err(|_| self.broken(&format_args!("{} s have passed", PATIENCE.as_secs())))??;
        let foreign = |detail: String| DaemonError::Foreign {
            daemon: self.name,
            detail,
        };
        if (200..300).contains(&status) {
            return serde_json::from_slice(&text).map_err(|e| foreign(e.to_string()));
        }
        let said: Said = serde_json::from_slice(&text)
            .map_err(|_| foreign(format!("status {status} without a reason")))?;
        Err(DaemonError::Refused {
            daemon: self.name,
            status,
            message: said.message,
            details: said.details,
        })
    }

    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(u16, Bytes), DaemonError> {
        let connect = |source| DaemonError::Connect {
            daemon: self.name,
            endpoint: self.client.endpoint().clone(),
            source,
        };
        let mut sender = self.client.dial().await.map_err(connect)?;
        let host = match self.client.endpoint() {
            Endpoint::Unix(_) => self.name,
            Endpoint::Tcp(at) | Endpoint::Tls(at) => at,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", host)
            .header("content-type", "application/json");
        if let Some(token) = self.client.token() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| self.broken(&e))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|e| self.broken(&causes(&e)))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await;
        let text = body.map_err(|e| self.broken(&e))?.to_bytes();
        Ok((status, text))
    }
}

/// netd's and ipamd's words for a refusal.
#[derive(Debug, serde::Deserialize)]
struct Said {
    #[serde(alias = "msg")]
    message: String,
    #[serde(default)]
    details: String,
}
