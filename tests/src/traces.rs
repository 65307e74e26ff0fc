//! What of containers is on a node, read with the tools that an admin has: `ip`, `ovs-vsctl`,
//! `ovs-ofctl`, and netd's own list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::process::poll;
use crate::{Node, netd, run};

/// The upper 16 bits of netd's cookies (`netd/src/flows/mod.rs`).
const COOKIE_MARK: u64 = 0x464e;

/// An attachment as netd lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Attachment {
    pub(crate) network: String,
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) state: String,
    pub(crate) generation: u64,
}

/// Everything on a node that is there for a container, by generation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Links of the host.
    pub(crate) links: BTreeMap<u64, String>,
    /// Ports of the bridge.
    pub(crate) ports: BTreeMap<u64, String>,
    /// How many flows.
    pub(crate) flows: BTreeMap<u64, usize>,
    /// Meters, which bear no generation.
    pub(crate) meters: BTreeSet<u32>,
    /// What netd holds.
    pub(crate) attachments: Vec<Attachment>,
    /// DELs that wait.
    pub(crate) spool: Vec<String>,
}

impl Traces {
    /// Looks at a node.
    ///
    /// # Errors
    /// Where a tool fails or netd does not answer.
    pub(crate) fn take(node: &Node) -> Result<Self> {
        let (flows, meters) = switch(node)?;
        Ok(Self {
            links: links(node)?,
            ports: ports(node)?,
            flows,
            meters,
            attachments: attachments(node)?,
            spool: spool(node)?,
        })
    }

    /// What is there for no attachment, and what an attachment lacks: a line each.
    pub(crate) fn strays(&self) -> Vec<String> {
        let living: BTreeSet<u64> = self.attachments.iter().map(|a| a.generation).collect();
        let mut strays = Vec::new();
        let links: BTreeSet<u64> = self.links.keys().copied().collect();
        let ports: BTreeSet<u64> = self.ports.keys().copied().collect();
        let flows: BTreeSet<u64> = self.flows.keys().copied().collect();
        for (what, is) in [("link", &links), ("port", &ports), ("flows", &flows)] {
            strays.extend(
                is.difference(&living)
                    .map(|g| format!("{what} of generation {g}")),
            );
            strays.extend(
                living
                    .difference(is)
                    .map(|g| format!("generation {g} has no {what}")),
            );
        }
        let unfinished = self.attachments.iter().filter(|a| a.state != "committed");
        strays.extend(unfinished.map(|a| format!("{} is {}", a.container_id, a.state)));
        strays.extend(self.spool.iter().map(|s| format!("spooled: {s}")));
        if living.is_empty() {
            strays.extend(self.meters.iter().map(|m| format!("meter {m}")));
        }
        strays
    }

    /// The same, for a node that should have nothing at all.
    pub(crate) fn all(&self) -> Vec<String> {
        let held = self
            .attachments
            .iter()
            .map(|a| format!("attachment {}", a.container_id));
        held.chain(self.strays()).collect()
    }
}

/// Waits until a node has nothing of any container; gives how long that took.
///
/// # Errors
/// What is left when the time is up.
pub(crate) fn nothing_left(node: &Node, patience: Duration) -> Result<Duration> {
    settled(node, patience, Traces::all)
}

/// Waits until a node has exactly what its attachments need.
///
/// # Errors
/// What is left or lacking when the time is up.
pub(crate) fn nothing_astray(node: &Node, patience: Duration) -> Result<Duration> {
    settled(node, patience, Traces::strays)
}

fn settled(
    node: &Node,
    patience: Duration,
    wrong: impl Fn(&Traces) -> Vec<String>,
) -> Result<Duration> {
    let begun = std::time::Instant::now();
    let mut last: Result<Vec<String>> = Ok(Vec::new());
    let clean = poll(patience, || {
        last = Traces::take(node).map(|t| wrong(&t));
        matches!(&last, Ok(w) if w.is_empty()).then(|| begun.elapsed())
    });
    match (clean, last) {
        (Some(took), _) => Ok(took),
        (None, Err(e)) => Err(e.context(format!("{} cannot be read", node.name))),
        (None, Ok(wrong)) => {
            bail!(
                "after {patience:?} {} still has: {}",
                node.name,
                some(&wrong)
            )
        }
    }
}

