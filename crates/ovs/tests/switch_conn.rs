//! The connection to a real switch: ports, restarts, order, speed.

mod common;

use std::time::{Duration, Instant};

use common::{Ovs, WAIT, wanted};
use flatnet_ovs::openflow::{
    Action, Batch, ConnError, Flow, FlowFilter, Group, Match, Meter, OpenFlowError, PacketOut,
    PortEvent, PortSelector, ProtocolError, SwitchState, port,
};
use flatnet_ovs::ovsdb::{Atom, Condition, Op, Row};
use flatnet_types::MacAddr;

/// The operations that add a port with an interface.
fn add_port(name: &str, number: i64, kind: &str) -> Vec<Op> {
    let interface = Row::new()
        .with("name", name)
        .with("type", kind)
        .with("ofport_request", number);
    let port = Row::new()
        .with("name", name)
        .with("interfaces", Atom::named("iface"));
    vec![
        Op::insert("Interface", interface).named("iface").into(),
        Op::insert("Port", port).named("port").into(),
        Op::mutate("Bridge")
            .only(Condition::eq("name", "br0"))
            .insert("ports", Atom::named("port"))
            .into(),
    ]
}

#[tokio::test]
async fn a_port_is_seen_from_its_coming_to_its_going() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let (switch, session) = (ovs.connection(), ovs.session());
    switch.connected(WAIT).await.expect("connected");
    session.ready(WAIT).await.expect("ready");
    let local = switch
        .wait_port(&PortSelector::Number(port::LOCAL), WAIT)
        .await
        .expect("the bridge's own port");
    assert_eq!(local.name, "br0");

    let mut events = switch.port_events();
    session
        .transact(&add_port("int7", 7, "internal"))
        .await
        .expect("done");
    let by_name = switch
        .wait_port(&PortSelector::Name("int7".into()), WAIT)
        .await
        .expect("it comes");
    assert_eq!(by_name.number, 7);
    let by_number = switch
        .wait_port(&PortSelector::Number(7), WAIT)
        .await
        .expect("there");
    assert_eq!(by_number.name, "int7");
    let event = tokio::time::timeout(WAIT, events.recv())
        .await
        .expect("in time")
        .expect("told");
    assert!(matches!(event, PortEvent::Added(p) if p.number == 7));
    let ofport = session
        .wait_for(WAIT, |r| {
            r.find("Interface", "name", "int7")?.1.int("ofport")
        })
        .await
        .expect("the database says so too");
    assert_eq!(ofport, 7);

    ovs.vsctl(&["del-port", "br0", "int7"]);
    loop {
        let event = tokio::time::timeout(WAIT, events.recv())
            .await
            .expect("in time");
        if matches!(event.expect("told"), PortEvent::Deleted(p) if p.number == 7) {
            break;
        }
    }
    let gone = switch
        .wait_port(&PortSelector::Number(7), Duration::from_millis(20))
        .await;
    assert!(
        matches!(gone, Err(OpenFlowError::TimedOut { .. })),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_restarted_switch_is_a_new_generation_and_has_no_flows() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    assert_eq!(switch.connected(WAIT).await, Ok(1));
    let mut batch = Batch::new();
    batch.add(&Flow::new(0, 1).cookie(5));
    switch.send(batch.clone()).await.expect("added");
    let mut state = switch.state();
    state.mark_unchanged();

    ovs.stop_switch();
    state.changed().await.expect("told");
    let refused = switch.send(batch.clone()).await;
    assert_eq!(
        refused,
        Err(OpenFlowError::Disconnected {
            maybe_applied: false
        })
    );
    assert!(switch.ports().is_empty());

    let began = Instant::now();
    ovs.start_switch();
    let generation = state.wait_for(|s| matches!(s, SwitchState::Connected { generation: 2, .. }));
    tokio::time::timeout(WAIT, generation)
        .await
        .expect("in time")
        .expect("told");
    eprintln!(
        "the switch's start and the reconnection took {:?}",
        began.elapsed()
    );
    assert_eq!(switch.reconnects(), 1);
    assert!(
        switch
            .flows(FlowFilter::default())
            .await
            .expect("a dump")
            .is_empty()
    );
    switch.send(batch).await.expect("added again");
    assert!(!switch.ports().is_empty());
}

