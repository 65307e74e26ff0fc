//! The rounds: every situation for one side, then for the other, the order changing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::Load;
use super::stats::{Bound, Figures, Verdict, ratio};
use super::subject::{Batch, Op, Subject};
use crate::interrupt::Interrupt;
use crate::screen::Screen;

/// How many at once the bounds speak of.
pub(super) const AT_ONCE: usize = 8;

/// What was timed: an operation, how many at once, and how many attachments were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Situation {
    /// Attachments that were there already.
    pub(super) present: usize,
    /// The operation; a pair is ADD and then DEL at once.
    pub(super) op: Op,
    /// Workers.
    pub(super) at_once: usize,
}

/// The raw samples of one side.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<Situation, Sampled>);

#[derive(Debug, Default)]
struct Sampled {
    latencies: Vec<Duration>,
    rates: Vec<f64>,
    settled: Vec<Duration>,
}

impl Samples {
    fn record(&mut self, situation: Situation, batch: Batch) {
        let sampled = self.0.entry(situation).or_default();
        sampled.rates.push(batch.rate());
        sampled.latencies.extend(batch.latencies);
        sampled.settled.push(batch.settled);
    }

    /// The figures of each situation.
    pub(super) fn figures(self) -> BTreeMap<Situation, Figures> {
        self.0
            .into_iter()
            .map(|(situation, s)| (situation, Figures::of(s.latencies, s.rates, s.settled)))
            .collect()
    }
}

/// Measures all sides with so many attachments there.
pub(super) fn measure(
    sides: &mut [(Subject, Samples)],
    present: usize,
    load: &Load,
    interrupt: &Interrupt,
) -> Result<()> {
    let what = format!("{present} attachments there");
    let count = sides.len();
    let progress = Screen::stdout().progress(&what, load.rounds * count);
    // One round of each that does not count: caches, page tables, lazily made state.
    for (subject, _) in sides.iter_mut() {
        round(subject, &mut Samples::default(), present, &load.warm_up())?;
    }
    for number in 0..load.rounds {
        for turn in 0..count {
            interrupt.check()?;
            // A B, B A, A B, …: no side always comes after the same other.
            let (subject, samples) = &mut sides[(number + turn) % count];
            round(subject, samples, present, load)?;
            progress.step();
        }
    }
    progress.done(&format!("{} rounds of each", load.rounds));
    Ok(())
}

/// One round of one side: serial, one by one with pauses, several at once, churn of both kinds.
fn round(subject: &mut Subject, samples: &mut Samples, present: usize, load: &Load) -> Result<()> {
    let runs = [
        (&[Op::Add, Op::Del][..], 1, load.serial),
        (&[Op::AddApart, Op::Del][..], 1, load.serial),
        (&[Op::Add, Op::Del][..], AT_ONCE, load.parallel),
        (&[Op::Pair][..], 1, load.serial),
        (&[Op::Pair][..], AT_ONCE, load.parallel),
    ];
    for (ops, at_once, count) in runs {
        for &op in ops {
            let batch = subject.timed(op, at_once, count)?;
            let situation = Situation {
                present,
                op,
                at_once,
            };
            samples.record(situation, batch);
        }
    }
    Ok(())
}

/// What netd is asked for while [`super::FULL`] attachments are there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Full {
    /// Its resident memory, in MiB.
    pub(super) rss_mib: Option<f64>,
    /// How long it takes to find that nothing is to be done, in milliseconds.
    pub(super) reconcile_ms: Option<f64>,
}

/// The figures of a side.
pub(super) type Measured = BTreeMap<Situation, Figures>;

/// What ours is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Others<'m> {
    /// The reference plugins.
    pub(super) peer: &'m Measured,
    /// Open vSwitch alone; none: it was not measured.
    pub(super) bare: Option<&'m Measured>,
    /// Whether churn is bound by Open vSwitch's userspace datapath, and so held against it.
    pub(super) userspace: bool,
}

