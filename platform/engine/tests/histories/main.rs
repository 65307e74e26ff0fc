//! Random histories of an application's releases, with faults, judged at every look.
//!
//! A history is a seed. Some hundreds run always; more by
//! `FLATNET_HISTORIES=10000 cargo test --release -p flatnet-platform-engine --test histories`.

mod check;
mod events;
mod play;
mod rng;
mod world;

use play::History;

/// Seeds whose histories went wrong once.
const KEPT: &[u64] = &[];
/// Histories of the normal run.
const USUAL: u64 = 300;

fn play(seed: u64) -> Option<String> {
    let wrong = History::new(seed).play().err()?;
    Some(format!("seed {seed}: {wrong}"))
}

#[test]
fn every_history_that_went_wrong_once_goes_right() {
    let wrong: Vec<String> = KEPT.iter().filter_map(|seed| play(*seed)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn random_histories_with_faults_keep_every_invariant_and_end() {
    let number = std::env::var("FLATNET_HISTORIES").ok();
    let number = number.and_then(|n| n.parse().ok()).unwrap_or(USUAL);
    let from = std::env::var("FLATNET_SEED").ok();
    let from: u64 = from.and_then(|n| n.parse().ok()).unwrap_or(0);
    let wrong: Vec<String> = (from..from + number).filter_map(play).collect();
    let heads = wrong.iter().filter_map(|w| w.lines().next());
    let heads: Vec<String> = heads.map(|h| h.chars().take(300).collect()).collect();
    let first = wrong.first().map_or("", String::as_str);
    assert!(
        wrong.is_empty(),
        "{} of {number}\n{}\n\n{first}",
        wrong.len(),
        heads.join("\n")
    );
}
