//! What of another plan a node can take over while its containers run: each field's verdict.
//!
//! ```text
//!   running ─┬─▶ [changes]: each difference, in words, with its [Verdict]
//!   fresh ───┴─▶ [taken_over]: running, with all of fresh that is live or for new attachments
//! ```
//!
//! Guarantees: pure; `changes(a, a)` is empty; what is left between `taken_over(a, b)` and `b` is what
//! `changes(a, b)` says needs a restart or a drain, and what `taken_over` changed needs neither.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::node::{NodeNetwork, NodeRange, NodeSpec};
use crate::prefix::{covers, overlap};

/// When a change can be taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// At once, also for the containers that run.
    Live,
    /// At once; containers that run keep what they have.
    NewAttachments,
    /// When netd is started anew; the data path goes on meanwhile.
    Restart,
    /// When no container has what goes away: containers have to be made again.
    Drain,
}

impl Verdict {
    /// In a sentence without its subject, netd, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Live => "takes it over at once",
            Self::NewAttachments => "takes it over at once, for new attachments only",
            Self::Restart => "takes it over when it is restarted",
            Self::Drain => "takes it over when no container has what goes away",
        }
    }

    /// In a few words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::NewAttachments => "new attachments only",
            Self::Restart => "restart",
            Self::Drain => "drain",
        }
    }

    /// Whether it is taken over while netd and its containers run.
    pub fn is_taken_over(self) -> bool {
        self <= Self::NewAttachments
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What differs, in words: `networks web.mtu 1500 becomes 1400`.
    pub text: String,
    /// When it can be taken over.
    pub verdict: Verdict,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.verdict.as_str())
    }
}

/// All differences between what a node runs by and what another plan gives it, in the order of the
/// fields' names.
///
/// Both are compared as JSON: what a part gains one day is compared from then on.
pub fn changes(running: &NodeSpec, fresh: &NodeSpec) -> Vec<Change> {
    let mut all = differences(running, fresh);
    if all.iter().any(|c| !c.verdict.is_taken_over()) {
        // What hangs on something that is not taken over waits with it: a new range of a network that
        // goes to another VLAN, one that overlaps a range that is still there.
        let left = differences(&taken_over(running, fresh), fresh);
        for change in &mut all {
            let waits = left.iter().any(|l| l.text == change.text);
            if waits && change.verdict.is_taken_over() {
                change.verdict = Verdict::Drain;
            }
        }
    }
    all
}

fn differences(running: &NodeSpec, fresh: &NodeSpec) -> Vec<Change> {
    // A spec has a form in JSON.
    let value = |spec| serde_json::to_value(spec).unwrap_or_default();
    let mut found = Vec::new();
    walk(
        &Place::default(),
        &value(running),
        &value(fresh),
        &mut found,
    );
    found
}

/// How a field, or an item of a list, differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Comes,
    Goes,
    /// An item that is replaced by one around it.
    Grows,
    Changes,
}

/// What of a node's part may differ. The one table of verdicts: netd goes by it, and so does
/// [`crate::diff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Routes to other nodes' ranges.
    Peers,
    /// Prefixes whose traffic goes to the host.
    ServicePrefixes,
    /// A network that the node gets, or a range of one.
    Given,
    /// A network that the node loses, or a range of one.
    Taken,
    /// A range that takes in more addresses around those that it has, with the same gateway.
    Grown,
    /// What a network's containers may send: protocols, tagged VLANs, neighbour discovery,
    /// destinations.
    Allowed,
    /// Whose MAC a network shows.
    Mac,
    /// A network's MTU.
    NetworkMtu,
    /// Addresses of a range that no container gets.
    Exclude,
    /// A network's VLAN.
    Vlan,
    /// The subnet of a range, or its gateway.
    Subnet,
    /// Whose node it is, its mode, the VLAN of its own addresses, its uplink.
    Identity,
    /// The MAC that the uplink shows.
    UplinkMac,
    /// Who moves the uplink, and which API server is asked then.
    Migrate,
    /// The MTU of the node's links.
    Mtu,
    /// The host's own addresses, and the routers of their subnets.
    HostAddresses,
}

