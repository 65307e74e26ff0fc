//! The plans that are measured.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

const HOSTS_IN_VLAN: u32 = 200;
const HOSTS_IN_RACK: u32 = 40;
const VPCS: u32 = 4;
const NODES_IN_V_SWITCH: u32 = 625;

/// How a plan is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A data centre, every host written out.
    Written,
    /// The same, the hosts of each VLAN one group.
    Groups,
    /// A routed fabric: the same, with a VLAN of hosts for each rack.
    Leaves,
    /// Four VPCs, each with a leased line to a data centre, every node written out.
    Cloud,
}

impl Form {
    pub(super) const ALL: [Self; 4] = [Self::Written, Self::Groups, Self::Leaves, Self::Cloud];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Groups => "groups",
            Self::Leaves => "leaves",
            Self::Cloud => "cloud",
        }
    }
}

/// A plan of so many hosts, each with 128 addresses for containers.
pub(super) fn document(hosts: u32, form: Form) -> String {
    match form {
        Form::Written | Form::Groups | Form::Leaves => data_centre(hosts, form),
        Form::Cloud => cloud(hosts),
    }
}

/// So many nodes in [`VPCS`], each with two neighbouring ranges that become one route.
fn cloud(hosts: u32) -> String {
    let each = hosts.div_ceil(VPCS);
    let segments = each.div_ceil(NODES_IN_V_SWITCH);
    let mut t = String::from(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: bench}\nspec:\n  \
         density: 100\n  budgets: {neighbours: 65536, gcThresh3: 131072}\n  sites:\n    \
         - name: idc\n      type: IDC\n      edgeRouter: {name: edge}\n      switches:\n        \
         - {name: core, macTableSize: 131072}\n      vlans:\n        \
         - {id: 10, name: hosts, role: host, subnets: [{prefix: 172.16.0.0/24, gateway: 172.16.0.1}]}\n        \
         - {id: 20, name: pods, role: pod, subnets: [{prefix: 172.18.0.0/16, gateway: 172.18.0.1}]}\n",
    );
    // A /16 of nodes and a /13 of containers for each VPC, a /22 for each vSwitch.
    let segment = |v: u32, s: u32| Ipv4Addr::from(0x0a00_0000 + v * 0x1_0000 + s * 0x400);
    let pool = |v: u32| Ipv4Addr::from(0x0a80_0000 + v * 0x8_0000);
    for v in 0..VPCS {
        let _ = write!(
            t,
            "    - name: vpc{v}\n      type: VPC\n      region: r\n      vpcId: vpc-{v}\n      \
             routeTables: [{{name: main, id: vtb-{v}, quota: 20000}}]\n      vSwitches:\n"
        );
        for s in 0..segments {
            let at = segment(v, s);
            let gateway = Ipv4Addr::from(u32::from(at) + 0x3fd);
            let _ = writeln!(
                t,
                "        - {{name: s{s}, zone: z, subnets: [{{prefix: {at}/22, gateway: {gateway}}}]}}"
            );
        }
    }
    t.push_str("  networks:\n    - {name: idc, site: idc, vlan: 20, pools: [{prefix: 172.18.0.0/16, exclude: [172.18.0.0/24]}]}\n");
    for v in 0..VPCS {
        let _ = writeln!(
            t,
            "    - {{name: net{v}, site: vpc{v}, pools: [{{prefix: {}/13}}]}}",
            pool(v)
        );
    }
    t.push_str("  hosts:\n    - {name: idc-host, site: idc, addresses: [172.16.0.10/24], uplink: {interface: eth0, switch: core, port: \"1\", trunk: [10, 20]}, ranges: [{network: idc, prefix: 172.18.1.0/25}]}\n");
    for n in 0..hosts - 1 {
        let (v, k) = (n / each, n % each);
        let own = u32::from(segment(v, k / NODES_IN_V_SWITCH)) + 10 + k % NODES_IN_V_SWITCH;
        let first = u32::from(pool(v)) + k * 128;
        let _ = writeln!(
            t,
            "    - name: node-{n:05}\n      site: vpc{v}\n      vSwitch: s{}\n      instanceId: i-{n}\n      \
             addresses: [{}/22]\n      uplink: {{interface: eth0}}\n      ranges:\n        \
             - {{network: net{v}, prefix: {}/26}}\n        - {{network: net{v}, prefix: {}/26}}",
            k / NODES_IN_V_SWITCH,
            Ipv4Addr::from(own),
            Ipv4Addr::from(first),
            Ipv4Addr::from(first + 64),
        );
    }
    t.push_str("  links:\n");
    for v in 0..VPCS {
        let (idc, vpc) = (v * 4 + 1, v * 4 + 2);
        let _ = writeln!(
            t,
            "    - {{name: line{v}, idc: idc, vpc: vpc{v}, transfer: [{{prefix: 172.31.0.{}/30, idc: 172.31.0.{idc}, vpc: 172.31.0.{vpc}}}], \
             vbr: {{id: vbr-{v}, routerInterface: ri-{v}}}, routerInterface: ri-vpc-{v}}}",
            v * 4
        );
    }
    t
}

