//! Daemons killed at random moments under load.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::Signal;

use super::containers::{Living, anchor, forget_all, spots};
use super::ledger::{Call, Ledger};
use super::verdict::{detach_everything, judge};
use super::{NODES, PATIENCE, WORKERS, load, slowness};
use crate::lab::running;
use crate::process::poll;
use crate::rng::{SeededRng, seed};
use crate::screen::Screen;
use crate::{LabGuard, ovs};

/// How often netd is killed, on all nodes together.
const KILLS: usize = 300;
/// What a slow machine may leave undone of them.
const ENOUGH: usize = 150;
/// How long that may take where nothing is emulated.
const NETD_LIMIT: Duration = Duration::from_secs(120);
/// How often something is killed where Open vSwitch is killed too.
const MIXED_KILLS: usize = 40;
const MIXED_ENOUGH: usize = 15;
const MIXED_LIMIT: Duration = Duration::from_secs(60);

/// How long the load goes on when the last was killed.
const CALM: Duration = Duration::from_secs(2);

pub(super) fn netd(lab: &LabGuard) -> Result<()> {
    let excuses = |call| match call {
        // netd is away, or died in the middle.
        Call::Add | Call::Check | Call::Del => &[11][..],
        // The first ADD had come to its end, and only its answer had not.
        Call::AddAgain => &[11, 100],
    };
    let slowness = slowness(lab);
    let chaos = Chaos {
        kills: KILLS / slowness,
        enough: ENOUGH / slowness,
        limit: NETD_LIMIT * u32::try_from(slowness)?,
        kill: kill_netd,
    };
    let lost = chaos.run(lab, excuses)?;
    // Nothing of the data path was touched: the ping must not have noticed.
    let allowed = lost.sent / 100;
    ensure!(
        lost.sent > 100 && lost.lost <= allowed,
        "{} of {} pings between two containers were lost while only netd was killed",
        lost.lost,
        lost.sent
    );
    Ok(())
}

pub(super) fn everything(lab: &LabGuard) -> Result<()> {
    let excuses = |call| match call {
        Call::Add | Call::Del => &[11][..],
        // While the switch starts anew its flows are missing, and CHECK is right to say so.
        Call::Check => &[11, 101],
        Call::AddAgain => &[11, 100],
    };
    let chaos = Chaos {
        kills: MIXED_KILLS,
        enough: MIXED_ENOUGH,
        limit: MIXED_LIMIT,
        kill: kill_any,
    };
    chaos.run(lab, excuses).map(drop)
}

/// One way of killing things.
struct Chaos {
    kills: usize,
    enough: usize,
    limit: Duration,
    /// Kills something of a node at some moment.
    kill: fn(&LabGuard, &str, &mut SeededRng) -> Result<()>,
}

impl Chaos {
    fn run(&self, lab: &LabGuard, excuses: super::ledger::Excuses) -> Result<Pings> {
        let seed = seed();
        Screen::stdout().line(&format!("    FLATNET_SEED={seed}"));
        let spots = spots(lab, &NODES)?;
        forget_all(&spots)?;
        let anchors: Vec<Living> = spots
            .iter()
            .map(|spot| anchor(spot, "anchor"))
            .collect::<Result<_>>()?;
        let ledger = Ledger::new(excuses);
        for one in &anchors {
            ledger.given(one.id(), &one.addresses());
        }
        let ping = Pinging::start(&anchors, self.limit + PATIENCE)?;
        // An emulated processor is full with fewer: with more its switch answers nobody in time.
        let workers = if slowness(lab) > 1 {
            WORKERS / 2
        } else {
            WORKERS
        };
        let stop = AtomicBool::new(false);
        let kills = AtomicUsize::new(0);
        let begun = Instant::now();
        let (population, killed) = std::thread::scope(|scope| {
            let load = scope.spawn(|| load::run(&spots, seed, &ledger, &stop, workers));
            let killers: Vec<_> = (0..NODES.len())
                .map(|n| {
                    scope.spawn({
                        let kills = &kills;
                        move || self.killer(lab, n, seed, kills)
                    })
                })
                .collect();
            let mut outcome = Ok(());
            for killer in killers {
                let one = killer.join().map_err(|_| anyhow!("a killer panicked"));
                outcome = outcome.and(one.and_then(|o| o));
            }
            // A calm end, so that there are some to judge.
            std::thread::sleep(CALM);
            stop.store(true, Ordering::Relaxed);
            (
                load.join().map_err(|_| anyhow!("the load panicked")),
                outcome,
            )
        });
        let took = begun.elapsed();
        let pings = ping.stop()?;
        let population = population??;
        killed?;
        let kills = kills.load(Ordering::Relaxed);
        Screen::stdout().line(&format!(
            "    {kills} kills in {:.1} s; {} live, {} ghosts; {} of {} pings lost\n      {ledger}",
            took.as_secs_f64(),
            population.living.len(),
            population.ghosts.len(),
            pings.lost,
            pings.sent
        ));
        load::short_pause();
        let living: Vec<&Living> = population.living.iter().chain(&anchors).collect();
        judge(lab, &spots, &living, &population.ghosts, &ledger)?;
        ensure!(
            kills >= self.enough,
            "only {kills} kills within {:?}",
            self.limit
        );
        ensure!(
            ledger.count(Call::Add) > kills / 4,
            "hardly an ADD came through"
        );
        detach_everything(&spots, population.living, anchors)?;
        Ok(pings)
    }

