//! Time and size limits: all of them are parameters, none is read from a clock in here.

use std::time::Duration;

use flatnet_clock::Backoff;

/// The delays between attempts to connect.
///
/// The first is short because the usual reason is a daemon that is being restarted, and
/// containers wait for it; the last is not long because the socket is local.
const RECONNECT: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));

/// How long a connection waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between attempts to connect.
    pub backoff: Backoff,
    /// For `connect()` and then for the exchange that makes the connection usable: the
    /// schema and the first copy of the tables, or OpenFlow's hello and port list.
    pub setup_timeout: Duration,
    /// A connection that has been quiet for this long is asked for an echo.
    pub probe_interval: Duration,
    /// A connection that has been quiet for this long, and was asked for an echo, is given up.
    ///
    /// Long, since the socket is local: a daemon that ends closes it at once, and one that is
    /// overloaded would only have more to do with a new connection, whose user reads all anew.
    pub silence_limit: Duration,
    /// For the answer to a request, where the caller names no time of its own.
    pub request_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            backoff: RECONNECT,
            setup_timeout: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            silence_limit: Duration::from_secs(60),
            request_timeout: Duration::from_secs(10),
        }
    }
}
