//! Counts new connections to a container, while it is drained.
//!
//! A meter that drops nothing counts in the datapath itself, so that its number is as of now; a flow's own counter
//! lags by up to a second (ADR 42). What it has counted goes on in the same table as if these flows were not there:
//!
//! ```text
//!   DELIVER, FROM_HOST, FROM_UPLINK:  SYN to its address, not counted yet ─▶ meter, mark ─▶ the same table again
//! ```
//!
//! They are one above the flows that deliver, and below those that look up connections and drop: what does not reach
//! the container is not counted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_ovs::openflow::{Action, Flow, Match, Meter, MeterUnit};
use flatnet_types::Datagrams;

use super::return_path::{SCTP, UDP};
use super::table::{DELIVER, FROM_HOST, FROM_UPLINK};
use super::{NodePorts, PodPort, in_vlan, to};

/// The register that is 1 for packets that were counted.
const REG_COUNTED: u8 = 3;
/// Above the meters of slots.
const FIRST_METER: u32 = 3 << 16;
/// [`METERS`] of them.
const PER_CONTAINER: u32 = 3;
/// So many containers at once: the kernel's datapath has no meter above 200000.
pub const COUNTED_MAX: u16 = 1_100;
/// So many meters has each.
pub const METERS: usize = 3;
/// Tables that deliver, and the priority in each of the flow that does.
const DELIVERY: [(u8, u16); 3] = [(DELIVER, 100), (FROM_HOST, 100), (FROM_UPLINK, 90)];

/// What is counted of what comes to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// From 0, below [`COUNTED_MAX`]; no two containers have the same.
    pub index: u16,
    /// The ports whose datagrams are counted.
    pub datagrams: BTreeSet<(Datagrams, u16)>,
    /// The node's own addresses: what it connects to itself, as kubelet's probes do, is counted apart.
    pub node: BTreeSet<IpAddr>,
}

impl Counted {
    /// The meters of TCP's new connections, of those that the node itself opens, and of datagrams.
    pub fn meters(&self) -> [u32; METERS] {
        let first = FIRST_METER + PER_CONTAINER * u32::from(self.index);
        [first, first + 1, first + 2]
    }

    /// Whether a meter is one of those that count.
    pub fn is_meter(id: u32) -> bool {
        (FIRST_METER..FIRST_METER + PER_CONTAINER * u32::from(COUNTED_MAX)).contains(&id)
    }

    /// The meters as they are set up: with a limit that no port reaches, 1 Tbit/s.
    pub fn as_meters(&self) -> [Meter; METERS] {
        self.meters().map(|id| Meter {
            id,
            unit: MeterUnit::Kbps,
            rate: 1_000_000_000,
            burst: None,
        })
    }
}

/// The flows that count for a container; none where it is not counted.
pub(super) fn of_pod(pod: &PodPort, node: &NodePorts, flows: &mut Vec<Flow>) {
    let Some(counted) = &pod.counted else { return };
    let [connections, by_node, datagrams] = counted.meters();
    for ip in &pod.ips {
        let first = (connections, tcp(*ip).opens_connection());
        let of_ports = counted.datagrams.iter().map(|(kind, port)| {
            let matches = match kind {
                Datagrams::Udp => to((*ip).into()).ip_proto(UDP).udp_dst(*port),
                // Open vSwitch matches no type of a chunk: INIT is like any other.
                Datagrams::Sctp => to((*ip).into()).ip_proto(SCTP).sctp_dst(*port),
            };
            (datagrams, matches)
        });
        for (meter, matches) in std::iter::once(first).chain(of_ports) {
            let tables = DELIVERY
                .iter()
                .filter(|(table, _)| *table != FROM_UPLINK || node.uplink.is_some());
            flows.extend(tables.map(|(table, priority)| {
                let matches = match *table {
                    FROM_HOST => matches.clone(),
                    _ => in_vlan(matches.clone(), pod.vlan_reg()),
                };
                counts(*table, priority + 1, matches, meter)
            }));
        }
        let own = counted
            .node
            .iter()
            .filter(|own| own.is_ipv4() == ip.is_ipv4());
        flows.extend(own.map(|own| {
            let from = match own {
                IpAddr::V4(own) => tcp(*ip).opens_connection().ipv4_src(*own),
                IpAddr::V6(own) => tcp(*ip).opens_connection().ipv6_src_net(*own, 128),
            };
            // Above those that count whatever comes from there.
            counts(FROM_HOST, 102, from, by_node)
        }));
    }
}

fn counts(table: u8, priority: u16, matches: Match, meter: u32) -> Flow {
    Flow::new(table, priority)
        .matching(matches.reg(REG_COUNTED, 0))
        .meter(meter)
        .actions([Action::set_reg(REG_COUNTED, 1), Action::resubmit(table)])
}

fn tcp(ip: IpAddr) -> Match {
    match ip {
        IpAddr::V4(ip) => Match::tcp4().ipv4_dst(ip),
        IpAddr::V6(ip) => Match::tcp6().ipv6_dst(ip),
    }
}
