use super::*;
use serde_json::json;

const INSERT_THEN_UPDATE: [Answer; 2] = [Answer::Uuid, Answer::Count];

fn read(result: Value) -> Result<Vec<OpResult>, TransactError> {
    read_reply(&INSERT_THEN_UPDATE, result, &Value::Null)
}

#[test]
fn each_operation_gets_its_result() {
    let id = Uuid::from_u128(9);
    assert_eq!(
        read(json!([{"uuid": ["uuid", id]}, {"count": 2}])),
        Ok(vec![OpResult::Inserted(id), OpResult::Count(2)])
    );
}

#[test]
fn the_failed_operation_is_named() {
    let result = json!([{"error": "constraint violation", "details": "why"}, null]);
    match read(result) {
        Err(TransactError::Op { op_index: 0, error }) => {
            assert_eq!(error.kind, OpErrorKind::Constraint);
            assert_eq!(error.details.as_deref(), Some("why"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_trailing_error_is_the_commits() {
    let id = Uuid::nil();
    let result = json!([{"uuid": ["uuid", id]}, {"count": 1},
                        {"error": "referential integrity violation"}]);
    match read(result) {
        Err(TransactError::Commit { error }) => {
            assert_eq!(error.kind, OpErrorKind::ReferentialIntegrity);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_request_is_an_error_of_the_whole() {
    for error in [
        json!("unknown database"),
        json!({"error": "unknown database"}),
    ] {
        match read_reply(&INSERT_THEN_UPDATE, Value::Null, &error) {
            Err(TransactError::Rejected { error }) => {
                assert_eq!(error.kind, OpErrorKind::UnknownDatabase);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn malformed_answers_are_errors() {
    for hostile in [
        json!(null),
        json!([]),
        json!([{}, {}]),
        json!([{"uuid": 5}, {"count": 1}]),
        json!([{"uuid": ["uuid", Uuid::nil()]}, {"count": -1}]),
        json!([1, 2, 3]),
    ] {
        assert!(
            matches!(read(hostile.clone()), Err(TransactError::BadReply { .. })),
            "{hostile}"
        );
    }
}
