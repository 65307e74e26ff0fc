//! The node is asked: the kernel by netlink, the flows by `ofproto/trace`.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use flatnet_kernel::{
    ContainerView, Kernel, Link, Neighbour as Known, Netns, OperState, RouteKind, RouteLookup,
    SysctlKey,
};
use flatnet_ovs::appctl;
use flatnet_types::IfName;
use flatnet_types::api::trace::{
    FlowTrace, Inside, Lookup, MetFlow, Neighbour, NodeFacts, Out, Packet, Path, Side,
};
use flatnet_types::api::view::AttachmentView;

use super::Tracer;
use super::ask::{AskFlows, Here, here, questions};
use super::facts::{Answers, Seen, facts};
use crate::attach::Engine;
use crate::attach::plan::host_ifname;
use crate::reconcile::{HOST_PORT, NodeWorld, Reconciler};
use crate::view::attachment;
use crate::world::WorldError;

/// Answers for packets of one node.
pub struct NodeTracer<W: NodeWorld> {
    /// Who is attached.
    pub engine: Engine<W>,
    /// What would be changed.
    pub reconciler: Arc<Reconciler<W>>,
    /// The node's kernel.
    pub kernel: Kernel,
    /// Where Open vSwitch's sockets are.
    pub rundir: PathBuf,
    /// Name of the node's bridge.
    pub bridge: String,
}

impl<W: NodeWorld> Tracer for NodeTracer<W> {
    fn trace(
        &self,
        packet: Packet,
    ) -> Pin<Box<dyn Future<Output = Result<NodeFacts, WorldError>> + Send + '_>> {
        Box::pin(self.look(packet))
    }
}

impl<W: NodeWorld> NodeTracer<W> {
    async fn look(&self, packet: Packet) -> Result<NodeFacts, WorldError> {
        let (actual, plan) = self.reconciler.dry_run().await?;
        let spec = self.engine.spec();
        let records = self.engine.ipam().list();
        let attachments: Vec<AttachmentView> = records
            .iter()
            .map(|r| {
                let name = host_ifname(r.generation);
                attachment(r, self.engine.world().port_number(name.as_str()))
            })
            .collect();
        let src = here(&spec, &attachments, packet.src);
        let dst = here(&spec, &attachments, packet.dst);
        let ends = (src.as_ref(), dst.as_ref());
        let asked = questions(&spec, &actual, plan.ports.as_ref(), packet, ends);

        let mut answers = Answers::default();
        let links = self.kernel.links().await?;
        let neighbours = self.kernel.neighbours(None).await?;
        for from in asked.routes {
            let path = self.route(from, packet, &spec.uplink, (&links, &neighbours));
            let path = path.await;
            answers.lookups.push(Lookup { from, path });
        }
        for ask in asked.flows {
            answers.traces.push(self.flows(ask).await);
        }
        for (inside, end) in answers.insides.iter_mut().zip([&src, &dst]) {
            if let Some(Here::Container(view)) = end {
                *inside = Some(self.inside(view).await);
            }
        }
        answers.carriers = links.iter().filter_map(carrier).collect();
        answers.forwards = self.forwards(packet.dst.is_ipv6()).await;
        let seen = Seen {
            spec: &spec,
            bridge: &self.bridge,
            actual: &actual,
            plan: &plan,
            named: self.engine.board().view(),
        };
        Ok(facts(&seen, ends, answers))
    }

    async fn route(
        &self,
        from: Side,
        packet: Packet,
        uplink: &IfName,
        (links, neighbours): (&[Link], &[Known]),
    ) -> Path {
        let inner = IfName::new(HOST_PORT).ok();
        let came_in = match from {
            Side::Host => None,
            Side::Container => inner.as_ref(),
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
                let mut known = neighbours.iter();
                let known = known.find(|n| n.address == next && Some(n.ifindex) == index);
                Path::Out {
                    dev: link.map_or_else(|| "?".to_owned(), |l| l.name.clone()),
                    via,
                    route: Some(route.dst),
                    protocol: route.protocol,
                    neighbour: known.map(told),
                }
            }
            other => Path::Dropped {
                because: format!("the route {} says {other:?}", route.dst).to_lowercase(),
            },
        }
    }

    async fn flows(&self, ask: AskFlows) -> FlowTrace {
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
                trace.flows = found.flows.into_iter().map(met).collect();
                trace.outputs = found.outputs.into_iter().map(out).collect();
            }
        }
        trace.packet = packet;
        trace
    }

    /// A container's interface, from inside.
    async fn inside(&self, view: &AttachmentView) -> Inside {
        let unknown = |because: String| Inside::Unknown { because };
        let Some(detail) = &view.detail else {
            return unknown("its ADD is not done yet".to_owned());
        };
        let netns = match Netns::open(&detail.netns) {
            Ok(netns) => netns,
            Err(e) => return unknown(e.to_string()),
        };
        let seen = self.kernel.observe_container(&netns, &view.ifname).await;
        match (seen, self.kernel.neighbours(Some(&netns)).await) {
            (Err(e), _) => unknown(e.to_string()),
            (Ok(None), _) => Inside::Absent,
            (Ok(Some(seen)), neighbours) => from_inside(&seen, &neighbours.unwrap_or_default()),
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

fn from_inside(seen: &ContainerView, neighbours: &[Known]) -> Inside {
    let routes = seen.routes.iter();
    let own = neighbours.iter().filter(|n| n.ifindex == seen.ifindex);
    Inside::Observed {
        up: seen.up,
        mtu: seen.mtu,
        addresses: seen.addresses.iter().map(|a| a.address).collect(),
        routes: routes
            .flat_map(|r| r.nexthops.iter().map(|hop| (r.dst, hop.via)))
            .collect(),
        neighbours: own.map(told).collect(),
    }
}

fn told(known: &Known) -> Neighbour {
    Neighbour {
        address: known.address,
        mac: known.mac.map(|m| m.to_string()),
        failed: known.failed,
    }
}

fn met(flow: appctl::trace::MetFlow) -> MetFlow {
    MetFlow {
        table: flow.table,
        flow: flow.flow,
        cookie: flow.cookie,
    }
}

fn out(output: appctl::trace::Output) -> Out {
    Out {
        port: output.port,
        vlan: output.vlan,
    }
}

/// Whether there is somebody at the other end of a link, where the driver says.
fn carrier(link: &Link) -> Option<(String, bool)> {
    let there = match link.oper {
        OperState::Up => true,
        OperState::Down | OperState::LowerLayerDown | OperState::NotPresent => false,
        _ => return None,
    };
    Some((link.name.clone(), there))
}
