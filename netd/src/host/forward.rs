//! Whether netfilter's chains drop what this node forwards for its containers. Pure. Only
//! conditions on interfaces and addresses are evaluated.

use std::net::IpAddr;

use flatnet_kernel::netfilter::{Condition, ForwardChain, Tool, Verdict};
use ipnetwork::IpNetwork;

use crate::problems::Problem;
use crate::reconcile::HOST_PORT;

/// The code of this problem.
pub(super) const CODE: &str = "forward-drop";

/// Packets of one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction<'a> {
    /// The interface by which they come in.
    pub(super) from: &'a str,
    /// The interface by which they leave.
    pub(super) to: &'a str,
}

/// Whether a rule matches new connections of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuleMatch {
    /// It matches all of them.
    Always,
    /// It matches some, or cannot be evaluated.
    Maybe,
    /// It matches none.
    Never,
}

/// Whether a chain drops every new connection of the direction.
pub(super) fn drops(chain: &ForwardChain, direction: Direction<'_>, ranges: &[IpNetwork]) -> bool {
    let v6 = match chain.family {
        "ip" => Some(false),
        "ip6" => Some(true),
        _ => None,
    };
    let mut ranges = ranges
        .iter()
        .filter(|r| v6.is_none_or(|v6| r.is_ipv6() == v6))
        .peekable();
    if ranges.peek().is_none() {
        return false;
    }
    let ranges: Vec<&IpNetwork> = ranges.collect();
    for rule in &chain.rules {
        let rule_match = rule
            .when
            .iter()
            .map(|c| rule_match(c, direction, &ranges))
            .fold(RuleMatch::Always, combine);
        match (rule_match, rule.verdict) {
            (RuleMatch::Always, Verdict::Accept) => return false,
            (RuleMatch::Always, Verdict::Drop) => return true,
            // A rule that cannot be evaluated counts as accepting: a false alarm is worse than a
            // cause that `flatctl trace` has to find.
            (RuleMatch::Maybe, Verdict::Accept) => return false,
            (RuleMatch::Maybe, Verdict::Drop) | (RuleMatch::Never, _) => {}
        }
    }
    chain.drops
}

fn combine(a: RuleMatch, b: RuleMatch) -> RuleMatch {
    match (a, b) {
        (RuleMatch::Never, _) | (_, RuleMatch::Never) => RuleMatch::Never,
        (RuleMatch::Maybe, _) | (_, RuleMatch::Maybe) => RuleMatch::Maybe,
        _ => RuleMatch::Always,
    }
}

fn rule_match(condition: &Condition, direction: Direction<'_>, ranges: &[&IpNetwork]) -> RuleMatch {
    let all = |yes: bool| {
        if yes {
            RuleMatch::Always
        } else {
            RuleMatch::Never
        }
    };
    match condition {
        Condition::In(name) => all(name.matches(direction.from)),
        Condition::Out(name) => all(name.matches(direction.to)),
        Condition::Address(octets) => all(ranges.iter().any(|r| overlaps(r, octets))),
        Condition::Unknown => RuleMatch::Maybe,
        // A state, a port, a mark: treated as not matching the first packet of a connection.
        Condition::Other => RuleMatch::Never,
    }
}

/// Whether the range and the prefix, given in whole octets, overlap.
fn overlaps(range: &IpNetwork, octets: &[u8]) -> bool {
    let own = match range.network() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let fixed = usize::from(range.prefix() / 8).min(octets.len());
    octets.len() <= own.len() && own[..fixed] == octets[..fixed]
}

/// The problem of a chain, with the command that inserts accepting rules.
pub(super) fn problem(chain: &ForwardChain, ways: &[&str]) -> Problem {
    let ForwardChain {
        family,
        table,
        chain: name,
        ..
    } = chain;
    let how = match chain.drops {
        true => "its policy is to drop, and no rule accepts them",
        false => "a rule drops them all",
    };
    let text = format!(
        "netfilter drops what this node forwards {}: chain {name} of table {family} {table}: {how}",
        ways.join(" and ")
    );
    let iptables = |program: &str| {
        format!(
            "{program} -I {name} -i {HOST_PORT} -j ACCEPT && {program} -I {name} -o {HOST_PORT} \
             -j ACCEPT"
        )
    };
    let command = match (chain.tool, *family) {
        (Tool::Legacy, "ip6") => iptables("ip6tables-legacy"),
        (Tool::Legacy, _) => iptables("iptables-legacy"),
        (Tool::Nft, family) => format!(
            "nft insert rule {family} {table} {name} iifname {HOST_PORT} accept && nft insert rule \
             {family} {table} {name} oifname {HOST_PORT} accept"
        ),
    };
    Problem::non_blocking(CODE, text).repaired_by(command)
}
