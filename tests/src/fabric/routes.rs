//! Names and numbers that the fabric's routes share. The lab sets no route between nodes: those
//! are netd's and vpc-route's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

/// `RTPROT_DHCP`: the default routes that a cloud's DHCP gives its machines.
pub(crate) const DHCP: u8 = 16;

/// The interface of leased line number `n` at both ends.
pub(crate) fn line_name(n: usize) -> String {
    format!("line{n}")
}

/// The default prefix of an address's family.
pub(crate) fn default_of(ip: IpAddr) -> IpNetwork {
    let any = match ip {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // A length of 0 is right in both families.
    IpNetwork::new(any, 0).unwrap_or_else(|_| IpNetwork::from(any))
}
