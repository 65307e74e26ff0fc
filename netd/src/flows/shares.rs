//! What one container may have of the connections to services.
//!
//! Each connection to a service costs the host: an entry of its connection tracker, work for who
//! answers. So each container has a conntrack zone of its own in the datapath, with a limit, and what
//! it sends to a service passes there before the host sees it. What is beyond its limit is dropped
//! there: its own new connections, and nobody else's.
//!
//! ```text
//!   container ─▶ DELIVER: look up in its zone ─▶ SHARE ─▶ host
//!                                      new ─▶ SHARE: remember ─▶ ADMIT ─▶ host
//!   host, from a service ─▶ FROM_HOST: look up in its zone ─▶ container
//! ```
//!
//! Both directions of TCP and SCTP pass the zone, or it would know half of each connection, and keep it
//! long after its end. UDP has no end: what its client sends keeps it. Fragments of what the host sends
//! are not looked up: seen on Linux 7.2, those that another node's answer comes in are lost.

use flatnet_ovs::openflow::{Action, Conntrack, CtState, Field, Flow, Match, Zone};
use flatnet_plan::node::NodeSpec;

use super::return_path::{FAMILIES, SCTP, TCP, UDP, family, translatable};
use super::table::{ADMIT, CLASSIFY, DELIVER, FROM_HOST, SHARE};
use super::{NodePorts, PodPort, REG_OWNER, REG_SERVICE, REG_VLAN, from, to, to_host};

/// Protocols whose connections have a beginning and an end.
const TRACKED_BOTH_WAYS: [u8; 2] = [TCP, SCTP];
/// The mark of a connection that has its place.
const ADMITTED: u32 = 1;
/// The priority of packets of admitted connections.
const PASSES: u16 = 100;
/// New connections of [`TIMED`].
const NEW_TIMED: u16 = 91;
/// New connections of what else there is.
const NEW: u16 = 90;
/// Protocols whose connections the datapath keeps for as long as netd says (`reconcile/timeouts.rs`).
/// They have flows of their own so that the protocol is part of what the datapath remembers: Open vSwitch
/// writes the zone's time-outs into that, and none for SCTP. What it remembers of an SCTP packet would do
/// for TCP too, and a container could send one first to have TCP without time-outs.
const TIMED: [u8; 2] = [TCP, UDP];
/// In [`DELIVER`], before [`TO_SERVICE`].
const WITHOUT_ZONE: u16 = 147;
/// In [`DELIVER`], before the flows to the host's own prefixes (145) and those of `return_path.rs`.
const TO_SERVICE: u16 = 146;
/// In [`FROM_HOST`], after neighbour discovery (110) and before the delivery by address (100).
const FROM_SERVICE: u16 = 105;
/// In [`CLASSIFY`], before what `return_path.rs` remembers (110) and leaves alone (120).
const OF_SERVICE: u16 = 121;

/// The node's flows; none where the datapath has one zone for all.
pub(super) fn shares(spec: &NodeSpec, ports: &NodePorts, host_reg: u32) -> Vec<Flow> {
    if !ports.zones {
        return Vec::new();
    }
    let mut flows = Vec::new();
    let owner = Zone::In(Field::reg(REG_OWNER));
    for prefix in &spec.service_prefixes {
        let v6 = prefix.is_ipv6();
        flows.extend(translatable(v6, to(*prefix)).map(|m| {
            Flow::new(DELIVER, TO_SERVICE)
                .matching(m.not_looked_up())
                .actions([Conntrack::look_up(owner, SHARE).into()])
        }));
        // Of a container whose flows were written by an earlier netd: zone 0 is the kernel's.
        flows.push(
            Flow::new(DELIVER, WITHOUT_ZONE)
                .matching(to(*prefix).reg(REG_OWNER, 0))
                .actions(to_host(ports)),
        );
        flows.extend(TRACKED_BOTH_WAYS.map(|protocol| {
            let answers = from(*prefix).ip_proto(protocol).whole();
            Flow::new(CLASSIFY, OF_SERVICE)
                .matching(answers.in_port(ports.host))
                .actions([
                    Action::set_reg(REG_VLAN, host_reg),
                    Action::set_reg(REG_SERVICE, 1),
                ])
                .goto(FROM_HOST)
        }));
    }
    let passes = |table, m| Flow::new(table, PASSES).matching(m).actions(to_host(ports));
    flows.extend([
        passes(SHARE, Match::new().marked(ADMITTED)),
        // It takes no place: a packet that came too late, or of a connection that has ended.
        passes(SHARE, Match::new().is(CtState::INVALID)),
        passes(ADMIT, Match::new().marked(ADMITTED)),
        // The userspace datapath goes on without a place; the kernel's ends right there.
        Flow::new(ADMIT, 1),
    ]);
    flows.extend(FAMILIES.into_iter().flat_map(|v6| {
        let remember = move |priority, m: Match| {
            let remember = Conntrack::remember(owner, ADMITTED).then(ADMIT);
            Flow::new(SHARE, priority)
                .matching(m.is(CtState::NEW))
                .actions([remember.into()])
        };
        let timed = TIMED.map(|protocol| remember(NEW_TIMED, family(v6).ip_proto(protocol)));
        timed.into_iter().chain([remember(NEW, family(v6))])
    }));
    flows
}

