//! What was changed by whom.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use flatnet_platform_types::api::{Change, Page, Problem};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{PAGE, PAGE_MAX, Query};
use crate::caller::Caller;
use crate::context::Context;
use crate::problem::{Refusal, Reply};
use crate::rights::Act;

pub(super) fn routes() -> OpenApiRouter<Arc<Context>> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only changes of this team's objects: who may see them may list the team's applications. Without it the right to
    /// `get audits` is needed.
    team: Option<String>,
    /// Only changes of this object: `apps/web`.
    object: Option<String>,
    /// The most changes of the page: 1 to 500, 100 where it is absent.
    limit: Option<usize>,
    /// What `next` of the page before says.
    after: Option<u64>,
}

/// The latest changes that were asked for by this server, the latest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = Page<Change>), (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Reply<Json<Page<Change>>> {
    let act = match &query.team {
        Some(team) => Act::new("list", "apps").of(team),
        None => Act::new("get", "audits"),
    };
    context.demand(&caller, act).await?;
    let limit = query.limit.unwrap_or(PAGE);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Refusal::new(
            flatnet_platform_types::api::Code::BadRequest,
            format!("a page has 1 to {PAGE_MAX} changes, not {limit}"),
        ));
    }
    let wanted = |change: &Change| {
        let team = query
            .team
            .as_ref()
            .is_none_or(|team| change.team.as_ref() == Some(team));
        team && query
            .object
            .as_ref()
            .is_none_or(|object| change.object == *object)
    };
    let mut items = context
        .audit
        .changes(query.after.unwrap_or(u64::MAX), limit + 1, wanted);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(|c| c.number.to_string()).filter(|_| more);
    Ok(Json(Page { items, next }))
}
