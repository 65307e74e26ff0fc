mod order;
mod renames;
mod unchanged;

use super::*;
use crate::load;
use crate::model::MacMode;

fn lab() -> NetworkPlan {
    load(include_str!("../../../../examples/lab.yaml")).expect("the lab's plan is sound")
}

fn net(text: &str) -> ipnetwork::IpNetwork {
    text.parse().expect("a prefix")
}

/// The changes that `edit` makes, as `phase: what [disruption] hosts`.
fn after(edit: impl FnOnce(&mut NetworkPlan)) -> Vec<String> {
    let old = lab();
    let mut new = lab();
    edit(&mut new);
    let found = diff(&old, &new).expect("both can be routed");
    assert!(found.changes.iter().all(|c| !c.details.is_empty()));
    found
        .changes
        .iter()
        .map(|c| {
            format!(
                "{:?}: {} [{}] {}",
                c.phase,
                c.what,
                c.disrupts.as_str(),
                c.hosts.join(" ")
            )
        })
        .collect()
}

#[test]
fn a_plan_does_not_differ_from_itself() {
    assert!(diff(&lab(), &lab()).expect("routes").is_empty());
}

#[test]
fn a_new_host_disrupts_nobody_and_its_routes_come_first() {
    let found = after(|p| {
        let mut host = p.spec.hosts[3].clone();
        host.name = "vpc3".parse().expect("a name");
        host.addresses = vec![net("172.20.2.13/24")];
        host.ranges.truncate(1);
        host.ranges[0].prefix = net("172.30.48.0/20");
        p.spec.hosts.push(host);
    });
    assert_eq!(
        found,
        [
            "Reach: add to route table system in vpc [no] ",
            "Give: give a range of cloud [no] vpc3",
            "Give: new host [no] vpc3",
        ]
    );
}

#[test]
fn a_host_that_goes_is_drained_then_taken_then_forgotten() {
    let found = after(|p| {
        p.spec.hosts.remove(3);
    });
    assert_eq!(
        found,
        [
            "Drain: drain the host [recreate] vpc2",
            "Take: remove the host [no] vpc2",
            "Forget: delete from route table system in vpc [no] ",
        ]
    );
}

#[test]
fn a_range_that_changes_its_owner_is_drained_before_it_is_handed_on() {
    let found = after(|p| {
        let range = p.spec.hosts[3].ranges.remove(0);
        p.spec.hosts[2].ranges.push(range);
    });
    assert_eq!(
        found,
        [
            "Drain: drain a range of cloud [recreate] vpc2",
            "Take: take a range of cloud [no] vpc2",
            "HandOn: hand on a range of cloud [no] vpc1",
            "HandOn: lead elsewhere in route table system in vpc [seconds] ",
        ]
    );
}

#[test]
fn part_of_a_range_that_another_host_gets_is_routed_there_after_the_drain() {
    let found = after(|p| {
        p.spec.hosts[3].ranges[0].prefix = net("172.30.32.0/21");
        let mut half = p.spec.hosts[3].ranges[0].clone();
        half.prefix = net("172.30.40.0/21");
        p.spec.hosts[2].ranges.push(half);
    });
    assert_eq!(
        found,
        [
            "Reach: add to route table system in vpc [no] ",
            "Drain: drain a range of cloud [recreate] vpc2",
            "Take: take a range of cloud [no] vpc2",
            "HandOn: add to route table system in vpc [no] ",
            "HandOn: hand on a range of cloud [no] vpc1",
            "Forget: delete from route table system in vpc [no] ",
        ]
    );
}

