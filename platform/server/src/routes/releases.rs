//! Releases: started, decided on, taken back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use flatnet_platform_types::api::{
    Code, IDEMPOTENCY_KEY, Page, Problem, PromoteRequest, ReleaseObject, ReleaseRequest,
    RollbackRequest, difference,
};
use flatnet_platform_types::kinds::{
    App, Decision, Phase, Release, ReleaseKind, ReleaseSpec, Template,
};
use flatnet_platform_types::revision;
use flatnet_platform_watch::hub::Hub;
use flatnet_platform_watch::{Cache, Key};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PAGE, PageQuery, Query, events};
use crate::caller::Caller;
use crate::context::{Context, Intent};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;
use crate::{body, objects};

/// The label with which request made a release: by it one that is sent again is known.
const REQUEST: &str = "platform.flatnet.io/request";
/// The annotation with what that request asked for.
const ASKED: &str = "platform.flatnet.io/asked";
/// The longest idempotency key, in bytes.
const KEY_MAX: usize = 256;
/// How often a name is tried that somebody else took meanwhile.
const TRIES: usize = 10;

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(rollback))
        .routes(routes!(show))
        .routes(routes!(events::follow))
        .routes(routes!(promote))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(abort))
}

/// An application's releases, the latest first.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/releases", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), PageQuery),
    responses((status = 200, body = Page<ReleaseObject>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Reply<Json<Page<ReleaseObject>>> {
    context
        .demand(&caller, Act::new("list", "releases").of(&team))
        .await?;
    let objects = context.projection.read();
    objects::find_app(&objects.hub, &team, &app)?;
    let releases = objects.hub.releases_of(&Key::new(&team, &app));
    let limit = query.limit.unwrap_or(PAGE).clamp(1, super::PAGE_MAX);
    let begin = match &query.after {
        None => 0,
        Some(after) => releases
            .iter()
            .position(|r| r.name_any() == *after)
            .map_or(0, |place| place + 1),
    };
    let items: Vec<ReleaseObject> = releases
        .iter()
        .skip(begin)
        .take(limit)
        .map(|r| objects::release(&objects.hub, r))
        .collect();
    let more = releases.len() > begin + items.len();
    let next = items.last().map(|r| r.name.clone()).filter(|_| more);
    Ok(Json(Page { items, next }))
}

/// A release.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/releases/{release}", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
) -> Reply<Json<ReleaseObject>> {
    context
        .demand(&caller, Act::new("get", "releases").of(&team).on(&name))
        .await?;
    let objects = context.projection.read();
    let release = objects::find_release(&objects.hub, &team, &app, &name)?;
    Ok(Json(objects::release(&objects.hub, &release)))
}

/// A request that may be sent again.
struct Sent {
    /// What is kept of its key, by caller.
    label: String,
    /// What is kept of what it asks for.
    asked: String,
}

fn hex(bytes: &[u8], digits: usize) -> String {
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text[..digits.min(text.len())].to_owned()
}

impl Sent {
    fn of(headers: &HeaderMap, caller: &Caller, what: &str, body: &[u8]) -> Reply<Option<Self>> {
        let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(Refusal::new(
                Code::BadRequest,
                format!("an idempotency key has 1 to {KEY_MAX} bytes"),
            ));
        }
        let digest = |parts: [&[u8]; 2]| {
            let mut hash = Sha256::new();
            for part in parts {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
            hash.finalize()
        };
        Ok(Some(Self {
            label: hex(&digest([caller.name.as_bytes(), key.as_bytes()]), 40),
            asked: hex(&digest([what.as_bytes(), body]), 64),
        }))
    }
}

/// What a new release is to be.
struct New<'a> {
    team: &'a str,
    app: &'a str,
    action: &'static str,
    spec: ReleaseSpec,
    sent: Option<Sent>,
}

