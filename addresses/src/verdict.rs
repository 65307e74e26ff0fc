//! Which generation everybody has who is waited for, and who is not waited for any more. Pure.
//!
//! ```text
//!   its lease stands ──────────────────────▶ waited for: Current, or Behind
//!   its lease is over, or it never had one ─▶ Hold: waited for
//!                                             Proceed: waited for until `after` has passed
//!   Advisory ──────────────────────────────▶ never waited for
//! ```

use std::time::Duration;

use flatnet_k8s_api::addresses::{OnMissing, Role, SubscriberState, SubscriberStatus};

/// What is known of a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Whether it is waited for.
    pub role: Role,
    /// The generation that it says it has.
    pub acknowledged: Option<i64>,
    /// Its lease, as it was seen.
    pub lease: Sight,
}

/// What was seen of a lease, by the time since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It was renewed.
    Renewed {
        /// When that was seen.
        at: Duration,
        /// For how long it lasts from then.
        lasts: Duration,
    },
    /// Nobody ever held it.
    Never {
        /// Since when it is looked for.
        since: Duration,
    },
}

impl Sight {
    /// When it ends, or ended.
    fn over(self) -> Duration {
        match self {
            Self::Renewed { at, lasts } => at + lasts,
            Self::Never { since } => since,
        }
    }
}

/// What is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The newest generation.
    pub generation: i64,
    /// What was published as acknowledged before.
    pub before: Option<i64>,
    /// What becomes of one that is missing.
    pub on_missing: OnMissing,
    /// With Proceed: for how long it is waited for.
    pub after: Duration,
    /// The time now.
    pub now: Duration,
}

/// What is to be said of the subscribers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The generation that everybody has who is waited for.
    pub acknowledged: i64,
    /// Each of them, in the order of the spec.
    pub subscribers: Vec<SubscriberStatus>,
    /// Required ones that are not Current.
    pub missing: Vec<String>,
    /// Those of them that are waited for and do not have the newest generation.
    pub waiting: Vec<String>,
    /// Those of them that do not have it, and are not waited for any more.
    pub passed_over: Vec<String>,
    /// When something changes that no event tells.
    pub next: Option<Duration>,
}

/// Judges them.
///
/// Guarantees: what is acknowledged is never less than what was published before, and never more than the newest
/// generation. An acknowledgement of a generation that there is not counts as none.
pub fn judge(standings: &[Standing], terms: &Terms) -> Verdict {
    let mut verdict = Verdict::default();
    let mut least = terms.generation;
    for standing in standings {
        let has = standing.acknowledged.filter(|g| *g <= terms.generation);
        let newest = has == Some(terms.generation);
        let (over, required) = (standing.lease.over(), standing.role == Role::Required);
        let state = match standing.lease {
            Sight::Never { .. } => SubscriberState::Absent,
            _ if over <= terms.now => SubscriberState::Expired,
            _ if newest => SubscriberState::Current,
            _ => SubscriberState::Behind,
        };
        let gone = over <= terms.now;
        let until = over + terms.after;
        let passed = gone && terms.on_missing == OnMissing::Proceed && until <= terms.now;
        let awaited = required && !passed;
        if !gone {
            verdict.at(over);
        } else if awaited && terms.on_missing == OnMissing::Proceed {
            verdict.at(until);
        }
        if awaited {
            least = least.min(has.unwrap_or(0));
        }
        let name = || standing.name.clone();
        if required && state != SubscriberState::Current {
            verdict.missing.push(name());
        }
        if required && !newest {
            match awaited {
                true => verdict.waiting.push(name()),
                false => verdict.passed_over.push(name()),
            }
        }
        verdict.subscribers.push(SubscriberStatus {
            name: name(),
            role: standing.role,
            state,
            awaited,
            acknowledged: has,
        });
    }
    let before = terms.before.filter(|g| *g <= terms.generation);
    verdict.acknowledged = least.max(before.unwrap_or(0));
    verdict
}

impl Verdict {
    fn at(&mut self, time: Duration) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AFTER: Duration = Duration::from_secs(30);
    const LASTS: Duration = Duration::from_secs(10);

    fn terms(on_missing: OnMissing, now: u64) -> Terms {
        Terms {
            generation: 5,
            before: Some(2),
            on_missing,
            after: AFTER,
            now: Duration::from_secs(now),
        }
    }

    fn standing(name: &str, acknowledged: Option<i64>, lease: Sight) -> Standing {
        Standing {
            name: name.to_owned(),
            role: Role::Required,
            acknowledged,
            lease,
        }
    }

    fn renewed(at: u64) -> Sight {
        Sight::Renewed {
            at: Duration::from_secs(at),
            lasts: LASTS,
        }
    }

    #[test]
    fn a_subscriber_whose_lease_stands_is_waited_for_however_long_it_takes() {
        let slow = [standing("fw", Some(4), renewed(1000))];
        let verdict = judge(&slow, &terms(OnMissing::Proceed, 1001));
        assert_eq!(verdict.acknowledged, 4);
        assert_eq!(verdict.waiting, ["fw"]);
        assert_eq!(verdict.subscribers[0].state, SubscriberState::Behind);
        assert_eq!(verdict.next, Some(Duration::from_secs(1010)));
    }

