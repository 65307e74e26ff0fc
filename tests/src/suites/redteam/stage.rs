//! A site with a forger and those who could be misled, and a watch at each of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flatnet_types::MacAddr;

use super::bytes::{Build, Party, SiteMembers};
use super::oracle::{Mode, Place, SiteFacts};
use super::packet::{self as part, Header4, UDP};
use super::shape::{Shape, Wrap};
use super::watch::{Arrivals, Number, Watch, mark};
use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::wire::Sender;
use crate::suites::kit::{HOST_PORT, mac_of, output, pair, wire_mac};
use crate::{LabGuard, Node};

/// The router's interface in the VLAN of network `web`, and its name.
const ROUTER: (&str, &str) = ("edge", "vlan100");
/// Frames that are sent before the next ones wait for them. Of a shape each is a flow of its own,
/// and a userspace switch's port holds about forty while it thinks about the first.
const BURST: usize = 32;
/// The ports of the frames between bursts.
const PACE: u16 = 47_011;
/// How long a frame of pace may take before another one is sent, and how many are.
const PACED: (Duration, usize) = (Duration::from_millis(250), 8);
/// How long the last frames may take through the lab.
const BARRIER: (Duration, usize) = (Duration::from_millis(500), 20);

/// The site's name, its network and its mode.
pub(super) const SITES: [(&str, &str, Mode); 2] =
    [("idc", "web", Mode::Vlan), ("vpc", "cloud", Mode::Routed)];

/// One site, watched.
pub(super) struct Stage<'l> {
    pub(super) lab: &'l LabGuard,
    pub(super) ground: SiteFacts,
    pub(super) here: Node,
    there: Node,
    pub(super) forger: Container,
    near: Container,
    bystander: Container,
    far: Container,
    other: Option<Container>,
    cast: SiteMembers,
    senders: [Sender; 3],
    pub(super) arrivals: Arrivals,
    watches: Vec<(Place, Watch)>,
}

