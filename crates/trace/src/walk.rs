//! The walk: from one end to the other, hop by hop.
//!
//! ```text
//!   IDC    container ─ port ─ uplink, flows ─ switches ─ (same VLAN) ─▶ uplink ─ … ─ container
//!                                                └─ edge router ─▶ switches, or a leased line
//!   line   edge router ─ line ─ VBR ─ route table      (and the other way round)
//!   VPC    container ─ port ─ flows ─ routes ─ uplink ─ (host-gw) ─▶ uplink ─ routes ─ … ─ container
//!                                                └─ route table ─▶ another node, or VBR ─ edge router
//! ```
//!
//! Every hop is judged, also behind one that is wrong: what a person wants is the first wrong
//! one, and to see that the rest is well.

mod egress;
mod node;
pub(crate) mod tables;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Host;
use flatnet_plan::routes::{Table, routes};
use flatnet_types::api::trace::Packet;

use crate::hop::{At, Check, Hop, Repair, Walk};
use crate::observed::{Fact, Observed};
use crate::place::{NoPlace, Place, Segment, place};

/// Walks a packet through what was observed. `plan` has its groups written out.
pub fn walk(plan: &NetworkPlan, packet: Packet, observed: &Observed) -> Walk {
    let mut walker = Walker {
        plan,
        observed,
        packet,
        tables: routes(plan).unwrap_or_default(),
        hops: Vec::new(),
    };
    walker.run();
    Walk {
        packet,
        hops: walker.hops,
    }
}

/// The nodes that have to be asked for a packet: those of its two ends.
pub fn nodes_of(plan: &NetworkPlan, packet: Packet) -> Vec<String> {
    let ends = [packet.src, packet.dst];
    let hosts = ends.iter().filter_map(|end| place(plan, *end).ok()?.host);
    let mut names: Vec<String> = hosts.map(|h| h.name.to_string()).collect();
    names.dedup();
    names
}

struct Walker<'a> {
    plan: &'a NetworkPlan,
    observed: &'a Observed,
    packet: Packet,
    /// What the plan wants of every table.
    tables: Vec<Table>,
    hops: Vec<Hop>,
}

impl<'a> Walker<'a> {
    fn run(&mut self) {
        let at = At {
            at: "plan",
            check: Check::Plan,
        };
        if !self.packet.is_of_one_family() {
            let why = "one address is IPv4 and the other IPv6: nothing joins the two";
            self.hops.push(at.wrong(self.packet.to_string(), why, None));
            return;
        }
        let (Some(src), Some(dst)) = (
            self.end("source", self.packet.src),
            self.end("destination", self.packet.dst),
        ) else {
            return;
        };
        let known = format!("{} → {}", src.title(), dst.title());
        self.hops.push(at.ok(known));
        self.egress(&src);
        if self.packet.src == self.packet.dst {
            return;
        }
        match src.is_idc() {
            true => self.cross_idc(&src, &dst),
            false => self.cross_vpc(&src, &dst),
        }
    }

