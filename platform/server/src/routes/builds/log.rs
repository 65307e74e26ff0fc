//! A build's log as it grows: server-sent events, of the pod's containers one after the other.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use flatnet_daemon::causes::chain;
use flatnet_platform_types::api::Problem;
use flatnet_platform_types::kinds::{
    BUILD_CONTAINERS, BUILD_LABEL, BUILDS_NAMESPACE, Build, BuildPhase, TEAM_LABEL,
};
use flatnet_platform_watch::Key;
use flatnet_platform_watch::way::{LASTING, client, member_config};
use futures_util::stream::unfold;
use futures_util::{AsyncBufReadExt, Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams, LogParams};

use crate::caller::Caller;
use crate::context::Context;
use crate::problem::Reply;
use crate::rights::Act;

/// How often a line is sent where nothing happens, so that nobody on the way takes the connection for dead.
const ALIVE: Duration = Duration::from_secs(15);
/// How often a container is looked for that does not run yet.
const LOOK: Duration = Duration::from_millis(500);
/// The longest line that is shown, in bytes: what an application's build prints is its own.
const LINE: usize = 16 << 10;

type Lines = Pin<Box<dyn Stream<Item = std::io::Result<String>> + Send>>;

/// Where a log is.
struct At {
    context: Arc<Context>,
    key: Key,
    /// The container that is read, by its place, and how many of its lines have been read.
    place: (usize, usize),
    /// Lines up to there have been told before.
    told: (usize, usize),
    lines: Option<Lines>,
    stopping: tokio::sync::watch::Receiver<bool>,
    over: bool,
}

/// A build's log: events `line` with a line as data and `CONTAINER.LINE` as ID, then `end` with what became of it. Who comes back
/// with `Last-Event-ID` is told what follows. A log is kept for a day.
#[utoipa::path(get, path = "/teams/{team}/apps/{app}/builds/{build}/log", tag = "builds",
    params(("team" = String, Path), ("app" = String, Path), ("build" = String, Path), ("last-event-id" = Option<String>, Header)),
    responses((status = 200, description = "Events `line` with a line of the log as data", body = String, content_type = "text/event-stream"),
        (status = "default", description = "A problem", body = Problem, content_type = "application/problem+json")))]
pub(in crate::routes) async fn follow(
    State(context): State<Arc<Context>>,
    caller: Caller,
    Path((team, app, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Reply<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let act = Act::new("get", "builds").of(&team).on(&name);
    context.demand(&caller, act).await?;
    {
        let seen = context.projection.read();
        super::find(&seen.hub, &seen.builds, (&team, &app), &name)?;
    }
    let told = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let at = At {
        told: told.and_then(place_of).unwrap_or_default(),
        stopping: context.stopping.clone(),
        key: Key::new(&team, &name),
        context,
        place: (0, 0),
        lines: None,
        over: false,
    };
    let events = unfold(at, |mut at| async move {
        let mut stopping = at.stopping.clone();
        let event = tokio::select! {
            event = at.next() => event,
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        event.map(|event| (Ok(event), at))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE)))
}

/// `CONTAINER.LINE`.
fn place_of(id: &str) -> Option<(usize, usize)> {
    let (container, line) = id.split_once('.')?;
    Some((container.parse().ok()?, line.parse().ok()?))
}

/// A line without control characters, which would act on the terminal of whoever reads it; colours are lost too.
fn plain(line: &str) -> String {
    let mut end = line.len().min(LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let shown = line[..end].chars();
    shown.filter(|c| !c.is_control() || *c == '\t').collect()
}

impl At {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        loop {
            if let Some(lines) = &mut self.lines {
                match lines.next().await {
                    Some(Ok(line)) => {
                        self.place.1 += 1;
                        if self.place > self.told {
                            let id = format!("{}.{}", self.place.0, self.place.1);
                            return Some(Event::default().event("line").id(id).data(plain(&line)));
                        }
                    }
                    // The end of a container's log, or of the connection: what becomes of the build says which.
                    _ => {
                        self.lines = None;
                        self.place = (self.place.0 + 1, 0);
                    }
                }
                continue;
            }
            let Some(build) = self.build() else {
                return self.end("the build was deleted");
            };
            let is_over = phase(&build).is_over();
            let opened = match BUILD_CONTAINERS.get(self.place.0) {
                Some(container) => {
                    let context = Arc::clone(&self.context);
                    open(&context, &self.key.clone(), &build, container).await
                }
                None => Ok(None),
            };
            match opened {
                Ok(Some(lines)) => self.lines = Some(lines),
                Ok(None) if is_over => {
                    let status = build.status.unwrap_or_default();
                    let said = status.digest.or(status.reason).unwrap_or_default();
                    return self.end(&format!("{:?}: {said}", status.phase));
                }
                Ok(None) => tokio::time::sleep(LOOK).await,
                Err(why) => return self.end(&format!("the log cannot be read: {why}")),
            }
        }
    }

    fn end(&mut self, why: &str) -> Option<Event> {
        self.over = true;
        Some(Event::default().event("end").data(plain(why)))
    }

    fn build(&self) -> Option<Build> {
        self.context
            .projection
            .read()
            .builds
            .get(&self.key)
            .cloned()
    }
}

/// The log of a container of the build; `None` where it has not begun, or has none any more.
async fn open(
    context: &Context,
    key: &Key,
    build: &Build,
    container: &str,
) -> Result<Option<Lines>, String> {
    let cluster = build.status.as_ref().and_then(|s| s.cluster.clone());
    let Some(cluster) = cluster else {
        return Ok(None);
    };
    let pods: Api<Pod> = Api::namespaced(member(context, &cluster).await?, BUILDS_NAMESPACE);
    let labels = format!("{BUILD_LABEL}={},{TEAM_LABEL}={}", key.name, key.namespace);
    let there = pods.list(&ListParams::default().labels(&labels)).await;
    let there = there.map_err(|e| chain(&e))?.items.into_iter();
    let pod = there.max_by_key(|p| p.metadata.creation_timestamp.clone());
    let Some(pod) = pod.and_then(|p| p.metadata.name) else {
        return Ok(None);
    };
    let params = LogParams {
        container: Some(container.to_owned()),
        follow: true,
        ..LogParams::default()
    };
    match pods.log_stream(&pod, &params).await {
        Ok(log) => Ok(Some(Box::pin(log.lines()))),
        // 400: the container has not begun.
        Err(kube::Error::Api(s)) if s.code == 400 || s.code == 404 => Ok(None),
        Err(error) => Err(chain(&error)),
    }
}

async fn member(context: &Context, cluster: &str) -> Result<Client, String> {
    let spec = {
        let seen = context.projection.read();
        let cluster = seen.hub.clusters.get(&Key::new("", cluster));
        cluster.map(|c| c.spec.clone())
    };
    let spec = spec.ok_or_else(|| format!("there is no cluster {cluster} any more"))?;
    let config = member_config(&context.hub, &spec, &mut None).await;
    let config = config.map_err(|e| chain(&e))?;
    client(&config, LASTING.1).map_err(|e| chain(&e))
}

fn phase(build: &Build) -> BuildPhase {
    build.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_acts_on_no_terminal_and_is_not_endless() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\tend\r"), "[31mred[0m\tend");
        assert_eq!(plain(&"é".repeat(LINE)).len(), LINE);
        assert_eq!(place_of("1.27"), Some((1, 27)));
        assert_eq!(place_of("x"), None);
    }
}
