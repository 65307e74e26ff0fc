//! ClientToken: the same token and parameters get the first call's answer again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::Context;
use crate::error::ApiError;
use crate::gateway::Params;
use crate::time::Timestamp;

/// Bytes of a token, at most; ASCII.
const LENGTH: usize = 64;
/// What differs between two tries of one call.
const CHANGING: [&str; 3] = ["SignatureNonce", "Timestamp", "ClientToken"];

#[derive(Debug)]
struct Kept {
    params: Params,
    reply: Value,
    until: Timestamp,
}

/// The answers by key, call and token.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<(String, String, String), Kept>);

impl Tokens {
    /// The answer that was given to the token.
    ///
    /// # Errors
    /// If the token is malformed, or came with other parameters.
    pub(super) fn recall(
        &mut self,
        context: &Context<'_>,
        action: &str,
    ) -> Result<Option<Value>, ApiError> {
        self.0.retain(|_, kept| context.now < kept.until);
        let Some(token) = context.params.get("ClientToken") else {
            return Ok(None);
        };
        if token.len() > LENGTH || !token.is_ascii() {
            return Err(ApiError::IllegalParam("ClientToken"));
        }
        match self.0.get(&key(context, action, token)) {
            None => Ok(None),
            Some(kept) if kept.params == compared(context.params) => Ok(Some(kept.reply.clone())),
            Some(_) => Err(ApiError::IdempotentParameterMismatch),
        }
    }

    /// Remembers an answer for so many seconds.
    pub(super) fn keep(&mut self, context: &Context<'_>, action: &str, reply: &Value, secs: u64) {
        if let Some(token) = context.params.get("ClientToken") {
            let kept = Kept {
                params: compared(context.params),
                reply: reply.clone(),
                until: context.now.plus(Duration::from_secs(secs)),
            };
            self.0.insert(key(context, action, token), kept);
        }
    }
}

fn key(context: &Context<'_>, action: &str, token: &str) -> (String, String, String) {
    (context.key.to_owned(), action.to_owned(), token.to_owned())
}

fn compared(params: &Params) -> Params {
    let mut params = params.clone();
    params
        .0
        .retain(|name, _| !CHANGING.contains(&name.as_str()));
    params
}