/// A number for each frame of this process.
fn next() -> Number {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn both(addresses: impl Iterator<Item = IpAddr>) -> Result<(Ipv4Addr, Ipv6Addr)> {
    let (mut v4, mut v6) = (None, None);
    for address in addresses {
        match address {
            IpAddr::V4(a) => v4 = Some(a),
            IpAddr::V6(a) => v6 = Some(a),
        }
    }
    v4.zip(v6).context("addresses of both families")
}

fn of(container: &Container) -> Party {
    Party {
        mac: container.mac,
        v4: container.v4,
        v6: container.v6,
    }
}

fn host(node: &Node) -> Result<Party> {
    let (v4, v6) = both(node.spec.host_addresses.iter().map(|a| a.ip()))?;
    Ok(Party {
        mac: wire_mac(node)?,
        v4,
        v6,
    })
}

impl<'l> Stage<'l> {
    /// Attaches everyone and watches every place.
    ///
    /// # Errors
    /// What an ADD says; if a capture does not start.
    pub(super) fn raise(
        lab: &'l LabGuard,
        (site, network, mode): (&str, &str, Mode),
    ) -> Result<Self> {
        let [here, there] = pair(lab, site)?;
        let attach = |node, name: &str| Container::attach(lab, node, network, name);
        let forger = attach(&here, "rt-forger")?;
        let near = attach(&here, "rt-near")?;
        let bystander = attach(&here, "rt-bystander")?;
        let far = attach(&there, "rt-far")?;
        let other = match mode {
            Mode::Vlan => Some(Container::attach(lab, &here, "db", "rt-other")?),
            Mode::Routed => None,
        };
        let networks = here.spec.networks.iter();
        let own = networks.filter(|n| n.name.as_str() == network);
        let (v4, v6) = both(own.flat_map(|n| &n.ranges).map(|r| r.gateway))?;
        let mac = match mode {
            Mode::Vlan => mac_of(&lab.member(ROUTER.0)?, ROUTER.1)?,
            Mode::Routed => wire_mac(&here)?,
        };
        let gateway = Party { mac, v4, v6 };
        let cast = SiteMembers {
            own: of(&forger),
            near: of(&near),
            far: of(&far),
            far_by: match mode {
                Mode::Vlan => wire_mac(&there)?,
                Mode::Routed => mac,
            },
            gateway,
            host: host(&here)?,
            other: other.as_ref().map(of),
        };
        let senders = [forger.sender()?, near.sender()?, bystander.sender()?];
        let mut stage = Self {
            lab,
            ground: SiteFacts {
                mode,
                datapath: lab.datapath(),
            },
            here,
            there,
            forger,
            near,
            bystander,
            far,
            other,
            cast,
            senders,
            arrivals: Arrivals::default(),
            watches: Vec::new(),
        };
        stage.warm_up()?;
        stage.watch()?;
        Ok(stage)
    }

    /// Whoever forwards knows its neighbours: a frame that waits for one would be late, or lost.
    fn warm_up(&self) -> Result<()> {
        let all = [&self.forger, &self.near, &self.bystander, &self.far];
        for container in all.into_iter().chain(&self.other) {
            container.settle()?;
        }
        let gateway = [
            IpAddr::V4(self.cast.gateway.v4),
            self.cast.gateway.v6.into(),
        ];
        for to in self.far.ips().into_iter().chain(gateway) {
            self.forger.reaches(to)?;
            self.bystander.reaches(to)?;
        }
        if let Some(other) = &self.other {
            self.bystander.reaches(other.v4.into())?;
        }
        self.bystander.reaches(self.cast.host.v4.into())?;
        self.bystander.reaches(host(&self.there)?.v4.into())
    }

    fn watch(&mut self) -> Result<()> {
        let received = ["-Q", "in", "-i", IFNAME];
        let containers = [
            (Place::Forger, Some(&self.forger)),
            (Place::Near, Some(&self.near)),
            (Place::Bystander, Some(&self.bystander)),
            (Place::OtherVlan, self.other.as_ref()),
            (Place::Far, Some(&self.far)),
        ];
        let mut watches = Vec::new();
        for (place, container) in containers {
            let Some(container) = container else { continue };
            let watch = Watch::start(place, container.netns(), &received, &self.arrivals)?;
            watches.push((place, watch));
        }
        for (node, host, uplink) in [
            (&self.here, Place::HostHere, Place::UplinkHere),
            (&self.there, Place::HostThere, Place::UplinkThere),
        ] {
            for (place, link) in [(host, HOST_PORT), (uplink, node.spec.uplink.as_str())] {
                let watch = Watch::start(place, &node.netns_path(), &["-i", link], &self.arrivals)?;
                watches.push((place, watch));
            }
        }
        self.watches = watches;
        Ok(())
    }

    /// A shape as it goes out here, with its number; none where it is for nobody of this site.
    pub(super) fn build(&self, shape: &Shape) -> Option<(Number, Vec<u8>)> {
        let number = next();
        let mark = mark(number);
        let build = Build {
            cast: &self.cast,
            mark: &mark,
            id: number,
        };
        let frame = build.frame(shape)?;
        if shape.wrap == Wrap::Truncated {
            self.arrivals.expect(&frame, number);
        }
        Some((number, frame))
    }

    /// Sends frames of the forger's, no faster than the switch takes them.
    ///
    /// # Errors
    /// If the kernel refuses one, or the switch does not take them.
    pub(super) fn send(&self, frames: &[(Number, Vec<u8>)]) -> Result<()> {
        for burst in frames.chunks(BURST) {
            for (_, frame) in burst {
                self.senders[0].send_bytes(frame)?;
            }
            self.keep_pace()?;
        }
        Ok(())
    }

    /// Waits until an honest frame that is sent now has passed: those before it are decided on. It is
    /// sent in four ways, for each may be closed: by a flow that is out, or by a verdict on what was
    /// cut off, which the kernel's datapath keeps for all of a protocol.
    fn keep_pace(&self) -> Result<()> {
        for _ in 0..PACED.1 {
            let (number, mark) = self.fresh();
            let from = of(&self.forger);
            let (mac, ports) = (self.near.mac, (PACE, PACE));
            let four = datagram(from, (mac, self.near.v4), ports, &mark, number);
            let mut tagged = four.clone();
            tagged.splice(12..12, [0x81, 0, 0, 0]);
            let six = datagram6(from, (mac, self.near.v6), ports, &mark);
            for frame in [four, six, tagged, asking(from, self.near.v4, &mark)] {
                self.senders[0].send_bytes(&frame)?;
            }
            if self.arrivals.wait_anywhere(number, PACED.0) {
                return Ok(());
            }
        }
        bail!(
            "{}: no frame passes from a container to its neighbour",
            self.here.name
        )
    }

    fn fresh(&self) -> (Number, [u8; 12]) {
        let number = next();
        (number, mark(number))
    }

    /// Waits until frames that are sent now have been seen at every place, and so those before them.
    ///
    /// # Errors
    /// If they do not arrive.
    pub(super) fn barrier(&self) -> Result<()> {
        let places: Vec<Place> = self.watches.iter().map(|(place, _)| *place).collect();
        let router = self.cast.gateway.mac;
        let mut ways = vec![
            (of(&self.forger), self.forger.mac),
            (of(&self.near), self.near.mac),
            (of(&self.far), self.cast.far_by),
            (self.cast.host, self.cast.host.mac),
            (host(&self.there)?, router),
        ];
        ways.extend(self.other.as_ref().map(|o| (of(o), router)));
        let mut sent = Vec::new();
        let mut missing = Vec::new();
        for _ in 0..BARRIER.1 {
            for (to, mac) in &ways {
                let (number, mark) = self.fresh();
                let from = of(&self.bystander);
                let frame = datagram(from, (*mac, to.v4), (PACE, 9), &mark, number);
                self.senders[2].send_bytes(&frame)?;
                sent.push(number);
            }
            let (number, mark) = self.fresh();
            let (from, to) = (of(&self.near), of(&self.bystander));
            let frame = datagram(from, (to.mac, to.v4), (PACE, 9), &mark, number);
            self.senders[1].send_bytes(&frame)?;
            sent.push(number);
            missing = self.arrivals.wait(&places, &sent, BARRIER.0);
            if missing.is_empty() {
                return Ok(());
            }
        }
        bail!(
            "{}: honest datagrams do not arrive at {missing:?}",
            self.here.name
        )
    }

    /// Empties the datapath's cache of verdicts. After a change of flows it is revalidated, but Open
    /// vSwitch 3.1 keeps on dropping priority-tagged frames by a verdict of before.
    ///
    /// # Errors
    /// If the switch does not answer.
    pub(super) fn forget_verdicts(&self) -> Result<()> {
        output(self.here.appctl().arg("dpctl/del-flows"))?;
        // Until it has noticed, Open vSwitch takes the flows for cached that were deleted.
        Ok(self.lab.settle_switches(&[&self.here.name])?)
    }

    /// Empties the neighbour caches that frames may have changed which arrived while a flow was out.
    pub(super) fn forget(&self) {
        let router = self.lab.member(ROUTER.0).ok();
        let nodes = [&self.here, &self.there].map(|n| n.command("ip"));
        for mut ip in nodes.into_iter().chain(router.map(|r| r.command("ip"))) {
            // A node that is gone has no caches.
            let _ = ip.args(["neigh", "flush", "all"]).output();
        }
    }
}

/// An honest datagram over IPv4.
fn datagram(
    from: Party,
    (mac, to): (MacAddr, Ipv4Addr),
    ports: (u16, u16),
    mark: &[u8],
    number: Number,
) -> Vec<u8> {
    let segment = part::udp(ports, mark);
    let [.., high, low] = number.to_be_bytes();
    let header = Header4 {
        from: from.v4,
        to,
        protocol: UDP,
        id: u16::from_be_bytes([high, low]),
        fragment: 0,
        options: Vec::new(),
    };
    let mut frame = [&mac.0[..], &from.mac.0, &[0x08, 0x00]].concat();
    frame.extend(header.bytes(segment.len()));
    frame.extend(segment);
    frame
}

/// The same over IPv6.
fn datagram6(
    from: Party,
    (mac, to): (MacAddr, Ipv6Addr),
    ports: (u16, u16),
    mark: &[u8],
) -> Vec<u8> {
    let mut segment = part::udp(ports, mark);
    let pseudo = [from.v6.octets(), to.octets()].concat();
    part::sum_up(&[&pseudo], UDP, &mut segment);
    let mut frame = [&mac.0[..], &from.mac.0, &[0x86, 0xdd]].concat();
    frame.extend(part::header6(from.v6, to, UDP, 0, segment.len()));
    frame.extend(segment);
    frame
}

/// An ARP request, which the bridge answers to who asks.
fn asking(from: Party, about: Ipv4Addr, mark: &[u8]) -> Vec<u8> {
    let mut frame = [&MacAddr::BROADCAST.0[..], &from.mac.0, &[0x08, 0x06]].concat();
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(from.mac.0);
    frame.extend(from.v4.octets());
    frame.extend([0; 6]);
    frame.extend(about.octets());
    frame.extend([0; 6]);
    frame.extend(mark);
    frame
}