/// Holds the figures against the bounds.
pub(super) fn verdicts(
    ours: &Measured,
    others: Others<'_>,
    present: usize,
    full: Full,
) -> Vec<Verdict> {
    let peer = others.peer;
    let get = |side: &Measured, op, at_once, present| {
        let situation = Situation {
            present,
            op,
            at_once,
        };
        side.get(&situation).copied().unwrap_or_default()
    };
    let against_peer = |op, at_once, figure: fn(Figures) -> f64| {
        ratio(
            figure(get(ours, op, at_once, 0)),
            figure(get(peer, op, at_once, 0)),
        )
    };
    let p50 = |f: Figures| f.p50_ms;
    let growth = |side, op| ratio(p50(get(side, op, 1, present)), p50(get(side, op, 1, 0)));
    let per_s = |f: Figures| f.per_s;
    let growth_of_bare = others.bare.and_then(|bare| growth(bare, Op::Add));
    let growths = growth(ours, Op::Add).zip(growth_of_bare);
    let churn = |side| per_s(get(side, Op::Pair, AT_ONCE, 0));
    let churn = match others.bare {
        Some(bare) if others.userspace => Verdict::new(
            "churn at eight, of bare Open vSwitch's",
            ratio(churn(ours), churn(bare)),
            "×",
            Bound::AtLeast(1.0),
        ),
        _ => Verdict::new(
            "churn at eight, of the peer's",
            ratio(churn(ours), churn(peer)),
            "×",
            Bound::AtLeast(1.0),
        ),
    };
    let (most, least) = (Bound::AtMost, Bound::AtLeast);
    vec![
        Verdict::new(
            "ADD at the median, of the peer's",
            against_peer(Op::Add, 1, p50),
            "×",
            most(0.6),
        ),
        Verdict::new(
            "DEL at the median, of the peer's",
            against_peer(Op::Del, 1, p50),
            "×",
            most(0.2),
        ),
        Verdict::new(
            "ADD/s eight at once, of the peer's",
            against_peer(Op::Add, AT_ONCE, per_s),
            "×",
            least(1.7),
        ),
        churn,
        Verdict::new(
            "ADD on a full node, of an empty one's",
            growth(ours, Op::AddApart),
            "×",
            most(1.5),
        ),
        Verdict::new(
            "growth back to back, of bare OVS's",
            growths.and_then(|(ours, bare)| ratio(ours, bare)),
            "×",
            most(0.5),
        ),
        Verdict::new(
            "netd's memory with 250 attachments",
            full.rss_mib,
            "MiB",
            most(25.0),
        ),
        Verdict::new(
            "reconcile of 250 attachments, nothing to do",
            full.reconcile_ms,
            "ms",
            most(50.0),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(
        add_ms: f64,
        del_ms: f64,
        add_per_s: f64,
        pairs_per_s: f64,
    ) -> BTreeMap<Situation, Figures> {
        let figures = |p50_ms, per_s| Figures {
            n: 10,
            p50_ms,
            per_s,
            ..Figures::default()
        };
        let at = |present, op, at_once| Situation {
            present,
            op,
            at_once,
        };
        BTreeMap::from([
            (at(0, Op::Add, 1), figures(add_ms, 0.0)),
            (at(200, Op::Add, 1), figures(add_ms * 4.5, 0.0)),
            (at(0, Op::AddApart, 1), figures(add_ms, 0.0)),
            (at(200, Op::AddApart, 1), figures(add_ms * 1.5, 0.0)),
            (at(0, Op::Del, 1), figures(del_ms, 0.0)),
            (at(0, Op::Add, AT_ONCE), figures(0.0, add_per_s)),
            (at(0, Op::Pair, AT_ONCE), figures(0.0, pairs_per_s)),
        ])
    }

    fn others<'m>(peer: &'m Measured, bare: &'m Measured, userspace: bool) -> Others<'m> {
        Others {
            peer,
            bare: Some(bare),
            userspace,
        }
    }

    #[test]
    fn the_bounds_are_those_that_were_set() {
        let ours = side(5.0, 3.0, 340.0, 73.0);
        let peer = side(9.0, 24.0, 190.0, 100.0);
        let mut bare = side(3.0, 3.0, 400.0, 50.0);
        for figures in bare.iter_mut().filter(|(s, _)| s.present == 200) {
            figures.1.p50_ms = 30.0;
        }
        let verdicts = verdicts(
            &ours,
            others(&peer, &bare, false),
            200,
            Full {
                rss_mib: Some(12.0),
                reconcile_ms: Some(60.0),
            },
        );
        let passed: Vec<bool> = verdicts.iter().map(|v| v.pass).collect();
        assert_eq!(passed, [true, true, true, false, true, true, true, false]);
        let growth = verdicts[5].value.expect("all were measured");
        assert!((growth - 0.45).abs() < 1e-9, "{growth}");
        let full = verdicts[4].value.expect("both were measured");
        assert!((full - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_side_against_itself_is_no_faster() {
        let same = side(9.0, 24.0, 190.0, 100.0);
        let verdicts = verdicts(&same, others(&same, &same, true), 200, Full::default());
        assert!(verdicts[3].name.contains("bare"), "{}", verdicts[3].name);
        for verdict in verdicts[..4].iter().chain([&verdicts[5]]) {
            assert_eq!(verdict.value, Some(1.0), "{}", verdict.name);
        }
        assert!(!verdicts[6].pass, "memory was not measured");
    }
}
