//! A release as it goes: server-sent events (WHATWG HTML §9.2).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use flatnet_platform_types::api::{Problem, ReleaseObject};
use futures_util::Stream;
use futures_util::stream::unfold;

use crate::caller::Caller;
use crate::context::Context;
use crate::objects;
use crate::problem::Reply;
use crate::rights::Act;

/// How often a line is sent where nothing happens, so that nobody on the way takes the connection for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Where a stream is.
struct At {
    context: Arc<Context>,
    team: String,
    app: String,
    release: String,
    /// The version that was told last.
    told: String,
    changes: tokio::sync::watch::Receiver<u64>,
    stopping: tokio::sync::watch::Receiver<bool>,
    over: bool,
}

/// Tells a release at each change until it is over: events `release` with the object as data and its version as ID, then
/// `end`. Who comes back with `Last-Event-ID` is told what is new since.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/releases/{release}/events", tag = "releases",
    params(("team" = String, Path), ("app" = String, Path), ("release" = String, Path), ("last-event-id" = Option<String>, Header)),
    responses((status = 200, description = "Events `release` with a ReleaseObject as data", body = ReleaseObject, content_type = "text/event-stream"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn follow(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, release)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Reply<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    context
        .demand(&caller, Act::new("get", "releases").of(&team).on(&release))
        .await?;
    objects::find_release(&context.projection.read().hub, &team, &app, &release)?;
    let told = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let at = At {
        changes: context.projection.watch(),
        stopping: context.stopping.clone(),
        context,
        team,
        app,
        release,
        told,
        over: false,
    };
    let events = unfold(at, |mut at| async move {
        at.next().await.map(|event| (Ok(event), at))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

impl At {
    /// The next event; `None` at the end. Cancel safe.
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        loop {
            self.changes.borrow_and_update();
            let now = {
                let objects = self.context.projection.read();
                let found =
                    objects::find_release(&objects.hub, &self.team, &self.app, &self.release);
                found.ok().map(|r| objects::release(&objects.hub, &r))
            };
            let Some(now) = now else {
                self.over = true;
                return Some(
                    Event::default()
                        .event("end")
                        .data("the release was deleted"),
                );
            };
            if now.resource_version != self.told {
                self.told.clone_from(&now.resource_version);
                let event = Event::default().event("release").id(&self.told);
                return event.json_data(&now).ok();
            }
            if now.status.phase.is_over() {
                self.over = true;
                return Some(
                    Event::default()
                        .event("end")
                        .data(format!("{:?}", now.status.phase)),
                );
            }
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }
}
