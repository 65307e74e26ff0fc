//! The DELs that were answered while netd was away.
//!
//! ```text
//!   spool ─page by page▶ each entry: meant for what is attached? detach ─▶ removed
//!     └─ what is no entry: moved aside ─▶ the log, once ─▶ problem `spool-bad` until somebody looks
//! ```
//!
//! Reading the spool may block (a disk, another process's lock): it is done on a thread of its own.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use flatnet_cni::spool::{BadEntry, Entry, Listing, Spool, SpoolError};
use flatnet_ipam::Record;
use tracing::{info, warn};

use crate::attach::{AttachError, Engine};
use crate::problems::Problem;
use crate::world::World;

/// How often the spool is looked at: a plugin may have found netd away a moment before it
/// was back.
const EVERY: Duration = Duration::from_secs(1);

/// How long netd waits for the spool's lock: its start waits with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// So many failures of one look are told one by one, and so many files that stay where they are
/// are remembered as told.
const TOLD: usize = 20;

/// The longest reason that is logged, in characters: it may quote what is in the file.
const REASON: usize = 200;

/// Does what waits in the spool.
pub(crate) struct Replayer<W: World> {
    engine: Engine<W>,
    spool: Spool,
    /// Bad files that were told of and could not be moved aside.
    stuck: BTreeSet<PathBuf>,
    /// What is wrong with the spool as a whole, if that was told.
    trouble: Option<String>,
}

/// What a look at the spool has found, beside entries.
#[derive(Default)]
struct Look {
    aside: usize,
    an_aside: Option<PathBuf>,
    waiting: usize,
}

impl<W: World> Replayer<W> {
    pub(crate) fn new(engine: Engine<W>, spool: Spool) -> Self {
        Self {
            engine,
            spool,
            stuck: BTreeSet::new(),
            trouble: None,
        }
    }

    /// Looks at the spool now and then, for ever. Cancel safe: an entry is removed after it was
    /// done, and done again where it was not removed.
    pub(crate) async fn follow(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.replay().await;
        }
    }

    /// Does all that waits, a page at a time.
    pub(crate) async fn replay(&mut self) {
        let mut look = Look::default();
        let mut after = None;
        let trouble = loop {
            let listing = match self.page(after.take()).await {
                Ok(listing) => listing,
                Err(e) => break Some(e.to_string()),
            };
            self.tell(&listing.bad);
            (look.aside, look.an_aside) = (listing.bad_total, listing.bad_example);
            for entry in listing.entries {
                self.obey(entry, &mut look).await;
            }
            match listing.next {
                Some(next) => after = Some(next),
                None => break None,
            }
        };
        if look.waiting > TOLD {
            warn!(waiting = look.waiting, "spooled DELs wait");
        }
        if let Some(why) = &trouble
            && self.trouble.as_ref() != Some(why)
        {
            warn!(error = why, "the spool cannot be read");
        }
        self.post(&look, trouble.as_deref());
        self.trouble = trouble;
    }

    async fn page(&self, after: Option<std::ffi::OsString>) -> Result<Listing, SpoolError> {
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || spool.read_after(after.as_deref())).await;
        // A panic is a fault of ours; the next look may do better.
        read.unwrap_or_else(|_| Ok(Listing::default()))
    }

    fn tell(&mut self, bad: &[BadEntry]) {
        for bad in bad {
            let moved = bad.path.extension().is_some_and(|e| e == "bad");
            if !moved && (self.stuck.len() >= TOLD || !self.stuck.insert(bad.path.clone())) {
                continue;
            }
            let reason: String = bad.reason.to_string().chars().take(REASON).collect();
            warn!(file = ?bad.path, ?reason, moved, "not an entry of the spool");
        }
    }

    async fn obey(&self, entry: Entry, look: &mut Look) {
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
                look.waiting += 1;
                if look.waiting <= TOLD {
                    warn!(key = %entry.del.request.key, error = %e, "a spooled DEL waits");
                }
            }
        }
    }

    async fn detach(&self, entry: &Entry) -> Result<bool, AttachError> {
        // One that is gone already, or was made after that DEL, is left alone.
        let meant = |record: &Record| entry.del.applies_to(record.created_at);
        let done = self.engine.del_if(&entry.del.request.key, meant).await?;
        Ok(done.existed)
    }

    fn post(&self, look: &Look, trouble: Option<&str>) {
        let dir = self.spool.dir().display();
        let mut problems = Vec::new();
        if let Some(why) = trouble {
            problems.push(Problem::named(
                "spool-unusable",
                format!("DELs that wait in the spool {dir} are not done: {why}"),
            ));
        }
        if let Some(path) = &look.an_aside {
            let text = format!(
                "{} files in the spool {dir} are no DELs and were put aside, one of them {path:?}; \
                 look at them, and remove them",
                look.aside
            );
            problems.push(
                Problem::named("spool-bad", text).repaired_by(format!("ls -lAb {dir}/*.bad")),
            );
        }
        self.engine.board().post("spool", problems);
    }
}
