use super::*;

#[test]
fn a_host_gets_the_range_that_the_plan_names_and_the_same_again() {
    let declared = plan("10.0.0.0/24", None, &[], &[("a", &["10.0.0.64/26"])]);
    let mut ledger = fresh(&declared);
    assert_eq!(ask(&mut ledger, "a", 1), ["10.0.0.64/26"]);
    let first = ledger.ranges_of(&host("a"));
    assert_eq!(ask(&mut ledger, "a", 999), ["10.0.0.64/26"]);
    assert_eq!(ledger.ranges_of(&host("a")), first);
}

#[test]
fn hosts_without_a_range_get_the_lowest_slices_that_nothing_is_in_the_way_of() {
    let declared = plan(
        "10.0.0.0/24",
        Some(27),
        &["10.0.0.0/28", "10.0.0.100/32"],
        &[("a", &[]), ("b", &[]), ("c", &["10.0.0.64/27"]), ("d", &[])],
    );
    let mut ledger = fresh(&declared);
    assert_eq!(ask(&mut ledger, "b", 1), ["10.0.0.32/27"]);
    // 64 is c's by name although c has not asked, and 96 has something that is kept free.
    assert_eq!(ask(&mut ledger, "a", 1), ["10.0.0.128/27"]);
    assert_eq!(ask(&mut ledger, "d", 1), ["10.0.0.160/27"]);
    assert_eq!(ask(&mut ledger, "c", 1), ["10.0.0.64/27"]);
}

#[test]
fn a_host_that_nobody_knows_gets_nothing() {
    let mut ledger = fresh(&plan("10.0.0.0/24", Some(27), &[], &[("a", &[])]));
    let refused = ledger.ask(&host("z"), at(1));
    assert_eq!(refused, Err(AssignError::UnknownHost { host: host("z") }));
    assert!(
        ledger
            .take_entries()
            .iter()
            .all(|e| !matches!(e, Entry::Put(_)))
    );
}

#[test]
fn an_exhausted_pool_lets_hosts_wait_and_serves_them_when_it_can() {
    let hosts: [(&str, &[&str]); 3] = [("a", &[]), ("b", &[]), ("c", &[])];
    let mut ledger = fresh(&plan("10.0.0.0/26", Some(27), &[], &hosts));
    ask(&mut ledger, "a", 1);
    ask(&mut ledger, "b", 1);
    assert_eq!(ask(&mut ledger, "c", 1), [""; 0]);
    assert_eq!(waits(&ledger, "c"), [WaitReason::Exhausted]);
    ledger.declare(plan("10.0.0.0/25", Some(27), &[], &hosts), at(2));
    assert_eq!(ranges(&ledger, "c"), ["10.0.0.64/27"]);
    assert_eq!(waits(&ledger, "c"), []);
}

#[test]
fn a_range_goes_to_another_host_after_it_was_drained_and_released_and_its_quarantine_is_over() {
    let hosts: [(&str, &[&str]); 2] = [("a", &[]), ("b", &[])];
    let mut ledger = fresh(&plan("10.0.0.0/27", Some(27), &[], &hosts));
    ask(&mut ledger, "a", 1);
    ask(&mut ledger, "b", 1);
    let refused = ledger.release(&release("a", "10.0.0.0/27"), at(2));
    assert!(matches!(refused, Err(AssignError::NotDrained { .. })));
    ledger
        .drain(&drain("a", "10.0.0.0/27", false), at(2))
        .expect("drains");
    assert_eq!(ranges(&ledger, "a"), ["~10.0.0.0/27"]);
    let refused = ledger.release(&release("a", "10.0.0.0/27"), at(2));
    assert!(matches!(refused, Err(AssignError::UseUnknown { .. })));
    let uses = reported(&ledger, "a", 3);
    ledger.report(&host("a"), &uses, at(3)).expect("reports");
    let refused = ledger.release(&release("a", "10.0.0.0/27"), at(3));
    assert!(matches!(refused, Err(AssignError::InUse { used: 3, .. })));
    let empty = reported(&ledger, "a", 0);
    ledger.report(&host("a"), &empty, at(4)).expect("reports");
    ledger
        .release(&release("a", "10.0.0.0/27"), at(5))
        .expect("releases");
    // It was drained, so its quarantine holds for every host; then the next waiting host gets it.
    ledger.tick(at(304));
    assert_eq!(ranges(&ledger, "b"), [""; 0]);
    ledger.tick(at(305));
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/27"]);
    assert_eq!(ask(&mut ledger, "a", 305), [""; 0]);
    assert_eq!(waits(&ledger, "a"), [WaitReason::Exhausted]);
}

