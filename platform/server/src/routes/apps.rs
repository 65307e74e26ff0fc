//! Applications: what is wanted of them, their instances, and where more would go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flatnet_platform_engine::headroom;
use flatnet_platform_engine::place::{Placement, Request, place};
use flatnet_platform_types::api::{
    AppObject, AppSummary, AppWrite, Code, Instances, Page, PlaceRequest, Placed, PlacedCell,
    PlacedNode, Problem, ScaleRequest, Scaled, difference,
};
use flatnet_platform_types::kinds::{App, AppSpec, CellCount, ReleaseStatus};
use flatnet_platform_watch::member::Member;
use flatnet_platform_watch::observe::{Subject, observe};
use flatnet_platform_watch::{Cache, Key};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Query, page};
use crate::caller::Caller;
use crate::context::{Context, Intent};
use crate::gates;
use crate::problem::{Refusal, Reply};
use crate::projection::Objects;
use crate::rights::Act;
use crate::{body, members, objects};

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(create))
        .routes(routes!(show, update, remove))
        .routes(routes!(scale))
        .routes(routes!(instances))
        .routes(routes!(try_placement))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct AppsQuery {
    /// Only this team's.
    team: Option<String>,
    /// Words that all occur in the team, name, repository, template, a location or the phase of the release.
    q: Option<String>,
    /// The most objects of the page: 1 to 500, 100 where it is absent.
    limit: Option<usize>,
    /// What `next` of the page before says.
    after: Option<String>,
}

