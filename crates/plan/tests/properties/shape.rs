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
    /// How uplinks are bonded, if they are.
    bond: Option<&'static str>,
    density: Option<u32>,
    has: Has,
}

/// What a plan may have or not.
#[derive(Debug, Clone)]
struct Has {
    v6: bool,
    trunked: bool,
    pod_macs: bool,
    /// Leased lines that say what they accept.
    accept: bool,
    /// IPv6 in the VPC too, and over the line.
    vpc_v6: bool,
    /// A second subnet, pool and range in the VLAN of containers.
    second_pool: bool,
    /// A second VLAN of containers, with its network.
    second_vlan: bool,
    /// A second VPC with a line of its own.
    second_vpc: bool,
    reservation: bool,
    /// Groups know racks, places and labels, and miss a number.
    racks: bool,
    /// A host group in the VPC.
    vpc_group: bool,
    /// Pools that ipamd cuts for hosts without a range.
    sliced: bool,
    jumbo: bool,
    /// Ports that are written out.
    ports: bool,
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let size = (2_u32..9, prop::collection::vec(1_u32..30, 0..4), 2_u32..7);
    let bonds = prop::option::of(prop::sample::select(&[
        "lacp",
        "balance-xor",
        "balance-slb",
        "active-backup",
    ]));
    let kind = any::<[bool; 14]>();
    (size, bonds, kind, prop::option::of(1_u32..40)).prop_map(|(size, bond, kind, density)| {
        let (idc_hosts, groups, vpc_hosts) = size;
        Shape {
            idc_hosts,
            groups,
            vpc_hosts,
            bond,
            density,
            has: Has {
                v6: kind[0],
                trunked: kind[1],
                pod_macs: kind[2],
                accept: kind[3],
                // What the IDC has not, it has no way back for.
                vpc_v6: kind[4] && kind[0],
                second_pool: kind[5],
                second_vlan: kind[6],
                second_vpc: kind[7],
                reservation: kind[8],
                racks: kind[9],
                vpc_group: kind[10],
                sliced: kind[11],
                jumbo: kind[12],
                ports: kind[13],
            },
        }
    })
}

/// `text` where it is wanted.
fn when(wanted: bool, text: impl Into<String>) -> String {
    if wanted { text.into() } else { String::new() }
}

