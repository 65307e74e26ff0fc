//! Single changes to a plan that nothing is wrong with, each with the code that it must be
//! rejected with. `pick` chooses which host is hit.

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{
    Allowance, BondMode, Host, HostGroup, Nic, Pool, Range, SiteType, Subnet, Trunk,
};
use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;

/// One change and its code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mutation {
    pub(crate) what: &'static str,
    pub(crate) code: &'static str,
    pub(crate) apply: fn(&mut NetworkPlan, usize),
}

/// Declares a part of the list.
macro_rules! mutations {
    ($list:ident; $($code:literal $what:literal $apply:expr;)*) => {
        pub(super) const $list: &[Mutation] = &[$(Mutation { what: $what, code: $code, apply: $apply }),*];
    };
}

mod addresses;
mod document;
mod layer2;
mod routes;

/// Every change of the model.
pub(crate) fn mutations() -> Vec<Mutation> {
    [
        document::DOCUMENT,
        addresses::ADDRESSES,
        layer2::LAYER2,
        routes::ROUTES,
    ]
    .concat()
}

fn any(id: u32) -> Trunk {
    Trunk {
        vlan: vlan(id),
        addresses: Vec::new(),
        any: true,
    }
}

fn allowance(code: &str, until: Option<&str>) -> Allowance {
    Allowance {
        code: code.into(),
        at: None,
        reason: "tests".into(),
        until: until.map(|day| day.parse().expect("a day")),
    }
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
        cluster: None,
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

/// Every host of the data centre gets IPv6 in its first network, but one.
fn one_family(plan: &mut NetworkPlan, pick: usize) {
    let but = of(plan, SiteType::Idc, pick);
    let web = plan.spec.networks[0].name.clone();
    plan.spec.host_groups.clear();
    plan.spec.sites[0].vlans[1].subnets.push(Subnet {
        prefix: net("fd99::/64"),
        gateway: net("fd99::1/64").ip(),
    });
    plan.spec.networks[0].pools.push(pool("fd99::/64"));
    let range = |prefix: &str| Range {
        network: web.clone(),
        prefix: net(prefix),
    };
    let mut third = plan.spec.hosts[but].clone();
    third.name = "third".parse().expect("name");
    third.ranges = vec![range("10.100.250.0/26"), range("fd99::ff:0/112")];
    for (i, host) in plan.spec.hosts.iter_mut().enumerate() {
        host.ranges
            .retain(|r| r.network != web || r.prefix.is_ipv4());
        if host.site == "idc" && i != but {
            host.ranges.push(range(&format!("fd99::{:x}:0/112", i + 1)));
        }
    }
    plan.spec.hosts.push(third);
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
