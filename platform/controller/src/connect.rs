//! The ways to the hub and to members, and what they tell.
//!
//! A server is followed in *lives*: everything is listed and watched until the first error, which ends all watches of that
//! server; after a pause the next life begins with lists. A member that is heard of in part is so never taken for whole.

use std::sync::Arc;

use flatnet_daemon::causes::chain;
use flatnet_platform_types::kinds::{ClusterSpec, Reachable};
use flatnet_platform_watch::follow::{Ended, follow};
use flatnet_platform_watch::way::{
    BRIEF, LASTING, PAUSES, all, clients, member_config, next_pause, reachable,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::{Client, Config};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

use flatnet_platform_watch::hub::HubTold;
use flatnet_platform_watch::member::MemberTold;
use flatnet_platform_watch::seen::{
    APP_LABEL, FENCE, FenceSeen, NodeSeen, PdbSeen, PodSeen, ServiceSeen, SetSeen,
};

/// What is told.
#[derive(Debug)]
pub(crate) enum Event {
    /// The hub's objects are listed anew.
    HubBegan,
    /// By the hub.
    Hub(Box<HubTold>),
    /// The hub gives no answer.
    HubAway(String),
    /// Of a member, in one of its lives.
    Member {
        cluster: String,
        life: u64,
        what: Box<MemberEvent>,
    },
}

/// What is told of a member.
pub(crate) enum MemberEvent {
    /// A life begins, with the way there.
    Began(Client),
    /// By its API server.
    Told(MemberTold),
    /// It gives no answer, or refuses.
    Away(Reachable, String),
}

impl std::fmt::Debug for MemberEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Began(_) => f.write_str("Began"),
            Self::Told(told) => told.fmt(f),
            Self::Away(reachable, why) => write!(f, "Away({reachable:?}, {why})"),
        }
    }
}

/// Follows the hub until nobody listens. Cancel safe.
pub(crate) async fn follow_hub(config: Config, events: Sender<Event>) {
    let mut pause = PAUSES.0;
    loop {
        let begun = tokio::time::Instant::now();
        let Err(error) = hub_life(&config, &events).await;
        let why = match error {
            Ended::Unheard => return,
            Ended::Server(error) => chain(&error),
        };
        if events.send(Event::HubAway(why)).await.is_err() {
            return;
        }
        pause = next_pause(pause, begun);
        tokio::time::sleep(pause).await;
    }
}

async fn hub_life(
    config: &Config,
    events: &Sender<Event>,
) -> Result<std::convert::Infallible, Ended> {
    let (brief, lasting) = clients(config)?;
    let began = events.send(Event::HubBegan).await;
    began.map_err(|_| Ended::Unheard)?;
    let (apps, releases) = (
        all(Api::all(lasting.clone()), LASTING.0),
        all(Api::all(brief), BRIEF.0),
    );
    let (clusters, templates) = (
        all(Api::all(lasting.clone()), LASTING.0),
        all(Api::all(lasting), LASTING.0),
    );
    tokio::select! {
        ended = follow(&apps, |t| Some(Event::Hub(Box::new(HubTold::Apps(t)))), events) => ended,
        ended = follow(&releases, |t| Some(Event::Hub(Box::new(HubTold::Releases(t)))), events) => ended,
        ended = follow(&clusters, |t| Some(Event::Hub(Box::new(HubTold::Clusters(t)))), events) => ended,
        ended = follow(&templates, |t| Some(Event::Hub(Box::new(HubTold::Templates(t)))), events) => ended,
    }
}

/// A member that is followed.
pub(crate) struct Line {
    pub(crate) cluster: String,
    pub(crate) spec: ClusterSpec,
    pub(crate) hub: Client,
    pub(crate) events: Sender<Event>,
    /// Ends the life that is: what was written there is in doubt.
    pub(crate) again: Arc<Notify>,
}

impl Line {
    /// Follows the member until nobody listens. Cancel safe.
    pub(crate) async fn follow(self) {
        let mut pause = PAUSES.0;
        let mut known = None;
        for life in 1.. {
            let begun = tokio::time::Instant::now();
            let (reachable, why) = match member_config(&self.hub, &self.spec, &mut known).await {
                Err(error) => (Reachable::Unknown, chain(&error)),
                Ok(config) => tokio::select! {
                    Err(ended) = self.life(&config, life) => match ended {
                        Ended::Unheard => return,
                        Ended::Server(error) => (reachable(&error), chain(&error)),
                    },
                    () = self.again.notified() => {
                        (Reachable::Unknown, "what was written last there is in doubt: it is listed anew".to_owned())
                    }
                },
            };
            if self
                .send(life, MemberEvent::Away(reachable, why))
                .await
                .is_err()
            {
                return;
            }
            pause = next_pause(pause, begun);
            tokio::time::sleep(pause).await;
        }
    }

    async fn send(&self, life: u64, what: MemberEvent) -> Result<(), Ended> {
        let event = Event::Member {
            cluster: self.cluster.clone(),
            life,
            what: Box::new(what),
        };
        self.events.send(event).await.map_err(|_| Ended::Unheard)
    }

    async fn life(&self, config: &Config, life: u64) -> Result<std::convert::Infallible, Ended> {
        let (brief, lasting) = clients(config)?;
        let version = brief.apiserver_version().await?.git_version;
        self.send(life, MemberEvent::Began(lasting.clone())).await?;
        self.send(life, MemberEvent::Told(MemberTold::Version(version)))
            .await?;
        let ours = Some(APP_LABEL.to_owned());
        let mut sets = all(Api::all(lasting.clone()), LASTING.0);
        sets.labels.clone_from(&ours);
        let mut pdbs = all(Api::all(lasting.clone()), LASTING.0);
        pdbs.labels.clone_from(&ours);
        let mut services = all(Api::all(lasting.clone()), LASTING.0);
        services.labels = ours;
        let (pods, nodes) = (
            all(Api::all(lasting.clone()), LASTING.0),
            all(Api::all(lasting), LASTING.0),
        );
        let mut fences = all(Api::<ConfigMap>::namespaced(brief, FENCE.0), BRIEF.0);
        fences.fields = Some(format!("metadata.name={}", FENCE.1));
        let told = |told: Option<MemberTold>| {
            told.map(|told| Event::Member {
                cluster: self.cluster.clone(),
                life,
                what: Box::new(MemberEvent::Told(told)),
            })
        };
        let to = &self.events;
        tokio::select! {
            ended = follow(&sets, |t| told(t.formed(SetSeen::of).map(MemberTold::Sets)), to) => ended,
            ended = follow(&pods, |t| told(t.formed(|p| Some(PodSeen::of(p))).map(MemberTold::Pods)), to) => ended,
            ended = follow(&nodes, |t| told(t.formed(|n| Some(NodeSeen::of(n))).map(MemberTold::Nodes)), to) => ended,
            ended = follow(&pdbs, |t| told(t.formed(|p| Some(PdbSeen::of(p))).map(MemberTold::Pdbs)), to) => ended,
            ended = follow(&services, |t| told(t.formed(ServiceSeen::of).map(MemberTold::Services)), to) => ended,
            ended = follow(&fences, |t| told(t.formed(|f| Some(FenceSeen::of(f))).map(MemberTold::Fences)), to) => ended,
        }
    }
}
