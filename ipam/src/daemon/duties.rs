//! What only the one that leads does: it keeps the ledger, and writes to the cluster what is accepted, what
//! nodes need, and how ranges are. Without an election it is what ipamd does.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flatnet_k8s_client::{Cluster, LedgerPlace};
use flatnet_plan_source::Version;
use flatnet_types::ipamd::Incarnation;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::cli::RunArgs;
use super::cluster_ledger::ClusterObjects;
use super::http::{self, Plans};
use super::lease_place::LeasePlace;
use super::metrics::Metrics;
use super::range_status;
use super::role::Role;
use super::source::Publisher;
use crate::assign::{
    Clock, Declared, LedgerConfig, LedgerStore, ObjectLedger, RedbLedger, Service, ServiceError,
    ServiceStart, Trust,
};
use crate::store::StoreError;

/// The ledger's file in the state directory.
pub(super) const LEDGER_FILE: &str = "ledger.redb";
/// How often quarantines are checked, and a plan that could not be applied is tried again.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How often pools are sampled for the forecast and the metrics.
const SAMPLE_EVERY: Duration = Duration::from_secs(60);

/// What the duties are carried out with.
pub(super) struct Duties {
    pub(super) args: Arc<RunArgs>,
    pub(super) clock: Clock,
    pub(super) plan: Plans,
    pub(super) metrics: Arc<Metrics>,
    /// Where the plan is from a cluster.
    pub(super) publisher: Option<Publisher>,
}

/// Duties that can be carried out: the ledger is read, and its service answers.
pub(super) struct Ready {
    duties: Duties,
    service: Service,
    /// The plan that the ledger has.
    in_force: Version,
}

/// The head of the ledger beside the Lease: a ConfigMap of the same namespace.
pub(super) fn ledger_of(lease: &LeasePlace) -> LedgerPlace {
    LedgerPlace {
        namespace: lease.namespace.to_string(),
        name: format!("{}-ledger", &*lease.name),
    }
}

impl Duties {
    /// Reads the ledger and carries the duties out, as one that was elected. Does not end by itself.
    ///
    /// # Errors
    /// The ledger cannot be read, or another one writes it.
    pub(super) async fn carry_out(self, roles: watch::Sender<Role>) -> Result<()> {
        roles.send_replace(Role::Starting);
        let ready = self.begin().await?;
        roles.send_replace(Role::Leads(ready.service.clone()));
        ready.run().await
    }

    /// Reads the ledger, and starts its service.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) async fn begin(self) -> Result<Ready> {
        let begun = Instant::now();
        let incarnation = incarnation()?;
        let accepted = self.plan.borrow().accepted.clone();
        let (version, hosts) = (accepted.version, accepted.plan.hosts().len());
        let config = LedgerConfig {
            quarantine: self.args.quarantine,
            grace: self.args.grace,
        };
        let objects = self.objects()?;
        let (args, clock) = (Arc::clone(&self.args), Arc::clone(&self.clock));
        // Both stores block.
        let started = tokio::task::spawn_blocking(move || {
            let (store, trust): (Box<dyn LedgerStore>, Trust) = match objects {
                Some(objects) => {
                    let store = ObjectLedger::open(objects, writer(&args, incarnation))?;
                    let trust = store.trust();
                    (Box::new(store), trust)
                }
                None => {
                    let store = open_file(&args)?;
                    let trust = store.trust();
                    (Box::new(store), trust)
                }
            };
            let start = ServiceStart {
                incarnation,
                trust,
                config,
                declared: accepted.plan,
                clock,
            };
            let (service, outcome) = Service::start(store, start)?;
            anyhow::Ok((service, outcome, trust))
        });
        let (service, outcome, trust) = started.await.context("start the ledger")??;
        if trust == Trust::RestoredFromBackup {
            warn!(
                "the ledger is an older copy, or was made after a loss: nothing new is granted until every host of the plan has reported what it holds (or `POST /v1/ledger/trust`)"
            );
        }
        info!(
            version = env!("CARGO_PKG_VERSION"),
            hosts,
            waiting = outcome.waiting,
            drained = outcome.drained.len(),
            ?trust,
            took_ms = begun.elapsed().as_millis(),
            socket = %self.args.socket.display(),
            "serving"
        );
        Ok(Ready {
            duties: self,
            service,
            in_force: version,
        })
    }

    /// The ledger's objects; `None` where it is a file.
    fn objects(&self) -> Result<Option<ClusterObjects>> {
        let Some(lease) = &self.args.elect else {
            return Ok(None);
        };
        let Some(publisher) = &self.publisher else {
            bail!("--elect needs --plan-from-cluster");
        };
        let cluster = Arc::clone(publisher.cluster());
        Ok(Some(ClusterObjects::new(cluster, ledger_of(lease))))
    }
}

