//! What one container may have of the connections to services.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::suites::kit::container::Container;
use crate::suites::kit::forwarding::forwarding;
use crate::suites::kit::nat::{self, Rule, SERVICE_PORT};
use crate::suites::kit::udp::{Caller, Echo, call};
use crate::suites::kit::{eventually, output, pair};
use crate::{LabGuard, NetdArgs, Node, netd, netns};

const SERVICE: [&str; 2] = ["10.96.0.31", "fd10:96::31"];
const REFUSED: &str = "flatnet_port_security_drops_total{reason=\"service_share\"}";
const PORT: u16 = 8080;
/// A share that is soon used up.
const SHARE: usize = 48;
const CONTAINERS: usize = 3;
const TRIES: usize = 3;
const BYTES: usize = 24;
const READY: Duration = Duration::from_secs(15);
/// SYNs of a family that nobody answers.
const SYNS: usize = 16;
/// How long a caller waits whom nobody answers: it sends one SYN, and repeats none.
const GIVES_UP: Duration = Duration::from_millis(10);
/// For so many seconds netd has the datapath keep what a SYN began; the kernel has 120 by itself, the
/// userspace datapath 30.
const KEPT: u64 = 15;
/// The zone of what the host forwards.
const WAY_BACK: &str = "64000";
/// By when it is forgotten. The userspace datapath looks every 30 s for what its time has passed; on
/// the kernel's it would be there for longer than this without netd's time-outs.
const FORGOTTEN: Duration = Duration::from_secs(100);
/// An answer that comes at all comes sooner.
const LIMIT: Duration = Duration::from_secs(3);
/// Who waits for what must not come.
const IN_VAIN: Duration = Duration::from_millis(500);

/// netd with a share of its own, until what it returns is dropped.
fn share<'l>(lab: &'l LabGuard, node: &Node, connections: usize) -> Result<NetdArgs<'l>> {
    let connections = connections.to_string();
    let args = ["--service-connections", &connections];
    let set = NetdArgs::set(lab, &[&node.name], &args, READY)?;
    eventually(READY, || {
        let limits = output(node.appctl().arg("dpctl/ct-get-limits"))?;
        let here = limits.matches(&format!(",limit={connections},")).count();
        ensure!(here >= CONTAINERS, "{here} zones have the limit: {limits}");
        Ok(())
    })?;
    Ok(set)
}

/// The text of the problem of that name.
fn named(node: &Node) -> Result<Option<String>> {
    let (_, body) = netd::get(&node.paths.netd_sock(), "/v1/node")?;
    let view: Value = serde_json::from_str(&body)?;
    let problems = view["problems"].as_array().into_iter().flatten();
    let mut found = problems.filter(|p| p["code"] == "share-used-up");
    Ok(found.next().map(|p| p["text"].to_string()))
}

pub(super) fn used_up(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let [idc1, _] = pair(lab, "idc")?;
    let [vpc1, _] = pair(lab, "vpc")?;
    for (node, network) in [(&idc1, "web"), (&vpc1, "cloud")] {
        of_node(lab, node, network).with_context(|| node.name.clone())?;
    }
    half_open(lab, [(&idc1, "web"), (&vpc1, "cloud")])
}

/// SYNs that nobody answers hold their places for a short time: on all nodes at once, for most of it is
/// waiting.
fn half_open(lab: &LabGuard, nodes: [(&Node, &str); 2]) -> Result<()> {
    let mut held = Vec::new();
    for (node, network) in nodes {
        let container = Container::attach(lab, node, network, "dp-share-syn")?;
        // A SYN whose sender gave up before its first hop was resolved never left; on an emulated
        // machine those are many.
        let begin = || {
            knock(&container)?;
            let (begun, all) = (half_open_of(node, &container)?.len(), SERVICE.len() * SYNS);
            ensure!(begun >= all, "{begun} of {all} are there");
            Ok(())
        };
        eventually(READY, begin).with_context(|| node.name.clone())?;
        let zone = kept(node, &container).with_context(|| node.name.clone())?;
        held.push((node, container, zone));
    }
    for (node, _container, zone) in &held {
        let forgotten = || {
            let left = count(node, zone)?;
            ensure!(
                left == 0,
                "{left} half-open connections hold places in zone {zone}"
            );
            Ok(())
        };
        eventually(FORGOTTEN, forgotten).with_context(|| node.name.clone())?;
    }
    Ok(())
}

/// Sends SYNs to services that lead nowhere.
fn knock(container: &Container) -> Result<()> {
    for service in SERVICE {
        let at = SocketAddr::new(service.parse()?, SERVICE_PORT);
        for _ in 0..SYNS {
            let begun = || TcpStream::connect_timeout(&at, GIVES_UP);
            let answered = netns::enter(container.netns(), begun)?.is_ok();
            ensure!(!answered, "somebody answers at {at}");
        }
    }
    Ok(())
}

