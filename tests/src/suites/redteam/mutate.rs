//! Each flow that secures something is taken out once, and must be missed.
//!
//! ```text
//!   netd stands still ─▶ one flow out ─▶ its family's shapes ─▶ one arrives, or one is lost? ─▶ back
//! ```

use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::listed::UNREACHED;
use super::report::{Found, Mutant};
use super::shape::{Payload, Shape};
use super::stage::Stage;
use super::volley;
use crate::interrupt::Interrupt;
use crate::suites::kit::output;
use crate::{Node, ProcessId, run};

const BRIDGE: &str = "br-flat";
/// The tables of docs/data-path.md whose flows are taken out: of the first those of the container.
const TABLES: [u8; 2] = [0, 1];

/// The match of any tag, as `ovs-ofctl` writes it.
const ANY_TAG: &str = "vlan_tci=0x1000/0x1000";

/// The end of flows that say at which rate, and not what: suite `floods` takes them out.
const TO_METER: &str = "goto_table:9";

/// A flow as the switch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    table: u8,
    cookie: String,
    /// Priority and match.
    key: String,
    actions: String,
    packets: u64,
}

impl Flow {
    /// A line of `ovs-ofctl dump-flows`; none for what is no flow.
    fn parse(line: &str) -> Option<Self> {
        let (fields, actions) = line.trim().split_once(" actions=")?;
        let (head, key) = fields.split_once(" priority=")?;
        let of = |name: &str| {
            let found = head.split([' ', ',']).find_map(|f| f.strip_prefix(name));
            found.map(str::to_owned)
        };
        Some(Self {
            table: of("table=")?.parse().ok()?,
            cookie: of("cookie=")?,
            key: format!("priority={key}"),
            actions: actions.to_owned(),
            packets: of("n_packets=")?.parse().ok()?,
        })
    }

    /// The words of its match.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.key.split(',')
    }

    fn has(&self, word: &str) -> bool {
        self.words().any(|w| w == word)
    }

    /// Whether it is about frames of a shape's family.
    fn is_about(&self, shape: &Shape) -> bool {
        let any = |words: &[&str]| words.iter().any(|word| self.has(word));
        let four = any(&["ip", "icmp", "udp", "tcp"]);
        let six = any(&["ipv6", "icmp6", "udp6", "tcp6"]);
        // Of a tag inside of a tag Open vSwitch sees the EtherType.
        let tags = any(&["dl_type=0x8100", "dl_type=0x88a8"]);
        let ether = |w: &str| w.starts_with("dl_type=") || w.starts_with("mpls");
        if !tags && self.words().any(ether) {
            return matches!(shape.what, Payload::Bare(_));
        }
        match shape.what {
            _ if !four && !six && !self.has("arp") => true,
            Payload::Arp(_) => self.has("arp"),
            Payload::V4(_) => four,
            Payload::V6(_) => six,
            Payload::Bare(_) => false,
        }
    }

    fn text(&self) -> String {
        format!("table={} {} actions={}", self.table, self.key, self.actions)
    }
}

fn dump(node: &Node) -> Result<Vec<Flow>> {
    let mut flows = Vec::new();
    for table in TABLES {
        let about = format!("table={table}");
        let text = output(node.ofctl().args(["dump-flows", BRIDGE, &about]))?;
        let found = text.lines().filter_map(Flow::parse);
        flows.extend(found.filter(|flow| !flow.actions.ends_with(TO_METER)));
    }
    Ok(flows)
}

/// The flows that decide on the forger's frames, with what came to them until now.
///
/// The flows of other containers are the same with other addresses, and those of netd's own probe
/// see no container's frame.
///
/// # Errors
/// If the switch does not answer.
pub(super) fn deciding(stage: &Stage<'_>) -> Result<Vec<Flow>> {
    stage.lab.settle_switches(&[&stage.here.name])?;
    let all = dump(&stage.here)?;
    let mac = format!("dl_src={}", stage.forger.mac);
    let port = all
        .iter()
        .find(|f| f.has(&mac))
        .and_then(|f| f.words().find(|w| w.starts_with("in_port=")))
        .context("the forger has no flows")?
        .to_owned();
    let decides = |flow: &Flow| match flow.words().find(|w| w.starts_with("in_port=")) {
        Some(of) => of == port,
        None => flow.table > 0,
    };
    Ok(all.into_iter().filter(decides).collect())
}

/// What came to each flow between two looks.
pub(super) fn since(before: &[Flow], after: Vec<Flow>) -> Vec<(Flow, u64)> {
    let packets = |flow: &Flow| {
        let same = before
            .iter()
            .find(|b| (b.table, &b.key) == (flow.table, &flow.key));
        same.map_or(0, |b| b.packets)
    };
    let grown = |flow: Flow| {
        let hits = flow.packets.saturating_sub(packets(&flow));
        (flow, hits)
    };
    after.into_iter().map(grown).collect()
}

/// A netd that stands still until this is dropped, or this process ends in whatever way.
pub(super) struct Frozen {
    netd: ProcessId,
    /// Goes on with netd when its standard input is closed.
    rescue: Child,
}

