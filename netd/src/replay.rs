//! Replays the DELs that the plugin answered while netd was away.
//!
//! ```text
//!   spool ─page by page▶ each entry: applies to the attachment? detach ─▶ removed
//!     └─ other files: moved aside ─▶ logged once ─▶ problem `spool-bad` until they are removed
//! ```
//!
//! Reading the spool may block (on the disk, on another process's lock), so it runs on a blocking
//! thread.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use flatnet_ipam::Record;
use flatnet_spool::{BadEntry, Entry, Listing, Spool, SpoolError};
use tracing::{info, warn};

use crate::attach::{AttachError, Engine};
use crate::node_ops::NodeOps;
use crate::problems::Problem;

/// Interval between two reads of the spool: a plugin may have found netd away just before its
/// start.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How long netd, and its start, waits for the spool's lock.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many failures of one pass are logged one by one, and how many bad files that stay in place
/// are remembered as logged.
const LOGGED_MAX: usize = 20;

/// The longest logged reason, in characters: it may quote the file's content.
const REASON_MAX: usize = 200;

/// Executes the DELs of the spool.
pub(crate) struct Replayer<N: NodeOps> {
    engine: Engine<N>,
    spool: Spool,
    /// Bad files that were logged and could not be moved aside.
    stuck: BTreeSet<PathBuf>,
    /// The last logged error of reading the spool.
    spool_error: Option<String>,
}

/// Counts of one pass over the spool.
#[derive(Default)]
struct Pass {
    bad_total: usize,
    bad_example: Option<PathBuf>,
    waiting: usize,
}

impl<N: NodeOps> Replayer<N> {
    pub(crate) fn new(engine: Engine<N>, spool: Spool) -> Self {
        Self {
            engine,
            spool,
            stuck: BTreeSet::new(),
            spool_error: None,
        }
    }

    /// Replays every [`POLL_INTERVAL`], for ever. Cancel safe: an entry is removed after its DEL,
    /// and repeating a DEL is harmless.
    pub(crate) async fn follow(mut self) {
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            self.replay().await;
        }
    }

    /// Executes all DELs of the spool, a page at a time.
    pub(crate) async fn replay(&mut self) {
        let mut pass = Pass::default();
        let mut after = None;
        let spool_error = loop {
            let listing = match self.read_page(after.take()).await {
                Ok(listing) => listing,
                Err(e) => break Some(e.to_string()),
            };
            self.log_bad_entries(&listing.bad);
            (pass.bad_total, pass.bad_example) = (listing.bad_total, listing.bad_example);
            for entry in listing.entries {
                self.apply(entry, &mut pass).await;
            }
            match listing.next {
                Some(next) => after = Some(next),
                None => break None,
            }
        };
        if pass.waiting > LOGGED_MAX {
            warn!(waiting = pass.waiting, "spooled DELs wait");
        }
        if let Some(why) = &spool_error
            && self.spool_error.as_ref() != Some(why)
        {
            warn!(error = why, "the spool cannot be read");
        }
        self.post(&pass, spool_error.as_deref());
        self.spool_error = spool_error;
    }

    async fn read_page(&self, after: Option<std::ffi::OsString>) -> Result<Listing, SpoolError> {
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || spool.read_after(after.as_deref())).await;
        // The task panicked, which is a bug; the next pass tries again.
        read.unwrap_or_else(|_| Ok(Listing::default()))
    }

    fn log_bad_entries(&mut self, bad: &[BadEntry]) {
        for bad in bad {
            let moved = bad.path.extension().is_some_and(|e| e == "bad");
            if !moved && (self.stuck.len() >= LOGGED_MAX || !self.stuck.insert(bad.path.clone())) {
                continue;
            }
            let reason: String = bad.reason.to_string().chars().take(REASON_MAX).collect();
            warn!(file = ?bad.path, ?reason, moved, "not an entry of the spool");
        }
    }

    async fn apply(&self, entry: Entry, pass: &mut Pass) {
        match self.detach(&entry).await {
            Ok(existed) => {
                info!(key = %entry.del.request.key, existed, "a spooled DEL was done");
                let spool = self.spool.clone();
                let removed = tokio::task::spawn_blocking(move || spool.remove(&entry)).await;
                if let Ok(Err(e)) = removed {
                    warn!(error = %e, "it will be done again");
                }
            }
            Err(e) => {
                pass.waiting += 1;
                if pass.waiting <= LOGGED_MAX {
                    warn!(key = %entry.del.request.key, error = %e, "a spooled DEL waits");
                }
            }
        }
    }

    async fn detach(&self, entry: &Entry) -> Result<bool, AttachError> {
        // An attachment that was made after that DEL is left alone.
        let applies = |record: &Record| entry.del.applies_to(record.created_at);
        let done = self.engine.del_if(&entry.del.request.key, applies).await?;
        Ok(done.existed)
    }

    fn post(&self, pass: &Pass, spool_error: Option<&str>) {
        let dir = self.spool.dir().display();
        let mut problems = Vec::new();
        if let Some(why) = spool_error {
            problems.push(Problem::non_blocking(
                "spool-unusable",
                format!("DELs that wait in the spool {dir} are not done: {why}"),
            ));
        }
        if let Some(path) = &pass.bad_example {
            let text = format!(
                "{} files in the spool {dir} are no DELs and were put aside, one of them {path:?}; \
                 look at them, and remove them",
                pass.bad_total
            );
            problems.push(
                Problem::non_blocking("spool-bad", text)
                    .repaired_by(format!("ls -lAb {dir}/*.bad")),
            );
        }
        self.engine.state().board().post("spool", problems);
    }
}
