//! How long the datapath's connection tracker keeps connections of netd's zones ([`TIMEOUTS`]), as
//! Open vSwitch's database declares it: `Datapath.ct_zones`, `CT_Zone`, `CT_Timeout_Policy`
//! (ovs-vswitchd.conf.db(5)). Pure.
//!
//! ADD and DEL bring a container's zone with its port, in one transaction. What is left for the
//! reconciler is the zone of the way back, and whatever somebody changed.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::marks::{WAY_BACK_ZONE, zone_of};
use serde::Serialize;

use super::actual::Actual;
use super::desired::Desired;
use super::op::Op;

/// A TCP connection that is being opened, in seconds. A client repeats its SYN after 1, 2, 4 and
/// 8 s (RFC 6298 §2, §5.5), and each one begins the time anew; Linux's own 120 and 60 s would let
/// a container that sends nothing but SYNs hold its whole share for two minutes after it stopped.
const HALF_OPEN: i64 = 15;
/// UDP that nobody has answered, in seconds. Linux's own; the userspace datapath has 60. Not
/// shorter: an answer that comes later than the host's kernel remembers the question (the same 30 s)
/// is translated by nobody anyway, and one that comes sooner has to find its way back.
const ONE_WAY: i64 = 30;
/// TCP of which only one side was seen since it was found in its middle, or whose data is not
/// acknowledged, in seconds; the kernel's datapath alone has it, and 300 by itself. Above the longest
/// pause between two retransmissions, 120 s (`TCP_RTO_MAX`): a connection that waits for its peer is
/// not forgotten.
const UNACKNOWLEDGED: i64 = 130;
/// An open TCP connection, in seconds. A day, as kube-proxy sets it for the same connections in the
/// host's kernel (`--conntrack-tcp-timeout-established`), and as the userspace datapath has it. Linux's
/// own five days would count what the host no longer knows.
const ESTABLISHED: i64 = 86_400;

/// The time-outs of netd's zones in seconds, by their names in `CT_Timeout_Policy.timeouts`, sorted.
///
/// What is not named here is the datapath's own: closing connections, which are short, and UDP that
/// is answered (Linux 120 s). `udp_first` is the userspace datapath's alone; the kernel's has one time-out
/// for it and `udp_single`, and Open vSwitch complains where they differ.
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

/// What the database says of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ZoneTimeouts {
    /// [`TIMEOUTS`], in rows that bear netd's mark.
    #[serde(rename = "Ours")]
    Current,
    /// Others, in a row that bears netd's mark: an earlier netd's, or somebody changed them.
    Stale,
    /// A row without netd's mark.
    #[serde(rename = "Foreign")]
    Unmanaged,
}

/// What the database says of all zones that are netd's to use ([`flatnet_types::marks::is_our_zone`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimeoutsActual {
    /// Whether the database and the datapath have time-outs by zone; `None` until both have said so.
    pub supported: Option<bool>,
    /// The zones that have some.
    pub zones: BTreeMap<u16, ZoneTimeouts>,
}

impl TimeoutsActual {
    /// The zones with such rows.
    pub(crate) fn in_state(&self, wanted: ZoneTimeouts) -> impl Iterator<Item = u16> {
        let of = self.zones.iter().filter(move |(_, is)| **is == wanted);
        of.map(|(zone, _)| *zone)
    }
}

/// Plans the zones' rows. Rows without netd's mark stay, unless a zone that is in use has one.
///
/// A zone is set where its port is there, and kept while its attachment is in the store: a DEL takes
/// both from the database at once, and its attachment from the store after that.
pub(super) fn plan(desired: &Desired, actual: &Actual) -> Option<Op> {
    let seen = &actual.timeouts;
    let (zones, supported) = (actual.switch.zones?, seen.supported?);
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
    let current: BTreeSet<u16> = seen.in_state(ZoneTimeouts::Current).collect();
    let marked = current
        .iter()
        .copied()
        .chain(seen.in_state(ZoneTimeouts::Stale));
    let gone: Vec<u16> = marked.filter(|zone| !kept.contains(zone)).collect();
    let set: Vec<u16> = wanted.difference(&current).copied().collect();
    (!set.is_empty() || !gone.is_empty()).then_some(Op::SetTimeouts { set, gone })
}
