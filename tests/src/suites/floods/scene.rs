//! A node with a container that floods, and others that must not feel it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::kinds::{Bound, Flooder, Kind};
use crate::suites::kit::container::Container;
use crate::suites::kit::pings::{Outcome, Stream};
use crate::suites::kit::wire::Sender;
use crate::suites::kit::{output, pair};
use crate::{Lab, Node, netd};

const BRIDGE: &str = "br-flat";
/// Frames of which no two are alike.
const DIFFERENT: usize = 8192;
/// Between two pings, in seconds.
const PING_EVERY: &str = "0.02";

/// The node and its containers.
pub(crate) struct Scene<'l> {
    lab: &'l Lab,
    pub(super) node: Node,
    /// Who floods.
    pub(super) flooder: Container,
    /// The host's end of its link, which is its port of the bridge.
    pub(super) port: String,
    /// Two that ping each other.
    quiet: [Container; 2],
}

/// What has been counted of the flooder so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Of its frames, those that port security decided on.
    pub(crate) decided: u64,
    /// Packets of the whole node for which the datapath had no flow.
    pub(crate) missed: u64,
}

/// What a flood came to.
#[derive(Debug)]
pub(crate) struct Flood {
    pub(crate) kind: Kind,
    /// Frames sent.
    pub(crate) sent: u64,
    /// For how long.
    pub(crate) took: Duration,
    /// See [`Reading`].
    pub(crate) decided: u64,
    /// See [`Reading`].
    pub(crate) missed: u64,
    /// The datapath's flows of the flooder at its end.
    pub(crate) flows: usize,
    /// How long ADDs of other containers took meanwhile.
    pub(crate) adds: Vec<Duration>,
    /// The pings of two others meanwhile.
    pub(super) pings: Outcome,
}

impl<'l> Scene<'l> {
    /// Attaches the containers to the first node of the IDC.
    ///
    /// # Errors
    /// What ADD says.
    pub(crate) fn attach(lab: &'l Lab) -> Result<Self> {
        let [node, _] = pair(lab, "idc")?;
        let attach = |id: &str| {
            let container = Container::attach(lab, &node, "web", id)?;
            container.settle()?;
            Ok::<_, anyhow::Error>(container)
        };
        let flooder = attach("fl-flooder")?;
        let quiet = [attach("fl-a")?, attach("fl-b")?];
        Ok(Self {
            lab,
            port: flooder.host_end()?.to_owned(),
            flooder,
            quiet,
            node,
        })
    }

    /// The time of so many ADDs, each with its DEL after it.
    ///
    /// # Errors
    /// What ADD or DEL says.
    pub(crate) fn adds(&self, count: usize) -> Result<Vec<Duration>> {
        let one = |n| {
            let container = Container::attach(self.lab, &self.node, "web", &format!("fl-new{n}"))?;
            let took = container.added.took;
            container.detach()?;
            Ok(took)
        };
        (0..count).map(one).collect()
    }

    /// Floods for as long as `adds` others are attached and at least `frames` were sent, at most
    /// `rate` a second (0: as fast as it goes).
    ///
    /// # Errors
    /// If an ADD fails, or something cannot be read. What the flood did to others is for the caller to
    /// judge.
    pub(crate) fn flood(&self, kind: Kind, frames: u64, rate: u32, adds: usize) -> Result<Flood> {
        let flooder = Flooder {
            mac: self.flooder.mac,
            v4: self.flooder.v4,
            v6: self.flooder.v6,
            // Nobody routes what is sent there.
            next_hop: self.quiet[0].mac,
        };
        let all = flooder.frames(kind, DIFFERENT);
        let sender = self.flooder.sender()?;
        self.forget()?;
        // Neighbours that speak with each other know each other before it begins.
        self.quiet[0].reaches(self.quiet[1].v4.into())?;
        let before = self.reading()?;
        let stream = Stream::start(&self.quiet[0], self.quiet[1].v4.into(), PING_EVERY)?;
        let enough = AtomicBool::new(false);
        let (sent, adds) = std::thread::scope(|scope| {
            let sending = scope.spawn(|| send(&sender, &all, frames, rate, &enough));
            let adds = self.adds(adds);
            enough.store(true, Ordering::Relaxed);
            let sent = sending.join();
            let sent = sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, anyhow::Error>((sent?, adds?))
        })?;
        let flows = self.datapath_flows(&self.port)?.len();
        let pings = stream.finish()?;
        // The datapath tells its counters now and then.
        self.lab.settle_switches(&[&self.node.name])?;
        let after = self.reading()?;
        Ok(Flood {
            kind,
            sent: sent.0,
            took: sent.1,
            decided: after.decided.saturating_sub(before.decided),
            missed: after.missed.saturating_sub(before.missed),
            flows,
            adds,
            pings,
        })
    }

    /// Empties the datapath's cache, so that a flood does not find what the one before left there.
    /// (After `dpctl/del-flows` Open vSwitch 3.1 takes the flows for cached, and makes none anew.)
    fn forget(&self) -> Result<()> {
        output(self.node.appctl().arg("revalidator/purge"))?;
        Ok(())
    }

