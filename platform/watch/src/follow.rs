//! Objects of a kind, listed and then watched.

use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};

use crate::cache::Told;

/// Objects of a page.
const PAGE: u32 = 500;
/// The shortest time from one watch to the next: a server that ends each watch at once is not asked in a loop.
const APART: Duration = Duration::from_secs(1);
/// `Gone`: the version to go on from is too old.
const GONE: u16 = 410;

/// What is followed.
#[derive(Clone)]
pub struct Followed<K> {
    /// Where they are.
    pub api: Api<K>,
    /// A field selector.
    pub fields: Option<String>,
    /// A label selector.
    pub labels: Option<String>,
    /// How long one watch lasts, in seconds. It is below the time that an answer of the client may take.
    pub watch: u32,
}

/// Why nothing is followed any more.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The server gives no answer, or refuses.
    #[error(transparent)]
    Server(#[from] kube::Error),
    /// Nobody receives events any more.
    #[error("nobody listens")]
    Unheard,
}

/// Lists and watches, until the server gives no answer. Cancel safe.
///
/// # Errors
/// [`Ended`]: it ends by nothing else.
pub async fn follow<K, E>(
    followed: &Followed<K>,
    form: impl Fn(Told<K>) -> Option<E>,
    events: &Sender<E>,
) -> Result<Infallible, Ended>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug,
{
    let tell = async |told: Told<K>| match form(told) {
        Some(event) => events.send(event).await.map_err(|_| Ended::Unheard),
        None => Ok(()),
    };
    loop {
        let (all, mut version) = pages(followed).await?;
        tell(Told::Listed(all, version.clone())).await?;
        'watches: loop {
            let begun = Instant::now();
            let mut params = WatchParams::default().timeout(followed.watch);
            params.field_selector.clone_from(&followed.fields);
            params.label_selector.clone_from(&followed.labels);
            let stream = match followed.api.watch(&params, &version).await {
                Err(kube::Error::Api(s)) if s.code == GONE => break 'watches,
                stream => stream?,
            };
            let mut stream = pin!(stream);
            while let Some(event) = stream.next().await {
                let (object, gone) = match event? {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
                    WatchEvent::Deleted(object) => (object, true),
                    WatchEvent::Bookmark(mark) => {
                        version.clone_from(&mark.metadata.resource_version);
                        continue;
                    }
                    WatchEvent::Error(s) if s.code == GONE => break 'watches,
                    WatchEvent::Error(s) => return Err(kube::Error::Api(s).into()),
                };
                if let Some(now) = &object.meta().resource_version {
                    version.clone_from(now);
                }
                let told = match gone {
                    false => Told::Applied(object),
                    true => Told::Deleted(object),
                };
                tell(told).await?;
            }
            sleep_until(begun + APART).await;
        }
    }
}

/// All objects, page by page, and the version that a watch goes on from.
async fn pages<K>(followed: &Followed<K>) -> Result<(Vec<K>, String), kube::Error>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug,
{
    let mut all = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    page.field_selector.clone_from(&followed.fields);
    page.label_selector.clone_from(&followed.labels);
    loop {
        let found = followed.api.list(&page).await?;
        all.extend(found.items);
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok((all, found.metadata.resource_version.unwrap_or_default())),
        }
    }
}
