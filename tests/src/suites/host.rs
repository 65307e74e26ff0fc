//! `host`: the host's kernel and disk. What netd repairs by itself, what it names, and what
//! `/readyz` says meanwhile. netd's sweep is switched off.
//!
//! The checks wait for what they want to see; how long it took is printed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flatnet_plan::node::Mode;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::kit::container::{Container, Wish};
use super::kit::{HOST_PORT, READY, eventually, nat, output, pair, say};
use super::{Check, Suite};
use crate::{LabGuard, NetdArgs, Node, ProcessId, netd};

pub(super) const SUITE: Suite = Suite {
    name: "host",
    about: "the host's kernel and disk: repaired, named, and ready means that packets pass",
    checks: &[
        Check {
            sentence: "netd is ready only while a frame of its own crosses the datapath",
            run: readiness_is_packets_that_pass,
        },
        Check {
            sentence: "each frame of the probe is a flow of its own in the datapath",
            run: no_cached_flow_answers,
        },
        Check {
            sentence: "addresses, routes, links and settings of netd's come back without the sweep",
            run: what_is_netds_comes_back_without_the_sweep,
        },
        Check {
            sentence: "what others set is named, and the command that is named with it repairs it",
            run: what_is_others_is_named_with_its_repair,
        },
        Check {
            sentence: "a cable that is out and a gateway that is silent are named",
            run: what_is_beyond_the_host_is_named,
        },
        Check {
            sentence: "a container with a smaller MTU moves no other's",
            run: a_container_with_a_smaller_mtu_moves_nobodys,
        },
        Check {
            sentence: "a store that was deleted is told of and put back",
            run: a_store_that_is_lost_is_told_of,
        },
    ],
};

/// How long until something is repaired or named: seconds at most, and a busy machine's more.
const SOON: Duration = Duration::from_secs(10);

/// A node whose netd sweeps never.
struct NodeWithoutSweep<'l> {
    _sweepless: NetdArgs<'l>,
    node: Node,
}

impl<'l> NodeWithoutSweep<'l> {
    fn start(lab: &'l LabGuard, node: Node) -> Result<Self> {
        let this = Self {
            _sweepless: NetdArgs::sweepless(lab, &[&node.name], READY)?,
            node,
        };
        // What its start had to do is done.
        eventually(READY, || {
            ensure!(this.problems()?.is_empty(), "{:?}", this.problems()?);
            Ok(())
        })?;
        Ok(this)
    }

    fn ready(&self) -> Result<bool> {
        Ok(netd::get(&self.node.paths.netd_sock(), "/readyz")?.0 == 200)
    }

    /// The problems on the board, by code: the command that repairs each.
    fn problems(&self) -> Result<Vec<(String, Option<String>)>> {
        let (_, body) = netd::get(&self.node.paths.netd_sock(), "/v1/node")?;
        let view: Value = serde_json::from_str(&body)?;
        let all = view["problems"].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().map(str::to_owned);
        Ok(all
            .iter()
            .filter_map(|p| Some((text(&p["code"])?, text(&p["repair"]))))
            .filter(|(code, _)| code != nat::LACKING)
            .collect())
    }

    /// Waits until a problem of the code is named, and gives the command that repairs it.
    fn named(&self, code: &str) -> Result<String> {
        let (repair, took) = eventually(SOON, || {
            let all = self.problems()?;
            let found = all.iter().find(|(c, _)| c == code);
            let (_, repair) = found.with_context(|| format!("{code} is not named: {all:?}"))?;
            Ok(repair.clone().unwrap_or_default())
        })?;
        say(&format!("{code} named after {} ms", took.as_millis()));
        Ok(repair)
    }

    fn over(&self, code: &str) -> Result<()> {
        eventually(SOON, || {
            let all = self.problems()?;
            ensure!(!all.iter().any(|(c, _)| c == code), "{code} is still named");
            Ok(())
        })
        .map(drop)
    }

    /// Waits until a gateway is named as silent, beside which the node stays ready.
    fn names_gateway(&self, gateway: IpAddr) -> Result<()> {
        let ((), took) = eventually(NEXT_ASKING, || {
            let (_, body) = netd::get(&self.node.paths.netd_sock(), "/v1/node")?;
            ensure!(
                body.contains(&format!("the host's gateway {gateway} does not answer")),
                "{gateway} is silent: {:?}",
                self.problems()?
            );
            ensure!(self.ready()?, "a silent router makes the node not ready");
            Ok(())
        })?;
        say(&format!(
            "{gateway} silent: named after {} ms",
            took.as_millis()
        ));
        Ok(())
    }

