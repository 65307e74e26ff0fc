//! What the tables hold, for root of this machine: `GET /v1/tables` on a unix socket.
//!
//! Every answer is a dry round: the tables are listed anew, nothing is changed, and a standby
//! answers as the leader does. One round at a time, so that many who ask cost the API no more
//! than one.

use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use flatnet_daemon::serve::{Limits, read_body, serve};
use flatnet_daemon::socket::{self, Peer};
use flatnet_leader::Election;
use flatnet_types::tables::Refused;
use tokio::sync::Mutex;

use super::document;
use crate::controller::{Controller, Round};
use crate::model::Generation;
use flatnet_daemon::causes::chain;

/// Connections at a time: a few people.
const LIMITS: Limits = Limits { connections: 64 };
/// Bytes of a body: nothing that is served here has one.
const BODY_MAX: usize = 4096;

#[derive(Clone)]
struct App {
    controller: Arc<Controller>,
    election: Arc<Election>,
    alone: Arc<Mutex<()>>,
}

/// Serves in the background, where the configuration says so. That it cannot is no reason to
/// leave the tables alone: it is logged.
pub(super) fn tables(controller: &Arc<Controller>, election: &Arc<Election>) {
    let Some(path) = &controller.config.socket else {
        return;
    };
    let listener = match socket::bind("vpc-route", path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(error = chain(&error), "flatctl cannot ask this process");
            return;
        }
    };
    let app = App {
        controller: Arc::clone(controller),
        election: Arc::clone(election),
        alone: Arc::default(),
    };
    let router = Router::new()
        .route("/v1/tables", get(listed))
        .fallback(unknown)
        .layer(middleware::from_fn(only_root))
        .with_state(app);
    // Ends with the process; dropped at any point it loses one answer.
    let never = std::future::pending();
    tokio::spawn(serve(listener, |io, _| Peer::of(io), router, LIMITS, never));
}

async fn listed(State(app): State<App>) -> Response {
    let _alone = app.alone.lock().await;
    let controller = &app.controller;
    let round = match controller.targets() {
        Ok(targets) => Round {
            leads: None,
            generation: controller.highest_generation(&targets).await,
            allow_mass_delete: false,
            limit: None,
        },
        // The round says what is wrong with the plan.
        Err(_) => Round {
            leads: None,
            generation: Generation::default(),
            allow_mass_delete: false,
            limit: None,
        },
    };
    match controller.round(&round).await {
        Ok(outcomes) => {
            let mut document = document(controller, Some(&app.election), &outcomes).await;
            if let Some(plan) = controller.plans() {
                document.plan = Some(plan.borrow().status());
            }
            Json(document).into_response()
        }
        Err(error) => refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            &chain(&error),
            "repair what it names, and ask again",
        ),
    }
}

async fn unknown(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    refusal(
        StatusCode::NOT_FOUND,
        &format!("vpc-route does not serve {method} {path}"),
        "it serves GET /v1/tables",
    )
}

/// Root of this machine, and nobody else.
async fn only_root(ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    if peer.is_root() {
        return match read_body(request, BODY_MAX).await {
            Ok(request) => next.run(request).await,
            Err(e) => refusal(e.status(), &e.to_string(), "it serves GET /v1/tables"),
        };
    }
    refusal(
        StatusCode::FORBIDDEN,
        "vpc-route serves root only",
        "run this as root",
    )
}

fn refusal(status: StatusCode, message: &str, details: &str) -> Response {
    let body = Refused {
        message: message.to_owned(),
        details: details.to_owned(),
    };
    (status, Json(body)).into_response()
}
