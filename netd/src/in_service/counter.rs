//! Reads how many new connections came to an attachment, and knows since when the number is whole.
//!
//! ```text
//!   flows and meters are in ─▶ the datapath acts by them ─▶ in force: every new connection is in the meter
//!            ▲                                                  │
//!            └────────── a meter is another one, a flow is gone ┘
//! ```

use std::future::Future;
use std::time::Duration;

use flatnet_ipam::Record;
use flatnet_k8s_api::in_service::Counts;
use flatnet_ovs::appctl;
use flatnet_ovs::openflow::MeterStats;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

use crate::attach::plan::{self, Attachment};
use crate::flows::{Counted, METERS};
use crate::node_ops::NodeOps;
use crate::real::RealNode;
use crate::state::NodeState;

/// How long the datapath may take to act by new flows, where `ovs-vswitchd` does not say when it does: it begins a
/// round over its cache every half second (`other_config:max-revalidator`), and keeps the cache small enough for a
/// round to last no more than two.
const REVALIDATION_MAX: Duration = Duration::from_secs(3);

/// What a count needs of the switch.
pub(crate) trait ConnectionCounter: NodeOps {
    /// Waits until the datapath acts by the flows that the switch has now. `false`: that is not known.
    fn revalidated(&self) -> impl Future<Output = bool> + Send;

    /// The counters of a meter; `None`: there is none, or the switch does not answer.
    fn meter(&self, id: u32) -> impl Future<Output = Option<MeterStats>> + Send;
}

impl ConnectionCounter for RealNode {
    async fn revalidated(&self) -> bool {
        match appctl::revalidated(self.rundir()).await {
            Ok(()) => true,
            Err(appctl::AppctlError::Refused { message, .. }) => {
                debug!(
                    message,
                    "not told when flows are in force: waiting as long as it can take"
                );
                tokio::time::sleep(REVALIDATION_MAX).await;
                true
            }
            Err(error) => {
                debug!(%error, "it is not known whether flows are in force");
                false
            }
        }
    }

    async fn meter(&self, id: u32) -> Option<MeterStats> {
        self.switch().meter(id).await.ok().flatten()
    }
}

#[cfg(feature = "faults")]
impl<N: ConnectionCounter> ConnectionCounter for crate::faults::FaultyNode<N> {
    async fn revalidated(&self) -> bool {
        N::revalidated(self).await
    }

    async fn meter(&self, id: u32) -> Option<MeterStats> {
        N::meter(self, id).await
    }
}

/// What is counted is whole from a moment on.
#[derive(Debug, Default)]
enum Force {
    /// The flows are not in.
    #[default]
    Awaited,
    /// They are, and the datapath may not act by them yet. The task says whether it does.
    Revalidating(JoinHandle<bool>),
    /// It does.
    Whole,
}

/// The count of one attachment.
#[derive(Debug)]
pub(super) struct Counter {
    counted: Counted,
    /// The latest time at which the meters can have been made.
    made: Option<Instant>,
    force: Force,
}

/// A reading of the meters.
struct Reading {
    counts: Counts,
    /// How many flows use each.
    flows: [u32; METERS],
    /// The earliest and the latest time at which the youngest one can have been made.
    made: (Instant, Instant),
}

impl Counter {
    pub(super) fn new(counted: Counted) -> Self {
        Self {
            counted,
            made: None,
            force: Force::Awaited,
        }
    }

    /// What came so far; `None` while that is not whole.
    pub(super) async fn read<N: ConnectionCounter>(
        &mut self,
        state: &NodeState<N>,
        record: &Record,
        counted: &Counted,
    ) -> Option<Counts> {
        if self.counted != *counted {
            *self = Self::new(counted.clone());
        }
        let reading = self.reading(state).await;
        let is_in = |r: &Reading| Some(r.flows) == wanted_flows(state, record, counted);
        let Some(reading) = reading.filter(is_in) else {
            *self = Self::new(counted.clone());
            return None;
        };
        // Made anew, it has missed what came in between.
        let (earliest, latest) = reading.made;
        if self.made.is_some_and(|made| earliest > made) {
            self.force = Force::Awaited;
        }
        self.made = Some(latest);
        match &mut self.force {
            Force::Whole => return Some(reading.counts),
            Force::Awaited => {
                let state = state.clone();
                let told = async move { state.node().revalidated().await };
                self.force = Force::Revalidating(tokio::spawn(told));
            }
            Force::Revalidating(task) if task.is_finished() => {
                self.force = match task.await {
                    Ok(true) => Force::Whole,
                    _ => Force::Awaited,
                };
            }
            Force::Revalidating(_) => {}
        }
        None
    }

    async fn reading<N: ConnectionCounter>(&self, state: &NodeState<N>) -> Option<Reading> {
        let asked = Instant::now();
        let [connections, by_node, datagrams] = self.counted.meters();
        let connections = state.node().meter(connections).await?;
        let by_node = state.node().meter(by_node).await?;
        let datagrams = state.node().meter(datagrams).await?;
        let age = connections.age.min(by_node.age).min(datagrams.age);
        let before = |now: Instant| now.checked_sub(age).unwrap_or(now);
        Some(Reading {
            counts: Counts {
                connections: connections.packets_in,
                by_node: by_node.packets_in,
                datagrams: datagrams.packets_in,
            },
            flows: [connections.flows, by_node.flows, datagrams.flows],
            made: (before(asked), before(Instant::now())),
        })
    }
}

/// How many flows are to use each of its meters.
fn wanted_flows<N: NodeOps>(
    state: &NodeState<N>,
    record: &Record,
    counted: &Counted,
) -> Option<[u32; METERS]> {
    let attachment = Attachment::from_record(record).ok()?;
    let planned = plan::plan(&state.spec(), &state.ports().ok()?, &attachment).ok()?;
    let row = planned.row.number;
    let flows = planned.counting(counted).flows_at(row);
    let of = |meter| {
        flows
            .iter()
            .filter(|f| f.instructions.meter == Some(meter))
            .count()
    };
    Some(
        counted
            .meters()
            .map(|meter| u32::try_from(of(meter)).unwrap_or(u32::MAX)),
    )
}
