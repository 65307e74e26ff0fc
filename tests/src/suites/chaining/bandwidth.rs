//! `bandwidth`: a queue on the host's end for what the container receives, and a redirection
//! to an `ifb` device for what it sends.
//!
//! The host's end is a port of the bridge. What leaves by it passes its queue, whoever sends;
//! what comes in by it is the switch's: the kernel's datapath takes frames behind the
//! redirection, the userspace one reads copies from before it. So on a userspace datapath the
//! plugin limits one direction, and says nothing of it. (A socket whose buffer is smaller than
//! the plugin's queue is held back by that queue; the burst here is smaller than a buffer.)

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::chain::{Chained, list, on_node, plugin};
use crate::suites::kit::rate::{Way, limit, udp};
use crate::suites::kit::say;
use crate::suites::rig::{Pod, Rig, Snapshot};
use crate::{LabGuard, Node};

/// The same rate each way, in bits a second.
fn limits(rate: u32) -> Value {
    json!({"ingressRate": rate, "ingressBurst": 320_000,
           "egressRate": rate, "egressBurst": 320_000})
}

/// `tc qdisc` of a device: the kinds.
fn queues(node: &Node, device: &str) -> Result<Vec<String>> {
    let text = on_node(node, "tc", &["-j", "qdisc", "show", "dev", device])?;
    let all: Value = serde_json::from_str(&text)?;
    let kinds = all.as_array().into_iter().flatten();
    Ok(kinds
        .filter_map(|q| Some(q["kind"].as_str()?.to_owned()))
        .collect())
}

fn redirections(node: &Node) -> Result<Vec<String>> {
    let text = on_node(node, "ip", &["-j", "link", "show", "type", "ifb"])?;
    let links: Value = serde_json::from_str(&text).unwrap_or_default();
    let links = links.as_array().into_iter().flatten();
    Ok(links
        .filter_map(|l| Some(l["ifname"].as_str()?.to_owned()))
        .collect())
}

/// Bits a second to a container and from it, where three times the limit is offered.
fn both_ways(limited: &Chained, peer: &Pod, who: &str, limit: u32) -> Result<(f64, f64)> {
    let to = Way {
        from: peer.ns.path(),
        to: limited.ns.path(),
        at: limited.v4()?.into(),
    };
    let from = Way {
        from: limited.ns.path(),
        to: peer.ns.path(),
        at: peer.attached.address()?.parse()?,
    };
    let (received, sent) = (udp(to, 3 * limit)?, udp(from, 3 * limit)?);
    say(&format!(
        "{who}, {} Mbit/s: {:.1} Mbit/s to the container, {:.1} from it",
        limit / 1_000_000,
        received / 1e6,
        sent / 1e6
    ));
    Ok((received, sent))
}

pub(super) fn shapes(lab: &LabGuard) -> Result<()> {
    let node = lab.node("idc1")?;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let userspace = rig
        .vsctl(&["get", "bridge", "br-flat", "datapath_type"])?
        .trim()
        == "netdev";
    let peer = rig.attach("ch-bw-peer")?;

    // flatnet would limit as well if it were offered the capability.
    let behind = plugin(json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}))?;
    let mut by_plugin = list(&node, "web", &[behind])?;
    by_plugin.plugins[0].conf.remove("capabilities");
    let rate = limit(lab);
    let wish = [("bandwidth", limits(rate))];
    let mut limited = Chained::attach(lab, &node, by_plugin, "ch-bw-plugin", &wish)?;
    let host_end = limited.host_end()?.to_owned();
    let kinds = queues(&node, &host_end)?;
    ensure!(
        ["tbf", "ingress"]
            .iter()
            .all(|k| kinds.iter().any(|is| is == k)),
        "{host_end} has the queues {kinds:?}"
    );
    ensure!(redirections(&node)?.len() == 1, "there is no ifb device");
    let (received, sent) = both_ways(&limited, &peer, "the plugin", rate)?;
    let least = 0.6 * f64::from(rate);
    let most = 1.25 * f64::from(rate);
    let held = |seen: f64| (least..=most).contains(&seen);
    ensure!(held(received), "to the container: {received:.0} bit/s");
    ensure!(
        held(sent) != userspace,
        "from the container, with a userspace datapath {userspace}: {sent:.0} bit/s"
    );
    limited.check_flatnet(lab).context("CHECK of flatnet")?;
    limited.check().context("CHECK of the chain")?;
    limited.detach()?;
    ensure!(
        redirections(&node)?.is_empty(),
        "after the DEL there is {:?}",
        redirections(&node)?
    );

    // The documented way: flatnet's own, in both directions on either datapath.
    let own = list(&node, "web", &[])?;
    let mut limited = Chained::attach(lab, &node, own, "ch-bw-own", &wish)?;
    let (received, sent) = both_ways(&limited, &peer, "flatnet", rate)?;
    ensure!(
        held(received) && held(sent),
        "flatnet lets {received:.0} and {sent:.0} bit/s through"
    );
    limited.detach()?;
    drop(peer);
    rig.same_as(&before)
}
