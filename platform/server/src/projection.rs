//! What the hub has, as it was seen last: what reads are answered from.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use flatnet_clock::{Clock, System};
use flatnet_daemon::causes::chain;
use flatnet_platform_types::kinds::{App, Build, Cluster, LocationClaim, Release, Template};
use flatnet_platform_watch::follow::{Ended, Followed, follow};
use flatnet_platform_watch::hub::Hub;
use flatnet_platform_watch::way::{self, BRIEF, LASTING, PAUSES, all};
use flatnet_platform_watch::{Cache, Told};
use k8s_openapi::api::core::v1::Secret;
use kube::Config;
use kube::api::Api;
use tokio::sync::{mpsc, watch};

use crate::accounts::{ACCOUNT_LABEL, Account};

/// Events that wait to be taken in.
const WAITING: usize = 1024;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// Applications, releases, clusters, templates.
    pub(crate) hub: Hub,
    /// Builds.
    pub(crate) builds: Cache<Build>,
    /// Requests for locations.
    pub(crate) claims: Cache<LocationClaim>,
    /// Local accounts.
    pub(crate) accounts: Cache<Account>,
    /// Since when the hub does not answer, by the clock since the machine's start.
    away: Option<Duration>,
}

impl Objects {
    fn is_complete(&self) -> bool {
        self.hub.is_complete()
            && self.builds.is_listed()
            && self.claims.is_listed()
            && self.accounts.is_listed()
    }
}

/// One thing that the hub tells.
enum Event {
    Apps(Told<App>),
    Builds(Told<Build>),
    Releases(Told<Release>),
    Clusters(Told<Cluster>),
    Templates(Told<Template>),
    Claims(Told<LocationClaim>),
    Accounts(Told<Account>),
    Away(String),
}

/// The hub's objects, and when they change.
#[derive(Debug)]
pub(crate) struct Projection {
    objects: RwLock<Objects>,
    /// Counts what was taken in: who waits for a change waits for another number.
    changes: watch::Sender<u64>,
}

impl Default for Projection {
    fn default() -> Self {
        Self {
            objects: RwLock::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl Projection {
    /// What was seen last.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything has been listed once.
    pub(crate) fn is_complete(&self) -> bool {
        self.read().is_complete()
    }

    /// How long the hub has not answered; `None` while it does.
    pub(crate) fn stale(&self) -> Option<Duration> {
        let away = self.read().away?;
        Some(System.since_boot().saturating_sub(away))
    }

    /// Tells of changes from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes in the answer to a write: who wrote reads it.
    pub(crate) fn wrote(&self, into: impl FnOnce(&mut Objects)) {
        into(&mut self.write());
        self.changes.send_modify(|count| *count += 1);
    }

    fn take_in(&self, event: Event) {
        let mut seen = self.write();
        if let Event::Away(why) = event {
            if seen.away.is_none() {
                tracing::warn!(
                    why,
                    "the hub does not answer: reads are of what was seen last"
                );
                seen.away = Some(System.since_boot());
            }
            return;
        }
        match event {
            Event::Apps(told) => seen.hub.apps.told(told),
            Event::Builds(told) => seen.builds.told(told),
            Event::Releases(told) => {
                // The watch that is renewed most often says that the hub is back.
                if seen.away.take().is_some() {
                    tracing::info!("the hub answers again");
                }
                seen.hub.releases.told(told);
            }
            Event::Clusters(told) => seen.hub.clusters.told(told),
            Event::Templates(told) => seen.hub.templates.told(told),
            Event::Claims(told) => seen.claims.told(told),
            Event::Accounts(told) => seen.accounts.told(told),
            Event::Away(_) => {}
        }
        drop(seen);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Follows the hub for as long as it is polled; `namespace` has the accounts.
    pub(crate) async fn follow(&self, config: &Config, namespace: &str) {
        let (events, mut told) = mpsc::channel(WAITING);
        let lives = async {
            let mut pause = PAUSES.0;
            loop {
                let begun = tokio::time::Instant::now();
                let why = match life(config, namespace, &events).await {
                    Err(Ended::Server(error)) => chain(&error),
                    Err(Ended::Unheard) => return,
                    Ok(never) => match never {},
                };
                if events.send(Event::Away(why)).await.is_err() {
                    return;
                }
                pause = way::next_pause(pause, begun);
                tokio::time::sleep(pause).await;
            }
        };
        let take = async {
            while let Some(event) = told.recv().await {
                self.take_in(event);
            }
        };
        tokio::join!(lives, take);
    }
}

/// Lists and watches everything until the first error.
async fn life(
    config: &Config,
    namespace: &str,
    events: &mpsc::Sender<Event>,
) -> Result<std::convert::Infallible, Ended> {
    let (brief, lasting) = way::clients(config)?;
    let apps = all(Api::all(lasting.clone()), LASTING.0);
    let builds = all(Api::all(lasting.clone()), LASTING.0);
    let releases = all(Api::all(brief), BRIEF.0);
    let clusters = all(Api::all(lasting.clone()), LASTING.0);
    let templates = all(Api::all(lasting.clone()), LASTING.0);
    let claims = all(Api::all(lasting.clone()), LASTING.0);
    let accounts = Followed {
        labels: Some(ACCOUNT_LABEL.to_owned()),
        ..all(Api::<Secret>::namespaced(lasting, namespace), LASTING.0)
    };
    tokio::select! {
        ended = follow(&apps, |t| Some(Event::Apps(t)), events) => ended,
        ended = follow(&builds, |t| Some(Event::Builds(t)), events) => ended,
        ended = follow(&releases, |t| Some(Event::Releases(t)), events) => ended,
        ended = follow(&clusters, |t| Some(Event::Clusters(t)), events) => ended,
        ended = follow(&templates, |t| Some(Event::Templates(t)), events) => ended,
        ended = follow(&claims, |t| Some(Event::Claims(t)), events) => ended,
        ended = follow(&accounts, |t| t.formed(Account::of).map(Event::Accounts), events) => ended,
    }
}
