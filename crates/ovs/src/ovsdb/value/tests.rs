use super::*;
use ovsdb::protocol as judge;
use proptest::prelude::*;
use serde_json::json;

pub(crate) fn any_atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        any::<i64>().prop_map(Atom::from),
        any::<bool>().prop_map(Atom::from),
        any::<String>().prop_map(Atom::from),
        any::<u128>().prop_map(|n| Atom::from(Uuid::from_u128(n))),
        "[a-z_][a-z0-9_]{0,8}".prop_map(Atom::NamedUuid),
    ]
}

fn any_datum() -> impl Strategy<Value = Datum> {
    prop_oneof![
        any_atom().prop_map(Datum::from),
        prop::collection::vec(any_atom(), 0..6).prop_map(Datum::set),
        prop::collection::btree_map(any_atom(), any_atom(), 0..6).prop_map(Datum::Map),
    ]
}

proptest! {
    #[test]
    fn a_datum_survives_the_wire(datum in any_datum()) {
        let json = serde_json::to_value(&datum).expect("a datum is JSON");
        prop_assert_eq!(Datum::from_json(json), Ok(datum));
    }

    #[test]
    fn the_ovsdb_crate_reads_our_uuids_sets_and_maps(
        ids in prop::collection::btree_set(any::<u128>(), 2..5),
        pairs in prop::collection::btree_map("[a-z]{1,5}", ".{0,5}", 0..5),
    ) {
        let uuids: Vec<Uuid> = ids.into_iter().map(Uuid::from_u128).collect();
        let text = serde_json::to_string(&Datum::set(uuids.clone())).expect("JSON");
        let read: judge::UuidSet = serde_json::from_str(&text).expect("a set of UUIDs");
        prop_assert_eq!(read.iter().map(|u| **u).collect::<Vec<_>>(), uuids);

        let text = serde_json::to_string(&Datum::map(pairs.clone())).expect("JSON");
        let read: judge::Map<String, String> = serde_json::from_str(&text).expect("a map");
        prop_assert_eq!(BTreeMap::from(read), pairs);
    }
}

#[test]
fn the_forms_of_the_rfc_are_written() {
    let id = Uuid::from_u128(0x0623_4b93_6b4b_4f92_be8a_342d_d858_617c);
    for (datum, wire) in [
        (Datum::from(5), json!(5)),
        (Datum::from("x"), json!("x")),
        (Datum::empty(), json!(["set", []])),
        (Datum::set([2, 1, 2]), json!(["set", [1, 2]])),
        (Datum::from(id), json!(["uuid", id.to_string()])),
        (Datum::from(Atom::named("p")), json!(["named-uuid", "p"])),
        (Datum::map([("a", 1)]), json!(["map", [["a", 1]]])),
    ] {
        assert_eq!(serde_json::to_value(&datum).expect("JSON"), wire);
    }
}

#[test]
fn a_set_of_one_is_the_scalar() {
    assert_eq!(
        Datum::from_json(json!(["set", ["x"]])),
        Ok(Datum::from("x"))
    );
}

#[test]
fn hostile_values_are_errors() {
    for (hostile, error) in [
        (json!(null), DatumError::Atom),
        (json!({}), DatumError::Atom),
        (json!([]), DatumError::Atom),
        (json!(["set"]), DatumError::Atom),
        (json!(["set", 1]), DatumError::Set),
        (json!(["set", [["set", []]]]), DatumError::Atom),
        (json!(["map", [["k"]]]), DatumError::Map),
        (json!(["map", {"k": "v"}]), DatumError::Map),
        (json!(["uuid", "nonsense"]), DatumError::Uuid),
        (json!(["uuid", 7]), DatumError::Atom),
    ] {
        assert_eq!(Datum::from_json(hostile.clone()), Err(error), "{hostile}");
    }
}
