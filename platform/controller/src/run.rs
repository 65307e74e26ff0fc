//! Follows hub and members, and takes each application's release a look further whenever something that concerns it
//! changes, while this process leads.
//!
//! An application has one job under way at a time; what changes meanwhile is in the next look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use flatnet_clock::{Clock, System};
use flatnet_leader::{Election, KubernetesLease, LeaseKind, ObjectName, Participant};
use flatnet_platform_engine::{Action, Input, Op, Outcome as Looked, step};
use flatnet_platform_types::kinds::{
    App, AppStatus, Cluster, ClusterSpec, ClusterStatus, Phase, Reachable, Release, ReleaseStatus,
    Stable,
};
use flatnet_platform_types::{Moment, Span};
use kube::api::Api;
use kube::{Client, Config, ResourceExt};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::apply::{Batch, Job, Outcome, replace_status};
use crate::cache::{Key, Seen, Told};
use crate::cli::Cli;
use crate::connect::{self, Event, Line, MemberEvent};
use crate::hub::{Hub, HubTold};
use crate::lead::{Leadership, chain};
use crate::member::{Concerns, Member};
use crate::metrics::Metrics;
use crate::observe::{Subject, observe};
use crate::render::recipe;
use crate::request::{Material, Writer};
use crate::seen::FENCE;

/// The manifest that grants what this daemon needs, for messages.
const MANIFEST: &str = "deploy/platform/controller.yaml";
/// Events that wait to be taken in: watches are slowed down where more do.
const WAITING: usize = 1024;
/// Events that are taken in before releases are looked at: what comes together is looked at together.
const TOGETHER: usize = 256;
/// The shortest time between two looks at one application.
const APART: Duration = Duration::from_millis(50);
/// After what something that failed, or that changed nothing, is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// A release's status is written for the sake of its timers alone when they are as old as that: time that nobody wrote
/// down counts up to 30 s.
const TIMERS: Span = Span::seconds(25);
/// How long figures of a cluster's status are gathered before they are written.
const FIGURES: Duration = Duration::from_secs(1);
/// Jobs under way at a time.
const JOBS: usize = 16;
/// How long an answer of the hub to a write may be silent.
const SILENCE: Duration = Duration::from_secs(15);

/// Runs until SIGTERM.
///
/// # Errors
/// The failed step and its causes, for an operator.
pub fn main(cli: &Cli) -> Result<()> {
    flatnet_daemon::log::to_stderr(cli.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(run(cli))
}

async fn run(cli: &Cli) -> Result<()> {
    let config = connect::hub_config(cli.kubeconfig.as_deref()).await;
    let config = config.context("find the way to the hub: --kubeconfig FILE, or $KUBECONFIG")?;
    let health = Arc::new(Health::default());
    if let Some(address) = cli.listen {
        tokio::spawn(flatnet_daemon::metrics::keep(
            address,
            router(Arc::clone(&health)),
        ));
    }
    let leadership = Arc::new(Leadership::new(election(cli).await?));
    let (events, told) = mpsc::channel(WAITING);
    let mut driver = Driver::new(&config, events.clone(), Arc::clone(&leadership), health)?;
    tokio::spawn(connect::follow_hub(config, events));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "follows the hub");
    let signal = tokio::select! {
        () = driver.drive(told, leadership.watch()) => Ok("the end of its events"),
        () = leadership.keep() => Ok("the end of the lease"),
        () = leadership.expire() => Ok("the end of the lease"),
        signal = flatnet_daemon::stop::wait_for_signal() => signal.context("listen to signals"),
    }?;
    tracing::info!(signal, "stopping; releases stay as they are");
    driver.jobs.shutdown().await;
    if let Err(error) = leadership.resign().await {
        // The lease is over by itself soon.
        tracing::warn!(error = chain(&error), "the lease could not be given back");
    }
    Ok(())
}

