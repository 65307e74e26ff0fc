//! What zebra says: which static routes are in force (`show ip route static json`), and which
//! networks the router is connected to (`show ip route connected json`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

use crate::model::Prefix;

/// What to ask zebra, by family.
pub(super) const QUESTIONS: [&str; 2] =
    ["show ip route static json", "show ipv6 route static json"];

/// What to ask zebra for connected networks, by family.
pub(super) const CONNECTED: [&str; 2] = [
    "show ip route connected json",
    "show ipv6 route connected json",
];

/// The static routes that zebra chose and the kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rib(BTreeMap<Prefix, BTreeSet<IpAddr>>);

#[derive(Deserialize)]
struct Route {
    #[serde(default)]
    selected: bool,
    #[serde(default)]
    installed: bool,
    #[serde(default)]
    nexthops: Vec<Hop>,
}

/// `fib`: it is in the kernel's route; `recursive`: what it was resolved to is.
#[derive(Deserialize)]
struct Hop {
    ip: Option<IpAddr>,
    #[serde(default, rename = "interfaceName")]
    interface: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    fib: bool,
    #[serde(default)]
    recursive: bool,
}

/// The networks of one answer that the router is connected to, each with its interface; a
/// link's own addresses are no destination of packets that pass through.
///
/// # Errors
/// It is not JSON of that form.
pub(super) fn connected(json: &str) -> Result<BTreeMap<Prefix, String>, serde_json::Error> {
    let routes: BTreeMap<Prefix, Vec<Route>> = serde_json::from_str(json)?;
    let passing = routes.into_iter().filter(|(p, _)| !is_link_local(*p));
    let found = passing.filter_map(|(destination, routes)| {
        let route = routes.into_iter().find(|r| r.selected && r.installed)?;
        let interface = route.nexthops.into_iter().find_map(|h| h.interface)?;
        Some((destination, interface))
    });
    Ok(found.collect())
}

fn is_link_local(prefix: Prefix) -> bool {
    match prefix.network().ip() {
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
        IpAddr::V4(ip) => ip.is_link_local(),
    }
}

impl Rib {
    /// Adds the routes of one answer.
    ///
    /// # Errors
    /// It is not JSON of that form.
    pub(super) fn add(&mut self, json: &str) -> Result<(), serde_json::Error> {
        let routes: BTreeMap<Prefix, Vec<Route>> = serde_json::from_str(json)?;
        for (destination, routes) in routes {
            // Only the one with the best distance is in force; another protocol's may beat all.
            let in_force = routes.into_iter().filter(|r| r.selected && r.installed);
            for route in in_force {
                let hops = route.nexthops.into_iter();
                let carries = hops.filter(|h| h.active && (h.fib || h.recursive));
                let known = self.0.entry(destination).or_default();
                known.extend(carries.filter_map(|h| h.ip));
            }
        }
        Ok(())
    }

    /// Whether a destination leads to a next hop, named as in the configuration. One without
    /// an address (`blackhole`, an interface) is taken to be in force with its route.
    pub(super) fn carries(&self, destination: Prefix, hop: &str) -> bool {
        let Some(hops) = self.0.get(&destination) else {
            return false;
        };
        let first = hop.split_whitespace().next().unwrap_or_default();
        first
            .parse::<IpAddr>()
            .map_or(true, |address| hops.contains(&address))
    }

    /// Whether a destination has a static route in force at all.
    pub(super) fn has(&self, destination: Prefix) -> bool {
        self.0.contains_key(&destination)
    }
}