#[test]
fn a_drain_can_be_taken_back() {
    let mut ledger = fresh(&plan("10.0.0.0/27", Some(27), &[], &[("a", &[])]));
    ask(&mut ledger, "a", 1);
    for (cancel, expected) in [(false, "~10.0.0.0/27"), (true, "10.0.0.0/27")] {
        ledger
            .drain(&drain("a", "10.0.0.0/27", cancel), at(2))
            .expect("drains");
        assert_eq!(ranges(&ledger, "a"), [expected]);
    }
}

#[test]
fn a_late_release_of_an_earlier_lease_changes_nothing() {
    let mut ledger = fresh(&plan("10.0.0.0/27", Some(27), &[], &[("a", &[])]));
    ask(&mut ledger, "a", 1);
    ledger
        .drain(&drain("a", "10.0.0.0/27", false), at(2))
        .expect("drains");
    let late = Release {
        lease: Some(LeaseId(9_999)),
        force: true,
        ..release("a", "10.0.0.0/27")
    };
    let refused = ledger.release(&late, at(3));
    assert!(matches!(refused, Err(AssignError::NotCurrent { .. })));
    assert_eq!(ranges(&ledger, "a"), ["~10.0.0.0/27"]);
}

#[test]
fn a_range_that_the_plan_moves_waits_for_the_host_that_has_it() {
    let mut ledger = fresh(&plan(
        "10.0.0.0/24",
        None,
        &[],
        &[("a", &["10.0.0.0/26"]), ("b", &[])],
    ));
    ask(&mut ledger, "a", 1);
    ask(&mut ledger, "b", 1);
    let moved = plan(
        "10.0.0.0/24",
        None,
        &[],
        &[("a", &[]), ("b", &["10.0.0.0/26"])],
    );
    let outcome = ledger.declare(moved, at(2));
    assert_eq!(outcome.drained, [(host("a"), prefix("10.0.0.0/26"))]);
    assert_eq!(outcome.waiting, 1);
    assert_eq!(ranges(&ledger, "a"), ["~10.0.0.0/26"]);
    assert_eq!(waits(&ledger, "b"), [WaitReason::Owned]);
    let empty = reported(&ledger, "a", 0);
    ledger.report(&host("a"), &empty, at(3)).expect("reports");
    ledger
        .release(&release("a", "10.0.0.0/26"), at(3))
        .expect("releases");
    assert_eq!(waits(&ledger, "b"), [WaitReason::Owned]);
    ledger.tick(at(303));
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/26"]);
}

#[test]
fn a_range_that_grows_in_the_plan_grows_and_one_that_shrinks_drains_the_rest() {
    let with = |range: &'static str| plan("10.0.0.0/24", None, &[], &[("a", &[range])]);
    let mut ledger = fresh(&with("10.0.0.64/26"));
    ask(&mut ledger, "a", 1);
    let before = ledger.ranges_of(&host("a")).expect("asked").revision;
    ledger.declare(with("10.0.0.0/25"), at(2));
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/25"]);
    let after = ledger.ranges_of(&host("a")).expect("asked").revision;
    assert_ne!(before, after);
    ledger.declare(with("10.0.0.32/27"), at(3));
    assert_eq!(
        ranges(&ledger, "a"),
        ["~10.0.0.0/27", "10.0.0.32/27", "~10.0.0.64/26"]
    );
    ledger.declare(with("10.0.0.0/25"), at(4));
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/25"]);
}

