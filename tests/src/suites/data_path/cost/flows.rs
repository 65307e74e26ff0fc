//! What the datapath says of itself: its flows with their masks, and how many packets it asked
//! ovs-vswitchd about.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::Member;
use crate::suites::kit::output;

/// A flow of a datapath (a megaflow).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DpFlow {
    /// The fields that it looks at, each with its mask; those that it does not look at are left out.
    pub(super) mask: BTreeSet<String>,
    /// Whether it is for packets that come from a port and not from another flow.
    pub(super) first: bool,
    /// How often its actions send a packet through the datapath's flows once more.
    pub(super) recirculations: u64,
    /// Packets so far.
    pub(super) packets: u64,
    /// As it was printed.
    pub(super) text: String,
}

/// A datapath at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Look {
    /// Packets that no flow was there for: each cost an upcall.
    missed: u64,
    /// By their unique IDs, which follow from what they match.
    flows: BTreeMap<String, DpFlow>,
}

impl Look {
    /// Of a member's ovs-vswitchd, which has one datapath.
    pub(super) fn at(member: &Member) -> Result<Self> {
        let show = output(member.appctl().arg("dpctl/show"))?;
        let dump = output(member.appctl().args(["dpctl/dump-flows", "-m"]))?;
        let missed = missed(&show);
        Ok(Self {
            missed: missed.with_context(|| format!("dpctl/show of {}: {show}", member.name))?,
            flows: dump.lines().filter_map(flow).collect(),
        })
    }

    /// The upcalls since an earlier look.
    pub(super) fn upcalls_since(&self, before: &Self) -> u64 {
        self.missed.saturating_sub(before.missed)
    }

    /// The flows that have carried so many packets since an earlier look, with how many they are.
    pub(super) fn carried_since(&self, before: &Self, least: u64) -> Vec<(&DpFlow, u64)> {
        let since = |(id, flow): (&String, _)| {
            let flow: &DpFlow = flow;
            let was = before.flows.get(id).map_or(0, |f| f.packets);
            // One that went and came again counts from nothing.
            let more = flow.packets.checked_sub(was).unwrap_or(flow.packets);
            (flow, more)
        };
        let all = self.flows.iter().map(since);
        all.filter(|(_, packets)| *packets >= least).collect()
    }
}

/// `  lookups: hit:12 missed:9 lost:0`
fn missed(show: &str) -> Option<u64> {
    let line = show
        .lines()
        .find_map(|l| l.trim().strip_prefix("lookups:"))?;
    let word = line
        .split_whitespace()
        .find_map(|w| w.strip_prefix("missed:"))?;
    word.parse().ok()
}

/// `ufid:…, recirc_id(0),in_port(a),…, packets:2, bytes:220, …, actions:b`
fn flow(line: &str) -> Option<(String, DpFlow)> {
    let (id, rest) = line.trim().strip_prefix("ufid:")?.split_once(", ")?;
    let (key, rest) = rest.split_once(", packets:")?;
    let (packets, rest) = rest.split_once(',')?;
    let (_, actions) = rest.split_once("actions:")?;
    let flow = DpFlow {
        mask: mask(key),
        first: key.contains("recirc_id(0)") || !key.contains("recirc_id("),
        recirculations: actions.matches("recirc(").count().try_into().ok()?,
        packets: packets.parse().ok()?,
        text: line.trim().to_owned(),
    };
    Some((id.to_owned(), flow))
}

/// The fields of a key that count, each with its mask; a field without one counts whole. The ports
/// of TCP and UDP are the same field to the datapath.
fn mask(key: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let mut path: Vec<&str> = Vec::new();
    let mut rest = key;
    while let Some(end) = rest.find(['(', ')', ',']) {
        let (word, delimiter) = (&rest[..end], &rest[end..=end]);
        if delimiter == "(" {
            path.push(match word {
                "tcp" | "udp" | "sctp" => "tp",
                other => other,
            });
        } else if !word.is_empty() {
            field(&path, word, &mut fields);
        }
        if delimiter == ")" {
            path.pop();
        }
        rest = &rest[end + 1..];
    }
    fields
}

fn field(path: &[&str], word: &str, fields: &mut BTreeSet<String>) {
    let (name, value) = word.split_once('=').unwrap_or(("", word));
    let mask = value.split_once('/').map_or("whole", |(_, mask)| mask);
    let hex = mask.strip_prefix("0x").unwrap_or(mask);
    let counts = !hex.chars().all(|c| matches!(c, '0' | '.' | ':'));
    if counts {
        fields.insert(format!("{}.{name}/{mask}", path.join(".")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "ufid:5b82a9c1-83e0, skb_priority(0/0),ct_state(0/0),recirc_id(0),\
        in_port(eth0),packet_type(ns=0,id=0),eth(src=06:05:c5:b6:cd:c2/00:00:00:00:00:00,\
        dst=33:33:00:00:00:01),eth_type(0x8100),vlan(vid=10,pcp=0/0x0),encap(eth_type(0x0800),\
        ipv4(src=10.0.0.1/0.0.0.0,dst=10.0.0.2,proto=6,frag=no),tcp(src=80/0,dst=90/0xff00)), \
        packets:8, bytes:924, used:0.4s, flags:SF, dp:ovs, actions:ct(zone=1),recirc(0x3)";

    #[test]
    fn a_flow_is_read_with_the_fields_that_it_looks_at() {
        let (id, flow) = flow(LINE).expect("a flow");
        assert_eq!(id, "5b82a9c1-83e0");
        assert!(flow.first);
        assert_eq!((flow.packets, flow.recirculations), (8, 1));
        let has = |field: &str| flow.mask.contains(field);
        assert!(has("eth.dst/whole") && has("vlan.vid/whole"), "{flow:?}");
        assert!(
            has("encap.ipv4.dst/whole") && has("encap.tp.dst/0xff00"),
            "{flow:?}"
        );
        let wild = [
            "eth.src", "ipv4.src", "tp.src", "ct_state", "vlan.pcp", "skb",
        ];
        let seen = flow.mask.iter().any(|f| wild.iter().any(|w| f.contains(w)));
        assert!(!seen, "{flow:?}");
    }

    #[test]
    fn other_values_and_other_protocols_of_the_same_fields_are_one_mask() {
        let other = LINE
            .replace("10.0.0.2", "10.9.0.7")
            .replace("tcp(src=80/0,dst=90/0xff00)", "udp(src=7/0,dst=8/0xff00)")
            .replace("recirc_id(0)", "recirc_id(0x3)");
        let (_, other) = flow(&other).expect("a flow");
        let (_, flow) = flow(LINE).expect("a flow");
        assert_eq!(flow.mask, other.mask);
        assert!(!other.first);
    }

    #[test]
    fn what_was_carried_is_counted_from_the_look_before() {
        let look = |packets: u64, missed| {
            let (id, flow) = flow(LINE).expect("a flow");
            let flows = [(id, DpFlow { packets, ..flow })].into();
            Look { missed, flows }
        };
        let (before, after) = (look(8, 3), look(30, 5));
        assert_eq!(after.upcalls_since(&before), 2);
        assert_eq!(after.carried_since(&before, 22)[0].1, 22);
        assert!(after.carried_since(&before, 23).is_empty());
        assert_eq!(before.carried_since(&after, 1)[0].1, 8, "made anew");
        assert_eq!(
            missed("netdev@ovs-netdev:\n  lookups: hit:12 missed:9 lost:0\n"),
            Some(9)
        );
    }
}
