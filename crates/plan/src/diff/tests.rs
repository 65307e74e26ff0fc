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
            "Give: change whose MAC a network shows [seconds] ",
        ]
    );
}
