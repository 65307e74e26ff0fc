//! HTTP/JSON: the same routes on the unix socket and over TCP.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, MatchedPath, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use flatnet_daemon::serve::read_body;
use flatnet_daemon::socket::Peer;
use flatnet_types::NodeName;
use flatnet_types::ipamd::{Drain, Grants, Grow, HostRanges, PlanReply, PoolView, Release, Report};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::auth::Token;
use super::failure::Failure;
use super::metrics::{Metrics, RunsOut};
use super::rights::Rights;
use super::role::{Role, Roles};
use super::tls_caller::Caller;
use crate::assign::{Declared, PoolUsage, Service, ServiceError, Wait};

/// The largest request body in bytes: a report of a few thousand ranges.
const BODY_MAX: usize = 1 << 20;
/// How long a watch waits if the query has no `wait`.
const WAIT_DEFAULT: &str = "30s";
/// The longest wait of a watch.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The state of the plan's source.
pub(crate) type Plans = watch::Receiver<flatnet_plan_source::State<Declared>>;

/// State of the handlers.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) role: Roles,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) plan: Plans,
}

impl App {
    /// The ledger's service.
    ///
    /// # Errors
    /// This one stands by, and says who leads.
    fn service(&self) -> Result<Service, Failure> {
        self.role.borrow().service().cloned()
    }
}

/// The routes on the unix socket: for root only.
pub(crate) fn unix_router(app: App) -> Router {
    router(app).layer(middleware::from_fn(root_only))
}

/// The routes on the TCP listener: for callers with a certificate, or with the token if there is
/// one.
pub(crate) fn tcp_router(app: App, token: Option<Token>) -> Router {
    router(app).layer(middleware::from_fn_with_state(
        Arc::new(token),
        authenticate,
    ))
}

fn router(app: App) -> Router {
    Router::new()
        .route("/v1/hosts/{host}/ranges", get(ranges))
        .route("/v1/hosts/{host}/use", post(report))
        .route("/v1/hosts/{host}/peers", get(peers))
        .route("/v1/grants", get(grants))
        .route("/v1/ranges", get(list))
        .route("/v1/ranges/drain", post(drain))
        .route("/v1/ranges/release", post(release))
        .route("/v1/ranges/grow", post(grow))
        .route("/v1/owner", get(owner))
        .route("/v1/pools", get(pools))
        .route("/v1/plan", get(plan))
        .route("/v1/ledger/trust", post(trust))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .fallback(no_route)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .route_layer(middleware::from_fn_with_state(app.clone(), measured))
        .with_state(app)
}

async fn no_route() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "noRoute",
        "there is no such path; docs/ipamd.md lists them",
    )
}

async fn measured(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|m| m.as_str().to_owned())
        .unwrap_or_default();
    let response = next.run(request).await;
    app.metrics
        .request(&route, response.status().as_u16(), begun.elapsed());
    response
}

async fn root_only(
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    if peer.is_root() {
        request.extensions_mut().insert(Rights::all());
        return read_body_then_run(request, next).await;
    }
    Failure::new(
        StatusCode::FORBIDDEN,
        "notRoot",
        "only root is served on this socket",
    )
    .into_response()
}

/// Reads the body within the limits of size and time, then runs the handler. Called after
/// authentication.
async fn read_body_then_run(request: Request, next: Next) -> Response {
    match read_body(request, BODY_MAX).await {
        Ok(request) => next.run(request).await,
        Err(e) => Failure::new(e.status(), "badBody", e.to_string()).into_response(),
    }
}

/// Authenticates a caller over TCP. A certificate names one caller and the token does not, so a
/// certificate takes precedence: a caller that presents both has the permissions of its certificate
/// only.
async fn authenticate(
    State(token): State<Arc<Option<Token>>>,
    mut request: Request,
    next: Next,
) -> Response {
    // Load balancers have no credentials; these show no state but who leads.
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return next.run(request).await;
    }
    // `None` without TLS.
    let caller = request.extensions().get::<ConnectInfo<Caller>>();
    let identity = caller.and_then(|ConnectInfo(caller)| caller.identity.as_ref());
    let rights = match (identity, &*token) {
        (Some(identity), _) => Rights::of(identity).ok_or_else(|| {
            let message = "this certificate names no node (a DNS name, URI:flatnet:node:NAME), no \
                           reader (URI:flatnet:reader) and no admin (URI:flatnet:admin)";
            Failure::new(StatusCode::FORBIDDEN, "nobody", message)
        }),
        (None, Some(token)) if token.authenticates(request.headers()) => Ok(Rights::all()),
        (None, Some(_)) => {
            let message = "bring the token of ipamd's --token-file: `Authorization: Bearer …`";
            Err(Failure::new(StatusCode::UNAUTHORIZED, "token", message))
        }
        (None, None) => {
            let message = "bring a certificate of ipamd's --tls-client-ca";
            Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                "certificate",
                message,
            ))
        }
    };
    match rights {
        Ok(rights) => {
            request.extensions_mut().insert(rights);
            read_body_then_run(request, next).await
        }
        Err(refused) => {
            let challenge = refused.status == StatusCode::UNAUTHORIZED && token.is_some();
            let mut response = refused.into_response();
            if challenge {
                let bearer = axum::http::HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(axum::http::header::WWW_AUTHENTICATE, bearer);
            }
            response
        }
    }
}

