//! What stands before the service: who calls, whether the signature is theirs, whether
//! they may.
//!
//! ```text
//!   Request ─▶ action, version ─▶ key ─▶ time ─▶ signature (v1 | v3) ─▶ nonce ─▶ token
//!           ─▶ throttling ─▶ RAM ─▶ Call { action, params, key }
//! ```

mod keys;
mod request;
mod throttle;
mod v1;
mod v3;

use std::collections::BTreeMap;
use std::time::Duration;

pub use keys::{Key, Keys};
pub use request::{Params, Request, decode_query};
pub use throttle::Throttler;
pub use v1::{
    signature as v1_signature, signed_query as v1_signed_query, string_to_sign as v1_string_to_sign,
};
pub use v3::{
    Canonical as V3Canonical, signature as v3_signature, string_to_sign as v3_string_to_sign,
};

use crate::config::Throttling;
use crate::error::ApiError;
use crate::time::Timestamp;

/// The one version of the product.
pub const VERSION: &str = "2016-04-28";

/// A call that was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The API's name for it, `CreateRouteEntry`.
    pub action: String,
    /// What it was given, without signature and token.
    pub params: Params,
    /// The key's ID.
    pub key: String,
}

/// How a request was signed: the parts that V1 and V3 keep in different places.
struct Signed<'r> {
    key: &'r str,
    timestamp: &'r str,
    nonce: &'r str,
    token: Option<&'r str>,
    string_to_sign: String,
    signature: &'r str,
    expected: fn(secret: &str, string_to_sign: &str) -> String,
}

/// The gateway's memory.
#[derive(Debug)]
pub struct Gateway {
    keys: Keys,
    /// Key and nonce, and when it came.
    nonces: BTreeMap<(String, String), Timestamp>,
    throttler: Throttler,
    /// How far a request's time may be off.
    window: Duration,
}

impl Gateway {
    /// A gateway with these keys.
    pub fn new(keys: Keys, throttling: Throttling, window: Duration) -> Self {
        Self {
            keys,
            nonces: BTreeMap::new(),
            throttler: Throttler::new(throttling),
            window,
        }
    }

    /// The access keys that calls are signed with.
    pub fn keys_mut(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// Sets how many calls are let through from now on.
    pub fn set_throttling(&mut self, throttling: Throttling) {
        self.throttler = Throttler::new(throttling);
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// The gateway's codes, from `InvalidAction.NotFound` to `Forbidden.RAM`.
    pub fn admit(
        &mut self,
        now: Timestamp,
        request: &Request,
        known: impl Fn(&str) -> bool,
    ) -> Result<Call, ApiError> {
        let params = request.params();
        let by_header = request.header("authorization").is_some();
        let named = |header: &str, param: &str| {
            let header = request.header(header).filter(|_| by_header);
            header.or(params.get(param)).unwrap_or_default().to_owned()
        };
        let action = named("x-acs-action", "Action");
        if action.is_empty() {
            return Err(ApiError::MissingParameter("Action"));
        }
        if named("x-acs-version", "Version") != VERSION {
            return Err(ApiError::InvalidVersion);
        }
        if !known(&action) {
            return Err(ApiError::ActionNotFound);
        }
        let signed = if by_header {
            v3::read(request)?
        } else {
            v1::read(&request.method, &params)?
        };
        let key = self.check(now, &signed)?;
        self.throttler.take(now, &key.id, &action)?;
        if !key.allows(&format!("vpc:{action}")) {
            return Err(ApiError::ForbiddenRam);
        }
        Ok(Call {
            action,
            key: key.id,
            params: params.without_secrets(),
        })
    }

    fn check(&mut self, now: Timestamp, signed: &Signed<'_>) -> Result<Key, ApiError> {
        let key = self
            .keys
            .get(signed.key)
            .ok_or(ApiError::AccessKeyNotFound)?;
        if key.inactive {
            return Err(ApiError::AccessKeyInactive);
        }
        let sent = Timestamp::parse_iso(signed.timestamp).ok_or(ApiError::TimestampFormat)?;
        if now.since(sent).max(sent.since(now)) > self.window {
            return Err(ApiError::TimestampExpired);
        }
        let expected = (signed.expected)(&key.secret, &signed.string_to_sign);
        if expected != signed.signature {
            let ours = signed.string_to_sign.clone();
            return Err(ApiError::SignatureDoesNotMatch(ours));
        }
        if key.token.as_deref() != signed.token {
            return Err(ApiError::TokenMismatch);
        }
        if key.expires.is_some_and(|end| now >= end) {
            return Err(ApiError::TokenExpired);
        }
        let key = key.clone();
        self.remember(now, &key.id, signed.nonce)?;
        Ok(key)
    }

    /// A nonce is good once for as long as a request with its time could be let in.
    fn remember(&mut self, now: Timestamp, key: &str, nonce: &str) -> Result<(), ApiError> {
        let kept = self.window * 2;
        self.nonces.retain(|_, came| now.since(*came) <= kept);
        let id = (key.to_owned(), nonce.to_owned());
        match self.nonces.insert(id, now) {
            None => Ok(()),
            Some(_) => Err(ApiError::SignatureNonceUsed),
        }
    }
}

#[cfg(test)]
mod tests;
