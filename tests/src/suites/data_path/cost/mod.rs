//! What the datapath does for a packet, in counts that no busy machine changes: how many packets
//! ovs-vswitchd is asked about, how many masks are tried, how often a packet is looked up anew.
//! What that takes in time is shown by `cargo xtask bench datapath`.

mod bare;
mod flows;

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use flatnet_plan::node::Mode;

use self::bare::Bare;
use self::flows::Look;
use crate::load::{self, Many, Way};
use crate::suites::kit::container::Container;
use crate::suites::kit::{pair, say};
use crate::{Lab, LabGuard, Member};

/// How often a packet between two containers is sent through the datapath's flows once more, at
/// most, on each node. With service prefixes the bridge asks conntrack once, to find the way back of a
/// service's answer; in mode `routed` what goes to another node passes the host anyway.
const fn recirculations(mode: Mode, one_node: bool) -> u64 {
    match mode {
        Mode::Vlan { .. } => 1,
        Mode::Routed if one_node => 1,
        Mode::Routed => 0,
    }
}

/// Masks more than NORMAL's that one lookup of a packet of this traffic may have to try: a packet
/// that is sent through anew is looked up twice.
const MORE_MASKS: usize = 2;
/// Connections, each from a port of its own.
const FLOWS: u16 = 1000;
/// Upcalls more than NORMAL's: first packets, neighbours, what a kernel sends unasked. If ports
/// were not wildcarded, there would be [`FLOWS`] at least.
const MORE_UPCALLS: u64 = 50;
/// What carries the traffic has carried so many packets: each connection has more in each
/// direction, and nothing else in the lab sends as many meanwhile.
const CARRIES: u64 = FLOWS as u64 / 4;

/// How the packets are made.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
}

impl Kind {
    fn send(self, way: Way<'_>) -> Result<()> {
        match self {
            Self::Tcp => load::connections(way, Many::Count(FLOWS.into())).map(drop),
            Self::Udp => load::datagrams(way, FLOWS),
        }
    }
}

/// What a datapath did for [`FLOWS`] connections.
#[derive(Debug)]
struct Cost {
    upcalls: u64,
    /// Of the flows for packets from a port, or of those for packets sent through anew: the more.
    masks: usize,
    /// Packets that came from a port, and how often packets were sent through anew.
    packets: u64,
    recirculated: u64,
    flows: Vec<String>,
}

impl Cost {
    /// Sends, and looks at each member before and after.
    fn of(members: &[&Member], kind: Kind, way: Way<'_>) -> Result<Vec<Self>> {
        let look = || -> Result<Vec<Look>> { members.iter().map(|m| Look::at(m)).collect() };
        let before = look()?;
        kind.send(way)
            .with_context(|| format!("{kind:?} to {}", way.at))?;
        let after = look()?;
        Ok(before
            .iter()
            .zip(&after)
            .map(|(b, a)| Self::between(b, a))
            .collect())
    }

    fn between(before: &Look, after: &Look) -> Self {
        let carried = after.carried_since(before, CARRIES);
        let masks = |first: bool| {
            let flows = carried.iter().filter(|(flow, _)| flow.first == first);
            flows
                .map(|(flow, _)| &flow.mask)
                .collect::<BTreeSet<_>>()
                .len()
        };
        let first = carried.iter().filter(|(flow, _)| flow.first);
        Self {
            upcalls: after.upcalls_since(before),
            masks: masks(true).max(masks(false)),
            packets: first.map(|(_, packets)| packets).sum(),
            recirculated: carried.iter().map(|(f, n)| f.recirculations * n).sum(),
            flows: carried.iter().map(|(f, _)| f.text.clone()).collect(),
        }
    }

    fn line(&self) -> String {
        format!(
            "{} upcalls, {} masks, {} packets, {} recirculations",
            self.upcalls, self.masks, self.packets, self.recirculated
        )
    }

    /// That it is not more than NORMAL's by more than what is allowed.
    fn judge(&self, normal: &Self, each: u64) -> Result<()> {
        let told = || {
            format!(
                "{}; NORMAL {}; {:#?}",
                self.line(),
                normal.line(),
                self.flows
            )
        };
        // An upcall carries its packet past the flows.
        ensure!(
            self.packets + MORE_UPCALLS >= 2 * u64::from(FLOWS),
            "fewer packets than were sent: {}",
            told()
        );
        ensure!(
            self.upcalls <= normal.upcalls + MORE_UPCALLS,
            "upcalls: {}",
            told()
        );
        ensure!(self.masks <= normal.masks + MORE_MASKS, "masks: {}", told());
        // The looks at two flows are some packets apart.
        let most = each * (self.packets + self.packets / 50);
        ensure!(self.recirculated <= most, "recirculations: {}", told());
        Ok(())
    }
}

pub(super) fn mode_vlan(lab: &LabGuard) -> Result<()> {
    cost(lab, "idc", "web")
}

pub(super) fn mode_routed(lab: &LabGuard) -> Result<()> {
    cost(lab, "vpc", "cloud")
}

fn cost(lab: &Lab, site: &str, network: &str) -> Result<()> {
    let [first, second] = pair(lab, site)?;
    let mode = first.spec.mode;
    ensure!(
        !first.spec.service_prefixes.is_empty(),
        "the plan has no servicePrefixes"
    );
    let switch = lab.switches().into_iter().next().context("no switch")?;
    let bare = Bare::on(lab, switch)?;
    let client = Container::attach(lab, &first, network, "dp-cost-client")?;
    let near = Container::attach(lab, &first, network, "dp-cost-near")?;
    let far = Container::attach(lab, &second, network, "dp-cost-far")?;
    let places: [(&str, &Container, &[&Member]); 2] = [
        ("one node", &near, &[&first.member]),
        ("two nodes", &far, &[&first.member, &second.member]),
    ];
    for kind in [Kind::Tcp, Kind::Udp] {
        let normal = Cost::of(&[bare.member()], kind, bare.way()?)?.remove(0);
        say(&format!("{kind:?}, NORMAL: {}", normal.line()));
        for (place, server, members) in places {
            for at in server.ips() {
                let way = Way {
                    from: client.netns(),
                    to: server.netns(),
                    at,
                };
                let costs = Cost::of(members, kind, way)?;
                for (cost, member) in costs.iter().zip(members) {
                    let what = format!("{kind:?} to {}, {place}, {}", family(at), member.name);
                    say(&format!("{what}: {}", cost.line()));
                    let each = recirculations(mode, members.len() == 1);
                    cost.judge(&normal, each).context(what)?;
                }
            }
        }
    }
    Ok(())
}

fn family(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}