/// Applications that the caller may list, by team and name.
#[utoipa::path(get, path = "/apps", tag = "apps", params(AppsQuery),
    responses((status = 200, body = Page<AppSummary>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Query(query): Query<AppsQuery>,
) -> Reply<Json<Page<AppSummary>>> {
    let teams = teams(&context, &caller, query.team.as_deref()).await?;
    let words: Vec<String> = query
        .q
        .iter()
        .flat_map(|q| q.split_whitespace())
        .map(str::to_lowercase)
        .collect();
    let objects = context.projection.read();
    let visible = |a: &&App| teams.iter().any(|t| a.namespace().as_deref() == Some(t));
    let apps = objects.hub.apps.iter().filter(visible);
    let summaries = apps.map(|a| objects::summary(&objects.hub, a)).filter(|a| {
        let phase = a.phase.map(|p| format!("{p:?}")).unwrap_or_default();
        let text = [
            &a.team,
            &a.name,
            &a.repo,
            &a.template,
            &a.locations.join(" "),
            &phase,
        ];
        let text = text.map(|t| t.to_lowercase()).join(" ");
        words.iter().all(|word| text.contains(word))
    });
    let of = |a: &AppSummary| format!("{}/{}", a.team, a.name);
    page(summaries, of, query.limit, query.after.as_deref()).map(Json)
}

/// The teams whose applications the caller may list: the one that is asked for, or all such.
async fn teams(context: &Context, caller: &Caller, team: Option<&str>) -> Reply<Vec<String>> {
    if let Some(team) = team {
        context
            .demand(caller, Act::new("list", "apps").of(team))
            .await?;
        return Ok(vec![team.to_owned()]);
    }
    let all: std::collections::BTreeSet<String> = {
        let objects = context.projection.read();
        objects
            .hub
            .apps
            .iter()
            .filter_map(|a| a.namespace())
            .collect()
    };
    if context.is_allowed(caller, Act::new("list", "apps")).await? {
        return Ok(all.into_iter().collect());
    }
    let mut allowed = Vec::new();
    for team in all {
        if context
            .is_allowed(caller, Act::new("list", "apps").of(&team))
            .await?
        {
            allowed.push(team);
        }
    }
    Ok(allowed)
}

fn api(context: &Context, team: &str) -> Api<App> {
    Api::namespaced(context.hub.clone(), team)
}

/// What one object cannot prove: that what it names is there.
fn check(objects: &Objects, team: &str, spec: &AppSpec) -> Reply<()> {
    gates::check(spec)?;
    if spec.team != team {
        return Err(Refusal::new(
            Code::Invalid,
            format!(
                "the application is of team {:?}, and the path says {team:?}",
                spec.team
            ),
        )
        .field("spec.team", "another one than in the path"));
    }
    let template = format!("{}-v{}", spec.template.name, spec.template.version);
    if objects
        .hub
        .templates
        .get(&Key::new("", &template))
        .is_none()
    {
        let known = objects
            .hub
            .templates
            .iter()
            .filter(|t| t.spec.name == spec.template.name);
        let known: Vec<String> = known.map(|t| t.spec.version.to_string()).collect();
        let hint = match known.is_empty() {
            true => "`flatctl template list` shows what there is".to_owned(),
            false => format!("there are versions {}", known.join(", ")),
        };
        return Err(Refusal::new(
            Code::Invalid,
            format!(
                "there is no version {} of template {:?}",
                spec.template.version, spec.template.name
            ),
        )
        .field("spec.template", "no such template")
        .hint(hint));
    }
    for (place, wish) in spec.placement.locations.iter().enumerate() {
        if !objects
            .hub
            .clusters
            .iter()
            .any(|c| c.spec.location == wish.name)
        {
            return Err(Refusal::new(
                Code::Invalid,
                format!("no cluster is in location {:?}", wish.name),
            )
            .field(
                format!("spec.placement.locations[{place}].name"),
                "no such location",
            )
            .hint("`flatctl cluster list` shows the locations"));
        }
    }
    Ok(())
}

/// Makes an application of a team.
#[utoipa::path(post, path = "/teams/{team}/apps", tag = "apps", request_body = AppWrite, params(("team" = String, Path)),
    responses((status = 201, body = AppObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn create(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path(team): Path<String>,
    body: body::Json<AppWrite>,
) -> Reply<(StatusCode, Json<AppObject>)> {
    let AppWrite { name, spec, .. } = body.value;
    let name = name.ok_or_else(|| {
        Refusal::new(Code::Invalid, "the application has no name").field("name", "is missing")
    })?;
    context
        .demand(&caller, Act::new("create", "apps").of(&team).on(&name))
        .await?;
    check(&context.projection.read(), &team, &spec)?;
    let intent = Intent {
        action: "app.create",
        team: Some(&team),
        object: format!("apps/{name}"),
        difference: difference(None, &spec),
    };
    let app = App::new(&name, spec);
    let made = context
        .change(&caller, intent, async {
            let made = api(&context, &team)
                .create(&PostParams::default(), &app)
                .await;
            made.map_err(|e| {
                let refusal =
                    Refusal::of_hub(&format!("make application {name} of team {team}"), &e);
                match refusal.code() {
                    Code::NotFound => refusal.hint(format!(
                        "a team is a namespace of the hub: `kubectl create namespace {team}`"
                    )),
                    _ => refusal,
                }
            })
        })
        .await?;
    let told = objects::app(&made);
    context
        .projection
        .wrote(|objects| objects.hub.apps.wrote(made));
    Ok((StatusCode::CREATED, Json(told)))
}

/// An application.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}", tag = "apps", params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 200, body = AppObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Reply<Json<AppObject>> {
    context
        .demand(&caller, Act::new("get", "apps").of(&team).on(&name))
        .await?;
    Ok(Json(objects::app(&objects::find_app(
        &context.projection.read().hub,
        &team,
        &name,
    )?)))
}

/// Changes an application. The version that it was read at says what the change was decided on.
#[utoipa::path(put, path = "/teams/{team}/apps/{app}", tag = "apps", request_body = AppWrite,
    params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 200, body = AppObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn update(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    body: body::Json<AppWrite>,
) -> Reply<Json<AppObject>> {
    context
        .demand(&caller, Act::new("update", "apps").of(&team).on(&name))
        .await?;
    let AppWrite {
        name: named,
        resource_version,
        spec,
    } = body.value;
    if named.is_some_and(|named| named != name) {
        return Err(
            Refusal::new(Code::Invalid, "an application's name does not change")
                .field("name", "another one than in the path"),
        );
    }
    let version = resource_version.ok_or_else(|| {
        Refusal::new(
            Code::Invalid,
            "a change says which version it was decided on",
        )
        .field("resourceVersion", "is missing")
        .hint("read the application first, and send its resourceVersion back")
    })?;
    let before = {
        let objects = context.projection.read();
        check(&objects, &team, &spec)?;
        objects::find_app(&objects.hub, &team, &name)?
    };
    let intent = Intent {
        action: "app.update",
        team: Some(&team),
        object: format!("apps/{name}"),
        difference: difference(Some(&before.spec), &spec),
    };
    let made = context
        .change(&caller, intent, async {
            let attempt = format!("change application {name} of team {team}");
            let change = |app: &mut App| app.spec.clone_from(&spec);
            objects::change_wanted(
                &api(&context, &team),
                &name,
                Some(&version),
                &attempt,
                change,
            )
            .await
        })
        .await?;
    let told = objects::app(&made);
    context
        .projection
        .wrote(|objects| objects.hub.apps.wrote(made));
    Ok(Json(told))
}

/// Removes an application that has no instance.
#[utoipa::path(delete, path = "/teams/{team}/apps/{app}", tag = "apps", params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 204), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn remove(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Reply<StatusCode> {
    context
        .demand(&caller, Act::new("delete", "apps").of(&team).on(&name))
        .await?;
    let app = objects::find_app(&context.projection.read().hub, &team, &name)?;
    let clusters = members::of_locations(context.projection.read().hub.clusters.iter(), |_| true);
    let (there, unread) = members::instances(&context.hub, &clusters, &team, &name).await;
    if !there.is_empty() || !unread.is_empty() {
        let unknown: Vec<&str> = unread.iter().map(|u| u.cluster.as_str()).collect();
        let detail = match unknown.is_empty() {
            true => format!("application {name} has {} instances", there.len()),
            false => format!(
                "application {name} has {} instances, and it is unknown what is in {}",
                there.len(),
                unknown.join(", ")
            ),
        };
        return Err(Refusal::new(Code::WrongState, detail).hint(format!(
            "`flatctl scale {team}/{name} --to 0`, and remove it when they have gone"
        )));
    }
    let intent = Intent {
        action: "app.remove",
        team: Some(&team),
        object: format!("apps/{name}"),
        difference: Vec::new(),
    };
    let only = DeleteParams::default().preconditions(kube::api::Preconditions {
        uid: app.metadata.uid.clone(),
        ..kube::api::Preconditions::default()
    });
    context
        .change(&caller, intent, async {
            let gone = api(&context, &team).delete(&name, &only).await;
            gone.map_err(|e| {
                Refusal::of_hub(&format!("remove application {name} of team {team}"), &e)
            })
        })
        .await?;
    context
        .projection
        .wrote(|objects| objects.hub.apps.gone(&Key::new(&team, &name)));
    Ok(StatusCode::NO_CONTENT)
}

/// The application's instances, as its clusters say now.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/instances", tag = "apps", params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 200, body = Instances), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn instances(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Reply<Json<Instances>> {
    context
        .demand(&caller, Act::new("get", "apps").of(&team).on(&name))
        .await?;
    let clusters = {
        let objects = context.projection.read();
        let app = objects::find_app(&objects.hub, &team, &name)?;
        let named = named(&objects, &app);
        members::of_locations(objects.hub.clusters.iter(), |c| {
            named.contains(&c.name_any())
        })
    };
    let (items, unread) = members::instances(&context.hub, &clusters, &team, &name).await;
    Ok(Json(Instances { items, unread }))
}

