//! Plans that nothing is wrong with, of every size and kind.

use std::fmt::Write as _;

use proptest::prelude::*;

/// What a generated plan has.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Hosts in the data centre that are written out: two at least.
    idc_hosts: u32,
    /// For each host group its count.
    groups: Vec<u32>,
    /// Hosts in the VPC: two at least.
    vpc_hosts: u32,
    v6: bool,
    bonded: bool,
    trunked: bool,
    pod_macs: bool,
    accept: bool,
    density: Option<u32>,
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let size = (2_u32..9, prop::collection::vec(1_u32..30, 0..4), 2_u32..7);
    let kind = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (size, kind, prop::option::of(1_u32..40)).prop_map(
        |((idc_hosts, groups, vpc_hosts), (v6, bonded, trunked, pod_macs, accept), density)| {
            Shape {
                idc_hosts,
                groups,
                vpc_hosts,
                v6,
                bonded,
                trunked,
                pod_macs,
                accept,
                density,
            }
        },
    )
}

impl Shape {
    /// `text` where the plan has IPv6.
    fn six(&self, text: impl Into<String>) -> String {
        if self.v6 { text.into() } else { String::new() }
    }

    fn uplink(&self, port: &str) -> String {
        let trunk = if self.trunked {
            ", trunk: [10, 100]"
        } else {
            ""
        };
        if self.bonded {
            format!(
                "{{interface: bond0, bond: lacp{trunk}, nics: [{{interface: eth0, switch: tor1, port: \"{port}\"}}, \
                 {{interface: eth1, switch: tor2, port: \"{port}\"}}]}}"
            )
        } else {
            format!("{{interface: eth0, switch: tor1, port: \"{port}\"{trunk}}}")
        }
    }

    /// The plan as a document.
    pub(crate) fn text(&self) -> String {
        let mut t = String::from(
            "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: generated}\nspec:\n",
        );
        if let Some(density) = self.density {
            let _ = writeln!(t, "  density: {density}");
        }
        let _ = writeln!(
            t,
            "  servicePrefixes: [10.96.0.0/16]
  budgets: {{gcThresh3: 65536}}
  sites:
    - name: idc
      type: IDC
      switches:
        - {{name: tor1, macTableSize: 65536, mtu: 9216, peers: [tor2]}}
        - {{name: tor2, macTableSize: 65536, mtu: 9216, peers: [tor1]}}
        - {{name: lone, macTableSize: 65536}}
      vlans:
        - {{id: 10, name: hosts, role: host, subnets: [{{prefix: 10.10.0.0/22, gateway: 10.10.0.1}}{}]}}
        - {{id: 100, name: web, role: pod, subnets: [{{prefix: 10.100.0.0/16, gateway: 10.100.0.1}}{}]}}
        - {{id: 300, name: disks, role: storage, subnets: [{{prefix: 10.130.0.0/24, gateway: 10.130.0.1}}]}}
    - name: vpc
      type: VPC
      prefixes: [172.20.0.0/16]
      vSwitches:
        - {{name: zone-a, subnets: [{{prefix: 172.20.1.0/24, gateway: 172.20.1.253}}]}}
      routeTables:
        - {{name: main}}
  networks:
    - name: web
      site: idc
      vlan: 100
      mac: {}
      pools:
        - {{prefix: 10.100.0.0/16, exclude: [10.100.0.0/20]}}{}
    - name: cloud
      site: vpc
      pools: [{{prefix: 172.30.0.0/16}}]",
            self.six(", {prefix: \"fd10:10::/64\", gateway: \"fd10:10::1\"}"),
            self.six(", {prefix: \"fd10:100::/64\", gateway: \"fd10:100::1\"}"),
            if self.pod_macs { "pod" } else { "host" },
            self.six("\n        - {prefix: \"fd10:100::/64\"}"),
        );
        self.groups(&mut t);
        self.hosts(&mut t);
        let _ = writeln!(
            t,
            "  links:
    - name: line1
      idc: idc
      vpc: vpc
      transfer: [{{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}}]
      vbr: {{id: vbr-1}}"
        );
        if self.accept {
            t.push_str("      accept: {fromIdc: [10.0.0.0/8], fromVpc: [172.16.0.0/12]}\n");
        }
        t
    }

    fn groups(&self, t: &mut String) {
        if !self.groups.is_empty() {
            t.push_str("  hostGroups:\n");
        }
        for (g, count) in self.groups.iter().enumerate() {
            let _ = writeln!(
                t,
                "    - name: group{g}
      site: idc
      hostName: \"g{g}-{{n:02}}\"
      count: {count}
      addresses: [10.10.{}.10/22{}]
      uplink: {}
      ranges:
        - {{network: web, length: 26, from: 10.100.{}.0}}{}",
                g + 1,
                self.six(format!(", \"fd10:10::{}:1/64\"", g + 1)),
                self.uplink(&format!("g{g}-{{n}}")),
                32 + 32 * g,
                self.six(format!(
                    "\n        - {{network: web, length: 112, from: \"fd10:100::{}000:0\"}}",
                    g + 1
                )),
            );
        }
    }

    fn hosts(&self, t: &mut String) {
        t.push_str("  hosts:\n");
        for i in 0..self.idc_hosts {
            let _ = writeln!(
                t,
                "    - name: idc{i}
      site: idc
      addresses: [10.10.0.{}/22{}]
      uplink: {}
      ranges:
        - {{network: web, prefix: 10.100.{}.{}/26}}{}",
                11 + i,
                self.six(format!(", \"fd10:10::{:x}/64\"", 11 + i)),
                self.uplink(&i.to_string()),
                16 + i / 4,
                i % 4 * 64,
                self.six(format!(
                    "\n        - {{network: web, prefix: \"fd10:100::{:x}:0/112\"}}",
                    i + 1
                )),
            );
        }
        for i in 0..self.vpc_hosts {
            let _ = writeln!(
                t,
                "    - name: vpc{i}
      site: vpc
      vSwitch: zone-a
      instanceId: i-{i}
      addresses: [172.20.1.{}/24]
      uplink: {{interface: eth0}}
      ranges: [{{network: cloud, prefix: 172.30.{i}.0/26}}]",
                11 + i,
            );
        }
    }
}
