//! Documents by HTTPS, with the machine's root certificates.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::Bytes;
use flatnet_tls::get::Getter;

use crate::oidc::Fetch;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest document, in bytes.
const LONGEST: usize = 1 << 20;

/// A provider on this machine may be asked in the clear; the settings refuse others.
pub(crate) struct Https(pub(crate) Getter);

impl Fetch for Https {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<Bytes>> + Send + 'a>> {
        Box::pin(async move {
            let answer = self.0.get(url, ANSWER, LONGEST).await;
            let answer = answer.with_context(|| format!("GET {url}"))?;
            let status = answer.status;
            ensure!(
                (200..300).contains(&status),
                "GET {url}: it answered {status}"
            );
            Ok(answer.body)
        })
    }
}
