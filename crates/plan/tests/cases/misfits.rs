//! Everything that does not fit is told in one run, each fault once and at its place.

use super::{edited, finds, report};

/// The messages of a text that is no plan, in the order of the text.
fn messages(text: &str) -> Vec<String> {
    let report = report(text);
    assert!(!report.is_readable(), "it is read");
    let all = report.diagnostics.into_iter();
    all.map(|d| {
        assert_eq!(d.rule.code, "FN0002", "{}", d.message);
        d.message
    })
    .collect()
}

#[test]
fn faults_all_over_the_document_are_told_in_one_run() {
    finds(
        &[
            ("[10.96.0.0/16]", "[10.96.0.0]"),
            ("role: transit", "role: trasnit"),
            ("gateway: 172.20.3.253", "gateway: 172.20.3.256"),
            ("count: 8", "count: many"),
            ("      addresses: [10.10.1.11/22]\n", ""),
            ("routerInterface: ri-1", "routerInterfaec: ri-1"),
        ],
        &[
            ("FN0002", "servicePrefixes"),
            ("FN0002", "role: trasnit"),
            ("FN0002", "172.20.3.256"),
            ("FN0002", "count: many"),
            ("FN0002", "name: lone"),
            ("FN0002", "routerInterfaec"),
        ],
    );
}

#[test]
fn several_faults_of_one_mapping_are_told_each() {
    let host = "    - name: lone\n      site: idc\n      addresses: [10.10.1.11/22]\n";
    let wrong = "    - name: [lone]\n      density: few\n      rack: r1\n      addresses: [10.10.1.11, 10.10.1.12/22, x]\n";
    let said = messages(&edited(&[(host, wrong)]));
    let wanted = [
        // The mapping, which begins with its first key.
        "`site` is missing here",
        "a word is wanted here, not a list",
        "a number from 0 to 4294967295 is wanted here, not `few`",
        "there is no field `rack` here",
        "`10.10.1.11` has no length",
        "`x` is no prefix",
    ];
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (said, wanted) in said.iter().zip(wanted) {
        assert!(said.contains(wanted), "{said:?}, not {wanted:?}");
    }
}

#[test]
fn what_stands_under_a_misspelt_key_is_judged_as_what_was_meant() {
    // The field is not missing, and what is in it is read.
    let edits = [
        ("hostGroups:", "hostgroups:"),
        (
            "length: 26, from: 10.100.16.0",
            "length: 26, form: 10.100.16",
        ),
    ];
    let said = messages(&edited(&edits));
    let [groups, form, from] = said.as_slice() else {
        panic!("{said:#?}");
    };
    assert!(groups.contains("did you mean `hostGroups`?"), "{groups}");
    assert!(form.contains("did you mean `from`?"), "{form}");
    assert!(from.contains("`10.100.16` is no address"), "{from}");
}

#[test]
fn a_misspelt_key_beside_the_right_one_is_one_fault() {
    let both = ("mtu: 1500", "mtu: 1500\n  mut: 9000");
    let text = edited(&[
        ("  servicePrefixes:", "  mtu: 1500\n  servicePrefixes:"),
        both,
    ]);
    assert_eq!(
        messages(&text),
        ["there is no field `mut` here; did you mean `mtu`?"]
    );
    // Whichever is first.
    let both = ("mtu: 1500", "mut: 9000\n  mtu: 1500");
    let text = edited(&[
        ("  servicePrefixes:", "  mtu: 1500\n  servicePrefixes:"),
        both,
    ]);
    assert_eq!(messages(&text).len(), 1);
}

#[test]
fn a_part_that_is_of_another_type_is_one_fault() {
    for (from, to) in [
        ("uplink: {interface: eth0}", "uplink: eth0"),
        ("uplink: {interface: eth0}", "uplink: {}"),
        ("metadata: {name: cases}", "metadata: cases"),
        ("      vbr: {id: vbr-1}\n", "      vbr: vbr-1\n"),
        ("[{name: main, quota: 200}]", "[main]"),
        ("      type: VPC\n", ""),
        ("budgets: {gcThresh3: 65536}", "budgets: [65536]"),
    ] {
        let said = messages(&edited(&[(from, to)]));
        assert_eq!(said.len(), 1, "{to}: {said:#?}");
    }
}

#[test]
fn an_alias_of_something_wrong_is_one_fault() {
    let subnets = "subnets: [{prefix: 10.10.0.0/22, gateway: 10.10.0.1}]";
    let anchored = "subnets: &s [{prefix: 10.10.0.0/22, gateway: 10.10.0}]";
    let said = messages(&edited(&[
        (subnets, anchored),
        ("role: transit, subnets: []", "role: transit, subnets: *s"),
        ("id: 300", "id: three"),
    ]));
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn an_id_that_no_vlan_has_is_told_beside_what_does_not_fit() {
    finds(
        &[("id: 300", "id: 4095"), ("count: 8", "count: many")],
        &[("FN0301", "id: 4095"), ("FN0002", "count: many")],
    );
}

#[test]
fn of_very_many_faults_the_first_are_told() {
    let hosts: String = (1..=50)
        .map(|n| {
            format!(
                "    - {{name: more{n}, site: idc, density: x, addresses: [10.10.2.{n}/22], uplink: {{interface: eth0}}}}\n"
            )
        })
        .collect();
    let said = messages(&edited(&[("  hosts:\n", &format!("  hosts:\n{hosts}"))]));
    assert_eq!(said.len(), 20);
    let (last, others) = said.split_last().expect("twenty");
    assert!(last.ends_with("(what follows is not judged yet)"), "{last}");
    assert!(
        others.iter().all(|m| !m.contains("not judged")),
        "{others:#?}"
    );
}