    /// Runs a command line on the node, as a person would.
    fn sh(&self, line: &str) -> Result<String> {
        output(self.node.command("sh").args(["-c", line]))
    }

    /// Breaks something by a command line and waits until another prints what it printed
    /// before.
    fn comes_back(&self, breaks: &str, shows: &str) -> Result<()> {
        let before = self.sh(shows)?;
        self.sh(breaks)?;
        let ((), took) = eventually(SOON, || {
            let now = self.sh(shows)?;
            ensure!(
                now == before,
                "`{breaks}`: `{shows}` says {now:?}, not {before:?}"
            );
            Ok(())
        })?;
        say(&format!(
            "`{breaks}`: repaired after {} ms",
            took.as_millis()
        ));
        Ok(())
    }

    /// Breaks something by a command line, and repairs it by the command that netd names.
    fn is_named_and_repaired(&self, breaks: &str, code: &str) -> Result<()> {
        self.sh(breaks)?;
        let repair = self.named(code).with_context(|| breaks.to_owned())?;
        ensure!(!repair.is_empty(), "{code}: no command");
        self.sh(&repair).with_context(|| format!("`{repair}`"))?;
        self.over(code).with_context(|| format!("`{repair}`"))
    }
}

fn nodes(lab: &LabGuard) -> Result<[Node; 2]> {
    let [idc, _] = pair(lab, "idc")?;
    let [vpc, _] = pair(lab, "vpc")?;
    Ok([idc, vpc])
}

/// The processor goes on and the tables are right, but no packet passes.
fn readiness_is_packets_that_pass(lab: &LabGuard) -> Result<()> {
    for node in nodes(lab)? {
        let node = NodeWithoutSweep::start(lab, node)?;
        let file = node.node.paths.vswitchd_pid();
        let switch = ProcessId::from_file(&file).context("ovs-vswitchd runs")?;
        let _goes_on = Continue(&switch);
        switch.signal(Signal::SIGSTOP)?;
        let (_, took) = eventually(SOON, || {
            ensure!(!node.ready()?, "ready, and nothing passes");
            Ok(())
        })?;
        say(&format!(
            "{}: not ready {} ms after ovs-vswitchd stopped",
            node.node.name,
            took.as_millis()
        ));
        switch.signal(Signal::SIGCONT)?;
        lab.wait_ready(&node.node.name, READY)?;
        // One end of the probe set down: repaired, and meanwhile not ready or never noticed.
        node.comes_back(
            "ip link set fnprobe1p down",
            "ip -br link show fnprobe1p | grep -c 'LOWER_UP'",
        )?;
        lab.wait_ready(&node.node.name, READY)?;
        node.comes_back(
            "ip link del fnprobe0",
            "ip -br link show type veth | grep -c '^fnprobe.*UP'",
        )?;
        lab.wait_ready(&node.node.name, READY)?;
    }
    Ok(())
}

/// Lets a stopped process go on when it is dropped.
struct Continue<'p>(&'p ProcessId);

impl Drop for Continue<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal(Signal::SIGCONT);
    }
}

/// The probe's source ports among the datapath's flows.
fn cached(node: &Node) -> Result<BTreeSet<String>> {
    let flows = output(node.appctl().arg("dpctl/dump-flows"))?;
    let of_probe = flows.lines().filter(|l| l.contains("192.0.0.13"));
    Ok(of_probe
        .filter_map(|l| l.split("udp(src=").nth(1)?.split([',', ')']).next())
        .map(str::to_owned)
        .collect())
}

fn no_cached_flow_answers(lab: &LabGuard) -> Result<()> {
    let [node, _] = nodes(lab)?;
    let first = cached(&node)?;
    let (more, _) = eventually(SOON, || {
        let now = cached(&node)?;
        let new: Vec<String> = now.difference(&first).cloned().collect();
        ensure!(new.len() >= 3, "datapath flows of the probe: {now:?}");
        Ok(new)
    })?;
    for port in &more {
        ensure!(
            port.parse::<u16>().is_ok(),
            "a flow that holds for more than one source port: {port}"
        );
    }
    say(&format!(
        "new flows with the source ports {}",
        more.join(" ")
    ));
    Ok(())
}

