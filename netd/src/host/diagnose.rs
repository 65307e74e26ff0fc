//! The problems that follow from the host's state. Pure.

use flatnet_kernel::netfilter::ForwardChain;
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use ipnetwork::IpNetwork;

use super::forward::{self, Direction};
use super::poll::{DivertedRoute, HostState, MissingConfig, forwards};
use super::sysctls::{ARP_IGNORE, BRIDGE_CALLS, CONNTRACK, CONNTRACK_MAX, PROXY_ARP, RP_FILTER};
use crate::problems::Problem;
use crate::reconcile::HOST_PORT;

/// Priorities of the kernel's own rules, for the tables local, main and default.
const KERNEL_RULES: [u32; 3] = [0, 32_766, 32_767];

/// The problems of the observed state.
pub fn diagnose(spec: &NodeSpec, userspace: bool, observed: &HostState) -> Vec<Problem> {
    let mut problems: Vec<Problem> = observed.store.iter().cloned().collect();
    problems.extend(sysctls(spec, userspace, observed));
    problems.extend(netfilter(spec, &observed.chains));
    problems.extend(
        observed
            .diverted
            .iter()
            .map(|path| diverted(path, observed)),
    );
    problems.extend(missing(spec, &observed.missing));
    problems.extend(network_problems(spec, observed));
    problems
}

fn sysctl_number(observed: &HostState, key: &str) -> Option<u64> {
    observed.sysctls.get(key)?.parse().ok()
}

/// The `sysctl -w` command that sets the key.
fn sysctl_command(key: &str, value: u32) -> String {
    format!("sysctl -w net.{}={value}", key.replace('/', "."))
}

fn sysctls(spec: &NodeSpec, userspace: bool, observed: &HostState) -> Vec<Problem> {
    let mut problems = Vec::new();
    // With 3 to 8 the host does not answer ARP for its port's addresses. The larger of `all` and
    // the link's own value applies (Documentation/networking/ip-sysctl.rst).
    if sysctl_number(observed, ARP_IGNORE).is_some_and(|v| v >= 3) {
        let text = format!(
            "net.ipv4.conf.all.arp_ignore is {}: the host answers no ARP request for its address \
             on {HOST_PORT}",
            sysctl_number(observed, ARP_IGNORE).unwrap_or_default()
        );
        problems.push(
            Problem::non_blocking("arp-ignore", text).repaired_by(sysctl_command(ARP_IGNORE, 0)),
        );
    }
    if sysctl_number(observed, PROXY_ARP).is_some_and(|v| v != 0) {
        let text = format!(
            "net.ipv4.conf.all.proxy_arp is on: by {HOST_PORT} the host answers ARP requests for \
             addresses that are others'"
        );
        problems.push(
            Problem::non_blocking("proxy-arp", text).repaired_by(sysctl_command(PROXY_ARP, 0)),
        );
    }
    if userspace && sysctl_number(observed, RP_FILTER) == Some(2) {
        let text = "net.ipv4.conf.all.rp_filter is 2: the host's stack takes in the copies of \
                    containers' frames that Open vSwitch's userspace datapath reads, past every flow";
        problems.push(
            Problem::non_blocking("rp-filter", text).repaired_by(sysctl_command(RP_FILTER, 0)),
        );
    }
    problems.extend(conntrack(spec, observed));
    problems.extend(bridge_calls(observed));
    problems
}

/// A problem from 80 % on: a full table drops the first packet of every connection, and with it
/// what Open vSwitch looks up for containers (ADR 28).
fn conntrack(spec: &NodeSpec, observed: &HostState) -> Option<Problem> {
    let (count, most) = (
        sysctl_number(observed, CONNTRACK)?,
        sysctl_number(observed, CONNTRACK_MAX)?,
    );
    let full = most > 0 && count.saturating_mul(5) >= most.saturating_mul(4);
    let looks_up = matches!(spec.mode, Mode::Vlan { .. });
    (full && (looks_up || forwards(spec))).then(|| {
        let text = format!(
            "the kernel tracks {count} of at most {most} connections: when the table is full, TCP and \
             UDP of this node's containers are dropped"
        );
        let more = u32::try_from(most.saturating_mul(2)).unwrap_or(u32::MAX);
        Problem::non_blocking("conntrack-full", text).repaired_by(sysctl_command(CONNTRACK_MAX, more))
    })
}

/// With these set, frames that a Linux bridge forwards pass netfilter's forward chains. Frames of
/// Open vSwitch's ports do not, so this only matters where the uplink is a Linux bridge.
fn bridge_calls(observed: &HostState) -> Option<Problem> {
    let uplink = observed.uplink.as_ref()?;
    if uplink.kind.as_deref() != Some("bridge") {
        return None;
    }
    let (key, family) = BRIDGE_CALLS
        .into_iter()
        .find(|(key, _)| sysctl_number(observed, key) == Some(1))?;
    let text = format!(
        "the uplink is a Linux bridge, and net.{} is on: netfilter's {family} chains see the \
         frames of containers a second time",
        key.replace('/', ".")
    );
    Some(Problem::non_blocking("bridge-netfilter", text).repaired_by(sysctl_command(key, 0)))
}

