//! Ways that lead nowhere, and what the cloud asks of its hosts.

use super::{edited, finds, report, sound};

const RI: &str = "\n      routerInterface: ri-1";
const VBR: &str = "vbr: {id: vbr-1}";
const TABLE: &str = "{name: main, quota: 200}";

#[test]
fn tables_that_are_ours_have_lines_with_what_an_entry_needs() {
    let kept = (TABLE, "{name: main, id: vtb-1, quota: 200}");
    let whole = (VBR, "vbr: {id: vbr-1, routerInterface: ri-vbr-1}");
    sound(&[kept, whole]);
    finds(&[kept, whole, (RI, "")], &[("FN0610", "name: line1")]);
    finds(&[kept], &[("FN0610", "vbr")]);
    finds(&[kept, (VBR, "mtu: 1500")], &[("FN0610", "name: line1")]);
    // Without IDs the plan is for people, who look them up.
    sound(&[(RI, "")]);
    finds(&[whole, (RI, "")], &[("FN0610", "name: line1")]);
    sound(&[(RI, ""), (VBR, "mtu: 1500")]);
    let two = (
        TABLE,
        "{name: main, id: vtb-1, vSwitches: [zone-a]}, {name: other}",
    );
    finds(&[whole, two], &[("FN0610", "name: other")]);
}

#[test]
fn a_line_has_a_transfer_network_of_each_family_that_it_is_to_carry() {
    let accept = |idc: &str, vpc: &str| {
        format!("{RI}\n      accept: {{fromIdc: [10.0.0.0/8{idc}], fromVpc: [172.16.0.0/12{vpc}]}}")
    };
    sound(&[(RI, &accept("", ""))]);
    let six = accept(", \"fd10::/16\"", ", \"fd20::/16\"");
    // Also where nobody has such an address yet.
    finds(&[(RI, &six)], &[("FN0611", "transfer")]);
    // From the data centre alone it leads to nobody.
    sound(&[(RI, &accept(", \"fd10::/16\"", ""))]);
    let pool = (
        "pools: [{prefix: 172.30.0.0/16}]",
        "pools: [{prefix: 172.30.0.0/16}, {prefix: \"fd20:30::/64\"}]",
    );
    finds(&[pool], &[("FN0611", "transfer")]);
    sound(&[pool, (RI, &accept("", ""))]);
    finds(&[pool, (RI, &six)], &[("FN0611", "transfer")]);
    let text = edited(&[pool]);
    let found = report(&text);
    let said = &found.diagnostics[0].message;
    assert!(said.contains("IPv6") && said.contains("IPv4"), "{said}");
}

#[test]
fn a_vswitch_with_hosts_is_bound_to_a_table() {
    let zones = "        - {name: zone-b, subnets: [{prefix: 172.20.4.0/22, gateway: 172.20.7.253}]}\n      routeTables:";
    let of = |bound: &str, wanted: &[(&str, &str)]| {
        let table = format!("{{name: main, quota: 200, vSwitches: [{bound}]}}");
        let edits = [
            ("      routeTables:", zones),
            ("vSwitch: zone-a", "vSwitch: zone-b"),
            ("172.20.0.11/22", "172.20.4.11/22"),
            (TABLE, table.as_str()),
        ];
        finds(&edits, wanted);
    };
    of("zone-b", &[]);
    of("zone-a", &[("FN0612", "vSwitches: [zone-a]")]);
}

#[test]
fn lines_that_accept_nothing_that_is_there_carry_nothing() {
    for list in ["", "192.168.0.0/16"] {
        let accept = format!("{RI}\n      accept: {{fromIdc: [{list}], fromVpc: [{list}]}}");
        finds(&[(RI, &accept)], &[("FN0613", "accept")]);
    }
}

#[test]
fn hosts_of_a_vpc_are_in_a_vswitch_and_at_addresses_that_the_cloud_gives() {
    finds(
        &[("      vSwitch: zone-a\n", "")],
        &[("FN0205", "name: cloud")],
    );
    let one = ("count: 8\n      instanceId", "count: 1\n      instanceId");
    let kept = ("172.20.0.11/22", "172.20.3.254/22");
    finds(&[kept, one], &[("FN0207", "172.20.3.254/22")]);
    // The gateway is already told to be somebody else's.
    let gateway = ("172.20.0.11/22", "172.20.3.253/22");
    finds(&[gateway, one], &[("FN0114", "172.20.3.253/22")]);
    finds(
        &[("gateway: 172.20.3.253", "gateway: 172.20.0.1")],
        &[("FN0208", "172.20.0.1")],
    );
    finds(
        &[("gateway: 172.20.3.253", "gateway: 172.21.3.253")],
        &[("FN0112", "172.21.3.253")],
    );
}

#[test]
fn one_host_without_the_family_of_all_others_is_told() {
    let vlan = (
        "gateway: 10.100.0.1}",
        "gateway: 10.100.0.1}, {prefix: \"fd10:100::/64\", gateway: \"fd10:100::1\"}",
    );
    let pool = (
        "exclude: [10.100.0.0/20]}",
        "exclude: [10.100.0.0/20]}, {prefix: \"fd10:100::/64\"}",
    );
    let row = (
        "from: 10.100.16.0}",
        "from: 10.100.16.0}\n        - {network: web, length: 112, from: \"fd10:100::1:0\"}",
    );
    let lone = (
        "{network: db, prefix: 10.200.16.0/26}",
        "{network: web, prefix: 10.100.64.0/26}",
    );
    finds(&[vlan, pool, row, lone], &[("FN0206", "name: lone")]);
    // Where it is the rule, it is meant.
    sound(&[vlan, pool, lone]);
}
