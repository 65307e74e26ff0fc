//! `GET /registry/token`: the registry's realm (distribution, docs/spec/auth/token.md). It is no part of `/api/v1`: its
//! messages are the registry's.
//!
//! | who | user | pulls | pushes |
//! |---|---|---|---|
//! | a build | `builder/TEAM/APP` | base images, its application's | its application's |
//! | a cluster's nodes | `cluster/NAME` | base images, those of applications in its location | nothing |
//! | people | a local account | base images, those of teams whose builds they may see | base images, where they may make templates |
//!
//! What is not allowed is left out of the token, and the registry refuses it: that is how its protocol has it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flatnet_daemon::causes::chain;
use flatnet_platform_registry::token::{self, LIFE};
use flatnet_platform_registry::{Access, Action, Credential, Holder, Scope};
use flatnet_platform_types::api::Code;
use flatnet_platform_watch::Key;
use serde_json::{Value, json};

use crate::caller::{Caller, LOCAL};
use crate::context::{Context, now};
use crate::problem::{Refusal, Reply};
use crate::registry::Registry;
use crate::rights::Act;

/// Where it is.
const PATH: &str = "/registry/token";

/// The team whose images everybody who is known may pull: what builds begin with.
const BASE: &str = "base";

/// Who asks for a token.
enum Asking {
    Nobody,
    Machine(Holder),
    Person(Caller),
}

pub(super) fn router() -> Router<Arc<Context>> {
    Router::new().route(PATH, axum::routing::get(give))
}

async fn give(
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
    match answer(&context, &headers, &service, &scopes).await {
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

/// A token for whom `headers` name (HTTP's basic authentication), with what is allowed of `scopes`.
async fn answer(
    context: &Context,
    headers: &HeaderMap,
    service: &str,
    scopes: &[Scope],
) -> Reply<Value> {
    let Some(registry) = &context.registry else {
        return Err(
            Refusal::new(Code::NotFound, "this server gives no tokens of a registry")
                .hint("platformd serve --registry HOST[:PORT]"),
        );
    };
    if service != registry.service {
        return Err(Refusal::new(
            Code::BadRequest,
            format!(
                "tokens are given for the registry {}, not for {service:?}",
                registry.service
            ),
        )
        .hint(
            "auth.token.service in the registry's configuration and --registry are to be the same",
        ));
    }
    let asking = who(context, registry, headers).await?;
    let (subject, mut access) = match &asking {
        Asking::Nobody => (String::new(), Vec::new()),
        Asking::Machine(holder) => (holder.to_string(), Vec::with_capacity(scopes.len())),
        Asking::Person(caller) => (caller.name.clone(), Vec::with_capacity(scopes.len())),
    };
    for scope in scopes {
        let allowed = match &asking {
            Asking::Nobody => Vec::new(),
            Asking::Machine(holder) => of_machine(context, holder, scope),
            Asking::Person(caller) => of_person(context, caller, scope).await?,
        };
        if !allowed.is_empty() {
            access.push(Access::to(&scope.repository, allowed));
        }
    }
    let text = token::token(&registry.keys, &registry.service, &subject, &access, now());
    let text = text.map_err(|e| Refusal::new(Code::Internal, chain(&e)))?;
    // `access_token` is the same by OAuth's name: clients look for either.
    Ok(json!({"token": text, "access_token": text, "expires_in": LIFE, "issued_at": now()}))
}

async fn who(context: &Context, registry: &Registry, headers: &HeaderMap) -> Reply<Asking> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(Asking::Nobody);
    };
    let basic = header.to_str().ok().and_then(|text| {
        let (scheme, text) = text.split_once(' ')?;
        let text = scheme
            .eq_ignore_ascii_case("basic")
            .then_some(text.trim())?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    });
    let basic = basic.as_deref().and_then(|text| text.split_once(':'));
    let Some((user, password)) = basic else {
        return Err(Refusal::new(
            Code::Unauthenticated,
            "a user and a password are wanted (HTTP's basic authentication)",
        ));
    };
    if user.contains('/') {
        let credential = Credential::check(&registry.keys, user, password);
        let credential = credential.map_err(|e| {
            Refusal::new(Code::Unauthenticated, format!("user {user}: {}", chain(&e)))
        })?;
        return Ok(Asking::Machine(credential.holder));
    }
    let account = context
        .projection
        .read()
        .accounts
        .get(&Key::new("", user))
        .cloned();
    let (passwords, name, of, password) = (
        std::sync::Arc::clone(&context.passwords),
        user.to_owned(),
        account.clone(),
        password.to_owned(),
    );
    let checked =
        tokio::task::spawn_blocking(move || passwords.check(&name, of.as_ref(), &password));
    let checked = checked
        .await
        .map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
    checked?;
    let groups = account.map(|a| a.groups).unwrap_or_default();
    Ok(Asking::Person(Caller::new(
        format!("{LOCAL}{user}"),
        groups,
    )))
}

/// What a machine is allowed of that.
fn of_machine(context: &Context, holder: &Holder, scope: &Scope) -> Vec<Action> {
    let Some((team, app)) = scope.app() else {
        return Vec::new();
    };
    let only = |action: Action| {
        let wanted = scope.actions.iter().copied();
        wanted.filter(|a| *a == action).collect()
    };
    match holder {
        Holder::Builder { team: own, app: of } if team == own && app == of => scope.actions.clone(),
        Holder::Builder { .. } if team == BASE => only(Action::Pull),
        Holder::Builder { .. } => Vec::new(),
        Holder::Cluster(name) => {
            let objects = context.projection.read();
            // One that was removed pulls nothing any more.
            let cluster = objects.hub.clusters.get(&Key::new("", name));
            let runs = cluster.is_some_and(|cluster| {
                let app = objects.hub.apps.get(&Key::new(team, app));
                let mut locations = app.iter().flat_map(|a| &a.spec.placement.locations);
                team == BASE || locations.any(|l| l.name == cluster.spec.location)
            });
            match runs {
                true => only(Action::Pull),
                false => Vec::new(),
            }
        }
    }
}

/// What somebody is allowed of that. Images of applications come from builds, and from nobody else.
async fn of_person(context: &Context, caller: &Caller, scope: &Scope) -> Reply<Vec<Action>> {
    let Some((team, _)) = scope.app() else {
        return Ok(Vec::new());
    };
    let mut allowed = Vec::new();
    for action in &scope.actions {
        let may = match (action, team) {
            (Action::Pull, BASE) => true,
            (Action::Pull, team) => {
                let act = Act::new("list", "builds").of(team);
                context.is_allowed(caller, act).await?
            }
            (Action::Push, BASE) => {
                let act = Act::new("create", "templates");
                context.is_allowed(caller, act).await?
            }
            (Action::Push, _) => false,
        };
        if may {
            allowed.push(*action);
        }
    }
    Ok(allowed)
}
