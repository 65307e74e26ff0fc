//! Redirects that the host sends to its containers (RFC 792, RFC 4861 §8).
//!
//! The host forwards service traffic out of the port by which it came in, so its kernel sends a
//! redirect to a better first hop: the backend itself, or the router. A container that follows it
//! bypasses the host, nothing translates its packets, and its connections fail until the redirect
//! expires. Linux has no setting against sending ICMPv6 redirects, and the one for IPv4 only works
//! where `conf/all/send_redirects` is off too, which netd does not change.

use flatnet_ovs::openflow::{Flow, Match};
use flatnet_plan::node::NodeSpec;
use ipnetwork::IpNetwork;

use super::table::FROM_HOST;

const ICMPV4_REDIRECT: u8 = 5;
const ICMPV6_REDIRECT: u8 = 137;
/// Above all flows that deliver to containers.
const PRIORITY: u16 = 120;

/// Drops redirects from the host to containers of this node.
pub(super) fn redirects(spec: &NodeSpec) -> impl Iterator<Item = Flow> {
    let ranges = spec.networks.iter().flat_map(|n| &n.ranges);
    ranges.map(|range| {
        let to = match range.prefix {
            IpNetwork::V4(p) => {
                let redirect = Match::icmpv4().icmpv4_type(ICMPV4_REDIRECT);
                redirect.ipv4_dst_net(p.network(), p.prefix())
            }
            IpNetwork::V6(p) => {
                let redirect = Match::icmpv6(ICMPV6_REDIRECT);
                redirect.ipv6_dst_net(p.network(), p.prefix())
            }
        };
        Flow::new(FROM_HOST, PRIORITY).matching(to)
    })
}
