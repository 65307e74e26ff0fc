//! Static routes as the configuration of FRR (and of many a router) writes them:
//!
//! ```text
//! ! flatnet:prod:3:vpc-a
//! ip route 10.1.0.0/16 192.0.2.1
//! ip route 10.1.0.0/16 192.0.2.5
//! ipv6 route fd00:1::/48 2001:db8::1
//! ```
//!
//! A comment names the routes that follow it, up to the next comment or empty line. Whatever
//! else stands in the text is kept, in its order, before the routes; a bare `!` says nothing and
//! is not.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::diff::Op;
use crate::model::{
    Entry, EntryKind, NextHop, NextHopKind, NextHops, NextHopsError, Owner, Prefix, Status, Table,
    TableId,
};

/// A text with static routes in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statics {
    /// Lines that are no routes.
    other: Vec<String>,
    routes: BTreeMap<Prefix, Route>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    name: String,
    gateways: Vec<String>,
}

/// Why a text cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum StaticsError {
    /// A route without a destination or a next hop.
    #[error("line {line}: `{text}` is no static route")]
    Route {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The next hops of one destination make no sense.
    #[error("{destination}: {source}")]
    NextHops {
        /// Prefix whose routes they are.
        destination: Prefix,
        #[source]
        source: NextHopsError,
    },
}

impl Statics {
    /// Reads a text.
    ///
    /// # Errors
    /// A line that begins like a route and is none.
    pub fn parse(text: &str) -> Result<Self, StaticsError> {
        let mut found = Self::default();
        let mut name = String::new();
        for (at, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            let rest = trimmed
                .strip_prefix("ip route ")
                .or_else(|| trimmed.strip_prefix("ipv6 route "));
            if let Some(rest) = rest {
                let (destination, gateway) = words(rest).ok_or_else(|| StaticsError::Route {
                    line: at + 1,
                    text: trimmed.to_owned(),
                })?;
                let route = found.routes.entry(destination).or_insert_with(|| Route {
                    name: name.clone(),
                    gateways: Vec::new(),
                });
                if !route.gateways.contains(&gateway) {
                    route.gateways.push(gateway);
                }
                continue;
            }
            let comment = trimmed.strip_prefix("! ").unwrap_or_default();
            name.clear();
            if Owner::parse(comment).is_some() {
                name.push_str(comment);
            } else if trimmed != "!" {
                found.other.push(line.to_owned());
            }
        }
        Ok(found)
    }

    /// The text: what is no route first, then the routes, sorted.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for line in &self.other {
            text.push_str(line);
            text.push('\n');
        }
        let mut last: Option<&str> = None;
        for (destination, route) in &self.routes {
            if last != Some(route.name.as_str()) {
                text.push_str(if route.name.is_empty() { "!" } else { "! " });
                text.push_str(&route.name);
                text.push('\n');
            }
            last = Some(&route.name);
            let word = if destination.is_ipv6() { "ipv6" } else { "ip" };
            for gateway in &route.gateways {
                text.push_str(&format!("{word} route {destination} {gateway}\n"));
            }
        }
        text
    }

    /// As a table.
    ///
    /// # Errors
    /// [`StaticsError::NextHops`].
    pub fn table(&self, table: &TableId) -> Result<Table, StaticsError> {
        let entries = self.routes.iter().map(|(destination, route)| {
            let hops = route.gateways.iter().map(|gateway| NextHop {
                kind: NextHopKind::Gateway,
                id: gateway.clone(),
                weight: 0,
            });
            let next_hops =
                NextHops::new(hops.collect()).map_err(|source| StaticsError::NextHops {
                    destination: *destination,
                    source,
                })?;
            Ok(Entry {
                destination: *destination,
                next_hops,
                name: route.name.clone(),
                id: None,
                status: Status::Available,
                kind: EntryKind::Custom,
            })
        });
        Ok(Table {
            table: table.clone(),
            entries: entries.collect::<Result<_, _>>()?,
            not_understood: Vec::new(),
        })
    }

    /// Does one op.
    pub fn apply(&mut self, op: &Op) {
        let gateways = |hops: &NextHops| hops.iter().map(|hop| hop.id.clone()).collect();
        match op {
            Op::Create {
                destination,
                next_hops: to,
                name,
                ..
            }
            | Op::Modify {
                destination,
                to,
                name,
                ..
            } => {
                let route = Route {
                    name: name.clone(),
                    gateways: gateways(to),
                };
                self.routes.insert(*destination, route);
            }
            Op::Delete { destination, .. } => {
                self.routes.remove(destination);
            }
        }
    }

    /// Gives a route another name.
    pub fn rename(&mut self, destination: Prefix, name: &str) {
        if let Some(route) = self.routes.get_mut(&destination) {
            name.clone_into(&mut route.name);
        }
    }
}

fn words(rest: &str) -> Option<(Prefix, String)> {
    let mut words = rest.split_whitespace();
    let destination = words.next()?.parse::<IpNetwork>().ok()?;
    let gateway = words.next()?;
    // `blackhole`, `Null0` or an interface are next hops, too: shown as they stand.
    let gateway = match gateway.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => gateway.to_owned(),
    };
    Some((Prefix::truncating(destination), gateway))
}
