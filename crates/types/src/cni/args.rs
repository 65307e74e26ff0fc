//! `CNI_ARGS`: `KEY=VALUE` pairs separated by `;` (CONVENTIONS.md, "CNI_ARGS").

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use thiserror::Error;

use super::value::{ValueError, shorten};
use crate::MacAddr;
use crate::api::{AskedPrefix, PodRef};

/// The parsed `CNI_ARGS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CniArgs {
    /// `IP=`: addresses, separated by commas, each with or without a prefix length.
    pub ips: Vec<AskedIp>,
    /// `MAC=`.
    pub mac: Option<MacAddr>,
    /// `K8S_POD_NAMESPACE`, `K8S_POD_NAME` and `K8S_POD_UID`.
    pub pod: PodRef,
}

/// A requested address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedIp {
    /// The address, without its prefix length.
    pub ip: IpAddr,
    /// The requested prefix length; `None` for that of the network.
    pub length: Option<u8>,
    /// Where it was requested: `runtimeConfig.ips[0]`.
    pub place: String,
}

impl AskedIp {
    /// The address with its prefix length, if one was requested. The length is valid: parsing
    /// checks it.
    pub fn prefix(&self) -> Option<AskedPrefix> {
        Some(AskedPrefix {
            address: IpNetwork::new(self.ip, self.length?).ok()?,
            place: self.place.clone(),
        })
    }
}

/// Invalid `CNI_ARGS`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgsError {
    /// An item without `=`. The message does not repeat it: it may be a part of a secret value that
    /// contains a `;`.
    #[error("item {item} is not of the form KEY=VALUE")]
    NotAPair {
        /// Its position, from 1.
        item: usize,
    },
    /// Unknown keys, without `IgnoreUnknown=1`.
    #[error("unknown keys: {}; set IgnoreUnknown=1 to have them ignored", .keys.join(", "))]
    Unknown {
        /// The keys, shortened, at most ten.
        keys: Vec<String>,
    },
    /// The value of a known key is not allowed.
    #[error("{key}: {source}")]
    Value {
        /// Name of the key.
        key: &'static str,
        /// What is wrong with it.
        #[source]
        source: ValueError,
    },
    /// Invalid boolean.
    #[error("IgnoreUnknown: {value:?} is neither 1, true, 0 nor false")]
    NotABoolean {
        /// The value, shortened.
        value: String,
    },
}

/// An address with or without a prefix length.
pub(super) fn asked_ip(text: &str, place: &str) -> Result<AskedIp, ValueError> {
    let place = place.to_owned();
    if text.contains('/') {
        let prefix: IpNetwork = text.parse().map_err(|e| ValueError::prefix(text, &e))?;
        return Ok(AskedIp {
            ip: prefix.ip(),
            length: Some(prefix.prefix()),
            place,
        });
    }
    let ip = text.parse().map_err(|e| ValueError::address(text, &e))?;
    Ok(AskedIp {
        ip,
        length: None,
        place,
    })
}

/// An address; a prefix length is checked and discarded.
pub(super) fn address(text: &str) -> Result<IpAddr, ValueError> {
    Ok(asked_ip(text, "")?.ip)
}

/// A pod's name; empty if it is invalid, since no decision depends on it.
fn pod_field(value: &str) -> String {
    /// The longest name in Kubernetes is a DNS subdomain.
    const LONGEST: usize = 253;
    if value.len() > LONGEST || value.chars().any(char::is_control) {
        return String::new();
    }
    value.to_owned()
}

/// The most unknown keys that one message lists.
const LISTED: usize = 10;

impl CniArgs {
    /// Parses `CNI_ARGS`. All keys that begin with `K8S_` are accepted: Kubernetes adds new ones,
    /// and they only identify the pod.
    ///
    /// # Errors
    /// [`ArgsError`], CNI code 4.
    pub fn parse(text: &str) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        let mut unknown = Vec::new();
        let mut ignore_unknown = false;
        let pairs = text.split(';').enumerate();
        for (n, pair) in pairs.filter(|(_, pair)| !pair.is_empty()) {
            let pair = pair.split_once('=');
            let (key, value) = pair.ok_or(ArgsError::NotAPair { item: n + 1 })?;
            match key {
                "IP" => args.ips = addresses(value)?,
                "MAC" if value.is_empty() => {}
                "MAC" => args.mac = Some(mac(value)?),
                "K8S_POD_NAMESPACE" => args.pod.namespace = pod_field(value),
                "K8S_POD_NAME" => args.pod.name = pod_field(value),
                "K8S_POD_UID" => args.pod.uid = pod_field(value),
                "IgnoreUnknown" => ignore_unknown = boolean(value)?,
                key if key.starts_with("K8S_") => {}
                key if unknown.len() < LISTED => unknown.push(shorten(key)),
                _ => {}
            }
        }
        if !unknown.is_empty() && !ignore_unknown {
            return Err(ArgsError::Unknown { keys: unknown });
        }
        Ok(args)
    }
}

fn addresses(list: &str) -> Result<Vec<AskedIp>, ArgsError> {
    list.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let asked = asked_ip(item, "CNI_ARGS IP");
            asked.map_err(|source| ArgsError::Value { key: "IP", source })
        })
        .collect()
}

fn mac(value: &str) -> Result<MacAddr, ArgsError> {
    let mac = value.parse().and_then(MacAddr::unicast);
    mac.map_err(|e| ArgsError::Value {
        key: "MAC",
        source: e.into(),
    })
}

/// Parses a boolean as the reference library does: in any case.
fn boolean(value: &str) -> Result<bool, ArgsError> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(ArgsError::NotABoolean {
            value: shorten(value),
        }),
    }
}
