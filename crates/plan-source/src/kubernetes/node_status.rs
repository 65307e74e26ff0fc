//! What a node says of itself, in the status of its `NodeNetwork`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_k8s_api::status::{
    ACCEPTED, AcceptedRevision, AddressCount, NodeNetworkStatus, ProblemStatus, READY, RangeStatus,
};
use flatnet_k8s_client::{Cluster, Seen};
use flatnet_types::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

use super::node::OwnObject;
use super::verdict::{DIAGNOSTICS_MAX, bounded, cut, time};
use crate::{Refusal, State};

/// How often it is looked whether the status says something else than the node; nothing is asked for that.
const LOOK: Duration = Duration::from_secs(1);
/// How often numbers of addresses are written where nothing else changed: ten thousand nodes write 330 a second
/// at most.
const COUNTS: Duration = Duration::from_secs(30);
/// When a status that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The most problems of a status.
const PROBLEMS_MAX: usize = 20;

/// What a node says of itself.
#[derive(Debug, Clone, Default)]
pub struct NodeReport {
    /// Why it does not serve; `None`: it does.
    pub not_ready: Option<String>,
    /// Its ranges.
    pub ranges: Vec<RangeStatus>,
    /// Its problems, those that keep it from serving first.
    pub problems: Vec<ProblemStatus>,
}

/// Writes what `states` and `report` say to the status of the node's own object, where it says something else;
/// until there are no more states. Cancel safe: a status is written as a whole.
pub async fn publish_node_status<T>(
    cluster: Arc<Cluster>,
    mut own: OwnObject,
    states: watch::Receiver<State<T>>,
    report: impl Fn() -> NodeReport,
) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was written last, until the server tells it.
    let mut written: Option<NodeNetworkStatus> = None;
    let mut next_counts = Instant::now();
    let mut not_before = Instant::now();
    let mut told = String::new();
    loop {
        ticks.tick().await;
        if own.has_changed().unwrap_or(true) {
            written = None;
        }
        let Some(seen) = own.borrow_and_update().clone() else {
            if states.has_changed().is_err() {
                return;
            }
            continue;
        };
        let state = states.borrow().clone();
        let old = written.clone().unwrap_or_else(|| status_of(&seen));
        let new = status(&state, &seen, &report(), &old);
        let now = Instant::now();
        let only_counts = without_counts(&new) == without_counts(&old);
        if new == old || only_counts && now < next_counts || now < not_before {
            continue;
        }
        match cluster.apply_node_status(&seen.object.name, &new).await {
            Ok(()) => {
                written = Some(new);
                next_counts = now + COUNTS;
                told.clear();
            }
            Err(error) => {
                not_before = now + RETRY;
                let text = Refusal::Cluster(Box::new(error)).text();
                if text != told {
                    warn!(why = text, "the node's status is not written; trying again");
                    told = text;
                }
            }
        }
    }
}

/// As the server has it. One that this version does not understand counts as none.
fn status_of(seen: &Seen) -> NodeNetworkStatus {
    serde_json::from_value(seen.status.clone()).unwrap_or_default()
}

fn without_counts(status: &NodeNetworkStatus) -> NodeNetworkStatus {
    let mut status = status.clone();
    status.addresses = None;
    for range in &mut status.ranges {
        range.addresses = AddressCount::default();
    }
    status
}

/// What the status is to say over `old`.
pub(super) fn status<T>(
    state: &State<T>,
    seen: &Seen,
    report: &NodeReport,
    old: &NodeNetworkStatus,
) -> NodeNetworkStatus {
    let accepted = &state.accepted;
    let refused = state.refused.as_deref();
    // A server that gives no answer is told that it does not when it does again, and then it is over.
    let refused = refused.filter(|r| !matches!(r.why, Refusal::Cluster(_)));
    let (reason, message) = match refused.map(|r| &r.why) {
        None => ("Valid", "the objects are the node's plan".to_owned()),
        Some(why @ Refusal::Unusable { .. }) => ("Unusable", why.headline()),
        Some(why) => ("Invalid", why.headline()),
    };
    let served = (
        "Serving",
        "packets pass, and attaching is served".to_owned(),
    );
    let (ready, why_ready) = match &report.not_ready {
        None => (true, served),
        Some(why) => (false, ("NotReady", why.clone())),
    };
    let condition = |kind: &str, is: bool, (reason, message): (&str, String)| {
        let status = if is { "True" } else { "False" };
        let before = old.conditions.iter().find(|c| c.type_ == kind);
        let before = before.filter(|c| c.status == status);
        let now = || time(Timestamp::from(SystemTime::now()));
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: cut(&message),
            last_transition_time: before.map_or_else(now, |c| c.last_transition_time.clone()),
            observed_generation: seen.generation,
        }
    };
    let diagnostics = refused.map_or(&[][..], |r| r.why.objects());
    NodeNetworkStatus {
        observed_generation: seen.generation,
        accepted: Some(AcceptedRevision {
            revision: accepted.version.to_string(),
            short: accepted.version.short(),
            since: time(accepted.since),
        }),
        refused_revision: refused.and_then(|r| Some(r.version?.to_string())),
        diagnostics: diagnostics
            .iter()
            .take(DIAGNOSTICS_MAX)
            .map(bounded)
            .collect(),
        addresses: Some(sum(&report.ranges)),
        ranges: report.ranges.clone(),
        problem_count: u32::try_from(report.problems.len()).unwrap_or(u32::MAX),
        problems: report
            .problems
            .iter()
            .take(PROBLEMS_MAX)
            .map(bounded_problem)
            .collect(),
        conditions: vec![
            condition(READY, ready, why_ready),
            condition(ACCEPTED, refused.is_none(), (reason, message)),
        ],
    }
}

fn sum(ranges: &[RangeStatus]) -> AddressCount {
    /// The largest integer that every reader of JSON has exactly: 2⁵³.
    const MOST: u64 = 1 << 53;
    let add = |a: u64, b: u64| a.saturating_add(b).min(MOST);
    ranges
        .iter()
        .fold(AddressCount::default(), |all, r| AddressCount {
            capacity: add(all.capacity, r.addresses.capacity),
            used: add(all.used, r.addresses.used),
            quarantined: add(all.quarantined, r.addresses.quarantined),
            free: add(all.free, r.addresses.free),
        })
}

fn bounded_problem(problem: &ProblemStatus) -> ProblemStatus {
    ProblemStatus {
        code: cut(&problem.code),
        blocking: problem.blocking,
        text: cut(&problem.text),
        repair: problem.repair.as_deref().map(cut),
    }
}