impl Field {
    /// When a change of it can be taken over.
    pub const fn verdict(self) -> Verdict {
        match self {
            // Routes and flows that the reconciler derives anew; nothing of a container is in them.
            Self::Peers | Self::ServicePrefixes | Self::Given => Verdict::Live,
            // Flows and meters, which are replaced while packets pass.
            Self::Allowed | Self::Mac => Verdict::Live,
            // What a container was given at its ADD stays as it is.
            Self::NetworkMtu | Self::Exclude => Verdict::NewAttachments,
            // A container's addresses belong to its VLAN's subnet, and its routes name the gateway.
            Self::Taken | Self::Vlan | Self::Subnet => Verdict::Drain,
            // All of the node is reached by it.
            Self::Identity => Verdict::Drain,
            // Nothing of it goes away, and a range is of the size that it has at the start.
            Self::Grown => Verdict::Restart,
            // The host's own: links, addresses and the uplink's move, which are set up at the start.
            Self::UplinkMac | Self::Migrate | Self::Mtu | Self::HostAddresses => Verdict::Restart,
        }
    }
}

/// The field at a place: names of fields and, in lists, of items. None: no field of that name is
/// known, and a restart is what is right for all.
fn field(place: &[&str], how: How) -> Option<Field> {
    Some(match place {
        ["peers", ..] => Field::Peers,
        ["service_prefixes", ..] => Field::ServicePrefixes,
        ["networks"] | ["networks", _, "ranges"] if how == How::Goes => Field::Taken,
        ["networks", _, "ranges"] if how == How::Grows => Field::Grown,
        ["networks"] | ["networks", _, "ranges"] => Field::Given,
        [
            "networks",
            _,
            "allow" | "trunk" | "egress" | "neighbour_rate",
            ..,
        ] => Field::Allowed,
        ["networks", _, "mac", ..] => Field::Mac,
        ["networks", _, "mtu"] => Field::NetworkMtu,
        ["networks", _, "ranges", _, "exclude", ..] => Field::Exclude,
        ["networks", _, "vlan"] => Field::Vlan,
        ["networks", _, "ranges", _, "subnet" | "gateway"] => Field::Subnet,
        ["networks", _, "name"] | ["networks", _, "ranges", _, "prefix"] => Field::Taken,
        ["node" | "mode" | "uplink", ..] => Field::Identity,
        ["uplink_mac"] => Field::UplinkMac,
        ["migrate" | "api_server"] => Field::Migrate,
        ["mtu"] => Field::Mtu,
        ["host_addresses" | "host_gateways", ..] => Field::HostAddresses,
        _ => return None,
    })
}

/// What a node runs by when it has taken over what it can of `fresh`.
#[must_use]
pub fn taken_over(running: &NodeSpec, fresh: &NodeSpec) -> NodeSpec {
    let mut next = running.clone();
    let reached = |spec: &NodeSpec| (spec.node.clone(), spec.mode, spec.uplink.clone());
    if reached(running) != reached(fresh) {
        // All of it hangs on that.
        return next;
    }
    next.peers.clone_from(&fresh.peers);
    next.service_prefixes.clone_from(&fresh.service_prefixes);
    for network in &fresh.networks {
        match next.networks.iter_mut().find(|n| n.name == network.name) {
            Some(known) => take_over_network(known, network),
            None => next.networks.push(network.clone()),
        }
    }
    let order = |n: &NodeNetwork| fresh.networks.iter().position(|f| f.name == n.name);
    next.networks
        .sort_by_key(|n| order(n).unwrap_or(usize::MAX));
    next
}

