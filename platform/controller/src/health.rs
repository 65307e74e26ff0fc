//! What is asked of this process: whether it lives, whether it knows the hub, and its metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::metrics::Metrics;

/// What the answers are made of.
#[derive(Default)]
pub(crate) struct Health {
    /// Whether the hub has been listed.
    pub(crate) ready: AtomicBool,
    pub(crate) metrics: Metrics,
}

pub(crate) fn router(health: Arc<Health>) -> Router {
    let ready = |State(health): State<Arc<Health>>| async move {
        match health.ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the hub's objects have not all been listed: the log says why\n",
            ),
        }
    };
    let metrics = |State(health): State<Arc<Health>>| async move {
        flatnet_daemon::metrics::reply(health.metrics.render())
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}
