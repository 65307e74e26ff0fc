//! What is refused, and what a dry run says.

use super::host::{
    address, inventory, leased_address, link_route, on_sub_interface, route, target,
};
use crate::clients::{Client, ClientKind, Scope};
use crate::inventory::{Inventory, LinkFacts};
use crate::plan::{Refusal, Target, plan};
use crate::step::{Item, Step};

fn refusals(target: &Target, i: &Inventory) -> Vec<String> {
    let found = plan(target, i).expect_err("refused");
    found.iter().map(ToString::to_string).collect()
}

fn refused(change: impl FnOnce(&mut Target, &mut Inventory)) -> String {
    let (mut target, mut i) = (target(), inventory());
    change(&mut target, &mut i);
    refusals(&target, &i).join("; ")
}

#[test]
fn what_cannot_be_done_whole_is_refused_with_what_to_do() {
    let text = refused(|t, _| t.uplink = "eth9".into());
    assert!(
        text.contains("uplink eth9 is not there; this host has lo, eth0, eth1"),
        "{text}"
    );
    let text = refused(|t, _| t.uplink = "ETH0".into());
    assert!(text.contains("there is no ETH0, but eth0"), "{text}");
    let text = refused(|t, i| {
        i.links[1].altnames = vec!["enp1s0".into()];
        t.uplink = "enp1s0".into();
    });
    assert!(text.contains("write `interface: eth0`"), "{text}");
    let text = refused(|_, i| {
        i.links[2].kind = Some("bridge".into());
        i.links[1].master = Some(3);
    });
    assert!(text.contains("eth0 is a port of eth1 (bridge)"), "{text}");
    let text = refused(|_, i| i.links[1].up = false);
    assert!(text.contains("ip link set eth0 up"), "{text}");
    let text = refused(|_, i| i.bridge.answers = false);
    assert!(text.contains("is ovsdb-server running?"), "{text}");
    let text = refused(|_, i| i.bridge.exists = true);
    assert!(text.contains("br-set-external-id br-flat"), "{text}");
    let text = refused(|_, i| i.bridge.elsewhere = Some("br0".into()));
    assert!(text.contains("ovs-vsctl del-port br0 eth0"), "{text}");
}

#[test]
fn a_nic_without_addresses_is_nothing_to_move() {
    let mut i = inventory();
    i.addresses.clear();
    let found = plan(&target(), &i).expect_err("nothing");
    assert!(matches!(found.as_slice(), [Refusal::Nothing { .. }]));
}

#[test]
fn a_sub_interface_is_moved_only_if_its_vlan_is_the_plans() {
    let i = on_sub_interface();
    let text = refusals(&target(), &i).join("; ");
    assert!(
        text.contains(
            "eth0.10 bears 10.0.0.5/24, 10.0.0.6/24 in VLAN 10, and the plan's host VLAN is none"
        ),
        "{text}"
    );
    let vlan = flatnet_types::VlanId::new(10).expect("a VLAN");
    let mut target = target();
    target.host_vlan = Some(vlan);
    let made = plan(&target, &i).expect("a plan");
    assert_eq!(
        (made.from.name.as_str(), made.nic.as_str()),
        ("eth0.10", "eth0")
    );
    assert!(
        made.steps
            .iter()
            .any(|s| matches!(s, Step::DeleteLink { .. }))
    );
}

#[test]
fn a_sub_interface_that_would_take_a_containers_vlan_is_refused() {
    let text = refused(|t, i| {
        t.trunks = vec![flatnet_types::VlanId::new(100).expect("a VLAN")];
        i.links.push(LinkFacts {
            name: "eth0.100".into(),
            ifindex: 8,
            vlan: Some(100),
            lower: Some(2),
            kind: Some("vlan".into()),
            ..LinkFacts::default()
        });
    });
    assert!(text.contains("delete eth0.100"), "{text}");
}

