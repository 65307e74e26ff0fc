//! HTTP/JSON on a unix socket, for root only.
//!
//! `curl --unix-socket /run/flatnet/netd.sock http://netd/v1/attachments` is a client too. The
//! socket has mode 0600. The peer's credentials are checked on every connection too, because a
//! socket's mode can be changed by mistake.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use flatnet_daemon::serve::{self, Limits};
use flatnet_daemon::socket::Peer;
use flatnet_plan::NodeSpec;
use flatnet_types::api::trace::Packet;
use flatnet_types::api::view::{AttachmentView, NodeView, ReconcileView};
use flatnet_types::api::{
    self, AddRequest, CheckRequest, DelRequest, ErrorReply, GcRequest, StatusRequest, VersionReply,
    code,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tracing::Instrument;

use crate::attach::{AttachError, Engine};
use crate::features::Features;
use crate::metrics::Metrics;
use crate::node_plan::PlanReceiver;
use crate::pod_events::PodEvents;
use crate::reconcile::{ReconcileOps, Reconciler};
use crate::state::NodeState;
use crate::view;

/// The largest request body in bytes: a GC that lists 10,000 attachments has 2 MiB.
const BODY_MAX: usize = 4 << 20;

/// The most connections at a time: enough for ADDs of some hundred containers at once.
const CONNECTIONS: usize = 1024;

/// The state of the handlers.
pub struct App<N: ReconcileOps> {
    /// The node's state.
    pub state: NodeState<N>,
    /// Executes CNI calls.
    pub engine: Engine<N>,
    /// Reconciles the node.
    pub reconciler: Arc<Reconciler<N>>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The state of the plan's source.
    pub plan: PlanReceiver,
    /// Reads the metrics that are not counted as they occur.
    pub scrape: Arc<dyn view::Scrape>,
    /// Traces packets.
    pub tracer: Arc<dyn view::trace::Tracer>,
    /// The datapath's features.
    pub features: Features,
    /// Tells pods why they are not attached.
    pub pod_events: PodEvents,
}

impl<N: ReconcileOps> Clone for App<N> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            engine: self.engine.clone(),
            reconciler: Arc::clone(&self.reconciler),
            metrics: Arc::clone(&self.metrics),
            plan: self.plan.clone(),
            scrape: Arc::clone(&self.scrape),
            tracer: Arc::clone(&self.tracer),
            features: self.features.clone(),
            pod_events: self.pod_events.clone(),
        }
    }
}

/// Serves until `stop` resolves, then finishes the running requests.
///
/// # Errors
/// The limit of open files cannot be read.
pub async fn serve<N: ReconcileOps>(
    listener: UnixListener,
    app: App<N>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let limits = Limits {
        connections: serve::connections(CONNECTIONS)?,
    };
    serve::serve(listener, |io, _| Peer::of(io), router(app), limits, stop).await;
    Ok(())
}

fn router<N: ReconcileOps>(app: App<N>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready::<N>))
        .route("/healthz", get(ready::<N>))
        .route("/metrics", get(metrics::<N>))
        .route("/v1/version", get(version))
        .route("/v1/attachments", get(attachments::<N>))
        .route("/v1/node", get(node::<N>))
        .route("/v1/plan", get(plan::<N>))
        .route("/v1/trace", get(trace::<N>))
        .route("/v1/reconcile", post(reconcile::<N>))
        .route("/v1/cni/add", post(add::<N>))
        .route("/v1/cni/del", post(del::<N>))
        .route("/v1/cni/check", post(check::<N>))
        .route("/v1/cni/gc", post(gc::<N>))
        .route("/v1/cni/status", post(status::<N>))
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(only_root))
        .with_state(app)
}

/// Refuses peers other than root with 403.
pub(crate) async fn only_root(
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.is_root() {
        return match serve::read_body(request, BODY_MAX).await {
            Ok(request) => next.run(request).await,
            Err(e) => refusal(
                e.status(),
                ErrorReply {
                    code: code::IO_FAILURE,
                    msg: e.to_string(),
                    details: String::new(),
                },
            ),
        };
    }
    refusal(
        StatusCode::FORBIDDEN,
        ErrorReply {
            code: code::IO_FAILURE,
            msg: "netd serves root only".to_owned(),
            details: String::new(),
        },
    )
}

