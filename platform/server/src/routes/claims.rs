//! Requests for locations, and their answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flatnet_platform_types::api::{Claim, ClaimAnswer, ClaimObject, Page, Problem, difference};
use flatnet_platform_types::kinds::{LocationClaim, LocationClaimSpec, LocationClaimStatus};
use flatnet_platform_watch::Key;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PageQuery, Query, page};
use crate::caller::Caller;
use crate::context::{Context, Intent, now};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;
use crate::{body, objects};

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(claim))
        .routes(routes!(answer))
}

/// Requests for locations, of all teams: for those who answer.
#[utoipa::path(get, path = "/claims", tag = "claims", params(PageQuery),
    responses((status = 200, body = Page<ClaimObject>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Reply<Json<Page<ClaimObject>>> {
    context
        .demand(&caller, Act::new("list", "locationclaims"))
        .await?;
    let objects = context.projection.read();
    let of = |c: &&LocationClaim| format!("{}/{}", c.namespace().unwrap_or_default(), c.name_any());
    let found = page(
        objects.claims.iter(),
        of,
        query.limit,
        query.after.as_deref(),
    )?;
    let items = found
        .items
        .into_iter()
        .map(|c| objects::claim(&objects.hub, c));
    Ok(Json(Page {
        items: items.collect(),
        next: found.next,
    }))
}

/// Asks for room in a location, or for another number there; who answers for the location is asked anew.
#[utoipa::path(post, path = "/teams/{team}/apps/{app}/claims", tag = "claims", request_body = Claim,
    params(("team" = String, Path), ("app" = String, Path)),
    responses((status = 201, body = ClaimObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn claim(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app)): Path<(String, String)>,
    body: body::Json<Claim>,
) -> Reply<(StatusCode, Json<ClaimObject>)> {
    context
        .demand(&caller, Act::new("create", "locationclaims").of(&team))
        .await?;
    let Claim {
        location,
        instances,
        reason,
    } = body.value;
    let name = format!("{app}-{location}");
    let before = {
        let objects = context.projection.read();
        objects::find_app(&objects.hub, &team, &app)?;
        if !objects
            .hub
            .clusters
            .iter()
            .any(|c| c.spec.location == location)
        {
            return Err(
                Refusal::not_found(&format!("location {location:?}: no cluster is there"))
                    .hint("`flatctl cluster list` shows the locations"),
            );
        }
        objects.claims.get(&Key::new(&team, &name)).cloned()
    };
    let spec = LocationClaimSpec {
        app,
        location,
        instances,
        reason,
    };
    let intent = Intent {
        action: "claim.ask",
        team: Some(&team),
        object: format!("locationclaims/{name}"),
        difference: difference(before.as_ref().map(|c| &c.spec), &spec),
    };
    let api: Api<LocationClaim> = Api::namespaced(context.hub.clone(), &team);
    let made = context
        .change(&caller, intent, async {
            let asked = match before {
                None => api.create(&PostParams::default(), &LocationClaim::new(&name, spec)).await,
                Some(_) => {
                    let patch = json!({"spec": spec});
                    let patched = api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await;
                    match patched {
                        // What was granted was for the number before.
                        Ok(_) => {
                            let unanswered = json!({"status": {"approved": null, "by": null, "at": null, "message": null}});
                            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&unanswered)).await
                        }
                        error => error,
                    }
                }
            };
            asked.map_err(|e| Refusal::of_hub(&format!("write the request {team}/{name}"), &e))
        })
        .await?;
    let told = objects::claim(&context.projection.read().hub, &made);
    context
        .projection
        .wrote(|objects| objects.claims.wrote(made));
    Ok((StatusCode::CREATED, Json(told)))
}

/// Answers a request for a location. The right is the verb `approve` on `locations`, by the location's name.
#[utoipa::path(post, path = "/teams/{team}/claims/{claim}/answer", tag = "claims", request_body = ClaimAnswer,
    params(("team" = String, Path), ("claim" = String, Path)),
    responses((status = 200, body = ClaimObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn answer(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    body: body::Json<ClaimAnswer>,
) -> Reply<Json<ClaimObject>> {
    let key = Key::new(&team, &name);
    let claim = context.projection.read().claims.get(&key).cloned();
    let missing = || Refusal::not_found(&format!("request {name:?} of team {team}"));
    let location = claim
        .as_ref()
        .map(|c| c.spec.location.clone())
        .unwrap_or_default();
    // Who may not answer learns nothing of what there is.
    context
        .demand(&caller, Act::new("approve", "locations").on(&location))
        .await?;
    let claim = claim.ok_or_else(missing)?;
    let status = LocationClaimStatus {
        approved: Some(body.value.approved),
        by: Some(caller.name.clone()),
        at: Some(now()),
        message: body.value.message,
    };
    let before = claim.status.clone().unwrap_or_default();
    let intent = Intent {
        action: "claim.answer",
        team: Some(&team),
        object: format!("locationclaims/{name}"),
        difference: difference(Some(&before), &status),
    };
    let api: Api<LocationClaim> = Api::namespaced(context.hub.clone(), &team);
    // The answer is to the request as it was read: one for more instances is another one.
    // All of its fields, also the absent ones as null: a merge patch leaves what it does not name (RFC 7396), such as
    // the reason of an earlier refusal.
    let patch = json!({
        "metadata": {"resourceVersion": claim.metadata.resource_version},
        "status": {"approved": status.approved, "by": status.by, "at": status.at, "message": status.message},
    });
    let made = context
        .change(&caller, intent, async {
            let made = api
                .patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
                .await;
            made.map_err(|e| Refusal::of_hub(&format!("answer the request {team}/{name}"), &e))
        })
        .await?;
    let told = objects::claim(&context.projection.read().hub, &made);
    context
        .projection
        .wrote(|objects| objects.claims.wrote(made));
    Ok(Json(told))
}
