//! One look at the host. Nothing is changed and nothing written.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use flatnet_kernel::netfilter::{ForwardChain, ForwardFilters};
use flatnet_kernel::{Kernel, Link, RouteKind, RouteLookup, Rule, SysctlKey, TABLE_MAIN};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use tokio::time::Instant;

use super::Host;
use super::diagnose::sysctls_to_read;
use super::gateway::GatewayMonitor;
use super::store::StateQuery;
use crate::node_ops::NodeOpsError;
use crate::problems::Problem;
use crate::reconcile::{HOST_PORT, ReconcileOps};

/// Prefixes of other nodes whose way is looked up.
const PEERS_MAX: usize = 2;

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// Sysctls by key, those that are there.
    pub sysctls: BTreeMap<String, String>,
    /// The chains at netfilter's forward hook, where this node forwards.
    pub chains: Vec<ForwardChain>,
    /// Ways that lead elsewhere.
    pub diverted: Vec<DivertedRoute>,
    /// The rules that choose a routing table, where a way leads elsewhere.
    pub rules: Vec<Rule>,
    /// The uplink, where it is there.
    pub uplink: Option<Uplink>,
    /// The host's gateways that do not answer.
    pub silent: Vec<IpAddr>,
    /// What the host itself lacks, where it is its containers' way (mode `routed`).
    pub missing: MissingConfig,
    /// What is wrong with the store, if anything is.
    pub store: Option<Problem>,
}

/// What is the host's own, is configured by others than netd (a DHCP client, the distribution), and
/// is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingConfig {
    /// Addresses that the plan says it has.
    pub addresses: Vec<IpNetwork>,
    /// Gateways of families that have no default route.
    pub defaults: Vec<IpAddr>,
}

/// What the uplink is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uplink {
    /// Its driver's kind: `bond`, `bridge`, `vlan`; `None` for a physical one.
    pub kind: Option<String>,
    /// Whether it has a carrier; a driver that does not tell has one.
    pub carrier: bool,
}

/// A way that the kernel chooses and that is not the plan's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DivertedRoute {
    /// An address of the prefix.
    pub to: IpAddr,
    /// Destination prefix of the route that the plan wants.
    pub prefix: IpNetwork,
    /// The link by which it is to leave.
    pub wanted: String,
    /// What the kernel says instead.
    pub found: String,
}

impl HostState {
    /// Whether a sysctl that is there is not as wanted.
    pub(super) fn differs(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted
            .iter()
            .any(|(key, value)| self.sysctls.get(key).is_some_and(|is| is != value))
    }
}

/// What nftables said at its last generation.
#[derive(Debug, Default)]
struct Netfilter {
    generation: Option<u32>,
    chains: Vec<ForwardChain>,
}

/// Ways are looked up when an event says so, and at every tenth look: routes and rules have
/// events, and most of a look's cost is theirs.
const ROUTES_EVERY: u32 = 10;

/// A route of netd's that somebody deleted is back by then: only what lasts is named.
const REPAIR_GRACE: Duration = Duration::from_millis(600);

/// What is kept from one look to the next.
#[derive(Debug, Default)]
pub(super) struct PollState {
    netfilter: Netfilter,
    polls: u32,
    diverted: Vec<DivertedRoute>,
    missing: MissingConfig,
    /// Since when each prefix is led astray.
    since: BTreeMap<IpNetwork, Instant>,
    rules: Vec<Rule>,
    uplink: Option<Uplink>,
    gateways: GatewayMonitor,
    store: StateQuery,
}

/// Looks; `woken` says that an event asked for it.
pub(super) async fn poll<N: ReconcileOps>(
    host: &Host<N>,
    wanted: &BTreeMap<String, String>,
    previous: &mut PollState,
    woken: bool,
) -> Result<HostState, NodeOpsError> {
    let spec = host.engine.spec();
    let kernel = &host.kernel;
    let mut observed = HostState::default();

    let names: Vec<String> = wanted.keys().cloned().chain(sysctls_to_read()).collect();
    let keys = names.iter().map(|k| SysctlKey::new(k));
    let values = kernel.sysctls(keys.collect::<Result<_, _>>()?).await?;
    observed.sysctls = names
        .into_iter()
        .zip(values)
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();

    if forwards(&spec) {
        observed.chains = previous.netfilter.read(host).await?;
    }
    // What leads astray is looked at until it does not.
    let wrong = !previous.diverted.is_empty()
        || previous.missing != MissingConfig::default()
        || previous.gateways.any_unanswered();
    if woken || wrong || previous.polls.is_multiple_of(ROUTES_EVERY) {
        let uplink = kernel.link(&spec.uplink).await?;
        previous.uplink = uplink.as_ref().map(Uplink::of);
        gateways(host, &spec, uplink.as_ref(), &mut previous.gateways).await?;
        previous.diverted = match host.engine.ports() {
            Ok(_) => diverted(host, &spec).await?,
            Err(_) => Vec::new(),
        };
        previous.missing = missing(kernel, &spec).await?;
        previous.rules = match previous.diverted.is_empty() {
            true => Vec::new(),
            false => kernel.rules().await?,
        };
    }
    previous.polls = previous.polls.wrapping_add(1);
    observed.uplink.clone_from(&previous.uplink);
    let now = Instant::now();
    let since = |path: &DivertedRoute| previous.since.get(&path.prefix).copied().unwrap_or(now);
    previous.since = previous
        .diverted
        .iter()
        .map(|p| (p.prefix, since(p)))
        .collect();
    let lasts = |path: &&DivertedRoute| now >= previous.since[&path.prefix] + REPAIR_GRACE;
    observed.diverted = previous.diverted.iter().filter(lasts).cloned().collect();
    observed.rules.clone_from(&previous.rules);
    observed.missing.clone_from(&previous.missing);
    observed.silent = previous.gateways.silent(now);
    let store = host.store.clone();
    let state = previous.store.state(move || store.state()).await;
    observed.store = host.store.problem(&state);
    Ok(observed)
}

