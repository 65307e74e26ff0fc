//! Who asks: by a session of ours, an OIDC token, or a token of the hub.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use flatnet_platform_types::api::Code;
use flatnet_platform_watch::Key;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::api::{Api, PostParams};

use crate::caller::{Caller, LOCAL};
use crate::context::Context;
use crate::problem::{Refusal, Reply};
use crate::session::Sessions;

impl FromRequestParts<Arc<Context>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, context: &Arc<Context>) -> Reply<Self> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|h| h.to_str().ok());
        let token = token.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        let Some(token) = token else {
            return Err(
                Refusal::new(Code::Unauthenticated, "the request has no bearer token").hint(
                    "log in: `flatctl login`, or send the header `Authorization: Bearer TOKEN`",
                ),
            );
        };
        if Sessions::is_ours(token) {
            return of_session(context, token);
        }
        match &context.oidc {
            Some(oidc) if oidc.is_of(token) => oidc.caller(token).await,
            _ => of_hub(context, token).await,
        }
    }
}

/// A session is valid for as long as its account is there with the same password.
fn of_session(context: &Context, token: &str) -> Reply<Caller> {
    let (name, fingerprint) = context.sessions.read(token)?;
    let objects = context.projection.read();
    let account = objects.accounts.get(&Key::new("", &name));
    match account.filter(|a| a.fingerprint() == fingerprint) {
        Some(account) => Ok(Caller::new(
            format!("{LOCAL}{name}"),
            account.groups.clone(),
        )),
        None => Err(Refusal::new(
            Code::Unauthenticated,
            format!("the account {name:?} has gone, or its password has changed since the login"),
        )
        .hint("log in again: `flatctl login`")),
    }
}

/// The holder of a token that the hub knows: a service account, or whom its API server authenticates.
async fn of_hub(context: &Context, token: &str) -> Reply<Caller> {
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.to_owned()),
            ..TokenReviewSpec::default()
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(context.hub.clone());
    let answer = reviews.create(&PostParams::default(), &review).await;
    let answer = answer.map_err(|e| Refusal::of_hub("ask whose token that is", &e))?;
    let status = answer.status.unwrap_or_default();
    let user = status.user.filter(|_| status.authenticated == Some(true));
    match user.and_then(|u| Some((u.username?, u.groups.unwrap_or_default()))) {
        Some((name, groups)) => Ok(Caller::new(name, groups)),
        None => Err(Refusal::new(
            Code::Unauthenticated,
            "the token is neither a session's, nor of the OIDC issuer, nor one that the hub knows",
        )
        .hint("log in: `flatctl login`")),
    }
}
