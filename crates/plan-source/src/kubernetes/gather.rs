//! What is known of the objects, and when they are quiet. Pure.

use std::collections::BTreeMap;

use flatnet_k8s_api::{Kind, Object};
use flatnet_k8s_client::Event;
use tokio::time::Instant;

use super::{LONGEST, QUIET};

/// The objects of each kind that was listed since the API server was last away.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    kinds: BTreeMap<Kind, BTreeMap<String, Object>>,
    /// The first kind that went away and is not back: of all their errors its own is told, so that nine kinds
    /// do not take turns.
    teller: Option<Kind>,
}

impl Gathered {
    /// Takes an event; whether the plan may be another one now. A change of an object's status alone is none,
    /// and the daemon that writes statuses is not woken by its own.
    pub(super) fn take(&mut self, event: &Event) -> bool {
        match event {
            Event::Listed(kind, objects) => {
                let all = objects.iter().map(|o| (o.name.clone(), o.clone()));
                let all: BTreeMap<_, _> = all.collect();
                if self.teller == Some(*kind) {
                    self.teller = None;
                }
                // A kind that is back is a change even if it is as it was: the plan was refused meanwhile.
                self.kinds.insert(*kind, all.clone()) != Some(all)
            }
            Event::Applied(object) => {
                let all = self.kinds.entry(object.kind).or_default();
                let old = all.insert(object.name.clone(), object.clone());
                old.as_ref() != Some(object)
            }
            Event::Deleted(kind, name) => {
                let all = self.kinds.get_mut(kind);
                all.is_some_and(|all| all.remove(name).is_some())
            }
            Event::Away(kind, _) => {
                self.kinds.remove(kind);
                self.teller.get_or_insert(*kind);
                false
            }
        }
    }

    /// Whether all kinds are known.
    pub(super) fn is_complete(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.kinds.contains_key(kind))
    }

    /// Whether an error of this kind is to be told.
    pub(super) fn is_told(&self, kind: Kind) -> bool {
        self.teller == Some(kind)
    }

    /// All objects.
    pub(super) fn objects(&self) -> Vec<Object> {
        self.kinds
            .values()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }
}

/// The first and the last of changes that nobody has checked yet.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Quiet(Option<(Instant, Instant)>);

impl Quiet {
    /// Something changed.
    pub(super) fn changed(&mut self, now: Instant) {
        let first = self.0.map_or(now, |(first, _)| first);
        self.0 = Some((first, now));
    }

    /// When the objects are to be checked; `None`: nothing changed.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.0?;
        Some((last + QUIET).min(first + LONGEST))
    }
}