async fn election(cli: &Cli) -> Result<Election> {
    let name = |text: &str| ObjectName::try_from(text.to_owned());
    let lease = KubernetesLease {
        namespace: name(&cli.lease_namespace).context("--lease-namespace")?,
        name: name(&cli.lease_name).context("--lease-name")?,
        kubeconfig: cli.kubeconfig.clone(),
        identity: cli.identity.clone(),
    };
    let participant = Participant {
        lease: LeaseKind::Kubernetes(lease),
        default_file: std::path::PathBuf::new(),
        duration: cli.lease,
        place: "--lease-name".to_owned(),
        manifest: MANIFEST,
    };
    Ok(Election::open(participant).await?)
}

/// A member, and how it is followed.
struct Followed {
    /// What the line was made for; another one makes another line.
    spec: ClusterSpec,
    task: AbortHandle,
    again: Arc<Notify>,
    /// The life that is, and the way there; none while it is away.
    life: u64,
    client: Option<Client>,
    seen: Member,
    reachable: Reachable,
    message: Option<String>,
    /// When it told something last.
    heard: Option<Moment>,
}

impl Followed {
    fn is_current(&self) -> bool {
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
enum Done {
    Job(Box<Outcome>),
    Status(String, Result<Box<Cluster>, String>),
}

struct Driver {
    hub_client: Client,
    events: Sender<Event>,
    leadership: Arc<Leadership>,
    health: Arc<Health>,
    epoch: Option<u64>,
    hub: Hub,
    hub_away: bool,
    members: BTreeMap<String, Followed>,
    /// When an application is to be looked at, by the clock since the machine's start.
    due: BTreeMap<Key, Duration>,
    busy: BTreeSet<Key>,
    /// What was done last for an application: what is done twice is not done in a loop.
    last: BTreeMap<Key, Vec<Action>>,
    /// When a cluster's status is to be looked at.
    figures: BTreeMap<String, Duration>,
    writing: BTreeSet<String>,
    trouble: BTreeMap<String, String>,
    jobs: JoinSet<Done>,
}

impl Driver {
    fn new(
        config: &Config,
        events: Sender<Event>,
        leadership: Arc<Leadership>,
        health: Arc<Health>,
    ) -> Result<Self> {
        Ok(Self {
            hub_client: connect::client(config, SILENCE).context("make a client of the hub")?,
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
        })
    }

    /// Takes in what is told and acts on it, until nothing more is told. Cancel safe.
    async fn drive(
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

    fn complain(&mut self, of: String, words: String) {
        // Once, however long it lasts.
        if self.trouble.get(&of) != Some(&words) {
            tracing::warn!(of, why = words, "goes on without");
            self.trouble.insert(of, words);
        }
    }

    fn wake(&mut self, key: Key, after: Duration) {
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
        let keys: Vec<Key> = self.hub.apps.iter().map(App::key).collect();
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

    /// Looks at what is due, where this process leads and the hub is known.
    fn act(&mut self) {
        let known = !self.hub_away && self.hub.is_complete();
        let epoch = self.epoch.filter(|_| known && self.leadership.leads());
        let Some(epoch) = epoch else {
            // Everything is looked at when this one leads, and when the hub is listed.
            self.due.clear();
            self.figures.clear();
            return;
        };
        let now = since_boot();
        let due = |at: &Duration| *at <= now;
        let names: Vec<String> = self
            .figures
            .iter()
            .filter(|(_, at)| due(at))
            .map(|(n, _)| n.clone())
            .collect();
        for name in names
            .into_iter()
            .filter(|n| !self.writing.contains(n))
            .collect::<Vec<_>>()
        {
            self.figures.remove(&name);
            self.tell(&name);
        }
        let keys: Vec<Key> = self
            .due
            .iter()
            .filter(|(_, at)| due(at))
            .map(|(k, _)| k.clone())
            .collect();
        for key in keys {
            if self.busy.contains(&key) || self.jobs.len() >= JOBS {
                continue;
            }
            self.due.remove(&key);
            self.look(&key, epoch);
        }
    }

    /// Writes a cluster's status, where it says something else.
    fn tell(&mut self, name: &str) {
        let key = Key::new("", name);
        let (Some(member), Some(object)) = (self.members.get(name), self.hub.clusters.get(&key))
        else {
            return;
        };
        let before = object.status.clone().unwrap_or_default();
        let current = member.is_current();
        let status = ClusterStatus {
            reachable: member.reachable,
            last_seen: member.heard.or(before.last_seen),
            version: member
                .seen
                .version
                .clone()
                .or_else(|| before.version.clone()),
            // What was free when it was seen last: nobody places by it.
            headroom: match current {
                true => member.seen.headroom(&member.spec.groups),
                false => before.headroom.clone(),
            },
            message: member.message.clone(),
        };
        let mut timeless = status.clone();
        timeless.last_seen = before.last_seen;
        if timeless == before {
            return;
        }
        let mut object = object.clone();
        object.status = Some(status);
        let (name, hub) = (name.to_owned(), self.hub_client.clone());
        let leadership = Arc::clone(&self.leadership);
        self.writing.insert(name.clone());
        self.jobs.spawn(async move {
            let written = replace_status(&Api::all(hub), &object, &leadership).await;
            Done::Status(name, written.map(Box::new))
        });
    }

    fn look(&mut self, key: &Key, epoch: u64) {
        let Some(app) = self.hub.apps.get(key) else {
            return;
        };
        let releases = self.hub.releases_of(key);
        let Some(latest) = releases.first() else {
            return;
        };
        // The oldest that does not know yet that a later one acts, else the one that acts.
        let phase = |r: &Release| r.status.as_ref().map_or(Phase::Pending, |s| s.phase);
        let mut older = releases.iter().skip(1).rev();
        let older = older.find(|r| phase(r) != Phase::Superseded);
        let release = older.unwrap_or(latest);
        let superseded_by = older.map(|_| latest.name_any());
        let none = ReleaseStatus::default();
        let status = release.status.as_ref().unwrap_or(&none);
        let current = self.members.iter().filter(|(_, m)| m.is_current());
        let members: BTreeMap<String, &Member> =
            current.map(|(n, m)| (n.clone(), &m.seen)).collect();
        let stable = app.status.as_ref().and_then(|s| s.stable.as_ref());
        let subject = Subject {
            key,
            spec: &app.spec,
            stable,
            status,
        };
        let now = now();
        let observed = observe(&self.hub, &members, subject, epoch, superseded_by);
        self.health.metrics.looks.inc();
        let looked = step(&Input {
            app: &app.spec,
            release: &release.spec,
            status,
            observed: &observed,
            now,
        });
        let acts = older.is_none();
        let (batches, faults) = self.batches(key, app, &looked.actions, epoch, now);
        let release_status = differs(status, &looked, now).then(|| {
            let mut release = (*release).clone();
            release.status = Some(looked.status.clone());
            release
        });
        if let Some(r) = &release_status
            && status.phase != looked.status.phase
        {
            let (phase, step, message) = (
                looked.status.phase,
                looked.status.step,
                &looked.status.message,
            );
            tracing::info!(release = %r.key(), ?phase, step, message, "goes on");
        }
        let app_status = acts.then(|| said(app, latest, &looked)).flatten();
        let job = Job {
            key: key.clone(),
            hub: self.hub_client.clone(),
            release: release_status,
            batches,
            app: app_status,
        };
        for fault in faults {
            self.complain(format!("{key}'s pods"), fault);
        }
        if let Some(wake) = looked.wake {
            self.wake(key.clone(), Duration::from_millis(wake.as_millis()));
        }
        if job.release.is_none() && job.batches.is_empty() && job.app.is_none() {
            self.last.remove(key);
            return;
        }
        tracing::debug!(app = %key, actions = ?looked.actions, "does");
        // The same once more has changed nothing: not at once.
        let repeated = job.release.is_none() && self.last.get(key) == Some(&looked.actions);
        self.last.insert(key.clone(), looked.actions);
        self.busy.insert(key.clone());
        let leadership = Arc::clone(&self.leadership);
        self.jobs.spawn(async move {
            if repeated {
                tokio::time::sleep(AGAIN).await;
            }
            Done::Job(Box::new(job.work(leadership).await))
        });
    }

    /// The requests of the actions, one batch for each, in order; and why some cannot be made.
    fn batches(
        &self,
        key: &Key,
        app: &App,
        actions: &[Action],
        epoch: u64,
        now: Moment,
    ) -> (Vec<Batch>, Vec<String>) {
        let releases = self.hub.releases_of(key);
        let (mut batches, mut faults) = (Vec::new(), Vec::new());
        for action in actions {
            let Action::Member { cluster, op, .. } = action else {
                // Gates are not asked yet: they say nothing, and a release waits for them.
                continue;
            };
            let Some(member) = self.members.get(cluster).filter(|m| m.is_current()) else {
                continue;
            };
            let material = match op {
                Op::CreateSet {
                    revision, group, ..
                } => {
                    let mut groups = member.spec.groups.iter();
                    let group = groups.find(|g| g.name == *group).cloned();
                    match (recipe(&self.hub, &app.spec, &releases, revision), group) {
                        (Ok(recipe), Some(group)) => Some(Material {
                            recipe,
                            group,
                            resources: app.spec.resources,
                        }),
                        (Err(error), _) => {
                            faults.push(chain(&error));
                            None
                        }
                        (_, None) => None,
                    }
                }
                _ => None,
            };
            let fence = member.seen.fences.get(&Key::new(FENCE.0, FENCE.1));
            let writer = Writer {
                app: key,
                epoch,
                now,
                fence: fence.map(Seen::version),
            };
            let requests = writer.requests(op, material.as_ref());
            if let (Some(client), false) = (&member.client, requests.is_empty()) {
                batches.push(Batch {
                    cluster: cluster.clone(),
                    life: member.life,
                    client: client.clone(),
                    requests,
                });
            }
        }
        (batches, faults)
    }
}

/// The object of an event that is about one.
fn one<T>(told: &Told<T>) -> Option<&T> {
    match told {
        Told::Listed(..) => None,
        Told::Applied(one) | Told::Deleted(one) => Some(one),
    }
}

/// Whether what is to be said of a release must be written: it says something else, or its timers are old.
fn differs(before: &ReleaseStatus, looked: &Looked, now: Moment) -> bool {
    let after = &looked.status;
    let seen = (before.timers.seen, after.timers.seen);
    let old = match seen {
        (Some(seen), Some(_)) => now.since(seen) >= TIMERS,
        (None, None) => false,
        _ => true,
    };
    let mut timeless = after.clone();
    timeless.timers.clone_from(&before.timers);
    old || timeless != *before
}

/// The application with the status that it is to have, where that is another.
fn said(app: &App, latest: &Release, looked: &Looked) -> Option<App> {
    let before = app.status.clone().unwrap_or_default();
    let recorded = looked.actions.iter().find_map(|action| match action {
        Action::RecordStable(stable) => Some(stable),
        _ => None,
    });
    let stable: Option<Stable> = recorded.or(before.stable.as_ref()).cloned();
    let status = AppStatus {
        stable,
        release: Some(latest.name_any()),
        in_service: looked.status.per_cluster.iter().map(|c| c.in_service).sum(),
    };
    (status != before).then(|| {
        let mut app = app.clone();
        app.status = Some(status);
        app
    })
}

fn since_boot() -> Duration {
    System.since_boot()
}

fn now() -> Moment {
    let since = System.now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |s| i64::try_from(s.as_millis()).unwrap_or(i64::MAX));
    Moment::from_millis(millis)
}

/// What is asked of this process.
#[derive(Default)]
struct Health {
    /// Whether the hub has been listed.
    ready: AtomicBool,
    metrics: Metrics,
}

fn router(health: Arc<Health>) -> Router {
    let ready = |State(health): State<Arc<Health>>| async move {
        match health.ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the hub's objects have not all been listed: the log says why\n",
            ),
        }
    };
    let metrics = |State(health): State<Arc<Health>>| async move {
        flatnet_daemon::metrics::reply(health.metrics.render())
    };
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}