#[test]
fn a_range_grows_in_place_and_shrinks_with_a_drain() {
    let grown = after(|p| p.spec.hosts[0].ranges[0].prefix = net("10.100.16.0/21"));
    assert_eq!(
        grown,
        [
            "Drain: drain a range of web [recreate] idc1",
            "Take: take a range of web [no] idc1"
        ],
        "a /21 of a /20 is half of it"
    );
    let old = {
        let mut plan = lab();
        plan.spec.hosts[0].ranges[0].prefix = net("10.100.16.0/21");
        plan
    };
    let found = diff(&old, &lab()).expect("routes");
    assert_eq!(found.changes.len(), 1);
    assert_eq!(found.changes[0].what, "grow a range of web");
    assert_eq!(
        found.changes[0].details,
        ["idc1: 10.100.16.0/21 → 10.100.16.0/20"]
    );
    assert_eq!(found.disruption(), Disruption::None);
}

#[test]
fn what_cuts_a_host_off_is_an_outage() {
    for edit in [
        |p: &mut NetworkPlan| p.spec.hosts[0].addresses[0] = net("10.10.0.99/24"),
        |p: &mut NetworkPlan| p.spec.hosts[0].uplink.switch = Some("tor2".into()),
        |p: &mut NetworkPlan| p.spec.hosts[0].uplink.interface = "eth9".parse().expect("a name"),
        |p: &mut NetworkPlan| p.spec.hosts[2].v_switch = Some("zone-b".into()),
    ] {
        let mut new = lab();
        edit(&mut new);
        let found = diff(&lab(), &new).expect("routes");
        assert_eq!(found.disruption(), Disruption::Outage, "{found:?}");
    }
}

#[test]
fn places_change_in_their_phases() {
    let found = after(|p| {
        let idc = &mut p.spec.sites[0];
        idc.vlans[1].subnets[0].gateway = "10.100.0.2".parse().expect("an address");
        let mut vlan = idc.vlans[1].clone();
        vlan.id = 300.try_into().expect("an ID");
        vlan.name = "more".into();
        vlan.subnets[0].prefix = net("10.150.0.0/16");
        vlan.subnets.truncate(1);
        idc.vlans.push(vlan);
        p.spec.networks[0].mac = MacMode::Pod;
        p.spec.density = Some(30);
    });
    assert_eq!(
        found,
        [
            "Record: density or budgets [no] ",
            "Carry: change a gateway [recreate] ",
            "Carry: new VLAN [no] ",
            "Reach: add to VBR of line line1 in vpc [no] ",
            "Reach: add to route table system in vpc [no] ",
            "Give: change whose MAC a network shows [no] ",
        ]
    );
}

#[test]
fn a_trunk_and_allowed_protocols_are_noticed_by_who_loses_them() {
    let with = |addresses: &[&str], any: bool| {
        let mut plan = lab();
        let trunk = &mut plan.spec.networks[0].trunk[0];
        trunk.addresses = addresses.iter().map(|a| net(a)).collect();
        trunk.any = any;
        plan
    };
    let notices = |old: &NetworkPlan, new: &NetworkPlan| {
        let found = diff(old, new).expect("routes");
        assert_eq!(found.changes[0].what, "change a network's trunk");
        assert_eq!(found.changes.len(), 1);
        found.changes[0].notices.clone()
    };
    let (whole, half) = (
        with(&["10.200.0.64/26"], false),
        with(&["10.200.0.64/27"], false),
    );
    let (any, none) = (with(&[], true), with(&[], false));
    let prefix = |text: &str| vec![Notices::Prefix(net(text))];
    assert_eq!(notices(&whole, &half), prefix("10.200.0.96/27"));
    assert_eq!(notices(&whole, &none), prefix("10.200.0.64/26"));
    assert_eq!(notices(&half, &whole), []);
    assert_eq!(notices(&half, &any), []);
    let tagged = Notices::Tagged {
        network: "web".into(),
        vlan: 200.try_into().expect("an ID"),
    };
    assert_eq!(notices(&any, &half), [tagged]);
    let speaks = |protocols: &[&str]| {
        let mut plan = lab();
        let allow = |p: &&str| crate::model::Allow {
            protocol: (*p).to_owned(),
            mac: None,
            addresses: Vec::new(),
        };
        plan.spec.networks[0].allow = protocols.iter().map(allow).collect();
        plan
    };
    let (one, two) = (speaks(&["ospf"]), speaks(&["ospf", "vrrp"]));
    let what = "Give: change the protocols that a network allows";
    assert_eq!(kinds(&one, &two), [format!("{what} [no]")]);
    assert_eq!(kinds(&two, &one), [format!("{what} [outage]")]);
    let found = diff(&two, &one).expect("routes");
    let vrrp = Notices::Protocol {
        network: "web".into(),
        protocol: "vrrp".into(),
    };
    assert_eq!(found.changes[0].notices, [vrrp]);
    let swapped = speaks(&["vrrp", "ospf"]);
    let same = "Record: what a network allows, in other words [no]";
    assert_eq!(kinds(&two, &swapped), [same]);
}

