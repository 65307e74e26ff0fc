//! Signature version 1.0: HMAC-SHA1 over the sorted parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;

use super::Signed;
use super::request::{Params, canonical_query, encode};
use crate::error::ApiError;

/// `METHOD&%2F&` and the encoded canonical query of all parameters but `Signature`.
pub fn string_to_sign(method: &str, params: &Params) -> String {
    let pairs = params.0.iter().filter(|(name, _)| *name != "Signature");
    format!("{method}&%2F&{}", encode(&canonical_query(pairs)))
}

/// Base64 of HMAC-SHA1 with the secret and `&` as the key.
pub fn signature(secret: &str, string_to_sign: &str) -> String {
    // An HMAC takes a key of any length: there is no error to see.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()) else {
        return String::new();
    };
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The query of a call that is signed with the secret: its parameters and `Signature`.
pub fn signed_query(secret: &str, method: &str, mut params: Params) -> String {
    let signature = signature(secret, &string_to_sign(method, &params));
    params.0.insert("Signature".to_owned(), signature);
    canonical_query(params.0.iter())
}

pub(super) fn read<'r>(method: &str, params: &'r Params) -> Result<Signed<'r>, ApiError> {
    let missing = ApiError::IncompleteSignature;
    let key = params
        .get("AccessKeyId")
        .ok_or(ApiError::MissingAccessKeyId)?;
    if params.get("SignatureMethod") != Some("HMAC-SHA1") {
        return Err(missing("SignatureMethod must be HMAC-SHA1."));
    }
    if params.get("SignatureVersion") != Some("1.0") {
        return Err(missing("SignatureVersion must be 1.0."));
    }
    Ok(Signed {
        key,
        timestamp: params
            .get("Timestamp")
            .ok_or(ApiError::MissingParameter("Timestamp"))?,
        nonce: params
            .get("SignatureNonce")
            .ok_or(missing("SignatureNonce is missing."))?,
        token: params.get("SecurityToken"),
        string_to_sign: string_to_sign(method, params),
        signature: params
            .get("Signature")
            .ok_or(missing("Signature is missing."))?,
        expected: signature,
    })
}
