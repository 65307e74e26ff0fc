//! The rows of Open vSwitch's database, without a database.

use super::*;
use crate::owned::{Source, sections};

#[test]
fn a_change_that_matched_no_row_is_an_error_that_names_what_is_gone() {
    let port = || "port fn7".to_owned();
    let done = [OpResult::Count(1), OpResult::Empty, OpResult::Count(2)];
    assert!(require_match(&done, port).is_ok());
    let error = require_match(&[OpResult::Count(1), OpResult::Count(0)], port);
    let error = error.expect_err("the second row was not there");
    assert!(error.is_retryable(), "{error}");
    assert_eq!(
        error.to_string(),
        "port fn7 is not there any more: it was deleted meanwhile"
    );
}
#[test]
fn an_error_beside_a_number_is_left_over_from_an_earlier_pass() {
    let failed = Row::new()
        .with(
            "error",
            "could not open network device fn7 (No such device)",
        )
        .with("ofport", -1_i64);
    assert!(open_error(&failed).is_some());
    let opened = failed.with("ofport", 7_i64);
    assert_eq!((number(&opened), open_error(&opened)), (Some(7), None));
}

#[test]
fn every_column_that_netd_says_it_watches_is_monitored() {
    let spec = monitored();
    for row in sections().iter().flat_map(|s| s.rows) {
        if let Source::Column { table, column } = row.source {
            assert!(spec.contains(table, column), "{table}.{column}");
        }
    }
}