    fn reading(&self) -> Result<Reading> {
        let number = output(
            self.node
                .vsctl()
                .args(["get", "interface", &self.port, "ofport"]),
        )?;
        let port = format!("in_port={}", number.trim());
        let flows = self.ofctl(&["dump-flows", BRIDGE, "table=1"])?;
        let of_port = flows
            .lines()
            .filter(|l| l.split([',', ' ']).any(|word| word == port));
        Ok(Reading {
            decided: of_port.filter_map(|l| number_after(l, "n_packets=")).sum(),
            missed: number_after(&output(self.node.appctl().arg("dpctl/show"))?, "missed:")
                .context("the datapath says no misses")?,
        })
    }

    /// The datapath's flows of a port's frames.
    fn datapath_flows(&self, port: &str) -> Result<Vec<String>> {
        let all = output(self.node.appctl().args(["dpctl/dump-flows", "--names"]))?;
        let port = format!("in_port({port})");
        let own = all.lines().filter(|l| l.contains(&port));
        Ok(own.map(str::to_owned).collect())
    }

    pub(super) fn ofctl(&self, args: &[&str]) -> Result<String> {
        output(self.node.ofctl().args(args))
    }

    /// Takes the flows out by which the flooder's frames pass its meter.
    pub(super) fn take_meter_out(&self) -> Result<()> {
        let number = output(
            self.node
                .vsctl()
                .args(["get", "interface", &self.port, "ofport"]),
        )?;
        for flow in ["arp", "icmp6,icmp_type=135", "icmp6,icmp_type=136"] {
            let flow = format!("table=0,in_port={},{flow}", number.trim());
            self.ofctl(&["del-flows", BRIDGE, &flow])?;
        }
        Ok(())
    }

    /// The text of the problem that names a flood, where netd names one.
    pub(super) fn named(&self) -> Result<Option<String>> {
        let (_, body) = netd::get(&self.node.paths.netd_sock(), "/v1/node")?;
        let view: serde_json::Value = serde_json::from_str(&body)?;
        let problems = view["problems"].as_array().into_iter().flatten();
        let mut floods = problems.filter(|p| p["code"] == "neighbour-flood");
        Ok(floods.find_map(|p| p["text"].as_str().map(str::to_owned)))
    }

    /// The metric of what exceeded the pace.
    pub(super) fn dropped(&self) -> Result<u64> {
        let (_, text) = netd::get(&self.node.paths.netd_sock(), "/metrics")?;
        let line = "flatnet_metered_drops_total{limit=\"neighbours\"} ";
        number_after(&text, line).context("the drops of meters are not among the metrics")
    }

    /// How many frames of a flood may pass the meter: the burst, and the rate for as long as it was
    /// under way.
    pub(super) fn allowed(&self, took: Duration) -> u64 {
        let networks = &self.node.spec.networks;
        let web = networks.iter().find(|n| n.name.as_str() == "web");
        let rate = u64::from(web.map_or(0, |n| n.neighbour_rate));
        // The last second is the meter's own, and what it does not count exactly.
        2 * rate + rate * (took.as_secs() + 2)
    }
}

impl Flood {
    /// The pings of others that were lost meanwhile, those not answered at its end among them.
    pub(crate) fn pings_lost(&self) -> usize {
        match self.pings.lossless() {
            Ok(()) => 0,
            Err(_) => self.pings.lost.max(1),
        }
    }

    /// That what bounds its cost held.
    ///
    /// # Errors
    /// What exceeded its bound.
    pub(super) fn is_bounded(&self, scene: &Scene<'_>) -> Result<()> {
        let Self { sent, took, .. } = self;
        let name = self.kind.name();
        match self.kind.bound() {
            Bound::Meter => {
                let allowed = scene.allowed(*took);
                ensure!(
                    self.decided <= allowed && self.flows as u64 <= allowed,
                    "{name}: of {sent} frames in {took:?} {} passed, which left {} flows; at most \
                     {allowed} should",
                    self.decided,
                    self.flows
                );
            }
            Bound::Flows(most) => ensure!(
                self.flows <= most,
                "{name}: {sent} frames in {took:?} left {} flows in the datapath, not {most} at most",
                self.flows
            ),
        }
        Ok(())
    }
}

/// Sends until there is enough, and so many at least; how many, and for how long.
fn send(
    sender: &Sender,
    all: &[Vec<u8>],
    least: u64,
    rate: u32,
    enough: &AtomicBool,
) -> Result<(u64, Duration)> {
    /// Between two looks at the clock.
    const RUN: usize = 32;
    let begun = Instant::now();
    let mut sent = 0;
    let mut frames = all.iter().cycle();
    while sent < least || !enough.load(Ordering::Relaxed) {
        for frame in frames.by_ref().take(RUN) {
            match sender.send_bytes(frame) {
                Ok(()) => sent += 1,
                // A queue that is full drops: the flood goes on.
                Err(e) if e.downcast_ref() == Some(&nix::errno::Errno::ENOBUFS) => {}
                Err(e) => return Err(e),
            }
        }
        if rate > 0 {
            let due = Duration::from_secs_f64(sent as f64 / f64::from(rate));
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    Ok((sent, begun.elapsed()))
}

fn number_after(text: &str, word: &str) -> Option<u64> {
    let rest = text.split_once(word)?.1;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_behind_their_words() {
        let line = " cookie=0x1, duration=2s, table=1, n_packets=17, n_bytes=3, in_port=4";
        assert_eq!(number_after(line, "n_packets="), Some(17));
        assert_eq!(
            number_after("lookups: hit:1 missed:23 lost:0", "missed:"),
            Some(23)
        );
        assert_eq!(number_after(line, "missed:"), None);
    }
}
