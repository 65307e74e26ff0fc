//! What the suites that send frames have in common.
//!
//! ```text
//!   [container] ADD as a runtime does it ──▶ ping, ip, a raw socket inside
//!   [frame] frames written by hand, marked ──[wire] send──▶ the lab ──[wire] Capture──▶ seen?
//!   [nat] is the kernel fit for it?
//!   [pings] a stream of pings, and the gaps in it     [rate] bits a second     [tcp] who calls
//! ```

pub(super) mod called;
pub(super) mod container;
pub(super) mod forwarding;
pub(super) mod frame;
pub(super) mod losses;
pub(super) mod nat;
pub(super) mod pings;
pub(super) mod rate;
pub(super) mod server;
pub(super) mod sysctls;
pub(super) mod tcp;
pub(in crate::suites) mod udp;
pub(super) mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flatnet_types::MacAddr;

use crate::{Lab, Member, Node};

/// The host's end in the bridge.
pub(super) const HOST_PORT: &str = "flat0";

/// How long until a netd that was started anew serves again; generous, because the machine may be busy.
pub(super) const READY: Duration = Duration::from_secs(20);

/// How long frames take through the lab and out of a capture, on a busy machine.
pub(super) const SETTLE: Duration = Duration::from_millis(400);

/// Runs a command and gives what it printed.
///
/// # Errors
/// If it fails, with its words.
pub(super) fn output(command: &mut std::process::Command) -> Result<String> {
    Ok(crate::run::output(command)?)
}

/// A command in a namespace that dies with this process, however that ends.
///
/// Assumptions: it is started by the thread that lasts as long as the process.
///
/// # Errors
/// If this program is not known.
pub(super) fn bound(netns: &Path, program: &Path) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["launch", "--netns"]).arg(netns);
    command.args(["--parent", &std::process::id().to_string(), "--"]);
    command.arg(program).stdin(Stdio::null());
    Ok(command)
}

/// Prints a measured figure under the check's line.
pub(super) fn say(line: &str) {
    crate::screen::Screen::stdout().line(&format!("    {line}"));
}

/// Tries until it succeeds, and says how long that took.
///
/// # Errors
/// The last failure, when the time is over.
pub(super) fn eventually<T>(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok((value, begun.elapsed())),
            Err(e) if begun.elapsed() > limit => {
                return Err(e).with_context(|| format!("still so after {limit:?}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The frames of containers that a node's port security dropped.
///
/// # Errors
/// If netd does not answer, or has no such metric.
pub(super) fn drops(node: &Node) -> Result<u64> {
    Ok(drops_by_reason(node)?.values().sum())
}

/// The same by reason, of which each is there from the beginning.
///
/// # Errors
/// If netd does not answer, or has no such metric.
pub(super) fn drops_by_reason(node: &Node) -> Result<BTreeMap<String, u64>> {
    let text = metrics(node)?;
    let line = |l: &str| -> Option<Result<(String, u64)>> {
        let labelled = l.strip_prefix("flatnet_port_security_drops_total{reason=\"")?;
        let (reason, value) = labelled.split_once("\"} ")?;
        let value = value.trim().parse().with_context(|| l.to_owned());
        Some(value.map(|v| (reason.to_owned(), v)))
    };
    let reasons: BTreeMap<_, _> = text.lines().filter_map(line).collect::<Result<_>>()?;
    if reasons.is_empty() {
        bail!("drops are not among the metrics of {}", node.name);
    }
    Ok(reasons)
}

fn metrics(node: &Node) -> Result<String> {
    let (status, text) = crate::netd::get(&node.paths.netd_sock(), "/metrics")?;
    if status != 200 {
        bail!("netd of {} answers {status}: {text}", node.name);
    }
    Ok(text)
}

/// Nodes whose names begin so, in the plan's order.
///
/// # Errors
/// If there are fewer than two.
pub(super) fn pair(lab: &Lab, site: &str) -> Result<[Node; 2]> {
    let nodes = lab.nodes()?;
    let mut of_site = nodes.into_iter().filter(|n| {
        lab.plan()
            .host(&n.spec.node)
            .is_some_and(|h| h.site == site)
    });
    let two = of_site.next().zip(of_site.next());
    let (a, b) = two.with_context(|| format!("the lab has fewer than two nodes at site {site}"))?;
    Ok([a, b])
}

/// The MAC of an interface.
///
/// # Errors
/// If the member has no such interface.
pub(super) fn mac_of(member: &Member, interface: &str) -> Result<MacAddr> {
    // `/sys` is of the namespace that it was mounted in: `ip` asks the right one.
    let text = output(
        member
            .command("ip")
            .args(["-j", "link", "show", "dev", interface]),
    )?;
    let links: serde_json::Value = serde_json::from_str(&text)?;
    let mac = links[0]["address"].as_str().context("ip says no MAC")?;
    Ok(mac.parse()?)
}

/// The MAC by which the containers of a node are known on the wire where the network says
/// `mac: host`.
///
/// # Errors
/// If the node has no host port.
pub(super) fn wire_mac(node: &Node) -> Result<MacAddr> {
    mac_of(node, HOST_PORT)
}
