//! Limits each container's connections to services.
//!
//! Each connection to a service costs the host an entry of its connection tracker. So each
//! container has a conntrack zone of its own in the datapath, with a limit, and what it sends to a
//! service passes that zone before the host receives it. New connections beyond the limit are
//! dropped there; other containers are not affected.
//!
//! ```text
//!   container ─▶ DELIVER: look up in its zone ─▶ SHARE ─▶ host
//!                                      new ─▶ SHARE: remember ─▶ ADMIT ─▶ host
//!   host, from a service ─▶ FROM_HOST: look up in its zone ─▶ container
//! ```
//!
//! Both directions of TCP and SCTP pass the zone: otherwise it would see only half of each
//! connection and keep it long after its end. UDP has no end: its entry lives while the client
//! sends. Fragments that the host sends are not looked up: on Linux 7.2 the fragments of another
//! node's answer were lost.

use flatnet_ovs::openflow::{Action, Conntrack, CtState, Field, Flow, Match, Zone};
use flatnet_plan::node::NodeSpec;

use super::return_path::{FAMILIES, SCTP, TCP, UDP, family, translatable};
use super::table::{ADMIT, CLASSIFY, DELIVER, FROM_HOST, SHARE};
use super::{NodePorts, PodPort, REG_OWNER, REG_SERVICE, REG_VLAN, from, to, to_host};

/// Protocols of which both directions pass the zone: their connections have a beginning and an end.
const TRACKED_BOTH_WAYS: [u8; 2] = [TCP, SCTP];
/// The ct_mark of an admitted connection.
const ADMITTED: u32 = 1;
/// The priority of packets of admitted connections.
const PASSES: u16 = 100;
/// New connections of [`TIMED`].
const NEW_TIMED: u16 = 91;
/// New connections of other protocols.
const NEW: u16 = 90;
/// Protocols with netd's time-outs (`reconcile/timeouts.rs`). They have flows of their own, so that
/// the protocol is part of the datapath's cached flow: Open vSwitch writes the zone's time-outs
/// into that flow, and none for SCTP. Otherwise the cached flow of an SCTP packet would match TCP
/// too, and a container could send one first to get TCP connections without time-outs.
const TIMED: [u8; 2] = [TCP, UDP];
/// In [`DELIVER`], before [`TO_SERVICE`].
const WITHOUT_ZONE: u16 = 147;
/// In [`DELIVER`], before the flows to the host's own prefixes (145) and those of `return_path.rs`.
const TO_SERVICE: u16 = 146;
/// In [`FROM_HOST`], after neighbour discovery (110) and before the delivery by address (100).
const FROM_SERVICE: u16 = 105;
/// In [`CLASSIFY`], before what `return_path.rs` remembers (110) and leaves alone (120).
const OF_SERVICE: u16 = 121;

/// The node's flows; none where the datapath has no zones.
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
        // A container whose flows an earlier netd wrote has no zone: zone 0 is the kernel's own.
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
    let pass = |table, m| Flow::new(table, PASSES).matching(m).actions(to_host(ports));
    flows.extend([
        pass(SHARE, Match::new().marked(ADMITTED)),
        // Not counted: a late packet, or one of a connection that has ended.
        pass(SHARE, Match::new().is(CtState::INVALID)),
        pass(ADMIT, Match::new().marked(ADMITTED)),
        // The userspace datapath continues the pipeline for a connection that was not admitted; the
        // kernel's drops it at the commit.
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
    /// The number of all of them.
    requested: u64,
    /// The number of admitted ones.
    admitted: u64,
    /// The number of those that were certainly refused.
    pub refused: u64,
}

impl ServiceCounts {
    /// Sums up the packet counts of the flows of [`SHARE`] and [`ADMIT`].
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

    /// Compares with an earlier reading. The switch reports the two counts at different moments;
    /// what had been requested at the last reading and is not admitted by now was refused. Counts
    /// of recreated flows begin at zero.
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

/// A container's flows: the answers of services to it.
pub(super) fn of_pod(pod: &PodPort, flows: &mut Vec<Flow>) {
    let Some(zone) = pod.zone else { return };
    for v6 in FAMILIES {
        let ips = pod.ips.iter().filter(|ip| ip.is_ipv6() == v6);
        flows.extend(ips.map(|ip| {
            // `ct_state` cannot guard against a second look-up: packets from the host already have
            // the state of the kernel's own tracker.
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
