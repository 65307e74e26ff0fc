//! Flows against a real switch: what is installed comes back equal.

mod common;

use std::net::{Ipv4Addr, Ipv6Addr};

use common::{Ovs, WAIT, wanted};
use flatnet_ovs::openflow::{
    Action, Batch, Bits, Conntrack, CtState, ErrorKind, Field, Flow, FlowFilter, FlowSet, Match,
    OpenFlowError, WHOLE_PACKET, Zone, port,
};
use flatnet_types::{MacAddr, VlanId};

const MAC: MacAddr = MacAddr([2, 0xf1, 0, 0, 0, 5]);
const V4: Ipv4Addr = Ipv4Addr::new(10, 1, 2, 3);
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 5);

fn vlan(id: u32) -> VlanId {
    VlanId::new(id).expect("in bounds")
}

/// Every field that can be matched, in each of its forms.
fn matches() -> Vec<Match> {
    vec![
        Match::new(),
        Match::new().in_port(3),
        Match::new().in_port(port::LOCAL),
        Match::new().eth_src(MAC),
        Match::new().eth_dst(MAC),
        Match::new().eth_src_masked(MAC, MacAddr([0xff, 0xff, 0, 0, 0, 0])),
        Match::new().eth_dst_masked(MacAddr([1, 0, 0, 0, 0, 0]), MacAddr([1, 0, 0, 0, 0, 0])),
        Match::new().eth_type(0x88cc),
        Match::new().untagged(),
        Match::new().vlan(vlan(100)),
        Match::new().tagged(),
        Match::new().vlan(vlan(100)).vlan_pcp(3),
        Match::new().field_masked(Field::VlanVid, 0x1060u16, 0x1ff0u16),
        Match::arp().arp_op(1).arp_spa(V4).arp_tpa(V4),
        Match::arp().arp_sha(MAC).arp_tha(MAC),
        Match::arp().arp_spa_net(V4, 24).arp_tpa_net(V4, 8),
        Match::ipv4().ipv4_src(V4).ipv4_dst(V4),
        Match::ipv4().ipv4_src_net(V4, 24).ipv4_dst_net(V4, 0),
        Match::ipv4().field(Field::IpDscp, 46u8),
        Match::ipv4().ip_proto(47),
        Match::ipv6().ipv6_src(V6).ipv6_dst(V6),
        Match::ipv6().ipv6_src_net(V6, 64).ipv6_dst_net(V6, 7),
        Match::icmpv4()
            .field(Field::Icmpv4Type, 8u8)
            .field(Field::Icmpv4Code, 0u8),
        Match::icmpv6(135).icmpv6_code(0).nd_target(V6).nd_sll(MAC),
        Match::icmpv6(135).nd_target_net(V6, 64),
        Match::icmpv6(136).nd_target(V6).nd_tll(MAC),
        Match::icmpv6(136)
            .nd_reserved(0x6000_0000)
            .nd_options_type(2),
        Match::udp4().udp_src(67).udp_dst(68),
        Match::udp6().udp_src(546).udp_dst(547),
        Match::tcp4().tcp_src(1).tcp_dst(80),
        Match::tcp6().tcp_src(1).tcp_dst(80),
        Match::udp4().field_masked(Field::UdpDst, 0x1000u16, 0xf000u16),
        Match::new().reg(0, 5).reg(1, 0).reg(2, u32::MAX).reg(3, 1),
        Match::new().reg(4, 5).reg(5, 0).reg(6, u32::MAX).reg(7, 1),
        Match::new().reg_masked(3, 0xff00, 0xff00),
        Match::new().field(Field::Metadata, 7u64),
        Match::new().field_masked(Field::Metadata, 7u64, 15u64),
        Match::arp()
            .vlan(vlan(4094))
            .in_port(7)
            .eth_src(MAC)
            .arp_spa(V4)
            .reg(0, 1),
    ]
}

