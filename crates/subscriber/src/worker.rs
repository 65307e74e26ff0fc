//! Acknowledges in one cluster, and renews the lease there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_clock::Backoff;
use flatnet_k8s_api::addresses::Acknowledgement;
use flatnet_k8s_client::{Cluster, ClusterError};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::options::Options;
use crate::report::Report;
use crate::target::Target;

/// Delays after a call that failed.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));

/// What the worker of a cluster has to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Duty {
    /// For how many seconds a renewal lasts; `None`: the set does not know this subscriber.
    pub(crate) lease: Option<u32>,
    /// The set that the generation is of, and the generation.
    pub(crate) acknowledge: Option<(String, i64)>,
}

/// Acknowledges in one cluster, and renews the lease there. Cancel safe: what was written in doubt is written
/// again.
pub(crate) async fn worker(
    cluster: Arc<Cluster>,
    options: Arc<Options>,
    mut duty: watch::Receiver<Duty>,
    to: mpsc::Sender<Report>,
) {
    let name = options.name.clone().unwrap_or_default();
    let server = cluster.server().to_owned();
    let mut acknowledged = None;
    let mut failures: u32 = 0;
    loop {
        let now = duty.borrow_and_update().clone();
        let Some(seconds) = now.lease else {
            // Nothing to do until the set knows this subscriber; its sender is dropped at the end.
            if duty.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut said = Vec::new();
        let renewed = cluster.renew_subscriber(&options.set, &name, &options.holder, seconds);
        let mut failed = renewed.await.err();
        if failed.is_none() && now.acknowledge.is_some() && now.acknowledge != acknowledged {
            match acknowledge(&cluster, &options, &name, now.acknowledge.as_ref()).await {
                Ok(generation) => {
                    acknowledged.clone_from(&now.acknowledge);
                    said.extend(generation.map(|generation| Report::Acknowledged {
                        server: server.clone(),
                        generation,
                    }));
                }
                Err(error) => failed = Some(error),
            }
        }
        let wait = match failed {
            None => {
                failures = 0;
                Duration::from_secs(seconds.into()) / 3
            }
            Some(error) => {
                failures += 1;
                if failures == 1 {
                    said.push(Report::Away {
                        server: server.clone(),
                        error,
                    });
                }
                AGAIN
                    .delay(failures)
                    .min(Duration::from_secs(seconds.into()) / 3)
            }
        };
        for report in said {
            if to.send(report).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = duty.changed() => if changed.is_err() {
                return;
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
}

async fn acknowledge(
    cluster: &Cluster,
    options: &Options,
    name: &str,
    wanted: Option<&(String, i64)>,
) -> Result<Option<i64>, ClusterError> {
    let Some((_, generation)) = wanted else {
        return Ok(None);
    };
    let at = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    let acknowledgement = Acknowledgement {
        subscriber: name.to_owned(),
        generation: *generation,
        at: Time(at),
        targets: options.targets.iter().map(Target::to_string).collect(),
    };
    cluster.acknowledge(&options.set, &acknowledgement).await?;
    Ok(Some(*generation))
}