#[tokio::test]
async fn a_bridge_without_openflow_14_is_named_as_the_cause() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    ovs.vsctl(&["set", "bridge", "br0", "protocols=OpenFlow13"]);
    let switch = ovs.connection();
    let mut state = switch.state();
    let told = state
        .wait_for(|s| matches!(s, SwitchState::Disconnected { cause: Some(_), .. }))
        .await
        .expect("told")
        .clone();
    match told {
        SwitchState::Disconnected {
            cause: Some(cause), ..
        } => {
            assert!(
                matches!(&*cause, ConnError::Protocol(ProtocolError::NoCommonVersion)),
                "{cause:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    ovs.vsctl(&["set", "bridge", "br0", "protocols=OpenFlow13,OpenFlow14"]);
    switch.connected(WAIT).await.expect("and then it works");
}

#[tokio::test]
async fn requests_keep_their_order_without_being_awaited() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    for round in 0..200_u64 {
        let flow = Flow::new(0, 1).cookie(round + 1);
        let mut add = Batch::new();
        add.add(&flow);
        let mut delete = Batch::new();
        delete.delete_strict(&flow.key());
        let first = if round % 2 == 0 {
            switch.send(add.clone())
        } else {
            switch.send_atomic(add.clone())
        };
        let second = switch.send(delete);
        let third = switch.send_atomic(add);
        let flows = switch.flows(FlowFilter::default()).await.expect("a dump");
        assert_eq!(flows.len(), 1);
        assert_eq!(flows[0].flow, flow);
        for pending in [first, second, third] {
            pending.await.expect("done");
        }
    }
}

#[tokio::test]
async fn a_group_comes_back_is_replaced_and_takes_its_flows_along() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    let group = |table| Group {
        id: 1,
        buckets: vec![vec![Action::resubmit(table)]],
    };
    let flow = Flow::new(9, 1).actions([Action::Group(1)]);
    let mut batch = Batch::new();
    batch.put_group(&group(1)).add(&flow);
    switch.send(batch).await.expect("done");
    assert_eq!(switch.groups().await.expect("a list"), [group(1)]);
    let flows = switch.flows(FlowFilter::default()).await.expect("a list");
    assert!(flows.iter().any(|s| s.flow == flow), "{flows:?}");

    let mut batch = Batch::new();
    batch.put_group(&group(2));
    switch.send(batch).await.expect("done");
    assert_eq!(switch.groups().await.expect("a list"), [group(2)]);
    ovs.ofctl("mod-group", &["group_id=1,type=all,bucket=actions=drop"]);
    assert_ne!(switch.groups().await.expect("a list"), [group(2)]);
    let changes = *switch.flow_changes().borrow();
    ovs.ofctl("del-groups", &[]);
    let mut told = switch.flow_changes();
    let grown = told.wait_for(|now| *now > changes);
    let waited = tokio::time::timeout(WAIT, grown).await;
    assert!(waited.is_ok(), "the flow's end is told");
    let flows = switch.flows(FlowFilter::default()).await.expect("a list");
    assert!(!flows.iter().any(|s| s.flow == flow), "{flows:?}");
}