/// Every action, on a match that has its prerequisites.
fn actions() -> Vec<(Match, Vec<Action>)> {
    let bits = |field, offset, count| Bits {
        field,
        offset,
        count,
    };
    vec![
        (Match::new(), vec![]),
        (
            Match::new(),
            vec![Action::output(7), Action::in_port(), Action::local()],
        ),
        (
            Match::new(),
            vec![Action::normal(), Action::output(port::ALL)],
        ),
        (
            Match::new(),
            vec![Action::controller(WHOLE_PACKET), Action::controller(128)],
        ),
        (
            Match::new().untagged(),
            vec![
                Action::push_vlan(),
                Action::set_vlan(vlan(100)),
                Action::output(1),
            ],
        ),
        (
            Match::new().tagged(),
            vec![Action::pop_vlan(), Action::output(1)],
        ),
        (Match::new().tagged(), vec![Action::set_vlan(vlan(7))]),
        (
            Match::new(),
            vec![Action::set_eth_src(MAC), Action::set_eth_dst(MAC)],
        ),
        (
            Match::arp(),
            vec![
                Action::set_arp_op(2),
                Action::set_arp_sha(MAC),
                Action::set_arp_tha(MAC),
                Action::set_arp_spa(V4),
                Action::set_arp_tpa(V4),
            ],
        ),
        (
            Match::ipv4(),
            vec![Action::set_ipv4_src(V4), Action::set_ipv4_dst(V4)],
        ),
        (
            Match::ipv6(),
            vec![Action::set_ipv6_src(V6), Action::set_ipv6_dst(V6)],
        ),
        (
            Match::udp4(),
            vec![
                Action::set(Field::UdpSrc, 1u16),
                Action::set(Field::UdpDst, 2u16),
            ],
        ),
        (
            Match::icmpv6(135),
            vec![
                Action::set_nd_target(V6),
                Action::set_nd_sll(MAC),
                Action::set_nd_reserved(0x6000_0000),
                Action::set_nd_options_type(2),
                Action::set_icmpv6_type(136),
                Action::set_icmpv6_code(0),
            ],
        ),
        (
            Match::icmpv6(136),
            vec![Action::set_nd_tll(MAC), Action::set_nd_target(V6)],
        ),
        (
            Match::new(),
            (0..8)
                .map(|n| Action::set_reg(n, 0x1_0000 + u32::from(n)))
                .collect(),
        ),
        (
            Match::new(),
            vec![
                Action::load(bits(Field::Reg0, 4, 8), 0xab),
                Action::load(bits(Field::Reg1, 0, 32), 5),
                Action::load(bits(Field::Reg2, 31, 1), 1),
                Action::load(bits(Field::EthDst, 0, 16), 0xbeef),
                Action::load(Field::Metadata, 9),
            ],
        ),
        (
            Match::new(),
            vec![
                Action::copy(Field::EthSrc, Field::EthDst),
                Action::copy(bits(Field::EthSrc, 16, 16), bits(Field::Reg0, 0, 16)),
                Action::copy(Field::Reg1, Field::Reg7),
            ],
        ),
        (
            Match::arp(),
            vec![
                Action::copy(Field::ArpSha, Field::ArpTha),
                Action::copy(Field::ArpSpa, Field::ArpTpa),
                Action::copy(Field::ArpSpa, Field::Reg0),
            ],
        ),
        (
            Match::ipv4(),
            vec![Action::copy(Field::Ipv4Src, Field::Ipv4Dst)],
        ),
        (
            Match::icmpv6(135),
            vec![
                Action::copy(Field::Ipv6Src, Field::Ipv6Dst),
                Action::copy(Field::NdTarget, Field::Ipv6Src),
                Action::copy(Field::NdSll, Field::EthDst),
            ],
        ),
        (
            Match::icmpv6(136),
            vec![Action::copy(Field::NdTll, Field::EthSrc)],
        ),
        (
            Match::new(),
            vec![
                Action::resubmit(4),
                Action::Resubmit {
                    in_port: Some(3),
                    table: None,
                },
                Action::Resubmit {
                    in_port: Some(3),
                    table: Some(4),
                },
            ],
        ),
        (
            Match::tcp4(),
            vec![Conntrack::remember(7, 0x1f).into(), Action::output(1)],
        ),
        (
            Match::udp6().not_looked_up(),
            vec![Conntrack::look_up(0xffff, 3).into()],
        ),
        (
            Match::ipv6().not_looked_up(),
            vec![Conntrack::remember(Zone::In(Field::Reg1), 1).then(3).into()],
        ),
        (
            Match::icmpv4().found(CtState::RELATED, 1),
            vec![Conntrack::remember(0, 0).then(3).into()],
        ),
        (Match::ipv4().is(CtState::INVALID), vec![Action::output(1)]),
    ]
}

