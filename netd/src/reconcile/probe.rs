//! The links and ports of the probe ([`crate::probe`]): two veth pairs, one end of each a port of
//! the bridge.

use flatnet_types::Mtu;

use super::actual::Actual;
use super::change_set::ChangeSet;
use super::op::Op;
use super::ports::port;
use crate::flows::probe::ProbePorts;
use crate::marks;
use crate::node_ops::PortRow;
use crate::probe::{PEER_LINKS, PEERS, PORT_LINKS, PORTS};

/// Requested port numbers, after the uplink's and the host's.
const NUMBERS: [u32; 2] = [3, 4];

/// The sysctls of the probe's links, on which the host's stack must not be active.
pub(super) fn sysctls() -> impl Iterator<Item = (String, &'static str)> {
    PORTS
        .into_iter()
        .chain(PEERS)
        .map(|name| (format!("ipv6/conf/{name}/disable_ipv6"), "1"))
}

fn row(at: usize) -> PortRow {
    PortRow {
        name: PORTS[at].to_owned(),
        kind: "",
        number: NUMBERS[at],
        tag: None,
        trunks: Vec::new(),
        mac: None,
        mtu: None,
        external_ids: marks::node_ids("probe"),
    }
}

/// Computes the ops of the probe's links and ports.
pub(super) fn plan(mtu: Mtu, actual: &Actual, changes: &mut ChangeSet) {
    for (at, (name, peer)) in PORTS.into_iter().zip(PEERS).enumerate() {
        let (end, other) = (actual.link(name), actual.link(peer));
        let known = actual.ports.get(name);
        match (end, other) {
            (Some(end), Some(other)) => {
                for link in [end, other].into_iter().filter(|l| !l.up) {
                    changes.ops.push(Op::SetLink {
                        name: link.name.clone(),
                        mtu: None,
                    });
                }
                if known.is_some_and(|p| p.error.is_some()) {
                    // The device exists by now: a recreated port opens it.
                    changes.ops.push(Op::DeletePorts(vec![name.to_owned()]));
                } else {
                    port(row(at), actual, changes);
                }
            }
            (None, None) => {
                // The switch keeps a deleted device open, also if another one has its name by now.
                if known.is_some() {
                    changes.ops.push(Op::DeletePorts(vec![name.to_owned()]));
                }
                changes.ops.push(Op::CreatePair {
                    name: PORT_LINKS[at].clone(),
                    peer: PEER_LINKS[at].clone(),
                    mtu,
                });
            }
            // The other end is in another namespace, or was renamed: the pair is recreated.
            (Some(alone), None) | (None, Some(alone)) => changes.ops.push(Op::DeleteLink {
                name: alone.name.clone(),
                ifindex: alone.ifindex,
            }),
        }
    }
}

/// The numbers of the probe's ports; `None` until the switch has reported them.
pub(super) fn ports(actual: &Actual) -> Option<ProbePorts> {
    let number = |name: &str| actual.ports.get(name).and_then(|p| p.ofport);
    Some(ProbePorts {
        from: number(PORTS[0])?,
        to: number(PORTS[1])?,
    })
}