impl Shape {
    fn uplink(&self, port: &str) -> String {
        let vlans = if self.has.second_vlan {
            ", trunk: [10, 100, 200]"
        } else {
            ", trunk: [10, 100]"
        };
        let trunk = when(self.has.trunked, vlans);
        match self.bond {
            Some(mode) => format!(
                "{{interface: bond0, bond: {mode}{trunk}, nics: [{{interface: eth0, switch: tor1, port: \"{port}\"}}, \
                 {{interface: eth1, switch: tor2, port: \"{port}\"}}]}}"
            ),
            None => format!("{{interface: eth0, switch: tor1, port: \"{port}\"{trunk}}}"),
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
        if self.has.jumbo {
            t.push_str("  mtu: 9000\n");
        }
        let _ = writeln!(
            t,
            "  servicePrefixes: [10.96.0.0/16{}]\n  budgets: {{gcThresh3: 65536}}\n  sites:",
            when(self.has.v6, ", \"fd10:96::/112\""),
        );
        self.idc(&mut t);
        self.vpc(&mut t);
        self.networks(&mut t);
        self.groups(&mut t);
        self.hosts(&mut t);
        self.links(&mut t);
        t
    }

    fn idc(&self, t: &mut String) {
        let has = &self.has;
        let pods = when(has.second_vlan, ", 200");
        let ports = when(
            has.ports,
            format!(", ports: [{{name: spare, trunk: [10, 100]}}], trunk: [10, 100{pods}]"),
        );
        let _ = writeln!(
            t,
            "    - name: idc
      type: IDC
      edgeRouter: {{name: edge1, quota: 500}}
      switches:
        - {{name: tor1, macTableSize: 65536, mtu: 9216, peers: [tor2]{ports}}}
        - {{name: tor2, macTableSize: 65536, mtu: 9216, peers: [tor1]}}
        - {{name: lone, macTableSize: 65536}}
      vlans:
        - {{id: 10, name: hosts, role: host, subnets: [{{prefix: 10.10.0.0/22, gateway: 10.10.0.1}}{}]}}
        - {{id: 100, name: web, role: pod, subnets: [{{prefix: 10.100.0.0/16, gateway: 10.100.0.1}}{}{}]}}
        - {{id: 300, name: disks, role: storage, subnets: [{{prefix: 10.130.0.0/24, gateway: 10.130.0.1}}]}}{}",
            when(has.v6, ", {prefix: \"fd10:10::/64\", gateway: \"fd10:10::1\"}"),
            when(has.v6, ", {prefix: \"fd10:100::/64\", gateway: \"fd10:100::1\"}"),
            when(has.second_pool, ", {prefix: 10.107.0.0/16, gateway: 10.107.0.1}"),
            when(has.second_vlan, "\n        - {id: 200, name: db, role: pod, subnets: [{prefix: 10.112.0.0/16, gateway: 10.112.0.1}]}"),
        );
    }

    fn vpc(&self, t: &mut String) {
        let has = &self.has;
        let _ = writeln!(
            t,
            "    - name: vpc
      type: VPC
      prefixes: [172.20.0.0/16{}]
      vSwitches:
        - {{name: zone-a, subnets: [{{prefix: 172.20.1.0/24, gateway: 172.20.1.253}}{}]}}
      routeTables:
        - {{name: main}}{}",
            when(has.vpc_v6, ", \"fd20::/32\""),
            when(
                has.vpc_v6,
                ", {prefix: \"fd20:0:1::/64\", gateway: \"fd20:0:1::fd\"}"
            ),
            when(
                has.second_vpc,
                "\n    - {name: far, type: VPC, vSwitches: [{name: only, subnets: [{prefix: 172.24.1.0/24, gateway: 172.24.1.253}]}], routeTables: [{name: main, aggregate: false}]}",
            ),
        );
    }

    fn networks(&self, t: &mut String) {
        let has = &self.has;
        let _ = writeln!(
            t,
            "  networks:
    - name: web
      site: idc
      vlan: 100
      mac: {}
      pools:
        - {{prefix: 10.100.0.0/16, exclude: [10.100.0.0/20]{}}}{}{}
    - name: cloud
      site: vpc
      pools: [{{prefix: 172.30.0.0/16{}}}{}]{}{}",
            if has.pod_macs { "pod" } else { "host" },
            when(
                has.reservation,
                ", reservations: [{prefix: 10.100.224.0/24, for: load balancers}]"
            ),
            when(has.v6, "\n        - {prefix: \"fd10:100::/64\"}"),
            when(
                has.second_pool,
                "\n        - {prefix: 10.107.0.0/16, exclude: [10.107.0.0/20]}"
            ),
            when(has.sliced, ", sliceLength: 26"),
            when(has.vpc_v6, ", {prefix: \"fd20:30::/64\"}"),
            when(
                has.second_vlan,
                "\n    - {name: db, site: idc, vlan: 200, mtu: 1400, density: 2, pools: [{prefix: 10.112.0.0/16, exclude: [10.112.0.0/20]}]}"
            ),
            when(
                has.second_vpc,
                "\n    - {name: far, site: far, pools: [{prefix: 172.31.0.0/16}]}"
            ),
        );
    }

    fn groups(&self, t: &mut String) {
        if !self.groups.is_empty() || self.has.vpc_group {
            t.push_str("  hostGroups:\n");
        }
        for (g, count) in self.groups.iter().enumerate() {
            let racks = when(
                self.has.racks,
                "\n      hostsPerRack: 8\n      except: [1]\n      location: {room: r1, rack: \"{rack}\", unit: \"{unit:02}\"}\n      labels: {row: \"{rack}\"}",
            );
            let _ = writeln!(
                t,
                "    - name: group{g}
      site: idc
      hostName: \"g{g}-{{n:02}}\"
      count: {}{racks}
      addresses: [10.10.{}.10/22{}]
      uplink: {}
      ranges:
        - {{network: web, length: 26, from: 10.100.{}.0}}{}{}",
                count + u32::from(self.has.racks),
                g + 1,
                when(self.has.v6, format!(", \"fd10:10::{}:1/64\"", g + 1)),
                self.uplink(&format!("g{g}-{{n}}")),
                32 + 32 * g,
                when(
                    self.has.v6,
                    format!(
                        "\n        - {{network: web, length: 112, from: \"fd10:100::{}000:0\"}}",
                        g + 1
                    )
                ),
                when(
                    self.has.second_vlan,
                    format!(
                        "\n        - {{network: db, length: 27, from: 10.112.{}.0}}",
                        32 + 32 * g
                    )
                ),
            );
        }
        if self.has.vpc_group {
            let ranges = if self.has.sliced {
                "[]"
            } else {
                "[{network: cloud, length: 26, from: 172.30.64.0}]"
            };
            let _ = writeln!(
                t,
                "    - {{name: cloud, site: vpc, vSwitch: zone-a, hostName: \"c{{n}}\", count: 3, instanceId: \"i-c{{n}}\", \
                 addresses: [172.20.1.100/24], uplink: {{interface: eth0}}, ranges: {ranges}}}"
            );
        }
    }

    fn hosts(&self, t: &mut String) {
        let has = &self.has;
        t.push_str("  hosts:\n");
        for i in 0..self.idc_hosts {
            let _ = writeln!(
                t,
                "    - name: idc{i}
      site: idc
      addresses: [10.10.0.{}/22{}]
      uplink: {}
      ranges:
        - {{network: web, prefix: 10.100.{}.{}/26}}{}{}{}",
                11 + i,
                when(has.v6, format!(", \"fd10:10::{:x}/64\"", 11 + i)),
                self.uplink(&i.to_string()),
                16 + i / 4,
                i % 4 * 64,
                when(
                    has.v6,
                    format!(
                        "\n        - {{network: web, prefix: \"fd10:100::{:x}:0/112\"}}",
                        i + 1
                    )
                ),
                when(
                    has.second_pool,
                    format!(
                        "\n        - {{network: web, prefix: 10.107.16.{}/28}}",
                        i * 16
                    )
                ),
                when(
                    has.second_vlan,
                    format!(
                        "\n        - {{network: db, prefix: 10.112.16.{}/28}}",
                        i * 16
                    )
                ),
            );
        }
        for i in 0..self.vpc_hosts {
            let _ = writeln!(
                t,
                "    - name: vpc{i}
      site: vpc
      vSwitch: zone-a
      instanceId: i-{i}
      addresses: [172.20.1.{}/24{}]
      uplink: {{interface: eth0}}
      ranges: [{{network: cloud, prefix: 172.30.{i}.0/26}}{}]",
                11 + i,
                when(has.vpc_v6, format!(", \"fd20:0:1::{:x}/64\"", 11 + i)),
                when(
                    has.vpc_v6,
                    format!(
                        ", {{network: cloud, prefix: \"fd20:30::{:x}:0/112\"}}",
                        i + 1
                    )
                ),
            );
        }
        if has.second_vpc {
            t.push_str(
                "    - {name: far0, site: far, vSwitch: only, instanceId: i-far0, addresses: [172.24.1.10/24], uplink: {interface: eth0}, ranges: [{network: far, prefix: 172.31.0.0/26}]}\n",
            );
        }
    }

    fn links(&self, t: &mut String) {
        let has = &self.has;
        let accept = when(
            has.accept,
            format!(
                "\n      accept: {{fromIdc: [10.0.0.0/8{}], fromVpc: [172.16.0.0/12{}]}}",
                when(has.v6, ", \"fd10::/16\""),
                when(has.vpc_v6, ", \"fd20::/16\""),
            ),
        );
        let _ = writeln!(
            t,
            "  links:
    - name: line1
      idc: idc
      vpc: vpc
      transfer: [{{prefix: 10.255.0.0/30, idc: 10.255.0.1, vpc: 10.255.0.2}}{}]
      vbr: {{id: vbr-1}}{accept}{}",
            when(
                has.vpc_v6,
                ", {prefix: \"fd10:255::/126\", idc: \"fd10:255::1\", vpc: \"fd10:255::2\"}"
            ),
            when(
                has.second_vpc,
                "\n    - {name: far, idc: idc, vpc: far, transfer: [{prefix: 10.255.0.4/30, idc: 10.255.0.5, vpc: 10.255.0.6}], vbr: {id: vbr-2}}",
            ),
        );
    }
}
