//! Routes and rules of the kernel, as far as they bear our mark, and the way from what is
//! to what must be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Deserialize;

/// The protocol number of what follows the simulator's tables (the kernel gives no meaning
/// to it).
pub(super) const FOLLOWED: u8 = 198;

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// It goes to one of these addresses.
    Via(BTreeSet<IpAddr>),
    /// It is refused.
    Unreachable,
    /// The next rule decides.
    Throw,
}

impl Path {
    /// By these addresses; without any, not at all.
    pub(super) fn by(via: BTreeSet<IpAddr>) -> Self {
        if via.is_empty() {
            Self::Unreachable
        } else {
            Self::Via(via)
        }
    }
}

/// A route: its table and prefix, and what becomes of a packet.
pub(super) type Route = ((u32, IpNetwork), Path);

/// A rule: who asks which table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// IPv6; else IPv4.
    pub(super) v6: bool,
    /// The lower is asked first.
    pub(super) priority: u32,
    /// The interface that a packet comes from; none: any.
    pub(super) from: Option<String>,
    /// Number of the routing table (rtnetlink's `RTA_TABLE`).
    pub(super) table: u32,
}

/// All that bears the mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// By table and prefix.
    pub(super) routes: BTreeMap<(u32, IpNetwork), Path>,
    /// In the order of asking.
    pub(super) rules: BTreeSet<Rule>,
}

/// A line of `ip -batch`, and the family of that batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    /// IPv6; else IPv4.
    pub(crate) v6: bool,
    /// What to do.
    pub(crate) line: String,
}

/// The way from what there is to what is to be: what is new first, then what is gone, so
/// that nothing that stays is ever without.
pub(crate) fn sync(have: &Kernel, want: &Kernel) -> Vec<Op> {
    let changed = want
        .routes
        .iter()
        .filter(|(key, path)| have.routes.get(key) != Some(path));
    let set = changed.map(|(key, path)| route("replace", key, path));
    let ask = want.rules.difference(&have.rules).map(|r| rule("add", r));
    let quiet = have.rules.difference(&want.rules).map(|r| rule("del", r));
    let gone = have
        .routes
        .iter()
        .filter(|(key, _)| !want.routes.contains_key(key));
    let unset = gone.map(|(key, path)| route("del", key, path));
    set.chain(ask).chain(quiet).chain(unset).collect()
}

fn route(verb: &str, (table, prefix): &(u32, IpNetwork), path: &Path) -> Op {
    let (kind, to) = match path {
        Path::Unreachable => ("unreachable ", String::new()),
        Path::Throw => ("throw ", String::new()),
        Path::Via(via) => ("", next_hops(via)),
    };
    Op {
        v6: prefix.is_ipv6(),
        line: format!("route {verb} {kind}{prefix}{to} table {table} proto {FOLLOWED}"),
    }
}

fn next_hops(via: &BTreeSet<IpAddr>) -> String {
    match via.first() {
        Some(one) if via.len() == 1 => format!(" via {one}"),
        _ => via.iter().map(|a| format!(" nexthop via {a}")).collect(),
    }
}

fn rule(verb: &str, rule: &Rule) -> Op {
    let from = rule.from.as_ref().map(|link| format!(" iif {link}"));
    Op {
        v6: rule.v6,
        line: format!(
            "rule {verb} priority {}{} lookup {} protocol {FOLLOWED}",
            rule.priority,
            from.unwrap_or_default(),
            rule.table
        ),
    }
}

#[derive(Debug, Deserialize)]
struct RawRoute {
    #[serde(default, rename = "type")]
    kind: String,
    dst: String,
    #[serde(default)]
    gateway: Option<IpAddr>,
    #[serde(default)]
    nexthops: Vec<RawHop>,
    #[serde(default)]
    table: String,
}

#[derive(Debug, Deserialize)]
struct RawHop {
    gateway: Option<IpAddr>,
}

#[derive(Debug, Deserialize)]
struct RawRule {
    priority: u32,
    #[serde(default)]
    iif: Option<String>,
    #[serde(default)]
    table: String,
    #[serde(default)]
    protocol: String,
}

impl Kernel {
    /// Adds what `ip -j -N route show table all proto 198` printed for one family.
    ///
    /// # Errors
    /// If it is not JSON of that form.
    pub(super) fn read_routes(&mut self, json: &str, v6: bool) -> serde_json::Result<()> {
        for raw in read_list::<RawRoute>(json)? {
            let hops = raw.nexthops.iter().filter_map(|h| h.gateway);
            let via: BTreeSet<IpAddr> = hops.chain(raw.gateway).collect();
            let path = match raw.kind.as_str() {
                // `ip -N` gives RTN_UNREACHABLE and RTN_THROW by number.
                "unreachable" | "7" => Path::Unreachable,
                "throw" | "9" => Path::Throw,
                _ => Path::by(via),
            };
            let prefix = match raw.dst.as_str() {
                "default" if v6 => "::/0".parse(),
                "default" => "0.0.0.0/0".parse(),
                other => other.parse(),
            };
            if let (Ok(prefix), Ok(table)) = (prefix, raw.table.parse()) {
                self.routes.insert((table, prefix), path);
            }
        }
        Ok(())
    }

    /// Adds what `ip -j -N rule show` printed for one family.
    ///
    /// # Errors
    /// If it is not JSON of that form.
    pub(super) fn read_rules(&mut self, json: &str, v6: bool) -> serde_json::Result<()> {
        for raw in read_list::<RawRule>(json)? {
            if raw.protocol == FOLLOWED.to_string()
                && let Ok(table) = raw.table.parse()
            {
                self.rules.insert(Rule {
                    v6,
                    priority: raw.priority,
                    from: raw.iif,
                    table,
                });
            }
        }
        Ok(())
    }
}

/// `ip -j` prints nothing at all, or empty objects, where there is nothing.
fn read_list<T: serde::de::DeserializeOwned>(json: &str) -> serde_json::Result<Vec<T>> {
    if json.trim().is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<serde_json::Value> = serde_json::from_str(json)?;
    let whole = values
        .into_iter()
        .filter(|v| v.as_object().is_some_and(|o| !o.is_empty()));
    whole.map(serde_json::from_value).collect()
}
