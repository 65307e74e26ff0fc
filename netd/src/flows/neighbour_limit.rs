//! ARP and neighbour discovery of containers, at a limited rate (ADR 29).
//!
//! The kernel's datapath can set no field of ARP and neighbour discovery, and no prefix tree limits
//! how many targets it caches. So each such frame may cost an upcall to the switch's slow path,
//! which all containers of the node share. The meter has to be in a flow that the datapath caches:
//!
//! ```text
//!  CLASSIFY ─▶ 9 NEIGHBOUR_LIMIT: meter, group ═(recirculation)═▶ SECURITY ─▶ RESOLVE ─▶ …
//!              cached: in_port and the kind of frame               at the limited rate
//! ```
//!
//! The group has one bucket. It is there because it recirculates the frame: Open vSwitch chooses
//! the bucket by a hash that the datapath computes.

use flatnet_ovs::openflow::{Action, Flow, Group, Match, Meter, MeterUnit};

use super::PodPort;
use super::table::{NEIGHBOUR_LIMIT, SECURITY};
use super::{ICMPV6_NA, ICMPV6_NS};

/// Above the flows of a port's other frames in [`super::table::CLASSIFY`], which have 100.
const DIVERT_PRIORITY: u16 = 110;
/// Above the two meters that each slot has for bandwidth (`2·slot` and `2·slot + 1`).
const FIRST_METER: u32 = 2 << 16;

/// The limit of ARP and neighbour discovery that a container may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourLimit {
    /// The meter's number.
    pub meter: u32,
    /// Frames a second.
    pub rate: u32,
}

impl NeighbourLimit {
    /// The limit of the attachment in a slot.
    pub fn of_slot(slot: u16, rate: u32) -> Self {
        let [.., meter] = Limit::meters_of(slot);
        Self { meter, rate }
    }

    /// The meter. The burst is twice the rate: a container that starts resolves all its neighbours
    /// at once.
    pub(super) fn as_meter(self) -> Meter {
        Meter {
            id: self.meter,
            unit: MeterUnit::Pktps,
            rate: self.rate,
            burst: Some(self.rate.saturating_mul(2)),
        }
    }
}

/// What a meter of netd's limits; derived from its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The bandwidth of what a container receives.
    Ingress,
    /// The bandwidth of what it sends.
    Egress,
    /// ARP and neighbour discovery that it sends.
    Neighbours,
}

impl Limit {
    /// All limits, in the order of [`Limit::meters_of`].
    pub const ALL: [Self; 3] = [Self::Ingress, Self::Egress, Self::Neighbours];

    /// The value of the metric's label `limit`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
            Self::Neighbours => "neighbours",
        }
    }

    /// What a meter limits, and of which slot; `None` for a number above those of slots.
    pub fn of_meter(id: u32) -> Option<(Self, u16)> {
        let (limit, slot) = match id.checked_sub(FIRST_METER) {
            Some(slot) => (Self::Neighbours, slot),
            None if id.is_multiple_of(2) => (Self::Ingress, id / 2),
            None => (Self::Egress, id / 2),
        };
        Some((limit, u16::try_from(slot).ok()?))
    }

    /// The meters of a slot: ingress, egress, neighbours.
    pub fn meters_of(slot: u16) -> [u32; 3] {
        let two = 2 * u32::from(slot);
        [two, two + 1, FIRST_METER + u32::from(slot)]
    }
}

/// The group that recirculates what passed a meter.
pub fn group() -> Group {
    Group {
        id: 1,
        buckets: vec![vec![Action::resubmit(SECURITY)]],
    }
}

/// For a port's flow of [`super::table::CLASSIFY`]: the flows that send ARP and neighbour discovery
/// through [`NEIGHBOUR_LIMIT`] instead.
pub(super) fn divert(flow: &Flow) -> Vec<Flow> {
    // With any ICMPv6 code: those other than 0 are dropped later, but cost the same.
    let kinds = [
        Match::arp(),
        Match::icmpv6(ICMPV6_NS),
        Match::icmpv6(ICMPV6_NA),
    ];
    let of_kind = |kind: Match| {
        let mut paced = flow.clone();
        paced.priority = DIVERT_PRIORITY;
        paced.matches = flow.matches.clone().and(&kind);
        paced.goto(NEIGHBOUR_LIMIT)
    };
    kinds.into_iter().map(of_kind).collect()
}

/// The flow with the meter and the recirculation.
pub(super) fn meter_flow(pod: &PodPort) -> Flow {
    Flow::new(NEIGHBOUR_LIMIT, 100)
        .matching(Match::new().in_port(pod.port))
        .meter(pod.neighbour_limit.meter)
        .actions([Action::Group(group().id)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_slots_share_a_meter_and_a_meters_number_gives_its_slot() {
        for slot in [0, 1, 2, 77, u16::MAX] {
            for (id, limit) in Limit::meters_of(slot).into_iter().zip(Limit::ALL) {
                assert_eq!(Limit::of_meter(id), Some((limit, slot)));
            }
            let meter = NeighbourLimit::of_slot(slot, 500).as_meter();
            assert_eq!(meter.id, Limit::meters_of(slot)[2]);
            // DP_METER_NUM_MAX of the kernel's datapath, the lowest limit of all.
            assert!(meter.id <= 200_000, "{meter:?}");
        }
        assert_eq!(Limit::of_meter(3 << 16), None);
    }
}
