//! Once a second: checks what has no events, and whether Open vSwitch's processes answer.
//!
//! A process that exits closes its socket, which is an event; one that hangs does not.

use std::time::{Duration, Instant};

use flatnet_ovs::openflow::{FlowFilter, OpenFlowError, SwitchState};
use flatnet_ovs::ovsdb::ConnState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::daemon_node::DaemonNode;
use crate::flows;
use crate::problems::Problem;
use crate::reconcile::FRAGMENTS;
use crate::state::NodeState;

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a process may send nothing at all while an answer is due. With [`INTERVAL`], a hanging
/// process is reported within two seconds. With hundreds of ADDs at once answers took 0.3 s, on a
/// slow machine over a second; other answers arrived meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(900);
/// A process that hung for so long may have been changed meanwhile, by others or by its restart. One
/// that was late is overloaded, and must not be read anew for each of its late answers.
const HUNG: Duration = Duration::from_secs(5);
/// Source name of this task's problems on the board.
const SOURCE: &str = "pulse";

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It answered, and nothing differs.
    Unchanged,
    /// It answered, and something differs.
    Changed,
    /// There is no connection, which other tasks report.
    Disconnected,
    /// There is no answer yet, but other messages arrived meanwhile.
    Busy,
    /// There is a connection, and nothing arrives.
    Unresponsive,
}

/// The result of a check without an answer, by the number of received messages before and after it.
fn without_answer(before: u64, after: u64) -> Answer {
    match before == after {
        true => Answer::Unresponsive,
        false => Answer::Busy,
    }
}

pub(super) async fn run(state: NodeState<DaemonNode>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let repair_requested = state.repair_requested();
    // The number of flows at the last check, used where the switch has no flow monitor.
    let mut count = None;
    let mut unresponsive = [false; 2];
    let mut silent_since = None;
    loop {
        ticks.tick().await;
        let (switch, database) = tokio::join!(switch(state.node(), &mut count), database(&state));
        let mut problems = Vec::new();
        let before = std::mem::replace(
            &mut unresponsive,
            [switch, database].map(|answer| answer == Answer::Unresponsive),
        );
        if unresponsive[0] {
            let text = "ovs-vswitchd holds its connection and does not answer: it hangs or is \
                        overloaded";
            let hint = "ovs-appctl -T 2 version; systemctl restart openvswitch-switch";
            problems.push(Problem::blocking("switch-away", text).repaired_by(hint));
        }
        if unresponsive[1] {
            let text = "ovsdb-server holds its connection and does not answer: it hangs or is \
                        overloaded";
            let hint = "ovsdb-client -t 2 list-dbs; systemctl restart ovsdb-server";
            problems.push(Problem::blocking("database-away", text).repaired_by(hint));
        }
        if unresponsive != before || unresponsive != [false; 2] {
            state.board().post(SOURCE, problems);
        }
        let hung = if unresponsive == [false; 2] {
            let since = silent_since.take();
            since.is_some_and(|since: Instant| since.elapsed() >= HUNG)
        } else {
            silent_since.get_or_insert_with(Instant::now);
            false
        };
        if switch == Answer::Changed || hung {
            repair_requested.notify_one();
        }
    }
}

async fn switch(node: &DaemonNode, count: &mut Option<u32>) -> Answer {
    let switch = node.switch();
    if !matches!(*switch.state().borrow(), SwitchState::Connected { .. }) {
        return Answer::Disconnected;
    }
    let read = async {
        let (settings, meters, groups) =
            tokio::join!(switch.settings(), switch.meters(), switch.groups());
        let mut changed = settings?.fragments != FRAGMENTS
            || node.meters_differ(&meters?)
            || !groups?.contains(&flows::group());
        if !switch.tells_of_flows() {
            // The count shows added and deleted flows; changed ones are found by the regular
            // resync.
            let now = switch.count(FlowFilter::default()).await?.flows;
            changed |= count.replace(now).is_some_and(|before| before != now);
        }
        Ok::<_, OpenFlowError>(changed)
    };
    let received = switch.heard();
    match timeout(ANSWER_TIMEOUT, read).await {
        Ok(Ok(false)) => Answer::Unchanged,
        Ok(Ok(true)) => Answer::Changed,
        Ok(Err(OpenFlowError::Disconnected { .. } | OpenFlowError::Closed)) => Answer::Disconnected,
        // An answer that cannot be parsed is an answer.
        Ok(Err(OpenFlowError::Rejected { .. } | OpenFlowError::BadReply(_))) => Answer::Unchanged,
        Ok(Err(_)) | Err(_) => without_answer(received, switch.heard()),
    }
}

async fn database(state: &NodeState<DaemonNode>) -> Answer {
    let database = state.node().database();
    if !matches!(*database.state().borrow(), ConnState::Ready { .. }) {
        return Answer::Disconnected;
    }
    let received = database.heard();
    // An empty transaction writes nothing.
    match timeout(ANSWER_TIMEOUT, database.transact(&[])).await {
        Ok(_) => Answer::Unchanged,
        Err(_) => without_answer(received, database.heard()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_sends_anything_while_an_answer_is_due_is_busy_not_unresponsive() {
        assert_eq!(without_answer(7, 7), Answer::Unresponsive);
        assert_eq!(without_answer(7, 8), Answer::Busy);
    }
}
