//! Says at a pod in Kubernetes why it was not attached.
//!
//! ```text
//!   server: ADD failed ─▶ [PodEvents::tell] ─ bounded channel ─▶ [run] ─▶ [Ledger::take] ─▶ create │ repeat │ nothing
//! ```
//!
//! The runtime repeats a failed ADD again and again. One event for each pod and reason is made, and told to have
//! happened again once a minute at most; what is more than the limits of a node is left out, and an ADD never
//! waits for any of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flatnet_ipam::{AllocateError, ReserveError};
use flatnet_k8s_api::pod_event::PodEvent;
use flatnet_k8s_client::Cluster;
use flatnet_types::api::{PodRef, code};
use flatnet_types::{NodeName, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use crate::attach::AttachError;

/// Failures that may wait for the API server; more are left out.
const WAITING: usize = 64;
/// How often an event is told to have happened again, at most.
const AGAIN: Duration = Duration::from_secs(60);
/// An event that did not happen for so long is another one when it does (client-go: 6 minutes).
const FORGOTTEN: Duration = Duration::from_secs(360);
/// Pods and reasons that are remembered at once.
const REMEMBERED: usize = 256;
/// New events at once, and the time in which one more may be made: a node makes 30 a minute for long.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_secs(2);

/// A failed ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failed {
    pod: PodRef,
    reason: &'static str,
    note: String,
}

/// Where failed ADDs are told. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct PodEvents(Option<mpsc::Sender<Failed>>);

impl PodEvents {
    /// Tells that a pod was not attached. Nothing is told of what is no pod, or where there is no cluster.
    pub fn tell(&self, pod: &PodRef, error: &AttachError) {
        let Some(sender) = &self.0 else { return };
        if pod.namespace.is_empty() || pod.name.is_empty() || pod.uid.is_empty() {
            return;
        }
        let failed = Failed {
            pod: pod.clone(),
            reason: reason(error),
            note: note(error),
        };
        // Where the API server is away, the oldest wait and what is new is left out.
        let _ = sender.try_send(failed);
    }
}

/// One word for machines; docs/kubernetes.md lists them.
fn reason(error: &AttachError) -> &'static str {
    if exhausted(error).is_some() {
        return "NoAddressLeft";
    }
    match error.cni_code() {
        code::ADDRESS_UNAVAILABLE => "AddressUnavailable",
        code::INVALID_CONFIG => "NetworkRefused",
        code::TRY_AGAIN_LATER => "NetworkNotReady",
        _ => "AttachFailed",
    }
}

fn exhausted(error: &AttachError) -> Option<&AllocateError> {
    match error {
        AttachError::Reserve(ReserveError::Allocate(e @ AllocateError::Exhausted { .. })) => {
            Some(e)
        }
        _ => None,
    }
}

/// In a sentence for who looks at the pod.
fn note(error: &AttachError) -> String {
    let Some(AllocateError::Exhausted {
        network,
        family,
        ranges,
        next_free_in,
    }) = exhausted(error)
    else {
        return error.to_string();
    };
    let sum = |of: fn(&flatnet_ipam::RangeUsage) -> u128| ranges.iter().map(of).sum::<u128>();
    let (used, quarantined) = (sum(|r| r.used), sum(|r| r.quarantined));
    let next = match next_free_in {
        Some(wait) => format!(
            ", the next one is free in {} s",
            wait.as_millis().div_ceil(1000)
        ),
        None => String::new(),
    };
    format!(
        "no {family} address left of network {network} on this host: {used} in use, {quarantined} in quarantine{next}"
    )
}

/// What is to be done for a failure.
#[derive(Debug, PartialEq, Eq)]
enum Op {
    /// The first of its pod and reason.
    Create(PodEvent),
    /// So many in all, by now.
    Repeat { name: String, count: u32 },
}

/// An event that was made.
#[derive(Debug)]
struct Made {
    name: String,
    count: u32,
    last: Instant,
    written: Instant,
}

/// What was told, and how much more may be. Pure: time is given.
#[derive(Debug)]
struct Ledger {
    /// By the pod's uid and the reason.
    made: BTreeMap<(String, &'static str), Made>,
    tokens: u32,
    refilled: Instant,
    serial: u64,
}

impl Ledger {
    fn new(now: Instant) -> Self {
        Self {
            made: BTreeMap::new(),
            tokens: BURST,
            refilled: now,
            serial: 0,
        }
    }

    /// What is to be done for a failure at `now`, which is `at` by the wall clock.
    fn take(&mut self, failed: Failed, now: Instant, at: Timestamp) -> Option<Op> {
        self.made
            .retain(|_, made| now.saturating_duration_since(made.last) < FORGOTTEN);
        let key = (failed.pod.uid.clone(), failed.reason);
        if let Some(made) = self.made.get_mut(&key) {
            made.count = made.count.saturating_add(1);
            made.last = now;
            if now.saturating_duration_since(made.written) < AGAIN {
                return None;
            }
            made.written = now;
            return Some(Op::Repeat {
                name: made.name.clone(),
                count: made.count,
            });
        }
        if self.made.len() >= REMEMBERED || !self.spend(now) {
            return None;
        }
        self.serial += 1;
        let name = PodEvent::name_of(&failed.pod, at, self.serial);
        let made = Made {
            name: name.clone(),
            count: 1,
            last: now,
            written: now,
        };
        self.made.insert(key, made);
        Some(Op::Create(PodEvent {
            name,
            pod: failed.pod,
            reason: failed.reason,
            note: failed.note,
            at,
        }))
    }