fn host_of(name: &str) -> Result<NodeName, Failure> {
    NodeName::new(name).map_err(|e| Failure::new(StatusCode::BAD_REQUEST, "badName", e.to_string()))
}

fn body_of<T: DeserializeOwned>(body: &Bytes) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| Failure::new(StatusCode::BAD_REQUEST, "badBody", e.to_string()))
}

#[derive(Debug, Deserialize)]
struct Watch {
    after: Option<String>,
    wait: Option<String>,
}

/// `30s` or `30`, at most [`WAIT_MAX`].
fn wait_of(text: &str) -> Result<Duration, Failure> {
    let seconds: f64 = text.trim_end_matches('s').parse().unwrap_or(f64::NAN);
    Duration::try_from_secs_f64(seconds)
        .map(|wait| wait.min(WAIT_MAX))
        .map_err(|_| {
            let message = format!("wait={text}: a number of seconds is wanted, such as 30s");
            Failure::new(StatusCode::BAD_REQUEST, "badWait", message)
        })
}

/// With `after`, waits until the revision differs. Cancel safe.
async fn ranges(
    rights: Rights,
    State(app): State<App>,
    Path(host): Path<String>,
    Query(watch): Query<Watch>,
) -> Result<Json<Arc<HostRanges>>, Failure> {
    let host = host_of(&host)?;
    rights.require_host(&host)?;
    let mut ranges = app.service()?.watch(&host).await?;
    if let Some(wait) = watch.wait()? {
        let changed = ranges.wait_for(|r| r.revision != wait.after);
        // After a timeout the answer is the unchanged one.
        let _ = tokio::time::timeout(wait.at_most, changed).await;
    }
    let ranges = Arc::clone(&ranges.borrow());
    Ok(Json(ranges))
}

impl Watch {
    /// The parameters of the long poll; `None` if the query has no `after`.
    fn wait(self) -> Result<Option<Wait>, Failure> {
        let Some(after) = self.after else {
            return Ok(None);
        };
        let at_most = wait_of(self.wait.as_deref().unwrap_or(WAIT_DEFAULT))?;
        Ok(Some(Wait { after, at_most }))
    }
}

/// What all hosts hold. Cancel safe.
async fn grants(
    rights: Rights,
    State(app): State<App>,
    Query(watch): Query<Watch>,
) -> Result<Json<Grants>, Failure> {
    rights.require_reader()?;
    Ok(Json(app.service()?.grants(watch.wait()?).await?))
}

/// What the other hosts of the host's segment hold. Cancel safe.
async fn peers(
    rights: Rights,
    State(app): State<App>,
    Path(host): Path<String>,
    Query(watch): Query<Watch>,
) -> Result<Json<Grants>, Failure> {
    let host = host_of(&host)?;
    rights.require_host(&host)?;
    Ok(Json(app.service()?.peers(&host, watch.wait()?).await?))
}

async fn report(
    rights: Rights,
    State(app): State<App>,
    Path(host): Path<String>,
    body: Bytes,
) -> Result<Json<Arc<HostRanges>>, Failure> {
    let host = host_of(&host)?;
    rights.require_host(&host)?;
    let report: Report = body_of(&body)?;
    Ok(Json(app.service()?.report(&host, report.held).await?))
}

async fn list(rights: Rights, State(app): State<App>) -> Result<Response, Failure> {
    rights.require_reader()?;
    let listing = app
        .service()?
        .inspect(|ledger, now| ledger.list(now))
        .await?;
    Ok(Json(listing).into_response())
}

