//! Tokens that a login gives: signed, and valid for as long as the account is what it was.

use flatnet_platform_types::api::{Code, Session};
use flatnet_platform_types::{Moment, Span};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, PostParams};
use serde::{Deserialize, Serialize};

use crate::accounts::Account;
use crate::problem::{Refusal, Reply};

/// Before the tokens, so that one that is found somewhere is known for what it is.
const MARK: &str = "fnps_";
/// How long a token is valid.
const LIFE: Span = Span::seconds(12 * 3_600);
/// Who signs.
const ISSUER: &str = "flatnet-platform";
/// The Secret with the key that tokens are signed with, and the key in it.
const KEY: (&str, &str) = ("session-key", "key");
/// Its bytes.
const BYTES: usize = 32;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    /// Seconds since 1970.
    exp: i64,
    /// The account's fingerprint when it logged in.
    fpr: String,
}

/// Signs tokens, and reads them.
pub(crate) struct Sessions {
    signs: EncodingKey,
    reads: DecodingKey,
}

impl Sessions {
    fn new(key: &[u8]) -> anyhow::Result<Self> {
        Ok(Self {
            signs: EncodingKey::from_secret(key)?,
            reads: DecodingKey::from_secret(key)?,
        })
    }

    /// By the key in the Secret of the hub, which all servers share; the first one makes it.
    ///
    /// # Errors
    /// What the hub says.
    pub(crate) async fn open(hub: &Client, namespace: &str) -> anyhow::Result<Self> {
        let secrets: Api<Secret> = Api::namespaced(hub.clone(), namespace);
        loop {
            if let Some(secret) = secrets.get_opt(KEY.0).await? {
                let key = secret.data.as_ref().and_then(|d| d.get(KEY.1));
                let key = key.filter(|key| key.0.len() >= BYTES);
                let key = key.ok_or_else(|| {
                    anyhow::anyhow!(
                        "Secret {namespace}/{} has no key `{}` of {BYTES} bytes: delete it, and everybody logs in again",
                        KEY.0,
                        KEY.1
                    )
                })?;
                return Self::new(&key.0);
            }
            let mut key = vec![0; BYTES];
            getrandom::fill(&mut key).map_err(|e| anyhow::anyhow!("no randomness: {e}"))?;
            let mut secret = Secret::default();
            secret.metadata.name = Some(KEY.0.to_owned());
            secret.data = Some([(KEY.1.to_owned(), ByteString(key))].into());
            match secrets.create(&PostParams::default(), &secret).await {
                Ok(_) => {}
                // Another server was faster.
                Err(kube::Error::Api(s)) if s.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a text looks like a token of ours.
    pub(crate) fn is_ours(token: &str) -> bool {
        token.starts_with(MARK)
    }

    /// A token for an account.
    pub(crate) fn begin(&self, name: &str, account: &Account, now: Moment) -> Reply<Session> {
        let expires = now.after(LIFE);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: name.to_owned(),
            exp: expires.as_millis() / 1_000,
            fpr: account.fingerprint(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signs);
        let token =
            token.map_err(|e| Refusal::new(Code::Internal, format!("cannot sign a token: {e}")))?;
        Ok(Session {
            token: format!("{MARK}{token}"),
            expires,
        })
    }

    /// The account's name and fingerprint in a token of ours.
    pub(crate) fn read(&self, token: &str) -> Reply<(String, String)> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.leeway = 0;
        let text = token.strip_prefix(MARK).unwrap_or(token);
        let read = jsonwebtoken::decode::<Claims>(text, &self.reads, &rules);
        let read = read.map_err(|error| {
            let why = match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => "has expired",
                _ => "was not signed here",
            };
            Refusal::new(Code::Unauthenticated, format!("the session's token {why}"))
                .hint("log in again: `flatctl login`")
        })?;
        Ok((read.claims.sub, read.claims.fpr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_until_it_expires_and_only_with_its_key() {
        let sessions = Sessions::new(&[1; BYTES]).expect("a key");
        let mut secret = Secret::default();
        secret.metadata.name = Some("account-ann".to_owned());
        secret.data = Some([("hash".to_owned(), ByteString(b"$argon2id$".to_vec()))].into());
        let account = Account::of(&secret).expect("an account");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now = i64::try_from(now.expect("after 1970").as_millis()).expect("a moment");
        let session = sessions
            .begin("ann", &account, Moment::from_millis(now))
            .expect("a token");
        assert!(Sessions::is_ours(&session.token));
        assert_eq!(
            sessions.read(&session.token),
            Ok(("ann".to_owned(), account.fingerprint()))
        );
        assert!(
            Sessions::new(&[2; BYTES])
                .expect("a key")
                .read(&session.token)
                .is_err()
        );
        let long_ago = sessions
            .begin("ann", &account, Moment::from_millis(0))
            .expect("a token");
        let refusal = sessions.read(&long_ago.token).expect_err("it has expired");
        assert!(refusal.detail().contains("expired"), "{refusal:?}");
    }
}