#[test]
fn a_host_that_is_taken_out_of_the_plan_drains_and_comes_back_with_it() {
    let with = plan("10.0.0.0/24", Some(26), &[], &[("a", &[])]);
    let mut ledger = fresh(&with);
    ask(&mut ledger, "a", 1);
    ledger.declare(plan("10.0.0.0/24", Some(26), &[], &[]), at(2));
    assert_eq!(ranges(&ledger, "a"), ["~10.0.0.0/26"]);
    ledger.declare(with, at(3));
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/26"]);
}

#[test]
fn growing_sub_allocates_one_slice_more_and_moves_nothing() {
    let hosts: [(&str, &[&str]); 2] = [("a", &[]), ("b", &[])];
    let mut ledger = fresh(&plan("10.0.0.0/25", Some(27), &[], &hosts));
    ask(&mut ledger, "a", 1);
    ask(&mut ledger, "b", 1);
    let grow = Grow {
        host: host("a"),
        network: web(),
    };
    ledger.grow(&grow, at(2)).expect("grows");
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/27", "10.0.0.64/27"]);
    ledger.grow(&grow, at(2)).expect("grows");
    let refused = ledger.grow(&grow, at(2));
    assert!(matches!(refused, Err(AssignError::Exhausted { .. })));
}

#[test]
fn after_a_start_hosts_keep_what_they_report_and_nothing_new_is_granted_at_once() {
    let hosts: [(&str, &[&str]); 2] = [("a", &[]), ("b", &[])];
    let declared = plan("10.0.0.0/24", Some(26), &[], &hosts);
    let mut store = LedgerMemory::default();
    let mut ledger = fresh(&declared);
    ask(&mut ledger, "a", 1);
    let held = reported(&ledger, "a", 0);
    save(&mut ledger, &mut store);

    let mut ledger = restart(&mut store, Trust::Current, 2, 100);
    ledger.declare(declared, at(100));
    // If this is an older copy, its range may be another host's by now.
    assert_eq!(ask(&mut ledger, "a", 100), [""; 0]);
    assert_eq!(waits(&ledger, "a"), [WaitReason::GracePeriod]);
    ledger.report(&host("a"), &held, at(100)).expect("reports");
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/26"]);
    assert_eq!(ask(&mut ledger, "b", 109), [""; 0]);
    assert_eq!(waits(&ledger, "b"), [WaitReason::GracePeriod]);
    ledger.tick(at(110));
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.64/26"]);
}

#[test]
fn a_host_that_lost_its_disk_gets_its_ranges_back_after_the_grace_period() {
    let declared = plan("10.0.0.0/24", Some(26), &[], &[("a", &[]), ("b", &[])]);
    let mut store = LedgerMemory::default();
    let mut ledger = fresh(&declared);
    ask(&mut ledger, "a", 1);
    save(&mut ledger, &mut store);
    let mut ledger = restart(&mut store, Trust::Current, 2, 100);
    ledger.declare(declared, at(100));
    ledger.report(&host("a"), &[], at(101)).expect("reports");
    assert_eq!(ranges(&ledger, "a"), [""; 0]);
    ledger.tick(at(110));
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/26"]);
    assert_eq!(waits(&ledger, "a"), []);
}

#[test]
fn a_backup_that_gives_a_range_to_its_former_owner_yields_to_the_host_that_reports_it() {
    let hosts: [(&str, &[&str]); 2] = [("a", &[]), ("b", &[])];
    let declared = plan("10.0.0.0/27", Some(27), &[], &hosts);
    let mut store = LedgerMemory::default();
    let mut ledger = fresh(&declared);
    ask(&mut ledger, "a", 1);
    save(&mut ledger, &mut store);
    let mut backup = store.copy();
    let forced = Release {
        force: true,
        ..release("a", "10.0.0.0/27")
    };
    ledger.release(&forced, at(2)).expect("releases");
    ask(&mut ledger, "b", 302);
    let held = reported(&ledger, "b", 1);

    let mut ledger = restart(&mut backup, Trust::Current, 2, 400);
    ledger.declare(declared, at(400));
    ledger.report(&host("a"), &[], at(401)).expect("reports");
    assert_eq!(ranges(&ledger, "a"), [""; 0]);
    ledger.report(&host("b"), &held, at(402)).expect("reports");
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/27"]);
    ledger.tick(at(500));
    assert_eq!(ranges(&ledger, "a"), [""; 0]);
}