/// A container's connections to services, of its own zone: the zone of each, and for how many seconds it
/// is kept.
fn half_open_of(node: &Node, container: &Container) -> Result<Vec<(String, u64)>> {
    let dump = output(node.appctl().args(["dpctl/dump-conntrack", "-s"]))?;
    let own = container.ips().map(|ip| format!("orig=(src={ip},"));
    let field = |line: &str, name: &str| {
        let mut words = line.split([',', '(', ')']);
        let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.map(str::to_owned)
    };
    let to_service = |line: &&str| {
        SERVICE
            .iter()
            .any(|at| line.contains(&format!("dst={at},")))
    };
    let of_it = |line: &&str| own.iter().any(|own| line.contains(own.as_str()));
    let mut found = Vec::new();
    for line in dump.lines().filter(of_it).filter(to_service) {
        // A line without a zone is the host's own connection: the kernel has one table for both.
        // What the host sends on is in the zone of the way back, too.
        if let Some(zone) = field(line, "zone").filter(|zone| zone != WAY_BACK) {
            let left = field(line, "timeout").context("no time-out is told")?;
            found.push((zone, left.parse()?));
        }
    }
    Ok(found)
}

/// The zone of a container whose half-open connections are there, each for as long as netd says.
fn kept(node: &Node, container: &Container) -> Result<String> {
    let found = half_open_of(node, container)?;
    let longest = found.iter().map(|(_, left)| *left).max();
    ensure!(longest <= Some(KEPT), "kept for {longest:?} s");
    let (zone, _) = found.first().context("none is there any more")?;
    ensure!(
        count(node, zone)? >= found.len(),
        "the zone {zone} counts fewer"
    );
    Ok(zone.clone())
}

/// How many connections a zone has.
fn count(node: &Node, zone: &str) -> Result<usize> {
    let limits = output(node.appctl().arg("dpctl/ct-get-limits"))?;
    let of_it = |line: &str| {
        line.trim()
            .strip_prefix(&format!("zone={zone},"))
            .map(str::to_owned)
    };
    let line = limits.lines().find_map(of_it);
    let line = line.with_context(|| format!("zone {zone} has no limit: {limits}"))?;
    let (_, count) = line.rsplit_once("count=").context("no count")?;
    Ok(count.parse()?)
}

fn of_node(lab: &LabGuard, node: &Node, network: &str) -> Result<()> {
    let _forwarding = forwarding(node)?;
    let greedy = Container::attach(lab, node, network, "dp-share-a")?;
    let modest = Container::attach(lab, node, network, "dp-share-b")?;
    let server = Container::attach(lab, node, network, "dp-share-c")?;
    let _echo = Echo::start(server.netns(), PORT)?;
    let own = server.ips().map(|ip| SocketAddr::new(ip, PORT));
    let mut services = own;
    let mut rules = Vec::new();
    for (n, service) in SERVICE.iter().enumerate() {
        let service: IpAddr = service.parse()?;
        rules.push(Rule::add(node, service, own[n])?);
        services[n] = SocketAddr::new(service, SERVICE_PORT);
    }
    let share = share(lab, node, SHARE)?;
    let limited = || -> Result<()> {
        let all = [greedy.netns(), modest.netns()];
        // Connections that are there, of both families.
        let kept = services.map(|at| Caller::new(greedy.netns(), at));
        for caller in &kept {
            let caller = caller.as_ref().map_err(|e| anyhow::anyhow!("{e:#}"))?;
            caller.call(BYTES, LIMIT).context("before the flood")?;
        }
        for at in services {
            for _ in 0..SHARE {
                Caller::new(greedy.netns(), at)?.send()?;
            }
        }
        eventually(READY, || {
            let text = named(node)?.context("nobody names it")?;
            ensure!(text.contains("dp-share-a"), "{text}");
            ensure!(!text.contains("dp-share-b"), "{text}");
            Ok(())
        })?;
        for at in services {
            // By chance one has the port of one that is there.
            let served = || call(greedy.netns(), at, BYTES, IN_VAIN).is_ok();
            let all = (0..TRIES).all(|_| served());
            ensure!(!all, "more connections to {at} are served");
            call(modest.netns(), at, BYTES, LIMIT).context("another container's")?;
        }
        eventually(READY, || {
            let (_, metrics) = netd::get(&node.paths.netd_sock(), "/metrics")?;
            let refused = metrics.lines().find_map(|l| l.strip_prefix(REFUSED));
            let refused: u64 = refused.context("no such metric")?.trim().parse()?;
            ensure!(refused > 0, "nothing was counted as refused");
            Ok(())
        })?;
        for caller in kept.iter().flatten() {
            caller
                .call(BYTES, LIMIT)
                .context("a connection of before")?;
        }
        for (from, to) in all.into_iter().flat_map(|from| own.map(|to| (from, to))) {
            call(from, to, BYTES, LIMIT).context("past all services")?;
        }
        Ok(())
    };
    limited().with_context(|| format!("with {SHARE} connections for each container"))?;
    drop(share);
    eventually(READY, || {
        ensure!(named(node)?.is_none(), "it is still named");
        call(greedy.netns(), services[0], BYTES, IN_VAIN).context("with the usual share")
    })?;
    Ok(())
}
