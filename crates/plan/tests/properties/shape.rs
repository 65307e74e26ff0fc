//! Plans that nothing is wrong with, of every size and kind.

#[path = "shape/machines.rs"]
mod machines;

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
    /// A VLAN of hosts for each group.
    rack_vlans: bool,
    /// Gateways of IPv6 that are routers' link-local addresses.
    link_local: bool,
    /// Slices in the data centre for the groups.
    cut: bool,
    /// Lines that carry containers only.
    policy: bool,
    /// A VLAN in which the line ends.
    transit: bool,
    /// Hosts whose VLAN is the native one of their ports.
    native: bool,
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let size = (2_u32..9, prop::collection::vec(1_u32..30, 0..4), 2_u32..7);
    let bonds = prop::option::of(prop::sample::select(&[
        "lacp",
        "balance-xor",
        "active-backup",
    ]));
    let kind = any::<[bool; 20]>();
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
                rack_vlans: kind[14],
                link_local: kind[15],
                cut: kind[16],
                policy: kind[3] && kind[17],
                transit: kind[18],
                native: kind[19] && !kind[14],
            },
        }
    })
}

/// `text` where it is wanted.
fn when(wanted: bool, text: impl Into<String>) -> String {
    if wanted { text.into() } else { String::new() }
}

impl Shape {
    /// The VLAN of hosts of a group; none: of those that are written out.
    fn host_vlan(&self, group: Option<usize>) -> usize {
        group.filter(|_| self.has.rack_vlans).map_or(10, |g| 11 + g)
    }

    fn uplink(&self, port: &str, group: Option<usize>) -> String {
        let second = when(self.has.second_vlan, ", 200");
        let trunk = format!(", trunk: [{}, 100{second}]", self.host_vlan(group));
        let trunk = when(self.has.trunked, trunk) + &when(self.has.native, ", untagged: true");
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
        let racks = (0..self.groups.len()).filter(|_| has.rack_vlans);
        let ids: String = racks.clone().map(|g| format!(", {}", 11 + g)).collect();
        let native = when(has.native, ", native: 10");
        let gateway = |of: &'static str| if has.link_local { "fe80::1" } else { of };
        let length = self.host_length();
        let mut more: String = racks
            .map(|g| {
                let six = format!(
                    ", {{prefix: \"fd10:10::{}:0/112\", gateway: \"{}\"}}",
                    g + 1,
                    if has.link_local { "fe80::1".to_owned() } else { format!("fd10:10::{}:fff1", g + 1) }
                );
                format!(
                    "\n        - {{id: {}, name: rack{g}, role: host, subnets: [{{prefix: 10.10.{}.0/24, gateway: 10.10.{}.1}}{}]}}",
                    11 + g, g + 1, g + 1, when(has.v6, six)
                )
            })
            .collect();
        more += &when(
            has.transit,
            "\n        - {id: 900, name: lines, role: transit, subnets: [{prefix: 10.255.0.0/30, gateway: 10.255.0.1}]}",
        );
        let ports = when(
            has.ports,
            format!(", ports: [{{name: spare, trunk: [10, 100]}}], trunk: [10, 100{pods}{ids}]"),
        );
        let _ = writeln!(
            t,
            "    - name: idc
      type: IDC
      edgeRouter: {{name: edge1, quota: 500}}
      switches:
        - {{name: tor1, macTableSize: 65536, mtu: 9216, peers: [tor2]{ports}{native}}}
        - {{name: tor2, macTableSize: 65536, mtu: 9216, peers: [tor1]{native}}}
        - {{name: lone, macTableSize: 65536}}
      vlans:
        - {{id: 10, name: hosts, role: host, subnets: [{{prefix: 10.10.0.0/{}, gateway: 10.10.0.1}}{}]}}
        - {{id: 100, name: web, role: pod, subnets: [{{prefix: 10.100.0.0/16, gateway: 10.100.0.1}}{}{}]}}
        - {{id: 300, name: disks, role: storage, subnets: [{{prefix: 10.130.0.0/24, gateway: 10.130.0.1}}]}}{}{more}",
            length.0,
            when(has.v6, format!(", {{prefix: \"fd10:10::/{}\", gateway: \"{}\"}}", length.1, gateway("fd10:10::1"))),
            when(has.v6, format!(", {{prefix: \"fd10:100::/64\", gateway: \"{}\"}}", gateway("fd10:100::1"))),
            when(has.second_pool, ", {prefix: 10.107.0.0/16, gateway: 10.107.0.1}"),
            when(has.second_vlan, "\n        - {id: 200, name: db, role: pod, subnets: [{prefix: 10.112.0.0/16, gateway: 10.112.0.1}]}"),
        );
    }

    /// The lengths of the hosts' subnets, of IPv4 and IPv6.
    fn host_length(&self) -> (u8, u8) {
        if self.has.rack_vlans {
            (24, 112)
        } else {
            (22, 64)
        }
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
        - {{prefix: 10.100.0.0/16, exclude: [10.100.0.0/20]{}{}}}{}{}
    - name: cloud
      site: vpc
      pools: [{{prefix: 172.30.0.0/16{}}}{}]{}{}",
            if has.pod_macs { "pod" } else { "host" },
            when(
                has.reservation,
                ", reservations: [{prefix: 10.100.224.0/24, for: load balancers}]"
            ),
            when(has.cut, ", sliceLength: 26"),
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
}