/// Chains that drop what this node forwards.
fn netfilter(spec: &NodeSpec, chains: &[ForwardChain]) -> Vec<Problem> {
    let ranges: Vec<IpNetwork> = spec
        .networks
        .iter()
        .flat_map(|n| &n.ranges)
        .map(|r| r.prefix)
        .collect();
    let uplink = spec.uplink.as_str();
    let (out, back) = match spec.mode {
        Mode::Routed => (uplink, uplink),
        // Services: packets enter and leave by the host's port.
        Mode::Vlan { .. } => (HOST_PORT, HOST_PORT),
    };
    let ways = [
        (
            "from containers",
            Direction {
                from: HOST_PORT,
                to: out,
            },
        ),
        (
            "to containers",
            Direction {
                from: back,
                to: HOST_PORT,
            },
        ),
    ];
    chains
        .iter()
        .filter_map(|chain| {
            let dropped: Vec<&str> = ways
                .iter()
                .filter(|(_, way)| forward::drops(chain, *way, &ranges))
                .map(|(words, _)| *words)
                .collect();
            (!dropped.is_empty()).then(|| forward::problem(chain, &dropped))
        })
        .collect()
}

/// Missing addresses and default routes.
fn missing(spec: &NodeSpec, missing: &MissingConfig) -> Vec<Problem> {
    let uplink = &spec.uplink;
    let family = |ipv6: bool| if ipv6 { ("IPv6", "-6 ") } else { ("IPv4", "") };
    let addresses = missing.addresses.iter().map(|address| {
        let text = format!(
            "the host does not bear its address {address}: nobody answers where other nodes and the \
             VPC's tables send packets for its containers. What configures {uplink} (a DHCP client, \
             systemd-networkd) is to give it; the command does it by hand"
        );
        Problem::non_blocking("host-address-missing", text)
            .repaired_by(format!("ip address add {address} dev {uplink}"))
    });
    let defaults = missing.defaults.iter().map(|gateway| {
        let (name, option) = family(gateway.is_ipv6());
        let text = format!(
            "the host has no default route of {name}: what its containers send beyond the node's subnet \
             is dropped. What configures {uplink} is to give it; the command does it by hand"
        );
        Problem::non_blocking("default-route-missing", text).repaired_by(format!(
            "ip {option}route replace default via {gateway} dev {uplink}"
        ))
    });
    addresses.chain(defaults).collect()
}

/// Problems of the network outside the host: no carrier, silent gateways.
fn network_problems(spec: &NodeSpec, observed: &HostState) -> Vec<Problem> {
    let uplink = &spec.uplink;
    if observed.uplink.as_ref().is_some_and(|u| !u.carrier) {
        let text = format!(
            "the uplink {uplink} has no carrier: nothing leaves this node; look at its cable and at the \
             port of the switch"
        );
        let command = format!("ip -d link show {uplink}; ethtool {uplink}");
        return vec![Problem::blocking("uplink-no-carrier", text).repaired_by(command)];
    }
    let dev = match spec.mode {
        Mode::Routed => uplink.as_str(),
        Mode::Vlan { .. } => HOST_PORT,
    };
    let silent = observed.silent.iter().map(|gateway| {
        let text = format!(
            "the host's gateway {gateway} does not answer on {dev}: what is sent beyond its subnet is \
             lost; look at the router, and at the VLANs of the switch's port"
        );
        Problem::non_blocking("gateway-silent", text)
            .repaired_by(format!("ip neighbour show {gateway}; ping -c 3 {gateway}"))
    });
    silent.collect()
}

/// The problem of a diverted prefix, with the policy rule that may be the cause.
fn diverted(path: &DivertedRoute, observed: &HostState) -> Problem {
    let mut text = format!(
        "packets to {} do not leave by {}: for {} the kernel finds {}",
        path.prefix, path.wanted, path.to, path.found
    );
    let cause = observed
        .rules
        .iter()
        .find(|r| r.ipv6 == path.to.is_ipv6() && !KERNEL_RULES.contains(&r.priority));
    match cause {
        Some(rule) => {
            text.push_str(&format!(
                "; a rule of priority {} comes before the main table",
                rule.priority
            ));
            let family = if rule.ipv6 { "-6 " } else { "" };
            Problem::non_blocking("route-diverted", text)
                .repaired_by(format!("ip {family}rule del pref {}", rule.priority))
        }
        None => Problem::non_blocking("route-diverted", text)
            .repaired_by(format!("ip route get {}", path.to)),
    }
}
