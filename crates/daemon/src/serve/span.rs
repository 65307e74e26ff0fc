//! The span of a request: what is logged while it is answered bears its fields.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, Uri};
use tracing::Span;

/// The longest path in the log, in characters: an unauthorized caller chooses it.
const PATH_MAX: usize = 128;

/// Numbers the requests of this process, on all its listeners, from 1.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// The span of the next request. The query is left out: it may be long, and paths say enough.
pub(super) fn of_request(method: &Method, uri: &Uri) -> Span {
    let path = uri.path();
    let end = path.char_indices().nth(PATH_MAX).map(|(at, _)| at);
    tracing::info_span!(
        "request",
        request_id = REQUESTS.fetch_add(1, Ordering::Relaxed),
        %method,
        path = &path[..end.unwrap_or(path.len())],
    )
}