    #[test]
    fn one_whose_lease_is_over_is_named_at_once_and_waited_for_until_its_time() {
        let dead = [
            standing("fw", Some(4), renewed(100)),
            standing("lb", Some(5), renewed(135)),
        ];
        let verdict = judge(&dead, &terms(OnMissing::Proceed, 139));
        assert_eq!(
            (verdict.acknowledged, verdict.missing.as_slice()),
            (4, &["fw".to_owned()][..])
        );
        assert_eq!(verdict.subscribers[0].state, SubscriberState::Expired);
        assert_eq!(verdict.next, Some(Duration::from_secs(140)));
        let verdict = judge(&dead, &terms(OnMissing::Proceed, 140));
        assert_eq!(verdict.acknowledged, 5);
        assert_eq!(
            (verdict.passed_over.as_slice(), verdict.waiting.len()),
            (&["fw".to_owned()][..], 0)
        );
        assert_eq!(verdict.missing, ["fw"]);
        assert_eq!(verdict.next, Some(Duration::from_secs(145)));
    }

    #[test]
    fn with_hold_it_is_waited_for_without_an_end() {
        let dead = [standing(
            "fw",
            None,
            Sight::Never {
                since: Duration::ZERO,
            },
        )];
        let verdict = judge(&dead, &terms(OnMissing::Hold, 1_000_000));
        assert_eq!(
            (verdict.acknowledged, verdict.waiting.as_slice()),
            (2, &["fw".to_owned()][..])
        );
        assert_eq!(
            (verdict.subscribers[0].state, verdict.next),
            (SubscriberState::Absent, None)
        );
    }

    #[test]
    fn an_advisory_one_is_shown_and_not_waited_for() {
        let mut shown = standing("log", Some(1), renewed(100));
        shown.role = Role::Advisory;
        let verdict = judge(&[shown], &terms(OnMissing::Hold, 101));
        assert_eq!((verdict.acknowledged, verdict.missing.len()), (5, 0));
        assert_eq!(verdict.subscribers[0].state, SubscriberState::Behind);
    }

    #[test]
    fn a_generation_that_there_is_not_is_not_acknowledged() {
        let ahead = [standing("fw", Some(9), renewed(100))];
        let verdict = judge(&ahead, &terms(OnMissing::Proceed, 101));
        assert_eq!(
            (verdict.acknowledged, verdict.subscribers[0].acknowledged),
            (2, None)
        );
    }

    fn standings() -> impl Strategy<Value = Vec<Standing>> {
        let lease = prop_oneof![
            (0_u64..200).prop_map(renewed),
            (0_u64..200).prop_map(|s| Sight::Never {
                since: Duration::from_secs(s)
            }),
        ];
        let role = prop_oneof![Just(Role::Required), Just(Role::Advisory)];
        let one = (proptest::option::of(0_i64..7), lease, role);
        proptest::collection::vec(one, 0..6).prop_map(|all| {
            let numbered = all.into_iter().enumerate();
            let one = numbered.map(|(i, (acknowledged, lease, role))| Standing {
                name: format!("s{i}"),
                role,
                acknowledged,
                lease,
            });
            one.collect()
        })
    }

    proptest! {
        /// Whoever is waited for has what is called acknowledged, unless that was published before.
        #[test]
        fn nobody_who_is_waited_for_is_overtaken(
            all in standings(), now in 200_u64..400, before in proptest::option::of(0_i64..5),
            hold in any::<bool>(),
        ) {
            let on_missing = if hold { OnMissing::Hold } else { OnMissing::Proceed };
            let terms = Terms { before, ..terms(on_missing, now) };
            let verdict = judge(&all, &terms);
            prop_assert!(verdict.acknowledged <= terms.generation);
            prop_assert!(verdict.acknowledged >= before.unwrap_or(0));
            for (standing, said) in all.iter().zip(&verdict.subscribers) {
                let alive = standing.lease.over() > terms.now && !matches!(standing.lease, Sight::Never { .. });
                let required = standing.role == Role::Required;
                prop_assert!(!(required && (alive || hold)) || said.awaited);
                let has = said.acknowledged.unwrap_or(0);
                let overtaken = said.awaited && has < verdict.acknowledged;
                prop_assert!(!overtaken || before == Some(verdict.acknowledged));
            }
            // Nothing changes before `next` without an event.
            if let Some(next) = verdict.next {
                prop_assert!(next > terms.now);
                let later = Terms { now: next - Duration::from_nanos(1), ..terms };
                prop_assert_eq!(judge(&all, &later), verdict);
            } else {
                let later = Terms { now: terms.now * 1000, ..terms };
                prop_assert_eq!(judge(&all, &later), verdict);
            }
        }
    }
}
