//! Mistakes in a plan of many hosts, for which fewer edits are tried.

use flatnet_plan::{Style, diagnose};

use super::FIXTURE;

/// Hosts in a data centre, written out.
fn many(count: usize) -> String {
    let hosts: String = (0..count)
        .map(|n| {
            let (high, low) = (n / 250, n % 250 + 2);
            format!(
                "    - {{name: many{n}, site: idc, addresses: [10.64.{high}.{low}/16], \
                 uplink: {{interface: eth0, switch: tor1, port: \"p{n}\"}}, \
                 ranges: [{{network: db, prefix: 10.{}.{}.0/26}}]}}\n",
                129 + n / 256,
                n % 256
            )
        })
        .collect();
    let plan = FIXTURE
        .replace(
            "neighbours: 1024, gcThresh3: 1024",
            "neighbours: 4000000, gcThresh3: 4000000",
        )
        .replace("macTableSize: 1000, ", "")
        .replace("10.10.0.0/24", "10.64.0.0/16")
        .replace("gateway: 10.10.0.1", "gateway: 10.64.0.1")
        .replace("10.10.0.11/24", "10.64.255.11/16")
        .replace("10.10.0.12/24", "10.64.255.12/16")
        .replace(
            "10.200.0.0/16, gateway: 10.200.0.1",
            "10.128.0.0/9, gateway: 10.255.0.1",
        )
        .replace(
            "{prefix: 10.200.0.0/16, exclude: [10.200.0.0/20]}",
            "{prefix: 10.128.0.0/9}",
        )
        .replace("10.200.16.0/26", "10.250.0.0/26")
        .replace(
            "10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2",
            "172.16.0.0/30, idc: 172.16.0.1, vpc: 172.16.0.2",
        );
    plan.replace("  hosts:\n", &format!("  hosts:\n{hosts}"))
}

#[test]
fn a_mistake_among_many_hosts_is_one_finding() {
    each_is_one(
        1000,
        &[
            ("name: many500, site: idc", "name: many500, site: vpc"),
            ("type: IDC", "type: VPC"),
            ("- id: 201", "- id: 100"),
            ("- id: 100", "- id: 201"),
            ("prefix: 10.64.0.0/16", "prefix: 10.64.0.0/22"),
        ],
    );
}

/// For which edits are tried on a reduced plan. They are far down in the list of edits.
#[test]
fn a_mistake_among_ten_thousand_hosts_is_one_finding() {
    each_is_one(
        10_000,
        &[
            ("prefix: 10.64.0.0/16", "prefix: 10.64.0.0/22"),
            ("- id: 100", "- id: 201"),
        ],
    );
}

#[track_caller]
fn each_is_one(hosts: usize, edits: &[(&str, &str)]) {
    let plan = many(hosts);
    let found = |text: &str| {
        let report = diagnose(text, "plan.yaml");
        report.render(Style::Text { color: false })
    };
    assert_eq!(found(&plan), "");
    for (from, to) in edits {
        assert!(plan.contains(from), "not there: {from}");
        let said = found(&plan.replacen(from, to, 1));
        assert!(said.ends_with("plan.yaml: 1 error\n"), "{to}:\n{said}");
    }
}
