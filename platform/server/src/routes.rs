//! The paths of the API, each with what it tells of itself in the OpenAPI document.

mod apps;
mod audit;
mod builds;
mod claims;
mod clusters;
mod events;
mod registry;
mod releases;
mod sessions;
mod templates;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flatnet_platform_types::api::{Code, ROOT, STALE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::console::Console;
use crate::context::Context;
use crate::objects::is_name;
use crate::problem::{Refusal, Reply};

/// Objects of a page, unless another number is asked for.
const PAGE: usize = 100;
/// The most objects of a page.
const PAGE_MAX: usize = 500;

fn described() -> OpenApiRouter<Arc<Context>> {
    let router = OpenApiRouter::with_openapi(base());
    let inner = OpenApiRouter::new()
        .merge(sessions::routes())
        .merge(clusters::routes())
        .merge(templates::routes())
        .merge(apps::routes())
        .merge(builds::routes())
        .merge(releases::routes())
        .merge(claims::routes())
        .merge(audit::routes());
    router.nest(ROOT, inner)
}

fn base() -> OpenApi {
    let info = Info::new("Flatnet platform", "v1");
    let mut document = OpenApiBuilder::new().info(info).build();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", bearer);
    document.security = Some(vec![utoipa::openapi::SecurityRequirement::new(
        "bearer",
        Vec::<String>::new(),
    )]);
    document
}

/// The OpenAPI 3.1 document of the API, as it is committed in docs/api/platform.json.
///
/// # Errors
/// If it cannot be written as JSON, which a test rules out.
pub fn document() -> Result<String, serde_json::Error> {
    let (_, document) = described().split_for_parts();
    named(document).to_pretty_json()
}

/// Puts the tag before each operation's name, which is a function's here: clients are generated from the document, and it
/// wants them unique (OpenAPI 3.1.0 §4.8.10, `operationId`).
fn named(mut document: OpenApi) -> OpenApi {
    for path in document.paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.post,
            &mut path.put,
            &mut path.patch,
            &mut path.delete,
        ];
        for operation in operations.into_iter().flatten() {
            let tag = operation.tags.as_ref().and_then(|tags| tags.first());
            if let (Some(tag), Some(name)) = (tag, &operation.operation_id) {
                operation.operation_id = Some(format!("{tag}_{name}"));
            }
        }
    }
    document
}

/// Everything that is served: the API, and the console where there is one.
pub(crate) fn router(context: Arc<Context>, console: Option<Console>) -> Router {
    let (router, document) = described().split_for_parts();
    let text = named(document).to_json().unwrap_or_default();
    let openapi = move || {
        let json = (axum::http::header::CONTENT_TYPE, "application/json");
        std::future::ready(([json], text.clone()))
    };
    let console = console.map(Arc::new);
    let elsewhere = move |method: Method, uri: Uri, headers: HeaderMap| {
        std::future::ready(match &console {
            Some(console) if !is_of_api(uri.path()) => {
                console.answer(&method, uri.path(), &headers)
            }
            _ => nowhere(&uri).into_response(),
        })
    };
    router
        .route_layer(from_fn(names))
        .route(&format!("{ROOT}/openapi.json"), get(openapi))
        .merge(registry::router())
        .fallback(elsewhere)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&context), tell_stale))
        .with_state(context)
}

/// Whether a path is the API's, of whatever version: it never gets a page.
fn is_of_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn nowhere(uri: &Uri) -> Refusal {
    Refusal::new(
        Code::NotFound,
        format!("there is nothing at {}", uri.path()),
    )
    .hint(format!("GET {ROOT}/openapi.json tells every path"))
}

async fn no_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(
        Code::MethodNotAllowed,
        format!("{method} is nothing that {} knows", uri.path()),
    )
    .hint(format!(
        "GET {ROOT}/openapi.json tells every path and its methods"
    ))
}

/// Refuses names that are none: they become parts of paths of the hub's API server.
async fn names(parts: RawPathParams, request: Request, next: Next) -> Response {
    for (what, name) in &parts {
        if !is_name(name) {
            return Refusal::new(Code::BadRequest, format!("{name:?} is no name of a {what}"))
                .hint("names have lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit")
                .into_response();
        }
    }
    next.run(request).await
}

/// Says in the answer that the hub does not answer, where it does not.
async fn tell_stale(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(stale) = context.projection.stale() {
        let seconds = HeaderValue::from(stale.as_secs());
        response
            .headers_mut()
            .insert(HeaderName::from_static(STALE), seconds);
    }
    response
}

/// A request's query, in which nothing is ignored.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Reply<Self> {
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let read = read.map_err(|e| {
            Refusal::new(Code::BadRequest, format!("the query cannot be read: {e}"))
        })?;
        Ok(Self(read.0))
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The most objects of the page: 1 to 500, 100 where it is absent.
    pub(crate) limit: Option<usize>,
    /// What `next` of the page before says.
    pub(crate) after: Option<String>,
}

/// A page of what is sorted by a text of each.
pub(crate) fn page<T>(
    items: impl Iterator<Item = T>,
    of: impl Fn(&T) -> String,
    limit: Option<usize>,
    after: Option<&str>,
) -> Reply<flatnet_platform_types::api::Page<T>> {
    let limit = limit.unwrap_or(PAGE);
    if limit == 0 || limit > PAGE_MAX {
        return Err(Refusal::new(
            Code::BadRequest,
            format!("a page has 1 to {PAGE_MAX} objects, not {limit}"),
        )
        .field("limit", "out of range"));
    }
    let mut items: Vec<T> = items
        .filter(|item| after.is_none_or(|after| of(item).as_str() > after))
        .take(limit + 1)
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(of).filter(|_| more);
    Ok(flatnet_platform_types::api::Page { items, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_until_the_last() {
        let all = ["a", "b", "c", "d", "e"];
        let of = |item: &&str| (*item).to_owned();
        let mut after = None;
        let mut read = Vec::new();
        loop {
            let page = page(all.into_iter(), of, Some(2), after.as_deref()).expect("a page");
            read.push(page.items.len());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, [2, 2, 1]);
        assert!(page(all.into_iter(), of, Some(0), None).is_err());
    }

    #[test]
    fn the_document_is_the_one_that_is_committed() {
        let text = format!("{}\n", document().expect("JSON"));
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api/platform.json");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).expect("docs/api is written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "docs/api/platform.json is not what the API is: UPDATE_DOCS=1 cargo test -p flatnet-platform-server"
        );
        assert!(text.contains("\"openapi\": \"3.1.0\""));
        let lines = text.lines().map(str::trim);
        let mut names: Vec<&str> = lines.filter(|l| l.starts_with("\"operationId\"")).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
    }
}
