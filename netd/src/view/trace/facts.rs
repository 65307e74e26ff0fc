//! Builds the reply from the look-ups and a dry run. Pure.

use std::collections::BTreeMap;

use flatnet_plan::node::NodeSpec;
use flatnet_types::api::trace::{
    Container, End, FlowTrace, Inside, Link, Lookup, NodeFacts, Pending, Port, Row, VERSION,
};
use flatnet_types::api::view::{AttachmentState, AttachmentView, ProblemView};

use super::queries::LocalEnd;
use crate::problems::Effect;
use crate::reconcile::{Actual, ChangeSet, HOST_PORT, Op, Subject};

/// The results of the look-ups.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) lookups: Vec<Lookup>,
    pub(super) traces: Vec<FlowTrace>,
    /// Whether a link has a carrier, by its name.
    pub(super) carriers: BTreeMap<String, bool>,
    /// The interfaces of source and destination, where they are containers.
    pub(super) insides: [Option<Inside>; 2],
    pub(super) forwards: Option<bool>,
}

/// A dry run, and the node that it was made on.
pub(super) struct DryRun<'a> {
    pub(super) spec: &'a NodeSpec,
    pub(super) bridge: &'a str,
    pub(super) actual: &'a Actual,
    pub(super) changes: &'a ChangeSet,
    /// The problems on the board.
    pub(super) board: Vec<ProblemView>,
}

/// Builds the reply.
pub(super) fn facts(
    dry_run: &DryRun<'_>,
    (src, dst): (Option<&LocalEnd>, Option<&LocalEnd>),
    answers: Answers,
) -> NodeFacts {
    let [inside_src, inside_dst] = answers.insides;
    let port = |name: &str, number: u32| port(dry_run.actual, &answers.carriers, name, number);
    let end = |local_end: Option<&LocalEnd>, inside: Option<Inside>| match local_end? {
        LocalEnd::Host => Some(End::Host),
        LocalEnd::Container(view) => {
            let port = port(view.host_ifname.as_str(), view.ofport);
            Some(End::Container(Box::new(container(view, port, inside))))
        }
    };
    NodeFacts {
        version: VERSION,
        node: dry_run.spec.node.to_string(),
        source: end(src, inside_src),
        destination: end(dst, inside_dst),
        bridge: dry_run.bridge.to_owned(),
        uplink: port(dry_run.spec.uplink.as_str(), 0),
        host: port(HOST_PORT, 0),
        forwards: answers.forwards,
        lookups: answers.lookups,
        traces: answers.traces,
        pending: dry_run
            .changes
            .ops
            .iter()
            .map(|op| pending(op, dry_run.actual))
            .collect(),
        problems: dry_run
            .changes
            .problems
            .iter()
            .filter(|p| p.effect == Effect::NotReady)
            .map(ToString::to_string)
            .collect(),
        named: dry_run.board.clone(),
    }
}

fn container(view: &AttachmentView, port: Port, inside: Option<Inside>) -> Container {
    let detail = view.detail.as_ref();
    let pod = detail.map(|d| &d.pod).filter(|p| !p.name.is_empty());
    let mtu = detail.map(|d| d.mtu.get());
    Container {
        id: view.container_id.to_string(),
        pod: pod.map(|p| format!("{}/{}", p.namespace, p.name)),
        ifname: view.ifname.to_string(),
        netns: detail.map_or(String::new(), |d| d.netns.to_string()),
        network: view.plan_network.to_string(),
        committed: view.state == AttachmentState::Committed,
        generation: view.generation,
        mtu: mtu.or(port.link.as_ref().map(|l| l.mtu)).unwrap_or(0),
        port,
        inside: inside.unwrap_or(Inside::Unknown {
            because: "its ADD is not done yet".to_owned(),
        }),
    }
}

/// A port and its link. `number`: the number that its flows match; 0 shows the requested one.
fn port(actual: &Actual, carriers: &BTreeMap<String, bool>, name: &str, number: u32) -> Port {
    let link = actual.link(name).map(|l| Link {
        up: l.up,
        carrier: carriers.get(name).copied(),
        mtu: l.mtu,
    });
    let row = actual.ports.get(name).map(|p| Row {
        number: match number {
            0 => p.row.number,
            number => number,
        },
        ofport: p.ofport,
        tag: p.row.tag.map(|v| v.get()),
        trunks: p.row.trunks.iter().map(|v| v.get()).collect(),
        error: p.error.clone(),
    });
    Port {
        name: name.to_owned(),
        link,
        port: row,
    }
}

/// One op of a dry run.
fn pending(op: &Op, actual: &Actual) -> Pending {
    let (mut port, mut prefix, mut adds) = (None, None, 0);
    match op {
        Op::CreateBridge { host, .. } => port = Some(host.name.clone()),
        Op::AddPort { row, .. } | Op::SetPort { row, .. } => port = Some(row.name.clone()),
        Op::SetLink { name, .. } | Op::DeleteLink { name, .. } | Op::CreatePair { name, .. } => {
            port = Some(name.to_string());
        }
        Op::AddAddress { dev, .. } | Op::DeleteAddress { dev, .. } => port = Some(dev.to_string()),
        Op::AddRoute(route) | Op::DeleteRoute(route) => prefix = Some(route.dst),
        Op::ChangeFlows { adds: flows, .. } => adds = flows.len(),
        Op::OpenPort(name) => port = Some(name.clone()),
        Op::SetBridge { .. }
        | Op::DeleteUnmanagedFlows(_)
        | Op::SetFragments(_)
        | Op::SetGroup(_)
        | Op::EndRestore
        | Op::DeletePorts(_)
        | Op::SetSysctl { .. }
        | Op::SetTimeouts { .. }
        | Op::DeleteMeters(_) => {}
    }
    Pending {
        what: format!("{op}{}", op.replaced_value(actual)),
        kind: op.kind().to_owned(),
        port,
        prefix,
        generation: match op.subject() {
            Subject::Node => None,
            Subject::Attachment { generation, .. } => Some(*generation),
        },
        adds,
    }
}
