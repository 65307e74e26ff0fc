//! ID tokens of an OpenID Connect provider: who they say it is, by the provider's published keys.

use std::time::Duration;

use axum::body::Bytes;
use flatnet_clock::{Clock, System};
use flatnet_platform_types::api::Code;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::caller::Caller;
use crate::problem::{Refusal, Reply};

/// Before the names and groups that the provider says, in RBAC: nobody of it is `system:masters`.
const PREFIX: &str = "oidc:";
/// How long keys are taken to be current.
const CURRENT: Duration = Duration::from_secs(3_600);
/// The shortest time between two questions for keys: a token with a made-up key ID asks for them.
const APART: Duration = Duration::from_secs(10);
/// Signatures that are accepted (RFC 7518 §3.1): those with a public key.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// What is configured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The issuer's URL, as it is in the tokens.
    pub(crate) issuer: String,
    /// Whom tokens are to be for: the client ID.
    pub(crate) audience: String,
    /// The claim with the user's name.
    pub(crate) name_claim: String,
    /// The claim with the groups.
    pub(crate) groups_claim: String,
}

/// Fetches a document by its URL.
pub(crate) trait Fetch: Send + Sync {
    fn fetch<'a>(
        &'a self,
        url: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<Bytes>> + Send + 'a>>;
}

pub(crate) struct Oidc {
    settings: Settings,
    fetch: Box<dyn Fetch>,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: Option<JwkSet>,
    /// When they were asked for last, by the clock since the machine's start.
    asked: Option<Duration>,
}

/// What is read of the provider's configuration (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Provider {
    issuer: String,
    jwks_uri: String,
}

impl Oidc {
    pub(crate) fn new(settings: Settings, fetch: Box<dyn Fetch>) -> Self {
        Self {
            settings,
            fetch,
            keys: Mutex::default(),
        }
    }

    /// Whether a token says that it is the provider's.
    pub(crate) fn is_of(&self, token: &str) -> bool {
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
        claims.is_ok_and(|read| read.claims["iss"].as_str() == Some(&self.settings.issuer))
    }

    /// Whose token that is.
    pub(crate) async fn caller(&self, token: &str) -> Reply<Caller> {
        let refused = |why: String| {
            Refusal::new(
                Code::Unauthenticated,
                format!("the token of {} is refused: {why}", self.settings.issuer),
            )
            .hint("get a new one from the provider")
        };
        let header = jsonwebtoken::decode_header(token).map_err(|e| refused(e.to_string()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused(format!("its signature is {:?}", header.alg)));
        }
        let key = self.key(header.kid.as_deref().unwrap_or_default()).await?;
        let mut rules = Validation::new(header.alg);
        rules.set_issuer(&[&self.settings.issuer]);
        rules.set_audience(&[&self.settings.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        let read = jsonwebtoken::decode::<Value>(token, &key, &rules)
            .map_err(|e| refused(e.to_string()))?;
        let claim = |name: &str| read.claims.get(name);
        let name = claim(&self.settings.name_claim).and_then(Value::as_str);
        let name =
            name.ok_or_else(|| refused(format!("it has no claim {:?}", self.settings.name_claim)))?;
        let groups = claim(&self.settings.groups_claim).and_then(Value::as_array);
        let groups = groups.into_iter().flatten().filter_map(Value::as_str);
        Ok(Caller::new(
            format!("{PREFIX}{name}"),
            groups.map(|g| format!("{PREFIX}{g}")).collect(),
        ))
    }

    /// The key of that ID; keys are asked for where they are old, or do not have it.
    async fn key(&self, id: &str) -> Reply<DecodingKey> {
        let mut keys = self.keys.lock().await;
        let now = System.since_boot();
        let age = keys.asked.map(|at| now.saturating_sub(at));
        let found = |keys: &Keys| keys.set.as_ref().and_then(|set| set.find(id).cloned());
        let known = found(&keys);
        let wanted = match &known {
            Some(_) => age.is_none_or(|age| age > CURRENT),
            None => age.is_none_or(|age| age > APART),
        };
        if wanted {
            keys.asked = Some(now);
            match self.ask().await {
                Ok(set) => keys.set = Some(set),
                Err(error) => tracing::warn!(
                    issuer = self.settings.issuer,
                    error = format!("{error:#}"),
                    "no keys"
                ),
            }
        }
        let key = found(&keys).or(known).ok_or_else(|| {
            Refusal::new(Code::Unauthenticated, format!("{} has no key {id:?}", self.settings.issuer))
                .hint("is the provider reachable from platformd? Local accounts work without it: `flatctl login --name NAME`")
        })?;
        DecodingKey::from_jwk(&key).map_err(|e| {
            Refusal::new(
                Code::Unauthenticated,
                format!("the provider's key {id:?} cannot be used: {e}"),
            )
        })
    }

    async fn ask(&self) -> anyhow::Result<JwkSet> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let text = self
            .fetch
            .fetch(&format!("{issuer}/.well-known/openid-configuration"))
            .await?;
        let provider: Provider = serde_json::from_slice(&text)?;
        anyhow::ensure!(
            provider.issuer == self.settings.issuer,
            "the provider says that it is {:?}, and not {:?}",
            provider.issuer,
            self.settings.issuer
        );
        Ok(serde_json::from_slice(
            &self.fetch.fetch(&provider.jwks_uri).await?,
        )?)
    }
}
