use super::super::{MeterUnit, Switch};
use super::*;
use crate::openflow::port::CONTROLLER;

/// What Open vSwitch's own decoder makes of a message, without a switch.
fn printed(batch: &Batch) -> Option<String> {
    let mut bytes = Vec::new();
    batch.encode(false, 1, &mut bytes);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let out = std::process::Command::new("ovs-ofctl")
        .arg("ofp-parse")
        .arg(file.path())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_flow_mod_has_these_bytes() {
    let mut batch = Batch::new();
    let flow = Flow::new(3, 100)
        .cookie(0xf1)
        .matching(Match::new().in_port(2))
        .actions([Action::output(1)]);
    batch.add(&flow);
    let mut bytes = Vec::new();
    batch.encode(false, 7, &mut bytes);
    assert_eq!(
        hex(&bytes),
        concat!(
            "050e005800000007",                 // header
            "00000000000000f10000000000000000", // cookie, mask
            "0300000000000064",                 // table, command, time-outs, priority
            "ffffffffffffffffffffffff00000000", // buffer, port, group, flags, importance
            "0001000c8000000400000002",         // match
            "00000000",                         // its padding
            "0004001800000000",                 // apply actions
            "00000010000000010000000000000000", // output
            "0514000800000008",                 // barrier
        )
    );
}

#[test]
fn every_message_is_understood_by_open_vswitch() {
    let flow = Flow::new(3, 100)
        .cookie(0xf1)
        .matching(Match::arp().arp_op(1));
    let packet = PacketOut {
        in_port: CONTROLLER,
        actions: vec![Action::output(1)],
        data: vec![0xff; 60],
    };
    let mut batch = Batch::new();
    batch
        .add(&flow)
        .modify_strict(&flow)
        .delete_strict(&flow.key())
        .delete(0xf1, 0xff)
        .meter_add(&Meter::kbps(5, 1000, Some(200)))
        .meter_modify(&Meter {
            id: 5,
            unit: MeterUnit::Pktps,
            rate: 10,
            burst: None,
        })
        .meter_delete(5)
        .packet_out(&packet);
    let Some(text) = printed(&batch) else {
        eprintln!("skipped: ovs-ofctl is not installed");
        return;
    };
    for expected in [
        "OFPT_FLOW_MOD (OF1.4) (xid=0x1): ADD table:3 priority=100,arp,arp_op=1 cookie:0xf1 actions=drop",
        "(xid=0x2): MOD_STRICT table:3 priority=100,arp,arp_op=1 actions=drop",
        "(xid=0x3): DEL_STRICT table:3 priority=100,arp,arp_op=1 actions=drop",
        "(xid=0x4): DEL table:255 priority=0 cookie:0xf1/0xff actions=drop",
        "(xid=0x5): ADD meter=5 kbps burst stats bands=",
        "type=drop rate=1000 burst_size=200",
        "(xid=0x6): MOD meter=5 pktps stats bands=",
        "(xid=0x7): DEL meter=5",
        "OFPT_PACKET_OUT (OF1.4) (xid=0x8): in_port=CONTROLLER actions=output:1 data_len=60",
        "OFPT_BARRIER_REQUEST (OF1.4) (xid=0x9)",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
}

#[test]
fn the_handle_can_be_shared_between_tasks() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<Switch>();
    check::<crate::ovsdb::Session>();
}
