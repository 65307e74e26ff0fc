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
    /// The certificate is none.
    #[error("the registry's certificate is none in PEM")]
    Certificate,
    /// None can be made.
    #[error("cannot make a key and a certificate for the registry")]
    Make(#[source] rcgen::Error),
}

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
