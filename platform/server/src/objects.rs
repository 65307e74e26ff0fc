//! The hub's objects as the API tells them.

use flatnet_platform_types::api::Code;
use flatnet_platform_types::api::{
    AppObject, AppSummary, BuildObject, ClaimObject, ClusterObject, ReleaseObject, TemplateObject,
};
use flatnet_platform_types::kinds::{App, Build, Cluster, LocationClaim, Release, Template};
use flatnet_platform_watch::Key;
use flatnet_platform_watch::hub::Hub;
use kube::ResourceExt;
use kube::api::{Api, ObjectMeta, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::members::created;
use crate::problem::{Refusal, Reply};

/// The annotation with who made an object by the API.
pub(crate) const BY: &str = "platform.flatnet.io/by";

/// How often a change is tried where the object's status changes meanwhile.
const TRIES: usize = 10;
/// How long a name may be (RFC 1123's subdomain, as Kubernetes has it).
const NAME_MAX: usize = 253;

/// Whether a text is a name of an object.
pub(crate) fn is_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    text.len() <= NAME_MAX
        && end(text.chars().next())
        && end(text.chars().next_back())
        && text.chars().all(inner)
}

/// The store's version of an object, its status included.
fn version(meta: &ObjectMeta) -> String {
    meta.resource_version.clone().unwrap_or_default()
}

/// The version of what is wanted: the status, which is written all the time, does not count.
fn wanted_version(meta: &ObjectMeta) -> String {
    meta.generation.unwrap_or(0).to_string()
}

/// Changes what is wanted of an object, if it is still what it was at version `decided_on` (where one is given).
///
/// # Errors
/// 409 with the code `conflict`, or what the hub says to `attempt`.
pub(crate) async fn change_wanted<K>(
    api: &Api<K>,
    name: &str,
    decided_on: Option<&str>,
    attempt: &str,
    change: impl Fn(&mut K),
) -> Reply<K>
where
    K: kube::Resource + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let hub = |e: kube::Error| Refusal::of_hub(attempt, &e);
    for _ in 0..TRIES {
        let mut object = api.get(name).await.map_err(hub)?;
        let now = wanted_version(object.meta());
        if decided_on.is_some_and(|version| version != now) {
            return Err(Refusal::new(
                Code::Conflict,
                format!(
                    "cannot {attempt}: it has changed since version {}, and is at {now}",
                    decided_on.unwrap_or_default()
                ),
            )
            .hint("somebody else changed it meanwhile: read it again, and decide anew"));
        }
        change(&mut object);
        match api.replace(name, &PostParams::default(), &object).await {
            // Mostly its status, which is none of ours.
            Err(kube::Error::Api(s)) if s.code == 409 => {}
            replaced => return replaced.map_err(hub),
        }
    }
    Err(Refusal::new(
        Code::Conflict,
        format!("cannot {attempt}: it changes all the time"),
    )
    .hint("send the request again"))
}

pub(crate) fn app(app: &App) -> AppObject {
    AppObject {
        team: app.namespace().unwrap_or_default(),
        name: app.name_any(),
        resource_version: wanted_version(&app.metadata),
        created: created(&app.metadata),
        spec: app.spec.clone(),
        status: app.status.clone().unwrap_or_default(),
    }
}

pub(crate) fn summary(hub: &Hub, app: &App) -> AppSummary {
    let team = app.namespace().unwrap_or_default();
    let status = app.status.clone().unwrap_or_default();
    let release = status.release.as_ref();
    let release = release.and_then(|name| hub.releases.get(&Key::new(&team, name)));
    let template = &app.spec.template;
    let locations = app.spec.placement.locations.iter();
    AppSummary {
        name: app.name_any(),
        repo: app.spec.repo.clone(),
        template: format!("{}@{}", template.name, template.version),
        locations: locations.map(|l| l.name.clone()).collect(),
        replicas: app.spec.replicas,
        in_service: status.in_service,
        revision: status.stable.map(|s| s.revision),
        release: status.release.clone(),
        phase: release.map(|r| r.status.as_ref().map(|s| s.phase).unwrap_or_default()),
        team,
    }
}

