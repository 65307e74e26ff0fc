//! What one object can prove: rules in CEL, which the API server checks before it stores the object.
//!
//! They refuse nothing that `flatctl plan check` accepts. What two objects have to agree on is not
//! here: two writes that are valid each may be wrong together.

use serde_json::{Value, json};

use crate::object::Kind;

/// A rule: the fields of the spec to what it is about (`*` for the items of a list), the rule, its words.
type Rule = (&'static [&'static str], &'static str, &'static str);

const SUBNET: Rule = (
    &["subnets", "*"],
    "!isCIDR(self.prefix) || !isIP(self.gateway) || cidr(self.prefix).containsIP(self.gateway) || ip(self.gateway).isLinkLocalUnicast()",
    "a gateway is an address of its subnet, or a link-local one (FN0112)",
);
const SUBNET_PREFIX: Rule = (&["subnets", "*", "prefix"], PREFIX, PREFIX_WORDS);
const PREFIX: &str = "isCIDR(self) && cidr(self) == cidr(self).masked()";
const PREFIX_WORDS: &str = "a prefix is an address and a length, with no host bits set (FN0008)";

fn rules(kind: Kind) -> &'static [Rule] {
    match kind {
        // ipamd writes them of a plan that was checked, and netd checks them again.
        Kind::NodeNetwork | Kind::NodePeers | Kind::ServiceAddresses => &[],
        Kind::NetworkPlan => &[(&["servicePrefixes", "*"], PREFIX, PREFIX_WORDS)],
        Kind::Site => &[(&["prefixes", "*"], PREFIX, PREFIX_WORDS)],
        Kind::Switch => &[(
            &[],
            "!has(self.name) || !has(self.peers) || !(self.name in self.peers)",
            "a switch is not its own peer",
        )],
        Kind::Vlan => &[SUBNET, SUBNET_PREFIX],
        Kind::RouteTable => &[(
            &[],
            "self.site == oldSelf.site",
            "a route table stays in its site: make another object",
        )],
        Kind::Network => &[
            (&["pools", "*", "prefix"], PREFIX, PREFIX_WORDS),
            (
                &["pools", "*"],
                "!has(self.sliceLength) || !isCIDR(self.prefix) || self.sliceLength >= cidr(self.prefix).prefixLength()",
                "a slice is not larger than its pool (FN0118)",
            ),
            (
                &["pools"],
                "self.all(p, p.cluster == self[0].cluster)",
                "all pools of a network are of one cluster (FN0121)",
            ),
        ],
        Kind::LeasedLine => &[
            (
                &["transfer", "*"],
                "!isCIDR(self.prefix) || !isIP(self.idc) || !isIP(self.vpc) || (cidr(self.prefix).containsIP(self.idc) && cidr(self.prefix).containsIP(self.vpc) && self.idc != self.vpc)",
                "a line's two ends are two addresses of its transfer network",
            ),
            (&[], "self.idc != self.vpc", "a leased line joins two sites"),
        ],
        Kind::Host => &[
            (
                &["addresses", "*"],
                "isCIDR(self)",
                "an address of a host is written with the length of its subnet (FN0002)",
            ),
            (
                &["uplink"],
                "!has(self.nics) || size(self.nics) < 2 || has(self.bond)",
                "an uplink of several NICs says how they are bonded",
            ),
        ],
        Kind::HostRange => &[
            (&["prefix"], PREFIX, PREFIX_WORDS),
            (
                &[],
                "self == oldSelf",
                "a range is never changed: a range that moves is another object",
            ),
        ],
    }
}

/// Puts the rules into the schema of a spec, and what objects must say that a plan may leave to its head.
pub(super) fn demand(kind: Kind, spec: &mut Value) {
    match kind {
        Kind::Host | Kind::RouteTable => must(spec, "cluster"),
        Kind::Network => must(&mut spec["properties"]["pools"]["items"], "cluster"),
        _ => {}
    }
    for (place, rule, message) in rules(kind) {
        let mut at = &mut *spec;
        for step in *place {
            at = match *step {
                "*" => &mut at["items"],
                field => &mut at["properties"][field],
            };
        }
        let rule = json!({"rule": rule, "message": message});
        match at["x-kubernetes-validations"].as_array_mut() {
            Some(rules) => rules.push(rule),
            None => at["x-kubernetes-validations"] = json!([rule]),
        }
    }
}

fn must(schema: &mut Value, field: &str) {
    match schema["required"].as_array_mut() {
        Some(required) => required.push(field.into()),
        None => schema["required"] = json!([field]),
    }
}
