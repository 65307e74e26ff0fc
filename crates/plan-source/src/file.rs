//! The plan in a file.
//!
//! The file is polled, not watched by inotify: polling handles a ConfigMap's symbolic links, an
//! editor's renames, an unmounted directory and a network file system in the same way.

mod change;
mod copy;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_plan::NetworkPlan;
use flatnet_plan::source::MAX_BYTES;
use flatnet_types::Timestamp;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::{Accepted, PlanSource, Refusal, Refused, State, UnusablePlan, Version};
use change::{ChangeDetector, stamp};
use copy::Copy;

pub use copy::COPY;

/// Polling interval.
const CHECK_EVERY: Duration = Duration::from_secs(1);

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Take<T> = dyn Fn(NetworkPlan, &str) -> Result<T, UnusablePlan> + Send + Sync;

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
}

/// There is no usable plan: neither the file nor the accepted copy is valid.
#[derive(Debug, Error)]
pub struct OpenError {
    /// The error of the file.
    #[source]
    refused: Refusal,
    /// Path and error of the copy; `None` if no plan was ever accepted.
    copy: Option<(PathBuf, String)>,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.copy {
            None => write!(f, "there is no plan to go by"),
            Some((path, why)) => {
                let path = path.display();
                write!(
                    f,
                    "there is no plan to go by, for the copy that was accepted before, {path}, is of \
                     no use: {why}"
                )
            }
        }
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

fn parse(path: &Path, text: &str) -> Result<NetworkPlan, Refusal> {
    Ok(flatnet_plan::load_named(text, &path.display().to_string())?)
}

/// A watched plan file.
pub struct FileSource<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    file: FilePlan,
    copy: Copy,
    take: Box<Take<T>>,
    published: watch::Sender<State<T>>,
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
        let copy = Copy::in_dir(&file.state);
        let check = |text: &str, path: &Path| check(path, text, &take);
        let kept = copy.read();
        let read = read_text(&file.path);
        let version = read.as_ref().ok().map(|text| Version::of(text));
        let checked = read.and_then(|text| Ok((check(&text, &file.path)?, text)));
        let state = match checked {
            Ok((plan, text)) => {
                let kept = kept.ok().flatten().filter(|kept| kept.text == text);
                let unkept = match &kept {
                    Some(_) => None,
                    None => save_and_log(&copy, &text),
                };
                State {
                    accepted: Accepted {
                        plan: Arc::new(plan),
                        version: Version::of(&text),
                        since: kept.map_or_else(|| (file.clock)(), |kept| kept.since),
                    },
                    refused: None,
                    unkept,
                }
            }
            Err(why) => {
                let kept = match kept {
                    Ok(Some(kept)) => kept,
                    Ok(None) => return Err(no_plan(why, None)),
                    Err(e) => return Err(no_plan(why, Some((&copy, e.to_string())))),
                };
                let plan = match check(&kept.text, copy.path()) {
                    Ok(plan) => plan,
                    Err(e) => return Err(no_plan(why, Some((&copy, e.headline())))),
                };
                let version_kept = Version::of(&kept.text);
                error!(
                    why = why.text(),
                    version = version_kept.short(),
                    "the plan is refused; going by the one that was accepted before"
                );
                State {
                    accepted: Accepted {
                        plan: Arc::new(plan),
                        version: version_kept,
                        since: kept.since,
                    },
                    refused: Some(Arc::new(Refused {
                        version,
                        at: (file.clock)(),
                        why,
                    })),
                    unkept: None,
                }
            }
        };
        let inner = Inner {
            file,
            copy,
            take: Box::new(take),
            published: watch::Sender::new(state),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

fn no_plan(refused: Refusal, copy: Option<(&Copy, String)>) -> OpenError {
    let copy = copy.map(|(copy, why)| (copy.path().to_owned(), why));
    OpenError { refused, copy }
}

fn check<T>(
    path: &Path,
    text: &str,
    take: &dyn Fn(NetworkPlan, &str) -> Result<T, UnusablePlan>,
) -> Result<T, Refusal> {
    take(parse(path, text)?, text).map_err(|source| Refusal::Unusable {
        path: path.to_owned(),
        source,
    })
}

/// Saves the plan; returns the error, if there is one.
fn save(copy: &Copy, text: &str) -> Option<Arc<str>> {
    let error = copy.save(text).err()?;
    Some(format!("cannot write {}: {error}", copy.path().display()).into())
}

fn save_and_log(copy: &Copy, text: &str) -> Option<Arc<str>> {
    let unkept = save(copy, text);
    if let Some(why) = &unkept {
        warn!(why = %why, "the accepted plan is not kept; trying again each second");
    }
    unkept
}

impl<T: Send + Sync + 'static> PlanSource<T> for FileSource<T> {
    fn watch(&self) -> watch::Receiver<State<T>> {
        self.inner.published.subscribe()
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
            return self.retry_save();
        }
        let text = read_text(&self.file.path);
        // A file that changed while it was read is read again later.
        if stamp(&self.file.path) == before {
            detector.mark_read(before);
            self.accept_or_refuse(text);
        }
    }

    /// Retries to save the accepted plan, if the file still has it.
    fn retry_save(&self) {
        let state = self.published.borrow().clone();
        if state.unkept.is_none() {
            return;
        }
        let text = read_text(&self.file.path).ok();
        let Some(text) = text.filter(|t| Version::of(t) == state.accepted.version) else {
            return;
        };
        if save(&self.copy, &text).is_none() {
            info!(version = state.accepted.version.short(), "the plan is kept");
            self.published.send_modify(|state| state.unkept = None);
        }
    }

    /// Checks what was read, and publishes the new state if it differs.
    fn accept_or_refuse(&self, text: Result<String, Refusal>) {
        let text = match text {
            Ok(text) => text,
            Err(why) => return self.refuse(None, why),
        };
        let version = Version::of(&text);
        let state = self.published.borrow().clone();
        if version == state.accepted.version {
            if state.refused.is_some() {
                info!(
                    version = version.short(),
                    "the plan is the accepted one again"
                );
                self.published.send_modify(|state| state.refused = None);
            }
            return;
        }
        if state.refused.is_some_and(|r| r.version == Some(version)) {
            return;
        }
        match check(&self.file.path, &text, &*self.take) {
            Err(why) => self.refuse(Some(version), why),
            Ok(plan) => {
                let accepted = Accepted {
                    plan: Arc::new(plan),
                    version,
                    since: (self.file.clock)(),
                };
                // Saved before it is published.
                let unkept = save_and_log(&self.copy, &text);
                info!(version = version.short(), "the plan is accepted");
                self.published.send_replace(State {
                    accepted,
                    refused: None,
                    unkept,
                });
            }
        }
    }

    fn refuse(&self, version: Option<Version>, why: Refusal) {
        let state = self.published.borrow().clone();
        // A plan that cannot be read has no version: its error text is compared.
        let same = |r: Arc<Refused>| r.version == version && r.why.text() == why.text();
        if state.refused.is_some_and(same) {
            return;
        }
        error!(
            why = why.text(),
            in_force = state.accepted.version.short(),
            "the plan is refused; the one that was accepted before stands"
        );
        let at = (self.file.clock)();
        let refused = Arc::new(Refused { version, at, why });
        self.published
            .send_modify(|state| state.refused = Some(refused));
    }
}