/// Makes a backup, grants a host a range, and restores the backup.
fn restored(hosts: &[(&str, &[&str])], trust: Trust) -> (Ledger, Vec<Held>) {
    let declared = plan("10.0.0.0/24", Some(26), &[], hosts);
    let mut store = LedgerMemory::default();
    let mut ledger = fresh(&declared);
    save(&mut ledger, &mut store);
    let mut backup = store.copy();
    ask(&mut ledger, "a", 1);
    save(&mut ledger, &mut store);
    let held = reported(&ledger, "a", 5);
    let mut ledger = restart(&mut backup, trust, 2, 100);
    ledger.declare(declared, at(100));
    (ledger, held)
}

#[test]
fn a_reported_range_that_a_restored_backup_does_not_know_is_adopted() {
    let (mut ledger, held) = restored(&[("a", &[]), ("b", &[])], Trust::Current);
    ask(&mut ledger, "b", 101);
    ledger.report(&host("a"), &held, at(102)).expect("reports");
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/26"]);
    // The ledger has found out that it is an older copy, and begins another grace period.
    ledger.tick(at(111));
    assert_eq!(ranges(&ledger, "b"), [""; 0]);
    ledger.tick(at(112));
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.64/26"]);
}

/// The example in `ledger/adopt.rs`, up to `b`'s report; whether `b` reports in the grace period.
fn example(in_time: bool) -> Ledger {
    let hosts: [(&str, &[&str]); 3] = [("a", &[]), ("b", &[]), ("c", &[])];
    let declared = plan("10.0.0.0/24", Some(27), &[], &hosts);
    let mut store = LedgerMemory::default();
    let mut ledger = fresh(&declared);
    assert_eq!(ask(&mut ledger, "a", 1), ["10.0.0.0/27"]);
    save(&mut ledger, &mut store);
    let mut backup = store.copy();
    assert_eq!(ask(&mut ledger, "b", 2), ["10.0.0.32/27"]);
    let (of_a, of_b) = (reported(&ledger, "a", 5), reported(&ledger, "b", 5));
    assert_eq!((of_a[0].lease, of_b[0].lease), (LeaseId(1), LeaseId(2)));
    let mut ledger = restart(&mut backup, Trust::Current, 2, 100);
    assert_eq!(ledger.sequence(), 1);
    ledger.declare(declared, at(100));
    ledger.report(&host("a"), &of_a, at(101)).expect("reports");
    if in_time {
        ledger.report(&host("b"), &of_b, at(102)).expect("reports");
        assert_eq!(ranges(&ledger, "b"), ["10.0.0.32/27"]);
        assert!(ledger.sequence() >= 2 && ledger.in_grace_period(at(111)));
    } else {
        assert_eq!(ask(&mut ledger, "c", 110), ["10.0.0.32/27"]);
        ledger.report(&host("b"), &of_b, at(120)).expect("reports");
    }
    ledger
}

#[test]
fn a_report_in_the_grace_period_keeps_a_range_from_other_hosts() {
    let mut ledger = example(true);
    assert_eq!(ask(&mut ledger, "c", 112), ["10.0.0.64/27"]);
    let late = example(false);
    assert_eq!(ranges(&late, "c"), ["~10.0.0.32/27"]);
    let of_b = ranges(&late, "b");
    assert!(of_b.contains(&"~10.0.0.32/27".to_owned()), "{of_b:?}");
}

#[test]
fn a_ledger_that_is_known_to_be_restored_waits_for_every_host_however_long() {
    let (mut ledger, held) = restored(&[("a", &[]), ("b", &[])], Trust::RestoredFromBackup);
    ledger.report(&host("b"), &[], at(101)).expect("reports");
    ledger.tick(at(100_000));
    assert_eq!(ranges(&ledger, "b"), [""; 0]);
    ledger
        .report(&host("a"), &held, at(100_001))
        .expect("reports");
    assert_eq!(ranges(&ledger, "a"), ["10.0.0.0/26"]);
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.64/26"]);
    let entries = ledger.take_entries();
    assert!(entries.contains(&Entry::Trusted(false)) && entries.contains(&Entry::Trusted(true)));
}

