//! Probes the datapath: sends frames through it once a second.
//!
//! ```text
//!   AF_PACKET ─▶ fnprobe0p ═ fnprobe0 ─▶ br-flat: CLASSIFY, SECURITY, DELIVER
//!                                               │  a new UDP source port each time,
//!                                               │  so that no cached flow answers
//!   AF_PACKET ◀─ fnprobe1p ═ fnprobe1 ◀─────────┘
//! ```
//!
//! A frame of IPv4 and one of IPv6 must come out with the destination MAC that netd's flows write.
//! A packet-out would not do: it passes the OpenFlow tables but not the datapath. A failed probe is
//! the problem `datapath`.

mod frame;
mod round;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use flatnet_kernel::{Fault, Kernel, PacketError, PacketSocket, Receives};
use flatnet_types::IfName;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::problems::{Board, Problem};
pub use frame::Family;
pub use round::{Outcome, Rounds, Wire};

/// The ends that are ports of the bridge, the sending one first.
pub const PORTS: [&str; 2] = ["fnprobe0", "fnprobe1"];
/// Their peers, on which netd sends and receives.
pub const PEERS: [&str; 2] = ["fnprobe0p", "fnprobe1p"];
/// The links of [`PORTS`].
pub const PORT_LINKS: [IfName; 2] = [IfName::literal(PORTS[0]), IfName::literal(PORTS[1])];
/// The links of [`PEERS`].
pub const PEER_LINKS: [IfName; 2] = [IfName::literal(PEERS[0]), IfName::literal(PEERS[1])];

/// Interval between the starts of two rounds.
const INTERVAL: Duration = Duration::from_secs(1);
/// Pause after a failed round.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Source name of the probe's problem on the board.
const SOURCE: &str = "probe";
/// The problem's code.
pub const CODE: &str = "datapath";

/// Posts the problem that exists until the first round has passed.
pub fn post_initial_problem(board: &Board) {
    board.post(
        SOURCE,
        vec![Problem::blocking(
            CODE,
            "no frame of netd's own has crossed the bridge yet",
        )],
    );
}

/// Probes and posts the result, until it is dropped. Each failure requests a reconcile by `repair_requested`:
/// the cause may be a change without an event.
pub async fn run(kernel: Kernel, board: Board, bridge: String, repair_requested: Arc<Notify>) {
    let mut rounds = Rounds::new(seed());
    let mut wire = None;
    loop {
        let started = Instant::now();
        let outcome = match open(&kernel, &mut wire).await {
            Ok(open) => rounds.round(open).await,
            Err(e) => Outcome::Broken(e.to_string()),
        };
        if matches!(outcome, Outcome::Broken(_)) {
            // Sockets end with their links, which may have been recreated.
            wire = None;
        }
        let problem = problem(&outcome, &bridge);
        let pause = match &problem {
            None => INTERVAL.saturating_sub(started.elapsed()),
            Some(_) => {
                repair_requested.notify_one();
                RETRY_INTERVAL
            }
        };
        board.post(SOURCE, problem.into_iter().collect());
        tokio::time::sleep(pause).await;
    }
}

/// The first frame number, which differs between runs of netd: frames of the new run have other
/// source ports and do not match flows that the datapath still caches from the last run.
fn seed() -> u64 {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    time.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX))
}

/// The problem of an outcome; `None` if it passed.
fn problem(outcome: &Outcome, bridge: &str) -> Option<Problem> {
    let text = match outcome {
        Outcome::Passed => return None,
        Outcome::Lost(families) => {
            let families: Vec<&str> = families.iter().map(|f| f.name()).collect();
            format!(
                "packets do not pass the bridge {bridge}: a frame of netd's own ({}) went in by \
                 {} and did not come out of {} within {} ms",
                families.join(" and "),
                PORTS[0],
                PORTS[1],
                round::ROUND_TIMEOUT.as_millis()
            )
        }
        Outcome::Broken(why) => {
            format!("whether packets pass the bridge {bridge} cannot be seen: {why}")
        }
    };
    Some(Problem::blocking(CODE, text))
}

/// The two sockets.
struct Sockets {
    sender: PacketSocket,
    receiver: PacketSocket,
}

impl Wire for Sockets {
    fn send(&self, frame: &[u8]) -> Result<(), Fault> {
        self.sender.send(frame)
    }

    async fn receive(&self, frame: &mut [u8]) -> Result<usize, Fault> {
        self.receiver.receive(frame).await
    }
}

/// Returns the sockets, and opens them if needed.
async fn open<'w>(
    kernel: &Kernel,
    wire: &'w mut Option<Sockets>,
) -> Result<&'w Sockets, PacketError> {
    if wire.is_none() {
        let [from, to] = PEER_LINKS;
        *wire = Some(Sockets {
            sender: kernel.packet_socket(&from, Receives::Nothing).await?,
            receiver: kernel.packet_socket(&to, Receives::All).await?,
        });
    }
    match wire {
        Some(wire) => Ok(wire),
        None => unreachable!("it was opened above"),
    }
}
