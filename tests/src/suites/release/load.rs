//! Users: an open loop of requests from the network namespaces of nodes, each at its due time whether or not those before
//! it have been answered.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::shop::PORT;
use crate::suites::kit::say;
use crate::suites::platform::world::locked;

/// Callers of each place; each has every so-manieth request.
const CALLERS: usize = 8;
/// How long an answer may take, before it has failed: what a patient client waits. How long they took is printed.
const LIMIT: Duration = Duration::from_secs(30);
/// Failures whose words are kept.
const TOLD: usize = 5;

/// Where users ask, and whom.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// For people.
    pub(super) name: String,
    /// A node's network namespace.
    pub(super) netns: PathBuf,
    /// The address of the Service in that node's cluster.
    pub(super) service: Ipv4Addr,
}

#[derive(Default)]
struct Phase {
    name: String,
    /// In milliseconds.
    latencies: Vec<f64>,
    failed: usize,
}

#[derive(Default)]
struct Log {
    phases: Vec<Phase>,
    failures: Vec<String>,
}

/// Requests under way until it is dropped or asked for its figures.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins, with so many requests a second at each place.
    pub(super) fn start(places: &[Place], rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let log = Arc::new(Mutex::new(Log::default()));
        let begun = Instant::now();
        let mut threads = Vec::new();
        for place in places {
            let turn = Arc::new(AtomicUsize::new(0));
            for _ in 0..CALLERS {
                let (stop, log, turn, place) = (
                    Arc::clone(&stop),
                    Arc::clone(&log),
                    Arc::clone(&turn),
                    place.clone(),
                );
                threads.push(std::thread::spawn(move || {
                    let caller = Caller { stop, log, turn };
                    let call = || caller.run(&place, begun, rate);
                    // A namespace that is gone is told by the requests that failed for it.
                    if let Err(error) = crate::netns::enter(&place.netns, call) {
                        caller.failed(&format!("{}: {error}", place.name));
                    }
                }));
            }
        }
        let load = Self { stop, log, threads };
        load.phase("before");
        load
    }

    /// What follows is counted under that name.
    pub(super) fn phase(&self, name: &str) {
        let mut log = locked(&self.log);
        if log.phases.last().is_none_or(|p| p.name != name) {
            log.phases.push(Phase {
                name: name.to_owned(),
                ..Phase::default()
            });
        }
    }

    /// Ends, says what was measured, and that nothing failed.
    pub(super) fn end(self) -> Result<()> {
        let (requests, failed, words) = self.stop()?;
        ensure!(
            failed == 0,
            "{failed} of {requests} requests failed: {words:?}"
        );
        Ok(())
    }

    /// Ends, and says what was measured: requests, those that failed, and why the first of them did.
    pub(super) fn stop(mut self) -> Result<(usize, usize, Vec<String>)> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let joined = thread.join();
            joined.map_err(|_| anyhow::anyhow!("a caller panicked"))?;
        }
        let mut log = locked(&self.log);
        let (mut requests, mut failed) = (0, 0);
        for phase in &mut log.phases {
            let count = phase.latencies.len() + phase.failed;
            if count == 0 {
                continue;
            }
            requests += count;
            failed += phase.failed;
            phase.latencies.sort_by(f64::total_cmp);
            say(&format!(
                "{:<22} {count:>5} requests, {} failed; p50 {:.1} ms, p99 {:.1} ms",
                phase.name,
                phase.failed,
                percentile(&phase.latencies, 50),
                percentile(&phase.latencies, 99),
            ));
        }
        ensure!(requests > 0, "nobody asked");
        Ok((requests, failed, std::mem::take(&mut log.failures)))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has printed why.
            let _ = thread.join();
        }
    }
}

fn percentile(sorted: &[f64], of: usize) -> f64 {
    let at = (sorted.len() * of / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

struct Caller {
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Log>>,
    turn: Arc<AtomicUsize>,
}

impl Caller {
    fn run(&self, place: &Place, begun: Instant, rate: u32) {
        while !self.stop.load(Ordering::Relaxed) {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let at = Duration::from_secs(1) * u32::try_from(turn).unwrap_or(u32::MAX) / rate;
            std::thread::sleep((begun + at).saturating_duration_since(Instant::now()));
            // From when it was due: what waits for others waits for the user.
            let result = request(place.service);
            let took = (begun + at).elapsed();
            match result {
                Ok(()) => self.answered(took),
                Err(error) => self.failed(&format!(
                    "{} at {:.1?}: {error:#}",
                    place.name,
                    begun.elapsed()
                )),
            }
        }
    }

    fn answered(&self, took: Duration) {
        if let Some(phase) = locked(&self.log).phases.last_mut() {
            phase.latencies.push(took.as_secs_f64() * 1e3);
        }
    }

    fn failed(&self, why: &str) {
        let mut log = locked(&self.log);
        if log.failures.len() < TOLD {
            log.failures.push(why.to_owned());
        }
        if let Some(phase) = log.phases.last_mut() {
            phase.failed += 1;
        }
    }
}

/// One request, on a connection of its own.
fn request(service: Ipv4Addr) -> Result<()> {
    let to = SocketAddr::from((service, PORT));
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).context("connect")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").context("ask")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer")?;
    ensure!(
        answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
        "it is {answer:?}"
    );
    Ok(())
}