fn client(kind: ClientKind) -> Client {
    Client {
        kind,
        pid: Some(5),
        argv: vec!["dhclient".into(), "eth0".into()],
        scope: match kind {
            ClientKind::Networkd | ClientKind::NetworkManager => Scope::All,
            _ => Scope::Device("eth0".into()),
        },
        leases: kind != ClientKind::Networkd,
        profile: None,
    }
}

#[test]
fn who_would_put_the_address_back_is_refused_or_told_to_leave() {
    let text = refused(|_, i| {
        i.clients = vec![Client {
            profile: Some("11-22".into()),
            ..client(ClientKind::NetworkManager)
        }];
    });
    assert!(
        text.contains(
            "`nmcli connection modify 11-22 ipv4.method manual ipv4.addresses \
             10.0.0.5/24,10.0.0.6/24 ipv4.gateway 10.0.0.1 && nmcli connection up 11-22`"
        ),
        "{text}"
    );
    let mut i = inventory();
    i.clients = vec![Client {
        leases: false,
        ..client(ClientKind::NetworkManager)
    }];
    let steps = plan(&target(), &i).expect("a plan").steps;
    assert!(matches!(&steps[0], Step::Unmanage { text, .. }
            if text.contains("interface-name:flat0,interface-name:br-flat,interface-name:fn*")));
    assert!(matches!(&steps[1], Step::Tell { argv, back, .. }
            if argv.join(" ") == "nmcli device set eth0 managed no"
                && back.join(" ") == "nmcli device set eth0 managed yes"));
    i.clients = vec![client(ClientKind::Dhclient)];
    let steps = plan(&target(), &i).expect("a plan").steps;
    assert!(matches!(
        steps.first(),
        Some(Step::StopClient { pid: 5, .. })
    ));
    assert!(matches!(steps.last(), Some(Step::StartClient { .. })));
    i.clients = vec![client(ClientKind::Networkd)];
    let steps = plan(&target(), &i).expect("a plan").steps;
    // It drops what it configured when it lets go: until the host's port has it, it keeps the NIC.
    let names = |s: &Step| match s {
        Step::Unmanage { text, .. } => Some(text.lines().nth(1)?.to_owned()),
        _ => None,
    };
    let at = |wanted: &str| {
        steps
            .iter()
            .position(|s| names(s).as_deref() == Some(wanted))
    };
    let given = steps.iter().rposition(|s| matches!(s, Step::Give(_)));
    let taken = steps
        .iter()
        .position(|s| matches!(s, Step::Take(i) if i.0.as_address().is_some()));
    assert_eq!(at("Name=flat0 br-flat ovs-system ovs-netdev fn*"), Some(1));
    // What was first is undone last: networkd configures the NIC anew then.
    assert!(matches!(steps.first(), Some(Step::Regain { .. })));
    let nic = at("Name=eth0");
    assert!(given < nic && nic < taken, "{given:?} {nic:?} {taken:?}");
}

#[test]
fn a_route_without_a_gateway_is_there_before_those_that_need_it_both_ways() {
    let mut i = inventory();
    i.routes.push(link_route(2));
    let steps = plan(&target(), &i).expect("a plan").steps;
    let at = |wanted: &dyn Fn(&Step) -> bool| steps.iter().position(wanted).expect("a step");
    let direct = |i: &Item| {
        i.0.as_route()
            .is_some_and(|r| r.nexthops.iter().all(|h| h.via.is_none()))
    };
    let routed = |i: &Item| i.0.as_route().is_some_and(|_| !direct(i));
    let given = at(&|s| matches!(s, Step::Give(i) if direct(i)));
    let taken = at(&|s| matches!(s, Step::Take(i) if direct(i)));
    let default = at(&|s| matches!(s, Step::Give(i) if routed(i)));
    let left = at(&|s| matches!(s, Step::Take(i) if routed(i)));
    assert!(
        given < default && default < left && left < taken,
        "{steps:?}"
    );
}

