//! What vpc-route tells of its tables.

use insta::assert_snapshot;

use super::*;

const TABLES: &str = "fixtures/tables.json";

fn routes(args: &[&str]) -> Ran {
    let mut all = vec!["routes", "--tables", TABLES];
    all.extend_from_slice(args);
    flatctl(&all)
}

#[test]
fn every_entry_is_shown_with_its_owner_its_state_and_the_quota() {
    let ran = routes(&["show", "-o", "wide"]);
    // One table could not be looked at.
    assert_eq!(ran.code, error::exit::UNKNOWN);
    assert_snapshot!(ran.out);
    let one = routes(&["show", "edge"]);
    assert_eq!(one.code, error::exit::OK);
    assert!(one.out.starts_with("edge router edge in idc (edge)\n"));
    let none = routes(&["show", "main2"]);
    assert_eq!((none.code, none.out.as_str()), (2, ""));
    assert!(
        none.err.contains("there is edge, idc, main"),
        "{}",
        none.err
    );
}

#[test]
fn a_diff_says_what_would_be_done_what_cannot_and_by_whom() {
    let ran = routes(&["diff"]);
    assert_eq!(ran.code, error::exit::FOUND);
    assert_snapshot!(format!("{}\n{}", ran.out, ran.err));
    assert_eq!(routes(&["diff", "edge"]).code, error::exit::OK);
}

#[test]
fn an_address_is_followed_through_every_table() {
    let shadowed = routes(&["trace", "172.30.16.65"]);
    assert_eq!(shadowed.code, error::exit::FOUND);
    let missing = routes(&["trace", "172.30.32.5"]);
    assert_eq!(missing.code, error::exit::FOUND);
    let right = routes(&["trace", "172.30.16.5"]);
    assert_eq!(right.code, error::exit::UNKNOWN);
    assert_snapshot!(format!("{}\n{}\n{}", shadowed.out, missing.out, right.out));
}

#[test]
fn a_document_that_is_none_is_refused_and_a_daemon_that_is_away_is_told() {
    let mut said = refusal(&["routes", "--tables", "fixtures/two-sites.yaml", "show"]);
    said.push_str(&refusal(&[
        "routes",
        "show",
        "--vpc-route",
        "/no/such.sock",
    ]));
    assert_snapshot!(said);
}
