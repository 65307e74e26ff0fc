//! Changes that may or may not leave a plan sound: what the check passes, daemons must take.

use flatnet_plan::{NetworkPlan, parse, to_yaml};
use ipnetwork::IpNetwork;
use proptest::prelude::*;

/// What of a plan changes, where, to which prefix, and to which length.
pub(crate) type Change = (u8, usize, &'static str, u8);

/// None to two changes.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    let prefix = prop::sample::select(PREFIXES);
    prop::collection::vec((0_u8..8, any::<usize>(), prefix, 20_u8..=128), 0..3)
}

/// The text of a plan with changes made.
pub(crate) fn changed(text: &str, changes: &[Change]) -> String {
    let mut plan = parse(text).expect("the generator writes plans");
    for (what, pick, prefix, length) in changes {
        change(
            &mut plan,
            *what,
            *pick,
            prefix.parse().expect("a prefix"),
            *length,
        );
    }
    to_yaml(&plan).expect("YAML")
}

/// Prefixes that are at the edge of what can be: special ones, tiny ones, and good ones.
const PREFIXES: &[&str] = &[
    "0.0.0.0/16",
    "10.140.0.0/31",
    "10.140.0.0/32",
    "100.64.0.0/16",
    "100.127.255.0/24",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.17.0.0/16",
    "172.30.0.0/32",
    "172.30.0.0/31",
    "172.30.0.4/30",
    "172.31.0.0/16",
    "224.0.0.0/16",
    "239.255.0.0/16",
    "240.0.0.0/8",
    "255.255.255.0/24",
    "::/64",
    "::/127",
    "::ffff:10.0.0.0/112",
    "64:ff9b::/96",
    "fd77::/127",
    "fd77::/128",
    "fd77::/64",
    "fd30:1::/126",
    "fe80::/64",
    "fec0::/64",
    "ff02::/64",
    "2001:db8::/64",
];

/// One place of a plan that is given another prefix or length.
fn change(plan: &mut NetworkPlan, what: u8, pick: usize, prefix: IpNetwork, length: u8) {
    let spec = &mut plan.spec;
    let networks = spec.networks.len();
    let hosts = spec.hosts.len();
    match what {
        0 => spec.service_prefixes.push(prefix),
        1 => spec.networks[pick % networks].pools[0].prefix = prefix,
        2 => {
            // A pool, and what is cut of it.
            let network = &mut spec.networks[pick % networks];
            network.pools[0].prefix = prefix;
            network.pools[0].exclude.clear();
            network.pools[0].slice_length = Some(length);
            let name = network.name.clone();
            for group in &mut spec.host_groups {
                group.ranges.retain(|r| r.network != name);
            }
            for host in &mut spec.hosts {
                host.ranges.retain(|r| r.network != name);
            }
        }
        3 => {
            if let Some(range) = spec.hosts[pick % hosts].ranges.first_mut() {
                range.prefix = prefix;
            }
        }
        4 => {
            if let Some(range) = spec.hosts[pick % hosts].ranges.first_mut()
                && let Ok(other) = IpNetwork::new(range.prefix.network(), length)
            {
                range.prefix = other;
            }
        }
        5 => {
            let vlans = &mut spec.sites[0].vlans;
            let at = pick % vlans.len();
            if let Some(subnet) = vlans[at].subnets.first_mut() {
                subnet.gateway = prefix.network();
            }
        }
        6 => {
            let pool = &mut spec.networks[pick % networks].pools[0];
            pool.exclude.push(pool.prefix);
        }
        _ => {
            let vlans = &mut spec.sites[0].vlans;
            let at = pick % vlans.len();
            if let Some(subnet) = vlans[at].subnets.first_mut() {
                subnet.prefix = prefix;
            }
        }
    }
}