#[test]
fn what_nobody_is_there_for_nobody_notices() {
    let of = |hosts: bool, id: &str| {
        let mut plan = lab();
        plan.spec.hosts.retain(|h| hosts || h.site != "vpc");
        plan.spec.sites[1].v_switches[0].id = Some(id.into());
        plan
    };
    let what = "Carry: another vSwitch";
    assert_eq!(
        kinds(&of(true, "a"), &of(true, "b")),
        [format!("{what} [outage]")]
    );
    assert_eq!(
        kinds(&of(false, "a"), &of(false, "b")),
        [format!("{what} [no]")]
    );
}

/// Each change as `what [disruption]`, in its phase.
fn kinds(old: &NetworkPlan, new: &NetworkPlan) -> Vec<String> {
    let found = diff(old, new).expect("both can be routed");
    let each = found.changes.iter();
    each.map(|c| format!("{:?}: {} [{}]", c.phase, c.what, c.disrupts.as_str()))
        .collect()
}

fn has(found: &[String], wanted: &str) {
    assert!(found.iter().any(|f| f == wanted), "{wanted}: {found:#?}");
}

#[test]
fn the_last_line_between_two_sites_is_an_outage_and_one_of_two_is_not() {
    let none = |p: &mut NetworkPlan| p.spec.links.clear();
    let mut alone = lab();
    none(&mut alone);
    has(
        &kinds(&lab(), &alone),
        "Forget: cut a way between the sites [outage]",
    );
    let mut two = lab();
    two.spec.links.push(two.spec.links[0].clone());
    two.spec.links[1].name = "line2".into();
    let found = kinds(&two, &lab());
    has(&found, "Forget: lead over another line [seconds]");
    assert!(!found.iter().any(|f| f.contains("[outage]")), "{found:#?}");
}

#[test]
fn what_is_taken_out_of_accept_is_cut_off() {
    let accept = |idc: &[&str]| crate::model::Accept {
        from_idc: idc.iter().map(|p| net(p)).collect(),
        from_vpc: vec![net("172.16.0.0/12"), net("fd20::/16")],
    };
    let of = |idc: &[&str]| {
        let mut plan = lab();
        plan.spec.links[0].accept = Some(accept(idc));
        plan
    };
    let all = of(&["10.0.0.0/8", "fd10::/16"]);
    let less = of(&["10.10.0.0/24", "10.100.0.0/16", "fd10::/16"]);
    has(
        &kinds(&all, &less),
        "Forget: cut a way between the sites [outage]",
    );
    let back = kinds(&less, &all);
    has(&back, "Carry: change what a leased line accepts [no]");
    assert!(!back.iter().any(|f| f.contains("[outage]")), "{back:#?}");
    // The same in other words is no outage.
    let same = of(&["10.0.0.0/9", "10.128.0.0/9", "fd10::/16"]);
    let found = kinds(&all, &same);
    assert!(!found.iter().any(|f| f.contains("[outage]")), "{found:#?}");
}

