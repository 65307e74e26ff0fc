//! The plan as a file.
//!
//! It is looked at and not watched by inotify: a ConfigMap's symbolic links, an editor's renames, an
//! unmounted directory and a network file system all look alike that way.

mod copy;
mod look;
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

use crate::{Accepted, PlanSource, Refusal, Refused, State, Unfit, Version};
use copy::Copy;
use look::{Looks, stamp};

pub use copy::COPY;

/// Between two looks at the file.
const EVERY: Duration = Duration::from_secs(1);

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Take<T> = dyn Fn(NetworkPlan, &str) -> Result<T, Unfit> + Send + Sync;

/// Which file, and where its accepted copy is kept.
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
            every: EVERY,
            clock: Arc::new(|| Timestamp::from(SystemTime::now())),
        }
    }

    /// By another clock.
    #[must_use]
    pub fn by_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

/// Why there is no plan to go by: neither the file nor an earlier copy is of use.
#[derive(Debug, Error)]
pub struct OpenError {
    /// What is wrong with the file.
    #[source]
    refused: Refusal,
    /// The copy, and what is wrong with it; none: nothing was ever accepted.
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

/// A plan's file that is watched.
pub struct FileSource<T> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    file: FilePlan,
    copy: Copy,
    take: Box<Take<T>>,
    told: watch::Sender<State<T>>,
}

impl<T: Send + Sync + 'static> FileSource<T> {
    /// Reads the plan: the file's, or where that is of no use the one that was accepted before.
    /// `take` says what the daemon needs of a plan and its text, or that it cannot use it. Blocks.
    ///
    /// # Errors
    /// [`OpenError`] where there is neither.
    pub fn open(
        file: FilePlan,
        take: impl Fn(NetworkPlan, &str) -> Result<T, Unfit> + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let copy = Copy::in_dir(&file.state);
        let judge = |text: &str, path: &Path| judge(path, text, &take);
        let kept = copy.read();
        let read = read_text(&file.path);
        let version = read.as_ref().ok().map(|text| Version::of(text));
        let judged = read.and_then(|text| Ok((judge(&text, &file.path)?, text)));
        let state = match judged {
            Ok((plan, text)) => {
                let kept = kept.ok().flatten().filter(|kept| kept.text == text);
                let unkept = match &kept {
                    Some(_) => None,
                    None => keep_loudly(&copy, &text),
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
                let plan = match judge(&kept.text, copy.path()) {
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
            told: watch::Sender::new(state),
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

fn judge<T>(
    path: &Path,
    text: &str,
    take: &dyn Fn(NetworkPlan, &str) -> Result<T, Unfit>,
) -> Result<T, Refusal> {
    take(parse(path, text)?, text).map_err(|source| Refusal::Unfit {
        path: path.to_owned(),
        source,
    })
}

/// Why it could not be kept.
fn keep(copy: &Copy, text: &str) -> Option<Arc<str>> {
    let error = copy.keep(text).err()?;
    Some(format!("cannot write {}: {error}", copy.path().display()).into())
}

fn keep_loudly(copy: &Copy, text: &str) -> Option<Arc<str>> {
    let unkept = keep(copy, text);
    if let Some(why) = &unkept {
        warn!(why = %why, "the accepted plan is not kept; trying again each second");
    }
    unkept
}

impl<T: Send + Sync + 'static> PlanSource<T> for FileSource<T> {
    fn watch(&self) -> watch::Receiver<State<T>> {
        self.inner.told.subscribe()
    }

    async fn follow(self) -> Infallible {
        let mut ticks = interval(self.inner.file.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = Looks::default();
        loop {
            ticks.tick().await;
            let inner = Arc::clone(&self.inner);
            // The file may lie on a file system that hangs, and a plan of thousands of hosts takes
            // its time: neither on a thread of tokio's.
            let looked = tokio::task::spawn_blocking(move || {
                inner.look(&mut looks);
                looks
            });
            match looked.await {
                Ok(now) => looks = now,
                Err(error) => error!(%error, "looking at the plan failed"),
            }
        }
    }
}

impl<T> Inner<T> {
    fn look(&self, looks: &mut Looks) {
        let before = stamp(&self.file.path);
        if !looks.due(before) {
            return self.keep_again();
        }
        let text = read_text(&self.file.path);
        // What was written meanwhile is read when it is still.
        if stamp(&self.file.path) == before {
            looks.was_read(before);
            self.take_in(text);
        }
    }

    /// Tries once more to keep the accepted plan, while it is the file's.
    fn keep_again(&self) {
        let state = self.told.borrow().clone();
        if state.unkept.is_none() {
            return;
        }
        let text = read_text(&self.file.path).ok();
        let Some(text) = text.filter(|t| Version::of(t) == state.accepted.version) else {
            return;
        };
        if keep(&self.copy, &text).is_none() {
            info!(version = state.accepted.version.short(), "the plan is kept");
            self.told.send_modify(|state| state.unkept = None);
        }
    }

    /// Judges what was read, and tells of it where that is news.
    fn take_in(&self, text: Result<String, Refusal>) {
        let text = match text {
            Ok(text) => text,
            Err(why) => return self.refuse(None, why),
        };
        let version = Version::of(&text);
        let state = self.told.borrow().clone();
        if version == state.accepted.version {
            if state.refused.is_some() {
                info!(
                    version = version.short(),
                    "the plan is the accepted one again"
                );
                self.told.send_modify(|state| state.refused = None);
            }
            return;
        }
        if state.refused.is_some_and(|r| r.version == Some(version)) {
            return;
        }
        match judge(&self.file.path, &text, &*self.take) {
            Err(why) => self.refuse(Some(version), why),
            Ok(plan) => {
                let accepted = Accepted {
                    plan: Arc::new(plan),
                    version,
                    since: (self.file.clock)(),
                };
                // On disk before anybody acts on it.
                let unkept = keep_loudly(&self.copy, &text);
                info!(version = version.short(), "the plan is accepted");
                self.told.send_replace(State {
                    accepted,
                    refused: None,
                    unkept,
                });
            }
        }
    }

    fn refuse(&self, version: Option<Version>, why: Refusal) {
        let state = self.told.borrow().clone();
        // What cannot be read has no version: it is told apart by its words.
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
        self.told.send_modify(|state| state.refused = Some(refused));
    }
}
