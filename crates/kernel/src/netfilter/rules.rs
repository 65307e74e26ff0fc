//! Chains and rules of nftables, as far as forwarding is concerned.

use std::collections::BTreeMap;

use super::wire::{GET_CHAIN, GET_RULE, Nfnetlink, attribute, attributes, be32, text};
use super::{Condition, ForwardChain, ForwardRule, Name, Tool, Verdict};
use crate::error::Fault;

/// Families (`NFPROTO_*`).
const INET: u8 = 1;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
/// `NF_INET_FORWARD`.
const FORWARD: u32 = 2;
/// `NF_DROP`, `NF_ACCEPT`, and the verdicts of nftables that go to another chain.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const JUMP: u32 = -3_i32 as u32;
const GOTO: u32 = -4_i32 as u32;
/// `NFT_META_IIFNAME`, `NFT_META_OIFNAME`.
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
/// `NFT_CMP_NEQ`.
const NOT_EQUAL: u32 = 1;
/// `NFT_PAYLOAD_NETWORK_HEADER`.
const NETWORK_HEADER: u32 = 1;
/// Chains that are followed from one base chain: loops are impossible, but a ruleset of
/// thousands of chains need not be read to its end.
const CHAINS_MAX: usize = 64;
/// Rules that are kept of one base chain.
const RULES_MAX: usize = 4096;
/// The longest name of an interface with its final NUL.
const IFNAMSIZ: usize = 16;

/// The base chains at the forward hook, with the rules that decide.
pub(super) fn forward(socket: &mut Nfnetlink) -> Result<Vec<ForwardChain>, Fault> {
    let mut chains = Vec::new();
    for family in [INET, IPV4, IPV6] {
        socket.list(GET_CHAIN, family, &[], |of, chain| {
            if of == family {
                chains.extend(base_chain(family, chain).map(|chain| (family, chain)));
            }
            Ok(())
        })?;
    }
    let mut found = Vec::with_capacity(chains.len());
    for (family, mut chain) in chains {
        let mut reader = Reader {
            socket: &mut *socket,
            family,
            table: chain.table.clone(),
            read: BTreeMap::new(),
            rules: Vec::new(),
        };
        reader.follow(&chain.chain, &[])?;
        chain.rules = reader.rules;
        found.push(chain);
    }
    Ok(found)
}

/// A chain that hooks into forwarding.
fn base_chain(family: u8, chain: &[u8]) -> Option<ForwardChain> {
    // NFTA_CHAIN_HOOK, and NFTA_HOOK_HOOKNUM in it.
    let hook = be32(attribute(attribute(chain, 4)?, 1)?)?;
    if hook != FORWARD {
        return None;
    }
    Some(ForwardChain {
        tool: Tool::Nft,
        family: match family {
            IPV4 => "ip",
            IPV6 => "ip6",
            _ => "inet",
        },
        // NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY.
        table: text(attribute(chain, 1)?),
        chain: text(attribute(chain, 3)?),
        drops: attribute(chain, 5).and_then(be32) == Some(DROP),
        rules: Vec::new(),
    })
}

/// A rule as it is read, before the chains that it jumps to are followed.
#[derive(Clone)]
struct Read {
    when: Vec<Condition>,
    does: Does,
}

#[derive(Clone)]
enum Does {
    Decide(Verdict),
    Jump(String),
}

/// Follows one base chain.
struct Reader<'s> {
    socket: &'s mut Nfnetlink,
    family: u8,
    table: String,
    /// The chains that were read.
    read: BTreeMap<String, Vec<Read>>,
    rules: Vec<ForwardRule>,
}

impl Reader<'_> {
    /// Appends the rules of `chain`, each with the conditions of the way there.
    fn follow(&mut self, chain: &str, way: &[Condition]) -> Result<(), Fault> {
        if !self.read.contains_key(chain) {
            if self.read.len() >= CHAINS_MAX {
                self.rules.push(ForwardRule {
                    when: vec![Condition::Unknown],
                    verdict: Verdict::Accept,
                });
                return Ok(());
            }
            let rules = self.rules_of(chain)?;
            self.read.insert(chain.to_owned(), rules);
        }
        for rule in self.read.get(chain).cloned().unwrap_or_default() {
            if self.rules.len() >= RULES_MAX {
                return Ok(());
            }
            let when: Vec<Condition> = way.iter().cloned().chain(rule.when).collect();
            match rule.does {
                Does::Decide(verdict) => self.rules.push(ForwardRule { when, verdict }),
                Does::Jump(to) => self.follow(&to, &when)?,
            }
        }
        Ok(())
    }

    fn rules_of(&mut self, chain: &str) -> Result<Vec<Read>, Fault> {
        let mut found = Vec::new();
        let table = self.table.clone();
        // NFTA_RULE_TABLE, NFTA_RULE_CHAIN; an older kernel answers with more.
        let narrow = [(1, table.as_str()), (2, chain)];
        self.socket
            .list(GET_RULE, self.family, &narrow, |_, rule| {
                let of = |kind| attribute(rule, kind).map(text);
                if of(1).as_deref() == Some(table.as_str()) && of(2).as_deref() == Some(chain) {
                    // NFTA_RULE_EXPRESSIONS.
                    found.extend(attribute(rule, 4).and_then(read_rule));
                }
                Ok(())
            })?;
        Ok(found)
    }
}

