//! What every source does with a plan that it has read: checked, accepted and kept, or refused. One policy
//! for all of them (see the crate).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flatnet_plan::NetworkPlan;
use flatnet_types::Timestamp;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::copy::{Copy, SavedPlan};
use crate::document::{Document, FileText};
use crate::{Accepted, Refusal, Refused, State, UnusablePlan, Version};

/// The current time.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
/// What a daemon extracts from a plan and its text, or why it cannot use it.
pub(crate) type Take<T> = dyn Fn(NetworkPlan, &str) -> Result<T, UnusablePlan> + Send + Sync;

/// There is no usable plan: neither what the source has nor the accepted copy is valid.
#[derive(Debug, Error)]
pub struct OpenError {
    /// The error of the source.
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

/// The state that a source publishes, and how it changes.
pub(crate) struct Policy<T> {
    copy: Copy,
    clock: Clock,
    take: Box<Take<T>>,
    published: watch::Sender<State<T>>,
}

impl<T> Policy<T> {
    /// Begins with what was read, or with the accepted copy in the directory `state` if that is invalid.
    ///
    /// # Errors
    /// [`OpenError`] if neither is valid.
    pub(crate) fn open(
        state: &Path,
        clock: Clock,
        read: Result<impl Document, Refusal>,
        take: Box<Take<T>>,
    ) -> Result<Self, OpenError> {
        let copy = Copy::in_dir(state);
        let kept = copy.read();
        let version = read.as_ref().ok().and_then(version);
        let checked = read.and_then(|document| Ok((check(&document, &*take)?, document)));
        let state = match checked {
            Ok((plan, document)) => {
                let text = document.text();
                let kept = kept.ok().flatten().filter(|kept| kept.text == text);
                let unkept = match &kept {
                    Some(_) => None,
                    None => save_and_log(&copy, text),
                };
                State {
                    accepted: Accepted {
                        plan: Arc::new(plan),
                        version: Version::of(text),
                        since: kept.map_or_else(|| clock(), |kept| kept.since),
                    },
                    refused: None,
                    unkept,
                }
            }
            Err(why) => {
                let (plan, kept) = match from_copy(&copy, kept, &*take) {
                    Ok(found) => found,
                    Err(copy) => return Err(OpenError { refused: why, copy }),
                };
                let kept_version = Version::of(&kept.text);
                error!(
                    why = why.text(),
                    version = kept_version.short(),
                    "the plan is refused; going by the one that was accepted before"
                );
                let at = clock();
                State {
                    accepted: Accepted {
                        plan: Arc::new(plan),
                        version: kept_version,
                        since: kept.since,
                    },
                    refused: Some(Arc::new(Refused { version, at, why })),
                    unkept: None,
                }
            }
        };
        Ok(Self {
            copy,
            clock,
            take,
            published: watch::Sender::new(state),
        })
    }

    /// The state and its changes.
    pub(crate) fn watch(&self) -> watch::Receiver<State<T>> {
        self.published.subscribe()
    }

    /// Retries to save the accepted plan, if `read` still has it.
    pub(crate) fn retry_save(&self, read: impl FnOnce() -> Option<String>) {
        let state = self.published.borrow().clone();
        if state.unkept.is_none() {
            return;
        }
        let Some(text) = read().filter(|t| Version::of(t) == state.accepted.version) else {
            return;
        };
        if save(&self.copy, &text).is_none() {
            info!(version = state.accepted.version.short(), "the plan is kept");
            self.published.send_modify(|state| state.unkept = None);
        }
    }

    /// Checks what was read, and publishes the new state if it differs.
    pub(crate) fn accept_or_refuse(&self, read: Result<impl Document, Refusal>) {
        let document = match read {
            Ok(document) => document,
            Err(why) => return self.refuse(None, why),
        };
        let version = version(&document);
        let state = self.published.borrow().clone();
        if version == Some(state.accepted.version) {
            if state.refused.is_some() {
                info!(
                    version = state.accepted.version.short(),
                    "the plan is the accepted one again"
                );
                self.published.send_modify(|state| state.refused = None);
            }
            return;
        }
        let again = |r: Arc<Refused>| r.version == version && r.why.is_of_the_document();
        if version.is_some() && state.refused.is_some_and(again) {
            return;
        }
        match check(&document, &*self.take) {
            Err(why) => self.refuse(version, why),
            Ok(plan) => self.accept(plan, document.text()),
        }
    }

    fn accept(&self, plan: T, text: &str) {
        let accepted = Accepted {
            plan: Arc::new(plan),
            version: Version::of(text),
            since: (self.clock)(),
        };
        // Saved before it is published.
        let unkept = save_and_log(&self.copy, text);
        info!(version = accepted.version.short(), "the plan is accepted");
        self.published.send_replace(State {
            accepted,
            refused: None,
            unkept,
        });
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
        let at = (self.clock)();
        let refused = Arc::new(Refused { version, at, why });
        self.published
            .send_modify(|state| state.refused = Some(refused));
    }
}

/// The plan of the copy, and its text. `Err(None)` if there is no copy; `Err` with its path and what is
/// wrong with it, if it cannot be used.
fn from_copy<T>(
    copy: &Copy,
    kept: std::io::Result<Option<SavedPlan>>,
    take: &Take<T>,
) -> Result<(T, SavedPlan), Option<(PathBuf, String)>> {
    let no_use = |why: String| Some((copy.path().to_owned(), why));
    let kept = kept.map_err(|e| no_use(e.to_string()))?.ok_or(None)?;
    let document = FileText {
        path: copy.path().to_owned(),
        text: kept.text.clone(),
    };
    match check(&document, take) {
        Ok(plan) => Ok((plan, kept)),
        Err(e) => Err(no_use(e.headline())),
    }
}

fn version(document: &impl Document) -> Option<Version> {
    document.is_whole().then(|| Version::of(document.text()))
}

fn check<T>(document: &impl Document, take: &Take<T>) -> Result<T, Refusal> {
    take(document.plan()?, document.text()).map_err(|source| Refusal::Unusable {
        path: document.place(),
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