impl Ready {
    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Carries the duties out. Does not end by itself.
    ///
    /// # Errors
    /// Another one writes the ledger.
    pub(super) async fn run(self) -> Result<()> {
        let Self {
            duties,
            service,
            in_force,
        } = self;
        let Duties {
            args,
            plan,
            metrics,
            publisher,
            ..
        } = duties;
        let ledger = ledger_in_cluster(&args, publisher.as_ref());
        let statuses = async {
            if let Some(cluster) = ledger {
                range_status::publish(cluster, service.clone(), args.quarantine).await;
            }
        };
        let publishes = async {
            if let Some(publisher) = publisher {
                let grants = args.elect.is_some().then(|| service.clone());
                publisher.run(grants, &metrics).await;
            }
        };
        let plans = Plan {
            service: &service,
            serves_all: args.elect.is_some(),
        };
        let rest = async {
            let ((), (), ()) = tokio::join!(statuses, publishes, plans.follow(plan, in_force));
            // There are no more plans: ipamd is stopping.
            std::future::pending().await
        };
        tokio::select! {
            ticked = tick_and_sample(&service, &metrics) => ticked,
            never = rest => never,
        }
    }
}

/// The API server, where the ledger is there.
fn ledger_in_cluster(args: &RunArgs, publisher: Option<&Publisher>) -> Option<Arc<Cluster>> {
    args.elect.as_ref()?;
    publisher.map(|p| Arc::clone(p.cluster()))
}

/// A random incarnation.
fn incarnation() -> Result<Incarnation> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .context("read /dev/urandom")?;
    Ok(Incarnation(u64::from_ne_bytes(bytes)))
}

/// Who this process is in the ledger's head, which no other process ever is.
fn writer(args: &RunArgs, incarnation: Incarnation) -> String {
    let host = || nix::unistd::gethostname().unwrap_or_default();
    let name = args.identity.clone();
    let name = name.unwrap_or_else(|| host().to_string_lossy().into_owned());
    format!("{name}_{incarnation}")
}

fn open_file(args: &RunArgs) -> Result<RedbLedger> {
    let path = args.state.join(LEDGER_FILE);
    let there = flatnet_files::is_there(&path)
        .with_context(|| format!("look for the ledger {}", path.display()))?;
    if !there && args.init {
        RedbLedger::create(&path, Trust::New)?;
    } else if !there {
        bail!(
            "there is no ledger at {}: `ipamd init` makes one for a new cluster, `ipamd init --after-loss` one for a cluster whose hosts hold ranges",
            path.display()
        );
    }
    Ok(RedbLedger::open(&path)?)
}

/// Makes the state directory.
///
/// # Errors
/// If it cannot be made.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("make {}", dir.display()))
}

/// Follows the accepted plan.
struct Plan<'a> {
    service: &'a Service,
    /// Whether hosts get their ranges before they ask.
    serves_all: bool,
}

impl Plan<'_> {
    /// Applies each accepted plan to the ledger; `in_force` is the version that it has. Cancel safe: a plan is
    /// applied as a whole.
    async fn follow(&self, mut plan: Plans, mut in_force: Version) {
        let mut served = !self.serves_all;
        loop {
            let state = plan.borrow_and_update().clone();
            while state.accepted.version != in_force || !served {
                match self
                    .apply(&state.accepted.plan, state.accepted.version != in_force)
                    .await
                {
                    Ok(()) => {
                        in_force = state.accepted.version;
                        served = true;
                    }
                    // The store failed: try again, with a newer plan if there is one by then.
                    Err(e) => {
                        error!(error = %e, "the plan could not be applied yet");
                        let next = tokio::time::timeout(TICK_EVERY, plan.changed()).await;
                        if next.is_ok() {
                            plan.mark_changed();
                            break;
                        }
                    }
                }
            }
            if plan.changed().await.is_err() {
                // The source has ended: ipamd is stopping.
                return;
            }
        }
    }

    async fn apply(&self, declared: &Arc<Declared>, is_new: bool) -> Result<(), ServiceError> {
        if is_new {
            let outcome = self.service.declare(Arc::clone(declared)).await?;
            info!(
                hosts = declared.hosts().len(),
                drained = outcome.drained.len(),
                waiting = outcome.waiting,
                "the changed plan is in force"
            );
            for (host, range) in outcome.drained {
                info!(%host, %range, "drains: the plan no longer gives it to this host");
            }
        }
        match self.serves_all {
            true => self.service.ask_all().await,
            false => Ok(()),
        }
    }
}

/// Ends quarantines and samples the pools, periodically. Cancel safe.
///
/// # Errors
/// Another one writes the ledger.
async fn tick_and_sample(service: &Service, metrics: &Metrics) -> Result<()> {
    let mut ticks = 0;
    loop {
        tokio::time::sleep(TICK_EVERY).await;
        match service.tick().await {
            Err(e) if is_superseded(&e) => return Err(e.into()),
            Err(e) => warn!(error = %e, "the ledger"),
            Ok(()) => {}
        }
        ticks += 1;
        if ticks % SAMPLE_EVERY.as_secs() == 0
            && let Err(e) = http::sample(service, metrics).await
        {
            warn!(error = %e, "the pools");
        }
    }
}

fn is_superseded(error: &ServiceError) -> bool {
    match error {
        ServiceError::Store { source } => matches!(**source, StoreError::Superseded { .. }),
        ServiceError::Assign(_) | ServiceError::Stopped => false,
    }
}
