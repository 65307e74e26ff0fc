use std::time::UNIX_EPOCH;

use super::*;

const S: Duration = Duration::from_secs(1);

fn timing() -> Timing {
    Timing::of(10 * S)
}

fn stored(holder: &str, version: &str) -> Stored {
    Stored {
        record: Record {
            holder: holder.into(),
            duration: Some(10 * S),
            transitions: 4,
            acquired: Some(UNIX_EPOCH + 5 * S),
            // Ages ago by this clock: nobody may decide by it.
            renewed: Some(UNIX_EPOCH),
        },
        version: version.into(),
    }
}

fn wall() -> SystemTime {
    UNIX_EPOCH + 1_000 * S
}

fn look(candidate: &mut Candidate, found: Option<&Stored>, seconds: u32) -> Step {
    candidate.step(found, seconds * S, wall(), 0)
}

fn waits(step: &Step) -> Duration {
    match step {
        Step::Wait { left, .. } => *left,
        _ => panic!("it does not wait: {step:?}"),
    }
}

fn writes(step: Step) -> (Record, String) {
    match step {
        Step::Write { record, over } => (record, over),
        _ => panic!("it does not write: {step:?}"),
    }
}

#[test]
fn a_standby_counts_from_when_it_saw_a_version_first_and_anew_for_each() {
    let mut b = Candidate::new("b", timing());
    assert_eq!(waits(&look(&mut b, Some(&stored("a", "1")), 100)), 10 * S);
    assert_eq!(waits(&look(&mut b, Some(&stored("a", "1")), 107)), 3 * S);
    assert_eq!(waits(&look(&mut b, Some(&stored("a", "2")), 109)), 10 * S);
    assert_eq!(waits(&look(&mut b, Some(&stored("a", "2")), 118)), S);
    let (record, over) = writes(look(&mut b, Some(&stored("a", "2")), 119));
    assert_eq!((record.holder.as_str(), record.transitions), ("b", 5));
    assert_eq!(record.acquired, Some(wall()));
    assert_eq!(over, "2");
}

#[test]
fn a_holder_counts_as_alive_once_it_was_seen_to_renew() {
    let mut b = Candidate::new("b", timing());
    let mut alive =
        |holder: &str, version: &str| match look(&mut b, Some(&stored(holder, version)), 1) {
            Step::Wait { alive, .. } => alive,
            step => panic!("it does not wait: {step:?}"),
        };
    assert!(!alive("a", "1"));
    assert!(alive("a", "2"));
    assert!(alive("a", "2"));
    assert!(!alive("c", "3"), "another took it, and may have died since");
}

#[test]
fn what_was_given_back_is_taken_at_once() {
    let mut b = Candidate::new("b", timing());
    let (record, over) = writes(look(&mut b, Some(&stored("", "7")), 0));
    assert_eq!((record.transitions, over.as_str()), (5, "7"));
}

#[test]
fn what_is_missing_is_made_and_waited_for_since_it_may_have_been_deleted_under_a_leader() {
    let mut b = Candidate::new("b", timing());
    let Step::Make(record) = look(&mut b, None, 50) else {
        panic!("it does not make it");
    };
    assert_eq!((record.holder.as_str(), record.renewed), ("", None));
    let mut made = Stored {
        record,
        version: "1".into(),
    };
    assert_eq!(waits(&look(&mut b, Some(&made), 50)), 10 * S);
    // Deleted and made again: another version.
    made.version = "2".into();
    assert_eq!(waits(&look(&mut b, Some(&made), 59)), 10 * S);
    let (record, over) = writes(look(&mut b, Some(&made), 69));
    assert_eq!((record.transitions, over.as_str()), (1, "2"));
}

#[test]
fn a_leader_whose_record_is_deleted_leads_no_more() {
    let mut a = Candidate::new("a", timing());
    a.won(stored("a", "2"), 20 * S);
    assert!(matches!(look(&mut a, None, 21), Step::Make(_)));
    assert!(!a.leads(21 * S));
}

#[test]
fn a_leader_renews_under_the_same_epoch_and_leads_from_when_it_sent_that() {
    let mut a = Candidate::new("a", timing());
    let (record, _) = writes(look(&mut a, Some(&stored("a", "1")), 20));
    assert_eq!(record.transitions, 4);
    assert_eq!(record.acquired, Some(UNIX_EPOCH + 5 * S));
    assert_eq!(record.renewed, Some(wall()));
    assert!(!a.leads(20 * S), "the answer is still out");
    a.won(stored("a", "2"), 20 * S);
    assert!(a.leads(26 * S));
    assert!(!a.leads(27 * S), "the deadline is before a standby's time");
    assert_eq!(a.known().map(|s| s.version.as_str()), Some("2"));
    a.sends();
    assert_eq!(a.known(), None);
}

#[test]
fn one_that_sees_another_leads_no_more_at_that_moment() {
    let mut a = Candidate::new("a", timing());
    a.won(stored("a", "2"), 20 * S);
    waits(&look(&mut a, Some(&stored("b", "3")), 21));
    assert!(!a.leads(21 * S));
    assert_eq!(a.known(), None);
}

#[test]
fn an_epoch_is_never_below_what_the_tables_have_seen() {
    let mut a = Candidate::new("a", timing());
    let found = stored("", "1");
    let (record, _) = writes(a.step(Some(&found), S, wall(), 40));
    assert_eq!(record.transitions, 40);
    let (record, _) = writes(a.step(Some(&found), S, wall(), 2));
    assert_eq!(record.transitions, 5);
}

#[test]
fn the_records_own_duration_is_waited_for() {
    let mut b = Candidate::new("b", timing());
    let mut found = stored("a", "1");
    found.record.duration = Some(40 * S);
    assert_eq!(waits(&look(&mut b, Some(&found), 0)), 40 * S);
    found.version = "2".into();
    found.record.duration = None;
    assert_eq!(waits(&look(&mut b, Some(&found), 0)), 10 * S);
}

#[test]
fn only_what_is_ours_is_given_back() {
    let mut a = Candidate::new("a", timing());
    a.won(stored("a", "2"), 20 * S);
    a.steps_down();
    assert!(!a.leads(20 * S));
    let free = a.release(&stored("a", "2"), wall()).unwrap();
    assert_eq!((free.holder.as_str(), free.transitions), ("", 4));
    assert_eq!(a.release(&stored("b", "3"), wall()), None);
}

#[test]
fn a_leader_that_has_not_renewed_for_long_is_not_shown_as_one() {
    let mut b = Candidate::new("b", timing());
    assert!(!b.has_observed());
    look(&mut b, Some(&stored("a", "1")), 0);
    assert_eq!(b.leader(9 * S), Some("a"));
    assert_eq!(b.leader(10 * S), None);
}

#[test]
fn a_standby_takes_over_in_under_15_s_with_a_lease_of_10() {
    let timing = timing();
    assert!(timing.deadline < timing.duration);
    // Seen a look later at worst (with its jitter); then another, and its calls.
    let worst = timing.retry * 6 / 5 + timing.duration + S;
    assert!(worst < 15 * S, "{worst:?}");
    // A renewal may fail, by all the time a call has, and the next is in time.
    let second = timing.retry * 6 / 5 + timing.call + timing.retry / 2;
    assert!(second + timing.call / 2 < timing.deadline);
}
