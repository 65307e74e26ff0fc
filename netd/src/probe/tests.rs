use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use flatnet_kernel::Fault;
use nix::errno::Errno;
use tokio::sync::mpsc;

use super::frame::{Family, recognise};
use super::{Outcome, Rounds, Wire, problem};
use crate::flows::probe::TARGET_MAC;
use crate::problems::Effect;

/// A bridge in memory.
struct Bridge {
    out: mpsc::UnboundedSender<Vec<u8>>,
    into: tokio::sync::Mutex<mpsc::UnboundedReceiver<Vec<u8>>>,
    /// How many frames it drops before it passes any.
    loses: Mutex<usize>,
    /// It drops all frames of IPv6.
    drops_ipv6: AtomicBool,
    /// It passes frames unchanged, like a learning switch.
    learns: AtomicBool,
    gone: AtomicBool,
    sent: Mutex<Vec<Vec<u8>>>,
}

impl Bridge {
    fn new() -> Self {
        let (out, into) = mpsc::unbounded_channel();
        Self {
            out,
            into: tokio::sync::Mutex::new(into),
            loses: Mutex::new(0),
            drops_ipv6: AtomicBool::new(false),
            learns: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            sent: Mutex::default(),
        }
    }

    fn lose(&self, frames: usize) {
        *self.loses.lock().expect("lock") = frames;
    }
}

impl Wire for Bridge {
    fn send(&self, frame: &[u8]) -> Result<(), Fault> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(Fault::Syscall {
                during: "sending a frame",
                errno: Errno::ENXIO,
            });
        }
        self.sent.lock().expect("lock").push(frame.to_vec());
        let mut loses = self.loses.lock().expect("lock");
        if *loses > 0 {
            *loses -= 1;
            return Ok(());
        }
        let mut frame = frame.to_vec();
        if !self.learns.load(Ordering::Relaxed) {
            frame[..6].copy_from_slice(&TARGET_MAC.0);
        }
        let v6 = matches!(recognise(&frame), Some((Family::V6, _)));
        if !(v6 && self.drops_ipv6.load(Ordering::Relaxed)) {
            self.out.send(frame).expect("the test reads it");
        }
        Ok(())
    }

    async fn receive(&self, frame: &mut [u8]) -> Result<usize, Fault> {
        let got = self
            .into
            .lock()
            .await
            .recv()
            .await
            .expect("the bridge is there");
        frame[..got.len()].copy_from_slice(&got);
        Ok(got.len())
    }
}

#[tokio::test]
async fn a_round_passes_when_both_families_come_out() {
    let bridge = Bridge::new();
    assert_eq!(Rounds::new(1).round(&bridge).await, Outcome::Passed);
    assert_eq!(bridge.sent.lock().expect("lock").len(), 2);
}

#[tokio::test]
async fn a_lost_frame_is_sent_again_with_another_source_port() {
    let bridge = Bridge::new();
    bridge.lose(3);
    assert_eq!(Rounds::new(1).round(&bridge).await, Outcome::Passed);
    let sent = bridge.sent.lock().expect("lock");
    let ports: std::collections::BTreeSet<&[u8]> = sent
        .iter()
        .map(|f| {
            if f[12] == 0x08 {
                &f[34..36]
            } else {
                &f[54..56]
            }
        })
        .collect();
    assert_eq!(ports.len(), sent.len());
}

#[tokio::test]
async fn a_family_that_does_not_pass_is_reported_in_time() {
    let bridge = Bridge::new();
    bridge.drops_ipv6.store(true, Ordering::Relaxed);
    let begun = tokio::time::Instant::now();
    let outcome = Rounds::new(1).round(&bridge).await;
    assert_eq!(outcome, Outcome::Lost(vec![Family::V6]));
    assert!(begun.elapsed() >= super::round::ROUND_TIMEOUT);
    let problem = problem(&outcome, "br-flat").expect("a problem");
    assert_eq!(
        (problem.code, problem.effect),
        ("datapath", Effect::NotReady)
    );
    assert!(problem.text.contains("(IPv6)"), "{}", problem.text);
}

#[tokio::test]
async fn a_learning_switch_does_not_pass_the_probe() {
    let bridge = Bridge::new();
    bridge.learns.store(true, Ordering::Relaxed);
    let outcome = Rounds::new(1).round(&bridge).await;
    assert_eq!(outcome, Outcome::Lost(Family::ALL.to_vec()));
}

#[tokio::test]
async fn late_frames_received_in_a_round_count() {
    let bridge = Bridge::new();
    let mut rounds = Rounds::new(u64::MAX - 3);
    bridge.lose(usize::MAX);
    assert_eq!(
        rounds.round(&bridge).await,
        Outcome::Lost(Family::ALL.to_vec())
    );
    let late = bridge.sent.lock().expect("lock").clone();
    let arrives = async {
        // The round has begun once it has sent.
        while bridge.sent.lock().expect("lock").len() == late.len() {
            tokio::task::yield_now().await;
        }
        for mut frame in late.clone() {
            frame[..6].copy_from_slice(&TARGET_MAC.0);
            bridge.out.send(frame).expect("the test reads it");
        }
    };
    let (outcome, ()) = tokio::join!(rounds.round(&bridge), arrives);
    assert_eq!(outcome, Outcome::Passed);
}

#[tokio::test]
async fn frames_received_before_a_round_do_not_count() {
    let bridge = Bridge::new();
    let mut rounds = Rounds::new(u64::MAX - 1);
    assert_eq!(rounds.round(&bridge).await, Outcome::Passed);
    let late = bridge.sent.lock().expect("lock").clone();
    bridge.lose(usize::MAX);
    for mut frame in late {
        frame[..6].copy_from_slice(&TARGET_MAC.0);
        bridge.out.send(frame).expect("the test reads it");
    }
    assert_eq!(
        rounds.round(&bridge).await,
        Outcome::Lost(Family::ALL.to_vec())
    );
}

#[tokio::test]
async fn deleted_links_are_a_problem_at_once() {
    let bridge = Bridge::new();
    bridge.gone.store(true, Ordering::Relaxed);
    let outcome = Rounds::new(1).round(&bridge).await;
    assert!(matches!(outcome, Outcome::Broken(_)), "{outcome:?}");
    assert!(problem(&outcome, "br-flat").is_some());
}