#[test]
fn an_admin_can_declare_a_ledger_correct() {
    let (mut ledger, _) = restored(&[("a", &[]), ("b", &[])], Trust::RestoredFromBackup);
    ledger.trust(at(101));
    assert_eq!(ask(&mut ledger, "b", 101), ["10.0.0.0/26"]);
}

#[test]
fn two_hosts_that_report_the_same_range_both_stop_assigning_from_it() {
    let (mut ledger, held) = restored(&[("a", &[]), ("b", &[])], Trust::Current);
    // The host did not report during the grace period.
    assert_eq!(ask(&mut ledger, "b", 110), ["10.0.0.0/26"]);
    ledger.report(&host("a"), &held, at(120)).expect("reports");
    assert_eq!(ranges(&ledger, "b"), ["~10.0.0.0/26"]);
    let of_a = ranges(&ledger, "a");
    assert!(of_a.contains(&"~10.0.0.0/26".to_owned()), "{of_a:?}");
    let refused = ledger.drain(&drain("b", "10.0.0.0/26", true), at(121));
    assert!(matches!(refused, Err(AssignError::Contested { .. })));
    // It no longer reports the range: the other host assigns from it again.
    ledger.report(&host("a"), &[], at(130)).expect("reports");
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/26"]);
}

#[test]
fn a_host_that_was_restored_does_not_get_back_what_it_no_longer_uses() {
    let hosts: [(&str, &[&str]); 2] = [("a", &[]), ("b", &[])];
    let mut ledger = fresh(&plan("10.0.0.0/27", Some(27), &[], &hosts));
    ask(&mut ledger, "a", 1);
    let old = reported(&ledger, "a", 0);
    ledger.report(&host("a"), &old, at(1)).expect("reports");
    ledger
        .drain(&drain("a", "10.0.0.0/27", false), at(1))
        .expect("drains");
    ledger
        .release(&release("a", "10.0.0.0/27"), at(2))
        .expect("releases");
    ask(&mut ledger, "b", 3);
    ledger.tick(at(302));
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/27"]);
    ledger.report(&host("a"), &old, at(303)).expect("reports");
    assert_eq!(ranges(&ledger, "a"), [""; 0]);
    assert_eq!(ranges(&ledger, "b"), ["10.0.0.0/27"]);
}

#[test]
fn who_owns_an_address_is_known() {
    let declared = plan(
        "10.0.0.0/24",
        Some(26),
        &[],
        &[("a", &[]), ("b", &["10.0.0.128/26"])],
    );
    let mut ledger = fresh(&declared);
    ask(&mut ledger, "a", 1);
    let owner = ledger.owner("10.0.0.7".parse().expect("an address"));
    assert_eq!(owner.lease.map(|l| l.lease.host), Some(host("a")));
    assert_eq!(owner.pools.len(), 1);
    let owner = ledger.owner("10.0.0.130".parse().expect("an address"));
    assert_eq!((owner.lease, owner.declared), (None, Some(host("b"))));
}

#[test]
fn a_pool_says_what_is_owned_withheld_and_free() {
    let declared = plan(
        "10.0.0.0/24",
        Some(26),
        &["10.0.0.192/27"],
        &[("a", &[]), ("b", &["10.0.0.128/26"])],
    );
    let mut ledger = fresh(&declared);
    ask(&mut ledger, "a", 1);
    let uses = reported(&ledger, "a", 5);
    ledger.report(&host("a"), &uses, at(2)).expect("reports");
    let pools = ledger.pools();
    let [pool] = pools.as_slice() else {
        panic!("one pool: {pools:?}");
    };
    assert_eq!((pool.owned, pool.withheld, pool.used), (64, 96, 5));
    assert_eq!(pool.free(), 96);
}

#[test]
fn a_prefix_without_a_part_is_the_remaining_prefixes_in_order() {
    let left = super::sub_allocate::without(prefix("10.0.0.0/24"), prefix("10.0.0.96/27"));
    let left: Vec<String> = left.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["10.0.0.0/26", "10.0.0.64/27", "10.0.0.128/25"]);
    let whole = prefix("2001:db8::/64");
    assert_eq!(super::sub_allocate::without(whole, whole), []);
}