/// A data centre of so many hosts, 200 in a VLAN, 40 in a rack.
fn data_centre(hosts: u32, form: Form) -> String {
    let vlans = hosts.div_ceil(HOSTS_IN_VLAN);
    let racks = hosts.div_ceil(HOSTS_IN_RACK);
    // Each VLAN has a /17, of which the first and the last /25 are nobody's.
    let subnet = |v: u32| Ipv4Addr::from(0x0a40_0000 + v * 0x8000);
    let address = |n: u32| match form {
        Form::Leaves => {
            let rack = u32::from(rack_subnet(n / HOSTS_IN_RACK));
            format!("{}/26", Ipv4Addr::from(rack + 0x10 + n % HOSTS_IN_RACK))
        }
        _ => format!("{}/16", Ipv4Addr::from(0x0a00_0000 + 0x10 + n)),
    };
    let mut t = String::from(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: bench}\nspec:\n  \
         density: 100\n  budgets: {neighbours: 65536, gcThresh3: 131072}\n  sites:\n    \
         - name: idc\n      type: IDC\n      switches:\n        \
         - {name: core, macTableSize: 131072}\n",
    );
    for r in 0..racks {
        for (side, other) in [("a", "b"), ("b", "a")] {
            let _ = writeln!(
                t,
                "        - {{name: tor{r}{side}, macTableSize: 32768, peers: [tor{r}{other}], uplinks: [core]}}"
            );
        }
    }
    t.push_str("      vlans:\n");
    match form {
        Form::Leaves => host_vlans(racks, &mut t),
        _ => t.push_str(
            "        - {id: 10, name: hosts, role: host, subnets: [{prefix: 10.0.0.0/16, gateway: 10.0.0.1}]}\n",
        ),
    }
    for v in 0..vlans {
        let at = subnet(v);
        let gateway = Ipv4Addr::from(u32::from(at) + 1);
        let _ = writeln!(
            t,
            "        - {{id: {}, name: pods{v}, role: pod, subnets: [{{prefix: {at}/17, gateway: {gateway}}}]}}",
            100 + v
        );
    }
    t.push_str("  networks:\n");
    for v in 0..vlans {
        let _ = writeln!(
            t,
            "    - {{name: net{v}, site: idc, vlan: {}, pools: [{{prefix: {at}/17, exclude: [{at}/25]}}]}}",
            100 + v,
            at = subnet(v)
        );
    }
    let uplink = |rack: &str, unit: &str| {
        format!(
            "{{interface: bond0, bond: lacp, nics: [{{interface: eth0, switch: tor{rack}a, port: \"{unit}\"}}, \
             {{interface: eth1, switch: tor{rack}b, port: \"{unit}\"}}]}}"
        )
    };
    match form {
        Form::Written | Form::Leaves | Form::Cloud => {
            t.push_str("  hosts:\n");
            for n in 0..hosts {
                let (v, k) = (n / HOSTS_IN_VLAN, n % HOSTS_IN_VLAN);
                let range = Ipv4Addr::from(u32::from(subnet(v)) + (k + 1) * 128);
                let _ = writeln!(
                    t,
                    "    - name: host-{n:05}\n      site: idc\n      addresses: [{}]\n      uplink: {}\n      \
                     ranges:\n        - {{network: net{v}, prefix: {range}/25}}",
                    address(n),
                    uplink(
                        &(n / HOSTS_IN_RACK).to_string(),
                        &(n % HOSTS_IN_RACK).to_string()
                    ),
                );
            }
        }
        Form::Groups => {
            t.push_str("  hostGroups:\n");
            for v in 0..vlans {
                let first = v * HOSTS_IN_VLAN;
                let from = Ipv4Addr::from(u32::from(subnet(v)) + 128);
                let _ = writeln!(
                    t,
                    "    - name: group{v}\n      site: idc\n      hostName: \"host-{{n:05}}\"\n      first: {first}\n      \
                     count: {}\n      addresses: [{}]\n      uplink: {}\n      \
                     ranges:\n        - {{network: net{v}, length: 25, from: {from}}}",
                    HOSTS_IN_VLAN.min(hosts - first),
                    address(first),
                    uplink(&(v * 5).to_string(), "g{n}"),
                );
            }
        }
    }
    t
}

/// A /26 for each rack.
fn rack_subnet(rack: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 + rack * 64)
}

fn host_vlans(racks: u32, t: &mut String) {
    for rack in 0..racks {
        let at = rack_subnet(rack);
        let gateway = Ipv4Addr::from(u32::from(at) + 1);
        let _ = writeln!(
            t,
            "        - {{id: {}, name: rack{rack}, role: host, subnets: [{{prefix: {at}/26, gateway: {gateway}}}]}}",
            2000 + rack
        );
    }
}