/// The clusters that instances of an application can be in: those of its locations, and those that a release named.
fn named(objects: &Objects, app: &App) -> std::collections::BTreeSet<String> {
    let of_location = |c: &&flatnet_platform_types::kinds::Cluster| {
        app.spec
            .placement
            .locations
            .iter()
            .any(|l| l.name == c.spec.location)
    };
    let clusters = objects
        .hub
        .clusters
        .iter()
        .filter(of_location)
        .map(|c| c.name_any());
    let key = Key::new(&app.namespace().unwrap_or_default(), &app.name_any());
    let counted = objects
        .hub
        .releases_of(&key)
        .into_iter()
        .take(8)
        .flat_map(|r| {
            let status = r.status.iter();
            status.flat_map(|s| {
                s.per_cluster
                    .iter()
                    .map(|c| c.cluster.clone())
                    .chain(s.target.iter().map(|t| t.cluster.clone()))
            })
        });
    clusters.chain(counted).collect()
}

/// Changes how many instances are wanted. More than fit are refused with the numbers, unless `evenWithoutRoom`.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/scale", tag = "apps", request_body = ScaleRequest,
    params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 200, body = Scaled), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn scale(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    body: body::Json<ScaleRequest>,
) -> Reply<Json<Scaled>> {
    context
        .demand(
            &caller,
            Act::new("update", "apps").sub("scale").of(&team).on(&name),
        )
        .await?;
    let ScaleRequest {
        replicas,
        even_without_room,
    } = body.value;
    let app = objects::find_app(&context.projection.read().hub, &team, &name)?;
    let from = app.spec.replicas;
    if let Some(scale) = &app.spec.scale
        && !(scale.min..=scale.max).contains(&replicas)
    {
        return Err(Refusal::new(
            Code::Invalid,
            format!(
                "application {name} has {} to {} instances by its scale",
                scale.min, scale.max
            ),
        )
        .field("replicas", "out of range"));
    }
    let placed = match replicas > from {
        true => {
            placed(
                &context,
                &app,
                &AppSpec {
                    replicas,
                    ..app.spec.clone()
                },
            )
            .await
        }
        false => Placed::default(),
    };
    if placed.fits < placed.wanted && !even_without_room {
        return Err(Refusal::new(
            Code::NoRoom,
            format!("application {name} was not scaled: {}", placed.shortage),
        )
        .hint("with `evenWithoutRoom` (`--even-without-room`) the others wait for room"));
    }
    let intent = Intent {
        action: "app.scale",
        team: Some(&team),
        object: format!("apps/{name}"),
        difference: difference(
            Some(&json!({"replicas": from})),
            &json!({"replicas": replicas}),
        ),
    };
    let patch = json!({"spec": {"replicas": replicas}});
    let made = context
        .change(&caller, intent, async {
            let made = api(&context, &team)
                .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            made.map_err(|e| {
                Refusal::of_hub(&format!("scale application {name} of team {team}"), &e)
            })
        })
        .await?;
    let release = made.status.as_ref().and_then(|s| s.release.clone());
    context
        .projection
        .wrote(|objects| objects.hub.apps.wrote(made));
    Ok(Json(Scaled {
        from,
        to: replicas,
        release,
        placed,
    }))
}