    /// Whether one more event may be made.
    fn spend(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        let due = u32::try_from(due).unwrap_or(u32::MAX);
        if due > 0 {
            self.tokens = self.tokens.saturating_add(due).min(BURST);
            self.refilled = now;
        }
        let may = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        may
    }
}

/// Where failed ADDs are told, and what writes them, as a task to be run.
pub(crate) fn channel(
    cluster: Arc<Cluster>,
    node: NodeName,
) -> (PodEvents, impl Future<Output = ()> + Send) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (PodEvents(Some(sender)), run(cluster, node, receiver))
}

/// Writes events until nobody tells of any more. Cancel safe: an event is written as a whole. One that cannot be
/// written is left out: it is said in netd's log too.
async fn run(cluster: Arc<Cluster>, node: NodeName, mut failures: mpsc::Receiver<Failed>) {
    let mut ledger = Ledger::new(Instant::now());
    let mut told = String::new();
    while let Some(failed) = failures.recv().await {
        let namespace = failed.pod.namespace.clone();
        let at = Timestamp::from(SystemTime::now());
        let done = match ledger.take(failed, Instant::now(), at) {
            None => continue,
            Some(Op::Create(event)) => cluster.create_pod_event(&event, node.as_str()).await,
            Some(Op::Repeat { name, count }) => {
                cluster
                    .repeat_pod_event((&namespace, &name), count, at)
                    .await
            }
        };
        match done {
            Ok(()) => told.clear(),
            Err(error) => {
                let why = error.to_string();
                if why != told {
                    warn!(why, "an event at a pod is not written");
                    told = why;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_000);

    fn failed(pod: &str, reason: &'static str) -> Failed {
        let of = |text: &str| text.to_owned();
        Failed {
            pod: PodRef {
                namespace: of("shop"),
                name: of(pod),
                uid: format!("uid-{pod}"),
            },
            reason,
            note: of("why"),
        }
    }

    #[test]
    fn the_runtimes_retries_are_one_event_that_is_told_again_once_a_minute() {
        let begun = Instant::now();
        let mut ledger = Ledger::new(begun);
        let mut at = |seconds: u64, pod: &str, reason| {
            let now = begun + Duration::from_secs(seconds);
            ledger.take(failed(pod, reason), now, AT)
        };
        let Some(Op::Create(event)) = at(0, "web-0", "NoAddressLeft") else {
            panic!("it is the first");
        };
        for second in 1..60 {
            assert_eq!(at(second, "web-0", "NoAddressLeft"), None);
        }
        let again = Op::Repeat {
            name: event.name.clone(),
            count: 61,
        };
        assert_eq!(at(60, "web-0", "NoAddressLeft"), Some(again));
        assert_eq!(at(61, "web-0", "NoAddressLeft"), None);
        // Another reason, and another pod, are events of their own.
        assert!(matches!(
            at(62, "web-0", "AttachFailed"),
            Some(Op::Create(_))
        ));
        assert!(matches!(
            at(62, "web-1", "NoAddressLeft"),
            Some(Op::Create(_))
        ));
        // After six minutes without it, it is another one.
        let Some(Op::Create(later)) = at(61 + 360, "web-0", "NoAddressLeft") else {
            panic!("it is new");
        };
        assert_ne!(later.name, event.name);
    }

    #[test]
    fn a_node_makes_a_burst_of_events_and_then_one_every_two_seconds() {
        let begun = Instant::now();
        let mut ledger = Ledger::new(begun);
        let mut made = |from: u32, seconds: u64| {
            let now = begun + Duration::from_secs(seconds);
            let pods = (from..from + 100).map(|i| failed(&format!("p{i}"), "AttachFailed"));
            pods.filter_map(|f| ledger.take(f, now, AT)).count()
        };
        assert_eq!(made(0, 0), 20);
        assert_eq!(made(100, 1), 0);
        assert_eq!(made(200, 10), 5);
        assert_eq!(made(300, 3600), 20);
    }

    #[test]
    fn a_pod_without_an_address_is_told_how_many_are_in_quarantine_and_when_one_is_free() {
        let usage = |used, quarantined| flatnet_ipam::RangeUsage {
            range: flatnet_ipam::Span::from(
                "10.0.0.0/29"
                    .parse::<ipnetwork::IpNetwork>()
                    .expect("a prefix"),
            ),
            capacity: 6,
            used,
            quarantined,
            free: 0,
        };
        let error = AllocateError::Exhausted {
            network: "web".parse().expect("a name"),
            family: flatnet_ipam::Family::V4,
            ranges: vec![usage(4, 2), usage(5, 1)],
            next_free_in: Some(Duration::from_millis(11_200)),
        };
        let error = AttachError::Reserve(ReserveError::Allocate(error));
        assert_eq!(reason(&error), "NoAddressLeft");
        assert_eq!(
            note(&error),
            "no IPv4 address left of network web on this host: 9 in use, 3 in quarantine, the next one is free in 12 s"
        );
    }

    #[test]
    fn what_is_no_pod_and_what_is_too_much_is_left_out() {
        let (sender, mut receiver) = mpsc::channel(1);
        let events = PodEvents(Some(sender));
        events.tell(&PodRef::default(), &AttachError::Interrupted);
        let pod = failed("web-0", "").pod;
        events.tell(&pod, &AttachError::Interrupted);
        events.tell(&pod, &AttachError::Interrupted);
        assert!(receiver.try_recv().is_ok());
        assert!(receiver.try_recv().is_err());
        PodEvents::default().tell(&pod, &AttachError::Interrupted);
    }
}
