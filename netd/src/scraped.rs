//! Metrics over TCP, for a Prometheus that does not reach the socket: `netd run --metrics`.
//!
//! Everybody who reaches the port may ask, containers too, and an answer reads flows and meters of the switch.
//! So the switch is read once a second at most, whoever asks how often; other answers repeat the last one.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use flatnet_daemon::metrics::reply;
use tokio::sync::Mutex;

use crate::metrics::Metrics;
use crate::view::Scrape;

/// For so long an answer is given again.
const FRESH: Duration = Duration::from_secs(1);

struct Scraped {
    metrics: Arc<Metrics>,
    scrape: Arc<dyn Scrape>,
    /// The last text, and when it was read. Held while it is read: who asks meanwhile waits for it.
    last: Mutex<Option<(Instant, String)>>,
}

impl Scraped {
    /// The text at that moment.
    async fn text(&self, now: Instant) -> Result<String, fmt::Error> {
        let mut last = self.last.lock().await;
        if let Some((at, text)) = &*last
            && now.saturating_duration_since(*at) < FRESH
        {
            return Ok(text.clone());
        }
        self.scrape.refresh().await;
        let text = self.metrics.encode()?;
        Ok(last.insert((now, text)).1.clone())
    }
}

/// `/metrics`, and `/livez`.
pub(crate) fn router(metrics: Arc<Metrics>, scrape: Arc<dyn Scrape>) -> Router {
    let scraped = Scraped {
        metrics,
        scrape,
        last: Mutex::default(),
    };
    Router::new()
        .route("/metrics", get(answer))
        .route("/livez", get(|| async { "ok\n" }))
        .with_state(Arc::new(scraped))
}

async fn answer(State(scraped): State<Arc<Scraped>>) -> Response {
    reply(scraped.text(Instant::now()).await)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Scrape for Counted {
        fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn the_switch_is_read_once_a_second_however_often_somebody_asks() {
        let counted = Arc::new(Counted::default());
        let scraped = Scraped {
            metrics: Arc::default(),
            scrape: Arc::clone(&counted) as Arc<dyn Scrape>,
            last: Mutex::default(),
        };
        let begun = Instant::now();
        for _ in 0..100 {
            let text = scraped.text(begun).await.expect("text");
            assert!(text.contains("flatnet_attachments"), "{text}");
        }
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
        scraped.text(begun + FRESH).await.expect("text");
        assert_eq!(counted.0.load(Ordering::Relaxed), 2);
    }
}
