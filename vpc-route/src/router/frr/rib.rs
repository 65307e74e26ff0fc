//! Which static routes are in force, by zebra's `show ip route static json`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;

use crate::model::Prefix;

/// What to ask zebra, by family.
pub(super) const QUESTIONS: [&str; 2] =
    ["show ip route static json", "show ipv6 route static json"];

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
    #[serde(default)]
    active: bool,
    #[serde(default)]
    fib: bool,
    #[serde(default)]
    recursive: bool,
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
