use super::*;
use crate::ovsdb::Atom;
use serde_json::json;

fn wire(op: impl Into<Op>) -> serde_json::Value {
    serde_json::to_value(op.into()).expect("JSON")
}

#[test]
fn every_operation_has_the_form_of_the_rfc() {
    assert_eq!(
        wire(Op::insert("Port", Row::new().with("name", "p")).named("row0")),
        json!({"op": "insert", "table": "Port", "row": {"name": "p"}, "uuid-name": "row0"})
    );
    assert_eq!(
        wire(
            Op::select("Port")
                .only(Condition::eq("name", "p"))
                .columns(["tag"])
        ),
        json!({"op": "select", "table": "Port", "where": [["name", "==", "p"]],
               "columns": ["tag"]})
    );
    assert_eq!(
        wire(Op::update("Port", Row::new().with("tag", 5))),
        json!({"op": "update", "table": "Port", "where": [], "row": {"tag": 5}})
    );
    assert_eq!(
        wire(
            Op::mutate("Bridge")
                .only(Condition::includes("ports", Atom::named("row0")))
                .insert("ports", Atom::named("row0"))
                .delete("external_ids", Datum::set(["k", "l"]))
        ),
        json!({"op": "mutate", "table": "Bridge",
               "where": [["ports", "includes", ["named-uuid", "row0"]]],
               "mutations": [["ports", "insert", ["named-uuid", "row0"]],
                             ["external_ids", "delete", ["set", ["k", "l"]]]]})
    );
    assert_eq!(
        wire(Op::delete("Port").only(Condition::uuid(Uuid::nil()))),
        json!({"op": "delete", "table": "Port",
               "where": [["_uuid", "==", ["uuid", Uuid::nil()]]]})
    );
    assert_eq!(
        wire(
            Op::wait("Port")
                .columns(["name"])
                .until_ne([])
                .timeout(Duration::ZERO)
        ),
        json!({"op": "wait", "timeout": 0, "table": "Port", "where": [],
               "columns": ["name"], "until": "!=", "rows": []})
    );
    assert_eq!(
        wire(Op::commit(true)),
        json!({"op": "commit", "durable": true})
    );
    assert_eq!(wire(Op::abort()), json!({"op": "abort"}));
    assert_eq!(
        wire(Op::comment("why")),
        json!({"op": "comment", "comment": "why"})
    );
    assert_eq!(wire(Op::assert("l")), json!({"op": "assert", "lock": "l"}));
}
