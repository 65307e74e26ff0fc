//! A listener over TCP for Prometheus and for probes: in the clear, and for everybody who reaches it.
//!
//! It answers with numbers and with whether the process is alive and ready, and takes no body, so that it
//! needs no identity of its callers. What is more than that belongs on the daemon's socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use crate::serve::{Limits, serve};

/// Limits of the listener: a few scrapers, the kubelet, and people.
pub const LIMITS: Limits = Limits { connections: 64 };
/// What Prometheus needs to be told of the text (OpenMetrics 1.0, section "Overall Structure").
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for metrics: is the port taken by another process, or the address of \
     another host?"
)]
pub struct ListenError {
    /// As it was configured.
    pub address: SocketAddr,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// A listener at that address.
///
/// # Errors
/// [`ListenError`].
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| ListenError { address, source })
}

/// Serves for as long as it is polled. Cancel safe: dropping it costs running answers.
pub async fn follow(listener: TcpListener, router: Router) {
    serve(
        listener,
        |_, _| (),
        router,
        LIMITS,
        std::future::pending::<()>(),
    )
    .await;
}

/// Listens and serves, and tries again while the address cannot be listened on: a daemon's work does not hang on who
/// asks for its numbers. Does not end. Cancel safe.
pub async fn keep(address: SocketAddr, router: Router) {
    /// Interval between attempts: who has the port is often the daemon of before, which is ending.
    const AGAIN: Duration = Duration::from_secs(2);
    let mut told = false;
    let listener = loop {
        match listen(address).await {
            Ok(listener) => break listener,
            Err(e) if !told => {
                tracing::error!(error = %e, cause = %e.source, "metrics are not served yet");
                told = true;
            }
            // Once, however long it lasts.
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    };
    tracing::info!(%address, "serving metrics");
    follow(listener, router).await;
}

/// The answer to `GET /metrics`.
pub fn reply(text: Result<String, fmt::Error>) -> Response {
    match text {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The families of a text in the OpenMetrics format, one a line: name, type, what it is. Families without a
/// series are not in such a text.
pub fn catalogue(text: &str) -> String {
    let mut lines = Vec::new();
    let mut help = "";
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some(family) = line.strip_prefix("# TYPE ") {
            lines.push(format!("{family} {help}\n"));
        }
    }
    lines.sort();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_has_each_family_once_with_its_type() {
        let text = "# HELP b_c How many.\n# TYPE b_c counter\nb_c_total{d=\"e\"} 1\nb_c_total{d=\"f\"} 1\n\
                    # HELP a Whether.\n# TYPE a gauge\na 1\n# EOF\n";
        assert_eq!(catalogue(text), "a gauge Whether.\nb_c counter How many.\n");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_its_address() {
        let first = listen(([127, 0, 0, 1], 0).into()).await.expect("a port");
        let taken = first.local_addr().expect("an address");
        let error = listen(taken).await.expect_err("it is taken").to_string();
        assert!(error.contains(&taken.to_string()), "{error}");
    }

    #[test]
    fn the_text_is_declared_as_open_metrics() {
        let answer = reply(Ok("# EOF\n".to_owned()));
        assert_eq!(answer.headers()[CONTENT_TYPE], OPEN_METRICS);
        assert_eq!(reply(Err(fmt::Error)).status(), 500);
    }
}