fn catalogue() -> FlowSet {
    let by_match = matches().into_iter().zip(1000..).map(|(m, priority)| {
        Flow::new(0, priority)
            .matching(m)
            .actions([Action::output(1)])
    });
    let by_action = actions()
        .into_iter()
        .zip(1000..)
        .map(|((m, a), priority)| Flow::new(1, priority).matching(m).actions(a));
    let others = [
        Flow::new(2, 1).goto(3),
        Flow::new(2, 2).actions([Action::set_reg(0, 1)]).goto(253),
        Flow::new(253, 65535).cookie(u64::MAX),
        Flow::new(3, 1)
            .meter(1)
            .actions([Action::output(1)])
            .goto(4),
    ];
    let mut timed = Flow::new(3, 2);
    (timed.idle_timeout, timed.hard_timeout) = (1000, 2000);
    by_match
        .chain(by_action)
        .chain(others)
        .chain([timed])
        .map(|f| if f.cookie == 0 { f.cookie(0xf1a7) } else { f })
        .collect()
}

async fn dump(switch: &flatnet_ovs::openflow::Switch) -> FlowSet {
    let stats = switch.flows(FlowFilter::default()).await.expect("a dump");
    stats.into_iter().map(|s| s.flow).collect()
}

/// Sends flow by flow, so that a refusal names its flow.
async fn install(switch: &flatnet_ovs::openflow::Switch, flows: &FlowSet) {
    let mut batch = Batch::new();
    for flow in flows.iter() {
        batch.add(flow);
    }
    if let Err(OpenFlowError::Rejected { failures }) = switch.send(batch).await {
        let refused: Vec<String> = failures
            .iter()
            .map(|f| {
                format!(
                    "{}: {}",
                    f.error,
                    flows.iter().nth(f.index.unwrap_or(0)).expect("one of them")
                )
            })
            .collect();
        panic!("refused: {refused:#?}");
    }
}

fn assert_same(desired: &FlowSet, actual: &FlowSet) {
    let diff = FlowSet::diff(desired, actual);
    assert!(
        diff.is_empty(),
        "to add: {:#?}\nto delete: {:#?}",
        diff.adds.iter().map(Flow::to_string).collect::<Vec<_>>(),
        diff.deletes
            .iter()
            .map(|f| actual.get(f).expect("there").to_string())
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn every_match_and_action_comes_back_as_it_was_sent() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    ovs.ofctl("add-meter", &["meter=1,kbps,band=type=drop,rate=1000"]);
    let flows = catalogue();
    install(&switch, &flows).await;
    assert_same(&flows, &dump(&switch).await);
}

#[tokio::test]
async fn what_display_says_ovs_ofctl_understands_as_the_same_flow() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    ovs.ofctl("add-meter", &["meter=1,kbps,band=type=drop,rate=1000"]);
    let flows = catalogue();
    let text: Vec<String> = flows.iter().map(Flow::to_string).collect();
    std::fs::write(ovs.path("flows"), text.join("\n")).expect("written");
    ovs.ofctl("add-flows", &[&ovs.file("flows")]);
    assert_same(&flows, &dump(&switch).await);
}

