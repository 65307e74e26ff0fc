use super::*;
use crate::model::{
    ClusterName, DesiredEntry, Entry, Generation, NextHop, NextHopKind, NextHops, Prefix, TableId,
};

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn cluster() -> ClusterName {
    "prod".parse().unwrap()
}

fn rules() -> Rules {
    Rules::new(cluster(), Generation(3))
}

fn to(id: &str) -> NextHops {
    let hops = id.split('+').map(|id| NextHop {
        kind: NextHopKind::Instance,
        id: id.into(),
        weight: 0,
    });
    NextHops::new(hops.collect()).unwrap()
}

fn desired(entries: &[(&str, &str)]) -> DesiredTable {
    DesiredTable {
        table: TableId("vtb-1".into()),
        entries: entries
            .iter()
            .map(|(destination, hops)| DesiredEntry {
                destination: p(destination),
                next_hops: to(hops),
                label: (*hops).into(),
            })
            .collect(),
    }
}

fn entry(destination: &str, hops: &str, name: &str) -> Entry {
    Entry {
        destination: p(destination),
        next_hops: to(hops),
        name: name.into(),
        id: Some(format!("rte-{destination}")),
        status: Status::Available,
        kind: EntryKind::Custom,
    }
}

fn actual(entries: Vec<Entry>) -> Table {
    Table {
        table: TableId("vtb-1".into()),
        entries,
        not_understood: Vec::new(),
    }
}

fn managed(entries: &[(&str, &str)]) -> Vec<Entry> {
    entries
        .iter()
        .map(|(destination, hops)| entry(destination, hops, "flatnet:prod:2:x"))
        .collect()
}

/// The ops in short: `+10.0.0.0/24`, `~…`, `-…`.
fn short(plan: &Plan) -> Vec<String> {
    let sign = |op: &Op| match op {
        Op::Create { .. } => '+',
        Op::Modify { .. } => '~',
        Op::Delete { .. } => '-',
    };
    plan.ops
        .iter()
        .map(|op| format!("{}{}", sign(op), op.destination()))
        .collect()
}

fn plan(desired: &DesiredTable, table: &Table, rules: &Rules) -> Plan {
    diff(desired, table, rules, &Sightings::new(), Timestamp(100))
}

#[test]
fn a_table_that_is_as_it_should_be_needs_nothing() {
    let same = &[("10.0.0.0/24", "a"), ("fd00::/64", "b")];
    let plan = plan(&desired(same), &actual(managed(same)), &rules());
    assert_eq!(
        (plan.ops, plan.refused, plan.conflicts),
        (vec![], vec![], vec![])
    );
}

#[test]
fn a_prefix_that_moves_is_changed_in_place() {
    let table = actual(managed(&[("10.0.0.0/24", "a")]));
    let plan = plan(&desired(&[("10.0.0.0/24", "b")]), &table, &rules());
    assert_eq!(
        plan.ops,
        [Op::Modify {
            destination: p("10.0.0.0/24"),
            from: to("a"),
            to: to("b"),
            name: "flatnet:prod:3:b".into(),
            id: Some("rte-10.0.0.0/24".into()),
        }]
    );
}

#[test]
fn an_aggregate_is_split_into_what_is_more_specific_before_it_goes() {
    let table = actual(managed(&[("10.0.0.0/23", "a")]));
    let want = desired(&[("10.0.0.0/24", "a"), ("10.0.1.0/24", "b")]);
    let plan = plan(&want, &table, &rules());
    assert_eq!(
        short(&plan),
        ["+10.0.0.0/24", "+10.0.1.0/24", "-10.0.0.0/23"]
    );
}

#[test]
fn more_specifics_stand_in_for_an_entry_whose_equal_cost_hops_change() {
    let table = actual(managed(&[("10.0.0.0/24", "a+b")]));
    let plan = plan(&desired(&[("10.0.0.0/24", "a+c")]), &table, &rules());
    assert_eq!(
        short(&plan),
        [
            "+10.0.0.0/25",
            "+10.0.0.128/25",
            "-10.0.0.0/24",
            "+10.0.0.0/24",
            "-10.0.0.0/25",
            "-10.0.0.128/25"
        ]
    );
}

#[test]
fn no_more_specifics_are_made_where_a_covering_entry_leads_the_same_way() {
    let table = actual(managed(&[("10.0.0.0/16", "c+d"), ("10.0.0.0/24", "a+b")]));
    let want = desired(&[("10.0.0.0/16", "c+d"), ("10.0.0.0/24", "c+d")]);
    let plan = plan(&want, &table, &rules());
    assert_eq!(short(&plan), ["-10.0.0.0/24", "+10.0.0.0/24"]);
}

