//! Uplinks, switches, and the VLAN of the hosts.

use super::{finds, sound};

const ROW: &str = "{interface: eth0, switch: tor1, port: \"{n}\"}";

#[test]
fn an_uplink_is_told_once_and_whole() {
    let more = |field: &str| format!("bond: lacp, {field}, nics");
    finds(
        &[("bond: lacp, nics", &more("switch: tor1"))],
        &[("FN0409", "switch: tor1, nics")],
    );
    finds(
        &[("bond: lacp, nics", &more("port: x"))],
        &[("FN0409", "port: x")],
    );
    let bond = (
        ROW,
        "{interface: bond0, bond: lacp, switch: tor1, port: \"{n}\"}",
    );
    finds(&[bond], &[("FN0409", "bond: lacp")]);
}

#[test]
fn nics_are_of_no_interest_where_a_site_has_no_switches() {
    sound(&[
        (
            "\n        - {name: tor1, peers: [tor2]}\n        - {name: tor2}",
            " []",
        ),
        ("eth0, switch: tor1, port: \"{n}\"}", "eth0}"),
        (
            "bond: lacp, nics: [{interface: eth0, switch: tor1, port: a}, {interface: eth1, switch: tor2, port: a}]",
            "bond: lacp",
        ),
    ]);
}

#[test]
fn two_nics_without_a_bond_are_told_once() {
    let nics = "{interface: eth0, nics: [{interface: eth0, switch: tor1}, {interface: eth1, switch: tor2}]}";
    finds(
        &[(
            "{interface: bond0, bond: lacp, nics: [{interface: eth0, switch: tor1, port: a}, {interface: eth1, switch: tor2, port: a}]}",
            nics,
        )],
        &[("FN0401", "nics")],
    );
}

#[test]
fn an_uplink_is_a_nic_or_a_bond() {
    let eth0 = "uplink: {interface: eth0, switch";
    for name in [
        "br-flat", "flat0", "lo", "fn12", "eth%d", "eth0.10", "vlan10", "docker0",
    ] {
        let uplink = format!("uplink: {{interface: {name}, switch");
        finds(&[(eth0, &uplink)], &[("FN0410", name)]);
    }
    let nic = (
        "interface: eth1, switch: tor2",
        "interface: eth1.7, switch: tor2",
    );
    finds(&[nic], &[("FN0410", "eth1.7")]);
    for name in ["fnord", "vlan", "bond0", "enp3s0f1np1", "eth-a"] {
        let uplink = format!("uplink: {{interface: {name}, switch");
        sound(&[(eth0, &uplink)]);
    }
    // In a VPC the uplink stays as it is.
    sound(&[("uplink: {interface: eth0}", "uplink: {interface: eth0.10}")]);
}

#[test]
fn switches_that_hang_on_each_other_in_a_circle_loop() {
    let of = |switches: &[&str], wanted: &[(&str, &str)]| {
        let all = format!(
            "{{name: tor2}}\n        - {}",
            switches.join("\n        - ")
        );
        finds(&[("{name: tor2}", &all)], wanted);
    };
    let leaf = |n: u8| format!("{{name: l{n}, uplinks: [s1, s2]}}");
    of(&[&leaf(1), &leaf(2), "{name: s1}", "{name: s2}"], &[]);
    let (a, b) = ("{name: a, uplinks: [b]}", "{name: b, uplinks: [c]}");
    of(&[a, b, "{name: c, uplinks: [a]}"], &[("FN0411", "name: c")]);
    of(&[a, b, "{name: c, spanningTree: true, uplinks: [a]}"], &[]);
    // Two of one layer, and a link between them that is no peer link.
    let both = "{name: a, uplinks: [b, c]}";
    of(&[both, b, "{name: c}"], &[("FN0411", "name: a")]);
    of(&[both, "{name: b, peers: [c]}", "{name: c}"], &[]);
    // The last of the loop's switches has no uplink of its own: it is one with its peer.
    let (a, b) = (
        "{name: a, uplinks: [b]}",
        "{name: b, uplinks: [a], peers: [c]}",
    );
    of(&[a, b, "{name: c}"], &[("FN0411", "name: b")]);
    // Two loops are told each.
    let (d, e) = ("{name: d, uplinks: [e]}", "{name: e, uplinks: [d]}");
    of(
        &[a, b, "{name: c, uplinks: [d]}", d, e],
        &[("FN0411", "name: b"), ("FN0411", "name: d")],
    );
}

#[test]
fn a_thousand_switches_are_checked_for_loops() {
    let pairs: String = (1..=500)
        .map(|n| {
            let (up, a, b) = (n - 1, 2 * n - 1, 2 * n);
            let of = |name: i32| format!("        - {{name: l{name}, uplinks: [s{up}, s{n}]}}\n");
            format!(
                "        - {{name: s{n}, uplinks: [core]}}\n{}{}",
                of(a),
                of(b)
            )
        })
        .collect();
    let all = format!(
        "{{name: tor2}}\n        - {{name: core}}\n        - {{name: s0, uplinks: [core]}}\n{pairs}"
    );
    sound(&[("{name: tor2}\n", &all)]);
    let round = all.replace("{name: core}", "{name: core, uplinks: [l1000]}");
    finds(
        &[("{name: tor2}\n", &round)],
        &[("FN0411", "name: core, uplinks: [l1000]")],
    );
}

#[test]
fn the_hosts_vlan_has_the_role_that_its_checks_go_by() {
    let role = ("name: hosts, role: host", "name: hosts, role: management");
    finds(&[role], &[("FN0304", "role: management")]);
    // Hosts and containers in one VLAN.
    let one = [
        (
            "role: host, subnets: [{prefix: 10.10.0.0/22, gateway: 10.10.0.1}]",
            "role: storage, subnets: []",
        ),
        ("10.10.0.11/22", "10.100.0.11/16"),
        ("10.10.1.11/22", "10.100.1.11/16"),
    ];
    finds(&one, &[("FN0304", "name: web")]);
}
