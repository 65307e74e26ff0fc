//! Runs the look-ups: in the kernel by netlink, in the flows by `ofproto/trace`.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use flatnet_kernel::{
    ContainerView, Kernel, Link, Neighbour as KernelNeighbour, Netns, OperState, RouteKind,
    RouteLookup, SysctlKey,
};
use flatnet_ovs::appctl;
use flatnet_types::IfName;
use flatnet_types::api::trace::{
    FlowTrace, Inside, Lookup, MetFlow, Neighbour, NodeFacts, Out, Packet, Path, Side,
};
use flatnet_types::api::view::AttachmentView;

use super::Tracer;
use super::facts::{Answers, DryRun, facts};
use super::queries::{FlowQuery, LocalEnd, local_end, queries};
use crate::attach::plan::host_ifname;
use crate::node_ops::NodeOpsError;
use crate::reconcile::{HOST_LINK, ReconcileOps, Reconciler};
use crate::state::NodeState;
use crate::view::attachment;

/// Traces packets on this node.
pub struct NodeTracer<N: ReconcileOps> {
    /// Gives the attachments.
    pub state: NodeState<N>,
    /// Makes the dry run.
    pub reconciler: Arc<Reconciler<N>>,
    /// The node's kernel.
    pub kernel: Kernel,
    /// The directory of Open vSwitch's sockets.
    pub rundir: PathBuf,
    /// Name of the node's bridge.
    pub bridge: String,
}

impl<N: ReconcileOps> Tracer for NodeTracer<N> {
    fn trace(
        &self,
        packet: Packet,
    ) -> Pin<Box<dyn Future<Output = Result<NodeFacts, NodeOpsError>> + Send + '_>> {
        Box::pin(self.collect(packet))
    }
}

impl<N: ReconcileOps> NodeTracer<N> {
    async fn collect(&self, packet: Packet) -> Result<NodeFacts, NodeOpsError> {
        let (actual, changes) = self.reconciler.dry_run().await?;
        let spec = self.state.spec();
        let records = self.state.ipam().list();
        let attachments: Vec<AttachmentView> = records
            .iter()
            .map(|r| {
                let name = host_ifname(r.generation);
                attachment(r, self.state.node().port_number(name.as_str()))
            })
            .collect();
        let src = local_end(&spec, &attachments, packet.src);
        let dst = local_end(&spec, &attachments, packet.dst);
        let ends = (src.as_ref(), dst.as_ref());
        let queries = queries(&spec, &actual, changes.ports.as_ref(), packet, ends);

        let mut answers = Answers::default();
        let links = self.kernel.links().await?;
        let neighbours = self.kernel.neighbours(None).await?;
        for from in queries.routes {
            let path = self.route(from, packet, &spec.uplink, (&links, &neighbours));
            let path = path.await;
            answers.lookups.push(Lookup { from, path });
        }
        for ask in queries.flows {
            answers.traces.push(self.flows(ask).await);
        }
        for (inside, end) in answers.insides.iter_mut().zip([&src, &dst]) {
            if let Some(LocalEnd::Container(view)) = end {
                *inside = Some(self.inside(view).await);
            }
        }
        answers.carriers = links.iter().filter_map(carrier).collect();
        answers.forwards = self.forwards(packet.dst.is_ipv6()).await;
        let observed = DryRun {
            spec: &spec,
            bridge: &self.bridge,
            actual: &actual,
            changes: &changes,
            board: self.state.board().view(),
        };
        Ok(facts(&observed, ends, answers))
    }

    async fn route(
        &self,
        from: Side,
        packet: Packet,
        uplink: &IfName,
        (links, neighbours): (&[Link], &[KernelNeighbour]),
    ) -> Path {
        let came_in = match from {
            Side::Host => None,
            Side::Container => Some(&HOST_LINK),
            Side::Uplink => Some(uplink),
        };
        let (src, dst) = (packet.src, packet.dst);
        let route = match self.kernel.route_to(dst, Some(src), came_in).await {
            Err(e) => {
                return Path::Unknown {
                    because: e.to_string(),
                };
            }
            Ok(RouteLookup::Refused { reason }) => return Path::Dropped { because: reason },
            Ok(RouteLookup::Found(route)) => route,
        };
        match route.kind {
            RouteKind::Local => Path::Local,
            RouteKind::Unicast => {
                let hop = route.nexthops.first();
                let via = hop.and_then(|h| h.via);
                let index = hop.and_then(|h| h.ifindex);
                let link = links.iter().find(|l| Some(l.ifindex) == index);
                let next = via.unwrap_or(dst);
                let mut neighbour = neighbours.iter();
                let neighbour = neighbour.find(|n| n.address == next && Some(n.ifindex) == index);
                Path::Out {
                    dev: link.map_or_else(|| "?".to_owned(), |l| l.name.clone()),
                    via,
                    route: Some(route.dst),
                    protocol: route.protocol,
                    neighbour: neighbour.map(neighbour_view),
                }
            }
            other => Path::Dropped {
                because: format!("the route {} says {other:?}", route.dst).to_lowercase(),
            },
        }
    }

