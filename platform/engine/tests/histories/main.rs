//! Random histories of an application's releases, with faults, judged at every look.
//!
//! A history is a seed. Some hundreds run always; more by
//! `FLATNET_HISTORIES=10000 cargo test --release -p flatnet-platform-engine --test histories`.

mod check;
mod ending;
mod events;
mod play;
mod rng;
mod world;

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::Phase;
use play::History;

/// Seeds whose histories went wrong once.
const KEPT: &[u64] = &[
    42, 44, 223, 726, 1126, 1280, 2057, 3023, 3039, 3191, 3760, 6067, 7248, 7522, 8158,
];
/// Histories of the normal run.
const USUAL: u64 = 300;

fn play(seed: u64) -> Result<Phase, String> {
    let end = History::new(seed).play();
    end.map_err(|wrong| format!("seed {seed}: {wrong}"))
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_that_went_wrong_once_goes_right() {
    let wrong = KEPT.iter().filter_map(|seed| play(*seed).err());
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn random_histories_with_faults_keep_every_invariant_and_end() {
    let number = setting("FLATNET_HISTORIES").unwrap_or(USUAL);
    let from = setting("FLATNET_SEED").unwrap_or(0);
    let mut wrong = Vec::new();
    let mut ends: BTreeMap<Phase, u64> = BTreeMap::new();
    for seed in from..from + number {
        match play(seed) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(why) => wrong.push(why),
        }
    }
    let heads = wrong.iter().filter_map(|w| w.lines().next());
    let heads: Vec<String> = heads.map(|h| h.chars().take(300).collect()).collect();
    let first = wrong.first().map_or("", String::as_str);
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {number}\n{}\n\n{first}",
        heads.join("\n")
    );
    println!("{number} histories ended: {ends:?}");
    if number >= USUAL {
        for end in [Phase::Done, Phase::Aborted, Phase::Paused, Phase::Gating] {
            assert!(ends.contains_key(&end), "none ended {end:?}: {ends:?}");
        }
    }
}