async fn unknown(request: Request) -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        ErrorReply {
            code: code::UNSUPPORTED_VERSION,
            msg: format!(
                "netd does not serve {} {}",
                request.method(),
                request.uri().path()
            ),
            details: format!("this netd serves version {} of its messages", api::VERSION),
        },
    )
}

pub(crate) fn refusal(status: StatusCode, error: ErrorReply) -> Response {
    (status, Json(error)).into_response()
}

fn failed(error: &AttachError) -> Response {
    let status = match error.cni_code() {
        code::TRY_AGAIN_LATER | code::NOT_AVAILABLE | code::LIMITED_CONNECTIVITY => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        code::INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    refusal(status, error.reply())
}

/// Parses a request of a supported version. An error gives the position and does not quote the
/// request, because a configuration may contain secrets.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Response>> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: Option<u32>,
    }
    let bad = |code, msg: String, details: String| {
        Box::new(refusal(
            StatusCode::BAD_REQUEST,
            ErrorReply { code, msg, details },
        ))
    };
    let decode = |e: serde_json::Error| {
        bad(
            code::DECODE,
            format!("the request cannot be read: {e}"),
            "see the messages in netd's documentation".to_owned(),
        )
    };
    let versioned: Versioned = serde_json::from_slice(body).map_err(decode)?;
    if versioned.version != Some(api::VERSION) {
        let given = versioned
            .version
            .map_or("none".to_owned(), |v| v.to_string());
        return Err(bad(
            code::UNSUPPORTED_VERSION,
            format!(
                "the request is of version {given}, and this netd serves {}",
                api::VERSION
            ),
            "plugin and netd are of different releases: update the older one".to_owned(),
        ));
    }
    serde_json::from_slice(body).map_err(decode)
}

/// Executes a CNI call in a task of its own, so that it runs to its end if the client disconnects.
async fn call<N, T, R, F, Fut>(
    app: App<N>,
    command: &'static str,
    body: axum::body::Bytes,
    span: fn(&T) -> tracing::Span,
    run: F,
) -> Response
where
    N: ReconcileOps,
    T: DeserializeOwned + Send + 'static,
    R: Serialize + Send + 'static,
    F: FnOnce(Engine<N>, T) -> Fut,
    Fut: Future<Output = Result<R, AttachError>> + Send + 'static,
{
    let started = Instant::now();
    let request: T = match parse(&body) {
        Ok(request) => request,
        Err(response) => return *response,
    };
    let span = span(&request);
    let task = tokio::spawn(run(app.engine, request).instrument(span.clone()));
    let result = task.await.unwrap_or(Err(AttachError::Interrupted));
    let code = result.as_ref().err().map_or(0, AttachError::cni_code);
    app.metrics.call(command, code, started.elapsed());
    match result {
        Ok(reply) => Json(reply).into_response(),
        Err(e) => {
            span.in_scope(|| tracing::warn!(code, error = %e, "refused"));
            failed(&e)
        }
    }
}

async fn add<N: ReconcileOps>(State(app): State<App<N>>, body: axum::body::Bytes) -> Response {
    let events = app.pod_events.clone();
    call(
        app,
        "add",
        body,
        |r: &AddRequest| {
            tracing::info_span!(
                "cni.add",
                container_id = %r.key.container_id,
                ifname = %r.key.ifname,
                network = %r.key.network,
                pod = %format_args!("{}/{}", r.pod.namespace, r.pod.name),
            )
        },
        |engine, r: AddRequest| async move {
            let done = engine.add(&r).await;
            if let Err(error) = &done {
                events.tell(&r.pod, error);
            }
            done
        },
    )
    .await
}

