//! One round of the probe: sends a frame of each family and waits for both.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use flatnet_kernel::Fault;
use nix::errno::Errno;
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{FRAME_MAX, Family, build, recognise};

/// How long a round waits for a frame of each family. With a round each second, an outage is
/// noticed within two seconds.
pub(super) const ROUND_TIMEOUT: Duration = Duration::from_millis(700);
/// When a missing frame is sent again, with another source port: one lost frame is no outage.
const RESEND: Duration = Duration::from_millis(200);
/// How old a received frame's number may be to count: the frames of five failed rounds. On a node
/// that is short of CPU frames take longer than a round, and a late frame still proves that packets
/// pass now.
const LATE_FRAMES_MAX: u64 = 40;

/// The two sockets of the probe.
pub trait Wire {
    /// Sends a frame into the first port.
    ///
    /// # Errors
    /// As [`flatnet_kernel::PacketSocket::send`].
    fn send(&self, frame: &[u8]) -> Result<(), Fault>;

    /// Waits for a frame out of the second port, and returns its length.
    fn receive(&self, frame: &mut [u8]) -> impl Future<Output = Result<usize, Fault>> + Send;
}

/// The result of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A frame of each family was received.
    Passed,
    /// No frame of these families was received.
    Lost(Vec<Family>),
    /// A socket failed; the error.
    Broken(String),
}

/// Numbers the frames of successive rounds.
#[derive(Debug)]
pub struct Rounds {
    next: u64,
}

impl Rounds {
    /// Starts with the number `seed`.
    pub fn new(seed: u64) -> Self {
        Self { next: seed }
    }

    /// Runs a round. Frames that were received before it are discarded.
    pub async fn round(&mut self, wire: &impl Wire) -> Outcome {
        let deadline = Instant::now() + ROUND_TIMEOUT;
        let mut missing = BTreeSet::from(Family::ALL);
        let mut buffer = [0; FRAME_MAX];
        while let Ok(received) = timeout(Duration::ZERO, wire.receive(&mut buffer)).await {
            if let Err(fault) = received {
                return Outcome::Broken(fault.to_string());
            }
        }
        while !missing.is_empty() {
            for family in &missing {
                if let Err(fault) = wire.send(&build(*family, self.next))
                    && !is_full(&fault)
                {
                    return Outcome::Broken(fault.to_string());
                }
                self.next = self.next.wrapping_add(1);
            }
            let until = deadline.min(Instant::now() + RESEND);
            while !missing.is_empty() {
                match timeout_at(until, wire.receive(&mut buffer)).await {
                    Ok(Ok(n)) => {
                        let recognised = recognise(&buffer[..n.min(FRAME_MAX)]);
                        if let Some((family, number)) = recognised
                            && (1..=LATE_FRAMES_MAX).contains(&self.next.wrapping_sub(number))
                        {
                            missing.remove(&family);
                        }
                    }
                    Ok(Err(fault)) => return Outcome::Broken(fault.to_string()),
                    Err(_) => break,
                }
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        match missing.is_empty() {
            true => Outcome::Passed,
            false => Outcome::Lost(missing.into_iter().collect()),
        }
    }
}

/// Whether the link's queue is full at the moment.
fn is_full(fault: &Fault) -> bool {
    let full = [Errno::ENOBUFS, Errno::EAGAIN].map(|e| e as i32);
    fault.errno().is_some_and(|e| full.contains(&e))
}