fn take_over_network(known: &mut NodeNetwork, fresh: &NodeNetwork) {
    known.mac = fresh.mac;
    known.mtu = fresh.mtu;
    known.neighbour_rate = fresh.neighbour_rate;
    known.allow.clone_from(&fresh.allow);
    known.trunk.clone_from(&fresh.trunk);
    known.egress.clone_from(&fresh.egress);
    if known.vlan != fresh.vlan {
        // A range that is new belongs to the other VLAN.
        return;
    }
    for range in &fresh.ranges {
        match known.ranges.iter_mut().find(|r| r.prefix == range.prefix) {
            Some(same) => same.exclude.clone_from(&range.exclude),
            None => add(&mut known.ranges, range),
        }
    }
    known.ranges.sort_by_key(|r| (r.prefix.is_ipv6(), r.prefix));
}

/// Adds a range that overlaps none of those that stay.
fn add(ranges: &mut Vec<NodeRange>, range: &NodeRange) {
    if !ranges.iter().any(|r| overlap(r.prefix, range.prefix)) {
        ranges.push(range.clone());
    }
}

/// Where something differs: each step with whether it is an item of a list.
#[derive(Debug, Clone, Default)]
struct Place(Vec<(String, bool)>);

impl Place {
    fn with(&self, step: &str, item: bool) -> Self {
        let mut place = self.clone();
        place.0.push((step.to_owned(), item));
        place
    }

    fn found(&self, how: How, words: &str) -> Change {
        let steps: Vec<&str> = self.0.iter().map(|(step, _)| step.as_str()).collect();
        Change {
            text: format!("{self} {words}"),
            verdict: field(&steps, how).map_or(Verdict::Restart, Field::verdict),
        }
    }
}

/// `networks web.mtu`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (step, item)) in self.0.iter().enumerate() {
            let between = match (at, item) {
                (0, _) => "",
                (_, true) => " ",
                (_, false) => ".",
            };
            write!(f, "{between}{step}")?;
        }
        Ok(())
    }
}

fn walk(at: &Place, is: &Value, will: &Value, found: &mut Vec<Change>) {
    if is == will {
        return;
    }
    match (is, will) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                walk(&at.with(key, false), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => lists(at, a, b, found),
        _ => {
            let words = format!("{} becomes {}", name(is), name(will));
            found.push(at.found(How::Changes, &words));
        }
    }
}

/// Things are told apart by their names, and so are prefixes.
fn lists(at: &Place, a: &[Value], b: &[Value], found: &mut Vec<Change>) {
    let find = |all: &[Value], wanted: &str| all.iter().find(|v| name(v) == wanted).cloned();
    let before = found.len();
    for one in a {
        let name = name(one);
        match find(b, &name) {
            Some(other) => walk(&at.with(&name, true), one, &other, found),
            None => {
                let how = match b.iter().any(|other| grows(one, other)) {
                    true => How::Grows,
                    false => How::Goes,
                };
                found.push(at.found(how, &format!("without {name}")));
            }
        }
    }
    for one in b {
        let name = name(one);
        if find(a, &name).is_none() {
            let how = match a.iter().any(|other| grows(other, one)) {
                true => How::Grows,
                false => How::Comes,
            };
            found.push(at.found(how, &format!("with {name}")));
        }
    }
    if found.len() == before {
        found.push(at.found(How::Changes, "in another order"));
    }
}

/// Whether a range becomes another one around it, with the same gateway.
fn grows(range: &Value, other: &Value) -> bool {
    let prefix = |value: &Value| value.get("prefix")?.as_str()?.parse().ok();
    let (Some(inner), Some(outer)) = (prefix(range), prefix(other)) else {
        return false;
    };
    covers(outer, inner) && outer != inner && range.get("gateway") == other.get("gateway")
}

/// A thing by its name, else by all that it is.
fn name(value: &Value) -> String {
    let name = value.get("name").or_else(|| value.get("prefix"));
    match name.unwrap_or(value) {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