/// Makes a release under the next number of its application, or finds the one that the same request made.
async fn make(
    context: &Context,
    caller: &Caller,
    new: New<'_>,
) -> Reply<(StatusCode, Json<ReleaseObject>)> {
    let api: Api<Release> = Api::namespaced(context.hub.clone(), new.team);
    let attempt = format!(
        "start a release of application {} of team {}",
        new.app, new.team
    );
    let hub = |e: kube::Error| Refusal::of_hub(&attempt, &e);
    for _ in 0..TRIES {
        // Read from the store: the number and the request's label in one answer, so that of two equal requests at once
        // one finds the other, or both want the same name.
        let all = api.list(&ListParams::default()).await.map_err(hub)?.items;
        if let Some(sent) = &new.sent
            && let Some(same) = all
                .iter()
                .find(|r| r.labels().get(REQUEST) == Some(&sent.label))
        {
            if same.annotations().get(ASKED) != Some(&sent.asked) {
                return Err(Refusal::new(
                    Code::KeyReused,
                    format!("the idempotency key was used for release {}, which asked for something else", same.name_any()),
                )
                .hint("use a new key for a new request"));
            }
            let objects = context.projection.read();
            return Ok((StatusCode::OK, Json(objects::release(&objects.hub, same))));
        }
        let name = next_name(&all, new.app);
        let mut release = Release::new(&name, new.spec.clone());
        let annotations = release.annotations_mut();
        annotations.insert(objects::BY.to_owned(), caller.name.clone());
        if let Some(sent) = &new.sent {
            annotations.insert(ASKED.to_owned(), sent.asked.clone());
            release
                .labels_mut()
                .insert(REQUEST.to_owned(), sent.label.clone());
        }
        let intent = Intent {
            action: new.action,
            team: Some(new.team),
            object: format!("releases/{name}"),
            difference: difference(None, &new.spec),
        };
        let made = context
            .change(caller, intent, async {
                api.create(&PostParams::default(), &release)
                    .await
                    .map_err(hub)
            })
            .await;
        match made {
            Ok(made) => {
                let told = objects::release(&context.projection.read().hub, &made);
                context
                    .projection
                    .wrote(|objects| objects.hub.releases.wrote(made));
                return Ok((StatusCode::CREATED, Json(told)));
            }
            Err(refusal) if refusal.code() == Code::AlreadyExists => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::new(
        Code::Conflict,
        format!("cannot {attempt}: others start releases all the time"),
    )
    .hint("send the request again"))
}

/// The application's name with the number after its largest.
fn next_name(all: &[Release], app: &str) -> String {
    let numbers = all.iter().filter_map(|r| {
        let name = r.name_any();
        name.strip_prefix(app)?
            .strip_prefix('-')?
            .parse::<u64>()
            .ok()
    });
    format!("{app}-{}", numbers.max().unwrap_or(0) + 1)
}

/// Starts a release. With an `Idempotency-Key` one that is sent again is answered as the first time, with 200.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/releases", tag = "releases", request_body = ReleaseRequest,
    params(("team" = String, Path), ("app" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 201, body = ReleaseObject), (status = 200, description = "The release that the same request made", body = ReleaseObject),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn start(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    headers: HeaderMap,
    body: body::Json<ReleaseRequest>,
) -> Reply<(StatusCode, Json<ReleaseObject>)> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("release").of(&team).on(&app),
        )
        .await?;
    let sent = Sent::of(
        &headers,
        &caller,
        &format!("start {team}/{app}"),
        &body.text,
    )?;
    objects::find_app(&context.projection.read().hub, &team, &app)?;
    let ReleaseRequest {
        digest,
        values,
        emergency,
    } = body.value;
    let spec = ReleaseSpec {
        app: app.clone(),
        digest,
        values,
        kind: ReleaseKind::Deploy,
        decision: Decision::Run,
        decision_step: None,
        attempt: 0,
        emergency,
    };
    let new = New {
        team: &team,
        app: &app,
        action: "release.start",
        spec,
        sent,
    };
    make(&context, &caller, new).await
}

