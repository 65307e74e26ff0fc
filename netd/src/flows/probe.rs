//! The flows of the probe's two ports, between which netd sends frames to test that packets pass.
//!
//! The frames pass the same tables as those between two containers of one VLAN (CLASSIFY → SECURITY
//! → DELIVER), with a value in the VLAN register that no VLAN has. So no container's flow matches
//! them, and these flows match no container's frame: they only enter by the one port and leave by
//! the other.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_ovs::openflow::{Action, Bits, Field, Flow, Match};
use flatnet_types::MacAddr;

use super::table::{CLASSIFY, DELIVER, SECURITY};
use super::{REG_VLAN, cookie, in_vlan};

/// The numbers of the two ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbePorts {
    /// The port by which the frames enter.
    pub from: u32,
    /// The port by which they leave.
    pub to: u32,
}

/// Above every VLAN ID, which has 12 bits.
const PROBE_VLAN: u32 = 0x1000;
/// Scratch register. A field that is copied into it becomes part of the datapath's cached flow.
const SCRATCH: Field = Field::Reg1;

/// The sender's addresses: the dummy address (RFC 7600 §5) and one of the discard-only prefix
/// (RFC 6666), so that a router drops what reaches it.
pub const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
/// See [`SOURCE_V4`].
pub const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 8);
/// The receiver's addresses, of the same prefixes; 192.0.0.0/24 is reserved for protocols
/// (RFC 6890) and this one is not assigned.
pub const TARGET_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 13);
/// See [`TARGET_V4`].
pub const TARGET_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 13);
/// The sender's MAC.
pub const SOURCE_MAC: MacAddr = MacAddr([0x0a, 0xf1, 192, 0, 0, 8]);
/// The destination that the flows write. No device has this MAC, so the host's stack does not
/// accept the frames.
pub const TARGET_MAC: MacAddr = MacAddr([0x0a, 0xf1, 192, 0, 0, 13]);
/// The destination that a frame is sent with: a reserved address of IEEE 802.1Q, table 8-1,
/// which a switch that learns (NORMAL) never passes on.
pub const SENT_MAC: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0x00, 0x00, 0x0f]);
/// The discard service (RFC 863).
pub const UDP_PORT: u16 = 9;

/// The flows of the probe.
///
/// The source port of UDP is copied into a register: it becomes part of the flow that Open
/// vSwitch caches in the datapath, and a frame with another source port is not answered from
/// that cache.
pub fn probe_flows(ports: &ProbePorts) -> Vec<Flow> {
    let vary = || {
        Action::copy(
            Field::UdpSrc,
            Bits {
                field: SCRATCH,
                offset: 0,
                count: 16,
            },
        )
    };
    let from = |m: Match| {
        Flow::new(CLASSIFY, 100)
            .matching(
                m.in_port(ports.from)
                    .untagged()
                    .eth_dst(SENT_MAC)
                    .udp_dst(UDP_PORT),
            )
            .actions([vary(), Action::set_reg(REG_VLAN, PROBE_VLAN)])
            .goto(SECURITY)
    };
    let secure = |m: Match| {
        Flow::new(SECURITY, 100)
            .matching(m.in_port(ports.from).eth_src(SOURCE_MAC))
            .goto(DELIVER)
    };
    let deliver = |m: Match| {
        Flow::new(DELIVER, 100)
            .matching(in_vlan(m, PROBE_VLAN))
            .actions([Action::set_eth_dst(TARGET_MAC), Action::output(ports.to)])
    };
    let flows = [
        from(Match::udp4()),
        from(Match::udp6()),
        secure(Match::ipv4().ipv4_src(SOURCE_V4).ipv4_dst(TARGET_V4)),
        secure(Match::ipv6().ipv6_src(SOURCE_V6).ipv6_dst(TARGET_V6)),
        deliver(Match::ipv4().ipv4_dst(TARGET_V4)),
        deliver(Match::ipv6().ipv6_dst(TARGET_V6)),
    ];
    flows.into_iter().map(|f| f.cookie(cookie(0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_port_leads_in_and_only_the_other_out() {
        let flows = probe_flows(&ProbePorts { from: 3, to: 4 });
        let text: Vec<String> = flows.iter().map(ToString::to_string).collect();
        let entering = text.iter().filter(|f| f.contains("in_port=3"));
        assert_eq!(entering.count(), 4, "{text:#?}");
        for flow in &text {
            let bound = flow.contains("in_port=3") || flow.contains("reg0=0x1000");
            assert!(bound, "a container's frame could match {flow}");
            assert!(!flow.contains("output:3"), "{flow}");
        }
        assert!(flatnet_types::VlanId::new(PROBE_VLAN).is_err());
    }
}
