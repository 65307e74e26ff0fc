//! Looks at what is due: a cluster's status, and an application's release, which the engine takes a step further.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_daemon::causes::chain;
use flatnet_platform_engine::{Action, Input, Op, Outcome as Looked, step};
use flatnet_platform_types::kinds::{
    App, AppSpec, AppStatus, ClusterStatus, Phase, Release, ReleaseStatus, Stable, Verdict,
};
use flatnet_platform_types::{Moment, Span};
use kube::ResourceExt;
use kube::api::Api;

use crate::apply::{Batch, Job, replace_status};
use crate::driver::{AGAIN, Done, Driver, Followed, JOBS, now, since_boot};
use crate::gates::{Place, Question, Subjects};
use crate::leftovers::{self, Left};
use crate::render::recipe;
use crate::request::{Material, Writer};
use crate::service;
use flatnet_platform_watch::cache::{Key, Seen};
use flatnet_platform_watch::member::Member;
use flatnet_platform_watch::observe::{Subject, observe};
use flatnet_platform_watch::seen::FENCE;

/// A release's status is written for the sake of its timers alone when they are as old as that: time that nobody wrote
/// down counts up to 30 s.
const TIMERS: Span = Span::seconds(25);

impl Driver {
    /// Looks at what is due, where this process leads and the hub is known.
    pub(crate) fn act(&mut self) {
        let known = !self.hub_away && self.hub.is_complete();
        let epoch = self.epoch.filter(|_| known && self.leadership.leads());
        let Some(epoch) = epoch else {
            // Everything is looked at when this one leads, and when the hub is listed.
            self.due.clear();
            self.figures.clear();
            self.gates.clear();
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
            self.tidy(key, epoch);
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
        let mut observed = observe(&self.hub, &members, subject, epoch, superseded_by);
        observed.verdicts = self.gates.verdicts(key, &release.name_any());
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
        if acts {
            self.health.metrics.release(key, &looked.status);
        }
        let app_status = acts.then(|| said(app, latest, &looked)).flatten();
        let job = Job {
            key: key.clone(),
            hub: self.hub_client.clone(),
            release: release_status,
            batches,
            app: app_status,
        };
        let questions = self.questions(key, &app.spec, &release.name_any(), &looked);
        for fault in faults {
            self.complain(format!("{key}'s pods"), fault);
        }
        self.ask(questions);
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

    /// Takes away what an application that is gone has left in members, where it has no instances.
    fn tidy(&mut self, key: &Key, epoch: u64) {
        self.health.metrics.forget_app(key);
        let (mut batches, mut instances) = (Vec::new(), Vec::new());
        for (cluster, member) in &self.members {
            if !member.is_current() || member.seen.fence() > epoch {
                continue;
            }
            match (leftovers::left(&member.seen, key), &member.client) {
                (Left::Instances(count), _) => instances.push(format!("{count} in {cluster}")),
                (Left::Goes(requests), Some(client)) if !requests.is_empty() => {
                    batches.push(Batch {
                        cluster: cluster.clone(),
                        life: member.life,
                        client: client.clone(),
                        requests,
                    });
                }
                _ => {}
            }
        }
        if !instances.is_empty() {
            let why = format!(
                "the hub has no such application, and there are instances: {}",
                instances.join(", ")
            );
            self.complain(format!("{key}'s instances"), why);
        }
        if batches.is_empty() {
            return;
        }
        let job = Job {
            key: key.clone(),
            hub: self.hub_client.clone(),
            release: None,
            batches,
            app: None,
        };
        self.busy.insert(key.clone());
        let leadership = Arc::clone(&self.leadership);
        self.jobs
            .spawn(async move { Done::Job(Box::new(job.work(leadership).await)) });
    }

    /// The questions of a release's gates, each with how long until it is to be asked.
    fn questions(
        &self,
        key: &Key,
        app: &AppSpec,
        release: &str,
        looked: &Looked,
    ) -> Vec<(Place, Duration, Question)> {
        let gates = looked.actions.iter().filter_map(|action| match action {
            Action::Ask {
                step,
                round,
                gate,
                of,
            } => {
                let place = Place {
                    app: key.clone(),
                    release: release.to_owned(),
                    step: *step,
                    round: *round,
                    gate: *gate,
                };
                let due = self.gates.due(&place, since_boot())?;
                Some((place, due, of))
            }
            _ => None,
        });
        let mut gates = gates.peekable();
        if gates.peek().is_none() {
            return Vec::new();
        }
        let current = self.members.iter().filter(|(_, m)| m.is_current());
        let current =
            current.filter_map(|(name, m)| Some((name.as_str(), &m.seen, m.client.as_ref()?)));
        let subjects = Subjects::of(key, &looked.status, current);
        let question = |(place, due, gate)| {
            let question = Question::of(gate, app, &looked.status, subjects.clone())?;
            Some((place, due, question))
        };
        gates.filter_map(question).collect()
    }

    /// Asks what is due, and looks again when the others are.
    fn ask(&mut self, questions: Vec<(Place, Duration, Question)>) {
        for (place, due, question) in questions {
            if !due.is_zero() {
                self.wake(place.app, due);
                continue;
            }
            self.gates.asks(&place);
            let tools = self.tools.clone();
            self.questions.spawn(async move {
                let (verdict, reason) = question.ask(tools).await;
                (place, verdict, reason)
            });
        }
    }

    /// A gate has answered.
    pub(crate) fn on_answer(&mut self, answer: Option<(Place, Verdict, String)>) {
        let Some((place, verdict, reason)) = answer else {
            // A question that panicked is asked no more: its release waits, and pauses.
            return;
        };
        tracing::debug!(app = %place.app, place.step, place.gate, ?verdict, reason, "a gate answers");
        let app = place.app.clone();
        self.gates.answered(place, verdict, reason, since_boot());
        self.wake(app, Duration::ZERO);
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
                            spread: app.spec.placement.spread.unwrap_or_default(),
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
        batches.extend(self.services(key, app, epoch, now));
        (batches, faults)
    }

    /// The application's Service in each member that has ReplicaSets of it and takes this controller's writes.
    fn services(&self, key: &Key, app: &App, epoch: u64, now: Moment) -> Vec<Batch> {
        let batch = |(cluster, member): (&String, &Followed)| {
            let has = member
                .seen
                .sets
                .iter()
                .any(|s| s.key.namespace == key.namespace && s.app == key.name);
            if !has || !member.is_current() || member.seen.fence() != epoch {
                return None;
            }
            let writer = Writer {
                app: key,
                epoch,
                now,
                fence: None,
            };
            let requests = service::requests(&writer, &app.spec, member.seen.services.get(key));
            let client = member.client.clone().filter(|_| !requests.is_empty())?;
            Some(Batch {
                cluster: cluster.clone(),
                life: member.life,
                client,
                requests,
            })
        };
        self.members.iter().filter_map(batch).collect()
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
