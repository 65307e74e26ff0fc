//! One identity, one thing; and addresses that are set aside.

use super::{edited, finds, report, sound};

const LINE2: &str = "routerInterface: ri-1
    - name: line2
      idc: idc
      vpc: vpc
      transfer: [{prefix: 10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6}]
      vbr: {id: VBR}
      routerInterface: RI";

fn second(vbr: &str, ri: &str) -> String {
    LINE2.replace("VBR", vbr).replace("RI", ri)
}

#[test]
fn ids_of_the_cloud_are_one_things() {
    let line = "routerInterface: ri-1";
    sound(&[(line, &second("vbr-2", "ri-2"))]);
    finds(
        &[(line, &second("vbr-1", "ri-2"))],
        &[("FN0013", "id: vbr-1")],
    );
    finds(
        &[(line, &second("vbr-2", "ri-1"))],
        &[("FN0013", "routerInterface: ri-1")],
    );
    let own = "vbr-1, routerInterface: ri-1";
    finds(&[("vbr-1", own)], &[("FN0013", "vbr-1, routerInterface")]);
    let tables = |second: &str| {
        format!("routeTables: [{{name: main, id: vtb-1, quota: 200}}, {{name: other, {second}}}]")
    };
    let was = "routeTables: [{name: main, quota: 200}]";
    let whole = ("{id: vbr-1}", "{id: vbr-1, routerInterface: ri-vbr}");
    sound(&[whole, (was, &tables("id: vtb-2"))]);
    finds(
        &[whole, (was, &tables("id: vtb-1"))],
        &[("FN0013", "vtb-1")],
    );
    let bound =
        "routeTables: [{name: main, vSwitches: [zone-a]}, {name: other, vSwitches: [zone-a]}]";
    finds(&[(was, bound)], &[("FN0013", "other")]);
    // What is there has the name that the table's own list has, whatever the VPC's order is.
    let zones = (
        "      routeTables:",
        "        - {name: zone-b, subnets: [{prefix: 172.20.4.0/22, gateway: 172.20.7.253}]}\n      routeTables:",
    );
    let bound = "routeTables: [{name: main, vSwitches: [zone-b, zone-a]}, {name: other, vSwitches: [zone-b]}]";
    let report = report(&edited(&[zones, (was, bound)]));
    let at = &report.diagnostics[0].at;
    assert_eq!(at, "sites.vpc.routeTables.other.vSwitches.zone-b");
}

#[test]
fn what_is_of_a_host_is_of_it_alone() {
    let mac = |mac: &str| format!("uplink: {{interface: bond0, mac: \"{mac}\", bond");
    let row = (
        "uplink: {interface: eth0, switch",
        "uplink: {interface: eth0, mac: \"02:00:00:00:00:01\", switch",
    );
    // Of a group's line it is the MAC of each of its hosts.
    finds(&[row], &[("FN0013", "02:00:00:00:00:01")]);
    sound(&[("uplink: {interface: bond0, bond", &mac("02:00:00:00:00:01"))]);
    finds(
        &[("interface: eth1", "interface: eth0")],
        &[("FN0013", "nics")],
    );
    finds(
        &[("interface: eth1", "interface: bond0")],
        &[("FN0013", "nics")],
    );
    let ports = "{name: tor2, ports: [{name: a, trunk: [10, 200]}, {name: a, trunk: [10]}]}";
    finds(&[("{name: tor2}", ports)], &[("FN0005", "name: a")]);
}

#[test]
fn no_prefix_of_a_plan_has_addresses_that_are_set_aside() {
    let services = |p: &'static str| ("servicePrefixes: [10.96.0.0/16]", p);
    finds(
        &[services("servicePrefixes: [100.100.0.0/16]")],
        &[("FN0119", "100.100")],
    );
    finds(
        &[services("servicePrefixes: [\"::ffff:10.96.0.0/112\"]")],
        &[("FN0119", "ffff")],
    );
    finds(
        &[services("servicePrefixes: [172.17.0.0/24]")],
        &[("FN0120", "172.17")],
    );
    let hosts = [
        (
            "10.10.0.0/22, gateway: 10.10.0.1",
            "100.64.0.0/22, gateway: 100.64.0.1",
        ),
        ("10.10.0.11/22", "100.64.0.11/22"),
        ("10.10.1.11/22", "100.64.1.11/22"),
    ];
    finds(&hosts, &[("FN0607", "100.64.0.0/22")]);
    // No line accepts it, so that no entry of the cloud leads there.
    let line = (
        "routerInterface: ri-1",
        "routerInterface: ri-1\n      accept: {fromIdc: [10.0.0.0/8], fromVpc: [172.30.0.0/16]}",
    );
    sound(&[hosts[0], hosts[1], hosts[2], line]);
    // Nor to storage.
    let storage = (
        "{id: 300, name: edge, role: transit, subnets: []}",
        "{id: 300, name: disks, role: storage, subnets: [{prefix: 100.64.0.0/22, gateway: 100.64.0.1}]}",
    );
    sound(&[storage]);
    // A pool is not told beside the subnet that it is cut from.
    let web = [
        (
            "10.100.0.0/16, gateway: 10.100.0.1",
            "172.17.0.0/16, gateway: 172.17.0.1",
        ),
        (
            "{prefix: 10.100.0.0/16, exclude: [10.100.0.0/20]}",
            "{prefix: 172.17.0.0/16, exclude: [172.17.0.0/20]}",
        ),
        ("from: 10.100.16.0", "from: 172.17.16.0"),
    ];
    finds(&web, &[("FN0120", "gateway: 172.17.0.1")]);
    for (prefix, code) in [
        ("224.1.0.0", "FN0119"),
        ("127.0.0.0", "FN0119"),
        ("169.254.0.0", "FN0119"),
        ("0.0.0.0", "FN0119"),
        ("240.0.0.0", "FN0119"),
        ("172.17.0.0", "FN0120"),
        ("100.64.0.0", "FN0607"),
    ] {
        let pool = format!("prefix: {prefix}/16");
        let range = format!("length: 26, from: {prefix}");
        finds(
            &[
                ("prefix: 172.30.0.0/16", &pool),
                ("length: 26, from: 172.30.0.0", &range),
            ],
            &[(code, prefix)],
        );
    }
}

#[test]
fn a_vpc_may_be_cut_from_a_prefix_with_dockers_addresses_in_it() {
    sound(&[("prefixes: [172.20.0.0/16]", "prefixes: [172.16.0.0/12]")]);
}
