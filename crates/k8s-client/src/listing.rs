//! Objects of any kind, listed and then watched until nobody receives the events any more.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Cluster, ClusterError, PAGE};

/// How long one watch lasts, in seconds. It is below the time that an answer may take, so that a server
/// that vanished without a word is noticed; the next watch goes on from the same version.
const WATCH: u32 = 20;
/// The pause after an error, and the shortest time from one watch to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// `Gone`: the version to go on from is too old.
const GONE: u16 = 410;

/// What is told of objects, in the form that the receiver has.
#[derive(Debug)]
pub enum Told<T> {
    /// All of them.
    Listed(Vec<T>),
    /// One that is new or changed, perhaps in nothing but its status.
    Applied(T),
    /// One that is gone, as it was last.
    Deleted(T),
    /// The server gives no answer, or refuses. It is asked again until it does.
    Away(ClusterError),
}

/// What is followed: objects of one kind, and which of them.
pub(crate) struct Followed {
    pub(crate) api: Api<DynamicObject>,
    /// The kind, in messages.
    pub(crate) what: String,
    pub(crate) fields: Option<String>,
    pub(crate) labels: Option<String>,
}

/// Nobody receives events any more, or the objects have to be listed again.
enum Ended {
    Unheard,
    ListAgain,
}

/// Where it is told, and in which form.
struct Target<'a, E, F> {
    followed: &'a Followed,
    /// What is told is not sent where it makes nothing of it.
    form: F,
    events: &'a Sender<E>,
}

impl<E, F: Fn(Told<DynamicObject>) -> Option<E>> Target<'_, E, F> {
    /// Whether somebody receives it.
    async fn send(&self, told: Told<DynamicObject>) -> bool {
        match (self.form)(told) {
            Some(event) => self.events.send(event).await.is_ok(),
            None => !self.events.is_closed(),
        }
    }
}

impl Cluster {
    /// Lists and watches, until nobody receives the events any more; what is told is not sent where `form` makes
    /// nothing of it. Cancel safe.
    pub(crate) async fn tell<E>(
        &self,
        followed: &Followed,
        form: impl Fn(Told<DynamicObject>) -> Option<E>,
        events: &Sender<E>,
    ) {
        let target = Target {
            followed,
            form,
            events,
        };
        loop {
            match self.list_then_watch(&target).await {
                Ok(Ended::Unheard) => return,
                Ok(Ended::ListAgain) => {}
                Err(error) => {
                    if !target.send(Told::Away(error)).await {
                        return;
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn list_then_watch<E, F: Fn(Told<DynamicObject>) -> Option<E>>(
        &self,
        target: &Target<'_, E, F>,
    ) -> Result<Ended, ClusterError> {
        let (all, mut version) = self.pages(target.followed).await?;
        if !target.send(Told::Listed(all)).await {
            return Ok(Ended::Unheard);
        }
        loop {
            let begun = Instant::now();
            if let Some(ended) = self.one_watch(target, &mut version).await? {
                return Ok(ended);
            }
            // A server that ends each watch at once is not asked in a loop.
            sleep_until(begun + PAUSE).await;
        }
    }

    /// All objects, page by page, and the version that a watch goes on from.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub(crate) async fn pages(
        &self,
        followed: &Followed,
    ) -> Result<(Vec<DynamicObject>, String), ClusterError> {
        let mut all = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        page.field_selector.clone_from(&followed.fields);
        page.label_selector.clone_from(&followed.labels);
        loop {
            let found = followed.api.list(&page).await;
            let found = found.map_err(|e| self.error("list", &followed.what, e))?;
            all.extend(found.items);
            match found.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page.continue_token = Some(token),
                None => return Ok((all, found.metadata.resource_version.unwrap_or_default())),
            }
        }
    }

    /// One watch, until its time is over. `version` is what the next one goes on from.
    async fn one_watch<E, F: Fn(Told<DynamicObject>) -> Option<E>>(
        &self,
        target: &Target<'_, E, F>,
        version: &mut String,
    ) -> Result<Option<Ended>, ClusterError> {
        let followed = target.followed;
        let mut params = WatchParams::default().timeout(WATCH);
        params.field_selector.clone_from(&followed.fields);
        params.label_selector.clone_from(&followed.labels);
        let failed = |e| self.error("watch", &followed.what, e);
        let stream = match followed.api.watch(&params, version).await {
            Ok(stream) => stream,
            Err(kube::Error::Api(s)) if s.code == GONE => return Ok(Some(Ended::ListAgain)),
            Err(e) => return Err(failed(e)),
        };
        let mut stream = pin!(stream);
        while let Some(event) = stream.next().await {
            let (object, gone) = match event.map_err(failed)? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                WatchEvent::Deleted(object) => (object, true),
                WatchEvent::Bookmark(mark) => {
                    version.clone_from(&mark.metadata.resource_version);
                    continue;
                }
                WatchEvent::Error(s) if s.code == GONE => return Ok(Some(Ended::ListAgain)),
                WatchEvent::Error(s) => return Err(failed(kube::Error::Api(s))),
            };
            if let Some(now) = &object.metadata.resource_version {
                version.clone_from(now);
            }
            let told = match gone {
                false => Told::Applied(object),
                true => Told::Deleted(object),
            };
            if !target.send(told).await {
                return Ok(Some(Ended::Unheard));
            }
        }
        Ok(None)
    }
}

/// What is told, each object in the form of `form`; one of which it makes nothing is left out.
pub(crate) fn formed<T>(
    told: Told<DynamicObject>,
    form: impl Fn(&DynamicObject) -> Option<T>,
) -> Option<Told<T>> {
    match told {
        Told::Listed(all) => Some(Told::Listed(all.iter().filter_map(form).collect())),
        Told::Applied(one) => form(&one).map(Told::Applied),
        Told::Deleted(one) => form(&one).map(Told::Deleted),
        Told::Away(error) => Some(Told::Away(error)),
    }
}
