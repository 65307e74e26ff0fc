//! Takes builds further, while this process leads.

use std::sync::Arc;
use std::time::Duration;

use flatnet_daemon::causes::chain;
use flatnet_leader::Leadership;
use flatnet_platform_registry::keys::SECRET;
use flatnet_platform_registry::{Credential, Holder, Keys};
use flatnet_platform_types::Span;
use flatnet_platform_types::kinds::{
    BUILD_LABEL, BUILDS_NAMESPACE, Build, BuildPhase, BuildStatus, Cluster, TEAM_LABEL, Template,
};
use flatnet_platform_watch::follow::{Ended, follow};
use flatnet_platform_watch::way::{
    LASTING, PAUSES, all, client, clients, member_config, next_pause,
};
use flatnet_platform_watch::{Cache, Seen, Told};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, PostParams, PropagationPolicy};
use kube::{Client, Config, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver};

use super::Builds;
use super::job::{Subject, job, longest, object_name, secret};
use super::outcome::{Progress, progress};
use crate::apply::replace_status;
use crate::driver::now;

/// How often a build under way is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// Events that wait to be taken in.
const WAITING: usize = 256;
/// Follows builds, and makes them. It does not end.
pub(crate) async fn run(
    config: Config,
    leadership: Arc<Leadership>,
    builds: Option<Builds>,
    namespace: String,
) {
    let hub = match client(&config, ANSWER) {
        Ok(hub) => hub,
        Err(error) => {
            tracing::error!(
                error = chain(&error),
                "no builds: there is no client of the hub"
            );
            return std::future::pending().await;
        }
    };
    let (events, told) = mpsc::channel(WAITING);
    let follows = async {
        let mut pause = PAUSES.0;
        loop {
            let begun = tokio::time::Instant::now();
            let ended = match clients(&config) {
                Ok((_, lasting)) => {
                    let builds = all(Api::<Build>::all(lasting), LASTING.0);
                    let Err(ended) = follow(&builds, Some, &events).await;
                    ended
                }
                Err(error) => Ended::Server(error),
            };
            if let Ended::Server(error) = ended {
                tracing::warn!(
                    error = chain(&error),
                    "builds are not followed; they are listed anew"
                );
            }
            pause = next_pause(pause, begun);
            tokio::time::sleep(pause).await;
        }
    };
    let mut worker = Worker {
        hub,
        leadership,
        builds,
        namespace,
        seen: Cache::default(),
    };
    tokio::join!(follows, worker.work(told));
}

struct Worker {
    hub: Client,
    leadership: Arc<Leadership>,
    builds: Option<Builds>,
    /// The namespace of the platform's Secrets.
    namespace: String,
    seen: Cache<Build>,
}

