//! NextToken: where a listing goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::ApiError;
use crate::gateway::Params;
use crate::time::Timestamp;

/// What makes two calls pages of one listing.
const PAGING: [&str; 4] = ["NextToken", "MaxResult", "SignatureNonce", "Timestamp"];
/// Tokens that are remembered, at most; the oldest go first.
const KEPT: usize = 10_000;

#[derive(Debug)]
struct Page {
    filter: Params,
    after: u64,
    given: Timestamp,
}

/// The tokens that were given out, by their number.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: BTreeMap<u64, Page>,
    last: u64,
}

impl Pages {
    /// A token for the rows after the one of that number.
    pub(super) fn give(&mut self, params: &Params, after: u64, now: Timestamp) -> String {
        self.last += 1;
        let page = Page {
            filter: filter(params),
            after,
            given: now,
        };
        self.pages.insert(self.last, page);
        if self.pages.len() > KEPT {
            self.pages.pop_first();
        }
        format!(
            "FFh3Xq{:016x}",
            self.last.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    }

    /// After which row to go on; 0 without a token.
    ///
    /// # Errors
    /// [`ApiError::IllegalNextToken`] for a token of another listing or of none,
    /// [`ApiError::NextTokenExpired`].
    pub(super) fn take(
        &self,
        params: &Params,
        now: Timestamp,
        life: Duration,
    ) -> Result<Option<u64>, ApiError> {
        let Some(token) = params.get("NextToken") else {
            return Ok(None);
        };
        let scrambled = token
            .strip_prefix("FFh3Xq")
            .and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let page = scrambled.and_then(|s| self.pages.get(&s.wrapping_mul(INVERSE)));
        let page = page.ok_or(ApiError::IllegalNextToken)?;
        if page.filter != filter(params) {
            return Err(ApiError::IllegalNextToken);
        }
        if now.since(page.given) > life {
            return Err(ApiError::NextTokenExpired);
        }
        Ok(Some(page.after))
    }
}

/// The multiplier's inverse modulo 2^64.
const INVERSE: u64 = 0xf1de_83e1_9937_733d;

fn filter(params: &Params) -> Params {
    let mut params = params.clone();
    params.0.retain(|name, _| !PAGING.contains(&name.as_str()));
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_row_that_it_was_given_for() {
        let mut pages = Pages::default();
        let params = Params::default();
        let now = Timestamp(0);
        for after in [7, 9] {
            let mut asked = Params::default();
            let token = pages.give(&params, after, now);
            asked.0.insert("NextToken".into(), token);
            let taken = pages.take(&asked, now, Duration::from_secs(1));
            assert_eq!(taken, Ok(Some(after)));
        }
    }
}
