//! A kind's objects, listed and then watched.

use std::pin::pin;
use std::time::Duration;

use flatnet_k8s_api::{Kind, Object};
use futures_util::StreamExt;
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep};

use crate::{Cluster, ClusterError};

/// How long one watch lasts, in seconds. It is below the time that an answer may take, so that a server
/// that vanished without a word is noticed; the next watch goes on from the same version.
const WATCH: u32 = 20;
/// The pause after an error, and the shortest time from one watch to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// `Gone`: the version to go on from is too old.
const GONE: u16 = 410;

/// What is told of a kind.
#[derive(Debug)]
pub enum Event {
    /// All its objects.
    Listed(Kind, Vec<Object>),
    /// One that is new or changed, perhaps in nothing but its status.
    Applied(Object),
    /// One that is gone.
    Deleted(Kind, String),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(Kind, ClusterError),
}

/// Nobody receives events any more, or the kind has to be listed again.
enum Ended {
    Unheard,
    ListAgain,
}

impl Cluster {
    /// Lists a kind and watches it, until nobody receives the events any more. Cancel safe.
    pub async fn follow(&self, kind: Kind, events: &Sender<Event>) {
        loop {
            match self.list_and_watch(kind, events).await {
                Ok(Ended::Unheard) => return,
                Ok(Ended::ListAgain) => {}
                Err(error) => {
                    if events.send(Event::Away(kind, error)).await.is_err() {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn list_and_watch(
        &self,
        kind: Kind,
        events: &Sender<Event>,
    ) -> Result<Ended, ClusterError> {
        let (found, mut version) = self.list_kind(kind).await?;
        let objects = found.iter().map(|o| Object::of_api(kind, o)).collect();
        if events.send(Event::Listed(kind, objects)).await.is_err() {
            return Ok(Ended::Unheard);
        }
        loop {
            let begun = Instant::now();
            if let Some(ended) = self.watch(kind, &mut version, events).await? {
                return Ok(ended);
            }
            // A server that ends each watch at once is not asked in a loop.
            tokio::time::sleep_until(begun + PAUSE).await;
        }
    }

    /// One watch, until its time is over. `version` is what the next one goes on from.
    async fn watch(
        &self,
        kind: Kind,
        version: &mut String,
        events: &Sender<Event>,
    ) -> Result<Option<Ended>, ClusterError> {
        let params = WatchParams::default().timeout(WATCH);
        let stream = match self.api(kind).watch(&params, version).await {
            Ok(stream) => stream,
            Err(kube::Error::Api(status)) if status.code == GONE => {
                return Ok(Some(Ended::ListAgain));
            }
            Err(e) => return Err(self.error("watch", kind.plural(), e)),
        };
        let mut stream = pin!(stream);
        while let Some(event) = stream.next().await {
            let event = match event.map_err(|e| self.error("watch", kind.plural(), e))? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    seen(version, &object);
                    Event::Applied(Object::of_api(kind, &object))
                }
                WatchEvent::Deleted(object) => {
                    seen(version, &object);
                    Event::Deleted(kind, object.metadata.name.unwrap_or_default())
                }
                WatchEvent::Bookmark(mark) => {
                    version.clone_from(&mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(status) if status.code == GONE => {
                    return Ok(Some(Ended::ListAgain));
                }
                WatchEvent::Error(status) => {
                    let error = kube::Error::Api(status);
                    return Err(self.error("watch", kind.plural(), error));
                }
            };
            if events.send(event).await.is_err() {
                return Ok(Some(Ended::Unheard));
            }
        }
        Ok(None)
    }
}

fn seen(version: &mut String, object: &DynamicObject) {
    if let Some(now) = &object.metadata.resource_version {
        version.clone_from(now);
    }
}
