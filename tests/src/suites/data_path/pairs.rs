//! Two containers that speak directly, and each with a service that the other one is behind.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::forwarding::forwarding;
use crate::suites::kit::losses::Losses;
use crate::suites::kit::nat::{self, Rule, SERVICE_PORT};
use crate::suites::kit::pair;
use crate::suites::kit::sysctls::Sysctls;
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::udp::{Echo, call};
use crate::suites::kit::wire::Capture;
use crate::{Datapath, LabGuard, Node};

/// Services that lead to the first and to the second container, in the lab's service prefixes.
const SERVICES: [[&str; 2]; 2] = [["10.96.0.21", "10.96.0.22"], ["fd10:96::21", "fd10:96::22"]];
const PORT: u16 = 8080;
/// Where they speak TCP directly. At the service's own port a new connection may, by chance, have the
/// port of one that ended a moment ago by the service: the server's kernel, which still has it in
/// TIME_WAIT, takes the new one's time stamps for old ones and answers for the ended one (RFC 7323 §5),
/// and the caller tries again after a second. That is no matter of the way there.
const TCP_PORT: u16 = 8081;
/// First answers by UDP, for each pair, family and direction; a quarter as many by TCP.
const CALLS: usize = 80;
/// One in so many datagrams is in fragments, and one a full frame.
const LARGE_EVERY: usize = 4;
const SMALL: usize = 24;
const FULL: usize = 1400;
const FRAGMENTED: usize = 5000;
/// An answer that comes at all comes sooner, also on an emulated machine with other work: there the
/// switch was seen to wait 2.3 s for a processor. What was lost is counted, not timed.
const LIMIT: Duration = Duration::from_secs(30);

/// Linux gives up a datagram whose sender had more than 64 other fragments put together since its last
/// one (`ipfrag_max_dist`). An emulated switch may take that long for a first fragment; 0 is no limit.
const PATIENT: [(&str, &str); 1] = [("ipv4/ipfrag_max_dist", "0")];

/// One side of a pair.
struct Side<'a> {
    node: &'a Node,
    container: Container,
    _servers: (Echo, [Greeter; 2]),
}

impl<'a> Side<'a> {
    fn attach(lab: &LabGuard, node: &'a Node, network: &str, id: &str) -> Result<Self> {
        let container = Container::attach(lab, node, network, id)?;
        let servers = (
            Echo::start(container.netns(), PORT)?,
            [
                Greeter::start(container.netns(), PORT)?,
                Greeter::start(container.netns(), TCP_PORT)?,
            ],
        );
        container.settle()?;
        Ok(Self {
            node,
            container,
            _servers: servers,
        })
    }
}

/// What comes to a container from the port that only a service's answers come from, and from who
/// answers instead of the service: a reset ends it, and the caller's kernel tries again, unseen.
struct Astray(Capture);

impl Astray {
    fn watch(side: &Side<'_>, from: IpAddr) -> Result<Self> {
        let filter = format!("src host {from} and tcp src port {PORT}");
        let netns = side.container.netns();
        Capture::taken(side.container.id(), netns, IFNAME, &filter).map(Self)
    }

    fn none(self) -> Result<()> {
        let seen = self.0.finish()?;
        let many = seen.frames.len();
        ensure!(
            many == 0,
            "{many} answers came to {} past the service",
            seen.place
        );
        Ok(())
    }
}

fn size(call: usize) -> usize {
    match call % LARGE_EVERY {
        1 => FULL,
        3 => FRAGMENTED,
        _ => SMALL,
    }
}

/// Each call is from a new port: its first answer counts.
fn calls(from: &Path, service: SocketAddr) -> Result<()> {
    for n in 0..CALLS {
        call(from, service, size(n), LIMIT).with_context(|| format!("UDP call {n}"))?;
        if n % 4 == 0 {
            ask(from, service, LIMIT).with_context(|| format!("TCP call {n}"))?;
        }
    }
    Ok(())
}