/// Packets of new connections to services.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceCounts {
    /// All.
    requested: u64,
    /// Those that were admitted.
    admitted: u64,
    /// Those beyond a share, as far as it is certain.
    pub refused: u64,
}

impl ServiceCounts {
    /// By the flows of [`SHARE`] and [`ADMIT`] with their packets: who asked, less who was admitted.
    pub fn of<'f>(flows: impl IntoIterator<Item = (&'f Flow, u64)>) -> Self {
        let (mut requested, mut admitted) = (0_u64, 0_u64);
        for (flow, packets) in flows {
            match (flow.table, flow.priority) {
                (SHARE, NEW | NEW_TIMED) => requested += packets,
                (ADMIT, PASSES) => admitted += packets,
                _ => {}
            }
        }
        Self {
            requested,
            admitted,
            refused: 0,
        }
    }

    /// The same after an earlier reading. The switch counts who asked and who was admitted at
    /// different moments: who had asked at the last reading and is not admitted by now, was
    /// refused. Flows that were made anew count from zero again.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        if self.requested < before.requested || self.admitted < before.admitted {
            return self;
        }
        let refused = before.requested.saturating_sub(self.admitted);
        Self {
            refused: refused.max(before.refused),
            ..self
        }
    }
}

/// A container's: what services answer it.
pub(super) fn of_pod(pod: &PodPort, flows: &mut Vec<Flow>) {
    let Some(zone) = pod.zone else { return };
    for v6 in FAMILIES {
        let ips = pod.ips.iter().filter(|ip| ip.is_ipv6() == v6);
        flows.extend(ips.map(|ip| {
            // Whether it was looked up is no guard against a second time: what the host sends brings
            // what the kernel's own tracker found.
            let answers = to((*ip).into()).reg(REG_SERVICE, 1);
            Flow::new(FROM_HOST, FROM_SERVICE)
                .matching(answers)
                .actions([Action::set_reg(REG_SERVICE, 0)])
                .actions([Conntrack::look_up(zone, FROM_HOST).into()])
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_not_admitted_counts_as_refused_for_good() {
        let reading = |requested: u64, admitted| {
            let flows = [
                (Flow::new(SHARE, NEW_TIMED), requested - 1),
                (Flow::new(SHARE, NEW), 1),
                (Flow::new(SHARE, PASSES), 1_000),
                (Flow::new(ADMIT, PASSES), admitted),
                (Flow::new(ADMIT, 1), 7),
            ];
            ServiceCounts::of(flows.iter().map(|(f, packets)| (f, *packets)))
        };
        let first = reading(10, 7);
        assert_eq!(first.refused, 0, "they may be on their way");
        let second = reading(12, 7).after(first);
        assert_eq!(second.refused, 3);
        assert_eq!(
            reading(13, 11).after(second).refused,
            3,
            "two are not certain"
        );
        assert_eq!(reading(2, 1).after(second).refused, 0, "made anew");
    }
}
