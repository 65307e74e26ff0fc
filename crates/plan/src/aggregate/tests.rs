use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn nets(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|t| net(t)).collect()
}

fn entries<'h>(given: &[(&str, &'h str)]) -> Vec<(IpNetwork, &'h str)> {
    given.iter().map(|(p, h)| (net(p), *h)).collect()
}

/// The answer as `prefix next-hop`, after its proof was checked.
fn run(
    given: &[(&str, &str)],
    foreign: &[&str],
    free: &[&str],
) -> Result<Vec<String>, AggregateError> {
    let (entries, foreign, free) = (entries(given), nets(foreign), nets(free));
    let input = Input {
        entries: &entries,
        foreign: &foreign,
        free: &free,
    };
    let found = aggregate(&input)?;
    assert_eq!(verify(&input, &found), Ok(()));
    Ok(found
        .iter()
        .map(|a| format!("{} {}", a.prefix, a.next_hop))
        .collect())
}

#[test]
fn neighbours_become_one() {
    let found = run(
        &[
            ("10.0.0.0/24", "a"),
            ("10.0.1.0/25", "a"),
            ("10.0.1.128/25", "a"),
            ("fd00::/65", "a"),
            ("fd00:0:0:0:8000::/65", "a"),
        ],
        &[],
        &[],
    );
    assert_eq!(found.expect("found"), ["10.0.0.0/23 a", "fd00::/64 a"]);
}

#[test]
fn what_is_not_aligned_stays_apart() {
    let found = run(&[("10.0.1.0/24", "a"), ("10.0.2.0/24", "a")], &[], &[]);
    assert_eq!(found.expect("found"), ["10.0.1.0/24 a", "10.0.2.0/24 a"]);
}

#[test]
fn a_hole_is_covered_only_where_the_caller_allows_it() {
    let given = [("10.0.0.0/24", "a"), ("10.0.3.0/24", "a")];
    assert_eq!(run(&given, &[], &[]).expect("found").len(), 2);
    assert_eq!(
        run(&given, &[], &["10.0.0.0/16"]).expect("found"),
        ["10.0.0.0/22 a"]
    );
    assert_eq!(run(&given, &[], &["10.0.1.0/24"]).expect("found").len(), 2);
    assert_eq!(
        run(&given, &[], &["10.0.1.0/24", "10.0.2.0/24"]).expect("found"),
        ["10.0.0.0/22 a"]
    );
}

#[test]
fn what_is_foreign_is_never_covered() {
    let given = [("10.0.0.0/24", "a"), ("10.0.3.0/24", "a")];
    let found = run(&given, &["10.0.2.64/26"], &["10.0.0.0/16"]);
    assert_eq!(found.expect("found"), ["10.0.0.0/24 a", "10.0.3.0/24 a"]);
    let found = run(
        &[
            ("10.0.0.0/24", "a"),
            ("10.0.1.0/24", "b"),
            ("10.0.3.0/24", "b"),
        ],
        &[],
        &["10.0.0.0/16"],
    );
    assert_eq!(
        found.expect("found"),
        ["10.0.0.0/24 a", "10.0.1.0/24 b", "10.0.3.0/24 b"]
    );
}

#[test]
fn an_aggregate_is_no_wider_than_its_entries() {
    let found = run(&[("10.0.5.0/24", "a")], &[], &["0.0.0.0/0"]);
    assert_eq!(found.expect("found"), ["10.0.5.0/24 a"]);
}

#[test]
fn everything_is_a_prefix_too() {
    let found = run(
        &[
            ("0.0.0.0/1", "a"),
            ("128.0.0.0/1", "a"),
            ("::/1", "a"),
            ("8000::/1", "a"),
        ],
        &[],
        &[],
    );
    assert_eq!(found.expect("found"), ["0.0.0.0/0 a", "::/0 a"]);
}

#[test]
fn the_proof_names_what_is_covered_and_why() {
    let entries = entries(&[("10.0.0.0/26", "a"), ("10.0.0.128/26", "a")]);
    let free = nets(&["10.0.0.0/25", "10.0.0.128/25"]);
    let input = Input {
        entries: &entries,
        foreign: &[],
        free: &free,
    };
    let found = aggregate(&input).expect("found");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].covers, nets(&["10.0.0.0/26", "10.0.0.128/26"]));
    let also: Vec<String> = found[0]
        .also
        .iter()
        .map(|g| format!("{}-{} of {:?}", g.first, g.last, g.free.len()))
        .collect();
    assert_eq!(
        also,
        ["10.0.0.64-10.0.0.127 of 1", "10.0.0.192-10.0.0.255 of 1"]
    );
    assert_eq!(found[0].also[1].free, nets(&["10.0.0.128/25"]));
}

