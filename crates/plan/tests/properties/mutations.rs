//! Single changes to a plan that nothing is wrong with, each with the code that it must be
//! rejected with. `pick` chooses which host is hit.

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{
    Accept, BondMode, EdgeRouter, Host, HostGroup, Nic, Pool, Range, Reservation, SiteType, Subnet,
    VlanRole,
};
use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;

/// One change and its code.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    pub(crate) what: &'static str,
    pub(crate) code: &'static str,
    pub(crate) apply: fn(&mut NetworkPlan, usize),
}

/// Declares the list.
macro_rules! mutations {
    ($($code:literal $what:literal $apply:expr;)*) => {
        pub(crate) const MUTATIONS: &[Mutation] = &[$(Mutation { what: $what, code: $code, apply: $apply }),*];
    };
}

fn net(prefix: &str) -> IpNetwork {
    prefix.parse().expect("prefix")
}

fn mtu(bytes: u64) -> Option<Mtu> {
    Some(Mtu::new(bytes).expect("MTU"))
}

fn vlan(id: u32) -> VlanId {
    VlanId::new(id).expect("VLAN ID")
}

fn pool(prefix: &str) -> Pool {
    Pool {
        slice_length: None,
        prefix: net(prefix),
        exclude: Vec::new(),
        reservations: Vec::new(),
    }
}

/// The index of some written-out host of a site, of which there are two at least.
fn of(plan: &NetworkPlan, site: SiteType, pick: usize) -> usize {
    let all: Vec<usize> = plan
        .spec
        .hosts
        .iter()
        .enumerate()
        .filter(|(_, h)| plan.site(&h.site).is_some_and(|s| s.site_type == site))
        .map(|(i, _)| i)
        .collect();
    all[pick % all.len()]
}

fn idc(plan: &mut NetworkPlan, pick: usize) -> &mut Host {
    let i = of(plan, SiteType::Idc, pick);
    &mut plan.spec.hosts[i]
}

fn vpc(plan: &mut NetworkPlan, pick: usize) -> &mut Host {
    let i = of(plan, SiteType::Vpc, pick);
    &mut plan.spec.hosts[i]
}

fn nics(a: &str, b: &str) -> Vec<Nic> {
    [("eth0", a), ("eth1", b)]
        .map(|(interface, switch)| Nic {
            interface: interface.parse().expect("name"),
            switch: Some(switch.to_owned()),
            port: None,
        })
        .to_vec()
}

fn bond(plan: &mut NetworkPlan, pick: usize, mode: Option<BondMode>) {
    let host = idc(plan, pick);
    host.uplink.bond = mode;
    host.uplink.switch = None;
    host.uplink.nics = nics("tor1", "lone");
}

/// A group of no hosts yet.
fn group(host_name: &str) -> HostGroup {
    let uplink = serde_json::json!({"interface": "eth0"});
    let group = serde_json::json!({
        "name": "fresh", "site": "vpc", "hostName": host_name, "count": 1,
        "addresses": ["172.20.1.200/24"], "uplink": uplink, "ranges": [],
    });
    serde_json::from_value(group).expect("a group")
}

/// Single changes to the text, which no model can have, each with its code.
pub(crate) const EDITS: &[(&str, &str, &str, &str)] = &[
    (
        "FN0001",
        "a bracket that is not closed",
        "servicePrefixes: [",
        "servicePrefixes: [[",
    ),
    ("FN0001", "a second document", "kind: ", "---\nkind: "),
    (
        "FN0001",
        "a tab for indentation",
        "    - name: idc\n",
        "\t- name: idc\n",
    ),
    (
        "FN0002",
        "a field that is not known",
        "  budgets:",
        "  budget:",
    ),
    (
        "FN0002",
        "a field that is missing",
        "  networks:",
        "  x-networks:",
    ),
    (
        "FN0002",
        "a word for a number",
        "macTableSize: 65536",
        "macTableSize: large",
    ),
    (
        "FN0002",
        "a prefix that is none",
        "172.30.0.0/16",
        "172.30.0.0/33",
    ),
    (
        "FN0004",
        "a key given twice",
        "kind: ",
        "kind: NetworkPlan\nkind: ",
    ),
    ("FN0301", "a VLAN ID out of bounds", "id: 300", "id: 4095"),
];