fn what_is_netds_comes_back_without_the_sweep(lab: &LabGuard) -> Result<()> {
    let [idc, vpc] = nodes(lab)?;
    let uplink = vpc.spec.uplink.to_string();
    for node in [idc, vpc] {
        let routed = node.spec.mode == Mode::Routed;
        let node = NodeWithoutSweep::start(lab, node)?;
        let routes = "ip route show proto 94; ip -6 route show proto 94";
        node.comes_back(
            "ip route flush proto 94; ip -6 route flush proto 94",
            routes,
        )?;
        let addresses =
            format!("ip -o addr show dev {HOST_PORT} scope global | awk '{{print $4}}' | sort");
        node.comes_back(
            &format!("ip addr flush dev {HOST_PORT} scope global"),
            &format!("{addresses}; {routes}"),
        )?;
        let link = format!("ip -br link show {HOST_PORT} | grep -c LOWER_UP");
        node.comes_back(&format!("ip link set {HOST_PORT} down"), &link)?;
        let mut settings = vec![
            (format!("net.ipv4.conf.{HOST_PORT}.arp_ignore"), "8"),
            (format!("net.ipv4.conf.{HOST_PORT}.rp_filter"), "1"),
            (format!("net.ipv4.conf.{HOST_PORT}.proxy_arp"), "1"),
            (format!("net.ipv6.conf.{HOST_PORT}.disable_ipv6"), "1"),
        ];
        if routed {
            settings.push(("net.ipv4.ip_forward".to_owned(), "0"));
            settings.push(("net.ipv6.conf.all.forwarding".to_owned(), "0"));
            settings.push((format!("net.ipv4.conf.{uplink}.forwarding"), "0"));
        }
        for (key, bad) in settings {
            node.comes_back(
                &format!("sysctl -qw {key}={bad}"),
                &format!("sysctl -n {key}"),
            )?;
        }
    }
    Ok(())
}

fn what_is_others_is_named_with_its_repair(lab: &LabGuard) -> Result<()> {
    let [idc, vpc] = nodes(lab)?;
    let container = Container::attach(lab, &idc, "web", "th-named")?;
    let node = NodeWithoutSweep::start(lab, vpc)?;
    node.is_named_and_repaired("sysctl -qw net.ipv4.conf.all.arp_ignore=8", "arp-ignore")?;
    node.is_named_and_repaired("sysctl -qw net.ipv4.conf.all.proxy_arp=1", "proxy-arp")?;
    let drops = "nft 'table ip guard { chain passing { type filter hook forward priority 0; policy \
                 drop; }; }'";
    let works = "nft 'table ip th-try { chain passing { type filter hook forward priority 0; }; }' && nft \
                 delete table ip th-try";
    if node.sh(works).is_ok() {
        node.is_named_and_repaired(drops, "forward-drop")?;
        node.sh("nft delete table ip guard")?;
    }
    if node.sh("iptables-legacy -S FORWARD").is_ok() {
        node.is_named_and_repaired("iptables-legacy -P FORWARD DROP", "forward-drop")?;
        node.sh("iptables-legacy -P FORWARD ACCEPT; iptables-legacy -F FORWARD")?;
    }
    let range = node.node.spec.networks[0].ranges[0].prefix;
    let family = if range.is_ipv6() { "-6" } else { "-4" };
    let diverts = format!(
        "ip {family} route add blackhole {range} table 77; ip {family} rule add to {range} lookup 77 \
         pref 77"
    );
    node.is_named_and_repaired(&diverts, "route-diverted")?;
    node.sh(&format!("ip {family} route flush table 77"))?;
    // What a DHCP client gave, and a link set down or a hand took.
    let uplink = node.node.spec.uplink.to_string();
    for address in node.node.spec.host_addresses.clone() {
        let takes = format!("ip address del {address} dev {uplink}");
        node.is_named_and_repaired(&takes, "host-address-missing")?;
    }
    for gateway in node.node.spec.host_gateways.clone() {
        let family = if gateway.is_ipv6() { "-6" } else { "-4" };
        // With an address of IPv4 its routes went.
        let takes = format!("ip {family} route del default || true");
        node.is_named_and_repaired(&takes, "default-route-missing")?;
    }
    drop(node);

    let node = NodeWithoutSweep::start(lab, idc)?;
    let gateway = node.node.spec.host_gateways.iter().find(|g| g.is_ipv4());
    if gateway.is_some() {
        let foreign = "ip route del default proto 94; ip link add th-nic type veth peer th-far; ip link \
                       set th-nic up; ip link set th-far up; ip route replace default dev th-nic proto 16";
        node.is_named_and_repaired(foreign, "foreign-default-route")?;
        node.sh("ip link del th-nic")?;
        let mut ranges = node.node.spec.networks.iter().flat_map(|n| &n.ranges);
        let range = ranges.find(|r| r.prefix.is_ipv4()).context("a range")?;
        let foreign = format!(
            "ip route replace {} via {} dev {HOST_PORT} proto 16",
            range.prefix,
            gateway.context("a gateway")?
        );
        node.is_named_and_repaired(&foreign, "foreign-route")?;
        ensure!(
            node.ready()?,
            "a default route of others makes the node not ready"
        );
    }
    container.check()
}

