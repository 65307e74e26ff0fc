//! What is known, and what concerns whom: events of hub and members, and what jobs came to.
//!
//! An application has one job under way at a time; what changes meanwhile is in the next look ([`super::look`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use flatnet_clock::{Clock, System};
use flatnet_leader::Leadership;
use flatnet_platform_engine::Action;
use flatnet_platform_types::Moment;
use flatnet_platform_types::kinds::{App, Cluster, ClusterSpec, Reachable, Release, Verdict};
use flatnet_platform_watch::{Key, Seen, Told, way};
use kube::{Client, Config, ResourceExt};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::apply::Outcome;
use crate::connect::{Event, Line, MemberEvent};
use crate::gates::{Board, Place, Tools};
use crate::health::Health;
use crate::leftovers;
use flatnet_platform_watch::hub::{Hub, HubTold};
use flatnet_platform_watch::member::{Concerns, Member};

/// Events that are taken in before releases are looked at: what comes together is looked at together.
const TOGETHER: usize = 256;
/// The shortest time between two looks at one application.
const APART: Duration = Duration::from_millis(50);
/// After what something that failed, or that changed nothing, is tried again.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// How long figures of a cluster's status are gathered before they are written.
const FIGURES: Duration = Duration::from_secs(1);
/// Jobs under way at a time.
pub(crate) const JOBS: usize = 16;
/// How long an answer of the hub to a write may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// A member, and how it is followed.
pub(crate) struct Followed {
    /// What the line was made for; another one makes another line.
    pub(crate) spec: ClusterSpec,
    task: AbortHandle,
    again: Arc<Notify>,
    /// The life that is, and the way there; none while it is away.
    pub(crate) life: u64,
    pub(crate) client: Option<Client>,
    pub(crate) seen: Member,
    pub(crate) reachable: Reachable,
    pub(crate) message: Option<String>,
    /// When it told something last.
    pub(crate) heard: Option<Moment>,
}

impl Followed {
    pub(crate) fn is_current(&self) -> bool {
        self.client.is_some() && self.seen.is_complete()
    }

    /// Forgets what was seen: it is unknown until it is listed again.
    fn darken(&mut self, reachable: Reachable, message: String) {
        self.client = None;
        let version = self.seen.version.take();
        self.seen = Member {
            version,
            ..Member::default()
        };
        self.reachable = reachable;
        self.message = Some(message);
    }
}

/// What a task came to.
pub(crate) enum Done {
    Job(Box<Outcome>),
    Status(String, Result<Box<Cluster>, String>),
}

pub(crate) struct Driver {
    pub(crate) hub_client: Client,
    events: Sender<Event>,
    pub(crate) leadership: Arc<Leadership>,
    pub(crate) health: Arc<Health>,
    pub(crate) epoch: Option<u64>,
    pub(crate) hub: Hub,
    pub(crate) hub_away: bool,
    pub(crate) members: BTreeMap<String, Followed>,
    /// When an application is to be looked at, by the clock since the machine's start.
    pub(crate) due: BTreeMap<Key, Duration>,
    pub(crate) busy: BTreeSet<Key>,
    /// What was done last for an application: what is done twice is not done in a loop.
    pub(crate) last: BTreeMap<Key, Vec<Action>>,
    /// When a cluster's status is to be looked at.
    pub(crate) figures: BTreeMap<String, Duration>,
    pub(crate) writing: BTreeSet<String>,
    trouble: BTreeMap<String, String>,
    pub(crate) jobs: JoinSet<Done>,
    pub(crate) gates: Board,
    pub(crate) questions: JoinSet<(Place, Verdict, String)>,
    pub(crate) tools: Tools,
}

impl Driver {
    pub(crate) fn new(
        config: &Config,
        events: Sender<Event>,
        leadership: Arc<Leadership>,
        health: Arc<Health>,
        tools: Tools,
    ) -> Result<Self> {
        Ok(Self {
            hub_client: way::client(config, SILENCE).context("make a client of the hub")?,
            events,
            leadership,
            health,
            epoch: None,
            hub: Hub::default(),
            hub_away: true,
            members: BTreeMap::new(),
            due: BTreeMap::new(),
            busy: BTreeSet::new(),
            last: BTreeMap::new(),
            figures: BTreeMap::new(),
            writing: BTreeSet::new(),
            trouble: BTreeMap::new(),
            jobs: JoinSet::new(),
            gates: Board::default(),
            questions: JoinSet::new(),
            tools,
        })
    }