/// Goes back to what served before, to a release or to a digest: at once, parked instances first.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/rollback", tag = "releases", request_body = RollbackRequest,
    params(("team" = String, Path), ("app" = String, Path), ("idempotency-key" = Option<String>, Header)),
    responses((status = 201, body = ReleaseObject), (status = 200, description = "The release that the same request made", body = ReleaseObject),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn rollback(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    headers: HeaderMap,
    body: body::Json<RollbackRequest>,
) -> Reply<(StatusCode, Json<ReleaseObject>)> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("abort").of(&team).on(&app),
        )
        .await?;
    let sent = Sent::of(
        &headers,
        &caller,
        &format!("rollback {team}/{app}"),
        &body.text,
    )?;
    let spec = {
        let objects = context.projection.read();
        let found = objects::find_app(&objects.hub, &team, &app)?;
        let (digest, values) = way_back(&objects.hub, &found, body.value.to.as_deref())?;
        ReleaseSpec {
            app: app.clone(),
            digest,
            values,
            kind: ReleaseKind::Rollback,
            decision: Decision::Run,
            decision_step: None,
            attempt: 0,
            emergency: false,
        }
    };
    let new = New {
        team: &team,
        app: &app,
        action: "release.rollback",
        spec,
        sent,
    };
    make(&context, &caller, new).await
}

/// The digest and values to go back to.
fn way_back(hub: &Hub, app: &App, to: Option<&str>) -> Reply<(String, Value)> {
    let key = Key::new(&app.namespace().unwrap_or_default(), &app.name_any());
    let releases = hub.releases_of(&key);
    let of = |r: &Release| (r.spec.digest.clone(), r.spec.values.clone());
    match to {
        Some(digest) if digest.starts_with("sha256:") => {
            // With the values that it was released with last.
            let known = releases.iter().find(|r| r.spec.digest == digest);
            Ok(known.map_or((digest.to_owned(), Value::Null), |r| of(r)))
        }
        Some(name) => {
            let found = releases.iter().find(|r| r.name_any() == name);
            found.map(|r| of(r)).ok_or_else(|| {
                Refusal::not_found(&format!("release {name:?} of application {}", key.name)).hint(
                    "`flatctl release history` shows what there is; a digest begins with sha256:",
                )
            })
        }
        None => {
            let none = |why: &str| {
                Refusal::new(
                    Code::WrongState,
                    format!("there is nothing to go back to: {why}"),
                )
                .hint("name a release or a digest: `--to`")
            };
            let acting = app.status.as_ref().and_then(|s| s.release.as_ref());
            let acting = acting
                .and_then(|name| releases.iter().find(|r| r.name_any() == *name))
                .or(releases.first());
            let status = acting.and_then(|r| r.status.as_ref());
            let from = status.and_then(|s| s.from.as_ref());
            let from = from.ok_or_else(|| none("nothing served before the release that acts"))?;
            let brought = |r: &&&Release| {
                r.status
                    .as_ref()
                    .is_some_and(|s| s.revision == from.revision)
            };
            let computed = |r: &&&Release| {
                revision_of(&hub.templates, app, r).as_ref() == Some(&from.revision)
            };
            let found = releases
                .iter()
                .find(brought)
                .or_else(|| releases.iter().find(computed));
            found
                .map(|r| of(r))
                .ok_or_else(|| none(&format!("no release is kept of revision {}", from.revision)))
        }
    }
}

/// The revision that a release brings with its application's template.
fn revision_of(templates: &Cache<Template>, app: &App, release: &Release) -> Option<String> {
    let template = &app.spec.template;
    let object = format!("{}-v{}", template.name, template.version);
    templates.get(&Key::new("", &object))?;
    let values = match &release.spec.values {
        Value::Null => &template.values,
        values => values,
    };
    Some(revision(
        &release.spec.digest,
        &format!("{}@{}", template.name, template.version),
        values,
    ))
}

/// Writes what somebody wants of a release that is not over.
async fn decide(
    context: &Context,
    caller: &Caller,
    release: &Release,
    action: &'static str,
    change: impl FnOnce(&mut ReleaseSpec),
) -> Reply<Json<ReleaseObject>> {
    let (team, name) = (release.namespace().unwrap_or_default(), release.name_any());
    let phase = release.status.as_ref().map(|s| s.phase).unwrap_or_default();
    if phase.is_over() {
        return Err(Refusal::new(
            Code::WrongState,
            format!("release {name} is over: {phase:?}"),
        )
        .hint(format!(
            "`flatctl rollback {team}/{}` goes back by another release",
            release.spec.app
        )));
    }
    let mut spec = release.spec.clone();
    change(&mut spec);
    let intent = Intent {
        action,
        team: Some(&team),
        object: format!("releases/{name}"),
        difference: difference(Some(&release.spec), &spec),
    };
    // Its status is written all the time: a decision is about the release, and not about a version of it.
    let patch = json!({"spec": {
        "decision": spec.decision, "decisionStep": spec.decision_step, "attempt": spec.attempt,
    }});
    let api: Api<Release> = Api::namespaced(context.hub.clone(), &team);
    let made = context
        .change(caller, intent, async {
            let made = api
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            made.map_err(|e| Refusal::of_hub(&format!("decide on release {team}/{name}"), &e))
        })
        .await?;
    let told = objects::release(&context.projection.read().hub, &made);
    context
        .projection
        .wrote(|objects| objects.hub.releases.wrote(made));
    Ok(Json(told))
}

