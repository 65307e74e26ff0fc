//! Whether this process lives and could keep the tables: what probes ask, beside the metrics.
//!
//! ```text
//!   the plan's source ──┐
//!                       ├─▶ [Health] ─▶ GET /readyz: 200 leads | 200 stands by | 503 and why
//!   the lease ──────────┘
//! ```
//!
//! Ready is who has a plan and could ask for the lease: a standby is as ready as the leader, so that a
//! rolling update and a PodDisruptionBudget count both.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flatnet_daemon::metrics::reply;

use crate::metrics::Metrics;

/// What was seen of the lease last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lease {
    /// It was not asked for yet.
    Unasked,
    /// This process leads.
    Leads,
    /// Another one leads, or nobody is known to.
    StandsBy(Option<String>),
    /// It cannot be had, for that reason.
    Trouble(String),
}

#[derive(Debug)]
struct Seen {
    has_plan: bool,
    lease: Lease,
}

impl Seen {
    /// `Ok` where this process could keep the tables; a line for people.
    fn verdict(&self) -> Result<String, String> {
        match (&self.lease, self.has_plan) {
            (_, false) => Err("there is no plan to go by yet".to_owned()),
            (Lease::Unasked, true) => Err("the lease was not asked for yet".to_owned()),
            (Lease::Trouble(why), true) => Err(format!("the lease: {why}")),
            (Lease::Leads, true) => Ok("leads".to_owned()),
            (Lease::StandsBy(Some(leader)), true) => Ok(format!("stands by: {leader} leads")),
            (Lease::StandsBy(None), true) => Ok("stands by".to_owned()),
        }
    }
}

/// The state that probes ask for.
#[derive(Debug)]
pub(super) struct Health(Mutex<Seen>);

impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(Seen {
            has_plan: false,
            lease: Lease::Unasked,
        }))
    }
}

impl Health {
    /// There is a plan; none is ever lost again.
    pub(super) fn has_plan(&self) {
        self.seen().has_plan = true;
    }

    /// What was seen of the lease just now.
    pub(super) fn lease(&self, lease: Lease) {
        self.seen().lease = lease;
    }

    fn verdict(&self) -> Result<String, String> {
        self.seen().verdict()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct App {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

/// `/metrics`, `/livez` and `/readyz`; `/healthz` is `/livez` by its older name.
pub(super) fn router(metrics: Arc<Metrics>, health: Arc<Health>) -> Router {
    // All loops run on the thread that answers: an answer says that none of them blocks it.
    let lives = || async { "ok\n" };
    Router::new()
        .route(
            "/metrics",
            get(|State(app): State<App>| async move { reply(Ok(app.metrics.render())) }),
        )
        .route("/livez", get(lives))
        .route("/healthz", get(lives))
        .route("/readyz", get(ready))
        .with_state(App { metrics, health })
}

async fn ready(State(app): State<App>) -> (StatusCode, String) {
    match app.health.verdict() {
        Ok(line) => (StatusCode::OK, format!("{line}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standby_is_ready_and_who_has_no_plan_or_no_lease_says_why_not() {
        let health = Health::default();
        assert_eq!(
            health.verdict(),
            Err("there is no plan to go by yet".into())
        );
        health.has_plan();
        assert!(health.verdict().is_err());
        health.lease(Lease::StandsBy(Some("rack7".into())));
        assert_eq!(health.verdict(), Ok("stands by: rack7 leads".into()));
        health.lease(Lease::Trouble("no answer within 2 s".into()));
        assert_eq!(
            health.verdict(),
            Err("the lease: no answer within 2 s".into())
        );
        health.lease(Lease::Leads);
        assert_eq!(health.verdict(), Ok("leads".into()));
    }
}