    /// One end; a hop that says why not where the plan has none.
    fn end(&mut self, what: &str, address: std::net::IpAddr) -> Option<Place<'a>> {
        let at = At {
            at: "plan",
            check: Check::Plan,
        };
        let (why, repair) = match place(self.plan, address) {
            Ok(place) => return Some(place),
            Err(NoPlace::Unknown) => (
                "the plan does not know this address: no subnet, range or pool has it".to_owned(),
                Repair::here(format!("flatctl ip who {address}")),
            ),
            Err(NoPlace::Unowned { network }) => {
                if let Fact::Unknown { because, ask } = &self.observed.ranges {
                    let why = format!("it is of network {network}; who holds it: {because}");
                    let found = format!("{what} {address}");
                    self.hops.push(at.unknown(found, why, Some(ask.clone())));
                    return None;
                }
                (
                    format!("it is of network {network}, and no host has a range with it"),
                    Repair::here(format!("flatctl range list --network {network}"))
                        .noting("a host gets a range by the plan, or from ipamd when it needs one"),
                )
            }
            Err(NoPlace::Service) => (
                "it is a service's address: the source's own node turns it into a pod's".to_owned(),
                Repair::here("kubectl get services -A -o wide").noting("trace to the pod instead"),
            ),
        };
        self.hops
            .push(at.wrong(format!("{what} {address}"), why, Some(repair)));
        None
    }

    fn cross_idc(&mut self, src: &Place<'a>, dst: &Place<'a>) {
        // A host and its containers meet on the bridge, whatever their VLANs.
        let local =
            src.shares_host(dst) && (src.shares_vlan(dst) || !src.container || !dst.container);
        if let Some(host) = src.host {
            self.leave_idc(host, src, dst, local);
        }
        if local {
            return;
        }
        self.switches(src, dst);
        if src.shares_vlan(dst) {
            self.arrive(dst);
            return;
        }
        if dst.is_idc() {
            if src.site.name != dst.site.name {
                self.not_joined(src, dst);
                return;
            }
            self.edge_is_connected(dst);
            self.arrive(dst);
            return;
        }
        let lines = self.edge_to_vpc(src, dst);
        if lines.is_empty() {
            return;
        }
        for line in &lines {
            self.line_at_edge(src, line);
            self.vbr(line);
        }
        self.enter_vpc(dst);
        self.arrive(dst);
    }

    fn cross_vpc(&mut self, src: &Place<'a>, dst: &Place<'a>) {
        if let Some(host) = src.host {
            self.leave_vpc(host, src, dst);
        }
        if src.shares_host(dst) {
            return;
        }
        let same_site = src.site.name == dst.site.name;
        let peer = dst
            .host
            .is_some_and(|h| h.v_switch.as_deref() == src.v_switch());
        let on_segment =
            matches!(dst.segment, Segment::VSwitch(v) if Some(v.name.as_str()) == src.v_switch());
        if same_site && (peer || on_segment) {
            self.arrive(dst);
            return;
        }
        if same_site {
            self.within_vpc(src, dst);
            self.arrive(dst);
            return;
        }
        if !dst.is_idc() {
            self.not_joined(src, dst);
            return;
        }
        let lines = self.vpc_to_idc(src, dst);
        if lines.is_empty() {
            return;
        }
        for line in &lines {
            self.vbr(line);
        }
        self.edge_is_connected(dst);
        self.switches(dst, dst);
        self.arrive(dst);
    }

    fn not_joined(&mut self, src: &Place<'_>, dst: &Place<'_>) {
        let (a, b) = (&src.site.name, &dst.site.name);
        let at = At {
            at: "plan",
            check: Check::Plan,
        };
        self.hops.push(at.wrong(
            format!("{a} and {b}"),
            "no leased line of the plan joins these two sites directly",
            Some(Repair::here("flatctl plan show PLAN links")),
        ));
    }

    fn arrive(&mut self, dst: &Place<'a>) {
        match dst.host {
            Some(host) if dst.is_idc() => self.arrive_idc(host, dst),
            Some(host) => self.arrive_vpc(host, dst),
            None => {
                let title = dst.title();
                let at = At {
                    at: &title,
                    check: Check::Segment,
                };
                self.hops.push(at.assumed(format!(
                    "{} is no node of ours: ask it itself",
                    self.packet.dst
                )));
            }
        }
    }

    /// The physical switches of a VLAN: nobody there can be asked, but who waits in vain for
    /// an answer to ARP or neighbour discovery tells of them.
    fn switches(&mut self, place: &Place<'a>, dst: &Place<'_>) {
        let Segment::Vlan(vlan) = place.segment else {
            return;
        };
        let title = format!("VLAN {} of {}", vlan.id, place.site.name);
        let at = At {
            at: &title,
            check: Check::Segment,
        };
        let v6 = self.packet.dst.is_ipv6();
        let gateway = vlan.subnets.iter().map(|s| s.gateway);
        let gateway = gateway.clone().find(|g| g.is_ipv6() == v6);
        let next = match place.shares_vlan(dst) {
            true => Some(self.packet.dst),
            false => gateway,
        };
        let waits = place.host.zip(next).and_then(|(host, next)| {
            let neighbours = self.neighbours_of(host)?;
            neighbours.into_iter().find(|n| n.address == next)
        });
        let switch = place.host.and_then(first_switch);
        self.hops.push(match (waits, next) {
            (Some(n), _) if n.failed => {
                let on = switch.map_or("the switch".to_owned(), |s| format!("switch {s}"));
                let port = place.host.map_or("", |h| h.name.as_str());
                at.wrong(
                    format!("{} was asked for in vain", n.address),
                    format!(
                        "nobody answers for {} in VLAN {}: the switches do not carry the VLAN \
                         between the two, or the other end is down",
                        n.address, vlan.id
                    ),
                    Some(
                        Repair::on(on, format!("switchport trunk allowed vlan add {}", vlan.id))
                            .noting(format!(
                                "in your switch's own words: let the port of {port} and the trunks \
                                 carry VLAN {}, and look at the other end; then ping once, so that it is \
                                 asked for again",
                                vlan.id
                            )),
                    ),
                )
            }
            (Some(n), _) if n.mac.is_some() => at.ok(format!("{} has answered", n.address)),
            (_, Some(next)) => at.assumed(format!("the switches carry it to {next}")),
            (_, None) => at.assumed("the switches carry it"),
        });
    }
}

fn first_switch(host: &Host) -> Option<String> {
    let cables = host.uplink.cables();
    let switches: Vec<String> = cables.into_iter().filter_map(|c| c.switch).collect();
    (!switches.is_empty()).then(|| switches.join(" or "))
}
