//! Documents by HTTPS, with the machine's root certificates.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::oidc::Fetch;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest document, in bytes.
const LONGEST: usize = 1 << 20;

pub(crate) struct Https(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Https {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .context("no root certificates (Debian: package ca-certificates)")?;
        // A provider on this machine may be asked in the clear; the settings refuse others.
        let connector = builder.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }
}

impl Fetch for Https {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<Bytes>> + Send + 'a>> {
        Box::pin(async move {
            let asked = async {
                let answer = self.0.get(url.parse()?).await?;
                ensure!(
                    answer.status().is_success(),
                    "it answered {}",
                    answer.status()
                );
                let body = Limited::new(answer.into_body(), LONGEST).collect().await;
                let body = body.map_err(|e| anyhow::anyhow!("its answer cannot be read: {e}"))?;
                Ok(body.to_bytes())
            };
            let answer = tokio::time::timeout(ANSWER, asked).await;
            answer
                .context("no answer in time")?
                .with_context(|| format!("GET {url}"))
        })
    }
}
