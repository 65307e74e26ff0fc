//! HTTP/1.1 with a time limit, over TCP or TLS.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
pub use hyper::Method;
use hyper::Request;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// No answer of the API is longer: a full page of entries has some hundred KiB.
const LONGEST_BODY: usize = 8 << 20;

/// A client; clones share its connections.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`, empty where there is none.
    pub content_type: String,
    /// `Date`: the other end's clock.
    pub date: Option<SystemTime>,
    /// The body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum HttpError {
    /// TLS cannot be set up at all.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// The request cannot be made of this.
    #[error("{url} is no URL that can be asked")]
    Request {
        /// The URL, without its query.
        url: String,
        #[source]
        source: hyper::http::Error,
    },
    /// Nothing was sent: no connection.
    #[error("cannot connect to {url}")]
    Connect {
        /// The URL, without its query.
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke after the request may have been sent.
    #[error("the connection to {url} broke before the answer was whole")]
    Broken {
        /// The URL, without its query.
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No whole answer in time.
    #[error("no answer from {url} within {} s", after.as_secs_f32())]
    TimedOut {
        /// The URL, without its query.
        url: String,
        /// The limit.
        after: Duration,
    },
}

impl HttpError {
    /// Whether the other end may have acted on the request.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::TimedOut { .. } => true,
            Self::Tls(_) | Self::Request { .. } | Self::Connect { .. } => false,
        }
    }

    /// Whether the same request may fare better later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::TimedOut { .. } | Self::Connect { .. } => true,
            Self::Tls(_) | Self::Request { .. } => false,
        }
    }
}

impl Http {
    /// A client that gives each request so long.
    ///
    /// Without this system's root certificates there is no `https`, but `http` works: the
    /// simulator needs no more.
    ///
    /// # Errors
    /// [`HttpError::Tls`].
    pub fn new(timeout: Duration) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let with_roots = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider());
        let builder = match with_roots {
            Ok(builder) => builder,
            Err(error) => {
                tracing::warn!(%error, "no root certificates (Debian: package ca-certificates): no https");
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(HttpError::Tls)?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
        };
        Ok(Self {
            // A request that was never begun is sent again on a fresh connection; one that was
            // begun is not: it may have had its effect.
            client: Client::builder(TokioExecutor::new())
                .pool_idle_timeout(Duration::from_secs(20))
                .build(builder.https_or_http().enable_http1().build()),
            timeout,
        })
    }

    /// One request with an empty body.
    ///
    /// # Errors
    /// Any of [`HttpError`]; an HTTP status is none of them.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Answer, HttpError> {
        let shown = || url.split('?').next().unwrap_or_default().to_owned();
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request
            .header("content-length", "0")
            .body(Empty::new())
            .map_err(|source| HttpError::Request {
                url: shown(),
                source,
            })?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|e| {
                let url = shown();
                if e.is_connect() {
                    HttpError::Connect {
                        url,
                        source: Box::new(e),
                    }
                } else {
                    HttpError::Broken {
                        url,
                        source: Box::new(e),
                    }
                }
            })?;
            let status = response.status().as_u16();
            let header = |name: &str| {
                let value = response.headers().get(name)?;
                Some(value.to_str().ok()?.to_owned())
            };
            let content_type = header("content-type").unwrap_or_default();
            let date = header("date").and_then(|d| httpdate::parse_http_date(&d).ok());
            let body = Limited::new(response.into_body(), LONGEST_BODY)
                .collect()
                .await;
            let body = body.map_err(|source| HttpError::Broken {
                url: shown(),
                source,
            })?;
            Ok(Answer {
                status,
                content_type,
                date,
                body: body.to_bytes(),
            })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::TimedOut {
                url: shown(),
                after: self.timeout,
            }),
        }
    }
}
