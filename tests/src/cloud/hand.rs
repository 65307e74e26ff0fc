//! Somebody else who works in the lab's cloud, by the API, with a key of their own.

use std::sync::atomic::{AtomicU64, Ordering};

use flatnet_aliyun_sim::gateway::{Params, v1_signed_query};
use flatnet_aliyun_sim::time::Timestamp;
use serde_json::Value;

use super::http::ask;
use super::world::{HAND, region};
use crate::error::{Error, Result};
use crate::lab::Lab;

/// The ID of that key.
pub const HAND_KEY: &str = HAND.0;

/// A call, signed with version 1.0: its status and its answer.
///
/// # Errors
/// As [`ask`]; [`Error::Json`] for an answer that is not JSON.
pub fn by_hand(lab: &Lab, action: &str, pairs: &[(&str, &str)]) -> Result<(u16, Value)> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let now = Timestamp::now();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let nonce = format!("{}-{}-{call}", std::process::id(), now.0);
    let own = [
        ("Action", action),
        ("Version", "2016-04-28"),
        ("Format", "JSON"),
        ("RegionId", &region(lab.plan())),
        ("AccessKeyId", HAND.0),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", &nonce),
        ("Timestamp", &now.iso()),
    ];
    let all = own.iter().chain(pairs);
    let params = Params(
        all.map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    );
    let query = v1_signed_query(HAND.1, "POST", params);
    let (status, body) = ask(lab, "POST", &format!("/?{query}"), "")?;
    let answer = serde_json::from_str(&body).map_err(|source| Error::Json {
        what: format!("the answer to {action}"),
        source,
    })?;
    Ok((status, answer))
}
