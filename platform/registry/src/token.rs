//! The registry's tokens (distribution, docs/spec/auth/jwt.md).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flatnet_platform_types::Moment;
use jsonwebtoken::{Algorithm, Header};
use serde::Serialize;

use crate::credential::CredentialError;
use crate::keys::Keys;
use crate::scope::Action;

/// Who signs tokens: the registry's `auth.token.issuer`.
pub const ISSUER: &str = "flatnet-platform";
/// For how many seconds a token is valid: a push of a large image asks for another one.
pub const LIFE: i64 = 300;

/// What a token allows in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// `repository`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `TEAM/APP`.
    pub name: String,
    /// What may be done.
    pub actions: Vec<Action>,
}

impl Access {
    /// These actions in a repository.
    pub fn to(repository: &str, actions: Vec<Action>) -> Self {
        Self {
            kind: "repository",
            name: repository.to_owned(),
            actions,
        }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    /// One text: the registry refuses a list.
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: String,
    access: &'a [Access],
}

/// A token of `subject` for the registry `service` (its `auth.token.service`), valid from `now` for [`LIFE`] seconds.
///
/// # Errors
/// If it cannot be signed.
pub fn token(
    keys: &Keys,
    service: &str,
    subject: &str,
    access: &[Access],
    now: Moment,
) -> Result<String, CredentialError> {
    let now = now.as_millis() / 1_000;
    let mut number = [0; 16];
    getrandom::fill(&mut number).map_err(|_| CredentialError::Signing)?;
    let claims = Claims {
        iss: ISSUER,
        sub: subject,
        aud: service,
        exp: now + LIFE,
        nbf: now,
        iat: now,
        jti: URL_SAFE_NO_PAD.encode(number),
        access,
    };
    let mut header = Header::new(Algorithm::ES256);
    header.x5c = Some(vec![keys.certificate.clone()]);
    jsonwebtoken::encode(&header, &claims, &keys.signs).map_err(|_| CredentialError::Signing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::generate;

    #[test]
    fn a_token_says_for_which_registry_and_what_it_allows() {
        let (key, certificate) = generate().expect("randomness");
        let keys = Keys::read(&key, &certificate).expect("a key");
        let access = [Access::to("shop/web", vec![Action::Pull, Action::Push])];
        let token = token(
            &keys,
            "registry.example",
            "builder/shop/web",
            &access,
            Moment::from_millis(1_000),
        )
        .expect("signed");
        let parts: Vec<&str> = token.split('.').collect();
        let text = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64");
            String::from_utf8(bytes).expect("JSON")
        };
        let claims = text(parts[1]);
        assert!(claims.contains(r#""aud":"registry.example""#), "{claims}");
        assert!(
            claims.contains(
                r#""access":[{"type":"repository","name":"shop/web","actions":["pull","push"]}]"#
            ),
            "{claims}"
        );
        assert!(claims.contains(r#""exp":301"#), "{claims}");
        assert!(text(parts[0]).contains("x5c"));
    }
}
