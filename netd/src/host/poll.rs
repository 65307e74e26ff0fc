//! Reads the host's state. Changes and writes nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use flatnet_kernel::netfilter::{ForwardChain, ForwardFilters};
use flatnet_kernel::{Kernel, Link, RouteKind, RouteLookup, Rule, SysctlKey, TABLE_MAIN};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use ipnetwork::IpNetwork;
use tokio::time::Instant;

use super::Host;
use super::gateway::GatewayMonitor;
use super::store::StateQuery;
use super::sysctls::sysctls_to_read;
use crate::node_ops::NodeOpsError;
use crate::problems::Problem;
use crate::reconcile::{HOST_LINK, ReconcileOps};

/// How many prefixes of other nodes are looked up in the routing table.
const PEERS_MAX: usize = 2;

/// The observed state of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// Existing sysctls, by key.
    pub sysctls: BTreeMap<String, String>,
    /// The chains at netfilter's forward hook; empty where this node does not forward.
    pub chains: Vec<ForwardChain>,
    /// Prefixes that the kernel routes elsewhere than planned.
    pub diverted: Vec<DivertedRoute>,
    /// The policy rules; read only where a prefix is diverted.
    pub rules: Vec<Rule>,
    /// The uplink; `None` if the link does not exist.
    pub uplink: Option<Uplink>,
    /// The host's gateways that do not answer ARP or neighbour discovery.
    pub silent: Vec<IpAddr>,
    /// Missing configuration of the host (mode `routed`).
    pub missing: MissingConfig,
    /// The problem of the store; `None` if it is healthy.
    pub store: Option<Problem>,
}

/// Configuration of the host that others than netd set (a DHCP client, the distribution) and that
/// is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingConfig {
    /// Addresses of the host that the plan declares.
    pub addresses: Vec<IpNetwork>,
    /// Gateways of families that have no default route.
    pub defaults: Vec<IpAddr>,
}

/// Observed properties of the uplink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uplink {
    /// Its driver's kind: `bond`, `bridge`, `vlan`; `None` for a physical one.
    pub kind: Option<String>,
    /// Whether it has a carrier; `true` for a driver that does not report it.
    pub carrier: bool,
}

/// A prefix that the kernel routes elsewhere than planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DivertedRoute {
    /// The address of the prefix that was looked up.
    pub to: IpAddr,
    /// Destination prefix of the route that the plan wants.
    pub prefix: IpNetwork,
    /// The link by which packets should leave.
    pub wanted: String,
    /// The kernel's answer, as text.
    pub found: String,
}

impl HostState {
    /// Whether an existing sysctl differs from its wanted value.
    pub(super) fn differs(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted
            .iter()
            .any(|(key, value)| self.sysctls.get(key).is_some_and(|is| is != value))
    }
}

/// The forward chains of nftables, cached by the generation of its ruleset.
#[derive(Debug, Default)]
struct Netfilter {
    ruleset_generation: Option<u32>,
    chains: Vec<ForwardChain>,
}

/// Routes are looked up when an event asks for it, and at every tenth poll: routes and rules have
/// events, and the look-ups are most of a poll's cost.
const ROUTES_EVERY: u32 = 10;

/// How long a diverted prefix is not reported: a deleted route of netd's is repaired within this
/// time.
const REPAIR_GRACE: Duration = Duration::from_millis(600);

/// State kept between polls.
#[derive(Debug, Default)]
pub(super) struct PollState {
    netfilter: Netfilter,
    polls: u32,
    diverted: Vec<DivertedRoute>,
    missing: MissingConfig,
    /// When each prefix was first found diverted.
    since: BTreeMap<IpNetwork, Instant>,
    rules: Vec<Rule>,
    uplink: Option<Uplink>,
    gateways: GatewayMonitor,
    store: StateQuery,
}

/// Polls the host. `by_event`: an event asked for it.
pub(super) async fn poll<N: ReconcileOps>(
    host: &Host<N>,
    wanted: &BTreeMap<String, String>,
    previous: &mut PollState,
    by_event: bool,
) -> Result<HostState, NodeOpsError> {
    let spec = host.state.spec();
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
    // While something is wrong, every poll looks the routes up.
    let wrong = !previous.diverted.is_empty()
        || previous.missing != MissingConfig::default()
        || previous.gateways.any_unanswered();
    if by_event || wrong || previous.polls.is_multiple_of(ROUTES_EVERY) {
        let uplink = kernel.link(&spec.uplink).await?;
        previous.uplink = uplink.as_ref().map(Uplink::of);
        gateways(host, &spec, uplink.as_ref(), &mut previous.gateways).await?;
        previous.diverted = match host.state.ports() {
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

/// Checks the host's gateways on the link that has the host's addresses: the uplink, or the host's
/// port of the bridge.
async fn gateways<N: ReconcileOps>(
    host: &Host<N>,
    spec: &NodeSpec,
    uplink: Option<&Link>,
    gateways: &mut GatewayMonitor,
) -> Result<(), NodeOpsError> {
    let carrier = uplink.filter(|link| Uplink::of(link).carrier);
    let port = match spec.mode {
        Mode::Vlan { .. } if host.state.ports().is_ok() => host.kernel.link(&HOST_LINK).await?,
        _ => None,
    };
    let link = match spec.mode {
        Mode::Routed => carrier,
        Mode::Vlan { .. } => carrier.and(port.as_ref()),
    };
    match link {
        Some(link) => gateways.check(&host.kernel, spec, link).await,
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

/// Whether the host forwards for its containers, as their gateway or to services.
pub(super) fn forwards(spec: &NodeSpec) -> bool {
    spec.mode == Mode::Routed || !spec.service_prefixes.is_empty()
}

impl Netfilter {
    async fn read<N: ReconcileOps>(
        &mut self,
        host: &Host<N>,
    ) -> Result<Vec<ForwardChain>, NodeOpsError> {
        let ForwardFilters { generation, legacy } = host.kernel.forward_filters().await?;
        if generation != self.ruleset_generation {
            self.chains = match generation {
                Some(_) => host.kernel.nftables_forward().await?,
                None => Vec::new(),
            };
            self.ruleset_generation = generation;
        }
        let mut chains = self.chains.clone();
        chains.extend(legacy);
        Ok(chains)
    }
}

/// Documentation addresses (RFC 5737, RFC 3849): only a default route matches them.
const DOCUMENTATION_ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Missing configuration of the host. Empty in mode `vlan`, where netd sets it itself.
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

/// Looks up the node's ranges and some peers' prefixes; returns those that leave by another link
/// than planned.
async fn diverted<N: ReconcileOps>(
    host: &Host<N>,
    spec: &NodeSpec,
) -> Result<Vec<DivertedRoute>, NodeOpsError> {
    let host_port = HOST_LINK;
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
                // A shorter prefix of the main table matches only while netd's own route is
                // missing, which the reconciler repairs.
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