async fn del<N: ReconcileOps>(State(app): State<App<N>>, body: axum::body::Bytes) -> Response {
    call(
        app,
        "del",
        body,
        |r: &DelRequest| {
            tracing::info_span!(
                "cni.del",
                container_id = %r.key.container_id,
                ifname = %r.key.ifname,
                network = %r.key.network,
            )
        },
        |engine, r: DelRequest| async move { engine.del(&r.key).await },
    )
    .await
}

async fn check<N: ReconcileOps>(State(app): State<App<N>>, body: axum::body::Bytes) -> Response {
    call(app, "check", body, |r: &CheckRequest| {
        tracing::info_span!("cni.check", container_id = %r.key.container_id, ifname = %r.key.ifname)
    }, |engine, r: CheckRequest| async move { engine.check(&r).await })
    .await
}

async fn gc<N: ReconcileOps>(State(app): State<App<N>>, body: axum::body::Bytes) -> Response {
    call(
        app,
        "gc",
        body,
        |r: &GcRequest| tracing::info_span!("cni.gc", network = %r.network, valid = r.valid.len()),
        |engine, r: GcRequest| async move { engine.gc(&r).await },
    )
    .await
}

async fn status<N: ReconcileOps>(State(app): State<App<N>>, body: axum::body::Bytes) -> Response {
    call(
        app,
        "status",
        body,
        |r: &StatusRequest| tracing::debug_span!("cni.status", network = %r.network),
        |engine, r: StatusRequest| async move { engine.status(&r) },
    )
    .await
}

/// 200 if packets pass and ADD is served; else 503 with the reason.
async fn ready<N: ReconcileOps>(State(app): State<App<N>>) -> Response {
    match app.state.ready() {
        Ok(()) => "ok\n".into_response(),
        Err(e) => failed(&e.into()),
    }
}

pub(crate) async fn version() -> Json<VersionReply> {
    Json(VersionReply {
        server: concat!("netd ", env!("CARGO_PKG_VERSION")).to_owned(),
        versions: vec![api::VERSION],
    })
}

async fn metrics<N: ReconcileOps>(State(app): State<App<N>>) -> Response {
    app.scrape.refresh().await;
    flatnet_daemon::metrics::reply(app.metrics.encode())
}

async fn attachments<N: ReconcileOps>(State(app): State<App<N>>) -> Json<Vec<AttachmentView>> {
    let records = app.state.ipam().list();
    let shown = records.iter().map(|r| {
        let name = crate::attach::plan::host_ifname(r.generation);
        view::attachment(r, app.state.node().port_number(name.as_str()))
    });
    Json(shown.collect())
}

async fn node<N: ReconcileOps>(State(app): State<App<N>>) -> Json<NodeView<Arc<NodeSpec>>> {
    Json(NodeView {
        datapath: app.features.get(),
        plan: Some(app.plan.borrow().status()),
        ..view::node(&app.state, &app.reconciler.last())
    })
}

async fn plan<N: ReconcileOps>(State(app): State<App<N>>) -> Response {
    match app.reconciler.dry_run().await {
        Ok((actual, plan)) => Json(view::plan(&plan, actual)).into_response(),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, e.to_string()).into_response(),
    }
}

async fn trace<N: ReconcileOps>(State(app): State<App<N>>, request: Request) -> Response {
    let packet = match Packet::from_query(request.uri().query().unwrap_or_default()) {
        Ok(packet) => packet,
        Err(e) => return unusable(StatusCode::BAD_REQUEST, code::DECODE, &e),
    };
    match app.tracer.trace(packet).await {
        Ok(facts) => Json(facts).into_response(),
        Err(e) => unusable(StatusCode::SERVICE_UNAVAILABLE, code::TRY_AGAIN_LATER, &e),
    }
}

fn unusable(status: StatusCode, code: u32, error: &dyn std::error::Error) -> Response {
    let error = ErrorReply {
        code,
        msg: error.to_string(),
        details: String::new(),
    };
    refusal(status, error)
}

async fn reconcile<N: ReconcileOps>(State(app): State<App<N>>) -> Json<ReconcileView> {
    app.reconciler.retry_now();
    let report = app.reconciler.reconcile().await;
    app.metrics.reconciled(&report);
    Json(report.view)
}