/// What the switch's cache holds of the pair is used without a pause meanwhile.
fn directly(from: &Path, to: SocketAddr, done: &AtomicBool) -> Result<()> {
    for n in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        call(from, to, size(n), LIMIT).context("directly")?;
        if n % 4 == 0 {
            let to = SocketAddr::new(to.ip(), TCP_PORT);
            ask(from, to, LIMIT).context("directly, by TCP")?;
        }
    }
    Ok(())
}

/// Both use the other's service, and speak directly, all at once.
fn at_once(sides: &[Side<'_>; 2], services: [SocketAddr; 2], own: [SocketAddr; 2]) -> Result<()> {
    let done = AtomicBool::new(false);
    let done = &done;
    let [a, b] = sides.each_ref().map(|s| s.container.netns());
    std::thread::scope(|scope| {
        let direct = [(a, own[1]), (b, own[0])]
            .map(|(from, to)| scope.spawn(move || directly(from, to, done)));
        let by_service = [(a, services[1]), (b, services[0])]
            .map(|(from, at)| scope.spawn(move || calls(from, at)));
        let by_service = by_service.map(|t| joined(t).context("by the service"));
        done.store(true, Ordering::Relaxed);
        let direct = direct.map(joined);
        by_service.into_iter().chain(direct).collect()
    })
}

fn joined(thread: std::thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    match thread.join() {
        Ok(done) => done,
        Err(_) => bail!("a caller panicked"),
    }
}

fn each<'n>(
    nodes: [&'n Node; 4],
    set: impl Fn(&'n Node) -> Result<Sysctls<'n>>,
) -> Result<Vec<Sysctls<'n>>> {
    nodes.into_iter().map(set).collect()
}

pub(super) fn first_answers(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, vpc2] = pair(lab, "vpc")?;
    let nodes = [&idc1, &idc2, &vpc1, &vpc2];
    let _forwarding = each(nodes, forwarding)?;
    let _patient = match lab.datapath() {
        Datapath::User => Vec::new(),
        Datapath::Kernel => each(nodes, |node| Sysctls::set(node, &PATIENT))?,
    };
    for (place, nodes, network) in [
        ("one node", [&idc1, &idc1], "web"),
        ("two nodes", [&idc1, &idc2], "web"),
        ("one node, routed", [&vpc1, &vpc1], "cloud"),
        ("two nodes, routed", [&vpc1, &vpc2], "cloud"),
    ] {
        let sides = [
            Side::attach(lab, nodes[0], network, "dp-pair-a")?,
            Side::attach(lab, nodes[1], network, "dp-pair-b")?,
        ];
        for (family, services) in SERVICES.iter().enumerate() {
            let own = sides.each_ref().map(|s| s.container.ips()[family]);
            let own = own.map(|ip| SocketAddr::new(ip, PORT));
            let mut at = own;
            let mut rules = Vec::new();
            for (n, service) in services.iter().enumerate() {
                let service: IpAddr = service.parse()?;
                // kube-proxy has every service on every node; here who asks is on the other side.
                rules.push(Rule::add(sides[1 - n].node, service, own[n])?);
                at[n] = SocketAddr::new(service, SERVICE_PORT);
            }
            let hosts = nodes.map(|n| n.netns_path());
            let containers = sides.each_ref().map(|s| s.container.netns());
            let all = hosts.iter().map(PathBuf::as_path).chain(containers);
            let losses = Losses::watch(all)?;
            let astray = [0, 1].map(|n| Astray::watch(&sides[n], own[1 - n].ip()));
            at_once(&sides, at, own)
                .and_then(|()| astray.into_iter().try_for_each(|seen| seen?.none()))
                .with_context(|| {
                    format!("{place}, {} and {}: {}", own[0], own[1], losses.grew())
                })?;
        }
    }
    Ok(())
}