#[test]
fn a_host_route_of_equal_cost_that_would_leave_a_gap_is_refused() {
    let table = actual(managed(&[("10.0.0.1/32", "a+b")]));
    let plan = plan(&desired(&[("10.0.0.1/32", "a+c")]), &table, &rules());
    assert!(plan.ops.is_empty());
    assert_eq!(
        plan.refused,
        [Refusal::NoMakeBeforeBreak {
            destination: p("10.0.0.1/32"),
            from: to("a+b"),
            to: to("a+c"),
        }]
    );
}

#[test]
fn a_router_that_replaces_routes_whole_needs_no_more_specifics() {
    let mut rules = rules();
    rules.in_place = InPlace::Always;
    let table = actual(managed(&[("10.0.0.1/32", "a+b")]));
    let plan = plan(&desired(&[("10.0.0.1/32", "a+c")]), &table, &rules);
    assert_eq!(short(&plan), ["~10.0.0.1/32"]);
}

#[test]
fn a_conflict_names_both_and_touches_neither() {
    let table = actual(vec![
        entry("10.0.0.0/24", "x", "by-hand"),
        entry("10.0.1.128/25", "y", "flatnet:staging:9:n"),
        entry("10.0.2.0/24", "c", ""),
        entry("192.168.0.0/24", "z", "unrelated"),
    ]);
    let want = desired(&[
        ("10.0.0.0/24", "a"),
        ("10.0.1.0/24", "b"),
        ("10.0.2.0/24", "c"),
    ]);
    let plan = plan(&want, &table, &rules());
    assert_eq!(short(&plan), ["+10.0.1.0/24"]);
    assert_eq!(plan.unmanaged, 4);
    let kinds: Vec<_> = plan
        .conflicts
        .iter()
        .map(|c| (c.destination, c.kind))
        .collect();
    assert_eq!(
        kinds,
        [
            (p("10.0.0.0/24"), ConflictKind::Diverts),
            (p("10.0.1.0/24"), ConflictKind::Shadows),
            (p("10.0.2.0/24"), ConflictKind::Agrees),
        ]
    );
    assert_eq!(
        plan.conflicts[0].to_string(),
        "10.0.0.0/24 via Instance a (for a) is taken: 10.0.0.0/24 via Instance x, \
         named `by-hand` (rte-10.0.0.0/24), leads elsewhere"
    );
}

#[test]
fn an_orphan_goes_when_its_grace_is_over_and_not_before() {
    let mut rules = rules();
    rules.grace = 60;
    let table = actual(managed(&[("10.0.0.0/24", "gone")]));
    let want = desired(&[]);
    let first = diff(&want, &table, &rules, &Sightings::new(), Timestamp(100));
    assert!(first.ops.is_empty());
    assert_eq!(first.orphans[0].due, Timestamp(161));
    let seen = first.sightings();
    assert!(
        diff(&want, &table, &rules, &seen, Timestamp(160))
            .ops
            .is_empty()
    );
    let last = diff(&want, &table, &rules, &seen, Timestamp(161));
    assert_eq!(short(&last), ["-10.0.0.0/24"]);
    // A clock that was set back does not make the grace longer than it is.
    let back = diff(&want, &table, &rules, &seen, Timestamp(50));
    assert_eq!(back.orphans[0].due, Timestamp(111));
}

#[test]
fn an_entry_that_is_replaced_has_no_grace_since_it_leads_astray() {
    let mut rules = rules();
    rules.grace = 60;
    let table = actual(managed(&[("10.0.0.0/25", "old")]));
    let plan = plan(&desired(&[("10.0.0.0/24", "new")]), &table, &rules);
    assert_eq!(short(&plan), ["+10.0.0.0/24", "-10.0.0.0/25"]);
}

