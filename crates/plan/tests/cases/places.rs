//! The culprit is pointed at and not its victim, once, with the way out.

use super::{edited, finds, report, says};

#[test]
fn a_lines_own_network_is_at_fault_where_it_is_cut_from_another() {
    let transfer = "transfer: [{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}]";
    let inside = "transfer: [{prefix: 172.20.9.0/30, idc: 172.20.9.1, vpc: 172.20.9.2}]";
    finds(&[(transfer, inside)], &[("FN0105", "172.20.9.0/30")]);
    finds(
        &[("[10.96.0.0/16]", "[10.100.0.0/24]")],
        &[("FN0104", "servicePrefixes")],
    );
}

#[test]
fn a_switch_that_lacks_a_vlan_is_told_once_for_all_of_its_hosts() {
    finds(
        &[("{name: tor1, ", "{name: tor1, trunk: [100, 200], ")],
        &[("FN0305", "trunk: [100, 200]")],
    );
    // What one host uses alone is told at the host.
    finds(
        &[("{name: tor1, ", "{name: tor1, trunk: [10, 100], ")],
        &[("FN0305", "network: db")],
    );
}

#[test]
fn a_misfit_is_told_in_the_fields_own_words_and_with_what_was_meant() {
    let gateway = "gateway: 10.10.0.1";
    for (from, to, wanted) in [
        ("hostGroups:", "hostgroups:", "did you mean `hostGroups`?"),
        ("role: transit", "role: trasnit", "did you mean transit?"),
        (
            gateway,
            "gateway: 10.10.0.256",
            "`10.10.0.256` is no address",
        ),
        (
            gateway,
            "gateway: 10.10.0.1/22",
            "an address is wanted: write 10.10.0.1",
        ),
        (
            gateway,
            "gateway: [10.10.0.1]",
            "an address of IPv4 or IPv6 is wanted here, not a list",
        ),
        (
            "      addresses: [10.10.1.11/22]\n",
            "",
            "`addresses` is missing here",
        ),
        (
            "addresses: [10.10.1.11/22]",
            "addresses: 10.10.1.11/22",
            "a list is wanted here, not `10.10.1.11/22`: write [10.10.1.11/22]",
        ),
        (
            "[10.96.0.0/16]",
            "[{prefix: 10.96.0.0/16}]",
            "a prefix such as 10.0.0.0/24 is wanted here, not a mapping",
        ),
        (
            "id: 300",
            "id: three",
            "a VLAN ID from 1 to 4094 is wanted here, not `three`",
        ),
        (
            "count: 8",
            "count: many",
            "a number from 0 to 4294967295 is wanted here, not `many`",
        ),
        (
            "{name: tor2}",
            "{name: tor2, spanningTree: yes}",
            "true or false is wanted here, not `yes`: write true",
        ),
        (
            "{name: tor2}",
            "{name: tor2, mtu: [9000]}",
            "an MTU from 68 to 65535 bytes is wanted here, not a list",
        ),
        (
            "site: vpc, pools",
            "site: vpc, neighbourRate: 0, pools",
            "a number from 1 to 4294967295 is wanted here, not `0`",
        ),
        (
            "site: vpc, pools",
            "site: vpc, egress: [{to: 10.9.0.0/24, protocol: tcp, ports: [0]}], pools",
            "0 is not a port from 1 to 65535",
        ),
        (
            "site: vpc, pools",
            "site: vpc, egress: [{to: 10.9.0.0/24, protocol: tcp, ports: [65536]}], pools",
            "65536 is not a port from 1 to 65535",
        ),
        (
            "site: vpc, pools",
            "site: vpc, egress: [{to: 10.9.0.0/24, protocol: icmp}], pools",
            "icmp",
        ),
        (
            "site: vpc, pools",
            "site: vpc, egress: ~, pools",
            "a list is wanted here, not nothing",
        ),
    ] {
        let only = says((from, to), wanted);
        assert!(!only.rule.why.contains("misspelt"));
    }
}

#[test]
fn of_two_names_that_are_as_near_none_is_suggested() {
    let report = report(&edited(&[("eth0, switch: tor1", "eth0, switch: tor3")]));
    let said = &report.diagnostics[0].message;
    assert!(said.contains("it has tor1, tor2"), "{said}");
    assert!(!said.contains("did you mean"), "{said}");
}

#[test]
fn the_first_of_many_wrong_names_have_suggestions() {
    // Wrong names of their own, each nearest to tor1.
    let hosts: String = ('a'..='z')
        .zip(1..)
        .map(|(letter, n)| {
            format!(
                "    - {{name: more{n}, site: idc, addresses: [10.10.2.{n}/22], uplink: {{interface: eth0, switch: tor1{letter}}}, \
                 ranges: [{{network: web, prefix: 10.100.{}.0/26}}]}}\n",
                64 + n
            )
        })
        .collect();
    let text = edited(&[("  hosts:\n", &format!("  hosts:\n{hosts}"))]);
    let report = report(&text);
    let wrong = report
        .diagnostics
        .iter()
        .filter(|d| d.rule.code == "FN0006");
    let (with, without): (Vec<_>, Vec<_>) =
        wrong.partition(|d| d.message.contains("did you mean tor1?"));
    assert_eq!((with.len(), without.len()), (20, 6));
}

#[test]
fn a_name_that_is_nearly_there_is_named() {
    for (from, to, wanted) in [
        (
            "interface: eth0, switch: tor1",
            "interface: eth0, switch: tro1",
            "did you mean tor1?",
        ),
        ("vSwitch: zone-a", "vSwitch: zone_a", "did you mean zone-a?"),
        (
            "network: db, prefix",
            "network: dbs, prefix",
            "did you mean db?",
        ),
        ("      vpc: vpc\n", "      vpc: vcp\n", "did you mean vpc?"),
        (
            "vlan: 200",
            "vlan: 201",
            "idc has no VLAN 201; it has 10, 100, 200",
        ),
        (
            "  servicePrefixes:",
            "  allow: [{code: FN404, reason: known}]\n  servicePrefixes:",
            "did you mean FN0404?",
        ),
    ] {
        let report = report(&edited(&[(from, to)]));
        let said = report
            .diagnostics
            .iter()
            .any(|d| d.message.contains(wanted));
        assert!(said, "{to}: {:?}", report.diagnostics);
    }
}
