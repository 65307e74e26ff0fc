//! Names, and YAML that two programs would read differently.

use super::{edited, finds, report, says, sound};

/// Asserts that the text is no plan, and what is said of the line that is changed.
#[track_caller]
fn refused(edit: (&str, &str), wanted: &str) {
    let only = says(edit, wanted);
    assert_eq!(only.rule.code, "FN0002", "{}", only.message);
    let text = edited(&[edit]);
    assert!(!report(&text).is_readable(), "{edit:?} is read");
    let line = text
        .lines()
        .nth(only.span.line as usize - 1)
        .expect("a line");
    let new = edit.1.lines().next().expect("a line");
    assert!(
        line.contains(new.trim()),
        "{line:?} is not where {new:?} is"
    );
}

#[test]
fn numbers_that_programs_read_differently_are_refused() {
    let length = "length: 26, from: 10.100.16.0";
    refused((length, "length: 026, from: 10.100.16.0"), "write 26");
    refused((length, "length: +26, from: 10.100.16.0"), "write 26");
    refused(("count: 8", "count: 0100"), "write 100");
    refused(("count: 8", "count: 1e3"), "write 1000");
    refused(("id: 300", "id: 0300"), "write 300");
    refused(("gcThresh3: 65536", "gcThresh3: 65536.0"), "write 65536");
    sound(&[("count: 8\n      addresses", "count: 8 \n      addresses")]);
}

#[test]
fn a_prefix_has_a_length() {
    refused(
        ("[10.96.0.0/16]", "[10.96.0.0]"),
        "has no length: write 10.96.0.0/32",
    );
    refused(
        ("10.10.0.0/22", "10.10.0.0/255.255.252.0"),
        "write 10.10.0.0/22",
    );
    refused(("[10.10.0.11/22]", "[10.10.0.11]"), "has no length");
    refused(
        ("exclude: [10.100.0.0/20]", "exclude: [10.100.0.7]"),
        "write 10.100.0.7/32",
    );
    refused(
        (
            "{network: db, prefix: 10.200.16.0/26}",
            "{network: db, prefix: 10.200.16/26}",
        ),
        "no address",
    );
}

#[test]
fn a_field_with_nothing_behind_it_is_refused() {
    let lone = "    - name: lone\n";
    refused(
        (lone, "    - density: #12\n      name: lone\n"),
        "nothing stands here",
    );
    refused(
        (lone, "    - instanceId:\n      name: lone\n"),
        "nothing stands here",
    );
    // It is said in so many words.
    sound(&[(lone, "    - density: ~\n      name: lone\n")]);
}

#[test]
fn names_that_differ_by_case_only_are_told() {
    finds(
        &[("{name: tor2}", "{name: tor2}\n        - {name: TOR2}")],
        &[("FN0014", "TOR2")],
    );
    finds(
        &[
            ("hostName: \"vpc{n}\"", "hostName: \"IDC{n}\""),
            ("[10.96.0.0/16]", "[]"),
        ],
        &[("FN0014", "hostName: \"IDC{n}\"")],
    );
}

#[test]
fn hosts_of_a_cluster_have_names_that_kubernetes_has() {
    finds(
        &[("name: lone", "name: DB_Server-01")],
        &[("FN0015", "DB_Server-01")],
    );
    finds(
        &[("hostName: \"vpc{n}\"", "hostName: \"VPC{n}\"")],
        &[("FN0015", "VPC{n}")],
    );
    sound(&[("name: lone", "name: db-server-01.example")]);
    // Without a cluster it is the network's own name.
    sound(&[
        ("name: lone", "name: DB_Server-01"),
        ("[10.96.0.0/16]", "[]"),
    ]);
}
