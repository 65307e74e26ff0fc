//! What comes before what, and who notices.

use super::{has, kinds, lab, net};
use crate::NetworkPlan;
use crate::model::{Accept, BondMode, Nic, Port, Range, RouteTable};

fn edited(edit: impl FnOnce(&mut NetworkPlan)) -> NetworkPlan {
    let mut plan = lab();
    edit(&mut plan);
    plan
}

fn prefixes(list: &[&str]) -> Vec<ipnetwork::IpNetwork> {
    list.iter().map(|p| net(p)).collect()
}

fn has_no(found: &[String], part: &str) {
    assert!(
        !found.iter().any(|f| f.contains(part)),
        "{part}: {found:#?}"
    );
}

#[test]
fn a_part_of_what_a_line_accepts_is_cut_off_too() {
    let of = |idc: &[&str]| {
        edited(|p| {
            p.spec.links[0].accept = Some(Accept {
                from_idc: prefixes(idc),
                from_vpc: prefixes(&["172.16.0.0/12", "fd20::/16"]),
            });
        })
    };
    let halves = of(&["10.100.0.0/17", "10.100.128.0/17"]);
    let whole = of(&["10.100.0.0/16"]);
    let half = of(&["10.100.0.0/17"]);
    let outage = "Forget: cut a way between the sites [outage]";
    has(&kinds(&halves, &half), outage);
    has(&kinds(&whole, &half), outage);
    has_no(&kinds(&whole, &halves), "[outage]");
    let found = super::diff(&whole, &half).expect("routes");
    let cut = found
        .changes
        .iter()
        .find(|c| c.what.starts_with("cut a way"));
    assert_eq!(cut.expect("a cut").details, ["10.100.128.0/17 over line1"]);
    // Another line has the other half.
    let mut two = half.clone();
    two.spec.links.push(whole.spec.links[0].clone());
    two.spec.links[1].name = "line2".into();
    let mut both = whole.clone();
    both.spec.links.push(two.spec.links[1].clone());
    let found = kinds(&both, &two);
    has(&found, "Forget: lead over another line [seconds]");
    has_no(&found, "[outage]");
}

#[test]
fn a_range_of_a_vpc_that_grows_at_its_front_moves_its_gateway() {
    let of = |prefix: &str| edited(|p| p.spec.hosts[3].ranges[0].prefix = net(prefix));
    let (back, front) = (of("172.30.32.0/21"), of("172.30.40.0/21"));
    let moved = "Drain: move the gateway of a range of cloud [recreate]";
    has(&kinds(&front, &lab()), moved);
    has_no(&kinds(&back, &lab()), "[recreate]");
    // In a VLAN the gateway is the router.
    let idc = edited(|p| p.spec.hosts[0].ranges[0].prefix = net("10.100.24.0/21"));
    has_no(&kinds(&idc, &lab()), "[recreate]");
}

fn ids(list: &[u32]) -> Vec<flatnet_types::VlanId> {
    let each = list.iter().map(|id| (*id).try_into().expect("an ID"));
    each.collect()
}

#[test]
fn ports_are_compared_by_what_is_so_at_them() {
    let of = |listed: bool, native: Option<u32>, mtu: Option<u64>| {
        edited(|p| {
            let switch = &mut p.spec.sites[0].switches[0];
            switch.trunk = Some(ids(&[10, 100, 200]));
            switch.native = Some(ids(&[10])[0]);
            switch.mtu = Some(9000.try_into().expect("an MTU"));
            let port = Port {
                name: "p1".into(),
                trunk: ids(&[10, 100, 200]),
                native: native.map(|id| ids(&[id])[0]),
                mtu: mtu.map(|m| m.try_into().expect("an MTU")),
            };
            switch.ports.extend(listed.then_some(port));
        })
    };
    let plain = of(false, None, None);
    let native = "Give: change the native VLAN of ports [outage]";
    has(&kinds(&plain, &of(true, Some(100), None)), native);
    has(&kinds(&of(true, Some(100), None), &plain), native);
    has(
        &kinds(&plain, &of(true, None, Some(1500))),
        "Clear: change a port's MTU [seconds]",
    );
    has(
        &kinds(&of(true, None, Some(1500)), &plain),
        "Carry: change a port's MTU [seconds]",
    );
    // The same as all others have.
    assert_eq!(
        kinds(&plain, &of(true, Some(10), Some(9000))),
        ["Record: port, which stays as it is [no]"]
    );
    let said = of(true, None, Some(9000));
    assert_eq!(
        kinds(&said, &of(true, None, None)),
        ["Record: port, which stays as it is [no]"]
    );
}

