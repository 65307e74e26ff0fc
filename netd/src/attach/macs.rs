//! Requested MACs that belong to routers or to links: a container with one would receive their
//! frames.

use std::net::IpAddr;

use flatnet_plan::NodeSpec;
use flatnet_types::{MacAddr, control};

use super::error::RefusedRequest;

/// The error for a MAC that no container may request; `None` if it may be requested.
pub(super) fn refusal(mac: MacAddr) -> Option<RefusedRequest> {
    if is_link_end(mac) {
        return Some(RefusedRequest::MacOfLink(mac));
    }
    control::virtual_mac(mac).map(|block| RefusedRequest::MacVirtual {
        mac,
        what: block.what,
    })
}

/// Whether the MAC has the form of [`super::plan::host_mac`].
fn is_link_end(mac: MacAddr) -> bool {
    matches!(mac.0, [0xfe, 0xf1, ..])
}

/// Whether a neighbour of the host may be a container: perhaps the one that requests the MAC,
/// before it was moved or restarted.
pub(super) fn may_be_container(spec: &NodeSpec, ip: IpAddr) -> bool {
    let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let mut ranges = spec.networks.iter().flat_map(|n| &n.ranges);
    link_local || ranges.any(|r| r.subnet.contains(ip) && r.gateway != ip)
}

#[cfg(test)]
mod tests {
    use super::super::plan::host_mac;
    use super::*;

    #[test]
    fn virtual_routers_and_ends_of_links_are_refused_and_others_are_not() {
        let refused = |text: &str| refusal(text.parse().expect("a MAC"));
        for (mac, word) in [
            ("00:00:5e:00:01:0a", "VRRP for IPv4"),
            ("00:00:5e:00:02:ff", "VRRP for IPv6"),
            ("00:00:0c:07:ac:00", "RFC 2281"),
            ("00:00:0c:9f:f1:23", "version 2"),
            ("00:05:73:a0:0f:ff", "HSRP for IPv6"),
            ("00:07:b4:00:01:02", "GLBP"),
        ] {
            let error = refused(mac).expect(mac).to_string();
            assert!(error.contains(word) && error.contains(mac), "{error}");
        }
        assert_eq!(
            refusal(host_mac(1_000_002)),
            Some(RefusedRequest::MacOfLink(host_mac(1_000_002)))
        );
        // RFC 9542 §2.1.2: for documentation.
        for mac in [
            "00:00:5e:00:53:01",
            "02:00:00:00:00:01",
            "00:00:0c:9f:e1:23",
        ] {
            assert_eq!(refused(mac), None, "{mac}");
        }
    }
}
