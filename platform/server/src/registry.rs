//! The registry's tokens: who asks, and what of that which is asked for is allowed.
//!
//! | who | user | pulls | pushes |
//! |---|---|---|---|
//! | a build | `builder/TEAM/APP` | base images, its application's | its application's |
//! | a cluster's nodes | `cluster/NAME` | base images, those of applications in its location | nothing |
//! | people | a local account | base images, those of teams whose builds they may see | base images, where they may make templates |
//!
//! What is not allowed is left out of the token, and the registry refuses it: that is how its protocol has it
//! (distribution, docs/spec/auth/token.md).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flatnet_daemon::causes::chain;
use flatnet_platform_registry::token::{LIFE, token};
use flatnet_platform_registry::{Access, Action, Credential, Holder, Keys, Scope, keys};
use flatnet_platform_types::api::Code;
use flatnet_platform_watch::Key;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::caller::{Caller, LOCAL};
use crate::context::{Context, now};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;

/// The Secret with the key and its certificate: the registry needs the second (`auth.token.rootcertbundle`).
const SECRET: &str = "registry-key";
const KEY: &str = "tls.key";
const CERTIFICATE: &str = "tls.crt";
/// The team whose images everybody who is known may pull: what builds begin with.
pub(crate) const BASE: &str = "base";

/// The registry that tokens are for.
#[derive(Debug)]
pub(crate) struct Registry {
    service: String,
    keys: Keys,
}

/// Who asks for a token.
enum Asking {
    Nobody,
    Machine(Holder),
    Person(Caller),
}

impl Registry {
    /// With the key in the Secret of the hub, which all servers and the controller share; the first one makes it.
    ///
    /// # Errors
    /// What the hub says.
    pub(crate) async fn open(hub: &Client, namespace: &str, service: &str) -> anyhow::Result<Self> {
        let secrets: Api<Secret> = Api::namespaced(hub.clone(), namespace);
        loop {
            if let Some(secret) = secrets.get_opt(SECRET).await? {
                let text = |key: &str| {
                    let bytes = secret.data.as_ref().and_then(|d| d.get(key));
                    bytes
                        .and_then(|b| String::from_utf8(b.0.clone()).ok())
                        .unwrap_or_default()
                };
                let read = Keys::read(&text(KEY), &text(CERTIFICATE));
                let keys = read.map_err(|e| {
                    let what = chain(&e);
                    anyhow::anyhow!(
                        "Secret {namespace}/{SECRET}: {what}; where it is deleted a new one is made, which the registry is \
                         to be told"
                    )
                })?;
                let service = service.to_owned();
                return Ok(Self { service, keys });
            }
            let (key, certificate) = keys::generate()?;
            let mut secret = Secret::default();
            secret.metadata.name = Some(SECRET.to_owned());
            secret.type_ = Some("kubernetes.io/tls".to_owned());
            let data = [(KEY, key), (CERTIFICATE, certificate)];
            let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())));
            secret.data = Some(data.into());
            match secrets.create(&PostParams::default(), &secret).await {
                Ok(_) => {}
                // Another server was faster.
                Err(kube::Error::Api(s)) if s.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A cluster's password, as its nodes' runtime shows it.
    pub(crate) fn cluster_password(
        &self,
        cluster: &str,
        seconds: u64,
    ) -> Reply<(String, Credential)> {
        let credential = Credential {
            holder: Holder::Cluster(cluster.to_owned()),
            expires: now().after(flatnet_platform_types::Span::seconds(seconds)),
        };
        let password = credential.password(&self.keys);
        let password = password.map_err(|e| Refusal::new(Code::Internal, chain(&e)))?;
        Ok((password, credential))
    }
}

/// A token for whom `headers` name (HTTP's basic authentication), with what is allowed of `scopes`.
pub(crate) async fn answer(
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
    let text = token(&registry.keys, &registry.service, &subject, &access, now());
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