#[test]
fn an_mtu_that_is_not_said_is_the_plans() {
    let of = |mtu: Option<u64>| {
        edited(|p| {
            p.spec.sites[0].switches[0].mtu = mtu.map(|m| m.try_into().expect("an MTU"));
        })
    };
    let (larger, smaller) = (
        ["Carry: change a switch's MTU [seconds]"],
        ["Clear: change a switch's MTU [seconds]"],
    );
    assert_eq!(kinds(&of(None), &of(Some(9000))), larger);
    assert_eq!(kinds(&of(Some(9000)), &of(None)), smaller);
    assert_eq!(
        kinds(&of(None), &of(Some(1500))),
        ["Record: switch's MTU, which stays what it is [no]"]
    );
}

#[test]
fn slices_that_go_are_drained() {
    let cut = edited(|p| {
        let mut pool = p.spec.networks[2].pools[0].clone();
        pool.prefix = net("172.29.0.0/16");
        pool.slice_length = Some(26);
        p.spec.networks[2].pools.push(pool);
        p.spec.hosts[3].ranges.retain(|r| r.prefix.is_ipv6());
    });
    let mut gone = cut.clone();
    gone.spec.networks[2].pools.pop();
    let drained = "Drain: drain the slices of a pool [recreate]";
    has(&kinds(&cut, &gone), drained);
    let mut alone = cut.clone();
    let pool = alone.spec.networks[2].pools.pop().expect("the pool");
    let mut second = alone.spec.networks[2].clone();
    second.name = "second".parse().expect("a name");
    second.pools = vec![pool];
    alone.spec.networks.push(second);
    let mut without = alone.clone();
    without.spec.networks.pop();
    has(&kinds(&alone, &without), drained);
    // A host that had one gets a range by name.
    let mut named = cut.clone();
    named.spec.hosts[3].ranges.push(Range {
        network: "cloud".parse().expect("a name"),
        prefix: net("172.30.32.0/20"),
    });
    let found = kinds(&cut, &named);
    has(&found, "Drain: drain a slice of cloud [recreate]");
    // One that had none of the family does not.
    let mut more = cut.clone();
    more.spec.hosts[2].ranges.push(Range {
        network: "cloud".parse().expect("a name"),
        prefix: net("172.30.64.0/20"),
    });
    has_no(&kinds(&cut, &more), "drain a slice");
}

fn table(name: &str, id: Option<&str>, v_switches: &[&str]) -> RouteTable {
    RouteTable {
        cluster: None,
        name: name.into(),
        id: id.map(Into::into),
        quota: 200,
        aggregate: true,
        v_switches: v_switches.iter().map(|v| (*v).to_owned()).collect(),
    }
}

#[test]
fn a_vswitch_is_bound_to_another_table_after_its_entries_are_there() {
    let of = |tables: Vec<RouteTable>| edited(|p| p.spec.sites[1].route_tables = tables);
    let rebound = "HandOn: bind a vSwitch to another route table [seconds]";
    let one = of(vec![table("main", None, &["zone-a", "zone-b"])]);
    let two = of(vec![
        table("main", None, &["zone-a"]),
        table("other", None, &["zone-b"]),
    ]);
    has(&kinds(&one, &two), rebound);
    has(&kinds(&two, &one), rebound);
    let swapped = of(vec![
        table("main", None, &["zone-b"]),
        table("other", None, &["zone-a"]),
    ]);
    has(&kinds(&two, &swapped), rebound);
    let found = super::diff(&one, &two).expect("routes");
    let change = found.changes.iter().find(|c| c.what.starts_with("bind"));
    assert_eq!(
        change.expect("a change").details,
        ["zone-b of vpc: main → other"]
    );
    // The same in other words, and an ID that is noted down.
    has_no(&kinds(&one, &of(vec![table("main", None, &[])])), "bind");
    let with_id = of(vec![table("main", Some("vtb-1"), &["zone-a", "zone-b"])]);
    assert_eq!(kinds(&one, &with_id), ["Record: ID of a route table [no]"]);
    let other_id = of(vec![table("main", Some("vtb-2"), &["zone-a", "zone-b"])]);
    has(
        &kinds(&with_id, &other_id),
        "HandOn: another route table of the cloud [seconds]",
    );
}

