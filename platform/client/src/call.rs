//! Calls.

use std::time::Duration;

use flatnet_platform_types::api::{Code, IDEMPOTENCY_KEY, Problem, ROOT};
use flatnet_tls::{ClientTls, TlsError};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::place::Place;

/// How long an answer may take. The server itself waits for members up to five seconds.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const LONGEST: usize = 32 << 20;

/// Why a call came to nothing.
#[derive(Debug, Error)]
pub enum Error {
    /// The authority's file, or the machine's authorities, cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There are no certificates of authorities on this machine.
    #[error("this machine has no certificates of authorities (Debian: package ca-certificates)")]
    NoRoots(#[source] std::io::Error),
    /// The server's URL is none.
    #[error("{0:?} is no URL of a server: https://HOST is wanted")]
    Url(String),
    /// A token would cross the network in the clear.
    #[error("{0} would show the token to whoever is on the way: use https://")]
    Plain(String),
    /// The server does not answer.
    #[error("{server} does not answer: {detail}")]
    Away {
        /// Its URL.
        server: String,
        /// What failed.
        detail: String,
    },
    /// It refuses.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It answers as no platform does.
    #[error("{server} is no platform's API: {detail}")]
    Foreign {
        /// Its URL.
        server: String,
        /// What is wrong with the answer.
        detail: String,
    },
}

impl Error {
    /// Which problem the server tells of, if it does.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }
}

/// A client. Clones share connections.
#[derive(Clone)]
pub struct Client {
    http: Http<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    token: Option<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of that place.
    ///
    /// # Errors
    /// [`Error::Tls`], [`Error::NoRoots`], [`Error::Url`], [`Error::Plain`].
    pub fn new(place: &Place) -> Result<Self, Error> {
        let server = place.server.trim_end_matches('/').to_owned();
        let uri: hyper::Uri = server.parse().map_err(|_| Error::Url(server.clone()))?;
        let host = uri.host().unwrap_or_default();
        let here = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => {}
            Some("http") if here => {}
            Some("http") if !host.is_empty() => return Err(Error::Plain(server)),
            _ => return Err(Error::Url(server)),
        }
        let builder = match &place.ca {
            Some(ca) => {
                let config = ClientTls::new(ca.clone(), None).config()?;
                HttpsConnectorBuilder::new().with_tls_config((*config).clone())
            }
            None if here => {
                // Nobody is on the way: no authority is needed.
                let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
                let config = rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|e| Error::NoRoots(std::io::Error::other(e)))?
                    .with_root_certificates(rustls::RootCertStore::empty())
                    .with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            }
            None => HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                .map_err(Error::NoRoots)?,
        };
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self {
            http: Http::builder(TokioExecutor::new()).build(connector),
            server,
            token: place.token.clone(),
        })
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// `GET /api/v1` and the path.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, None::<&()>, None).await
    }

    /// `POST`.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        self.call(Method::POST, path, Some(body), None).await
    }

    /// `POST` of something that is not to be done twice: sent again with the same key, it is answered as the first time.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn post_once<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
        key: &str,
    ) -> Result<T, Error> {
        self.call(Method::POST, path, Some(body), Some(key)).await
    }

    /// `PUT`.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        self.call(Method::PUT, path, Some(body), None).await
    }

    /// `PATCH`.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn patch<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        self.call(Method::PATCH, path, Some(body), None).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`enum@Error`].
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.call::<(), serde_json::Value>(Method::DELETE, path, None, None)
            .await
            .map(drop)
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        key: Option<&str>,
    ) -> Result<T, Error> {
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|e| self.foreign(e))?,
            None => Vec::new(),
        };
        let headers: Vec<(&str, &str)> = key.iter().map(|key| (IDEMPOTENCY_KEY, *key)).collect();
        let answer = self.send(method, path, body, &headers);
        let answer = tokio::time::timeout(ANSWER, async { self.read(answer.await?).await }).await;
        let text = answer
            .map_err(|_| self.away(&format!("no answer within {} s", ANSWER.as_secs())))??;
        let text: &[u8] = if text.is_empty() { b"null" } else { &text };
        serde_json::from_slice(text).map_err(|e| self.foreign(e))
    }

    /// Sends a request; an answer that is a refusal is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Incoming>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{ROOT}{path}", self.server));
        request = request.header(ACCEPT, "application/json, text/event-stream");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| self.foreign(e))?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| self.away(&causes(&error)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let text = self.read(answer).await?;
        match serde_json::from_slice::<Problem>(&text) {
            Ok(problem) => Err(Error::Refused(Box::new(problem))),
            Err(_) => Err(self.foreign(format!(
                "it answers {status}, and not as a problem (RFC 9457)"
            ))),
        }
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Bytes, Error> {
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        Ok(body.map_err(|e| self.away(&e.to_string()))?.to_bytes())
    }

    pub(crate) fn away(&self, detail: &str) -> Error {
        Error::Away {
            server: self.server.clone(),
            detail: detail.to_owned(),
        }
    }

    pub(crate) fn foreign(&self, detail: impl std::fmt::Display) -> Error {
        Error::Foreign {
            server: self.server.clone(),
            detail: detail.to_string(),
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_sent_in_the_clear_to_this_machine_alone() {
        let client = |server: &str| {
            Client::new(&Place {
                server: server.to_owned(),
                ca: None,
                token: Some("t".to_owned()),
                expires: None,
            })
        };
        for server in [
            "http://127.0.0.1:9441",
            "http://[::1]:9441/",
            "http://localhost:1",
        ] {
            assert!(client(server).is_ok(), "{server}");
        }
        assert!(matches!(
            client("http://platform.example"),
            Err(Error::Plain(_))
        ));
        for server in ["platform.example", "ftp://a", "https://", ""] {
            assert!(matches!(client(server), Err(Error::Url(_))), "{server}");
        }
        let away = client("http://127.0.0.1:1")
            .expect("a client")
            .get::<()>("/whoami")
            .await;
        assert!(matches!(away, Err(Error::Away { .. })), "{away:?}");
    }
}
