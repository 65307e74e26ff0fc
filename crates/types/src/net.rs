//! Checked MAC addresses, VLAN IDs and MTUs; rates.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Invalid MAC address, VLAN ID or MTU.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetError {
    /// Not six hexadecimal octets.
    #[error("{0:?} is not a MAC address: six hexadecimal octets separated by ':' are wanted")]
    Mac(String),
    /// A multicast or all-zero address cannot be an interface's own (IEEE 802-2014 §8.2).
    #[error("{0} cannot be an interface's address: it is a group address or all zero")]
    NotUnicast(MacAddr),
    /// Outside 1–4094 (IEEE 802.1Q-2018 §9.6).
    #[error("VLAN ID {0} is out of bounds: 1 to 4094 are allowed")]
    Vlan(u32),
    /// Outside what IPv4 and the kernel allow.
    #[error("MTU {0} is out of bounds: {min} to {max} bytes are allowed", min = Mtu::MIN, max = Mtu::MAX)]
    Mtu(u64),
}

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// 00:00:00:00:00:00.
    pub const ZERO: Self = Self([0; 6]);

    /// The address, if it can be an interface's own.
    ///
    /// # Errors
    /// [`NetError::NotUnicast`] for a group address or zero.
    pub fn unicast(self) -> Result<Self, NetError> {
        if self.0[0] & 1 == 1 || self == Self::ZERO {
            return Err(NetError::NotUnicast(self));
        }
        Ok(self)
    }

    /// The IPv6 link-local address that the kernel forms from this MAC: modified EUI-64
    /// (RFC 4291 appendix A).
    pub fn link_local(self) -> Ipv6Addr {
        let m = self.0;
        Ipv6Addr::from([
            0xfe,
            0x80,
            0,
            0,
            0,
            0,
            0,
            0,
            m[0] ^ 2,
            m[1],
            m[2],
            0xff,
            0xfe,
            m[3],
            m[4],
            m[5],
        ])
    }

    /// The MAC of a container with this IPv4 address: `0a:f1` and the four octets. The MAC of an
    /// address never changes, so a neighbour's entry stays valid when the address is reused.
    pub fn for_ipv4(ip: Ipv4Addr) -> Self {
        let [a, b, c, d] = ip.octets();
        Self([0x0a, 0xf1, a, b, c, d])
    }

    /// The MAC of a container with only this IPv6 address: `0a:f6` and the 32-bit FNV-1a hash of
    /// the sixteen octets.
    pub fn for_ipv6(ip: Ipv6Addr) -> Self {
        let hash = ip.octets().iter().fold(0x811c_9dc5_u32, |h, b| {
            (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
        });
        let [a, b, c, d] = hash.to_be_bytes();
        Self([0x0a, 0xf6, a, b, c, d])
    }

    /// The MAC of a container whose first address is `ip`.
    pub fn for_ip(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::for_ipv4(ip),
            IpAddr::V6(ip) => Self::for_ipv6(ip),
        }
    }

    /// Whether it has a prefix of [`MacAddr::for_ip`]'s MACs.
    pub fn is_derived(self) -> bool {
        matches!(self.0, [0x0a, 0xf1 | 0xf6, ..])
    }

    /// The address as a number, for OpenFlow and for sorting.
    pub fn to_u64(self) -> u64 {
        self.0.iter().fold(0, |n, b| n << 8 | u64::from(*b))
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = NetError;
    fn from_str(s: &str) -> Result<Self, NetError> {
        let bad = || NetError::Mac(s.chars().take(32).collect());
        let mut octets = [0u8; 6];
        let mut parts = s.split([':', '-']);
        for octet in &mut octets {
            let part = parts.next().ok_or_else(bad)?;
            if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(bad());
            }
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(Self(octets))
    }
}

impl TryFrom<String> for MacAddr {
    type Error = NetError;
    fn try_from(s: String) -> Result<Self, NetError> {
        s.parse()
    }
}

impl From<MacAddr> for String {
    fn from(m: MacAddr) -> String {
        m.to_string()
    }
}

/// An 802.1Q VLAN ID: 1 to 4094.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u16))]
#[serde(try_from = "u32", into = "u32")]
pub struct VlanId(u16);

