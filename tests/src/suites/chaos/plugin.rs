//! The runtime's side dies: plugins killed in the middle of what they do.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use super::containers::{Container, Living, Spot, anchor, forget_all, spots};
use super::ledger::Ledger;
use super::verdict::{detach_everything, judge};
use super::{NODES, PATIENCE, WORKERS, load};
use crate::LabGuard;
use crate::process::poll;
use crate::rng::{SeededRng, seed};
use crate::runtime::RuntimeError;
use crate::screen::Screen;

/// How many containers are tried.
const CONTAINERS: usize = 240;
/// A plugin lives up to so long: about half of the ADDs come through.
const MOST_MS: usize = 80;

#[derive(Debug, Default)]
struct Score {
    killed_adds: AtomicUsize,
    whole_adds: AtomicUsize,
    killed_dels: AtomicUsize,
    forgotten: AtomicUsize,
}

pub(super) fn killed(lab: &LabGuard) -> Result<()> {
    let seed = seed();
    Screen::stdout().line(&format!("    FLATNET_SEED={seed}"));
    let spots = spots(lab, &NODES)?;
    forget_all(&spots)?;
    let anchors: Vec<Living> = spots
        .iter()
        .map(|s| anchor(s, "anchor"))
        .collect::<Result<_>>()?;
    let score = Score::default();
    let begun = Instant::now();
    let ghosts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let (spots, score) = (&spots, &score);
                scope.spawn(move || work(spots, worker, seed, score))
            })
            .collect();
        let mut ghosts = Vec::new();
        for worker in workers {
            ghosts.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
        }
        anyhow::Ok(ghosts)
    })?;
    let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
    Screen::stdout().line(&format!(
        "    {} ADDs and {} DELs killed, {} ADDs came through, {} containers forgotten, in {:.1} s",
        count(&score.killed_adds),
        count(&score.killed_dels),
        count(&score.whole_adds),
        count(&score.forgotten),
        begun.elapsed().as_secs_f64()
    ));
    load::short_pause();
    let living: Vec<&Living> = anchors.iter().collect();
    judge(lab, &spots, &living, &ghosts, &Ledger::new(|_| &[]))?;
    ensure!(
        count(&score.killed_adds) > CONTAINERS / 10,
        "hardly an ADD was killed"
    );
    detach_everything(&spots, Vec::new(), anchors)
}

/// Gives the containers that are left to GC and still have a namespace.
fn work(spots: &[Spot], worker: usize, seed: u64, score: &Score) -> Result<Vec<Container>> {
    let mut rng = SeededRng::new(seed, 2000 + u64::try_from(worker).unwrap_or(0));
    let mut ghosts = Vec::new();
    for n in 0..CONTAINERS / WORKERS {
        let container = Container::create(&format!("chaos-plugin-{worker}-{n}"))?;
        let spot = &spots[rng.below(spots.len())];
        let hasty = |rng: &mut SeededRng| {
            let limit = rng.up_to_ms(MOST_MS) + Duration::from_micros(200);
            spot.cni.clone().with_limit(Some(limit))
        };
        match hasty(&mut rng).add(&container.conf) {
            Ok(_) => score.whole_adds.fetch_add(1, Ordering::Relaxed),
            Err(e) if was_killed(&e) => score.killed_adds.fetch_add(1, Ordering::Relaxed),
            Err(e) => return Err(e.into()),
        };
        if rng.percent(10) {
            score.forgotten.fetch_add(1, Ordering::Relaxed);
            ghosts.push(container);
            continue;
        }
        // The DEL may be killed too; then it is repeated, in the end with patience.
        for _ in 0..rng.below(3) {
            match hasty(&mut rng).del(&container.conf, None) {
                Ok(_) => {}
                Err(e) if was_killed(&e) => {
                    score.killed_dels.fetch_add(1, Ordering::Relaxed);
                }
                Err(e) => return Err(e.into()),
            }
        }
        let mut last = None;
        let done = poll(PATIENCE, || match spot.cni.del(&container.conf, None) {
            Ok(_) => Some(()),
            Err(e) => {
                last = Some(e);
                None
            }
        });
        ensure!(
            done.is_some(),
            "no DEL of {} succeeded: {last:?}",
            container.id()
        );
    }
    Ok(ghosts)
}

fn was_killed(error: &RuntimeError) -> bool {
    match error {
        RuntimeError::TimedOut { .. } => true,
        RuntimeError::Crashed { status, .. } => {
            std::os::unix::process::ExitStatusExt::signal(status) == Some(9)
        }
        _ => false,
    }
}
