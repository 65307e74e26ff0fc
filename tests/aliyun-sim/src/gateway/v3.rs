//! Signature version 3: `ACS3-HMAC-SHA256` in the `Authorization` header.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::Signed;
use super::request::{Request, canonical_query, decode_query};
use crate::error::ApiError;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What is signed of a request.
#[derive(Debug)]
pub struct Canonical<'r> {
    /// `POST`.
    pub method: &'r str,
    /// `/`.
    pub path: &'r str,
    /// Decoded pairs, in any order.
    pub query: &'r [(String, String)],
    /// The signed headers, names in lower case, sorted.
    pub headers: &'r [(&'r str, &'r str)],
    /// Hex SHA-256 of the body.
    pub payload: &'r str,
}

/// The algorithm's name and the hash of the canonical request.
pub fn string_to_sign(canonical: &Canonical<'_>) -> String {
    let query = canonical_query(canonical.query.iter().map(|(k, v)| (k, v)));
    let mut text = format!("{}\n{}\n{query}\n", canonical.method, canonical.path);
    let mut names = Vec::new();
    for (name, value) in canonical.headers {
        let _ = writeln!(text, "{name}:{}", value.trim());
        names.push(*name);
    }
    let _ = write!(text, "\n{}\n{}", names.join(";"), canonical.payload);
    format!("{ALGORITHM}\n{}", sha256(text.as_bytes()))
}

/// Hex of HMAC-SHA256 with the bare secret.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    // An HMAC takes a key of any length: there is no error to see.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(string_to_sign.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn read(request: &Request) -> Result<Signed<'_>, ApiError> {
    let missing = ApiError::IncompleteSignature;
    let authorization = request.header("authorization").unwrap_or_default();
    let fields = authorization
        .strip_prefix(ALGORITHM)
        .ok_or(missing("The algorithm must be ACS3-HMAC-SHA256."))?;
    let field = |name: &str| {
        let mut parts = fields.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let key = field("Credential").filter(|k| !k.is_empty());
    let signature = field("Signature").ok_or(missing("Signature is missing."))?;
    let names = field("SignedHeaders").ok_or(missing("SignedHeaders is missing."))?;
    let names: Vec<&str> = names.split(';').collect();
    check_names(request, &names)?;
    let header = |name: &'static str| request.header(name);
    let payload =
        header("x-acs-content-sha256").ok_or(missing("x-acs-content-sha256 is missing."))?;
    if payload != sha256(&request.body) {
        return Err(missing("x-acs-content-sha256 is not the hash of the body."));
    }
    let headers: Vec<(&str, &str)> = names
        .iter()
        .map(|name| (*name, request.header(name).unwrap_or_default()))
        .collect();
    let string_to_sign = string_to_sign(&Canonical {
        method: &request.method,
        path: &request.path,
        query: &decode_query(&request.query),
        headers: &headers,
        payload,
    });
    Ok(Signed {
        key: key.ok_or(ApiError::MissingAccessKeyId)?,
        timestamp: header("x-acs-date").ok_or(ApiError::MissingParameter("x-acs-date"))?,
        nonce: header("x-acs-signature-nonce")
            .ok_or(missing("x-acs-signature-nonce is missing."))?,
        token: header("x-acs-security-token"),
        string_to_sign,
        signature,
        expected: self::signature,
    })
}

/// Host, content type and every `x-acs-` header must be signed, and nothing that is absent.
fn check_names(request: &Request, names: &[&str]) -> Result<(), ApiError> {
    let must = |name: &str| name == "host" || name.starts_with("x-acs-");
    let unsigned = request
        .headers
        .iter()
        .any(|(name, _)| must(name) && !names.contains(&name.as_str()));
    if unsigned {
        return Err(ApiError::IncompleteSignature(
            "host and every x-acs- header must be among the SignedHeaders.",
        ));
    }
    if names.iter().any(|name| request.header(name).is_none()) {
        return Err(ApiError::IncompleteSignature(
            "SignedHeaders names a header that the request does not have.",
        ));
    }
    Ok(())
}
