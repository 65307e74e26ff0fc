//! Words that have a form of their own: an endpoint, a MAC address.

use std::net::Ipv6Addr;

use flatnet_types::MacAddr;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Reads a host with a port, or null.
pub(super) fn endpoint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let read = Option::<String>::deserialize(deserializer)?;
    match read.as_deref().map(fault_of_endpoint) {
        Some(Some(fault)) => Err(D::Error::custom(fault)),
        _ => Ok(read),
    }
}

/// What is wrong with `host:port`, and what to write instead.
fn fault_of_endpoint(text: &str) -> Option<String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some(format!(
            "`{text}` is an address of IPv6 without a port, or in no brackets: write [ADDRESS]:6443"
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Some(format!("`{text}` has no port: write {text}:6443"));
    };
    if !port
        .parse::<u16>()
        .is_ok_and(|p| p > 0 && port == p.to_string())
    {
        return Some(format!("`{port}` is no port: a number from 1 to 65535"));
    }
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inner {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => None,
        Some(inner) => Some(format!("`{inner}` is no address of IPv6")),
        None if host.contains(':') => Some(format!(
            "an address of IPv6 stands in brackets before its port: write [{host}]:{port}"
        )),
        None if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') => Some(
            format!("`{host}` is no name and no address: write HOST:PORT"),
        ),
        None => None,
    }
}

/// Reads a MAC address that an interface can have, or null.
pub(super) fn unicast<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<MacAddr>, D::Error> {
    let read = Option::<MacAddr>::deserialize(deserializer)?;
    let read = read.map(MacAddr::unicast).transpose();
    read.map_err(|e| D::Error::custom(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::fault_of_endpoint;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let right = [
            "10.0.0.1:6443",
            "api.example.com:443",
            "[fd00::1]:6443",
            "k8s:1",
        ];
        for text in right {
            assert_eq!(fault_of_endpoint(text), None, "{text}");
        }
        let wrong = [
            "10.0.0.1",
            "fd00::1",
            "fd00::1:6443",
            "[fd00::1]",
            "[10.0.0.1]:6443",
            "api:0",
            "api:70000",
            "api:https",
            ":6443",
            "https://10.0.0.1:6443",
        ];
        for text in wrong {
            assert!(fault_of_endpoint(text).is_some(), "{text}");
        }
    }
}
