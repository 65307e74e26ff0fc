//! `GET /registry/token`: the registry's realm (distribution, docs/spec/auth/token.md). It is no part of `/api/v1`: its
//! messages are the registry's.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::WWW_AUTHENTICATE;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use flatnet_platform_registry::Scope;
use flatnet_platform_types::api::Code;

use crate::context::Context;
use crate::registry;

/// Where it is.
const PATH: &str = "/registry/token";

pub(super) fn router() -> Router<Arc<Context>> {
    Router::new().route(PATH, axum::routing::get(token))
}

async fn token(
    State(context): State<Arc<Context>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // Clients repeat `scope`, even the same one twice.
    let query = query.unwrap_or_default();
    let (mut service, mut scopes) = (String::new(), Vec::<Scope>::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "service" => service = value.into_owned(),
            "scope" => {
                for scope in Scope::read(&value) {
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
            }
            _ => {}
        }
    }
    match registry::answer(&context, &headers, &service, &scopes).await {
        Ok(token) => Json(token).into_response(),
        Err(refusal) => {
            let unknown = refusal.code() == Code::Unauthenticated;
            let mut response = refusal.into_response();
            if unknown {
                let basic =
                    axum::http::HeaderValue::from_static("Basic realm=\"flatnet-platform\"");
                response.headers_mut().insert(WWW_AUTHENTICATE, basic);
            }
            response
        }
    }
}
