//! The wall clock, handed in so that tests set it.

use std::sync::Arc;

use flatnet_types::Timestamp;

/// Wall-clock time. Injected, so that tests control it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