/// Asks for the host's gateways where the host lives: on the uplink, or on its port of the bridge.
async fn gateways<N: ReconcileOps>(
    host: &Host<N>,
    spec: &NodeSpec,
    uplink: Option<&Link>,
    gateways: &mut GatewayMonitor,
) -> Result<(), NodeOpsError> {
    let carrier = uplink.filter(|link| Uplink::of(link).carrier);
    let port = match (spec.mode, IfName::new(HOST_PORT)) {
        (Mode::Vlan { .. }, Ok(name)) if host.engine.ports().is_ok() => {
            host.kernel.link(&name).await?
        }
        _ => None,
    };
    let link = match spec.mode {
        Mode::Routed => carrier,
        Mode::Vlan { .. } => carrier.and(port.as_ref()),
    };
    match link {
        Some(link) => gateways.ask(&host.kernel, spec, link).await,
        None => {
            gateways.forget();
            Ok(())
        }
    }
}

impl Uplink {
    fn of(link: &Link) -> Self {
        Self {
            kind: link.kind.clone(),
            carrier: link.has_carrier(),
        }
    }
}

/// Whether the host forwards for its containers: as their gateway, or to services.
pub(super) fn forwards(spec: &NodeSpec) -> bool {
    spec.mode == Mode::Routed || !spec.service_prefixes.is_empty()
}

impl Netfilter {
    async fn read<N: ReconcileOps>(
        &mut self,
        host: &Host<N>,
    ) -> Result<Vec<ForwardChain>, NodeOpsError> {
        let ForwardFilters { generation, legacy } = host.kernel.forward_filters().await?;
        if generation != self.generation {
            self.chains = match generation {
                Some(_) => host.kernel.nftables_forward().await?,
                None => Vec::new(),
            };
            self.generation = generation;
        }
        let mut chains = self.chains.clone();
        chains.extend(legacy);
        Ok(chains)
    }
}

/// Addresses of nobody (RFC 5737, RFC 3849): only a default route leads there.
const DOCUMENTATION_ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// What is the host's own and is not there. In mode `vlan` netd gives it itself.
async fn missing(kernel: &Kernel, spec: &NodeSpec) -> Result<MissingConfig, NodeOpsError> {
    let mut missing = MissingConfig::default();
    if spec.mode != Mode::Routed {
        return Ok(missing);
    }
    for address in &spec.host_addresses {
        match kernel.route_to(address.ip(), None, None).await? {
            RouteLookup::Found(route) if route.kind == RouteKind::Local => {}
            _ => missing.addresses.push(*address),
        }
    }
    let has_range = |ipv6: bool| {
        let mut ranges = spec.networks.iter().flat_map(|n| &n.ranges);
        ranges.any(|r| r.prefix.is_ipv6() == ipv6)
    };
    for beyond in DOCUMENTATION_ADDRESSES {
        let same = |g: &&IpAddr| g.is_ipv6() == beyond.is_ipv6();
        let gateway = spec.host_gateways.iter().find(same);
        let Some(gateway) = gateway.filter(|g| has_range(g.is_ipv6())) else {
            continue;
        };
        if let RouteLookup::Refused { .. } = kernel.route_to(beyond, None, None).await? {
            missing.defaults.push(*gateway);
        }
    }
    Ok(missing)
}

/// The ways that the plan wants, and where they lead if elsewhere.
async fn diverted<N: ReconcileOps>(
    host: &Host<N>,
    spec: &NodeSpec,
) -> Result<Vec<DivertedRoute>, NodeOpsError> {
    let Ok(host_port) = IfName::new(HOST_PORT) else {
        return Ok(Vec::new());
    };
    let ranges = spec.networks.iter().flat_map(|n| &n.ranges).map(|range| {
        let own =
            |ip: &IpAddr| *ip == range.gateway || spec.host_addresses.iter().any(|a| a.ip() == *ip);
        let to = range.prefix.iter().skip(1).take(4).find(|ip| !own(ip));
        (to, range.prefix, &host_port)
    });
    let peers = spec.peers.iter().take(PEERS_MAX).map(|peer| {
        let to = peer.prefix.iter().nth(1);
        (to, peer.prefix, &spec.uplink)
    });
    let mut diverted = Vec::new();
    for (to, prefix, wanted) in ranges.chain(peers) {
        let Some(to) = to else { continue };
        let found = match host.kernel.route_to(to, None, None).await? {
            RouteLookup::Refused { reason } => reason,
            RouteLookup::Found(route) if route.kind == RouteKind::Unicast => {
                let index = route.nexthops.first().and_then(|hop| hop.ifindex);
                let dev = host.kernel.link(wanted).await?;
                // A wider route of the main table is found only while netd's own is missing, which
                // netd puts back: nobody has diverted anything.
                let missing = route.table == TABLE_MAIN && route.dst.prefix() < prefix.prefix();
                if missing || (index.is_some() && index == dev.map(|d| d.ifindex)) {
                    continue;
                }
                format!("route {} of table {}", route.dst, route.table)
            }
            RouteLookup::Found(route) => format!("{:?}", route.kind).to_lowercase(),
        };
        diverted.push(DivertedRoute {
            to,
            prefix,
            wanted: wanted.to_string(),
            found,
        });
    }
    Ok(diverted)
}