mutations! {
    "FN0003" "a version of tomorrow" |p, _| p.api_version = "flatnet.io/v9".into();
    "FN0005" "a host's name given twice" |p, k| {
        let name = idc(p, k).name.clone();
        idc(p, k.wrapping_add(1)).name = name;
    };
    "FN0005" "a group's name given twice" |p, _| {
        p.spec.host_groups.push(group("one-{n}"));
        p.spec.host_groups.push(group("two-{n}"));
    };
    "FN0005" "a site's name given twice" |p, _| {
        let again = p.spec.sites[0].clone();
        p.spec.sites.push(again);
    };
    "FN0006" "a switch that is not there" |p, k| {
        let uplink = &mut idc(p, k).uplink;
        uplink.switch = Some("nowhere".into());
        uplink.nics.clear();
    };
    "FN0006" "a vSwitch that is not there" |p, k| vpc(p, k).v_switch = Some("nowhere".into());
    "FN0006" "a network that is not there" |p, k| {
        vpc(p, k).ranges[0].network = "nowhere".parse().expect("name");
    };
    "FN0006" "a line that ends at a VPC twice" |p, _| p.spec.links[0].idc = "vpc".into();
    "FN0008" "host bits in a range" |p, k| idc(p, k).ranges[0].prefix = net("10.100.250.3/26");
    "FN0007" "a pattern that is not known" |p, _| p.spec.host_groups.push(group("{number}"));
    "FN0007" "more hosts than there are addresses" |p, _| {
        let mut group = group("many-{n}");
        group.count = 100;
        group.addresses = vec![net("255.255.255.200/24")];
        p.spec.host_groups.push(group);
    };
    "FN0009" "a switch without a name" |p, _| p.spec.sites[0].switches[2].name = String::new();
    "FN0009" "a line whose name ends with a space" |p, _| p.spec.links[0].name.push(' ');
    "FN0101" "another host's range" |p, k| {
        let prefix = idc(p, k).ranges[0].prefix;
        idc(p, k.wrapping_add(1)).ranges[0].prefix = prefix;
    };
    "FN0101" "a range around all others" |p, k| {
        idc(p, k).ranges[0].prefix = net("10.100.16.0/20");
    };
    "FN0102" "a pool inside another" |p, _| p.spec.networks[1].pools.push(pool("172.30.8.0/24"));
    "FN0103" "a subnet inside another" |p, _| {
        p.spec.sites[0].vlans[2].subnets[0] = Subnet {
            prefix: net("10.100.240.0/24"),
            gateway: net("10.100.240.1/24").ip(),
        };
    };
    "FN0103" "a vSwitch where a VLAN is" |p, _| {
        p.spec.sites[1].v_switches[0].subnets[0].prefix = net("10.130.0.0/25");
    };
    "FN0104" "a service prefix over the containers" |p, _| {
        p.spec.service_prefixes.push(net("10.100.0.0/12"));
    };
    "FN0105" "a transfer network in a VLAN" |p, _| {
        p.spec.links[0].transfer[0].prefix = net("10.130.0.8/30");
    };
    "FN0106" "a pool over another site's VLAN" |p, _| {
        p.spec.networks[1].pools.push(pool("10.130.0.0/24"));
    };
    "FN0107" "a gateway inside a range" |p, k| {
        let inside = idc(p, k).ranges[0].prefix.iter().nth(7).expect("address");
        p.spec.sites[0].vlans[1].subnets[0].gateway = inside;
    };
    "FN0108" "the broadcast address inside a range" |p, k| {
        idc(p, k).ranges[0].prefix = net("10.100.255.192/26");
    };
    "FN0109" "a host's address inside a range" |p, k| {
        let inside = vpc(p, k).ranges[0].prefix.iter().nth(7).expect("address");
        let other = vpc(p, k.wrapping_add(1));
        other.v_switch = None;
        other.addresses = vec![IpNetwork::new(inside, 24).expect("address")];
    };
    "FN0110" "a range outside its pool" |p, k| idc(p, k).ranges[0].prefix = net("10.101.0.0/26");
    "FN0111" "a pool outside its VLAN" |p, _| p.spec.networks[0].pools.push(pool("10.140.0.0/16"));
    "FN0112" "a gateway outside its subnet" |p, _| {
        p.spec.sites[0].vlans[1].subnets[0].gateway = net("10.99.0.1/32").ip();
    };
    "FN0113" "a host in no subnet of the hosts" |p, k| {
        idc(p, k).addresses[0] = net("10.150.0.9/22");
    };
    "FN0114" "another host's address" |p, k| {
        let address = idc(p, k).addresses[0];
        idc(p, k.wrapping_add(1)).addresses[0] = address;
    };
    "FN0114" "the gateway's address" |p, k| idc(p, k).addresses[0] = net("10.10.0.1/22");
    "FN0115" "a range in a reservation" |p, k| {
        let prefix = idc(p, k).ranges[0].prefix;
        p.spec.networks[0].pools[0].reservations = vec![Reservation {
            prefix,
            purpose: "others".into(),
        }];
    };
    "FN0116" "an exclusion outside its pool" |p, _| {
        p.spec.networks[0].pools[0].exclude.push(net("10.101.0.0/24"));
    };
    "FN0117" "a vSwitch outside its VPC" |p, _| p.spec.sites[1].prefixes = vec![net("172.21.0.0/16")];
    "FN0118" "slices larger than the pool" |p, _| {
        p.spec.networks[0].pools[0].slice_length = Some(15);
    };
    "FN0118" "slices smaller than an address" |p, _| {
        p.spec.networks[0].pools[0].slice_length = Some(33);
    };
    "FN0201" "a host without a range" |p, k| idc(p, k).ranges.clear();
    "FN0202" "another host's instance" |p, k| {
        let id = vpc(p, k).instance_id.clone();
        vpc(p, k.wrapping_add(1)).instance_id = id;
    };
    "FN0203" "a host without its instance" |p, k| vpc(p, k).instance_id = None;
    "FN0204" "a network of another site" |p, k| {
        vpc(p, k).ranges.push(Range {
            network: "web".parse().expect("name"),
            prefix: net("10.100.250.0/26"),
        });
    };
    "FN0302" "a reserved VLAN ID" |p, _| p.spec.sites[0].vlans[2].id = vlan(1002);
    "FN0302" "an ID that a switch keeps" |p, _| {
        p.spec.sites[0].switches[0].reserved_vlans = vec![vlan(100)];
    };
    "FN0303" "a VLAN ID given twice" |p, _| p.spec.sites[0].vlans[2].id = vlan(10);
    "FN0304" "containers on the VLAN of storage" |p, _| p.spec.networks[0].vlan = Some(vlan(300));
    "FN0304" "two VLANs of hosts" |p, _| p.spec.sites[0].vlans[2].role = VlanRole::Host;
    "FN0305" "a trunk without the containers" |p, k| idc(p, k).uplink.trunk = Some(vec![vlan(10)]);
    "FN0305" "a switch whose trunks lack the hosts" |p, _| {
        p.spec.sites[0].switches[0].trunk = Some(vec![vlan(100)]);
    };
    "FN0306" "a trunk with a VLAN too many" |p, k| {
        idc(p, k).uplink.trunk = Some(vec![vlan(10), vlan(100), vlan(300)]);
    };
    "FN0307" "a VLAN in a VPC" |p, _| p.spec.networks[1].vlan = Some(vlan(100));
    "FN0307" "an IDC's network without a VLAN" |p, _| p.spec.networks[0].vlan = None;
    "FN0401" "two uplinks without a bond" |p, k| bond(p, k, None);
    "FN0402" "a static aggregate to two switches" |p, k| bond(p, k, Some(BondMode::BalanceXor));
    "FN0402" "active-backup between two domains" |p, k| bond(p, k, Some(BondMode::ActiveBackup));
    "FN0403" "LACP to two switches" |p, k| bond(p, k, Some(BondMode::Lacp));
    "FN0404" "a small uplink" |p, k| idc(p, k).uplink.mtu = mtu(1400);
    "FN0404" "a small switch" |p, _| p.spec.sites[0].switches[0].mtu = mtu(1400);
    "FN0404" "a small VLAN" |p, _| p.spec.sites[0].vlans[1].mtu = mtu(1400);
    "FN0404" "a large network" |p, _| p.spec.networks[0].mtu = mtu(9100);
    "FN0405" "a small line" |p, _| p.spec.links[0].mtu = mtu(1400);
    "FN0406" "two cables in one port" |p, k| {
        let nics = idc(p, k).uplink.clone();
        idc(p, k.wrapping_add(1)).uplink = nics;
    };
    "FN0407" "IPv6 on small links" |p, _| {
        p.spec.networks[1].mtu = mtu(1000);
        p.spec.networks[1].pools.push(pool("fd30::/64"));
    };
    "FN0501" "a tiny switch" |p, _| p.spec.sites[0].switches[0].mac_table_size = Some(3);
    "FN0502" "a tiny broadcast domain" |p, _| p.spec.budgets.neighbours = 1;
    "FN0503" "tiny neighbour tables" |p, _| p.spec.budgets.gc_thresh3 = 1;
    "FN0504" "more containers than addresses" |p, k| idc(p, k).density = Some(300);
    "FN0505" "slices for fewer hosts than there are" |p, k| {
        let pool = p.spec.networks[0].pools[0].prefix;
        p.spec.networks[0].pools[0].slice_length = Some(pool.prefix());
        idc(p, k).ranges.clear();
    };
    "FN0506" "slices smaller than the density" |p, k| {
        p.spec.networks[0].pools[0].slice_length = Some(31);
        idc(p, k).ranges.clear();
        idc(p, k).density = Some(3);
    };
    "FN0601" "a tiny route table" |p, _| p.spec.sites[1].route_tables[0].quota = 1;
    "FN0602" "a tiny route table without aggregation" |p, _| {
        p.spec.sites[1].route_tables[0].quota = 1;
        p.spec.sites[1].route_tables[0].aggregate = false;
    };
    "FN0603" "a tiny VBR" |p, _| {
        p.spec.links[0].vbr.as_mut().expect("VBR").quota = 1;
    };
    "FN0604" "a tiny VBR without aggregation" |p, _| {
        let vbr = p.spec.links[0].vbr.as_mut().expect("VBR");
        vbr.quota = 1;
        vbr.aggregate = false;
    };
    "FN0605" "a tiny edge router" |p, _| {
        p.spec.sites[0].edge_router = Some(EdgeRouter {
            name: "edge1".into(),
            quota: Some(0),
        });
    };
    "FN0606" "a pool in a vSwitch" |p, _| p.spec.networks[1].pools.push(pool("172.20.1.128/25"));
    "FN0607" "a pool where the cloud's services are" |p, _| {
        p.spec.networks[1].pools.push(pool("100.100.0.0/16"));
    };
    "FN0608" "nothing accepted from the VPC" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8")],
            from_vpc: Vec::new(),
        });
    };
    "FN0608" "nothing accepted from the IDC" |p, _| {
        p.spec.links[0].accept = Some(Accept {
            from_idc: Vec::new(),
            from_vpc: vec![net("172.16.0.0/12")],
        });
    };
    "FN0609" "there by one line, back by another" |p, _| {
        let mut second = p.spec.links[0].clone();
        second.name = "line2".into();
        second.vbr = None;
        second.transfer.clear();
        second.accept = Some(Accept {
            from_idc: vec![net("10.0.0.0/8")],
            from_vpc: Vec::new(),
        });
        p.spec.links[0].accept = Some(Accept {
            from_idc: Vec::new(),
            from_vpc: vec![net("172.16.0.0/12")],
        });
        p.spec.links.push(second);
    };
}
