//! Mistakes in examples/lab.yaml: hosts written out, two families.

use flatnet_plan::diagnose;

use super::{HERE, LAB, Row, each_is_one_finding};

#[test]
fn a_mistake_in_the_lab_is_one_finding() {
    each_is_one_finding(LAB, MISTAKES);
}

const MISTAKES: &[Row] = &[
    // Sites.
    (
        "- name: idc1\n      site: idc",
        "- name: idc1\n      site: vpc",
        "FN0204",
        HERE,
    ),
    (
        "- name: vpc1\n      site: vpc",
        "- name: vpc1\n      site: idc",
        "FN0204",
        HERE,
    ),
    (
        "- name: idc1\n      site: idc",
        "- name: idc1\n      site: icd",
        "FN0006",
        HERE,
    ),
    (
        "- name: web\n      site: idc",
        "- name: web\n      site: vpc",
        "FN0307",
        HERE,
    ),
    (
        "- name: cloud\n      site: vpc",
        "- name: cloud\n      site: idc",
        "FN0307",
        HERE,
    ),
    (
        "- name: db\n      site: idc",
        "- name: db\n      site: dc",
        "FN0006",
        HERE,
    ),
    ("type: IDC", "type: VPC", "FN0307", HERE),
    ("type: VPC", "type: IDC", "FN0307", HERE),
    (
        "idc: idc\n      vpc: vpc",
        "idc: vpc\n      vpc: idc",
        "FN0006",
        HERE,
    ),
    ("      idc: idc\n", "      idc: vpc\n", "FN0006", HERE),
    ("      vpc: vpc\n", "      vpc: idc\n", "FN0006", HERE),
    (
        "    - name: vpc\n      type",
        "    - name: cloud\n      type",
        "FN0006",
        HERE,
    ),
    // VLANs.
    ("- id: 200", "- id: 100", "FN0303", HERE),
    ("- id: 100", "- id: 200", "FN0303", HERE),
    ("- id: 100", "- id: 10", "FN0303", HERE),
    ("- id: 10\n", "- id: 100\n", "FN0303", HERE),
    ("- id: 100", "- id: 1000", "FN0006", "vlan: 100"),
    ("- id: 200", "- id: 201", "FN0006", HERE),
    ("- id: 200", "- id: 1002", "FN0302", HERE),
    ("- id: 200", "- id: 4095", "FN0301", HERE),
    ("vlan: 200\n", "vlan: 2000\n", "FN0006", HERE),
    ("vlan: 100\n", "vlan: 10\n", "FN0304", HERE),
    ("vlan: 100\n", "vlan: 200\n", "FN0111", HERE),
    ("      vlan: 100\n", "", "FN0307", "- name: web"),
    (
        "vlan: 200, addresses",
        "vlan: 300, addresses",
        "FN0309",
        HERE,
    ),
    (
        "vlan: 200, addresses",
        "vlan: 100, addresses",
        "FN0309",
        HERE,
    ),
    ("role: pod", "role: host", "FN0304", HERE),
    ("role: host", "role: pod", "FN0304", HERE),
    ("role: host", "role: storage", "FN0304", HERE),
    (
        "name: db\n          role",
        "name: web\n          role",
        "FN0005",
        HERE,
    ),
    // Subnets and gateways.
    (
        "prefix: 10.10.0.0/24, gateway",
        "prefix: 10.10.0.0/28, gateway",
        "FN0113",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24, gateway",
        "prefix: 10.10.0.0/25, gateway",
        "FN0113",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24, gateway",
        "prefix: 10.10.0.0/23, gateway",
        "FN0113",
        HERE,
    ),
    (
        "prefix: 10.10.0.0/24, gateway",
        "prefix: 10.11.0.0/24, gateway",
        "FN0112",
        HERE,
    ),
    (
        "gateway: 10.10.0.1}",
        "gateway: 10.10.0.11}",
        "FN0114",
        "10.10.0.11/24",
    ),
    ("gateway: 10.10.0.1}", "gateway: 10.10.1.1}", "FN0112", HERE),
    ("gateway: 10.10.0.1}", "gateway: 10.10.0.0}", "FN0112", HERE),
    (", gateway: 10.100.0.1}", "}", "FN0002", HERE),
    (
        "gateway: 10.100.0.1}",
        "gateway: 10.100.16.1}",
        "FN0107",
        HERE,
    ),
    (
        "prefix: 10.100.0.0/16, gateway",
        "prefix: 10.100.0.0/20, gateway",
        "FN0111",
        HERE,
    ),
    (
        "prefix: 10.100.0.0/16, gateway",
        "prefix: 10.200.0.0/16, gateway",
        "FN0112",
        HERE,
    ),
    (
        "prefix: 10.100.0.0/16, gateway: 10.100.0.1",
        "prefix: 10.200.0.0/16, gateway: 10.200.0.1",
        "FN0111",
        HERE,
    ),
    (
        "prefix: \"fd10:100::/64\", gateway",
        "prefix: \"fd10:101::/64\", gateway",
        "FN0112",
        HERE,
    ),
    (
        "prefix: 172.20.1.0/24",
        "prefix: 172.20.2.0/24",
        "FN0112",
        HERE,
    ),
    (
        "gateway: 172.20.1.253",
        "gateway: 172.20.1.1",
        "FN0208",
        HERE,
    ),
    (
        "gateway: 172.20.1.253",
        "gateway: 172.20.2.253",
        "FN0112",
        HERE,
    ),
    // Pools.
    (
        "- {prefix: 10.100.0.0/16, exclude",
        "- {prefix: 10.100.0.0/15, exclude",
        "FN0111",
        HERE,
    ),
    (
        "- {prefix: 10.100.0.0/16, exclude",
        "- {prefix: 10.100.0.0/20, exclude",
        "FN0110",
        HERE,
    ),
    (
        "- {prefix: 10.100.0.0/16, exclude",
        "- {prefix: 10.101.0.0/16, exclude",
        "FN0111",
        HERE,
    ),
    (
        "- {prefix: 10.100.0.0/16, exclude",
        "- {prefix: 10.200.0.0/16, exclude",
        "FN0111",
        HERE,
    ),
    (
        "- {prefix: \"fd10:100::/64\"}\n      trunk",
        "- {prefix: \"fd10:200::/64\"}\n      trunk",
        "FN0111",
        HERE,
    ),
    (
        "        - {prefix: \"fd10:200::/64\"}\n",
        "",
        "FN0110",
        "pools:",
    ),
    (
        "exclude: [10.100.0.0/20]",
        "exclude: [10.100.0.0/18]",
        "FN0507",
        HERE,
    ),
    (
        "exclude: [10.100.0.0/20]",
        "exclude: [10.110.0.0/20]",
        "FN0116",
        HERE,
    ),
    (
        "exclude: [10.100.0.0/20]",
        "exclude: [10.100.0.1/20]",
        "FN0008",
        HERE,
    ),
    (
        "prefix: 172.30.0.0/16",
        "prefix: 172.20.0.0/16",
        "FN0110",
        HERE,
    ),
    (
        "prefix: 172.30.0.0/16",
        "prefix: 172.31.0.0/16",
        "FN0110",
        HERE,
    ),
    (
        "prefix: 172.30.0.0/16",
        "prefix: 10.100.0.0/16",
        "FN0110",
        HERE,
    ),
    ("10.200.0.64/26", "10.100.0.64/26", "FN0309", HERE),
    ("10.200.0.64/26", "10.200.16.64/26", "FN0309", HERE),
    ("10.200.0.64/26", "10.200.0.0/26", "FN0309", HERE),
    // Hosts.
    ("10.10.0.12/24", "10.10.0.11/24", "FN0114", HERE),
    ("10.10.0.12/24", "10.10.0.1/24", "FN0114", HERE),
    ("10.10.0.12/24", "10.10.0.12/16", "FN0113", HERE),
    ("10.10.0.12/24", "10.10.1.12/24", "FN0113", HERE),
    ("10.10.0.12/24", "10.10.0.255/24", "FN0113", HERE),
    ("10.10.0.12/24", "10.100.32.12/24", "FN0113", HERE),
    ("10.10.0.12/24", "10.10.0.12", "FN0002", HERE),
    ("172.20.1.11/24", "172.20.2.11/24", "FN0113", HERE),
    ("172.20.1.11/24", "172.20.1.254/24", "FN0207", HERE),
    ("vSwitch: zone-a", "vSwitch: zone-b", "FN0113", HERE),
    ("vSwitch: zone-a", "vSwitch: zone-c", "FN0006", HERE),
    ("      vSwitch: zone-a\n", "", "FN0205", "- name: vpc1"),
    ("switch: tor1}", "switch: tor3}", "FN0006", HERE),
    ("switch: tor1}", "swich: tor1}", "FN0002", HERE),
    ("- name: idc2", "- name: idc1", "FN0005", HERE),
    // Ranges.
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.100.16.0/20",
        "FN0101",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.100.32.0/18",
        "FN0008",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.100.0.0/18",
        "FN0101",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: db, prefix: 10.100.32.0/20",
        "FN0110",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: cloud, prefix: 10.100.32.0/20",
        "FN0204",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: wbe, prefix: 10.100.32.0/20",
        "FN0006",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.10.32.0/20",
        "FN0110",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.200.32.0/20",
        "FN0110",
        HERE,
    ),
    (
        "network: web, prefix: 10.100.32.0/20",
        "network: web, prefix: 10.100.0.0/20",
        "FN0507",
        HERE,
    ),
    (
        "prefix: \"fd10:100::2:0/112\"",
        "prefix: \"fd10:100::1:0/112\"",
        "FN0101",
        HERE,
    ),
    // Lines and services.
    (
        "prefix: 10.255.0.0/30",
        "prefix: 10.100.255.0/30",
        "FN0112",
        HERE,
    ),
    (
        "prefix: 10.255.0.0/30",
        "prefix: 10.255.0.0/32",
        "FN0112",
        HERE,
    ),
    (
        "{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}",
        "{prefix: 172.20.1.0/30, idc: 172.20.1.1, vpc: 172.20.1.2}",
        "FN0105",
        HERE,
    ),
    ("vpc: 10.255.0.2", "vpc: 10.255.0.1", "FN0114", HERE),
    ("vpc: 10.255.0.2", "vpc: 10.255.0.6", "FN0112", HERE),
    (
        "        - {prefix: \"fd10:255::/64\", idc: \"fd10:255::1\", vpc: \"fd10:255::2\"}\n",
        "",
        "FN0611",
        "transfer:",
    ),
    (
        "servicePrefixes: [10.96.0.0/16",
        "servicePrefixes: [10.100.0.0/16",
        "FN0104",
        HERE,
    ),
    (
        "servicePrefixes: [10.96.0.0/16",
        "servicePrefixes: [10.10.0.0/16",
        "FN0104",
        HERE,
    ),
    (
        "servicePrefixes: [10.96.0.0/16",
        "servicePrefixes: [10.0.0.0/8",
        "FN0104",
        HERE,
    ),
    (
        "servicePrefixes: [10.96.0.0/16",
        "servicePrefixes: [10.96.0.1/16",
        "FN0008",
        HERE,
    ),
    ("mtu: 1500", "mtu: 1200", "FN0407", HERE),
];

/// Neither of two mistakes hides the other, but where they meet: both in one field, or one in what the
/// other is measured by.
#[test]
fn two_mistakes_are_two_findings() {
    let (mut tried, mut others) = (0, Vec::new());
    for (i, one) in MISTAKES.iter().enumerate() {
        let text = LAB.replacen(one.0, one.1, 1);
        for other in MISTAKES.iter().skip(i + 1).step_by(7) {
            let both = text.replacen(other.0, other.1, 1);
            let report = diagnose(&both, "plan.yaml");
            // What is no plan is told first.
            if both == text || !report.is_readable() || report.document().is_none() {
                continue;
            }
            tried += 1;
            let codes = report.diagnostics.iter().map(|d| d.rule.code);
            let codes: Vec<&str> = codes.collect();
            if codes.len() != 2 {
                others.push(format!("{codes:?}: {} | {}", one.1, other.1));
            }
        }
    }
    assert!(others.len() * 20 < tried, "of {tried}: {others:#?}");
}