#[test]
fn contradictions_are_refused() {
    assert_eq!(
        run(&[("10.0.0.0/16", "a"), ("10.0.1.0/24", "b")], &[], &[])
            .expect_err("two next hops")
            .to_string(),
        "10.0.0.0/16 and 10.0.1.0/24 overlap, and lead to different next hops"
    );
    for (entry, foreign) in [
        ("10.0.0.0/16", "10.0.1.0/24"),
        ("10.0.1.0/24", "10.0.0.0/16"),
        ("10.0.0.0/16", "10.0.0.0/16"),
    ] {
        assert_eq!(
            run(&[(entry, "a")], &[foreign], &[]),
            Err(AggregateError::Foreign {
                entry: net(entry),
                foreign: net(foreign),
            })
        );
    }
    assert!(run(&[("10.0.0.0/16", "a"), ("10.0.1.0/24", "a")], &[], &[]).is_ok());
}

#[test]
fn a_false_proof_is_found() {
    let entries = entries(&[("10.0.0.0/26", "a"), ("10.0.0.128/26", "a")]);
    let free = nets(&["10.0.0.0/24"]);
    let input = Input {
        entries: &entries,
        foreign: &[],
        free: &free,
    };
    let right = aggregate(&input).expect("found");
    let strict = Input { free: &[], ..input };
    assert!(matches!(
        verify(&strict, &right).expect_err("may not be covered")[..],
        [Flaw::NotLent { .. }, Flaw::NotLent { .. }]
    ));
    assert!(matches!(
        verify(&input, &[]).expect_err("lost")[..],
        [Flaw::Lost { .. }, Flaw::Lost { .. }]
    ));
    let mut short = right.clone();
    short[0].also.clear();
    assert!(matches!(
        verify(&input, &short).expect_err("incomplete")[..],
        [Flaw::Incomplete { .. }]
    ));
    let taken = nets(&["10.0.0.64/32"]);
    let held = Input {
        foreign: &taken,
        ..input
    };
    assert!(matches!(
        verify(&held, &right).expect_err("foreign")[..],
        [Flaw::Foreign { .. }]
    ));
}

/// Blocks of a space of 256 addresses at both ends of both families, where every address
/// can be looked at.
fn prefix() -> impl Strategy<Value = IpNetwork> {
    let bases = [
        "10.9.8.0",
        "255.255.255.0",
        "fd00::",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00",
    ];
    (0..bases.len(), 0u8..=8, any::<u8>()).prop_map(move |(base, host_bits, at)| {
        let kept = u16::from(at) >> host_bits << host_bits;
        let ip = match bases[base].parse::<IpAddr>().expect("an address") {
            IpAddr::V4(ip) => IpAddr::from((u32::from(ip) | u32::from(kept)).to_be_bytes()),
            IpAddr::V6(ip) => IpAddr::from((u128::from(ip) | u128::from(kept)).to_be_bytes()),
        };
        let width = if ip.is_ipv4() { 32 } else { 128 };
        IpNetwork::new(ip, width - host_bits).expect("a prefix")
    })
}

#[derive(Debug, Clone)]
struct Case {
    entries: Vec<(IpNetwork, u8)>,
    foreign: Vec<IpNetwork>,
    free: Vec<IpNetwork>,
}

impl Case {
    fn input(&self) -> Input<'_, u8> {
        Input {
            entries: &self.entries,
            foreign: &self.foreign,
            free: &self.free,
        }
    }

    /// Keeps what contradicts nothing before it.
    fn sound(entries: Vec<(IpNetwork, u8)>, foreign: Vec<IpNetwork>, free: Vec<IpNetwork>) -> Self {
        let mut kept: Vec<(IpNetwork, u8)> = Vec::new();
        let meets = |a: IpNetwork, b: IpNetwork| {
            let (a, b) = (Block::of(a), Block::of(b));
            a.covers(b) || b.covers(a)
        };
        for (p, h) in entries {
            if kept.iter().all(|(q, g)| *g == h || !meets(p, *q)) {
                kept.push((p, h));
            }
        }
        let foreign = foreign
            .into_iter()
            .filter(|f| kept.iter().all(|(p, _)| !meets(*p, *f)))
            .collect();
        Self {
            entries: kept,
            foreign,
            free,
        }
    }
}

fn case() -> impl Strategy<Value = Case> {
    (
        prop::collection::vec((prefix(), 0u8..3), 0..24),
        prop::collection::vec(prefix(), 0..4),
        prop::collection::vec(prefix(), 0..4),
    )
        .prop_map(|(entries, foreign, free)| Case::sound(entries, foreign, free))
}

fn answer(case: &Case) -> Vec<(IpNetwork, u8)> {
    aggregate(&case.input())
        .expect("a sound case")
        .iter()
        .map(|a| (a.prefix, a.next_hop))
        .collect()
}

