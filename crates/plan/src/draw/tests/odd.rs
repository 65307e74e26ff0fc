//! Plans as no one would check in, but as people have them: long and foreign names, fabrics of
//! every form, hosts plugged in anywhere.

use flatnet_types::VlanId;
use proptest::prelude::*;

use crate::model::{
    BondMode, EdgeRouter, LeasedLine, NetworkPlan, Nic, RouteTable, Site, SiteType, Subnet, Switch,
    Transfer, VSwitch, Vlan, VlanRole,
};

/// A kind of change, where it is made, and how.
pub(super) type Edit = (u8, usize, usize);

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0_u8..16, any::<usize>(), any::<usize>()), 0..12)
}

/// Names; each is made one of its own by a number.
const NAMES: &[&str] = &[
    "x",
    "a name of many words that goes on and on, as a description does which somebody took for a name",
    "averyveryveryveryverylongnamewithoutanyplacetobreakitataverylongnameindeedaverylongname",
    "leaf-switch.row-17.rack-203.building-4.data-centre-2.example.com",
    "<b>&amp;\"'</b>",
    "]]><![CDATA[",
    "機房交換器第一號大樓東側",
    "Щит-Журнал-Южный",
    "شبكة-مركز-البيانات",
    "\u{202e}reversed",
    "e\u{301}e\u{301}\u{1}\u{85}control",
    "🦀🦀👩‍👩‍👧‍👦 rack",
    "two  spaces",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "﷽﷽",
];

pub(super) fn changed(mut plan: NetworkPlan, edits: &[Edit]) -> NetworkPlan {
    for (step, (kind, pick, bits)) in edits.iter().enumerate() {
        let name = format!("{}{step}", NAMES[pick % NAMES.len()]);
        change(&mut plan, *kind, &name, *pick, *bits);
    }
    plan
}

fn change(plan: &mut NetworkPlan, kind: u8, name: &str, pick: usize, bits: usize) {
    match kind {
        0 => plan.metadata.name = name.to_owned(),
        1 => rename_site(plan, name, pick),
        2 => rename_switch(plan, name, pick),
        3 => fabric(idc(plan), name, bits),
        4 => peers(idc(plan), bits),
        5 => cabling(plan, pick, bits),
        6 => lines(plan, name, bits),
        7 => vlans(idc(plan), name, pick),
        8 => v_switches(plan, name, pick, bits),
        9 => another_site(plan, name, bits),
        10 => {
            let quota = (bits & 1 == 1).then_some(5);
            let name = name.to_owned();
            idc(plan).edge_router = (bits & 2 == 2).then_some(EdgeRouter { name, quota });
        }
        11 => {
            for vbr in plan.spec.links.iter_mut().filter_map(|l| l.vbr.as_mut()) {
                name.clone_into(&mut vbr.id);
            }
        }
        12 => {
            for site in &mut plan.spec.sites {
                let vlans = site.vlans.iter_mut().map(|v| &mut v.subnets);
                let all = vlans.chain(site.v_switches.iter_mut().map(|v| &mut v.subnets));
                all.for_each(|s| s.retain(|s| s.prefix.is_ipv6()));
            }
        }
        13 => {
            let count = plan.spec.hosts.len();
            let host = &mut plan.spec.hosts[pick % count];
            let long = format!("{}-{bits}", "long.host.name".repeat(pick % 15 + 1));
            host.name = long.parse().expect("a name");
        }
        14 => {
            let hosts = plan.spec.hosts.iter_mut().enumerate();
            let some = hosts.filter(|(i, _)| bits >> (i % 60) & 1 == 1);
            some.for_each(|(_, h)| h.ranges.clear());
        }
        _ => {
            let mut i = 0;
            plan.spec.hosts.retain(|_| {
                i += 1;
                i == 1 || bits >> (i % 60) & 1 == 1
            });
        }
    }
}

fn idc(plan: &mut NetworkPlan) -> &mut Site {
    let mut sites = plan.spec.sites.iter_mut();
    sites
        .find(|s| s.site_type == SiteType::Idc)
        .expect("the generator's")
}