/// How long until a gateway that falls silent is named: it is asked for every ten seconds, and has
/// two to answer.
const NEXT_ASKING: Duration = Duration::from_secs(40);

/// Whether routers answer for these addresses: `on` or `off`.
fn silence(lab: &LabGuard, gateways: &[IpAddr], state: &str) -> Result<()> {
    for gateway in gateways {
        let (router, link) = lab
            .bearer(*gateway)?
            .with_context(|| format!("nobody bears {gateway}"))?;
        output(
            router
                .command("ip")
                .args(["link", "set", &link, "arp", state]),
        )?;
    }
    Ok(())
}

fn what_is_beyond_the_host_is_named(lab: &LabGuard) -> Result<()> {
    let [idc, vpc] = nodes(lab)?;
    let host = lab.plan().host(&idc.spec.node).context("the plan's host")?;
    let nic = host.uplink.nics.first();
    let nic = nic.map_or(&host.uplink.interface, |nic| &nic.interface);
    let far = lab.far_end(&idc.name, nic.as_str())?;
    let (switch, port) = far.context("the uplink has no cable")?;
    let cable = |state| output(switch.command("ip").args(["link", "set", &port, state]));
    let ways = [
        (&idc, HOST_PORT.to_owned()),
        (&vpc, vpc.spec.uplink.to_string()),
    ];
    for (node, dev) in ways {
        let node = NodeWithoutSweep::start(lab, node.clone())?;
        let gateways = node.node.spec.host_gateways.clone();
        silence(lab, &gateways, "off")?;
        for gateway in &gateways {
            node.sh(&format!("ip neighbour flush to {gateway} dev {dev}"))?;
        }
        let named = gateways.iter().try_for_each(|g| node.names_gateway(*g));
        silence(lab, &gateways, "on")?;
        named?;
        node.over("gateway-silent")?;
    }
    let node = NodeWithoutSweep::start(lab, idc)?;
    cable("down")?;
    let named = node.named("uplink-no-carrier");
    let ready = node.ready();
    cable("up")?;
    ensure!(named?.contains("ethtool"), "the command shows no carrier");
    ensure!(!ready?, "ready, and nothing leaves");
    node.over("uplink-no-carrier")?;
    lab.wait_ready(&node.node.name, READY)
        .context("after the cable is back")
        .map(drop)
}

fn a_store_that_is_lost_is_told_of(lab: &LabGuard) -> Result<()> {
    let [node, _] = nodes(lab)?;
    let container = Container::attach(lab, &node, "web", "th-store")?;
    let node = NodeWithoutSweep::start(lab, node)?;
    let store = node.node.paths.store().join("netd.redb");
    std::fs::remove_file(&store)?;
    let repair = node.named("store-lost")?;
    ensure!(!node.ready()?, "ready without a store");
    node.sh(&repair).with_context(|| repair.clone())?;
    lab.wait_ready(&node.node.name, READY)?;
    node.over("store-lost")?;
    container.check()
}

fn a_container_with_a_smaller_mtu_moves_nobodys(lab: &LabGuard) -> Result<()> {
    let [node, _] = nodes(lab)?;
    let node = NodeWithoutSweep::start(lab, node)?;
    let mtu = format!("ip -o link show {HOST_PORT} | grep -o 'mtu [0-9]*'");
    let before = node.sh(&mtu)?;
    let wish = Wish::conf("mtu", json!(1400));
    let small = Container::attach_as(lab, &node.node, "web", "th-mtu", &wish)?;
    // Whatever is set back and forth shows in the kernel's announcements.
    let watch = node.sh(&format!(
        "timeout 2 ip monitor link dev {HOST_PORT} | wc -l"
    ))?;
    let lines: usize = watch.trim().parse()?;
    ensure!(
        lines < 10,
        "{HOST_PORT} changed {lines} times in two seconds"
    );
    ensure!(node.sh(&mtu)? == before, "{HOST_PORT} has another MTU");
    let (_, body) = netd::get(&node.node.paths.netd_sock(), "/v1/node")?;
    if body.contains("\"quarrel\"") {
        bail!("netd quarrels: {body}");
    }
    small.check()
}