/// The least number of prefixes for one next hop in `block`, by trying every block.
fn fewest(case: &Case, next_hop: u8, block: Block) -> usize {
    let mine = |b: Block| {
        let mut mine = case.entries.iter().filter(|(_, h)| *h == next_hop);
        mine.any(|(p, _)| b.covers(Block::of(*p)) || Block::of(*p).covers(b))
    };
    if !mine(block) {
        return 0;
    }
    let may = (block.first..=block.last).all(|n| {
        let at = |p: &IpNetwork| p.contains(address(block.v6, n));
        let owner = case.entries.iter().find(|(p, _)| at(p));
        match owner {
            Some((_, h)) => *h == next_hop,
            None => case.free.iter().any(at) && !case.foreign.iter().any(at),
        }
    });
    if may {
        return 1;
    }
    let middle = block.first + (block.last - block.first) / 2;
    let half = |first, last| Block {
        v6: block.v6,
        first,
        last,
    };
    fewest(case, next_hop, half(block.first, middle))
        + fewest(case, next_hop, half(middle + 1, block.last))
}

proptest! {
    #[test]
    fn the_proof_holds(case in case()) {
        let found = aggregate(&case.input()).expect("a sound case");
        prop_assert_eq!(verify(&case.input(), &found), Ok(()));
    }

    #[test]
    fn with_nothing_lent_exactly_the_entries_are_covered(case in case()) {
        let strict = Case { free: Vec::new(), ..case };
        let found = aggregate(&strict.input()).expect("a sound case");
        for a in &found {
            prop_assert!(a.also.is_empty());
        }
        for base in [net("10.9.8.0/24"), net("255.255.255.0/24"), net("fd00::/120"),
                     net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120")] {
            let block = Block::of(base);
            for n in block.first..=block.last {
                let ip = address(block.v6, n);
                let before: BTreeSet<u8> = strict.entries.iter()
                    .filter(|(p, _)| p.contains(ip)).map(|(_, h)| *h).collect();
                let after: Vec<u8> = found.iter()
                    .filter(|a| a.prefix.contains(ip)).map(|a| a.next_hop).collect();
                prop_assert_eq!(before.into_iter().collect::<Vec<_>>(), after, "{}", ip);
            }
        }
    }

    #[test]
    fn no_answer_has_fewer(case in case()) {
        let found = answer(&case);
        let bases = ["10.9.8.0/24", "255.255.255.0/24", "fd00::/120",
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120"];
        for next_hop in 0..3 {
            let least: usize = bases.iter()
                .map(|b| fewest(&case, next_hop, Block::of(net(b)))).sum();
            prop_assert_eq!(found.iter().filter(|(_, h)| *h == next_hop).count(), least);
        }
    }

    #[test]
    fn the_order_of_entries_does_not_matter(case in case(), seed in any::<u64>()) {
        let mut mixed = case.clone();
        mixed.entries.sort_by_key(|(p, h)| {
            let n = u64::try_from(Block::of(*p).last & 0xffff).expect("16 bits");
            (n + 1 + u64::from(*h)).wrapping_mul(seed | 1)
        });
        let (a, b) = (aggregate(&case.input()), aggregate(&mixed.input()));
        prop_assert_eq!(a.expect("sound"), b.expect("sound"));
    }

    #[test]
    fn one_entry_changes_only_what_it_must(case in case(), which in any::<prop::sample::Index>()) {
        prop_assume!(!case.entries.is_empty());
        let mut less = case.clone();
        let (entry, _) = less.entries.remove(which.index(case.entries.len()));
        let (more, less) = (answer(&case), answer(&less));
        let holders: Vec<Block> = more.iter().chain(&less)
            .map(|(p, _)| Block::of(*p))
            .filter(|b| b.covers(Block::of(entry)))
            .collect();
        let changed = more.iter().filter(|a| !less.contains(a))
            .chain(less.iter().filter(|a| !more.contains(a)));
        for (prefix, _) in changed {
            prop_assert!(
                holders.iter().any(|h| h.covers(Block::of(*prefix))),
                "{} changed for {}", prefix, entry
            );
        }
    }

    #[test]
    fn blocks_are_their_prefixes(p in prefix()) {
        prop_assert_eq!(Block::of(p).prefix(), p);
    }

    #[test]
    fn a_cut_is_exact(v6: bool, a: u8, b: u8) {
        let (first, last) = (u128::from(a.min(b)), u128::from(a.max(b)));
        let mut next = first;
        for block in block::cut(v6, first, last).into_iter().map(Block::of) {
            prop_assert_eq!(block.first, next);
            next = block.last + 1;
        }
        prop_assert_eq!(next, last + 1);
    }
}
