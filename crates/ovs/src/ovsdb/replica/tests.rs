use super::*;
use proptest::prelude::*;
use serde_json::json;

fn schema() -> Schema {
    Schema::from_json(&json!({"name": "db", "tables": {"T": {"columns": {
        "name": {"type": "string"},
        "opt": {"type": {"key": "integer", "min": 0, "max": 1}},
        "set": {"type": {"key": "integer", "min": 0, "max": "unlimited"}},
        "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
        "unseen": {"type": "string"},
    }}}}))
    .expect("a schema")
}

fn spec() -> MonitorSpec {
    MonitorSpec::new().table("T", ["name", "opt", "set", "map"])
}

fn replica() -> Replica {
    Replica::new(&spec(), &schema()).expect("known tables")
}

const ID: Uuid = Uuid::from_u128(1);

fn update(kind: &str, row: &Value) -> Value {
    json!({"T": {ID.to_string(): {kind: row}}})
}

#[test]
fn a_row_has_its_defaults() {
    let mut replica = replica();
    replica.apply(update("initial", &json!({}))).expect("fine");
    let row = replica.row("T", ID).expect("there");
    assert_eq!(row.str("name"), Some(""));
    assert_eq!(row.get("opt"), Some(&Datum::empty()));
    assert_eq!(row.get("map"), Some(&Datum::Map(BTreeMap::new())));
    assert_eq!(row.get("unseen"), None);
}

#[test]
fn a_difference_toggles_members_and_replaces_scalars() {
    let mut replica = replica();
    let row = json!({"name": "a", "opt": 1, "set": ["set", [1, 2]],
                     "map": ["map", [["k", "v"], ["l", "w"]]]});
    replica.apply(update("insert", &row)).expect("fine");
    let changes = replica
        .apply(update(
            "modify",
            &json!({"name": "b", "opt": ["set", []], "set": ["set", [2, 3]],
                   "map": ["map", [["k", "v"], ["l", "x"], ["m", "y"]]]}),
        ))
        .expect("fine");
    assert!(matches!(&changes[0].kind, ChangeKind::Modified { columns } if columns.len() == 4));
    let row = replica.row("T", ID).expect("there");
    assert_eq!(row.str("name"), Some("b"));
    assert_eq!(row.get("opt"), Some(&Datum::empty()));
    assert_eq!(row.get("set"), Some(&Datum::set([1, 3])));
    assert_eq!(row.get("map"), Some(&Datum::map([("l", "x"), ("m", "y")])));
    let changes = replica.apply(update("delete", &Value::Null)).expect("fine");
    assert!(
        matches!(&changes[0].kind, ChangeKind::Deleted { old } if old.str("name") == Some("b"))
    );
    assert_eq!(replica.count("T"), 0);
}

#[test]
fn what_the_schema_lacks_is_named() {
    let unknown = MonitorSpec::new().table("Nope", ["x"]);
    assert_eq!(
        Replica::new(&unknown, &schema()).expect_err("no such table"),
        ReplicaError::UnknownTable {
            table: "Nope".into()
        }
    );
    let unknown = MonitorSpec::new().table("T", ["x"]);
    assert!(matches!(
        Replica::new(&unknown, &schema()),
        Err(ReplicaError::UnknownColumn { .. })
    ));
}

#[test]
fn hostile_updates_are_errors() {
    for hostile in [
        json!(null),
        json!({"Nope": {}}),
        json!({"T": []}),
        json!({"T": {"not-a-uuid": {"initial": {}}}}),
        update("initial", &json!([])),
        update("initial", &json!({"unseen": "x"})),
        update("initial", &json!({"name": null})),
        update("modify", &json!({"name": "x"})),
        update("delete", &Value::Null),
        update("explode", &json!({})),
        json!({"T": {ID.to_string(): {}}}),
        json!({"T": {ID.to_string(): 1}}),
    ] {
        assert!(replica().apply(hostile.clone()).is_err(), "{hostile}");
    }
}

/// ovsdb-server(7) §4.1.14, read from the server's side.
fn difference<T: Ord + Clone>(old: &[T], new: &[T]) -> Vec<T> {
    let only =
        |a: &[T], b: &[T]| -> Vec<T> { a.iter().filter(|x| !b.contains(x)).cloned().collect() };
    [only(old, new), only(new, old)].concat()
}

proptest! {
    #[test]
    fn applying_a_difference_gives_the_new_set(
        old in prop::collection::btree_set(0i64..20, 0..10),
        new in prop::collection::btree_set(0i64..20, 0..10),
    ) {
        let (old, new): (Vec<i64>, Vec<i64>) = (old.into_iter().collect(), new.into_iter().collect());
        let mut value = Datum::set(old.clone());
        apply_difference(&mut value, Datum::set(difference(&old, &new))).expect("sets");
        prop_assert_eq!(value, Datum::set(new));
    }
}

#[test]
fn a_column_that_need_not_be_known_is_left_out_where_it_is_unknown() {
    let spec = spec().where_known("T", ["unseen", "later"]);
    assert!(spec.contains("T", "later") && !spec.contains("T", "other"));
    let under = spec.under(&schema());
    let columns: Vec<&str> = under
        .tables()
        .flat_map(|(_, c)| c.iter().map(String::as_str))
        .collect();
    assert_eq!(columns, ["name", "opt", "set", "map", "unseen"]);
    assert!(Replica::new(&under, &schema()).is_ok());
}

#[test]
fn a_table_that_need_not_be_known_is_left_out_where_it_or_a_column_is_unknown() {
    let spec = MonitorSpec::new()
        .table_where_known("T", ["name"])
        .table_where_known("Later", ["x"]);
    assert!(spec.contains("Later", "x") && !spec.contains("Later", "y"));
    let replica = Replica::new(&spec.under(&schema()), &schema()).expect("what is known");
    assert!(replica.has_table("T") && !replica.has_table("Later"));
    let column = MonitorSpec::new().table_where_known("T", ["name", "later"]);
    let replica = Replica::new(&column.under(&schema()), &schema()).expect("nothing");
    assert!(!replica.has_table("T"));
}
