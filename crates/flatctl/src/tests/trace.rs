//! Why A cannot reach B, from what daemons and files tell.

use insta::assert_snapshot;

use super::*;

const TABLES: &str = "fixtures/tables.json";

/// With the plan of two sites and no netd anywhere.
fn blind(args: &[&str]) -> Ran {
    let dir = tempfile::tempdir().expect("a directory");
    let netds = dir.path().to_str().expect("text").to_owned();
    let mut all = args.to_vec();
    all.extend(["--plan", TWO_SITES, "--tables", TABLES]);
    if args[0] == "trace" {
        all.extend(["--netd-dir", &netds]);
    }
    let mut ran = flatctl(&all);
    ran.out = ran.out.replace(&netds, "/run/netds");
    ran
}

#[test]
fn a_node_that_cannot_be_asked_is_named_with_what_to_run_there() {
    let ran = blind(&["trace", "10.100.1.5", "10.100.1.70", "--port", "80"]);
    assert_eq!((ran.code, ran.err.as_str()), (error::exit::UNKNOWN, ""));
    assert_snapshot!(ran.out);
}

#[test]
fn an_address_that_nobody_knows_is_the_answer() {
    let ran = blind(&["trace", "10.100.1.5", "192.0.2.1"]);
    assert_eq!(ran.code, error::exit::FOUND);
    assert!(
        ran.out.contains("repair  flatctl ip who 192.0.2.1"),
        "{}",
        ran.out
    );
    let json = blind(&["trace", "10.100.1.5", "192.0.2.1", "-o", "json"]);
    let view: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(view["verdict"], "wrong");
    assert_eq!(view["fault"]["direction"], "there");
    assert_eq!(
        view["fault"]["repair"]["command"],
        "flatctl ip who 192.0.2.1"
    );
    assert_eq!(view["there"]["hops"][0]["check"], "plan");
}

#[test]
fn a_line_that_nobody_tells_of_is_no_line_that_is_well() {
    let ran = blind(&["link", "check"]);
    assert_ne!(ran.code, error::exit::OK);
    let none = blind(&["link", "check", "line9"]);
    assert_eq!(
        (none.code, none.out.as_str()),
        (error::exit::UNREADABLE, "")
    );
    assert!(
        none.err.contains("no leased line \"line9\""),
        "{}",
        none.err
    );
}

#[test]
fn a_port_is_a_number_and_udp_needs_one() {
    assert_eq!(flatctl(&["trace", "10.0.0.1", "10.0.0.2", "--udp"]).code, 2);
    assert_eq!(flatctl(&["trace", "10.0.0.1", "here"]).code, 2);
}
