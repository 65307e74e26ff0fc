//! The plan in a file.
//!
//! The file is polled, not watched by inotify: polling handles a ConfigMap's symbolic links, an
//! editor's renames, an unmounted directory and a network file system in the same way.

mod change;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_plan::NetworkPlan;
use flatnet_plan::source::MAX_BYTES;
use flatnet_types::Timestamp;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::document::{FileText, parse};
use crate::policy::{Clock, OpenError, Policy};
use crate::{PlanSource, Refusal, State, UnusablePlan};
use change::{ChangeDetector, stamp};

/// Polling interval.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Path of the plan, and the directory of its accepted copy.
#[derive(Clone)]
pub struct FilePlan {
    path: PathBuf,
    state: PathBuf,
    every: Duration,
    clock: Clock,
}

impl FilePlan {
    /// The plan at `path`, by the wall clock; its copy is in the directory `state`.
    pub fn new(path: &Path, state: &Path) -> Self {
        Self {
            path: path.to_owned(),
            state: state.to_owned(),
            every: CHECK_EVERY,
            clock: Arc::new(|| Timestamp::from(SystemTime::now())),
        }
    }

    /// Uses another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn read(&self) -> Result<FileText, Refusal> {
        let text = read_text(&self.path)?;
        let path = self.path.clone();
        Ok(FileText { path, text })
    }
}

/// Reads and checks a plan's file once, for a command that ends. Blocks.
///
/// # Errors
/// [`Refusal`].
pub fn read(path: &Path) -> Result<NetworkPlan, Refusal> {
    parse(path, &read_text(path)?)
}

fn read_text(path: &Path) -> Result<String, Refusal> {
    flatnet_files::read_text(path, MAX_BYTES).map_err(|source| Refusal::Read {
        path: path.to_owned(),
        source,
    })
}

/// A watched plan file.
pub struct FileSource<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    file: FilePlan,
    policy: Policy<T>,
}

impl<T: Send + Sync + 'static> FileSource<T> {
    /// Reads the plan: the file, or the accepted copy if the file is invalid. `take` extracts what
    /// the daemon needs from a plan and its text, or fails if the daemon cannot use it. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] if neither is valid.
    pub fn open(
        file: FilePlan,
        take: impl Fn(NetworkPlan, &str) -> Result<T, UnusablePlan> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let clock = Arc::clone(&file.clock);
        let policy = Policy::open(&file.state, clock, file.read(), Box::new(take))?;
        Ok(Self {
            inner: Arc::new(Inner { file, policy }),
        })
    }
}

impl<T: Send + Sync + 'static> PlanSource<T> for FileSource<T> {
    fn watch(&self) -> watch::Receiver<State<T>> {
        self.inner.policy.watch()
    }

    async fn follow(self) -> Infallible {
        let mut ticks = interval(self.inner.file.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut detector = ChangeDetector::default();
        loop {
            ticks.tick().await;
            let inner = Arc::clone(&self.inner);
            // The file system may hang, and checking a plan of thousands of hosts takes long: not
            // on a tokio worker.
            let done = tokio::task::spawn_blocking(move || {
                inner.check_file(&mut detector);
                detector
            });
            match done.await {
                Ok(now) => detector = now,
                Err(error) => error!(%error, "looking at the plan failed"),
            }
        }
    }
}

impl<T> Inner<T> {
    fn check_file(&self, detector: &mut ChangeDetector) {
        let before = stamp(&self.file.path);
        if !detector.should_read(before) {
            let read = || read_text(&self.file.path).ok();
            return self.policy.retry_save(read);
        }
        let read = self.file.read();
        // A file that changed while it was read is read again later.
        if stamp(&self.file.path) == before {
            detector.mark_read(before);
            self.policy.accept_or_refuse(read);
        }
    }
}
