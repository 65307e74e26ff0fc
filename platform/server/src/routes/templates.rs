//! Templates: versions that never change.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flatnet_platform_types::api::{Page, Problem, TemplateObject, TemplateWrite, difference};
use flatnet_platform_types::kinds::Template;
use flatnet_platform_watch::Key;
use kube::ResourceExt;
use kube::api::{Api, PostParams};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PageQuery, Query, page};
use crate::caller::Caller;
use crate::context::{Context, Intent};
use crate::problem::{Refusal, Reply};
use crate::rights::Act;
use crate::{body, objects};

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show))
}

/// Templates with their versions, by name.
#[utoipa::path(get, path = "/templates", tag = "templates", params(PageQuery),
    responses((status = 200, body = Page<TemplateObject>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Query(query): Query<PageQuery>,
) -> Reply<Json<Page<TemplateObject>>> {
    context
        .demand(&caller, Act::new("list", "templates"))
        .await?;
    let objects = context.projection.read();
    let found = page(
        objects.hub.templates.iter(),
        |t| t.name_any(),
        query.limit,
        query.after.as_deref(),
    )?;
    Ok(Json(Page {
        items: found.items.into_iter().map(objects::template).collect(),
        next: found.next,
    }))
}

/// A version of a template.
#[utoipa::path(get, path = "/templates/{template}/{version}", tag = "templates",
    params(("template" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = TemplateObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Reply<Json<TemplateObject>> {
    let object = format!("{name}-v{version}");
    context
        .demand(&caller, Act::new("get", "templates").on(&object))
        .await?;
    let objects = context.projection.read();
    match objects.hub.templates.get(&Key::new("", &object)) {
        Some(template) => Ok(Json(objects::template(template))),
        None => Err(Refusal::not_found(&format!(
            "version {version} of template {name:?}"
        ))),
    }
}

/// Makes a version of a template.
#[utoipa::path(post, path = "/templates", tag = "templates", request_body = TemplateWrite,
    responses((status = 201, body = TemplateObject), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn create(
    State(context): State<Arc<Context>>,
    caller: Caller,
    body: body::Json<TemplateWrite>,
) -> Reply<(StatusCode, Json<TemplateObject>)> {
    let spec = body.value.spec;
    let name = format!("{}-v{}", spec.name, spec.version);
    context
        .demand(&caller, Act::new("create", "templates").on(&name))
        .await?;
    let intent = Intent {
        action: "template.create",
        team: None,
        object: format!("templates/{name}"),
        difference: difference(None, &spec),
    };
    let template = Template::new(&name, spec);
    let api: Api<Template> = Api::all(context.hub.clone());
    let made = context
        .change(&caller, intent, async {
            let made = api.create(&PostParams::default(), &template).await;
            made.map_err(|e| Refusal::of_hub(&format!("make template {name}"), &e))
        })
        .await?;
    let told = objects::template(&made);
    context
        .projection
        .wrote(|objects| objects.hub.templates.wrote(made));
    Ok((StatusCode::CREATED, Json(told)))
}