#[test]
fn cables_come_first_and_go_last() {
    let of = |peers: &[&str], uplinks: &[&str], tree: bool, bond: BondMode| {
        edited(|p| {
            let mut core = p.spec.sites[0].switches[0].clone();
            core.name = "core".into();
            p.spec.sites[0].switches.push(core);
            let switch = &mut p.spec.sites[0].switches[0];
            switch.peers = peers.iter().map(|n| (*n).to_owned()).collect();
            switch.uplinks = uplinks.iter().map(|n| (*n).to_owned()).collect();
            switch.spanning_tree = tree;
            let nic = |interface: &str, switch: &str| Nic {
                interface: interface.parse().expect("a name"),
                switch: Some(switch.into()),
                port: None,
            };
            let uplink = &mut p.spec.hosts[0].uplink;
            uplink.interface = "bond0".parse().expect("a name");
            uplink.bond = Some(bond);
            uplink.switch = None;
            uplink.port = None;
            uplink.nics = vec![nic("eth0", "tor1"), nic("eth1", "tor2")];
        })
    };
    let backup = BondMode::ActiveBackup;
    let none = of(&[], &[], false, backup);
    let all = of(&["tor2"], &["core"], true, backup);
    assert_eq!(
        kinds(&none, &all),
        [
            "Carry: add uplinks to a switch [seconds]",
            "Carry: make switches peers [seconds]",
            "Carry: start the spanning tree [seconds]",
        ]
    );
    assert_eq!(
        kinds(&all, &none),
        [
            "Clear: make switches peers no longer [seconds]",
            "Clear: stop the spanning tree [seconds]",
            "Clear: take uplinks off a switch [outage]",
        ]
    );
    let lacp = |peers: &[&str]| of(peers, &[], false, BondMode::Lacp);
    assert_eq!(
        kinds(&lacp(&["tor2"]), &lacp(&[])),
        ["Clear: make switches peers no longer [outage]"]
    );
    // The other one says it: nothing is different but the words.
    let mut other = lacp(&[]);
    other.spec.sites[0].switches[1].peers = vec!["tor1".into()];
    assert_eq!(
        kinds(&lacp(&["tor2"]), &other),
        ["Record: which switch names its peers [no]"]
    );
}

#[test]
fn what_services_and_vpcs_lose_is_told() {
    let services = |list: &[&str]| edited(|p| p.spec.service_prefixes = prefixes(list));
    let whole = services(&["10.96.0.0/16"]);
    let halves = services(&["10.96.0.0/17", "10.96.128.0/17"]);
    assert_eq!(
        kinds(&whole, &halves),
        ["Give: change service prefixes [no]"]
    );
    assert_eq!(
        kinds(&whole, &services(&["10.96.0.0/17"])),
        ["Give: change service prefixes [outage]"]
    );
    let vpc = |list: &[&str]| edited(|p| p.spec.sites[1].prefixes = prefixes(list));
    assert_eq!(
        kinds(
            &vpc(&["172.20.0.0/16"]),
            &vpc(&["172.20.0.0/16", "172.21.0.0/16"])
        ),
        ["Carry: add a VPC's prefix [no]"]
    );
    assert_eq!(
        kinds(
            &vpc(&["172.20.0.0/16", "172.21.0.0/16"]),
            &vpc(&["172.20.0.0/16"])
        ),
        ["Clear: remove a VPC's prefix [no]"]
    );
}

#[test]
fn a_subnet_that_grows_with_another_gateway_is_told_both() {
    let grown = edited(|p| {
        let subnet = &mut p.spec.sites[0].vlans[1].subnets[0];
        subnet.prefix = net("10.100.0.0/15");
        subnet.gateway = "10.101.0.1".parse().expect("an address");
    });
    let found = kinds(&lab(), &grown);
    has(&found, "Carry: grow a subnet [recreate]");
    has(&found, "Carry: change a gateway [recreate]");
}