pub(crate) fn release(hub: &Hub, release: &Release) -> ReleaseObject {
    let team = release.namespace().unwrap_or_default();
    let app = hub.apps.get(&Key::new(&team, &release.spec.app));
    let steps = app.map_or(0, |a| a.spec.release.steps.len());
    ReleaseObject {
        name: release.name_any(),
        resource_version: version(&release.metadata),
        created: created(&release.metadata),
        by: release.annotations().get(BY).cloned(),
        steps: u32::try_from(steps).unwrap_or(u32::MAX),
        replicas: app.map_or(0, |a| a.spec.replicas),
        spec: release.spec.clone(),
        status: release.status.clone().unwrap_or_default(),
        team,
    }
}

pub(crate) fn build(build: &Build) -> BuildObject {
    BuildObject {
        team: build.namespace().unwrap_or_default(),
        name: build.name_any(),
        resource_version: version(&build.metadata),
        created: created(&build.metadata),
        by: build.annotations().get(BY).cloned(),
        spec: build.spec.clone(),
        status: build.status.clone().unwrap_or_default(),
    }
}

pub(crate) fn cluster(cluster: &Cluster) -> ClusterObject {
    ClusterObject {
        name: cluster.name_any(),
        resource_version: wanted_version(&cluster.metadata),
        created: created(&cluster.metadata),
        spec: cluster.spec.clone(),
        status: cluster.status.clone().unwrap_or_default(),
    }
}

pub(crate) fn template(template: &Template) -> TemplateObject {
    TemplateObject {
        created: created(&template.metadata),
        spec: template.spec.clone(),
    }
}

/// A claim, with how many instances of its application fit into the location: by what the controller said last of its
/// clusters.
pub(crate) fn claim(hub: &Hub, claim: &LocationClaim) -> ClaimObject {
    let team = claim.namespace().unwrap_or_default();
    let app = hub.apps.get(&Key::new(&team, &claim.spec.app));
    let room = app.map(|app| {
        let size = &app.spec.resources;
        let clusters = hub
            .clusters
            .iter()
            .filter(|c| c.spec.location == claim.spec.location);
        let groups = clusters.flat_map(|c| c.status.iter().flat_map(|s| &s.headroom));
        let each = groups.map(|g| {
            let of = |free: u64, each: u64| free.checked_div(each).unwrap_or(u64::MAX);
            let machine =
                of(g.cpu_millis, size.cpu_millis).min(of(g.memory_bytes, size.memory_bytes));
            machine.min(g.pods).min(g.addresses)
        });
        each.sum()
    });
    ClaimObject {
        name: claim.name_any(),
        resource_version: version(&claim.metadata),
        spec: claim.spec.clone(),
        status: claim.status.clone().unwrap_or_default(),
        room,
        team,
    }
}

/// An application that was seen.
pub(crate) fn find_app(hub: &Hub, team: &str, name: &str) -> Reply<App> {
    let app = hub.apps.get(&Key::new(team, name)).cloned();
    app.ok_or_else(|| Refusal::not_found(&format!("application {name:?} of team {team}")))
}

/// A release of an application that was seen.
pub(crate) fn find_release(hub: &Hub, team: &str, app: &str, name: &str) -> Reply<Release> {
    let release = hub.releases.get(&Key::new(team, name));
    let release = release.filter(|r| r.spec.app == app).cloned();
    release.ok_or_else(|| {
        Refusal::not_found(&format!(
            "release {name:?} of application {app} of team {team}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_lead_elsewhere_in_a_path_is_none() {
        for name in ["web", "web-3", "a.b", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "..",
            "../x",
            "a/b",
            "-a",
            "a-",
            "A",
            "a b",
            "é",
            &"a".repeat(254),
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