#[test]
fn trunks_get_vlans_first_and_lose_them_last() {
    let ids = |ids: &[u32]| {
        let each = ids.iter().map(|id| (*id).try_into().expect("an ID"));
        Some(each.collect::<Vec<flatnet_types::VlanId>>())
    };
    let of = |list: &[u32]| {
        let mut plan = lab();
        plan.spec.sites[0].switches[0].trunk = ids(list);
        plan.spec.hosts[1].uplink.trunk = ids(list);
        plan
    };
    assert_eq!(
        kinds(&of(&[10, 100, 200]), &of(&[10, 200, 300])),
        [
            "Carry: add VLANs to a trunk [no]",
            "Carry: add VLANs to the uplink's trunk [no]",
            "Clear: take VLANs off a trunk [no]",
            "Clear: take VLANs off the uplink's trunk [no]",
        ]
    );
}

#[test]
fn an_address_has_one_host_at_a_time() {
    let found = after(|p| p.spec.hosts[1].name = "idc9".parse().expect("a name"));
    let at = |what: &str| {
        let at = found.iter().position(|f| f.contains(what));
        at.unwrap_or_else(|| panic!("{what}: {found:#?}"))
    };
    assert!(at("Take: remove the host") < at("HandOn: new host"));
    // The hosts of a group whose numbers have moved by one.
    let found = after(|p| {
        let first = p.spec.hosts[0].addresses.clone();
        p.spec.hosts[0].addresses = p.spec.hosts[1].addresses.clone();
        p.spec.hosts[1].addresses = first;
    });
    assert!(
        found
            .iter()
            .any(|f| f == "HandOn: change the host's own addresses [outage] idc1 idc2"),
        "{found:#?}"
    );
}

#[test]
fn a_gateway_is_noticed_by_those_who_have_it() {
    let change = |vlan: usize| {
        let mut plan = lab();
        let gateway = if vlan == 0 { "10.10.0.2" } else { "10.100.0.2" };
        plan.spec.sites[0].vlans[vlan].subnets[0].gateway = gateway.parse().expect("an address");
        kinds(&lab(), &plan)
    };
    assert_eq!(change(0), ["Carry: change the hosts' gateway [seconds]"]);
    assert_eq!(change(1), ["Carry: change a gateway [recreate]"]);
}

#[test]
fn what_is_said_and_was_so_is_no_change_of_a_lines_mtu() {
    let mut plan = lab();
    plan.spec.links[0].mtu = Some(plan.spec.mtu);
    assert_eq!(
        kinds(&lab(), &plan),
        ["Record: leased line's MTU, which stays what it is [no]"]
    );
}

#[test]
fn slices_vswitches_and_regions_have_their_verdicts() {
    let of = |edit: fn(&mut NetworkPlan)| {
        let mut old = lab();
        old.spec.networks[2].pools[0].slice_length = Some(26);
        old.spec.sites[1].v_switches[0].id = Some("vsw-1".into());
        old.spec.sites[1].v_switches[0].zone = Some("a".into());
        old.spec.sites[1].region = Some("cn-hangzhou".into());
        let mut new = old.clone();
        edit(&mut new);
        kinds(&old, &new)
    };
    let longer = of(|p| p.spec.networks[2].pools[0].slice_length = Some(27));
    assert_eq!(longer, ["Give: cut slices of another length [no]"]);
    let none = of(|p| p.spec.networks[2].pools[0].slice_length = None);
    assert_eq!(none, ["Drain: cut no slices of a pool any more [recreate]"]);
    let id = of(|p| p.spec.sites[1].v_switches[0].id = Some("vsw-2".into()));
    assert_eq!(id, ["Carry: another vSwitch [outage]"]);
    let zone = of(|p| p.spec.sites[1].v_switches[0].zone = Some("b".into()));
    assert_eq!(zone, ["Carry: another vSwitch [outage]"]);
    let region = of(|p| p.spec.sites[1].region = Some("cn-beijing".into()));
    assert_eq!(region, ["Carry: another VPC or data centre [outage]"]);
}
