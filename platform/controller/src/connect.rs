//! The ways to the hub and to members, and what they tell.
//!
//! A server is followed in *lives*: everything is listed and watched until the first error, which ends all watches of that
//! server; after a pause the next life begins with lists. A member that is heard of in part is so never taken for whole.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flatnet_platform_types::kinds::{ClusterSpec, Reachable};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::Api;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;

use crate::follow::{Ended, Followed, follow};
use crate::hub::HubTold;
use crate::member::MemberTold;
use crate::seen::{APP_LABEL, FENCE, FenceSeen, NodeSeen, PdbSeen, PodSeen, SetSeen};
use flatnet_daemon::causes::chain;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one watch lasts by which a server that vanished without a word is noticed, and how long silence may.
const BRIEF: (u32, Duration) = (10, Duration::from_secs(15));
/// The same of the other watches: at rest they cost little.
const LASTING: (u32, Duration) = (290, Duration::from_secs(330));
/// The pauses between lives: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

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

/// Why there is no way to a member.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("cannot read Secret {place} on the hub")]
    Secret {
        place: String,
        #[source]
        source: kube::Error,
    },
    #[error("Secret {place} has neither the key `kubeconfig` nor the keys `token` and `ca.crt`")]
    NoKeys { place: String },
    #[error("the credentials in Secret {place} cannot be used")]
    Unusable {
        place: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The way to the hub.
pub(crate) async fn hub_config(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = match kubeconfig {
        Some(path) => {
            let read = Kubeconfig::read_from(path)?;
            Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?
        }
        None => Config::infer().await?,
    };
    config.connect_timeout = Some(CONNECT);
    config.default_retry = false;
    Ok(config)
}

/// A client whose answers may be silent for so long.
pub(crate) fn client(config: &Config, silence: Duration) -> kube::Result<Client> {
    let mut config = config.clone();
    config.read_timeout = Some(silence);
    Client::try_from(config)
}

/// Both clients of a server: for the brief watch, and for everything else.
fn clients(config: &Config) -> kube::Result<(Client, Client)> {
    Ok((client(config, BRIEF.1)?, client(config, LASTING.1)?))
}

fn all<K>(api: Api<K>, watch: u32) -> Followed<K> {
    Followed {
        api,
        fields: None,
        labels: None,
        watch,
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

fn next_pause(last: Duration, begun: tokio::time::Instant) -> Duration {
    match begun.elapsed() > LASTING.1 / 10 {
        true => PAUSES.0,
        false => (last * 3 / 2).min(PAUSES.1),
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
            let (reachable, why) = match self.config(&mut known).await {
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

    /// The way there, by the Secret as it is now; where the hub does not answer, as it was.
    async fn config(&self, known: &mut Option<Secret>) -> Result<Config, ConnectError> {
        let at = &self.spec.credentials;
        let place = format!("{}/{}", at.namespace, at.name);
        let secrets: Api<Secret> = Api::namespaced(self.hub.clone(), &at.namespace);
        match (secrets.get(&at.name).await, &*known) {
            (Ok(secret), _) => *known = Some(secret),
            (Err(kube::Error::Api(_)) | Err(_), Some(_)) => {}
            (Err(source), None) => return Err(ConnectError::Secret { place, source }),
        }
        let data = known
            .as_ref()
            .and_then(|s| s.data.clone())
            .unwrap_or_default();
        let mut config = match (
            data.get("kubeconfig"),
            data.get("token"),
            data.get("ca.crt"),
        ) {
            (Some(text), _, _) => from_kubeconfig(&text.0, &place).await?,
            (None, Some(token), Some(ca)) => {
                from_token(&self.spec.endpoint, &token.0, &ca.0, &place).await?
            }
            _ => return Err(ConnectError::NoKeys { place }),
        };
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false;
        Ok(config)
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
        pdbs.labels = ours;
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
            ended = follow(&fences, |t| told(t.formed(|f| Some(FenceSeen::of(f))).map(MemberTold::Fences)), to) => ended,
        }
    }
}

async fn from_kubeconfig(text: &[u8], place: &str) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Unusable {
        place: place.to_owned(),
        source,
    };
    let text = std::str::from_utf8(text).map_err(|e| unusable(e.into()))?;
    let read = Kubeconfig::from_yaml(text).map_err(|e| unusable(e.into()))?;
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    config.map_err(|e| unusable(e.into()))
}

async fn from_token(
    endpoint: &str,
    token: &[u8],
    ca: &[u8],
    place: &str,
) -> Result<Config, ConnectError> {
    let unusable = |source| ConnectError::Unusable {
        place: place.to_owned(),
        source,
    };
    let token = std::str::from_utf8(token).map_err(|e| unusable(e.into()))?;
    let ca = k8s_openapi::ByteString(ca.to_vec());
    // The bytes of a certificate are base64 in a kubeconfig, as they are in JSON.
    let ca = serde_json::to_value(ca).map_err(|e| unusable(e.into()))?;
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "member",
        "clusters": [{"name": "member", "cluster": {"server": endpoint, "certificate-authority-data": ca}}],
        "users": [{"name": "member", "user": AuthInfo::default()}],
        "contexts": [{"name": "member", "context": {"cluster": "member", "user": "member"}}],
    });
    let mut config = from_kubeconfig(kubeconfig.to_string().as_bytes(), place).await?;
    config.auth_info.token = Some(token.trim().to_owned().into());
    Ok(config)
}

/// What an error says of a server: one that refuses the connection or who asks is not merely silent.
fn reachable(error: &kube::Error) -> Reachable {
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 | 403 => Reachable::False,
            _ => Reachable::Unknown,
        };
    }
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        let io = cause.downcast_ref::<std::io::Error>();
        if io.is_some_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused) {
            return Reachable::False;
        }
        source = cause.source();
    }
    Reachable::Unknown
}
