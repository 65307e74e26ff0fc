//! The two signatures of Aliyun's RPC-style APIs. Pure: time and nonce come in as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::credentials::Credential;
use super::encode::{canonical_query, encode, hex};

/// How a request is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignatureVersion {
    /// HMAC-SHA1 in the query.
    V1,
    /// `ACS3-HMAC-SHA256` in the `Authorization` header.
    #[default]
    V3,
}

/// A call before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The host, as the `Host` header will have it.
    pub host: &'a str,
    /// The API's name, such as `DescribeRouteEntryList`.
    pub action: &'a str,
    /// The API's version.
    pub version: &'a str,
    /// The call's own parameters.
    pub parameters: &'a [(String, String)],
    /// `YYYY-MM-DDThh:mm:ssZ`.
    pub timestamp: &'a str,
    /// Used once.
    pub nonce: &'a str,
}

/// What goes on the wire: `POST /?query` with these headers and an empty body.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed {
    /// The query, encoded.
    pub query: String,
    /// Headers beside `Host`.
    pub headers: Vec<(&'static str, String)>,
}

/// Signs a POST.
pub fn sign(version: SignatureVersion, call: &Call<'_>, credential: &Credential) -> Signed {
    match version {
        SignatureVersion::V1 => sign_v1(call, credential),
        SignatureVersion::V3 => sign_v3(call, credential),
    }
}

fn sign_v1(call: &Call<'_>, credential: &Credential) -> Signed {
    let mut parameters = call.parameters.to_vec();
    let mut add = |key: &str, value: &str| parameters.push((key.to_owned(), value.to_owned()));
    add("Action", call.action);
    add("Version", call.version);
    add("Format", "JSON");
    add("AccessKeyId", &credential.key_id);
    add("SignatureMethod", "HMAC-SHA1");
    add("SignatureVersion", "1.0");
    add("SignatureType", "");
    add("SignatureNonce", call.nonce);
    add("Timestamp", call.timestamp);
    if let Some(token) = &credential.token {
        add("SecurityToken", token.expose());
    }
    let signature = v1_signature("POST", &parameters, credential.secret.expose());
    let query = canonical_query(&parameters);
    Signed {
        query: format!("{query}&Signature={}", encode(&signature)),
        headers: Vec::new(),
    }
}

/// Base64 of HMAC-SHA1 over the method and the canonical query; `&` ends the key.
pub fn v1_signature(method: &str, parameters: &[(String, String)], secret: &str) -> String {
    let canonical = canonical_query(parameters);
    let text = format!("{method}&%2F&{}", encode(&canonical));
    let key = format!("{secret}&");
    STANDARD.encode(mac::<Hmac<Sha1>>(key.as_bytes(), text.as_bytes()))
}

fn sign_v3(call: &Call<'_>, credential: &Credential) -> Signed {
    let payload = hex(&Sha256::digest(b""));
    let mut headers = vec![
        ("x-acs-action", call.action.to_owned()),
        ("x-acs-content-sha256", payload.clone()),
        ("x-acs-date", call.timestamp.to_owned()),
        ("x-acs-signature-nonce", call.nonce.to_owned()),
        ("x-acs-version", call.version.to_owned()),
    ];
    if let Some(token) = &credential.token {
        headers.push(("x-acs-security-token", token.expose().to_owned()));
    }
    let query = canonical_query(call.parameters);
    let mut signed: Vec<(&str, &str)> = vec![("host", call.host)];
    signed.extend(headers.iter().map(|(k, v)| (*k, v.as_str())));
    let signature = v3_signature("POST", &query, &mut signed, &payload, &credential.secret);
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    headers.push((
        "authorization",
        format!(
            "ACS3-HMAC-SHA256 Credential={},SignedHeaders={},Signature={signature}",
            credential.key_id,
            names.join(";"),
        ),
    ));
    Signed { query, headers }
}

/// Hexadecimal HMAC-SHA256 over the hash of the canonical request; sorts the headers.
pub fn v3_signature(
    method: &str,
    canonical_query: &str,
    headers: &mut [(&str, &str)],
    payload_hash: &str,
    secret: &super::Secret,
) -> String {
    headers.sort_unstable();
    let lines: String = headers
        .iter()
        .map(|(k, v)| format!("{k}:{}\n", v.trim()))
        .collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let request = format!(
        "{method}\n/\n{canonical_query}\n{lines}\n{}\n{payload_hash}",
        names.join(";")
    );
    let text = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(request)));
    hex(&mac::<Hmac<Sha256>>(
        secret.expose().as_bytes(),
        text.as_bytes(),
    ))
}

fn mac<M: Mac + hmac::digest::KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length (RFC 2104 §2), so there is always one.
    let Ok(mac) = <M as Mac>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.chain_update(text).finalize().into_bytes().to_vec()
}