/// Passes the human gates of the step that a release is in, and ends its bake.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/releases/{release}/promote", tag = "releases", request_body = PromoteRequest,
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn promote(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
    body: body::Json<PromoteRequest>,
) -> Reply<Json<ReleaseObject>> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("release").of(&team).on(&app),
        )
        .await?;
    let release = objects::find_release(&context.projection.read().hub, &team, &app, &name)?;
    let status = release.status.clone().unwrap_or_default();
    let step = body.value.step.unwrap_or(status.step);
    if step == 0 || !(status.phase.is_step() || status.phase == Phase::Paused) {
        return Err(Refusal::new(
            Code::WrongState,
            format!("release {name} is in no step: {:?}", status.phase),
        ));
    }
    decide(&context, &caller, &release, "release.promote", |spec| {
        spec.decision = Decision::Promote;
        spec.decision_step = Some(step);
    })
    .await
}

/// Lets a release stay as it is, until it is resumed or aborted.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/releases/{release}/pause", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn pause(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
) -> Reply<Json<ReleaseObject>> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("release").of(&team).on(&app),
        )
        .await?;
    let release = objects::find_release(&context.projection.read().hub, &team, &app, &name)?;
    decide(&context, &caller, &release, "release.pause", |spec| {
        spec.decision = Decision::Pause
    })
    .await
}

/// Lets a paused release go on, also one that paused by itself.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/releases/{release}/resume", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn resume(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
) -> Reply<Json<ReleaseObject>> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("release").of(&team).on(&app),
        )
        .await?;
    let release = objects::find_release(&context.projection.read().hub, &team, &app, &name)?;
    let status = release.status.clone().unwrap_or_default();
    decide(&context, &caller, &release, "release.resume", |spec| {
        spec.decision = Decision::Run;
        // One that paused by itself goes on by one more attempt than it has acted on.
        if status.phase == Phase::Paused {
            spec.attempt = spec.attempt.max(status.attempt + 1);
        }
    })
    .await
}

/// Brings the old instances back into service, and takes the new ones away.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/releases/{release}/abort", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path)),
    responses((status = 200, body = ReleaseObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn abort(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
) -> Reply<Json<ReleaseObject>> {
    context
        .demand(
            &caller,
            Act::new("create", "apps").sub("abort").of(&team).on(&app),
        )
        .await?;
    let release = objects::find_release(&context.projection.read().hub, &team, &app, &name)?;
    if release
        .status
        .as_ref()
        .is_some_and(|s| s.phase == Phase::Retiring)
    {
        return Err(Refusal::new(
            Code::WrongState,
            format!("release {name} is taking its old instances away already"),
        )
        .hint(format!("`flatctl rollback {team}/{app}`")));
    }
    decide(&context, &caller, &release, "release.abort", |spec| {
        spec.decision = Decision::Abort
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_gets_the_number_after_the_largest_of_its_application() {
        let release = |name: &str| {
            Release::new(
                name,
                ReleaseSpec {
                    app: "web".to_owned(),
                    digest: String::new(),
                    values: Value::Null,
                    kind: ReleaseKind::Deploy,
                    decision: Decision::Run,
                    decision_step: None,
                    attempt: 0,
                    emergency: false,
                },
            )
        };
        let all = ["web-9", "web-10", "web-x", "web-api-40", "api-50"].map(release);
        assert_eq!(next_name(&all, "web"), "web-11");
        assert_eq!(next_name(&[], "web"), "web-1");
    }
}