/// Says where instances would go, and what is short: a dry run. Nothing is changed.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/place", tag = "apps", request_body = PlaceRequest,
    params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 200, body = Placed), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn try_placement(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    body: body::Json<PlaceRequest>,
) -> Reply<Json<Placed>> {
    context
        .demand(&caller, Act::new("get", "apps").of(&team).on(&name))
        .await?;
    let app = objects::find_app(&context.projection.read().hub, &team, &name)?;
    let mut spec = app.spec.clone();
    spec.replicas = body.value.replicas.unwrap_or(spec.replicas);
    if let Some(placement) = body.value.placement {
        spec.placement = placement;
    }
    Ok(Json(placed(&context, &app, &spec).await))
}

/// Where the instances go that `wanted` has more than are there, by what its clusters say now.
async fn placed(context: &Context, app: &App, wanted: &AppSpec) -> Placed {
    let clusters = {
        let objects = context.projection.read();
        let of = |c: &flatnet_platform_types::kinds::Cluster| {
            wanted
                .placement
                .locations
                .iter()
                .any(|l| l.name == c.spec.location)
        };
        members::of_locations(objects.hub.clusters.iter(), of)
    };
    let (seen, unread) = members::looks(&context.hub, &clusters).await;
    let seen: BTreeMap<String, &Member> = seen
        .iter()
        .map(|(name, member)| (name.clone(), member))
        .collect();
    let objects = context.projection.read();
    let key = Key::new(&app.namespace().unwrap_or_default(), &app.name_any());
    let existing = existing(&objects.hub.releases, app, &key, wanted);
    let status = ReleaseStatus::default();
    let subject = Subject {
        key: &key,
        spec: wanted,
        stable: None,
        status: &status,
    };
    let observed = observe(&objects.hub, &seen, subject, 0, None);
    let there: u32 = existing.iter().map(|c| c.count).sum();
    let request = Request {
        count: wanted.replicas.saturating_sub(there),
        size: wanted.resources,
        locations: &wanted.placement.locations,
        existing: &existing,
        spread: wanted.placement.spread.unwrap_or_default(),
    };
    let cells = |placement: Placement| {
        let cells = placement.cells.into_iter().map(|cell| PlacedCell {
            cluster: cell.cluster,
            location: cell.location,
            group: cell.group,
            count: cell.count,
            nodes: cell
                .nodes
                .into_iter()
                .map(|(name, count)| PlacedNode { name, count })
                .collect(),
        });
        cells.collect()
    };
    let (fits, cells, shortage) = match place(&request, &headroom(wanted, &observed)) {
        Ok(placement) => (request.count, cells(placement), String::new()),
        Err(short) => {
            let text = short.to_string();
            (short.fits, cells(short.partial), text)
        }
    };
    Placed {
        wanted: request.count,
        fits,
        cells,
        shortage,
        unread,
    }
}

/// Where instances are meant to be already, in the locations that are wanted: by the release that acts, or what the last
/// one left.
fn existing(
    releases: &Cache<flatnet_platform_types::kinds::Release>,
    app: &App,
    key: &Key,
    wanted: &AppSpec,
) -> Vec<CellCount> {
    let status = app.status.as_ref();
    let acting = status.and_then(|s| s.release.as_ref());
    let acting = acting.and_then(|name| releases.get(&Key::new(&key.namespace, name)));
    let target = acting.and_then(|r| r.status.as_ref()).map(|s| &s.target);
    let stable = status.and_then(|s| s.stable.as_ref()).map(|s| &s.placement);
    let cells = target
        .filter(|t| !t.is_empty())
        .or(stable)
        .into_iter()
        .flatten();
    let named = cells.filter(|cell| {
        wanted
            .placement
            .locations
            .iter()
            .any(|l| l.name == cell.location)
    });
    named.cloned().collect()
}