    /// Takes in what is told and acts on it, until nothing more is told. Cancel safe.
    pub(crate) async fn drive(
        &mut self,
        mut told: Receiver<Event>,
        mut leading: watch::Receiver<Option<u64>>,
    ) {
        loop {
            let now = since_boot();
            let looks = self.due.iter().filter(|(key, _)| !self.busy.contains(*key));
            let looks = looks.map(|(_, at)| *at);
            let figures = self
                .figures
                .iter()
                .filter(|(name, _)| !self.writing.contains(*name));
            let next = looks.chain(figures.map(|(_, at)| *at)).min();
            let full = self.jobs.len() >= JOBS;
            let wait = next
                .filter(|_| !full)
                .map_or(AGAIN * 60, |at| at.saturating_sub(now));
            tokio::select! {
                event = told.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                Some(done) = self.jobs.join_next() => {
                    if let Ok(done) = done {
                        self.on_done(done);
                    }
                }
                Some(answered) = self.questions.join_next() => self.on_answer(answered.ok()),
                changed = leading.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.epoch = *leading.borrow_and_update();
                    self.health.metrics.leads(self.epoch.is_some());
                    self.wake_all();
                }
                () = tokio::time::sleep(wait) => {}
            }
            for _ in 0..TOGETHER {
                let Ok(event) = told.try_recv() else {
                    break;
                };
                self.on_event(event);
            }
            self.act();
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::HubBegan => {}
            Event::HubAway(why) => {
                self.hub_away = true;
                self.complain("hub".to_owned(), why);
            }
            Event::Hub(told) => self.on_hub(*told),
            Event::Member {
                cluster,
                life,
                what,
            } => self.on_member(&cluster, life, *what),
        }
        let there = !self.hub_away && self.hub.is_complete();
        self.health.ready.store(there, Ordering::Relaxed);
        self.health.metrics.hub(there);
    }

    fn on_hub(&mut self, told: HubTold) {
        match told {
            HubTold::Apps(told) => {
                let key = one(&told).map(App::key);
                self.hub.apps.told(told);
                self.wake_one(key);
            }
            HubTold::Releases(told) => {
                let of = |r: &Release| Key::new(&r.namespace().unwrap_or_default(), &r.spec.app);
                let key = one(&told).map(of);
                if matches!(told, Told::Listed(..)) {
                    // The hub's brief watch: what it lists, the others have or will have anew.
                    self.hub_away = false;
                    self.trouble.remove("hub");
                }
                self.hub.releases.told(told);
                self.wake_one(key);
            }
            HubTold::Templates(told) => {
                self.hub.templates.told(told);
                self.wake_all();
            }
            HubTold::Clusters(told) => {
                self.hub.clusters.told(told);
                self.line_up();
                self.wake_all();
            }
        }
    }

    /// Follows the clusters that there are.
    fn line_up(&mut self) {
        let there = |hub: &Hub, name: &String| hub.clusters.get(&Key::new("", name)).is_some();
        for (name, member) in &self.members {
            if !there(&self.hub, name) {
                member.task.abort();
                self.health.metrics.forget(name);
                self.figures.remove(name);
            }
        }
        self.members.retain(|name, _| there(&self.hub, name));
        let clusters: Vec<(String, ClusterSpec)> = self
            .hub
            .clusters
            .iter()
            .map(|c| (c.name_any(), c.spec.clone()))
            .collect();
        for (name, spec) in clusters {
            let same = |m: &&mut Followed| {
                m.spec.endpoint == spec.endpoint && m.spec.credentials == spec.credentials
            };
            if let Some(member) = self.members.get_mut(&name).filter(same) {
                member.spec = spec;
            } else {
                self.connect(name.clone(), spec);
            }
            self.figures_soon(&name, Duration::ZERO);
        }
    }

    fn connect(&mut self, name: String, spec: ClusterSpec) {
        let again = Arc::new(Notify::new());
        let line = Line {
            cluster: name.clone(),
            spec: spec.clone(),
            hub: self.hub_client.clone(),
            events: self.events.clone(),
            again: Arc::clone(&again),
        };
        let task = tokio::spawn(line.follow()).abort_handle();
        let member = Followed {
            spec,
            task,
            again,
            life: 0,
            client: None,
            seen: Member::default(),
            reachable: Reachable::Unknown,
            message: None,
            heard: None,
        };
        if let Some(before) = self.members.insert(name, member) {
            before.task.abort();
        }
    }

    fn on_member(&mut self, cluster: &str, life: u64, what: MemberEvent) {
        let Some(member) = self.members.get_mut(cluster) else {
            return;
        };
        let before = member.is_current();
        let mut concerns = Concerns::Nobody;
        match what {
            MemberEvent::Began(client) => {
                member.darken(Reachable::Unknown, "it is being listed".to_owned());
                member.life = life;
                member.client = Some(client);
                member.heard = Some(now());
            }
            // Of a life that was given up.
            MemberEvent::Told(_) if life != member.life || member.client.is_none() => return,
            MemberEvent::Told(told) => {
                member.heard = Some(now());
                concerns = member.seen.told(told);
                if member.is_current() {
                    member.reachable = Reachable::True;
                    member.message = None;
                }
            }
            MemberEvent::Away(reachable, why) => {
                member.darken(reachable, why.clone());
                self.complain(format!("cluster {cluster}"), why);
            }
        }
        let Some(member) = self.members.get(cluster) else {
            return;
        };
        let current = member.is_current();
        self.health.metrics.cluster(cluster, current);
        if current != before {
            concerns = Concerns::All;
            if current {
                self.trouble.remove(&format!("cluster {cluster}"));
                tracing::info!(cluster, "everything is listed");
            }
            self.figures_soon(cluster, Duration::ZERO);
        } else {
            self.figures_soon(cluster, FIGURES);
        }
        let member = self.members.get(cluster);
        let fence = member
            .filter(|m| m.is_current())
            .map_or(0, |m| m.seen.fence());
        if self.epoch.is_some_and(|epoch| fence > epoch) && fence < u64::MAX {
            self.leadership.saw(fence + 1);
        }
        // A member in part is dark either way.
        match concerns {
            Concerns::App(key) if current => self.wake_one(Some(key)),
            Concerns::All if current || before => self.wake_all(),
            _ => {}
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Job(outcome) => self.on_job(*outcome),
            Done::Status(name, written) => {
                self.writing.remove(&name);
                match written {
                    Ok(cluster) => {
                        self.health.metrics.writes.inc();
                        self.hub.clusters.wrote(*cluster);
                    }
                    Err(error) => {
                        self.health.metrics.failures.inc();
                        self.complain(format!("the status of cluster {name}"), error);
                        self.figures.insert(name, since_boot() + AGAIN);
                    }
                }
            }
        }
    }

    fn on_job(&mut self, outcome: Outcome) {
        let key = outcome.key;
        self.busy.remove(&key);
        self.health.metrics.writes.inc_by(outcome.done);
        if let Some(release) = outcome.release {
            self.hub.releases.wrote(release);
        }
        if let Some(app) = outcome.app {
            self.hub.apps.wrote(app);
        }
        for (cluster, life, wrote) in outcome.wrote {
            let member = self.members.get_mut(&cluster).filter(|m| m.life == life);
            if let Some(member) = member {
                member.seen.wrote(wrote);
            }
        }
        for (cluster, life) in outcome.unsure {
            let member = self.members.get_mut(&cluster).filter(|m| m.life == life);
            if let Some(member) = member {
                member.darken(
                    Reachable::Unknown,
                    "a write got no answer: it is listed anew".to_owned(),
                );
                member.again.notify_one();
            }
        }
        let after = match outcome.failed.is_empty() {
            true => APART,
            false => AGAIN,
        };
        self.health
            .metrics
            .failures
            .inc_by(outcome.failed.len() as u64);
        match outcome.failed.first() {
            Some(why) => self.complain(key.to_string(), why.clone()),
            None => drop(self.trouble.remove(&key.to_string())),
        }
        self.wake(key, after);
    }

    pub(crate) fn complain(&mut self, of: String, words: String) {
        // Once, however long it lasts.
        if self.trouble.get(&of) != Some(&words) {
            tracing::warn!(of, why = words, "goes on without");
            self.trouble.insert(of, words);
        }
    }

    pub(crate) fn wake(&mut self, key: Key, after: Duration) {
        let at = since_boot() + after;
        let due = self.due.entry(key).or_insert(at);
        *due = (*due).min(at);
    }

    fn wake_one(&mut self, key: Option<Key>) {
        match key {
            Some(key) => self.wake(key, APART),
            None => self.wake_all(),
        }
    }

    fn wake_all(&mut self) {
        let left = self
            .members
            .values()
            .flat_map(|m| leftovers::applications(&m.seen));
        let keys: BTreeSet<Key> = self.hub.apps.iter().map(App::key).chain(left).collect();
        for key in keys {
            self.wake(key, APART);
        }
        let names: Vec<String> = self.members.keys().cloned().collect();
        for name in names {
            self.figures_soon(&name, FIGURES);
        }
    }

    fn figures_soon(&mut self, cluster: &str, after: Duration) {
        let at = since_boot() + after;
        let due = self.figures.entry(cluster.to_owned()).or_insert(at);
        *due = (*due).min(at);
    }
}

/// The object of an event that is about one.
fn one<T>(told: &Told<T>) -> Option<&T> {
    match told {
        Told::Listed(..) => None,
        Told::Applied(one) | Told::Deleted(one) => Some(one),
    }
}

pub(crate) fn since_boot() -> Duration {
    System.since_boot()
}

pub(crate) fn now() -> Moment {
    let since = System.now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |s| i64::try_from(s.as_millis()).unwrap_or(i64::MAX));
    Moment::from_millis(millis)
}