impl VlanId {
    /// Checks `id` and wraps it.
    ///
    /// # Errors
    /// [`NetError::Vlan`] outside 1–4094: 0 is a priority tag and 4095 is reserved.
    pub fn new(id: u32) -> Result<Self, NetError> {
        match u16::try_from(id) {
            Ok(id @ 1..=4094) => Ok(Self(id)),
            _ => Err(NetError::Vlan(id)),
        }
    }

    /// The ID, 1 to 4094.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for VlanId {
    type Error = NetError;
    fn try_from(id: u32) -> Result<Self, NetError> {
        Self::new(id)
    }
}

impl From<VlanId> for u32 {
    fn from(v: VlanId) -> u32 {
        v.0.into()
    }
}

/// A maximum transmission unit in bytes: what an Ethernet frame carries, without its
/// header and tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = u32))]
#[serde(try_from = "u64", into = "u64")]
pub struct Mtu(u32);

impl Mtu {
    /// The least that IPv4 allows (RFC 791 §3.2).
    pub const MIN: u32 = 68;
    /// The least for a link that carries IPv6 (RFC 8200 §5).
    pub const MIN_IPV6: u32 = 1280;
    /// The most that the kernel gives a veth.
    pub const MAX: u32 = 65535;
    /// Ethernet's MTU.
    pub const ETHERNET: Self = Self(1500);

    /// Checks `bytes` and wraps it.
    ///
    /// # Errors
    /// [`NetError::Mtu`] outside 68–65535.
    pub fn new(bytes: u64) -> Result<Self, NetError> {
        match u32::try_from(bytes) {
            Ok(b @ Self::MIN..=Self::MAX) => Ok(Self(b)),
            _ => Err(NetError::Mtu(bytes)),
        }
    }

    /// In bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for Mtu {
    type Error = NetError;
    fn try_from(b: u64) -> Result<Self, NetError> {
        Self::new(b)
    }
}

impl From<Mtu> for u64 {
    fn from(m: Mtu) -> u64 {
        m.0.into()
    }
}

/// Rate limit of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rate {
    /// Bits per second.
    pub rate: u64,
    /// Burst, in bits.
    pub burst: u64,
}

/// Rate limits of a container, in the terms of CNI's `bandwidth` capability: `ingress` is towards
/// the container, `egress` from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bandwidth {
    /// Limit towards the container; `None`: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Rate>,
    /// Limit from the container; `None`: unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Rate>,
}

/// A protocol of transport without a packet that says that it is the first of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datagrams {
    /// UDP (RFC 768).
    Udp,
    /// SCTP (RFC 9260), whose chunk INIT says so: inside the packet, where a switch does not look.
    Sctp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mac_survives_printing(octets: [u8; 6]) {
            let mac = MacAddr(octets);
            prop_assert_eq!(mac.to_string().parse::<MacAddr>(), Ok(mac));
        }

        #[test]
        fn parsing_a_mac_never_panics(s in ".{0,40}") {
            let parsed = s.parse::<MacAddr>();
            prop_assert!(parsed.is_err() || s.len() >= 11);
        }
    }

    #[test]
    fn vlan_ids_have_bounds() {
        assert_eq!(VlanId::new(0), Err(NetError::Vlan(0)));
        assert_eq!(VlanId::new(4095), Err(NetError::Vlan(4095)));
        assert_eq!(VlanId::new(65636), Err(NetError::Vlan(65636)));
        assert_eq!(VlanId::new(4094).map(VlanId::get), Ok(4094));
    }

    #[test]
    fn the_link_local_address_is_the_kernels() {
        let mac: MacAddr = "0a:f1:0a:64:00:05".parse().expect("a MAC");
        assert_eq!(mac.link_local().to_string(), "fe80::8f1:aff:fe64:5");
    }

    #[test]
    fn a_containers_mac_is_local_and_unicast() {
        let mac = MacAddr::for_ipv4(Ipv4Addr::new(10, 100, 0, 5));
        assert_eq!(mac.to_string(), "0a:f1:0a:64:00:05");
        assert!(mac.unicast().is_ok());
        assert_eq!(mac.0[0] & 2, 2, "locally administered");
        assert!(MacAddr::BROADCAST.unicast().is_err());
    }
}