impl Frozen {
    /// Stops the netd of a node.
    ///
    /// # Errors
    /// If none runs.
    pub(super) fn netd(stage: &Stage<'_>) -> Result<Self> {
        let netd = stage.lab.netd_pid(&stage.here.name)?;
        let mut rescue = run::command("sh");
        rescue.args(["-c", "read -r _; kill -CONT \"$0\"", &netd.pid.to_string()]);
        // Of a group of its own: who ends this process's group does not end it.
        std::os::unix::process::CommandExt::process_group(&mut rescue, 0);
        rescue.stdin(Stdio::piped()).stderr(Stdio::null());
        let rescue = rescue.spawn().context("cannot run sh")?;
        let frozen = Self { netd, rescue };
        netd.signal(Signal::SIGSTOP)?;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.netd.signal(Signal::SIGCONT);
        drop(self.rescue.stdin.take());
        let _ = self.rescue.wait();
    }
}

/// A flow that is out until this is dropped.
struct Out<'f> {
    node: &'f Node,
    flow: &'f Flow,
}

impl<'f> Out<'f> {
    fn take(node: &'f Node, flow: &'f Flow) -> Result<Self> {
        let out = Self { node, flow };
        let of = format!("table={},{}", flow.table, flow.key);
        out.ofctl(&["--strict", "del-flows", BRIDGE, &of])?;
        let still = dump(node)?;
        let there = still
            .iter()
            .any(|f| (f.table, &f.key) == (flow.table, &flow.key));
        ensure!(!there, "{} is still there", flow.text());
        Ok(out)
    }

    fn ofctl(&self, args: &[&str]) -> Result<()> {
        output(self.node.ofctl().args(args)).map(drop)
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        let Flow {
            table,
            cookie,
            key,
            actions,
            ..
        } = self.flow;
        let back = format!("cookie={cookie},table={table},{key},actions={actions}");
        // netd puts it back where this cannot.
        let _ = self.ofctl(&["add-flow", BRIDGE, &back]);
    }
}

/// Takes each of these flows out, one after the other, while netd stands still.
///
/// `told` hears of each.
///
/// # Errors
/// If the switch does not do as it is told; an interruption.
pub(super) fn mutants(
    stage: &Stage<'_>,
    flows: &[(Flow, u64)],
    shapes: &[Shape],
    interrupt: &Interrupt,
    told: impl Fn(),
) -> Result<Vec<Mutant>> {
    let _frozen = Frozen::netd(stage)?;
    let mut mutants = Vec::new();
    for (flow, hits) in flows {
        interrupt.check()?;
        let found = one(stage, flow, *hits, shapes, interrupt)
            .with_context(|| format!("without {}", flow.text()))?;
        mutants.push(Mutant {
            flow: flow.text(),
            hits: *hits,
            found,
        });
        told();
    }
    stage.forget_verdicts()?;
    stage.forget();
    Ok(mutants)
}

fn one(
    stage: &Stage<'_>,
    flow: &Flow,
    hits: u64,
    shapes: &[Shape],
    interrupt: &Interrupt,
) -> Result<Found> {
    let out = Out::take(&stage.here, flow)?;
    let about = shapes.iter().filter(|shape| flow.is_about(shape));
    // What is odd in one way first; what is odd in several only if that shows nothing.
    let (plain, odd): (Vec<&Shape>, Vec<&Shape>) = about.partition(|s| s.deviations() < 2);
    for part in [plain, odd] {
        let sent = volley::send(stage, &part, interrupt)?;
        let mut unexpected = sent.iter().filter_map(volley::Sent::unexpected);
        if let Some(first) = unexpected.next() {
            let what = match first.arrived.first() {
                Some((place, _)) => format!("arrives at {place:?}"),
                None => format!("is lost at {:?}", first.missing),
            };
            let first = format!("{}: {what}", first.shape);
            return Ok(Found::Seen {
                shapes: 1 + unexpected.count(),
                first,
            });
        }
    }
    drop(out);
    // What leads foreign tags to the drops is there for their count.
    let counts = flow.actions == "drop" || flow.table == 0 && flow.has(ANY_TAG);
    if hits > 0 && counts {
        return Ok(Found::Counted);
    }
    let known = UNREACHED.iter().find(|u| u.key == flow.key);
    Ok(match known {
        Some(known) if hits == 0 => Found::Unreached {
            reason: known.reason,
        },
        _ => Found::Unseen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = " cookie=0x464e000000000000, duration=3.1s, table=1, n_packets=5, n_bytes=400, \
        priority=120,icmp6,in_port=7,icmp_type=134 actions=drop";

    #[test]
    fn a_flow_is_read_from_a_line_of_the_dump() {
        let flow = Flow::parse(LINE).expect("a flow");
        assert_eq!((flow.table, flow.packets), (1, 5));
        assert_eq!(flow.key, "priority=120,icmp6,in_port=7,icmp_type=134");
        assert!(flow.has("in_port=7") && flow.actions == "drop");
        assert_eq!(Flow::parse("OFPST_FLOW reply (OF1.4) (xid=0x2):"), None);
    }

    #[test]
    fn what_came_to_a_flow_is_what_it_has_more() {
        let before = Flow::parse(LINE).expect("a flow");
        let mut after = before.clone();
        after.packets = 9;
        assert_eq!(since(&[before], vec![after])[0].1, 4);
    }
}