#[test]
fn a_full_table_is_turned_over_one_by_one() {
    let old: Vec<(String, &str)> = (0..4).map(|i| (format!("10.0.{i}.0/24"), "a")).collect();
    let new: Vec<(String, &str)> = (0..2)
        .flat_map(|i| {
            [
                (format!("10.0.{i}.0/25"), "b"),
                (format!("10.0.{i}.128/25"), "b"),
            ]
        })
        .collect();
    fn refs<'a>(v: &'a [(String, &'a str)]) -> Vec<(&'a str, &'a str)> {
        v.iter().map(|(a, b)| (a.as_str(), *b)).collect()
    }
    let mut rules = rules();
    rules.quota = Some(5);
    let plan = plan(&desired(&refs(&new)), &actual(managed(&refs(&old))), &rules);
    assert_eq!(plan.refused, []);
    assert_eq!(
        short(&plan),
        [
            "-10.0.2.0/24",
            "-10.0.3.0/24",
            "+10.0.1.0/25",
            "+10.0.1.128/25",
            "-10.0.1.0/24",
            "+10.0.0.0/25",
            "+10.0.0.128/25",
            "-10.0.0.0/24",
        ]
    );
}

#[test]
fn a_full_table_whose_routes_are_all_needed_is_refused_where_no_order_exists() {
    let mut rules = rules();
    rules.quota = Some(2);
    let table = actual(managed(&[("10.0.0.0/24", "a"), ("10.0.1.0/24", "a")]));
    let want = desired(&[("10.0.0.0/23", "b"), ("10.0.1.0/24", "a")]);
    // Neither may go before the other is there, and there is no room for a third.
    let plan = plan(&want, &table, &rules);
    assert!(plan.ops.is_empty(), "{:?}", plan.ops);
    assert!(matches!(
        &plan.refused[..],
        [Refusal::NoOrder { quota: 2, .. }]
    ));
}

#[test]
fn a_plan_over_the_quota_changes_nothing_and_says_who_uses_it() {
    let mut rules = rules();
    rules.quota = Some(3);
    rules.grace = 60;
    let mut entries = managed(&[("10.9.0.0/24", "gone")]);
    entries.push(entry("192.168.0.0/24", "x", "by-hand"));
    let want = desired(&[("10.0.0.0/24", "a"), ("10.0.1.0/24", "a")]);
    let plan = plan(&want, &actual(entries), &rules);
    assert!(plan.ops.is_empty());
    assert_eq!(
        plan.refused,
        [Refusal::OverQuota {
            quota: 3,
            desired: 2,
            unmanaged: 1,
            orphans: 1
        }]
    );
}

#[test]
fn a_mass_delete_stops_and_asks() {
    let many: Vec<String> = (0..20).map(|i| format!("10.0.{i}.0/24")).collect();
    let table = actual(
        many.iter()
            .map(|d| entry(d, "a", "flatnet:prod:1:n"))
            .collect(),
    );
    let keep: Vec<(&str, &str)> = many[7..].iter().map(|d| (d.as_str(), "a")).collect();
    let mut rules = rules();
    let stopped = plan(&desired(&keep), &table, &rules);
    assert!(stopped.ops.is_empty());
    assert_eq!(
        stopped.refused,
        [Refusal::MassDelete {
            deletes: 7,
            managed: 20,
            share: 30
        }]
    );
    assert!(
        stopped.refused[0]
            .to_string()
            .contains("--allow-mass-delete")
    );
    rules.mass_delete.allowed = true;
    assert_eq!(plan(&desired(&keep), &table, &rules).ops.len(), 7);
}

#[test]
fn a_leader_that_was_superseded_changes_nothing() {
    let table = actual(vec![entry("10.0.0.0/24", "a", "flatnet:prod:4:n")]);
    let plan = plan(&desired(&[("10.0.1.0/24", "b")]), &table, &rules());
    assert!(plan.ops.is_empty());
    assert!(matches!(
        plan.refused[..],
        [Refusal::Superseded {
            found: Generation(4),
            own: Generation(3),
            ..
        }]
    ));
}

#[test]
fn an_unsettled_entry_makes_everything_wait() {
    let mut entries = managed(&[("10.0.0.0/24", "a")]);
    entries[0].status = Status::Deleting;
    let plan = plan(
        &desired(&[("10.0.1.0/24", "b")]),
        &actual(entries),
        &rules(),
    );
    assert!(plan.ops.is_empty());
    assert_eq!(plan.unsettled, [p("10.0.0.0/24")]);
}

#[test]
fn system_routes_neither_count_nor_conflict() {
    let mut system = entry("10.0.0.0/24", "local", "");
    system.kind = EntryKind::System;
    let mut rules = rules();
    rules.quota = Some(1);
    let plan = plan(
        &desired(&[("10.0.1.0/24", "b")]),
        &actual(vec![system]),
        &rules,
    );
    assert_eq!(
        (short(&plan).len(), plan.unmanaged, plan.conflicts.len()),
        (1, 0, 0)
    );
}

#[test]
fn what_the_cloud_forbids_is_refused_and_what_it_would_replace_is_kept() {
    let mut rules = rules();
    rules.reserved = vec![p("10.0.0.0/20"), p("100.64.0.0/10")];
    let table = actual(managed(&[("10.0.0.0/16", "a")]));
    let want = desired(&[
        ("10.0.1.0/24", "b"),
        ("100.64.1.0/24", "b"),
        ("10.1.0.0/16", "b"),
    ]);
    let plan = plan(&want, &table, &rules);
    assert_eq!(short(&plan), ["+10.1.0.0/16"]);
    assert_eq!(plan.refused.len(), 2);
}

#[test]
fn a_table_takes_no_more_next_hops_than_it_can() {
    let mut rules = rules();
    rules.equal_cost = 1;
    let plan = plan(&desired(&[("10.0.0.0/24", "a+b")]), &actual(vec![]), &rules);
    assert!(plan.ops.is_empty());
    assert_eq!(
        plan.refused,
        [Refusal::TooManyNextHops {
            destination: p("10.0.0.0/24"),
            next_hops: 2,
            limit: 1
        }]
    );
}

#[test]
fn a_destination_that_is_desired_twice_is_left_as_it_is() {
    let want = desired(&[
        ("10.0.0.0/24", "a"),
        ("10.0.0.0/24", "b"),
        ("10.0.1.0/24", "a"),
    ]);
    let table = actual(managed(&[("10.0.0.0/24", "c")]));
    let plan = plan(&want, &table, &rules());
    assert_eq!(short(&plan), ["+10.0.1.0/24"]);
    assert_eq!(
        plan.refused,
        [Refusal::Twice {
            destination: p("10.0.0.0/24")
        }]
    );
}

#[test]
fn a_plan_survives_being_written_and_read() {
    let mut rules = rules();
    rules.quota = Some(1);
    let table = actual(vec![entry("10.0.0.0/24", "x", "by-hand")]);
    let plan = plan(
        &desired(&[("10.0.0.0/24", "a"), ("10.0.1.0/24", "b")]),
        &table,
        &rules,
    );
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

/// The example in the documentation of `under_quota`.
#[test]
fn in_a_full_table_what_gives_room_back_goes_first_and_what_takes_it_for_good_last() {
    let table = actual(managed(&[
        ("10.0.0.0/24", "a"),
        ("10.0.1.0/24", "a"),
        ("10.9.0.0/24", "b"),
    ]));
    let mut rules = rules();
    rules.quota = Some(3);
    rules.mass_delete.allowed = true;
    let want = desired(&[("10.0.0.0/23", "a"), ("10.1.0.0/24", "c")]);
    let plan = plan(&want, &table, &rules);
    assert_eq!(plan.refused, []);
    assert_eq!(
        short(&plan),
        [
            "-10.9.0.0/24",
            "+10.0.0.0/23",
            "-10.0.0.0/24",
            "-10.0.1.0/24",
            "+10.1.0.0/24",
        ]
    );
}

#[test]
fn a_quota_of_each_family_refuses_the_one_that_exceeds_it() {
    let mut rules = rules();
    rules.quota = Some(2);
    let want = [
        ("10.0.0.0/24", "a"),
        ("10.0.2.0/24", "a"),
        ("fd00::/64", "a"),
        ("fd00:0:0:2::/64", "a"),
    ];
    assert_eq!(plan(&desired(&want), &actual(vec![]), &rules).ops, []);
    rules.quota_kind = QuotaKind::Family;
    let fits = plan(&desired(&want), &actual(vec![]), &rules);
    assert_eq!((fits.ops.len(), fits.refused.len()), (4, 0));
    let more = [&want[..], &[("fd00:0:0:4::/64", "a")]].concat();
    let over = plan(&desired(&more), &actual(vec![]), &rules);
    assert_eq!(over.ops, []);
    assert!(
        matches!(
            over.refused[..],
            [Refusal::OverQuota {
                quota: 2,
                desired: 3,
                ..
            }]
        ),
        "{:?}",
        over.refused
    );
}

/// The only orders that keep the quota lead 10.0.0.6 to c, back to a, and to c again.
#[test]
fn an_address_goes_back_and_forth_where_no_other_order_keeps_the_quota() {
    let mut entries = managed(&[
        ("10.0.0.0/29", "c"),
        ("10.0.0.0/31", "a"),
        ("10.0.0.6/32", "a"),
    ]);
    entries.push(entry("10.0.0.0/32", "a", "by-hand"));
    entries.push(entry("10.0.0.7/32", "a", "by-hand"));
    let mut rules = rules();
    rules.quota = Some(5);
    rules.mass_delete.allowed = true;
    let want = desired(&[
        ("10.0.0.0/28", "a"),
        ("10.0.0.6/31", "c"),
        ("10.0.0.8/29", "a"),
    ]);
    let plan = plan(&want, &actual(entries), &rules);
    assert_eq!(plan.refused, []);
    assert_eq!(short(&plan).len(), 6);
}
