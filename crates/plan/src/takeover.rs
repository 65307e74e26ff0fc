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
use crate::prefix::overlap;

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
    Changes,
}

/// The verdict of a place: names of fields and, in lists, of items. None: no field of that name is
/// known, and a restart is what is right for all.
fn verdict(place: &[&str], how: How) -> Option<Verdict> {
    use Verdict::{Drain, Live, NewAttachments, Restart};
    Some(match place {
        // Routes and flows that the reconciler derives anew; nothing of a container is in them.
        ["peers" | "service_prefixes", ..] => Live,
        ["networks"] | ["networks", _, "ranges"] if how == How::Goes => Drain,
        ["networks"] | ["networks", _, "ranges"] => Live,
        // Flows and meters, which are replaced while packets pass.
        [
            "networks",
            _,
            "allow" | "trunk" | "neighbour_rate" | "mac",
            ..,
        ] => Live,
        // What a container was given at its ADD stays as it is.
        ["networks", _, "mtu"] | ["networks", _, "ranges", _, "exclude", ..] => NewAttachments,
        // A container's addresses belong to its VLAN's subnet, and its routes name the gateway.
        ["networks", _, "vlan"] | ["networks", _, "ranges", _, "subnet" | "gateway"] => Drain,
        ["networks", _, "name"] | ["networks", _, "ranges", _, "prefix"] => Drain,
        // Whose node this is, and how all of it is reached.
        ["node" | "mode" | "uplink", ..] => Drain,
        // The host's own: links, addresses and the uplink's move, which are set up at the start.
        ["uplink_mac" | "migrate" | "api_server" | "mtu"] => Restart,
        ["host_addresses" | "host_gateways", ..] => Restart,
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
            verdict: verdict(&steps, how).unwrap_or(Verdict::Restart),
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
            None => found.push(at.found(How::Goes, &format!("without {name}"))),
        }
    }
    for one in b {
        let name = name(one);
        if find(a, &name).is_none() {
            found.push(at.found(How::Comes, &format!("with {name}")));
        }
    }
    if found.len() == before {
        found.push(at.found(How::Changes, "in another order"));
    }
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
