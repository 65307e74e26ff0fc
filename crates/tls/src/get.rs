//! Documents by HTTP and HTTPS, with the machine's root certificates. Redirects are not followed, connections not kept.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum NoAnswer {
    /// It is no URL.
    #[error("{0:?} is no URL")]
    Url(String),
    /// Somebody there refuses the connection.
    #[error("the connection is refused")]
    Refused,
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// It is too long.
    #[error("the answer is longer than {0} bytes, or breaks off")]
    Body(usize),
    /// Anything else: no way there, no TLS, no HTTP.
    #[error("{0}")]
    Other(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body, at most as long as the caller allowed.
    pub body: Bytes,
}

/// A client.
#[derive(Debug, Clone)]
pub struct Getter(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Getter {
    /// A client. On a machine without root certificates (Debian: package ca-certificates) HTTPS fails and HTTP works.
    ///
    /// # Panics
    /// Never: ring has the versions of TLS that are asked for.
    pub fn new() -> Self {
        let provider = ring::default_provider();
        let with_roots =
            HttpsConnectorBuilder::new().with_provider_and_native_roots(provider.clone());
        let builder = with_roots.unwrap_or_else(|_| {
            let config = ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .expect("ring has the default versions")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(config)
        });
        let connector = builder.https_or_http().enable_http1().build();
        let mut client = Client::builder(TokioExecutor::new());
        Self(client.pool_max_idle_per_host(0).build(connector))
    }

    /// Gets a document of at most `longest` bytes within `limit`, whatever its status.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn get(
        &self,
        url: &str,
        limit: Duration,
        longest: usize,
    ) -> Result<Answer, NoAnswer> {
        let uri: Uri = url.parse().map_err(|_| NoAnswer::Url(url.to_owned()))?;
        let asked = async {
            let answer = self.0.get(uri).await.map_err(|error| failure(&error))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), longest).collect().await;
            let body = body.map_err(|_| NoAnswer::Body(longest))?.to_bytes();
            Ok(Answer { status, body })
        };
        let answer = tokio::time::timeout(limit, asked).await;
        answer.unwrap_or(Err(NoAnswer::Late(limit)))
    }
}

impl Default for Getter {
    fn default() -> Self {
        Self::new()
    }
}

fn failure(error: &hyper_util::client::legacy::Error) -> NoAnswer {
    let mut chain = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            return NoAnswer::Refused;
        }
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    NoAnswer::Other(chain)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    fn got(url: &str, longest: usize) -> Result<Answer, NoAnswer> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(Getter::new().get(url, LIMIT, longest))
    }

    #[test]
    fn an_answer_has_its_status_and_a_bound_and_a_closed_port_refuses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = std::thread::spawn(move || {
            for _ in 0..2 {
                let (mut socket, _) = listener.accept().expect("a connection");
                let mut request = [0; 1024];
                let _ = socket.read(&mut request).expect("a request");
                let answer = "HTTP/1.1 418 I'm a teapot\r\ncontent-length: 5\r\n\r\nshort";
                socket.write_all(answer.as_bytes()).expect("it is sent");
            }
        });
        let url = format!("http://{address}/x");
        let answer = got(&url, 5).expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (418, &b"short"[..]));
        assert!(matches!(got(&url, 4), Err(NoAnswer::Body(4))));
        server.join().expect("it served");
        assert!(matches!(got(&url, 5), Err(NoAnswer::Refused)));
        assert!(matches!(got("http://[::1", 5), Err(NoAnswer::Url(_))));
    }
}