async fn drain(
    rights: Rights,
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Arc<HostRanges>>, Failure> {
    rights.require_admin()?;
    let drain: Drain = body_of(&body)?;
    let host = drain.host.clone();
    tracing::info!(%host, range = %drain.prefix, cancel = drain.cancel, "drain");
    app.service()?.drain(drain).await?;
    Ok(Json(app.service()?.ranges(&host).await?))
}

async fn release(
    rights: Rights,
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Arc<HostRanges>>, Failure> {
    let release: Release = body_of(&body)?;
    if release.force {
        rights.require_admin()?;
    }
    // A host may release its own ranges.
    rights.require_host(&release.host)?;
    let host = release.host.clone();
    tracing::info!(%host, range = %release.prefix, force = release.force, "release");
    app.service()?.release(release).await?;
    let after = app
        .service()?
        .last_known(&host)
        .ok_or(ServiceError::Stopped)?;
    let after = Arc::clone(&after.borrow());
    Ok(Json(after))
}

async fn grow(
    rights: Rights,
    State(app): State<App>,
    body: Bytes,
) -> Result<Json<Arc<HostRanges>>, Failure> {
    rights.require_admin()?;
    let grow: Grow = body_of(&body)?;
    let host = grow.host.clone();
    tracing::info!(%host, network = %grow.network, "grow");
    app.service()?.grow(grow).await?;
    Ok(Json(app.service()?.ranges(&host).await?))
}

async fn trust(rights: Rights, State(app): State<App>) -> Result<StatusCode, Failure> {
    rights.require_admin()?;
    tracing::warn!("an admin declared the ledger correct");
    app.service()?.trust().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct OwnerOf {
    address: String,
}

async fn owner(
    rights: Rights,
    State(app): State<App>,
    Query(of): Query<OwnerOf>,
) -> Result<Response, Failure> {
    rights.require_reader()?;
    let address: IpAddr = of.address.parse().map_err(|_| {
        let message = format!("{:?} is no address", of.address);
        Failure::new(StatusCode::BAD_REQUEST, "badAddress", message)
    })?;
    let owner = app.service()?.inspect(move |l, _| l.owner(address)).await?;
    Ok(Json(owner).into_response())
}

fn pool_view(pool: &PoolUsage, runs_out: &RunsOut) -> PoolView {
    PoolView {
        network: pool.network.to_string(),
        pool: pool.pool.to_string(),
        slice_length: pool.slice,
        size: pool.size,
        owned: pool.owned,
        quarantined: pool.quarantined,
        withheld: pool.withheld,
        free: pool.free(),
        leases: pool.leases,
        used: pool.used,
        capacity: pool.capacity,
        ranges_exhausted_in: runs_out.ranges.map(|d| d.as_secs()),
        addresses_exhausted_in: runs_out.addresses.map(|d| d.as_secs()),
    }
}

async fn pools(rights: Rights, State(app): State<App>) -> Result<Response, Failure> {
    rights.require_reader()?;
    let (pools, runs_out) = sample(&app.service()?, &app.metrics).await?;
    let views = pools.iter().zip(&runs_out);
    let views: Vec<PoolView> = views.map(|(p, r)| pool_view(p, r)).collect();
    Ok(Json(views).into_response())
}

/// Reads the usage of the pools, and updates the metrics and forecasts.
pub(crate) async fn sample(
    service: &Service,
    metrics: &Metrics,
) -> Result<(Vec<PoolUsage>, Vec<RunsOut>), ServiceError> {
    let inspection = service.inspect(|ledger, now| {
        let (leases, waiting) = ledger.counts();
        (
            ledger.pools(),
            leases,
            waiting,
            ledger.in_grace_period(now),
            now,
        )
    });
    let (pools, leases, waiting, in_grace_period, now) = inspection.await?;
    metrics.ledger(leases, waiting, in_grace_period);
    let runs_out = metrics.pools(&pools, now);
    Ok((pools, runs_out))
}

async fn plan(rights: Rights, State(app): State<App>) -> Result<Json<PlanReply>, Failure> {
    rights.require_reader()?;
    let status = app.plan.borrow().status();
    Ok(Json(PlanReply {
        loaded_at: status.since,
        status,
    }))
}

async fn metrics(rights: Rights, State(app): State<App>) -> Result<Response, Failure> {
    rights.require_reader()?;
    scraped(State(app)).await
}

async fn scraped(State(app): State<App>) -> Result<Response, Failure> {
    // A standby has metrics of its plan and its requests.
    let service = app.service().ok();
    app.metrics.leads(service.is_some());
    if let Some(service) = service {
        sample(&service, &app.metrics).await?;
    }
    Ok(flatnet_daemon::metrics::reply(app.metrics.encode()))
}

/// For Prometheus, which has no certificate of ours: numbers, and nothing else.
pub(crate) fn metrics_router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(scraped))
        .with_state(app)
}

async fn readiness(State(app): State<App>) -> (StatusCode, String) {
    app.role.borrow().readiness()
}

async fn health(State(app): State<App>) -> Result<&'static str, Failure> {
    // Succeeds if the ledger's thread answers and its store is writable.
    let role = app.role.borrow().clone();
    match role {
        Role::Leads(service) => {
            service.tick().await?;
            Ok("ok\n")
        }
        Role::Standby { .. } => Ok("standby\n"),
        Role::Starting => Ok("starting\n"),
    }
}