impl Worker {
    async fn work(&mut self, mut told: Receiver<Told<Build>>) {
        let mut leading = self.leadership.watch();
        loop {
            let busy = self.leadership.leads() && self.under_way().next().is_some();
            tokio::select! {
                event = told.recv() => match event {
                    Some(event) => self.take_in(event).await,
                    None => return,
                },
                changed = leading.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK), if busy => {}
            }
            while let Ok(event) = told.try_recv() {
                self.take_in(event).await;
            }
            if self.leadership.leads() {
                self.look().await;
            }
        }
    }

    fn under_way(&self) -> impl Iterator<Item = &Build> {
        self.seen.iter().filter(|b| !phase(b).is_over())
    }

    async fn take_in(&mut self, event: Told<Build>) {
        if let Told::Deleted(build) = &event
            && !phase(build).is_over()
            && self.leadership.leads()
        {
            let team = build.namespace().unwrap_or_default();
            self.cancel(&object_name(&team, &build.name_any())).await;
        }
        self.seen.told(event);
    }

    /// Ends the build of an object that was deleted. What it leaves if that fails ends by itself.
    async fn cancel(&self, name: &str) {
        let Some(builds) = &self.builds else { return };
        let deleted = match self.member(builds).await {
            Ok(member) => {
                let jobs: Api<Job> = Api::namespaced(member, BUILDS_NAMESPACE);
                let params = DeleteParams {
                    propagation_policy: Some(PropagationPolicy::Background),
                    ..DeleteParams::default()
                };
                jobs.delete(name, &params)
                    .await
                    .map(drop)
                    .map_err(|e| chain(&e))
            }
            Err(why) => Err(why),
        };
        match deleted {
            Ok(()) => tracing::info!(job = name, "the build was deleted: its Job too"),
            Err(why) => tracing::warn!(job = name, why, "a deleted build's Job goes on to its end"),
        }
    }

    /// Looks at all builds, the oldest first.
    async fn look(&mut self) {
        let mut builds: Vec<Build> = self.under_way().cloned().collect();
        builds.sort_by_key(|b| (b.metadata.creation_timestamp.clone(), b.name_any()));
        let mut running = builds
            .iter()
            .filter(|b| phase(b) == BuildPhase::Running)
            .count();
        for build in builds {
            let before = build.status.clone().unwrap_or_default();
            let after = match &self.builds {
                None => waits(
                    &before,
                    "no cluster builds: the controller has no --builds-in",
                ),
                Some(settings) if before.phase == BuildPhase::Pending => {
                    if running < settings.at_once {
                        let after = self.begin(settings, &build, &before).await;
                        running += usize::from(after.phase == BuildPhase::Running);
                        after
                    } else {
                        waits(
                            &before,
                            &format!("{running} builds are under way (--builds-at-once)"),
                        )
                    }
                }
                Some(settings) => self.follow_up(settings, &build, &before).await,
            };
            if after != before {
                self.say(build, after).await;
            }
        }
    }

    async fn say(&mut self, mut build: Build, after: BuildStatus) {
        let key = build.key();
        if phase(&build) != after.phase {
            let (phase, reason, digest) = (after.phase, &after.reason, &after.digest);
            tracing::info!(build = %key, ?phase, reason, digest, "goes on");
        }
        build.status = Some(after);
        let api = Api::namespaced(self.hub.clone(), &key.namespace);
        match replace_status(&api, &build, &self.leadership).await {
            Ok(written) => self.seen.wrote(written),
            // It is decided anew at the next look.
            Err(why) => tracing::warn!(build = %key, why, "its status is not written"),
        }
    }

    /// The way to the cluster that builds.
    async fn member(&self, builds: &Builds) -> Result<Client, String> {
        let clusters: Api<Cluster> = Api::all(self.hub.clone());
        let cluster = clusters.get(&builds.cluster).await;
        let cluster = cluster.map_err(|e| format!("cluster {}: {}", builds.cluster, chain(&e)))?;
        let config = member_config(&self.hub, &cluster.spec, &mut None).await;
        let config = config.map_err(|e| chain(&e))?;
        client(&config, ANSWER).map_err(|e| chain(&e))
    }

    /// Makes Job and Secret, where they are not there.
    async fn begin(&self, builds: &Builds, build: &Build, before: &BuildStatus) -> BuildStatus {
        match self.made(builds, build).await {
            Ok(()) => BuildStatus {
                phase: BuildPhase::Running,
                cluster: Some(builds.cluster.clone()),
                began: Some(now()),
                reason: None,
                ..before.clone()
            },
            Err(Refused::Now(why)) => waits(before, &why),
            Err(Refused::Ever(why)) => failed(before, why),
        }
    }

    async fn made(&self, builds: &Builds, build: &Build) -> Result<(), Refused> {
        let (team, name) = (build.namespace().unwrap_or_default(), build.name_any());
        let spec = &build.spec;
        let templates: Api<Template> = Api::all(self.hub.clone());
        let wanted = format!("{}-v{}", spec.template, spec.template_version);
        let template = templates.get_opt(&wanted).await;
        let template = template.map_err(|e| Refused::Now(chain(&e)))?;
        let template =
            template.ok_or_else(|| Refused::Ever(format!("there is no template {wanted}")))?;
        let subject = Subject {
            team: &team,
            name: &name,
            spec,
            template: &template.spec,
        };
        let keys = self.keys().await.map_err(Refused::Now)?;
        let holder = Holder::Builder {
            team: team.clone(),
            app: spec.app.clone(),
        };
        let seconds = longest(builds).as_secs();
        let credential = Credential {
            expires: now().after(Span::seconds(seconds)),
            holder,
        };
        let password = credential
            .password(&keys)
            .map_err(|e| Refused::Now(chain(&e)))?;
        let user = credential.holder.to_string();
        let member = self.member(builds).await.map_err(Refused::Now)?;
        let job: Job = object(job(&subject, builds))?;
        let jobs: Api<Job> = Api::namespaced(member.clone(), BUILDS_NAMESPACE);
        let name = subject.object_name();
        let made = match jobs.create(&PostParams::default(), &job).await {
            Err(kube::Error::Api(s)) if s.code == 409 => jobs.get(&name).await,
            made => made,
        };
        let made = made.map_err(|e| refused(builds, "Job", &e))?;
        let secret = secret(&subject, &builds.registry, (&user, &password));
        let mut secret: Secret = object(secret)?;
        // It goes with the Job, whatever becomes of this controller.
        secret.metadata.owner_references = Some(vec![owner(&made)]);
        let secrets: Api<Secret> = Api::namespaced(member, BUILDS_NAMESPACE);
        match secrets.create(&PostParams::default(), &secret).await {
            Err(kube::Error::Api(s)) if s.code == 409 => Ok(()),
            made => made.map(drop).map_err(|e| refused(builds, "Secret", &e)),
        }
    }

    async fn keys(&self) -> Result<Keys, String> {
        let secrets: Api<Secret> = Api::namespaced(self.hub.clone(), &self.namespace);
        let place = format!("Secret {}/{SECRET}", self.namespace);
        let secret = secrets.get_opt(SECRET).await.map_err(|e| chain(&e))?;
        let secret = secret
            .ok_or_else(|| format!("there is no {place}: `platformd serve --registry` makes it"))?;
        let data = secret.data.unwrap_or_default();
        Keys::of_secret(|key| data.get(key).map(|bytes| bytes.0.as_slice()))
            .map_err(|e| format!("{place}: {}", chain(&e)))
    }

    /// What has become of a build under way.
    async fn follow_up(&self, builds: &Builds, build: &Build, before: &BuildStatus) -> BuildStatus {
        let (team, name) = (build.namespace().unwrap_or_default(), build.name_any());
        let job = object_name(&team, &name);
        let looked = async {
            let member = self.member(builds).await?;
            let said = said(&member, builds, (&team, &name), &job)
                .await
                .map_err(|e| chain(&e))?;
            if !matches!(said, Progress::Running(_)) {
                // Nobody needs it any more. It goes with the Job at the latest, and expires.
                let secrets: Api<Secret> = Api::namespaced(member, BUILDS_NAMESPACE);
                let _ = secrets.delete(&job, &DeleteParams::default()).await;
            }
            Ok::<_, String>(said)
        };
        match looked.await {
            Ok(Progress::Running(what)) => waits(before, &what),
            Ok(Progress::Failed(why)) => failed(before, why),
            Ok(Progress::Done(digest)) => BuildStatus {
                phase: BuildPhase::Done,
                digest: Some(digest),
                reason: None,
                ended: Some(now()),
                ..before.clone()
            },
            Err(why) => waits(
                before,
                &format!("cluster {} does not say: {why}", builds.cluster),
            ),
        }
    }
}

