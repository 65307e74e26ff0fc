//! Plans executed op by op on a table in memory that has the cloud's rules, every address
//! looked up after each.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;

use super::*;
use crate::model::{DesiredEntry, Entry, NextHop, NextHopKind, NextHops, Owner, Prefix, TableId};

/// All prefixes of 10.0.0.0/28: depth 4, 16 addresses.
const ROOT: &str = "10.0.0.0/28";
const CLUSTER: &str = "prod";
const NOW: Timestamp = Timestamp(1_000);

fn universe() -> Vec<Prefix> {
    let mut all = vec![ROOT.parse::<Prefix>().unwrap()];
    let mut i = 0;
    while i < all.len() {
        let parts = all[i].more_specifics();
        all.extend(parts.into_iter().flatten());
        i += 1;
    }
    all
}

fn hops(n: usize) -> NextHops {
    let hop = |id: &str| NextHop {
        kind: NextHopKind::Instance,
        id: id.into(),
        weight: 0,
    };
    let ids: &[&str] = match n {
        0 => &["a"],
        1 => &["b"],
        2 => &["c"],
        3 => &["a", "b"],
        _ => &["b", "c"],
    };
    NextHops::new(ids.iter().map(|id| hop(id)).collect()).unwrap()
}

fn rules(quota: Option<usize>) -> Rules {
    let mut rules = Rules::new(CLUSTER.parse().unwrap(), Generation(2));
    rules.quota = quota;
    rules.mass_delete.allowed = true;
    rules
}

use crate::model::Generation;

/// The table in memory, with the API's rules.
#[derive(Clone)]
struct Cloud {
    entries: BTreeMap<Prefix, Entry>,
    quota: usize,
}

impl Cloud {
    fn new(table: &Table, quota: usize) -> Self {
        let entries = table.entries.iter().map(|e| (e.destination, e.clone()));
        Self {
            entries: entries.collect(),
            quota,
        }
    }

