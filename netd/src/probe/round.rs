//! One round of the probe: frames of both families out, and both back in time.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use flatnet_kernel::Fault;
use nix::errno::Errno;
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{FRAME_MAX, Family, build, recognise};

/// How long a round waits for a frame of each family. With a second from one round to the next,
/// packets that do not pass are noticed within two.
pub(super) const ROUND_TIMEOUT: Duration = Duration::from_millis(700);
/// When a frame that has not come out is sent anew, with another source port: one lost frame
/// is no outage.
const RESEND: Duration = Duration::from_millis(200);
/// How many numbers back a frame may have been sent that comes out in a round: the frames of five
/// rounds in which nothing came out. On a node that is short of processor time frames take longer
/// than a round; what comes out now passes now, however late.
const LATE_FRAMES_MAX: u64 = 40;

/// Where frames go in and come out.
pub trait Wire {
    /// Sends a frame into the first port.
    ///
    /// # Errors
    /// As [`flatnet_kernel::PacketSocket::send`].
    fn send(&self, frame: &[u8]) -> Result<(), Fault>;

    /// Waits for a frame out of the second port, and returns its length.
    fn receive(&self, frame: &mut [u8]) -> impl Future<Output = Result<usize, Fault>> + Send;
}

/// What came of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Both families came out.
    Passed,
    /// These did not.
    Lost(Vec<Family>),
    /// Nothing could be sent or received, and why.
    Broken(String),
}

/// Rounds one after another, no two with the same numbers.
#[derive(Debug)]
pub struct Rounds {
    next: u64,
}

impl Rounds {
    /// Numbers from `seed` on.
    pub fn new(seed: u64) -> Self {
        Self { next: seed }
    }

    /// Sends and waits. What came out before it proves nothing of now.
    pub async fn round(&mut self, wire: &impl Wire) -> Outcome {
        let deadline = Instant::now() + ROUND_TIMEOUT;
        let mut missing = BTreeSet::from(Family::ALL);
        let mut buffer = [0; FRAME_MAX];
        while let Ok(came) = timeout(Duration::ZERO, wire.receive(&mut buffer)).await {
            if let Err(fault) = came {
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
                        let seen = recognise(&buffer[..n.min(FRAME_MAX)]);
                        if let Some((family, number)) = seen
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

/// Whether the link takes no frame just now.
fn is_full(fault: &Fault) -> bool {
    let full = [Errno::ENOBUFS, Errno::EAGAIN].map(|e| e as i32);
    fault.errno().is_some_and(|e| full.contains(&e))
}