/// The first few of many.
pub(crate) fn some(lines: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = lines.len().saturating_sub(SHOWN);
    let shown = lines[..lines.len() - more].join("; ");
    match more {
        0 => shown,
        n => format!("{shown}; and {n} more"),
    }
}

/// By name and index, not by alias: a link that was made and not yet marked is there too.
fn links(node: &Node) -> Result<BTreeMap<u64, String>> {
    /// The first index that netd gives to links (`netd/src/attach/plan.rs`).
    const FIRST_INDEX: u64 = 1_000_000;
    let text = run::output(node.command("ip").args(["-j", "link", "show"]))?;
    let links: Value = serde_json::from_str(&text).context("the links")?;
    let named = links.as_array().into_iter().flatten().filter_map(|link| {
        let name = link["ifname"].as_str()?;
        link["ifindex"].as_u64().filter(|i| *i >= FIRST_INDEX)?;
        let generation = u64::from_str_radix(name.strip_prefix("fn")?, 16).ok()?;
        Some((generation, name.to_owned()))
    });
    Ok(named.collect())
}

fn ports(node: &Node) -> Result<BTreeMap<u64, String>> {
    let columns = [
        "--format=json",
        "--columns=name,external_ids",
        "list",
        "Port",
    ];
    let text = run::output(node.vsctl().args(columns))?;
    let table: Value = serde_json::from_str(&text).context("the ports")?;
    let mut ports = BTreeMap::new();
    for row in table["data"].as_array().into_iter().flatten() {
        let ids = row[1][1].as_array().into_iter().flatten();
        let generation = ids
            .filter(|pair| pair[0] == "flatnet-generation")
            .find_map(|pair| pair[1].as_str()?.parse().ok());
        if let (Some(generation), Some(name)) = (generation, row[0].as_str()) {
            ports.insert(generation, name.to_owned());
        }
    }
    Ok(ports)
}

fn switch(node: &Node) -> Result<(BTreeMap<u64, usize>, BTreeSet<u32>)> {
    let ofctl = |command: &str| run::output(node.ofctl().args([command, "br-flat"]));
    let mut flows = BTreeMap::new();
    for cookie in ofctl("dump-flows")?.lines().filter_map(cookie) {
        let generation = cookie & 0xffff_ffff_ffff;
        if cookie >> 48 == COOKIE_MARK && generation != 0 {
            *flows.entry(generation).or_default() += 1;
        }
    }
    let meters = ofctl("dump-meters")?
        .split_whitespace()
        .filter_map(|word| {
            word.strip_prefix("meter=")?
                .trim_end_matches(',')
                .parse()
                .ok()
        })
        .collect();
    Ok((flows, meters))
}

fn cookie(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("cookie=0x")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u64::from_str_radix(digits, 16).ok()
}

/// What netd holds.
pub(crate) fn attachments(node: &Node) -> Result<Vec<Attachment>> {
    let (status, body) = netd::get(&node.paths.netd_sock(), "/v1/attachments")?;
    anyhow::ensure!(
        status == 200,
        "netd of {} answers {status}: {body}",
        node.name
    );
    serde_json::from_str(&body).context("netd's list of attachments")
}

fn spool(node: &Node) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(node.paths.spool())?.flatten();
    Ok(entries
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flows_cookie_is_read_from_its_line() {
        let line = " cookie=0x464e00000000002a, duration=1.2s, table=0, n_packets=0, actions=drop";
        assert_eq!(cookie(line), Some(0x464e_0000_0000_002a));
        assert_eq!(cookie("OFPST_FLOW reply (OF1.4) (xid=0x2):"), None);
    }

    #[test]
    fn what_belongs_to_nobody_and_what_somebody_lacks_is_named() {
        let attachment = Attachment {
            network: "web".into(),
            container_id: "c1".into(),
            ifname: "eth0".into(),
            addresses: Vec::new(),
            state: "committed".into(),
            generation: 7,
        };
        let traces = Traces {
            links: BTreeMap::from([(7, "fn7".into()), (8, "fn8".into())]),
            ports: BTreeMap::from([(7, "fn7".into())]),
            attachments: vec![attachment],
            ..Traces::default()
        };
        let strays = traces.strays();
        assert_eq!(
            strays,
            ["link of generation 8", "generation 7 has no flows"]
        );
        assert_eq!(traces.all().len(), 3);
    }
}
