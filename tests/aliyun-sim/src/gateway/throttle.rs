//! Token buckets.

use std::collections::BTreeMap;

use crate::config::{Rate, Throttling};
use crate::error::{ApiError, Throttle};
use crate::time::Timestamp;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

/// The buckets of each key, and of each call of it.
#[derive(Debug)]
pub struct Throttler {
    rules: Throttling,
    buckets: BTreeMap<(String, Option<String>), Bucket>,
}

impl Throttler {
    /// Full buckets.
    pub fn new(rules: Throttling) -> Self {
        Self {
            rules,
            buckets: BTreeMap::new(),
        }
    }

    /// Takes a token for a call.
    ///
    /// # Errors
    /// [`ApiError::Throttling`] where the bucket is empty.
    pub fn take(&mut self, now: Timestamp, key: &str, action: &str) -> Result<(), ApiError> {
        if let Some(rate) = self.rules.apis.get(action).copied()
            && !self.draw(now, rate, (key.to_owned(), Some(action.to_owned())))
        {
            return Err(ApiError::Throttling(Throttle::Api));
        }
        if let Some(rate) = self.rules.user
            && !self.draw(now, rate, (key.to_owned(), None))
        {
            return Err(ApiError::Throttling(Throttle::User));
        }
        Ok(())
    }

    fn draw(&mut self, now: Timestamp, rate: Rate, of: (String, Option<String>)) -> bool {
        let bucket = self.buckets.entry(of).or_insert(Bucket {
            tokens: rate.burst,
            filled: now,
        });
        let new = now.since(bucket.filled).as_secs_f64() * rate.per_second;
        bucket.tokens = (bucket.tokens + new).min(rate.burst);
        bucket.filled = bucket.filled.max(now);
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }
}
