//! What the switch tells of itself without a database: changes of flows, settings, ports.

mod common;

use std::time::Duration;

use common::{Ovs, WAIT, wanted};
use flatnet_ovs::openflow::{
    Action, Batch, Flow, FlowFilter, FragMode, Meter, OpenFlowError, PortEvent, PortSelector,
    Settings, Switch, SwitchConfig, SwitchState,
};
use tokio::sync::watch;

const LEARNED: u64 = 0x464c << 48;
const MARK_MASK: u64 = 0xffff << 48;

async fn connected(ovs: &Ovs) -> Switch {
    let mut config = SwitchConfig::new(ovs.path("br0.mgmt"));
    config.unwatched = (LEARNED, MARK_MASK);
    let switch = Switch::start(config);
    switch.connected(WAIT).await.expect("connected");
    assert!(switch.tells_of_flows(), "Open vSwitch 2.16 or later");
    switch
}

/// Waits for the next change, and then until what belongs to it has been told.
async fn told(changes: &mut watch::Receiver<u64>) {
    tokio::time::timeout(WAIT, changes.changed())
        .await
        .expect("told in time")
        .expect("the connection's task runs");
    changes.mark_unchanged();
}

#[tokio::test]
async fn what_others_do_to_the_flows_is_told_and_own_changes_are_not() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = connected(&ovs).await;
    let mut changes = switch.flow_changes();

    let mut batch = Batch::new();
    batch.add(&Flow::new(3, 7).cookie(0x464e << 48 | 1));
    switch.send(batch).await.expect("added");
    let learned = format!("table=3,cookie={LEARNED:#x},priority=9,arp,actions=drop");
    ovs.ofctl("add-flow", &[&learned]);
    // Whatever the switch had to tell of those comes before the answer.
    switch.barrier().await.expect("a barrier");
    assert!(!changes.has_changed().expect("the task runs"));

    for (command, flow) in [
        ("add-flow", "table=0,priority=0,actions=NORMAL"),
        (
            "mod-flows",
            "table=3,cookie=0x464e000000000001/-1,actions=NORMAL",
        ),
        ("del-flows", "table=3,cookie=0x464e000000000001/-1"),
    ] {
        ovs.ofctl(command, &[flow]);
        told(&mut changes).await;
    }
    // The switch throws all flows away when a controller comes.
    switch
        .send({
            let mut batch = Batch::new();
            batch.add(&Flow::new(3, 7).cookie(0x464e << 48 | 1));
            batch
        })
        .await
        .expect("added");
    changes.mark_unchanged();
    ovs.vsctl(&["set-controller", "br0", "tcp:127.0.0.1:9"]);
    told(&mut changes).await;
}

#[tokio::test]
async fn flows_are_counted_and_those_of_others_are_told_by_their_cookie() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = connected(&ovs).await;
    let mut batch = Batch::new();
    batch.add(&Flow::new(3, 7).cookie(0x464e << 48 | 1));
    switch.send(batch).await.expect("added");
    ovs.ofctl(
        "add-flow",
        &["table=1,cookie=9,priority=5,ct_state=+trk,actions=drop"],
    );
    let all = switch.count(FlowFilter::default()).await.expect("a count");
    let ours = FlowFilter {
        cookie: 0x464e << 48,
        cookie_mask: MARK_MASK,
        ..FlowFilter::default()
    };
    let ours = switch.count(ours).await.expect("a count");
    assert_eq!((all.flows, ours.flows), (2, 1));
    let dump = switch.flows(FlowFilter::default()).await.expect("a dump");
    let heads: Vec<String> = dump.iter().map(|s| s.flow.head().to_string()).collect();
    assert!(
        heads.contains(&"cookie=0x9,table=1,priority=5".to_owned()),
        "{heads:?}"
    );
}

#[tokio::test]
async fn the_mode_of_fragments_is_read_set_and_lost_with_a_restart() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = connected(&ovs).await;
    let fragments = async || switch.settings().await.map(|s| s.fragments);
    assert_eq!(fragments().await, Ok(FragMode::Normal));
    ovs.ofctl("set-frags", &["drop"]);
    assert_eq!(fragments().await, Ok(FragMode::Drop));
    let mut batch = Batch::new();
    batch.set_config(&Settings {
        fragments: FragMode::NxMatch,
        ..Settings::default()
    });
    switch.send(batch).await.expect("set");
    assert!(ovs.ofctl("get-frags", &[]).contains("nx-match"));

    let mut state = switch.state();
    ovs.stop_switch();
    ovs.start_switch();
    let again = state.wait_for(|s| matches!(s, SwitchState::Connected { generation: 2, .. }));
    tokio::time::timeout(WAIT, again)
        .await
        .expect("in time")
        .expect("the task runs");
    assert_eq!(fragments().await, Ok(FragMode::Normal));
}

#[tokio::test]
async fn a_port_that_may_not_send_is_told_and_opened_again() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let _host = ovs.host(5, "02:00:00:00:00:05", &[]);
    let switch = connected(&ovs).await;
    let port = PortSelector::Number(5);
    let found = switch.wait_port(&port, WAIT).await.expect("a port");
    assert!(!found.restricted);
    for what in ["no-forward", "no-receive"] {
        let mut events = switch.port_events();
        ovs.ofctl("mod-port", &["5", what]);
        // The port's carrier may come meanwhile.
        let told = async {
            loop {
                let event = events.recv().await.expect("few events");
                if let PortEvent::Modified(port) = event
                    && port.restricted
                {
                    return port;
                }
            }
        };
        let is = tokio::time::timeout(WAIT, told).await;
        let is = is.unwrap_or_else(|_| panic!("{what} is told"));
        assert_eq!(is.number, 5);
        switch.open_port("p5").await.expect("opened");
        let config = ovs.ofctl("dump-ports-desc", &[]);
        assert!(
            !config.contains("NO_FWD") && !config.contains("NO_RECV"),
            "{config}"
        );
        let is = switch.wait_port(&port, Duration::ZERO).await;
        assert!(!is.expect("still there").restricted, "{what}");
    }
}

#[tokio::test]
async fn a_flow_whose_meter_was_refused_is_refused_too_and_lets_nothing_past_it() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::switch();
    let switch = connected(&ovs).await;
    // Above OFPM_MAX (OpenFlow 1.4.1 §7.3.4.5): no switch takes it.
    let meter = Meter::kbps(0xffff_0001, 1000, None);
    let limited = Flow::new(0, 2).meter(meter.id).actions([Action::output(1)]);
    let mut batch = Batch::new();
    batch.meter_add(&meter).meter_modify(&meter);
    batch.add(&limited).add(&Flow::new(0, 1));
    match switch.send(batch).await {
        Err(OpenFlowError::Rejected { failures }) => {
            let refused: Vec<_> = failures.iter().map(|f| f.index).collect();
            assert_eq!(refused, [Some(0), Some(1), Some(2)]);
        }
        other => panic!("{other:?}"),
    }
    let flows = switch.flows(FlowFilter::default()).await.expect("a dump");
    let left: Vec<u16> = flows.iter().map(|s| s.flow.priority).collect();
    assert_eq!(left, [1], "the rest of the batch is done");
}
