//! What is asked of this process: whether it lives, whether it knows the hub, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::context::Context;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabel {
    method: String,
    path: String,
    status: u16,
}

/// Counts requests, and how long they take.
pub(crate) struct Requests {
    registry: Registry,
    count: Family<RequestLabel, Counter>,
    seconds: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flatnet_platform_api");
        let count = Family::<RequestLabel, Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        registry.register("requests", "Requests by path and status", count.clone());
        registry.register(
            "request_seconds",
            "How long requests took, without those that stream",
            seconds.clone(),
        );
        Self {
            registry,
            count,
            seconds,
        }
    }
}

/// Counts a request by the path that it matched, so that names make no series.
pub(crate) async fn count(
    State(requests): State<Arc<Requests>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().to_string();
    let path = path.map_or_else(|| "none".to_owned(), |p| p.as_str().to_owned());
    let begun = tokio::time::Instant::now();
    let response = next.run(request).await;
    if !path.ends_with("/events") {
        requests.seconds.observe(begun.elapsed().as_secs_f64());
    }
    let status = response.status().as_u16();
    let label = RequestLabel {
        method,
        path,
        status,
    };
    requests.count.get_or_create(&label).inc();
    response
}

/// For Prometheus and probes: a listener of its own.
pub(crate) fn router(context: Arc<Context>, requests: Arc<Requests>) -> Router {
    let ready = |State(context): State<Arc<Context>>| async move {
        match (context.projection.is_complete(), context.projection.stale()) {
            (false, _) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the hub's objects have not all been listed: the log says why\n",
            ),
            (true, Some(_)) => (
                StatusCode::OK,
                "ok; the hub does not answer: reads are of what was seen last\n",
            ),
            (true, None) => (StatusCode::OK, "ok\n"),
        }
    };
    let metrics = move || {
        let mut out = String::new();
        let text = text::encode(&mut out, &requests.registry).map(|()| out);
        std::future::ready(flatnet_daemon::metrics::reply(text))
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(context)
}
