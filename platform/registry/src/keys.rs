//! The key that credentials and tokens are signed with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rcgen::{CertificateParams, DnType, KeyPair};
use thiserror::Error;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The private key is none, or not one for ES256.
    #[error("the registry's key is no PKCS#8 key of P-256 in PEM")]
    Key,
    /// There is no certificate in PEM, or what is in it is not base64.
    #[error("the registry's certificate is none in PEM")]
    Certificate,
    /// None can be made.
    #[error("cannot make a key and a certificate for the registry")]
    Make(#[source] rcgen::Error),
}

/// The Secret of the hub that holds both, of the type `kubernetes.io/tls`; `platformd serve` makes it.
pub const SECRET: &str = "registry-key";
/// The key in it with the private key (PKCS#8, PEM).
pub const PRIVATE_KEY: &str = "tls.key";
/// The key in it with the certificate (PEM), which the registry needs too.
pub const CERTIFICATE: &str = "tls.crt";

/// A key pair for ES256 (RFC 7518 §3.4) and its self-signed certificate.
pub struct Keys {
    pub(crate) signs: EncodingKey,
    pub(crate) reads: DecodingKey,
    /// The certificate's DER as base64, for the header `x5c` (RFC 7515 §4.1.6).
    pub(crate) certificate: String,
}

/// Without the key.
impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// A new key (PKCS#8) and its certificate, both PEM.
///
/// # Errors
/// If there is no randomness.
pub fn generate() -> Result<(String, String), KeyError> {
    let key = KeyPair::generate().map_err(KeyError::Make)?;
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "flatnet-platform registry tokens");
    let certificate = params.self_signed(&key).map_err(KeyError::Make)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

impl Keys {
    /// Of the values of [`SECRET`], by their keys.
    ///
    /// # Errors
    /// [`KeyError`]; a value that is not there is none.
    pub fn of_secret<'d>(value: impl Fn(&str) -> Option<&'d [u8]>) -> Result<Self, KeyError> {
        let text = |key| value(key).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let key = text(PRIVATE_KEY).ok_or(KeyError::Key)?;
        let certificate = text(CERTIFICATE).ok_or(KeyError::Certificate)?;
        Self::read(key, certificate)
    }

    /// Of a private key (PKCS#8) and its certificate, both PEM.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(key: &str, certificate: &str) -> Result<Self, KeyError> {
        let pair = KeyPair::from_pem(key).map_err(|_| KeyError::Key)?;
        if !pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256) {
            return Err(KeyError::Key);
        }
        let body: String = certificate
            .lines()
            .skip_while(|line| line.trim() != "-----BEGIN CERTIFICATE-----")
            .skip(1)
            .take_while(|line| !line.starts_with("-----"))
            .map(str::trim)
            .collect();
        if body.is_empty() || STANDARD.decode(&body).is_err() {
            return Err(KeyError::Certificate);
        }
        Ok(Self {
            signs: EncodingKey::from_ec_der(pair.serialized_der()),
            reads: DecodingKey::from_ec_der(pair.public_key_raw()),
            certificate: body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_and_what_is_no_key_is_refused_without_being_shown() {
        let (key, certificate) = generate().expect("randomness");
        let keys = Keys::read(&key, &certificate).expect("a key");
        assert!(!format!("{keys:?}").contains(&keys.certificate));
        let of_secret = |lacks: &str| {
            let values = [(PRIVATE_KEY, &key), (CERTIFICATE, &certificate)];
            let found = |wanted: &str| {
                let mut values = values.iter().filter(|(name, _)| *name != lacks);
                values
                    .find(|(name, _)| *name == wanted)
                    .map(|(_, text)| text.as_bytes())
            };
            Keys::of_secret(found)
        };
        assert!(of_secret("").is_ok());
        assert!(matches!(of_secret(PRIVATE_KEY), Err(KeyError::Key)));
        assert!(matches!(of_secret(CERTIFICATE), Err(KeyError::Certificate)));
        let shown = Keys::read("secret", &certificate)
            .expect_err("no key")
            .to_string();
        assert!(!shown.contains("secret"), "{shown}");
        assert!(matches!(
            Keys::read(&key, "no certificate"),
            Err(KeyError::Certificate)
        ));
    }
}
