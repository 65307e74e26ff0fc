//! Every few seconds: posts the problem of containers that send more ARP and neighbour discovery
//! than their limit. The meter drops the excess.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flatnet_ipam::Record;
use flatnet_ovs::openflow::MeterStats;
use tokio::time::{MissedTickBehavior, interval};

use crate::attach::plan::Attachment;
use crate::daemon_node::DaemonNode;
use crate::flows::Limit;
use crate::metrics::Readings;
use crate::problems::Problem;
use crate::state::NodeState;

/// Not more often, because each meter costs a request to the kernel's datapath.
const INTERVAL: Duration = Duration::from_secs(5);
/// Source name of this task's problems on the board.
const SOURCE: &str = "floods";

/// By slot: frames that its meter has dropped.
type Dropped = BTreeMap<u16, u64>;

pub(super) async fn run(state: NodeState<DaemonNode>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // `None` until a first reading, which has nothing to compare with.
    let mut readings: Option<Readings<u16>> = None;
    let mut named = false;
    loop {
        ticks.tick().await;
        // A switch that does not answer is another problem; its meters begin at zero.
        let stats = state.node().switch().meter_stats().await;
        let increases = match stats.ok().map(|stats| dropped(&stats)) {
            None => {
                readings = None;
                Dropped::new()
            }
            Some(now) => match &mut readings {
                Some(readings) => readings.increase(now),
                None => {
                    readings.insert(Readings::default()).increase(now);
                    Dropped::new()
                }
            },
        };
        if !increases.is_empty() || named {
            let problems = problems(&state.ipam().list(), &increases);
            named = !problems.is_empty();
            state.board().post(SOURCE, problems);
        }
    }
}

fn dropped(stats: &[MeterStats]) -> Dropped {
    let of = |s: &MeterStats| match Limit::of_meter(s.id)? {
        (Limit::Neighbours, slot) => Some((slot, s.packets_dropped)),
        _ => None,
    };
    stats.iter().filter_map(of).collect()
}

fn problems(records: &[Arc<Record>], increases: &Dropped) -> Vec<Problem> {
    let flooding = |record: &Arc<Record>| {
        let frames = increases.get(&record.slot)?;
        let pod = Attachment::from_record(record).ok()?.detail.pod;
        let pod = match pod.name.as_str() {
            "" => String::new(),
            name => format!(" (pod {}/{name})", pod.namespace),
        };
        let text = format!(
            "attachment {}{pod} sends more ARP and neighbour discovery than `neighbourRate` of network \
             {} allows: {frames} frames were dropped in the last {} s, and others are not affected",
            record.key,
            record.network,
            INTERVAL.as_secs()
        );
        Some(Problem::non_blocking("neighbour-flood", text))
    };
    records.iter().filter_map(flooding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_meters_of_the_neighbour_limit_count() {
        let of = |id| MeterStats {
            id,
            flows: 1,
            packets_in: 9,
            bytes_in: 9,
            packets_dropped: 3,
            bytes_dropped: 3,
            age: Duration::ZERO,
        };
        let [ingress, egress, neighbours] = Limit::meters_of(7);
        let stats = [ingress, egress, neighbours].map(of);
        assert_eq!(dropped(&stats), [(7, 3)].into());
    }
}