    async fn flows(&self, ask: FlowQuery) -> FlowTrace {
        let mut trace = FlowTrace {
            from: ask.from,
            packet: String::new(),
            flows: Vec::new(),
            outputs: Vec::new(),
            error: None,
        };
        let packet = match ask.packet {
            Ok(packet) => packet,
            Err(why) => {
                trace.error = Some(why);
                return trace;
            }
        };
        let arguments = ["--names", &self.bridge, &packet];
        let text = appctl::vswitchd(&self.rundir, "ofproto/trace", &arguments).await;
        let vlan = ask.vlan.map(|v| v.get());
        match text.map(|text| appctl::trace::parse(&text, vlan)) {
            Err(e) => trace.error = Some(e.to_string()),
            Ok(None) => trace.error = Some("ovs-vswitchd's trace cannot be read".to_owned()),
            Ok(Some(found)) => {
                trace.flows = found.flows.into_iter().map(flow_view).collect();
                trace.outputs = found.outputs.into_iter().map(output_view).collect();
            }
        }
        trace.packet = packet;
        trace
    }

    /// Reads a container's interface in its namespace.
    async fn inside(&self, view: &AttachmentView) -> Inside {
        let unknown = |because: String| Inside::Unknown { because };
        let Some(detail) = &view.detail else {
            return unknown("its ADD is not done yet".to_owned());
        };
        let netns = match Netns::open(&detail.netns) {
            Ok(netns) => netns,
            Err(e) => return unknown(e.to_string()),
        };
        let observed = self.kernel.observe_container(&netns, &view.ifname).await;
        match (observed, self.kernel.neighbours(Some(&netns)).await) {
            (Err(e), _) => unknown(e.to_string()),
            (Ok(None), _) => Inside::Absent,
            (Ok(Some(observed)), neighbours) => {
                from_inside(&observed, &neighbours.unwrap_or_default())
            }
        }
    }

    async fn forwards(&self, v6: bool) -> Option<bool> {
        let key = match v6 {
            true => "ipv6/conf/all/forwarding",
            false => "ipv4/ip_forward",
        };
        let value = self.kernel.sysctl(&SysctlKey::new(key).ok()?).await.ok()?;
        Some(value != "0")
    }
}

fn from_inside(observed: &ContainerView, neighbours: &[KernelNeighbour]) -> Inside {
    let routes = observed.routes.iter();
    let own = neighbours.iter().filter(|n| n.ifindex == observed.ifindex);
    Inside::Observed {
        up: observed.up,
        mtu: observed.mtu,
        addresses: observed.addresses.iter().map(|a| a.address).collect(),
        routes: routes
            .flat_map(|r| r.nexthops.iter().map(|hop| (r.dst, hop.via)))
            .collect(),
        neighbours: own.map(neighbour_view).collect(),
    }
}

fn neighbour_view(neighbour: &KernelNeighbour) -> Neighbour {
    Neighbour {
        address: neighbour.address,
        mac: neighbour.mac.map(|m| m.to_string()),
        failed: neighbour.failed,
    }
}

fn flow_view(flow: appctl::trace::MetFlow) -> MetFlow {
    MetFlow {
        table: flow.table,
        flow: flow.flow,
        cookie: flow.cookie,
    }
}

fn output_view(output: appctl::trace::Output) -> Out {
    Out {
        port: output.port,
        vlan: output.vlan,
    }
}

/// Whether a link has a carrier; `None` if the driver does not report it.
fn carrier(link: &Link) -> Option<(String, bool)> {
    let there = match link.oper {
        OperState::Up => true,
        OperState::Down | OperState::LowerLayerDown | OperState::NotPresent => false,
        _ => return None,
    };
    Some((link.name.clone(), there))
}
