//! The conntrack time-outs of netd's zones ([`TIMEOUTS`]) in Open vSwitch's database:
//! `Datapath.ct_zones`, `CT_Zone`, `CT_Timeout_Policy` (ovs-vswitchd.conf.db(5)). Pure.
//!
//! ADD and DEL set and remove a container's zone with its port, in one transaction. The reconciler
//! sets the zone of the return path, and repairs what another program changed.

use std::collections::BTreeSet;

use flatnet_types::marks::{WAY_BACK_ZONE, zone_of};

use super::actual::{Actual, ZoneTimeouts};
use super::desired::Desired;
use super::op::Op;

/// A TCP connection that is being opened, in seconds. A client repeats its SYN after 1, 2, 4 and 8
/// s (RFC 6298 §2, §5.5), and each one restarts the time-out. With Linux's defaults of 120 and 60
/// s, a container that only sends SYNs would hold its whole share for two minutes after it stopped.
const HALF_OPEN: i64 = 15;
/// UDP without an answer, in seconds. Linux's default; the userspace datapath has 60. Not shorter:
/// the host's kernel keeps its entry for the same 30 s, and answers within that time have to be
/// translated. Later ones cannot be.
const ONE_WAY: i64 = 30;
/// TCP that was picked up in the middle with only one side seen, or whose data is not acknowledged,
/// in seconds. Only the kernel's datapath has it; its default is 300. Above the longest pause
/// between two retransmissions, 120 s (`TCP_RTO_MAX`), so that a connection that waits for its peer
/// is kept.
const UNACKNOWLEDGED: i64 = 130;
/// An established TCP connection, in seconds. A day, as kube-proxy sets it for the same connections
/// in the host's kernel (`--conntrack-tcp-timeout-established`), and as the userspace datapath has
/// it. With Linux's default of five days, connections would count that the host's kernel has
/// dropped.
const ESTABLISHED: i64 = 86_400;

/// The time-outs of netd's zones in seconds, by their names in `CT_Timeout_Policy.timeouts`, sorted.
///
/// Other time-outs keep the datapath's defaults: those of closing connections, which are short, and
/// of answered UDP (Linux 120 s). Only the userspace datapath has `udp_first`; the kernel's has one
/// time-out for it and `udp_single`, and Open vSwitch logs an error where they differ.
pub const TIMEOUTS: [(&str, i64); 8] = [
    ("icmp_first", HALF_OPEN),
    ("tcp_established", ESTABLISHED),
    ("tcp_syn_recv", HALF_OPEN),
    ("tcp_syn_sent", HALF_OPEN),
    ("tcp_syn_sent2", HALF_OPEN),
    ("tcp_unack", UNACKNOWLEDGED),
    ("udp_first", ONE_WAY),
    ("udp_single", ONE_WAY),
];

/// Computes the op of the zones' rows. Unmanaged rows stay, unless a zone in use has one.
///
/// A zone is set if its port exists, and kept while its attachment is in the store: a DEL removes
/// port and zone from the database at once, and the attachment from the store after that.
pub(super) fn plan(desired: &Desired, actual: &Actual) -> Option<Op> {
    let observed = &actual.timeouts;
    let (zones, supported) = (actual.switch.zones?, observed.supported?);
    let (mut wanted, mut kept) = (BTreeSet::new(), BTreeSet::new());
    if zones && supported {
        let ports = actual.ports.values().filter(|port| port.is_managed());
        let slots = ports.filter_map(|port| desired.live_slots.get(&port.generation()?));
        wanted.extend(slots.filter_map(|slot| zone_of(*slot)));
        wanted.insert(WAY_BACK_ZONE);
        kept.extend(
            desired
                .live_slots
                .values()
                .filter_map(|slot| zone_of(*slot)),
        );
        kept.insert(WAY_BACK_ZONE);
    }
    let current: BTreeSet<u16> = observed.in_state(ZoneTimeouts::Current).collect();
    let marked = current
        .iter()
        .copied()
        .chain(observed.in_state(ZoneTimeouts::Stale));
    let gone: Vec<u16> = marked.filter(|zone| !kept.contains(zone)).collect();
    let set: Vec<u16> = wanted.difference(&current).copied().collect();
    (!set.is_empty() || !gone.is_empty()).then_some(Op::SetTimeouts { set, gone })
}
