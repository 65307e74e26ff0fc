//! The links and ports of the probe ([`crate::probe`]): two pairs, of which one end each is a
//! port of the bridge.

use super::actual::Actual;
use super::desired::Desired;
use super::op::Op;
use super::plan::{ChangeSet, port};
use crate::flows::probe::ProbePorts;
use crate::marks;
use crate::node_ops::PortRow;
use crate::probe::{PEERS, PORTS};

/// Beside the uplink's and the host's.
const NUMBERS: [u32; 2] = [3, 4];

/// The settings of the probe's links: the host's own stack has nothing to do with them.
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

/// Plans links and ports.
pub(super) fn plan(desired: &Desired, actual: &Actual, changes: &mut ChangeSet) {
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
                    // The device is there now: a port that is made anew opens it.
                    changes.ops.push(Op::DeletePorts(vec![name.to_owned()]));
                } else {
                    port(row(at), actual, changes);
                }
            }
            (None, None) => {
                // A switch goes on holding a device that is gone, also when there is another
                // of its name.
                if known.is_some() {
                    changes.ops.push(Op::DeletePorts(vec![name.to_owned()]));
                }
                changes.ops.push(Op::CreatePair {
                    name: name.to_owned(),
                    peer: peer.to_owned(),
                    mtu: desired.spec.mtu.get(),
                });
            }
            // Its other end is in another namespace, or has another name: made anew.
            (Some(alone), None) | (None, Some(alone)) => changes.ops.push(Op::DeleteLink {
                name: alone.name.clone(),
                ifindex: alone.ifindex,
            }),
        }
    }
}

/// The numbers of the probe's ports, once the switch has said them.
pub(super) fn ports(actual: &Actual) -> Option<ProbePorts> {
    let number = |name: &str| actual.ports.get(name).and_then(|p| p.ofport);
    Some(ProbePorts {
        from: number(PORTS[0])?,
        to: number(PORTS[1])?,
    })
}