#[tokio::test]
async fn meters_come_back_and_are_counted_and_go_with_their_flows() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    let meters = [Meter::kbps(1, 1000, None), Meter::kbps(2, 2000, Some(300))];
    let mut batch = Batch::new();
    batch.meter_add(&meters[0]).meter_add(&meters[1]);
    batch.add(&Flow::new(0, 1).meter(2).actions([Action::output(1)]));
    switch.send(batch).await.expect("added");
    let mut found = switch.meters().await.expect("a list");
    found.sort();
    eprintln!("{found:?}");
    assert_eq!(found[1], meters[1]);
    assert_eq!((found[0].id, found[0].rate), (1, 1000));

    let mut again = Batch::new();
    again.meter_add(&meters[0]);
    match switch.send(again).await {
        Err(OpenFlowError::Rejected { failures }) => assert!(failures[0].error.is_meter_exists()),
        other => panic!("{other:?}"),
    }
    let changed = Meter::kbps(2, 5000, Some(300));
    let mut batch = Batch::new();
    batch.meter_modify(&changed);
    switch.send(batch).await.expect("changed");
    assert!(switch.meters().await.expect("a list").contains(&changed));
    let stats = switch.meter_stats().await.expect("a list");
    assert_eq!(stats.len(), 2);

    let mut batch = Batch::new();
    batch.meter_delete(2).meter_delete(2).meter_delete(9);
    switch
        .send(batch)
        .await
        .expect("deleting the absent is fine");
    assert_eq!(switch.meters().await.expect("a list").len(), 1);
    assert!(
        switch
            .flows(FlowFilter::default())
            .await
            .expect("a dump")
            .is_empty()
    );

    let mut batch = Batch::new();
    batch.meter_modify(&changed);
    match switch.send(batch).await {
        Err(OpenFlowError::Rejected { failures }) => assert!(failures[0].error.is_unknown_meter()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_packet_out_leaves_by_its_port() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let host = ovs.host(1, "02:00:00:00:00:01", &["10.0.0.1/24"]);
    let switch = ovs.connection();
    switch.connected(WAIT).await.expect("connected");
    switch
        .wait_port(&PortSelector::Number(1), WAIT)
        .await
        .expect("there");
    let before = received(&host);
    let mut data = MacAddr::BROADCAST.0.to_vec();
    data.extend_from_slice(&[2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    data.resize(60, 0);
    let packet = PacketOut {
        in_port: port::CONTROLLER,
        actions: vec![Action::output(1)],
        data,
    };
    let mut batch = Batch::new();
    for _ in 0..50 {
        batch.packet_out(&packet);
    }
    switch.send(batch).await.expect("sent");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(received(&host) >= before + 50);
}

/// Packets that the host received.
fn received(host: &common::Namespace) -> u64 {
    let text = host.run("ip", &["-s", "-j", "link", "show", "eth0"]);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    json[0]["stats64"]["rx"]["packets"]
        .as_u64()
        .expect("a counter")
}

/// The figures that the attach path is planned with; printed, with a bound that only a fault
/// would break.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_flows_and_a_barrier_take_well_under_ten_milliseconds() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let (switch, session) = (ovs.connection(), ovs.session());
    switch.connected(WAIT).await.expect("connected");
    session.ready(WAIT).await.expect("ready");
    let mut times = Vec::new();
    let mut atomic = Vec::new();
    for round in 0..500_u32 {
        let batch = |n: u32| {
            let mut batch = Batch::new();
            for i in 0..8_u16 {
                let flow = Flow::new(0, 100 + i)
                    .cookie(u64::from(n) + 1)
                    .matching(Match::ipv4().in_port(n + 1).ipv4_src(n.into()))
                    .actions([Action::set_reg(0, n), Action::output(n + 1)])
                    .goto(1);
                batch.add(&flow);
            }
            batch
        };
        let began = Instant::now();
        switch.send(batch(round)).await.expect("added");
        times.push(began.elapsed());
        let began = Instant::now();
        switch.send_atomic(batch(round)).await.expect("added");
        atomic.push(began.elapsed());
    }
    let mut transactions = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        session
            .transact(&[Op::mutate("Open_vSwitch")
                .insert("external_ids", flatnet_ovs::ovsdb::Datum::map([("k", "v")]))
                .into()])
            .await
            .expect("done");
        transactions.push(began.elapsed());
    }
    let began = Instant::now();
    let flows = switch
        .flows(FlowFilter::default())
        .await
        .expect("a dump")
        .len();
    eprintln!("a dump of {flows} flows: {:?}", began.elapsed());
    for (what, times) in [
        ("8 flows + barrier", &mut times),
        ("8 flows in a bundle", &mut atomic),
        ("an OVSDB transaction", &mut transactions),
    ] {
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        eprintln!("{what}: p50 {:?} p95 {:?} p99 {:?}", at(50), at(95), at(99));
        assert!(at(50) < Duration::from_millis(10));
    }
}