#[test]
fn a_lease_that_nobody_renews_is_refused_with_the_command_that_keeps_it() {
    let leased = |i: &mut Inventory| i.addresses[0] = leased_address(2, [10, 0, 0, 5]);
    let text = refused(|_, i| leased(i));
    assert!(
        text.contains(
            "`ip address change 10.0.0.5/24 dev eth0 valid_lft forever preferred_lft forever`"
        ),
        "{text}"
    );
    let mut i = inventory();
    leased(&mut i);
    i.clients = vec![client(ClientKind::Dhclient)];
    assert!(plan(&target(), &i).is_ok(), "dhclient renews it");
}

#[test]
fn a_dry_run_prints_the_commands() {
    let i = inventory();
    let made = plan(&target(), &i).expect("a plan");
    let words: Vec<String> = made
        .steps
        .iter()
        .flat_map(|s| s.words(&made.from, &made.to, &|index| i.name_of(index)))
        .collect();
    assert_eq!(
        words,
        [
            "ovs-vsctl add-br br-flat -- set bridge br-flat datapath_type=system fail_mode=secure \
             external_ids:flatnet-owner=netd",
            "ovs-vsctl add-port br-flat flat0 -- set interface flat0 type=internal \
             ofport_request=2 mtu_request=1500",
            "ovs-ofctl add-flow br-flat priority=10,in_port=1,vlan_tci=0/0x1fff,actions=output:2",
            "ovs-ofctl add-flow br-flat priority=10,in_port=2,actions=output:1",
            "sysctl -w net/ipv6/conf/flat0/disable_ipv6=0",
            "sysctl -w net/ipv6/conf/flat0/accept_ra=0",
            "ip link set flat0 up",
            "ip address add 10.0.0.5/24 dev flat0",
            "ip address add 10.0.0.6/24 dev flat0",
            "ovs-vsctl add-port br-flat eth0 -- set interface eth0 ofport_request=1",
            "ip route append default via 10.0.0.1 dev flat0 proto static",
            "ip route del default via 10.0.0.1 dev eth0 proto static",
            "ip rule add from all iif flat0 lookup 100 priority 1000",
            "ip rule del from all iif eth0 lookup 100 priority 1000",
            "ip address del 10.0.0.6/24 dev eth0",
            "ip address del 10.0.0.5/24 dev eth0",
            "ip route replace 10.9.0.0/16 via 10.8.0.1 dev eth1 proto static src 10.0.0.5",
            "sysctl -w net/ipv6/conf/eth0/disable_ipv6=1",
            "sysctl -w net/ipv4/conf/eth0/arp_ignore=8",
        ]
    );
}

#[test]
fn the_gates_are_the_gateways_of_the_default_routes_and_the_api_server() {
    let mut target = target();
    target.api_server = Some("10.7.0.1:6443".into());
    let mut i = inventory();
    i.routes.push(route(2, true, [10, 0, 0, 2], None));
    let gates = plan(&target, &i).expect("a plan").gates;
    let words: Vec<String> = gates.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "gateway 10.0.0.1 (ARP)",
            "gateway 10.0.0.2 (ARP)",
            "API server 10.7.0.1:6443 (TCP)"
        ]
    );
}

#[test]
fn what_will_be_otherwise_is_said() {
    let mut target = target();
    target.host_vlan = flatnet_types::VlanId::new(10).ok();
    target.addresses = vec!["10.0.0.9/24".parse().expect("a prefix")];
    let mut i = inventory();
    i.addresses.push(address(3, [10, 8, 0, 5]));
    i.ifupdown = vec!["eth0".into()];
    let notes = plan(&target, &i).expect("a plan").notes.join("; ");
    assert!(notes.contains("must carry VLAN 10 tagged"), "{notes}");
    assert!(notes.contains("`ifup --force eth0`"), "{notes}");
    assert!(
        notes.contains("the plan gives this host 10.0.0.9/24"),
        "{notes}"
    );
    assert!(
        notes.contains("10.0.0.5/24, 10.0.0.6/24 of eth0 are not in the plan"),
        "{notes}"
    );
}