#[tokio::test]
async fn a_bundle_is_done_whole_or_not_at_all_and_the_refused_message_is_named() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    let good = Flow::new(0, 1).actions([Action::output(1)]);
    // An ARP field without ARP: the prerequisite is missing.
    let bad = Flow::new(0, 2).matching(Match::new().arp_op(1));
    let mut batch = Batch::new();
    batch.add(&good).add(&bad);
    for atomic in [true, false] {
        let sent = if atomic {
            switch.send_atomic(batch.clone())
        } else {
            switch.send(batch.clone())
        };
        match sent.await {
            Err(OpenFlowError::Rejected { failures }) => {
                assert!(failures.iter().any(|f| f.index == Some(1)
                    && f.error.kind == ErrorKind::BadMatch
                    && f.error.to_string() == "OFPBMC_BAD_PREREQ"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(dump(&switch).await.len(), usize::from(!atomic));
    }
    let mut batch = Batch::new();
    batch
        .delete_strict(&good.key())
        .add(&Flow::new(0, 3))
        .add(&Flow::new(0, 4));
    switch.send_atomic(batch).await.expect("all well");
    assert_eq!(dump(&switch).await.len(), 2);
}

#[tokio::test]
async fn flows_go_by_cookie_and_by_key_and_a_diff_is_applied_in_one_batch() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    let flow = |table, priority, cookie| Flow::new(table, priority).cookie(cookie);
    let flows: FlowSet = [
        flow(0, 1, 0x10),
        flow(0, 2, 0x11),
        flow(1, 1, 0x20),
        flow(1, 2, 0x21),
    ]
    .into_iter()
    .collect();
    install(&switch, &flows).await;

    let mut batch = Batch::new();
    batch.delete(0x10, 0xf0).delete_strict(&flow(5, 5, 0).key());
    switch
        .send(batch)
        .await
        .expect("deleting the absent is fine");
    let left: Vec<u64> = dump(&switch).await.iter().map(|f| f.cookie).collect();
    assert_eq!(left, [0x20, 0x21]);

    // One that took the place of another is not deleted in its stead.
    for (cookie, stays) in [(0x20, true), (0x30, false)] {
        let mut batch = Batch::new();
        let another = flow(2, 1, 0x30);
        batch.add(&another).delete_strict_of(cookie, &another.key());
        switch.send(batch).await.expect("deleted");
        let there = dump(&switch).await.iter().any(|f| f.cookie == 0x30);
        assert_eq!(there, stays);
    }

    let filter = FlowFilter {
        table: None,
        cookie: 0x21,
        cookie_mask: u64::MAX,
    };
    assert_eq!(switch.flows(filter).await.expect("a dump").len(), 1);
    let filter = FlowFilter {
        table: Some(0),
        ..FlowFilter::default()
    };
    assert_eq!(switch.flows(filter).await.expect("a dump").len(), 0);

    let desired: FlowSet = [
        flow(1, 1, 0x99),
        flow(1, 3, 0x30).actions([Action::output(1)]),
    ]
    .into_iter()
    .collect();
    let diff = FlowSet::diff(&desired, &dump(&switch).await);
    assert_eq!((diff.adds.len(), diff.deletes.len()), (2, 1));
    switch
        .send_atomic(Batch::from_diff(&diff))
        .await
        .expect("all well");
    assert_same(&desired, &dump(&switch).await);

    let changed = flow(1, 3, 0x77).actions([Action::output(2)]);
    let mut batch = Batch::new();
    batch.modify_strict(&changed);
    switch.send(batch).await.expect("modified");
    let now = dump(&switch).await;
    let now = now.get(&changed.key()).expect("there");
    assert_eq!(now.instructions, changed.instructions);
    assert_eq!(now.cookie, 0x30, "a modification leaves the cookie");
}
