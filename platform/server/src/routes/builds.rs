//! Builds: asked for, shown, their logs.

mod log;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flatnet_platform_types::api::{BuildObject, BuildRequest, Code, Page, Problem, difference};
use flatnet_platform_types::kinds::{Build, BuildPhase, BuildSpec};
use flatnet_platform_watch::Key;
use flatnet_platform_watch::hub::Hub;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PAGE, PAGE_MAX, PageQuery, Query};
use crate::caller::Caller;
use crate::context::{Context, Intent};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;
use crate::{body, git, objects};

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(show))
        .routes(routes!(log::follow))
}

fn find(
    hub: &Hub,
    builds: &flatnet_platform_watch::Cache<Build>,
    of: (&str, &str),
    name: &str,
) -> Reply<Build> {
    let (team, app) = of;
    objects::find_app(hub, team, app)?;
    let found = builds.get(&Key::new(team, name));
    let found = found.filter(|b| b.spec.app == app).cloned();
    found.ok_or_else(|| {
        Refusal::not_found(&format!(
            "build {name:?} of application {app} of team {team}"
        ))
    })
}

/// An application's builds, the latest first.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/builds", tag = "builds",
    params(("team" = String, Path), ("app" = String, Path), PageQuery),
    responses((status = 200, body = Page<BuildObject>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Reply<Json<Page<BuildObject>>> {
    context
        .demand(&caller, Act::new("list", "builds").of(&team))
        .await?;
    let seen = context.projection.read();
    objects::find_app(&seen.hub, &team, &app)?;
    let of = |b: &&Build| b.spec.app == app && b.namespace().as_deref() == Some(team.as_str());
    let mut builds: Vec<&Build> = seen.builds.iter().filter(of).collect();
    builds
        .sort_by_key(|b| std::cmp::Reverse((b.metadata.creation_timestamp.clone(), b.name_any())));
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let place = |after: &String| builds.iter().position(|b| b.name_any() == *after);
    let begin = query
        .after
        .as_ref()
        .and_then(place)
        .map_or(0, |place| place + 1);
    let items: Vec<BuildObject> = builds
        .iter()
        .skip(begin)
        .take(limit)
        .map(|b| objects::build(b))
        .collect();
    let more = builds.len() > begin + items.len();
    let next = items.last().map(|b| b.name.clone()).filter(|_| more);
    Ok(Json(Page { items, next }))
}

/// A build.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/builds/{build}", tag = "builds",
    params(("team" = String, Path), ("app" = String, Path), ("build" = String, Path)),
    responses((status = 200, body = BuildObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
) -> Reply<Json<BuildObject>> {
    context
        .demand(&caller, Act::new("get", "builds").of(&team).on(&name))
        .await?;
    let seen = context.projection.read();
    let build = find(&seen.hub, &seen.builds, (&team, &app), &name)?;
    Ok(Json(objects::build(&build)))
}

/// Builds a commit by the application's template, or tells the build of the same inputs, with 200: there is no second one.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/builds", tag = "builds", request_body = BuildRequest,
    params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 201, body = BuildObject), (status = 200, description = "The build of the same inputs", body = BuildObject),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn start(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    body: body::Json<BuildRequest>,
) -> Reply<(StatusCode, Json<BuildObject>)> {
    let act = Act::new("create", "apps").sub("build").of(&team).on(&app);
    context.demand(&caller, act).await?;
    let (found, template) = {
        let seen = context.projection.read();
        let found = objects::find_app(&seen.hub, &team, &app)?;
        let template = &found.spec.template;
        let object = format!("{}-v{}", template.name, template.version);
        let template = seen.hub.templates.get(&Key::new("", &object)).cloned();
        let missing = || Refusal::new(Code::WrongState, format!("there is no template {object}"));
        (found, template.ok_or_else(missing)?)
    };
    let commit = git::commit(&found.spec.repo, &body.value.commit).await?;
    let spec = BuildSpec {
        app: app.clone(),
        repo: found.spec.repo,
        commit,
        template: template.spec.name,
        template_version: template.spec.version,
        base_image: template.spec.base_image,
    };
    let name = spec.object_name();
    let builds: Api<Build> = Api::namespaced(context.hub.clone(), &team);
    let attempt = format!("build {app} of team {team}");
    let hub = |e: kube::Error| Refusal::of_hub(&attempt, &e);
    let there = builds.get_opt(&name).await.map_err(hub)?;
    let failed = |b: &Build| {
        b.status
            .as_ref()
            .is_some_and(|s| s.phase == BuildPhase::Failed)
    };
    match &there {
        Some(build) if !(body.value.again && failed(build)) => {
            return Ok((StatusCode::OK, Json(objects::build(build))));
        }
        _ => {}
    }
    let mut build = Build::new(&name, spec);
    build
        .annotations_mut()
        .insert(objects::BY.to_owned(), caller.name.clone());
    let intent = Intent {
        action: "build.start",
        team: Some(&team),
        object: format!("builds/{name}"),
        difference: difference(None, &build.spec),
    };
    let made = context.change(&caller, intent, async {
        if let Some(before) = &there {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: before.uid(),
                    resource_version: None,
                }),
                ..DeleteParams::default()
            };
            builds.delete(&name, &params).await.map_err(hub)?;
        }
        builds
            .create(&PostParams::default(), &build)
            .await
            .map_err(hub)
    });
    let made = match made.await {
        // Somebody else asked for the same at once.
        Err(refusal) if refusal.code() == Code::AlreadyExists => {
            let same = builds.get(&name).await.map_err(hub)?;
            return Ok((StatusCode::OK, Json(objects::build(&same))));
        }
        made => made?,
    };
    let told = objects::build(&made);
    context.projection.wrote(|seen| seen.builds.wrote(made));
    Ok((StatusCode::CREATED, Json(told)))
}