async fn said(
    member: &Client,
    builds: &Builds,
    (team, name): (&str, &str),
    job: &str,
) -> kube::Result<Progress> {
    let pods: Api<Pod> = Api::namespaced(member.clone(), BUILDS_NAMESPACE);
    let labels = format!("{BUILD_LABEL}={name},{TEAM_LABEL}={team}");
    let pods = pods
        .list(&ListParams::default().labels(&labels))
        .await?
        .items;
    let latest = pods
        .into_iter()
        .max_by_key(|p| p.metadata.creation_timestamp.clone());
    if let Some(pod) = latest {
        return Ok(progress(&pod, builds));
    }
    let jobs: Api<Job> = Api::namespaced(member.clone(), BUILDS_NAMESPACE);
    let Some(job) = jobs.get_opt(job).await? else {
        return Ok(Progress::Failed(format!(
            "somebody deleted its Job in cluster {}",
            builds.cluster
        )));
    };
    let conditions = job.status.and_then(|s| s.conditions).unwrap_or_default();
    let over = conditions
        .iter()
        .find(|c| c.type_ == "Failed" && c.status == "True");
    Ok(over.map_or_else(
        || Progress::Running("its pod is to be made".to_owned()),
        |c| {
            Progress::Failed(format!(
                "its pod is gone: {}",
                c.message.as_deref().unwrap_or_default()
            ))
        },
    ))
}

/// Why a build is not begun.
enum Refused {
    /// It is tried again.
    Now(String),
    /// It would be refused again.
    Ever(String),
}

fn refused(builds: &Builds, what: &str, error: &kube::Error) -> Refused {
    let why = format!(
        "cluster {} makes no {what} for it: {}",
        builds.cluster,
        chain(error)
    );
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 422) => Refused::Ever(why),
        kube::Error::Api(status) if matches!(status.code, 403 | 404) => Refused::Now(format!(
            "{why}; deploy/platform/builds.yaml grants what is needed there"
        )),
        _ => Refused::Now(why),
    }
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Refused> {
    serde_json::from_value(value).map_err(|e| Refused::Ever(format!("it cannot be written: {e}")))
}

fn owner(job: &Job) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference {
    k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.name_any(),
        uid: job.uid().unwrap_or_default(),
        ..Default::default()
    }
}

fn phase(build: &Build) -> BuildPhase {
    build.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

fn waits(before: &BuildStatus, what: &str) -> BuildStatus {
    BuildStatus {
        reason: Some(what.to_owned()),
        ..before.clone()
    }
}

fn failed(before: &BuildStatus, why: String) -> BuildStatus {
    BuildStatus {
        phase: BuildPhase::Failed,
        reason: Some(why),
        ended: Some(now()),
        ..before.clone()
    }
}
