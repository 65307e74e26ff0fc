//! Listings with entries that this version does not understand.

use serde_json::{Value, json};

use super::super::listing::{page, read};
use super::*;
use crate::diff::{Rules, Sightings, diff};
use crate::model::{ClusterName, DesiredEntry, DesiredTable, Generation, Table, Timestamp};

fn listed(entries: &[Value]) -> Table {
    let answer = json!({ "RouteEntrys": { "RouteEntry": entries } });
    let mut found = Table::new(table());
    for raw in page("Test", &answer).unwrap().entries {
        read(&raw, &mut found);
    }
    found
}

fn good(destination: &str, name: &str) -> Value {
    json!({
        "RouteEntryId": format!("rte-{destination}"), "RouteTableId": "vtb-1",
        "DestinationCidrBlock": destination, "Status": "Available", "Type": "Custom",
        "IpVersion": "4", "RouteEntryName": name, "Description": "", "Origin": "API",
        "NextHops": { "NextHop": [
            { "NextHopId": "i-1", "NextHopType": "Instance", "Weight": 0, "Enabled": 1 },
        ]},
    })
}

fn with(mut entry: Value, field: &str, value: Value) -> Value {
    entry[field] = value;
    entry
}

fn with_hop(mut entry: Value, field: &str, value: Value) -> Value {
    entry["NextHops"]["NextHop"][0][field] = value;
    entry
}

/// What is wrong with the only entry of a table.
fn complaint(table: &Table) -> &str {
    assert_eq!(table.not_understood.len(), 1, "{table:?}");
    &table.not_understood[0].why
}

#[test]
fn a_number_as_text_a_null_and_an_unknown_field_are_understood() {
    let plain = listed(&[good("10.1.0.0/24", "flatnet:prod:1:a")]);
    let odd = with_hop(
        good("10.1.0.0/24", "flatnet:prod:1:a"),
        "Weight",
        json!("0"),
    );
    let odd = with(odd, "Description", Value::Null);
    let odd = with(odd, "IpVersion", json!(4));
    let odd = with(odd, "Brand", json!({"new": [1, 2]}));
    assert_eq!(listed(&[odd]), plain);
    let nulls = with_hop(good("10.1.0.0/24", "x"), "Weight", Value::Null);
    let nulls = with(nulls, "RouteEntryName", Value::Null);
    let found = listed(&[nulls]);
    assert_eq!(
        (found.entries[0].name.as_str(), found.not_understood.len()),
        ("", 0)
    );
}

#[test]
fn a_prefix_list_as_destination_is_told_of_and_uses_up_quota() {
    let odd = with(
        good("10.1.0.0/24", "x"),
        "DestinationCidrBlock",
        json!("pl-bp1abc"),
    );
    let found = listed(&[odd, good("10.2.0.0/24", "y")]);
    assert_eq!(
        complaint(&found),
        "its destination `pl-bp1abc` is not an IP prefix"
    );
    assert_eq!((found.entries.len(), found.hidden()), (1, 1));
}

#[test]
fn an_entry_that_is_not_understood_is_never_ours_and_its_destination_is_taken() {
    let ours = good("10.1.0.0/24", "flatnet:prod:1:a");
    for odd in [
        with_hop(ours.clone(), "NextHopType", json!("PrefixList")),
        with_hop(ours.clone(), "Weight", json!("heavy")),
        with_hop(ours.clone(), "NextHopId", Value::Null),
        with(ours.clone(), "Status", json!("Dreaming")),
        with(ours.clone(), "Type", json!("Quantum")),
        with(ours.clone(), "NextHops", json!("none")),
        with(ours.clone(), "NextHops", Value::Null),
    ] {
        let found = listed(std::slice::from_ref(&odd));
        assert!(!complaint(&found).is_empty());
        let cluster: ClusterName = "prod".parse().unwrap();
        assert_eq!(found.entries[0].owner_in(&cluster), None, "{odd}");
        for leads in ["i-1", "i-2"] {
            let plan = diff(
                &desired(leads),
                &found,
                &rules(),
                &Sightings::new(),
                Timestamp(0),
            );
            assert_eq!(
                (plan.ops.len(), plan.conflicts.len()),
                (0, 1),
                "{odd}: {plan:?}"
            );
            assert_eq!((plan.unmanaged, plan.not_understood.len()), (1, 1));
        }
    }
}

#[test]
fn an_odd_entry_of_the_clouds_own_uses_up_no_quota() {
    let odd = with(good("pl-1", ""), "Type", json!("System"));
    assert_eq!(listed(&[odd]).hidden(), 0);
}

#[test]
fn the_quota_counts_what_has_no_destination() {
    let lists: Vec<Value> = (0..3).map(|n| good(&format!("pl-{n}"), "")).collect();
    let mut rules = rules();
    rules.quota = Some(3);
    let plan = diff(
        &desired("i-1"),
        &listed(&lists),
        &rules,
        &Sightings::new(),
        Timestamp(0),
    );
    assert_eq!((plan.ops.len(), plan.refused.len()), (0, 1), "{plan:?}");
    rules.quota = Some(4);
    let plan = diff(
        &desired("i-1"),
        &listed(&lists),
        &rules,
        &Sightings::new(),
        Timestamp(0),
    );
    assert_eq!((plan.ops.len(), plan.refused.len()), (1, 0), "{plan:?}");
}

fn rules() -> Rules {
    Rules::new("prod".parse().unwrap(), Generation(1))
}

fn desired(leads: &str) -> DesiredTable {
    DesiredTable {
        table: table(),
        entries: vec![DesiredEntry {
            destination: "10.1.0.0/24".parse().unwrap(),
            next_hops: NextHops::one(NextHopKind::Instance, leads),
            label: "a".into(),
        }],
    }
}

/// Any JSON value, a few levels deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("10.1.0.0/24")),
        Just(json!("flatnet:prod:1:a")),
        Just(json!("Custom")),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,12}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Replaces the `at`-th value of a tree, counted from its root; what was there.
fn replace(tree: &mut Value, at: &mut usize, with: &Value) -> bool {
    if *at == 0 {
        tree.clone_from(with);
        return true;
    }
    *at -= 1;
    match tree {
        Value::Array(list) => list.iter_mut().any(|v| replace(v, at, with)),
        Value::Object(map) => map.values_mut().any(|v| replace(v, at, with)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_mutation_of_an_entry_hides_the_others_or_makes_us_touch_it(
        mutations in prop::collection::vec((0usize..18, any_json()), 1..4),
    ) {
        let mut odd = good("10.1.0.0/24", "flatnet:prod:1:a");
        for (at, value) in mutations {
            replace(&mut odd, &mut at.clone(), &value);
        }
        let rest = [good("10.2.0.0/24", "flatnet:prod:1:b"), good("10.3.0.0/24", "by hand")];
        let alone = listed(&rest);
        let found = listed(&[rest[0].clone(), odd.clone(), rest[1].clone()]);
        for entry in &alone.entries {
            prop_assert!(found.entries.contains(entry), "{odd}");
        }
        // It is an entry, or told of, or both.
        let more = found.entries.len() - alone.entries.len();
        prop_assert!(more + found.not_understood.len() > 0, "{odd}");
        if found.not_understood.is_empty() {
            return Ok(());
        }
        let mut rules = rules();
        rules.mass_delete.allowed = true;
        let none = DesiredTable { table: table(), entries: Vec::new() };
        let plan = diff(&none, &found, &rules, &Sightings::new(), Timestamp(0));
        for op in plan.ops {
            prop_assert_eq!(op.destination(), "10.2.0.0/24".parse().unwrap(), "{}", odd);
        }
    }
}
