//! Any calls in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Create(u8, u8),
    Modify(u8, u8),
    Delete(u8),
    Foreign(u8, u8),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        (0..400u64).prop_map(Act::Wait),
        (0..12u8, 1..3u8).prop_map(|(d, h)| Act::Create(d, h)),
        (0..12u8, 1..3u8).prop_map(|(d, h)| Act::Modify(d, h)),
        (0..12u8).prop_map(Act::Delete),
        (0..12u8, 1..3u8).prop_map(|(d, h)| Act::Foreign(d, h)),
    ];
    proptest::collection::vec(act, 1..80)
}

proptest! {
    /// Whatever is asked, the rules hold, and the history says what the tables say.
    #[test]
    fn the_rules_hold_after_any_calls(acts in acts(), quota in 1..6usize) {
        let mut world = world();
        world.set_quota("vtb-lab", quota).expect("the table");
        let mut now = 0;
        for act in acts {
            let stable = world.is_stable(&Router::Vpc("vpc-lab".to_owned()));
            let before = world.entries.clone();
            let path = |d: u8| DeleteTarget::Path {
                table: "vtb-lab".to_owned(),
                destination: destination(d),
                hops: Vec::new(),
            };
            let hops = |h: u8| instance(&format!("i-vpc{h}"));
            let result = match act {
                Act::Wait(ms) => {
                    now += ms;
                    world.advance(Timestamp(now));
                    continue;
                }
                Act::Create(d, h) => {
                    world.create(by(now), &entry(&destination(d).to_string(), hops(h))).map(drop)
                }
                Act::Modify(d, h) => {
                    let change = Change { hops: Some(hops(h)), ..Change::default() };
                    world.modify(by(now), &path(d), &change)
                }
                Act::Delete(d) => world.delete(by(now), &path(d)),
                Act::Foreign(d, h) => {
                    let made = crate::config::Entry {
                        destination: destination(d),
                        next_hops: hops(h).into_iter().map(|h| crate::config::EntryHop {
                            hop_type: h.hop_type, id: h.id, weight: h.weight,
                        }).collect(),
                        name: "foreign".to_owned(),
                        description: String::new(),
                        managed: false,
                    };
                    let made = world.insert(Timestamp(now), Cause::Hand, "vtb-lab", &made);
                    prop_assert!(world.entries_of("vtb-lab").count() <= quota);
                    drop(made);
                    continue;
                }
            };
            // A refused call changes nothing; one that is done found all stable.
            if result.is_err() {
                prop_assert_eq!(&world.entries, &before);
            } else {
                prop_assert!(stable);
            }
            let mut destinations: Vec<_> =
                world.entries_of("vtb-lab").map(|(_, e)| e.destination).collect();
            prop_assert!(destinations.len() <= quota);
            destinations.sort_unstable();
            destinations.dedup();
            prop_assert_eq!(destinations.len(), world.entries_of("vtb-lab").count());
        }
        world.advance(Timestamp(now + 10_000));
        prop_assert!(world.is_stable(&Router::Vpc("vpc-lab".to_owned())));
        prop_assert!(world.history().peak("vtb-lab") <= quota);
        check_paths(&world)?;
    }

    /// IDs are made once.
    #[test]
    fn ids_differ(seed in any::<u64>()) {
        let mut ids = Ids::new(seed);
        let made: std::collections::BTreeSet<String> = (0..200).map(|_| ids.word(17)).collect();
        prop_assert_eq!(made.len(), 200);
    }
}

fn destination(n: u8) -> IpNetwork {
    // Some contain others, so that the longest match matters.
    let text = if n.is_multiple_of(3) {
        format!("10.{n}.0.0/16")
    } else {
        format!("10.{}.{n}.0/24", n - n % 3)
    };
    text.parse().expect("a network")
}

/// The last span of each address is what the table says now.
fn check_paths(world: &World) -> Result<(), TestCaseError> {
    for n in 0..12u8 {
        let address = destination(n).ip();
        let path = world.history().path_of("vtb-lab", address);
        let best = world
            .entries_of("vtb-lab")
            .filter(|(_, e)| e.destination.contains(address))
            .max_by_key(|(_, e)| e.destination.prefix());
        let now = best.map(|(_, e)| e.hops.clone()).unwrap_or_default();
        let said = path.last().map(|s| s.next_hops.clone()).unwrap_or_default();
        prop_assert_eq!(said, now);
        prop_assert!(path.windows(2).all(|w| w[0].to == Some(w[1].from)));
    }
    Ok(())
}
