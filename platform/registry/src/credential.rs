//! What a machine shows when it asks for a token: a user's name that says what it is, and a signed text as password.

use flatnet_platform_types::Moment;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys::Keys;

/// Before passwords, so that one that is found somewhere is known for what it is.
const MARK: &str = "fnpr_";
/// Whom a password is for: it is no token that the registry takes.
const AUDIENCE: &str = "flatnet-platform";

/// Why a credential is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// It is no user's name of a machine.
    #[error("the user is neither builder/TEAM/APP nor cluster/NAME")]
    User,
    /// Its time is over.
    #[error("the password has expired")]
    Expired,
    /// It was not signed by this key, or for another user.
    #[error("the password is not one of that user's")]
    Foreign,
    /// It cannot be signed.
    #[error("the password cannot be signed")]
    Signing,
}

/// Which machine holds a credential. As a user's name it has no colon (RFC 7617 §2), and accounts' names have no slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A build of an application.
    Builder {
        /// The application's team.
        team: String,
        /// The application's name, whose images it pushes.
        app: String,
    },
    /// A cluster's nodes.
    Cluster(String),
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Builder { team, app } => write!(f, "builder/{team}/{app}"),
            Self::Cluster(name) => write!(f, "cluster/{name}"),
        }
    }
}

impl std::str::FromStr for Holder {
    type Err = CredentialError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("cluster/").filter(|n| !n.is_empty()) {
            return Ok(Self::Cluster(name.to_owned()));
        }
        let app = text
            .strip_prefix("builder/")
            .and_then(|t| t.split_once('/'));
        match app {
            Some((team, app)) if !team.is_empty() && !app.is_empty() => Ok(Self::Builder {
                team: team.to_owned(),
                app: app.to_owned(),
            }),
            _ => Err(CredentialError::User),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: String,
    sub: String,
    /// Seconds since 1970.
    exp: i64,
}

/// A holder, and until when it may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is.
    pub holder: Holder,
    /// Until when.
    pub expires: Moment,
}

impl Credential {
    /// The password of the user [`Holder`].
    ///
    /// # Errors
    /// [`CredentialError::Signing`].
    pub fn password(&self, keys: &Keys) -> Result<String, CredentialError> {
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            sub: self.holder.to_string(),
            exp: self.expires.as_millis() / 1_000,
        };
        let text = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &keys.signs);
        let text = text.map_err(|_| CredentialError::Signing)?;
        Ok(format!("{MARK}{text}"))
    }

    /// Whose user and password these are, by the wall clock.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn check(keys: &Keys, user: &str, password: &str) -> Result<Self, CredentialError> {
        let holder: Holder = user.parse()?;
        let text = password.strip_prefix(MARK);
        let text = text.ok_or(CredentialError::Foreign)?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[AUDIENCE]);
        rules.leeway = 0;
        let read = jsonwebtoken::decode::<Claims>(text, &keys.reads, &rules);
        let claims = read
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => CredentialError::Expired,
                _ => CredentialError::Foreign,
            })?
            .claims;
        if claims.sub != holder.to_string() {
            return Err(CredentialError::Foreign);
        }
        Ok(Self {
            holder,
            expires: Moment::from_millis(claims.exp.saturating_mul(1_000)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;

    fn keys() -> Keys {
        let (key, certificate) = generate().expect("randomness");
        Keys::read(&key, &certificate).expect("a key")
    }

    #[test]
    fn a_password_is_its_users_alone_until_it_expires_and_only_with_its_key() {
        let keys = keys();
        let credential = Credential {
            holder: "builder/shop/web".parse().expect("a holder"),
            expires: Moment::from_millis(4_102_444_800_000),
        };
        let password = credential.password(&keys).expect("signed");
        let check = |user: &str| Credential::check(&keys, user, &password);
        assert_eq!(check("builder/shop/web"), Ok(credential.clone()));
        for other in ["builder/shop/api", "cluster/idc"] {
            assert_eq!(check(other), Err(CredentialError::Foreign), "{other}");
        }
        for none in ["ann", "builder/shop", "builder//web", "cluster/", ""] {
            assert_eq!(check(none), Err(CredentialError::User), "{none}");
        }
        let other = Credential::check(&super::tests::keys(), "builder/shop/web", &password);
        assert_eq!(other, Err(CredentialError::Foreign));
        let old = Credential {
            expires: Moment::from_millis(0),
            ..credential
        };
        let old = old.password(&keys).expect("signed");
        assert_eq!(
            Credential::check(&keys, "builder/shop/web", &old),
            Err(CredentialError::Expired)
        );
    }
}