    fn killer(&self, lab: &LabGuard, n: usize, seed: u64, kills: &AtomicUsize) -> Result<()> {
        let mut rng = SeededRng::new(seed, 1000 + u64::try_from(n).unwrap_or(0));
        let end = Instant::now() + self.limit;
        while Instant::now() < end {
            if kills.fetch_add(1, Ordering::Relaxed) >= self.kills {
                kills.fetch_sub(1, Ordering::Relaxed);
                return Ok(());
            }
            (self.kill)(lab, NODES[n], &mut rng)?;
        }
        Ok(())
    }
}

/// Kills netd a while after it serves again, and now and then before it does.
fn kill_netd(lab: &LabGuard, node: &str, rng: &mut SeededRng) -> Result<()> {
    if rng.percent(80) {
        lab.wait_ready(node, PATIENCE)?;
        std::thread::sleep(rng.up_to_ms(200 * slowness(lab)));
    } else {
        std::thread::sleep(rng.up_to_ms(80));
    }
    // Between two lives there is no process to kill.
    poll(PATIENCE, || lab.kill_netd(node).ok())
        .map(drop)
        .with_context(|| format!("netd of {node} does not start"))
}

/// Kills one of the node's daemons, or two of them at once.
fn kill_any(lab: &LabGuard, node: &str, rng: &mut SeededRng) -> Result<()> {
    let member = lab.member(node)?;
    lab.wait_ready(node, PATIENCE)?;
    std::thread::sleep(rng.up_to_ms(1000));
    let (switch, database) = (member.paths.vswitchd_pid(), member.paths.ovsdb_pid());
    let victims: Vec<PathBuf> = match rng.below(5) {
        0 => vec![switch],
        1 => vec![database],
        2 => vec![member.paths.netd_pid()],
        3 => vec![switch, member.paths.netd_pid()],
        _ => vec![database, switch],
    };
    let mut dead = Vec::new();
    for file in victims {
        if let Some(process) = running(&member, &file)
            && process.signal(Signal::SIGKILL).is_ok()
        {
            dead.push((file, process));
        }
    }
    let back = || {
        let anew = |(file, old): &(PathBuf, crate::ProcessId)| {
            running(&member, file).is_some_and(|p| p != *old)
        };
        (dead.iter().all(anew) && ovs::answers(&member.paths)).then_some(())
    };
    poll(PATIENCE, back).with_context(|| format!("{dead:?} of {node} are not back"))
}

/// A ping from the first anchor to one on another node, all the time.
struct Pinging(Child);

/// What came of it.
#[derive(Debug, Clone, Copy)]
struct Pings {
    sent: usize,
    lost: usize,
}

impl Pinging {
    fn start(anchors: &[Living], most: Duration) -> Result<Self> {
        let from = anchors.first().context("an anchor")?;
        let to = anchors.iter().find(|a| {
            a.spot.node.name != from.spot.node.name && a.spot.network == from.spot.network
        });
        let to = to
            .and_then(|a| a.addresses().first().copied())
            .context("another anchor")?;
        from.container
            .reaches(to)
            .context("before anything is killed")?;
        let mut ping = crate::lab::inside(from.container.netns.path(), "ping");
        ping.args(["-n", "-q", "-i", "0.05", "-W", "2"])
            .args(["-w", &most.as_secs().to_string(), &to.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Ok(Self(ping.spawn().context("ping")?))
    }

    /// Ends it; ping answers SIGINT with its summary.
    fn stop(mut self) -> Result<Pings> {
        let pid = i32::try_from(self.0.id())?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGINT)?;
        let mut text = String::new();
        if let Some(mut out) = self.0.stdout.take() {
            std::io::Read::read_to_string(&mut out, &mut text)?;
        }
        self.0.wait()?;
        let numbers = summary(&text).with_context(|| format!("ping said {text:?}"))?;
        // The last one may still be under way.
        Ok(Pings {
            sent: numbers.0,
            lost: numbers.0.saturating_sub(numbers.1 + 1),
        })
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// "12 packets transmitted, 12 received, …"
fn summary(text: &str) -> Option<(usize, usize)> {
    let line = text.lines().find(|l| l.contains("packets transmitted"))?;
    let mut numbers = line
        .split(", ")
        .map(|part| part.split(' ').next()?.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}
