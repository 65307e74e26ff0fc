//! Who asks.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use flatnet_platform_types::api::{Code, Login, Problem, Session, WhoAmI};
use flatnet_platform_watch::Key;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::body;
use crate::caller::Caller;
use crate::context::{Context, now};
use crate::problem::{Refusal, Reply};

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(who_am_i))
}

/// Logs a local account in.
#[utoipa::path(post, path = "/login", tag = "sessions", request_body = Login, security(()),
    responses((status = 200, body = Session), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn login(
    State(context): State<Arc<Context>>,
    body: body::Json<Login>,
) -> Reply<Json<Session>> {
    let Login { name, password } = body.value;
    let account = context
        .projection
        .read()
        .accounts
        .get(&Key::new("", &name))
        .cloned();
    let (passwords, who, of) = (
        Arc::clone(&context.passwords),
        name.clone(),
        account.clone(),
    );
    let checked =
        tokio::task::spawn_blocking(move || passwords.check(&who, of.as_ref(), &password)).await;
    checked.map_err(|e| {
        Refusal::new(
            Code::Internal,
            format!("the password cannot be checked: {e}"),
        )
    })??;
    let account =
        account.ok_or_else(|| Refusal::new(Code::Unauthenticated, "there is no such account"))?;
    tracing::info!(account = name, "logged in");
    context.sessions.begin(&name, &account, now()).map(Json)
}

/// Who asks, as RBAC knows them.
#[utoipa::path(get, path = "/whoami", tag = "sessions",
    responses((status = 200, body = WhoAmI), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn who_am_i(caller: Caller) -> Json<WhoAmI> {
    Json(WhoAmI {
        name: caller.name,
        groups: caller.groups,
    })
}
