//! The static routes in staticd's `show running-config`.
//!
//! ```text
//! ip route 10.1.0.0/16 192.0.2.1 tag 95
//! ip route 10.1.0.0/16 192.0.2.5 up0 tag 95 250 onlink
//! ipv6 route fd00:1::/48 2001:db8::1
//! vrf red
//!  ip route 10.21.0.0/16 192.0.2.2
//! exit-vrf
//! ```
//!
//! Only the default VRF's main table counts. A tag and a distance belong to all next hops of a
//! destination that have the same distance (`frr-staticd.yang`: `path-list`), so one command
//! with a tag marks its neighbours, too.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::model::Prefix;

/// One next hop of a static route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StaticRoute {
    /// The destination.
    pub(super) destination: Prefix,
    /// The next hop as staticd writes it, without tag and distance: `192.0.2.1`,
    /// `192.0.2.1 up0 onlink`, `blackhole`.
    pub(super) hop: String,
    /// The tag; 0: none.
    pub(super) tag: u32,
    /// The administrative distance.
    pub(super) distance: u8,
}

/// A line that is no static route, though it begins like one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is no static route that this version understands")]
pub struct RunningError {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

/// Staticd's own distance, which it does not write.
const USUAL_DISTANCE: u8 = 1;

/// Reads a running configuration.
///
/// # Errors
/// A route that cannot be understood: what is not seen whole is not changed.
pub(super) fn parse(text: &str) -> Result<Vec<StaticRoute>, RunningError> {
    let mut routes = Vec::new();
    for (at, line) in text.lines().enumerate() {
        // What is indented belongs to a block, such as a VRF's.
        let rest = line
            .strip_prefix("ip route ")
            .or_else(|| line.strip_prefix("ipv6 route "));
        let Some(rest) = rest else { continue };
        let understood = route(rest).ok_or_else(|| RunningError {
            line: at + 1,
            text: line.trim().to_owned(),
        })?;
        routes.extend(understood);
    }
    Ok(routes)
}

/// A route; inner none: one of another table, or for certain sources only.
fn route(rest: &str) -> Option<Option<StaticRoute>> {
    let mut words = rest.split_whitespace().peekable();
    let destination = words.next()?.parse::<IpNetwork>().ok()?;
    let mut found = StaticRoute {
        destination: Prefix::truncating(destination),
        hop: String::new(),
        tag: 0,
        distance: USUAL_DISTANCE,
    };
    let mut elsewhere = false;
    let mut hop: Vec<String> = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "from" if hop.is_empty() => {
                words.next()?;
                elsewhere = true;
            }
            "tag" | "table" if hop.is_empty() => return None,
            "tag" => found.tag = words.next()?.parse().ok()?,
            "table" => {
                words.next()?;
                elsewhere = true;
            }
            // Each has its value behind it, which may be a number and no distance.
            "label" | "nexthop-vrf" | "color" | "segments" if !hop.is_empty() => {
                hop.push(word.to_owned());
                hop.push(words.next()?.to_owned());
            }
            _ => match word.parse::<u8>() {
                Ok(distance) if !hop.is_empty() => found.distance = distance,
                _ => hop.push(canonical(word)),
            },
        }
    }
    if hop.is_empty() {
        return None;
    }
    found.hop = hop.join(" ");
    Some((!elsewhere).then_some(found))
}

/// An address in the form in which addresses are compared; any other word as it is.
fn canonical(word: &str) -> String {
    word.parse::<IpAddr>()
        .map_or_else(|_| word.to_owned(), |address| address.to_string())
}