fn rename_site(plan: &mut NetworkPlan, name: &str, pick: usize) {
    let count = plan.spec.sites.len();
    let site = &mut plan.spec.sites[pick % count];
    let old = std::mem::replace(&mut site.name, name.to_owned());
    let spec = &mut plan.spec;
    let all = spec.hosts.iter_mut().map(|h| &mut h.site);
    let all = all.chain(spec.networks.iter_mut().map(|n| &mut n.site));
    let all = all.chain(spec.links.iter_mut().flat_map(|l| [&mut l.idc, &mut l.vpc]));
    all.filter(|s| **s == old).for_each(|s| name.clone_into(s));
}

fn rename_switch(plan: &mut NetworkPlan, name: &str, pick: usize) {
    let site = idc(plan);
    let count = site.switches.len();
    let old = std::mem::replace(&mut site.switches[pick % count].name, name.to_owned());
    let switches = site.switches.iter_mut();
    let all = switches.flat_map(|s| s.peers.iter_mut().chain(&mut s.uplinks));
    all.filter(|s| **s == old).for_each(|s| name.clone_into(s));
    for host in &mut plan.spec.hosts {
        let nics = host.uplink.nics.iter_mut().map(|n| &mut n.switch);
        let all = nics.chain([&mut host.uplink.switch]).flatten();
        all.filter(|s| **s == old).for_each(|s| name.clone_into(s));
    }
}

fn switch(name: String, uplinks: Vec<String>) -> Switch {
    Switch {
        name,
        mac_table_size: Some(4096),
        peers: Vec::new(),
        uplinks,
        mtu: None,
        trunk: None,
        native: None,
        peer_trunk: None,
        spanning_tree: false,
        reserved_vlans: Vec::new(),
        ports: Vec::new(),
    }
}

/// More switches, each hanging on some of those before it.
fn fabric(site: &mut Site, name: &str, bits: usize) {
    for i in 0..bits % 9 {
        let above = site.switches.iter().enumerate();
        let above = above.filter(|(s, _)| bits >> ((7 * i + 3 * s) % 61) & 3 == 3);
        let uplinks = above.map(|(_, s)| s.name.clone()).collect();
        site.switches.push(switch(format!("{name}-{i}"), uplinks));
    }
    // Even what hangs on itself, or in a ring.
    if bits.is_multiple_of(11) {
        let last = site.switches.last().map(|s| s.name.clone());
        site.switches[0].uplinks.extend(last);
    }
}

fn peers(site: &mut Site, bits: usize) {
    let names: Vec<String> = site.switches.iter().map(|s| s.name.clone()).collect();
    for (i, switch) in site.switches.iter_mut().enumerate() {
        let chosen = names.iter().enumerate();
        let chosen = chosen.filter(|(j, _)| bits >> ((5 * i + 11 * j) % 61) & 7 == 7);
        switch.peers.extend(chosen.map(|(_, n)| n.clone()));
    }
}

/// A host plugged into any number of switches, of its own site's and of none.
fn cabling(plan: &mut NetworkPlan, pick: usize, bits: usize) {
    let names: Vec<String> = idc(plan).switches.iter().map(|s| s.name.clone()).collect();
    let count = plan.spec.hosts.len();
    let host = &mut plan.spec.hosts[pick % count];
    let chosen = names.iter().enumerate();
    let chosen = chosen.filter(|(i, _)| bits >> (i % 60) & 1 == 1).take(5);
    host.uplink.bond = Some(BondMode::ActiveBackup);
    host.uplink.nics = chosen
        .map(|(i, name)| Nic {
            interface: format!("eth{i}").parse().expect("a name"),
            switch: (i != 3).then(|| name.clone()),
            port: None,
        })
        .collect();
}

