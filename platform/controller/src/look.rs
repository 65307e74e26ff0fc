//! Looks at what is due: a cluster's status, and an application's release, which the engine takes a step further.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_daemon::causes::chain;
use flatnet_platform_engine::{Action, Input, Op, Outcome as Looked, step};
use flatnet_platform_types::kinds::{
    App, AppStatus, ClusterStatus, Phase, Release, ReleaseStatus, Stable,
};
use flatnet_platform_types::{Moment, Span};
use kube::ResourceExt;
use kube::api::Api;

use crate::apply::{Batch, Job, replace_status};
use crate::driver::{AGAIN, Done, Driver, JOBS, now, since_boot};
use crate::render::recipe;
use crate::request::{Material, Writer};
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
