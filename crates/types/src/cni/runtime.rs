//! The runtime's parameters of an attachment: `runtimeConfig` and `args.cni`.

use super::InputError;
use super::args::AskedIp;
use super::json::{Node, number_opt};
use super::value::ValueError;
use crate::{Bandwidth, MacAddr, Rate};

/// `runtimeConfig` (capabilities `ips`, `mac`, `bandwidth`; CONVENTIONS.md,
/// "Well-known Capabilities"). Keys of other plugins of a chain (`portMappings`, `dns`,
/// `deviceID`, …) are ignored. `ipRanges` is not supported and refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeConf {
    /// `ips`.
    pub ips: Vec<AskedIp>,
    /// `mac`.
    pub mac: Option<MacAddr>,
    /// `bandwidth`.
    pub bandwidth: Bandwidth,
}

impl RuntimeConf {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, InputError> {
        if let Some(ranges) = node.get("ipRanges")?
            && !ranges.items()?.is_empty()
        {
            return Err(ranges.unsupported(
                "the node's ranges come from the plan: ask for addresses by `ips`, or name \
                 another of the plan's networks by `network`",
            ));
        }
        Ok(Self {
            ips: ips(node)?,
            mac: mac(node)?,
            bandwidth: node
                .get("bandwidth")?
                .map(|b| bandwidth(&b))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// `args.cni`: `ips` and `mac` (CONVENTIONS.md, "args in network config").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ArgsConf {
    pub(super) ips: Vec<AskedIp>,
    pub(super) mac: Option<MacAddr>,
}

impl ArgsConf {
    pub(super) fn read(args: &Node<'_>) -> Result<Self, InputError> {
        match args.get("cni")? {
            Some(cni) => Ok(Self {
                ips: ips(&cni)?,
                mac: mac(&cni)?,
            }),
            None => Ok(Self::default()),
        }
    }
}

fn ips(node: &Node<'_>) -> Result<Vec<AskedIp>, InputError> {
    match node.get("ips")? {
        Some(list) => list.items()?.iter().map(Node::asked_ip).collect(),
        None => Ok(Vec::new()),
    }
}

/// `mac`; the empty string counts as absent.
fn mac(node: &Node<'_>) -> Result<Option<MacAddr>, InputError> {
    match node.get("mac")? {
        Some(n) if !n.string()?.is_empty() => n
            .parse::<MacAddr>()?
            .unicast()
            .map(Some)
            .map_err(|e| n.invalid(e)),
        _ => Ok(None),
    }
}

fn bandwidth(node: &Node<'_>) -> Result<Bandwidth, InputError> {
    let ingress = rate(node, "ingressRate", "ingressBurst")?;
    let egress = rate(node, "egressRate", "egressBurst")?;
    // containerd writes the names of Go's fields, which readers in Go take for the same.
    Ok(Bandwidth {
        ingress: ingress.or(rate(node, "IngressRate", "IngressBurst")?),
        egress: egress.or(rate(node, "EgressRate", "EgressBurst")?),
    })
}

/// A rate in bits per second and its burst in bits; `None` if both are zero or absent. One without
/// the other is an error, as in the reference plugin.
fn rate(node: &Node<'_>, rate: &str, burst: &str) -> Result<Option<Rate>, InputError> {
    let get = |key| number_opt(node, key).map(Option::unwrap_or_default);
    match (get(rate)?, get(burst)?) {
        (0, 0) => Ok(None),
        (0, _) | (_, 0) => Err(node.invalid(ValueError::HalfRate)),
        (rate, burst) => Ok(Some(Rate { rate, burst })),
    }
}