fn lines(plan: &mut NetworkPlan, name: &str, bits: usize) {
    let sites = |t| {
        let all = plan.spec.sites.iter();
        let names = all
            .filter(move |s| s.site_type == t)
            .map(|s| s.name.clone());
        names.collect::<Vec<_>>()
    };
    let (idcs, vpcs) = (sites(SiteType::Idc), sites(SiteType::Vpc));
    for i in 0..bits % 7 {
        let some = bits >> (8 + 4 * i);
        let v6 = Transfer {
            prefix: "fd10:1234:5678:9abc::/126".parse().expect("a prefix"),
            idc: "fd10:1234:5678:9abc:1111:2222:3333:4441"
                .parse()
                .expect("an address"),
            vpc: "fd10:1234:5678:9abc:1111:2222:3333:4442"
                .parse()
                .expect("an address"),
        };
        let old = plan.spec.links.first().cloned();
        plan.spec.links.push(LeasedLine {
            name: format!("{name}-{i}"),
            idc: idcs[some % idcs.len()].clone(),
            vpc: vpcs[some / 2 % vpcs.len()].clone(),
            transfer: vec![v6; some % 3],
            mtu: None,
            vbr: old.and_then(|l| l.vbr).filter(|_| some & 8 == 8),
            router_interface: None,
            accept: None,
        });
    }
}

fn subnet(n: usize) -> Subnet {
    Subnet {
        prefix: format!("fd77:1111:2222:{n:x}::/64")
            .parse()
            .expect("a prefix"),
        gateway: format!("fd77:1111:2222:{n:x}:9999:8888:7777:6666")
            .parse()
            .expect("an address"),
    }
}

fn vlans(site: &mut Site, name: &str, pick: usize) {
    for i in 0..pick % 40 {
        let id = VlanId::new(1000 + u32::try_from(i).expect("few")).expect("an ID");
        site.vlans.push(Vlan {
            id,
            name: format!("{name}-{i}"),
            role: if i % 2 == 0 {
                VlanRole::Management
            } else {
                VlanRole::Host
            },
            subnets: (0..i % 4).map(|s| subnet(4 * i + s)).collect(),
            mtu: None,
        });
    }
}

fn v_switches(plan: &mut NetworkPlan, name: &str, pick: usize, bits: usize) {
    let mut sites = plan.spec.sites.iter_mut();
    let Some(vpc) = sites.find(|s| s.site_type == SiteType::Vpc) else {
        return;
    };
    for i in 0..pick % 14 {
        vpc.v_switches.push(VSwitch {
            name: format!("{name}-{i}"),
            id: (i % 2 == 0).then(|| format!("vsw-{bits}")),
            zone: (i % 3 == 0).then(|| name.to_owned()),
            subnets: (0..i % 3).map(|s| subnet(4 * i + s)).collect(),
        });
    }
    for i in 0..bits % 8 {
        vpc.route_tables.push(RouteTable {
            cluster: None,
            name: format!("{name}-{i}"),
            id: Some(format!("vtb-{bits}")),
            quota: 3,
            aggregate: true,
            v_switches: vpc
                .v_switches
                .iter()
                .map(|v| v.name.clone())
                .take(i)
                .collect(),
        });
    }
    for host in plan.spec.hosts.iter_mut().filter(|h| h.v_switch.is_some()) {
        if host.addresses.len() % 2 == bits % 2 {
            host.v_switch = (bits & 1 == 0).then(|| "nowhere".to_owned());
        }
    }
}

/// A site more: like the first of its kind, or with nothing in it.
fn another_site(plan: &mut NetworkPlan, name: &str, bits: usize) {
    let wanted = if bits & 1 == 1 {
        SiteType::Idc
    } else {
        SiteType::Vpc
    };
    let mut sites = plan.spec.sites.iter();
    let Some(mut site) = sites.find(|s| s.site_type == wanted).cloned() else {
        return;
    };
    name.clone_into(&mut site.name);
    if bits & 2 == 2 {
        site.switches.clear();
        site.vlans.clear();
        site.v_switches.clear();
        site.route_tables.clear();
        site.edge_router = None;
    }
    plan.spec.sites.push(site);
}