    fn lookup(&self, address: Prefix) -> Option<&Entry> {
        let covering = self
            .entries
            .values()
            .filter(|e| e.destination.covers(address));
        covering.max_by_key(|e| e.destination.length())
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        let cluster = CLUSTER.parse().unwrap();
        let at = op.destination();
        match op {
            Op::Create {
                next_hops, name, ..
            } => {
                if self.entries.contains_key(&at) {
                    return Err(format!("{at} is there twice"));
                }
                if self.entries.len() >= self.quota {
                    return Err(format!("{at} exceeds the quota"));
                }
                let entry = Entry {
                    destination: at,
                    next_hops: next_hops.clone(),
                    name: name.clone(),
                    id: None,
                    status: Status::Available,
                    kind: EntryKind::Custom,
                };
                self.entries.insert(at, entry);
            }
            Op::Modify { from, to, .. } => {
                let entry = self.entries.get_mut(&at).ok_or("modifies the absent")?;
                entry
                    .owner_in(&cluster)
                    .ok_or("modifies an unmanaged entry")?;
                if entry.next_hops != *from || from.single().is_none() || to.single().is_none() {
                    return Err(format!("{at} cannot be modified from {from} to {to}"));
                }
                entry.next_hops = to.clone();
            }
            Op::Delete { next_hops, .. } => {
                let entry = self.entries.remove(&at).ok_or("deletes the absent")?;
                entry
                    .owner_in(&cluster)
                    .ok_or("deletes an unmanaged entry")?;
                if entry.next_hops != *next_hops {
                    return Err(format!(
                        "{at} leads to {}, not {next_hops}",
                        entry.next_hops
                    ));
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Case {
    desired: DesiredTable,
    actual: Table,
    /// Room beyond the larger of start and end.
    slack: usize,
}

fn name(managed: bool) -> String {
    let owner = Owner {
        cluster: CLUSTER.parse().unwrap(),
        generation: Generation(1),
        label: "node".into(),
    };
    if managed {
        owner.name()
    } else {
        "by-hand".into()
    }
}

fn cases(most: usize, kinds: usize) -> impl Strategy<Value = Case> {
    let all = universe();
    let prefix = prop::sample::select(all);
    let actual = prop::collection::btree_map(
        prefix.clone(),
        (0..kinds, prop::bool::weighted(0.85)),
        0..most,
    );
    let desired = prop::collection::btree_map(prefix, 0..kinds, 0..most);
    (actual, desired, 0usize..4).prop_map(|(actual, desired, slack)| {
        let entry = |(destination, (n, managed))| Entry {
            destination,
            next_hops: hops(n),
            name: name(managed),
            id: None,
            status: Status::Available,
            kind: EntryKind::Custom,
        };
        let want = |(destination, n)| DesiredEntry {
            destination,
            next_hops: hops(n),
            label: "node".into(),
        };
        Case {
            desired: DesiredTable {
                table: TableId("vtb-1".into()),
                entries: desired.into_iter().map(want).collect(),
            },
            actual: Table {
                table: TableId("vtb-1".into()),
                entries: actual.into_iter().map(entry).collect(),
                not_understood: Vec::new(),
            },
            slack,
        }
    })
}

impl Case {
    /// The table when everything is done.
    fn end(&self) -> BTreeMap<Prefix, NextHops> {
        let unmanaged = self.actual.entries.iter().filter(|e| e.name == "by-hand");
        let mut end: BTreeMap<_, _> = self
            .desired
            .entries
            .iter()
            .map(|e| (e.destination, e.next_hops.clone()))
            .collect();
        end.extend(unmanaged.map(|e| (e.destination, e.next_hops.clone())));
        end
    }

    fn quota(&self) -> usize {
        self.end().len().max(self.actual.entries.len()) + self.slack
    }

    fn addresses() -> impl Iterator<Item = Prefix> {
        universe().into_iter().filter(|p| p.length() == 32)
    }

    fn is_needed(&self, address: Prefix) -> bool {
        self.desired
            .entries
            .iter()
            .any(|e| e.destination.covers(address))
    }
}

fn lookup(table: &BTreeMap<Prefix, NextHops>, address: Prefix) -> Option<&NextHops> {
    let covering = table.iter().filter(|(p, _)| p.covers(address));
    covering
        .max_by_key(|(p, _)| p.length())
        .map(|(_, hops)| hops)
}

/// Executes a plan and checks what every step must keep; the cloud afterwards.
fn run(case: &Case, plan: &Plan, quota: usize) -> Result<Cloud, TestCaseError> {
    let mut cloud = Cloud::new(&case.actual, quota);
    let before = cloud.clone();
    let end = case.end();
    for op in &plan.ops {
        let done = cloud.apply(op);
        prop_assert!(done.is_ok(), "{:?} in {:#?}", done, plan.ops);
        for address in Case::addresses().filter(|a| case.is_needed(*a)) {
            let was = before.lookup(address).map(|e| &e.next_hops);
            let is = cloud.lookup(address).map(|e| &e.next_hops);
            let will = lookup(&end, address);
            prop_assert!(
                is == was || is == will,
                "{address} leads to {is:?} after {op:?}, neither {was:?} nor {will:?}: {:#?}",
                plan.ops
            );
        }
    }
    Ok(cloud)
}

/// A failure that a person can read.
fn plan_text(case: &Case, plan: &Plan) -> String {
    let mut text = String::new();
    for e in &case.actual.entries {
        text += &format!("is    {} via {} {}\n", e.destination, e.next_hops, e.name);
    }
    for e in &case.desired.entries {
        text += &format!("shall {} via {}\n", e.destination, e.next_hops);
    }
    for op in &plan.ops {
        text += &format!("{} {}\n", op.kind(), op.destination());
    }
    for refusal in &plan.refused {
        text += &format!("{refusal}\n");
    }
    text
}

fn is_a_host_routes(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NoMakeBeforeBreak { destination, .. } if destination.more_specifics().is_none())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn with_room_every_plan_reaches_its_end_and_no_address_takes_a_detour(case in cases(14, 5)) {
        let none = Sightings::new();
        let plan = diff(&case.desired, &case.actual, &rules(None), &none, NOW);
        let cloud = run(&case, &plan, usize::MAX)?;
        prop_assert!(plan.refused.iter().all(is_a_host_routes), "{:?}", plan.refused);
        let after = Table {
            table: case.actual.table.clone(),
            entries: cloud.entries.values().cloned().collect(),
            not_understood: Vec::new(),
        };
        if plan.refused.is_empty() {
            let reached: BTreeMap<_, _> =
                cloud.entries.values().map(|e| (e.destination, e.next_hops.clone())).collect();
            prop_assert_eq!(reached, case.end());
        }
        let again = diff(&case.desired, &after, &rules(None), &none, NOW);
        prop_assert!(again.ops.is_empty(), "{:#?}", again.ops);
    }

    #[test]
    fn the_quota_is_never_exceeded_and_what_is_refused_says_so(case in cases(14, 5)) {
        let quota = case.quota();
        let none = Sightings::new();
        let plan = diff(&case.desired, &case.actual, &rules(Some(quota)), &none, NOW);
        let cloud = run(&case, &plan, quota)?;
        let reached: BTreeMap<_, _> =
            cloud.entries.values().map(|e| (e.destination, e.next_hops.clone())).collect();
        prop_assert!(!plan.refused.is_empty() || reached == case.end(), "{}", plan_text(&case, &plan));
    }

    #[test]
    fn an_order_is_refused_only_where_there_is_none(case in cases(8, 3)) {
        let quota = case.quota() - case.slack;
        let plan = diff(&case.desired, &case.actual, &rules(Some(quota)), &Sightings::new(), NOW);
        run(&case, &plan, quota)?;
        let refused = plan.refused.iter().any(|r| matches!(r, Refusal::NoOrder { .. }));
        prop_assert!(!refused || plan_is_large(&case) || !an_order_exists(&case, quota), "{}", plan_text(&case, &plan));
    }

    #[test]
    fn foreign_entries_are_counted_and_left_alone(case in cases(14, 5)) {
        let plan = diff(&case.desired, &case.actual, &rules(None), &Sightings::new(), NOW);
        let unmanaged: BTreeSet<Prefix> = case.actual.entries.iter()
            .filter(|e| e.name == "by-hand").map(|e| e.destination).collect();
        prop_assert_eq!(plan.unmanaged, unmanaged.len());
        prop_assert!(plan.ops.iter().all(|op| !unmanaged.contains(&op.destination())));
    }

    #[test]
    fn a_plan_that_stops_after_any_step_is_finished_by_the_next(case in cases(10, 5), cut in 0usize..20) {
        let none = Sightings::new();
        let quota = case.quota() + 2;
        let plan = diff(&case.desired, &case.actual, &rules(Some(quota)), &none, NOW);
        let mut part = plan.clone();
        part.ops.truncate(cut);
        let cloud = run(&case, &part, quota)?;
        let table = Table {
            table: case.actual.table.clone(),
            entries: cloud.entries.values().cloned().collect(),
            not_understood: Vec::new(),
        };
        let second = Case { actual: table, ..case.clone() };
        let rest = diff(&second.desired, &second.actual, &rules(Some(quota)), &none, NOW);
        let cloud = run(&second, &rest, quota)?;
        let reached: BTreeMap<_, _> =
            cloud.entries.values().map(|e| (e.destination, e.next_hops.clone())).collect();
        prop_assert!(!rest.refused.is_empty() || reached == case.end(), "{}", plan_text(&second, &rest));
    }
}

/// More changes than are searched through.
fn plan_is_large(case: &Case) -> bool {
    let mut open = rules(None);
    open.in_place = InPlace::Always;
    let none = Sightings::new();
    diff(&case.desired, &case.actual, &open, &none, NOW)
        .ops
        .len()
        > 12
}

/// Every order of the changes, tried: additions, changes in place, deletions.
fn an_order_exists(case: &Case, quota: usize) -> bool {
    let end = case.end();
    let start: BTreeMap<Prefix, NextHops> = case
        .actual
        .entries
        .iter()
        .map(|e| (e.destination, e.next_hops.clone()))
        .collect();
    let changing: Vec<Prefix> = start
        .keys()
        .chain(end.keys())
        .filter(|p| start.get(p) != end.get(p))
        .copied()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let table = |done: u32| {
        let mut table = start.clone();
        for (i, p) in changing
            .iter()
            .enumerate()
            .filter(|(i, _)| done & (1 << i) != 0)
        {
            debug_assert!(i < 32);
            match end.get(p) {
                Some(hops) => table.insert(*p, hops.clone()),
                None => table.remove(p),
            };
        }
        table
    };
    let is_good = |done: u32| {
        let table = table(done);
        table.len() <= quota
            && Case::addresses().filter(|a| case.is_needed(*a)).all(|a| {
                let is = lookup(&table, a);
                is == lookup(&start, a) || is == lookup(&end, a)
            })
    };
    let all = (1u32 << changing.len()) - 1;
    let mut seen = HashSet::from([0]);
    let mut open = vec![0];
    while let Some(done) = open.pop() {
        if done == all {
            return true;
        }
        for i in 0..changing.len() {
            let next = done | (1 << i);
            if !seen.contains(&next) && is_good(next) {
                seen.insert(next);
                open.push(next);
            }
        }
    }
    false
}