/// What the register that is compared next holds.
#[derive(Clone, Copy)]
enum Loaded {
    In,
    Out,
    Address,
    Other,
}

/// A rule from its expressions; `None` if it decides nothing.
fn read_rule(expressions: &[u8]) -> Option<Read> {
    let mut when = Vec::new();
    let mut loaded = Loaded::Other;
    for (_, expression) in attributes(expressions) {
        // NFTA_EXPR_NAME, NFTA_EXPR_DATA.
        let name = attribute(expression, 1).map(text).unwrap_or_default();
        let data = attribute(expression, 2).unwrap_or_default();
        let number = |kind| attribute(data, kind).and_then(be32);
        match name.as_str() {
            "counter" | "log" | "notrack" | "flow_offload" => {}
            "reject" => {
                let does = Does::Decide(Verdict::Drop);
                return Some(Read { when, does });
            }
            "immediate" => {
                if let Some(does) = verdict(data) {
                    return Some(Read { when, does });
                }
            }
            // NFTA_META_KEY.
            "meta" => {
                loaded = match number(2) {
                    Some(IIFNAME) => Loaded::In,
                    Some(OIFNAME) => Loaded::Out,
                    _ => Loaded::Other,
                };
            }
            // NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_OFFSET: the addresses begin at 12 and 16 in
            // IPv4, and at 8 and 24 in IPv6.
            "payload" => {
                let at = number(3).unwrap_or(0);
                let addresses = number(2) == Some(NETWORK_HEADER) && matches!(at, 8 | 12 | 16 | 24);
                loaded = if addresses {
                    Loaded::Address
                } else {
                    Loaded::Other
                };
            }
            // A mask leaves what it is about as it is.
            "bitwise" => {}
            "cmp" => when.extend(comparison(loaded, data)),
            "ct" => loaded = Loaded::Other,
            "match" | "limit" | "connlimit" | "quota" | "socket" | "fib" | "rt" | "exthdr" => {
                // NFTA_MATCH_NAME: a set of addresses may hold anything.
                let set = attribute(data, 1).map(text).as_deref() == Some("set");
                when.push(match set {
                    true => Condition::Unknown,
                    false => Condition::Other,
                });
            }
            // A target of iptables that nftables has no word for, such as REJECT.
            "target" => {
                let does = match attribute(data, 1).map(text).as_deref() {
                    Some("REJECT") => Does::Decide(Verdict::Drop),
                    _ => continue,
                };
                return Some(Read { when, does });
            }
            _ => when.push(Condition::Unknown),
        }
    }
    None
}

/// `immediate`: NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT, NFTA_VERDICT_CODE and _CHAIN.
fn verdict(data: &[u8]) -> Option<Does> {
    let verdict = attribute(attribute(data, 2)?, 2)?;
    match be32(attribute(verdict, 1)?)? {
        DROP => Some(Does::Decide(Verdict::Drop)),
        ACCEPT => Some(Does::Decide(Verdict::Accept)),
        JUMP | GOTO => Some(Does::Jump(text(attribute(verdict, 2)?))),
        _ => None,
    }
}

/// `cmp`: NFTA_CMP_OP and NFTA_CMP_DATA with NFTA_DATA_VALUE.
fn comparison(loaded: Loaded, data: &[u8]) -> Option<Condition> {
    let value = attribute(attribute(data, 3)?, 1)?;
    let not = attribute(data, 2).and_then(be32) == Some(NOT_EQUAL);
    let name = || Name {
        text: text(value),
        // A whole name is compared with its final NUL.
        prefix: !value.contains(&0) && value.len() < IFNAMSIZ,
        not,
    };
    Some(match loaded {
        Loaded::In => Condition::In(name()),
        Loaded::Out => Condition::Out(name()),
        Loaded::Address if !not => Condition::Address(value.to_vec()),
        Loaded::Address | Loaded::Other => Condition::Other,
    })
}
