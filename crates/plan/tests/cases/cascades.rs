//! One mistake is one finding, at what is wrong and not at all that depends on it.

use super::{edited, finds, report, says};

/// Two more hosts in the data centre, written out.
const TWO: &str = "  hosts:
    - {name: two, site: idc, addresses: [10.10.1.12/22], uplink: {interface: eth0, switch: tor1, port: two}, ranges: [{network: db, prefix: 10.200.16.64/26}]}
    - {name: three, site: idc, addresses: [10.10.1.13/22], uplink: {interface: eth0, switch: tor1, port: three}, ranges: [{network: db, prefix: 10.200.16.128/26}]}
";

#[test]
fn a_field_without_a_value_is_one_finding() {
    says(
        ("site: idc, vlan: 100,", "site: idc, vlan: ,"),
        "nothing stands here",
    );
    says(
        ("    - name: idc\n", "    - name:\n"),
        "a word is wanted here, not nothing",
    );
}

#[test]
fn a_name_that_many_places_have_is_told_once() {
    let renamed = [("  hosts:\n", TWO), ("{name: db, site", "{name: bd, site")];
    let report = report(&edited(&renamed));
    let all = report.diagnostics.iter();
    let missing: Vec<_> = all.filter(|d| d.rule.code == "FN0006").collect();
    let [only] = missing.as_slice() else {
        panic!("{:?}", report.diagnostics);
    };
    for part in [
        "there is no network \"db\"",
        "to which 3 places refer",
        "\"bd\" may be meant to be it",
    ] {
        assert!(only.message.contains(part), "{}", only.message);
    }
    assert!(only.related.is_some(), "another place is named");
}

#[test]
fn a_pool_outside_its_vlan_is_told_and_not_what_is_cut_from_it() {
    finds(
        &[(
            "vlan: 100, pools: [{prefix: 10.100.0.0/16",
            "vlan: 100, pools: [{prefix: 10.110.0.0/16",
        )],
        &[("FN0111", "10.110.0.0/16")],
    );
    // What is in neither is wrong by itself.
    finds(
        &[
            (
                "vlan: 100, pools: [{prefix: 10.100.0.0/16",
                "vlan: 100, pools: [{prefix: 10.110.0.0/16",
            ),
            ("exclude: [10.100.0.0/20]", "exclude: [10.120.0.0/20]"),
        ],
        &[("FN0111", "10.110.0.0/16"), ("FN0116", "10.120.0.0/20")],
    );
}

#[test]
fn a_mistyped_subnet_is_told_by_its_gateway_alone() {
    let subnet = "{prefix: 10.100.0.0/16, gateway";
    finds(
        &[(subnet, "{prefix: 10.101.0.0/16, gateway")],
        &[("FN0112", "10.101.0.0/16")],
    );
    let v_switch = "{prefix: 172.20.0.0/22, gateway";
    finds(
        &[(v_switch, "{prefix: 172.21.0.0/22, gateway")],
        &[("FN0112", "172.21.0.0/22")],
    );
}

#[test]
fn a_subnet_that_no_host_fits_is_told_and_not_each_host() {
    let hosts = "{prefix: 10.10.0.0/22, gateway";
    let narrow = (hosts, "{prefix: 10.10.0.0/28, gateway");
    finds(
        &[("  hosts:\n", TWO), narrow],
        &[("FN0113", "prefix: 10.10.0.0/28")],
    );
    // One that fits shows that the others are wrong.
    let fits = ("10.10.1.12/22", "10.10.0.7/28");
    let text = [("  hosts:\n", TWO), narrow, fits];
    let report = report(&edited(&text));
    let outside = report
        .diagnostics
        .iter()
        .filter(|d| d.rule.code == "FN0113");
    assert_eq!(outside.count(), 3, "the group, and two hosts");
}

#[test]
fn a_density_that_no_range_has_room_for_is_told_and_not_each_range() {
    let dense = (
        "site: idc, vlan: 200,",
        "site: idc, vlan: 200, density: 100,",
    );
    finds(&[("  hosts:\n", TWO), dense], &[("FN0504", "density: 100")]);
    // One that has room shows that the others are small.
    let wide = ("10.200.16.128/26", "10.200.17.0/25");
    finds(
        &[("  hosts:\n", TWO), dense, wide],
        &[("FN0504", "10.200.16.64/26"), ("FN0504", "10.200.16.0/26")],
    );
}

#[test]
fn a_pool_that_no_range_is_in_is_told_and_not_each_range() {
    let pool = "{prefix: 10.200.0.0/16, exclude";
    let short = (pool, "{prefix: 10.200.0.0/20, exclude");
    finds(
        &[("  hosts:\n", TWO), short],
        &[("FN0110", "10.200.0.0/20")],
    );
    let cloud = ("{prefix: 172.30.0.0/16}", "{prefix: 172.31.0.0/16}");
    // One place alone may be wrong itself.
    finds(&[cloud], &[("FN0110", "from: 172.30.0.0")]);
}

#[test]
fn a_network_in_another_vlan_or_site_is_told_by_that_alone() {
    // Its pool overlaps the VLAN that it should be in.
    for (to, code) in [
        ("vlan: 201, pools: [{prefix: 10.200", "FN0006"),
        ("vlan: 300, pools: [{prefix: 10.200", "FN0304"),
        ("vlan: 100, pools: [{prefix: 10.200", "FN0111"),
    ] {
        finds(
            &[("vlan: 200, pools: [{prefix: 10.200", to)],
            &[(code, "name: db")],
        );
    }
    finds(
        &[("{name: web, site: idc", "{name: web, site: vpc")],
        &[("FN0307", "name: web")],
    );
    finds(
        &[("    - name: idc\n", "    - name: idx\n")],
        &[("FN0006", "name: idx")],
    );
}

#[test]
fn a_lines_prefix_that_neither_end_is_in_is_one_finding() {
    finds(
        &[("[{prefix: 10.255.0.0/30", "[{prefix: 10.254.0.0/30")],
        &[("FN0112", "10.254.0.0/30")],
    );
}
