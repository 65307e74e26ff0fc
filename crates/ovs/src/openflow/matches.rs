//! What a flow matches.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::{MacAddr, VlanId};

use super::field::{Bytes16, Field, FieldValue, Shown};
use super::wire::{DecodeError, Reader, pad8, patch_length};

/// The bit of `vlan_vid` that says that there is a tag (OpenFlow 1.4.1 §7.2.3.8).
pub(crate) const OFPVID_PRESENT: u16 = 0x1000;

/// What one field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    field: Field,
    value: Bytes16,
    /// `None`: all bits.
    mask: Option<Bytes16>,
}

/// A field that this crate does not know, as the switch sent it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Unknown {
    header: u32,
    payload: Vec<u8>,
}

/// A match: fields with values and masks. An empty one matches everything.
///
/// Guarantees: canonical. Fields are in order, each once; a value has no bit outside its
/// mask; a mask of all bits is none, and a field with a mask of no bit is absent. So a match
/// equals what the switch gives back for it.
///
/// The prerequisites (`eth_type`, `ip_proto`, …) are the caller's; the constructors
/// [`Match::arp`], [`Match::ipv4`], … give them. The switch refuses a match without them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Match {
    entries: Vec<Entry>,
    unknown: Vec<Unknown>,
}

const ETH_IPV4: u16 = 0x0800;
const ETH_ARP: u16 = 0x0806;
const ETH_IPV6: u16 = 0x86dd;
const IP_ICMP: u8 = 1;
const IP_TCP: u8 = 6;
const IP_UDP: u8 = 17;
const IP_ICMPV6: u8 = 58;

/// Declares the builders of fields with a type of their own.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $field:ident;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(self, value: $ty) -> Self {
                self.field(Field::$field, value)
            }
        )*
    };
}

impl Match {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// ARP.
    pub fn arp() -> Self {
        Self::new().eth_type(ETH_ARP)
    }

    /// IPv4.
    pub fn ipv4() -> Self {
        Self::new().eth_type(ETH_IPV4)
    }

    /// IPv6.
    pub fn ipv6() -> Self {
        Self::new().eth_type(ETH_IPV6)
    }

    /// ICMP over IPv4.
    pub fn icmpv4() -> Self {
        Self::ipv4().ip_proto(IP_ICMP)
    }

    /// ICMPv6 of one type; 135 and 136 are neighbour solicitation and advertisement.
    pub fn icmpv6(kind: u8) -> Self {
        Self::ipv6()
            .ip_proto(IP_ICMPV6)
            .field(Field::Icmpv6Type, kind)
    }

    /// TCP over IPv4.
    pub fn tcp4() -> Self {
        Self::ipv4().ip_proto(IP_TCP)
    }

    /// TCP over IPv6.
    pub fn tcp6() -> Self {
        Self::ipv6().ip_proto(IP_TCP)
    }

    /// UDP over IPv4.
    pub fn udp4() -> Self {
        Self::ipv4().ip_proto(IP_UDP)
    }

    /// UDP over IPv6.
    pub fn udp6() -> Self {
        Self::ipv6().ip_proto(IP_UDP)
    }

    builders! {
        /// The port that the frame came in by.
        in_port(u32) = InPort;
        /// The frame's source.
        eth_src(MacAddr) = EthSrc;
        /// The frame's destination.
        eth_dst(MacAddr) = EthDst;
        /// The type behind any tags.
        eth_type(u16) = EthType;
        /// The tag's priority; needs a tag.
        vlan_pcp(u8) = VlanPcp;
        /// ARP: 1 request, 2 reply.
        arp_op(u16) = ArpOp;
        /// ARP's source protocol address.
        arp_spa(Ipv4Addr) = ArpSpa;
        /// ARP's target protocol address.
        arp_tpa(Ipv4Addr) = ArpTpa;
        /// ARP's source hardware address.
        arp_sha(MacAddr) = ArpSha;
        /// ARP's target hardware address.
        arp_tha(MacAddr) = ArpTha;
        /// The IPv4 source.
        ipv4_src(Ipv4Addr) = Ipv4Src;
        /// The IPv4 destination.
        ipv4_dst(Ipv4Addr) = Ipv4Dst;
        /// The IPv6 source.
        ipv6_src(Ipv6Addr) = Ipv6Src;
        /// The IPv6 destination.
        ipv6_dst(Ipv6Addr) = Ipv6Dst;
        /// The IP protocol.
        ip_proto(u8) = IpProto;
        /// The TCP source port.
        tcp_src(u16) = TcpSrc;
        /// The TCP destination port.
        tcp_dst(u16) = TcpDst;
        /// The UDP source port.
        udp_src(u16) = UdpSrc;
        /// The UDP destination port.
        udp_dst(u16) = UdpDst;
        /// The ICMPv6 type.
        icmpv6_type(u8) = Icmpv6Type;
        /// The ICMPv6 code.
        icmpv6_code(u8) = Icmpv6Code;
        /// The address that a solicitation or advertisement is about.
        nd_target(Ipv6Addr) = NdTarget;
        /// The source link-layer address of a solicitation.
        nd_sll(MacAddr) = NdSll;
        /// The target link-layer address of an advertisement.
        nd_tll(MacAddr) = NdTll;
        /// See [`Field::NdReserved`].
        nd_reserved(u32) = NdReserved;
        /// See [`Field::NdOptionsType`].
        nd_options_type(u8) = NdOptionsType;
    }

    /// Register `n`, from 0 to 7.
    ///
    /// # Panics
    /// From 8 on.
    #[must_use]
    pub fn reg(self, n: u8, value: u32) -> Self {
        self.field(Field::reg(n), value)
    }

    /// Some bits of register `n`.
    ///
    /// # Panics
    /// From 8 on.
    #[must_use]
    pub fn reg_masked(self, n: u8, value: u32, mask: u32) -> Self {
        self.field_masked(Field::reg(n), value, mask)
    }

    /// Some bits of the frame's source.
    #[must_use]
    pub fn eth_src_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.field_masked(Field::EthSrc, value, mask)
    }

    /// Some bits of the frame's destination; the mask 01:00:00:00:00:00 tells group
    /// addresses.
    #[must_use]
    pub fn eth_dst_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.field_masked(Field::EthDst, value, mask)
    }

    /// A tag with this VLAN ID.
    #[must_use]
    pub fn vlan(self, id: VlanId) -> Self {
        self.field(Field::VlanVid, OFPVID_PRESENT | id.get())
    }

    /// No tag.
    #[must_use]
    pub fn untagged(self) -> Self {
        self.field(Field::VlanVid, 0u16)
    }

    /// A tag, with any VLAN ID.
    #[must_use]
    pub fn tagged(self) -> Self {
        self.field_masked(Field::VlanVid, OFPVID_PRESENT, OFPVID_PRESENT)
    }

    /// ARP source protocol addresses of a prefix.
    #[must_use]
    pub fn arp_spa_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::ArpSpa, addr, mask4(prefix_len))
    }

    /// ARP target protocol addresses of a prefix.
    #[must_use]
    pub fn arp_tpa_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::ArpTpa, addr, mask4(prefix_len))
    }

    /// IPv4 sources of a prefix.
    #[must_use]
    pub fn ipv4_src_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv4Src, addr, mask4(prefix_len))
    }

    /// IPv4 destinations of a prefix.
    #[must_use]
    pub fn ipv4_dst_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv4Dst, addr, mask4(prefix_len))
    }

    /// IPv6 sources of a prefix.
    #[must_use]
    pub fn ipv6_src_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv6Src, addr, mask6(prefix_len))
    }

    /// IPv6 destinations of a prefix.
    #[must_use]
    pub fn ipv6_dst_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv6Dst, addr, mask6(prefix_len))
    }

    /// Targets of neighbour discovery of a prefix.
    #[must_use]
    pub fn nd_target_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::NdTarget, addr, mask6(prefix_len))
    }

    /// A field's whole value.
    #[must_use]
    pub fn field(mut self, field: Field, value: impl FieldValue) -> Self {
        self.put(field, value.to_bytes(field.bytes()), None);
        self
    }

    /// The bits of a field that `mask` has set.
    #[must_use]
    pub fn field_masked(
        mut self,
        field: Field,
        value: impl FieldValue,
        mask: impl FieldValue,
    ) -> Self {
        let bytes = field.bytes();
        self.put(field, value.to_bytes(bytes), Some(mask.to_bytes(bytes)));
        self
    }

    /// A field's value and mask (`None`: all bits), if the match is about it.
    pub fn get(&self, field: Field) -> Option<(Bytes16, Option<Bytes16>)> {
        self.entries
            .binary_search_by_key(&field, |e| e.field)
            .ok()
            .and_then(|at| self.entries.get(at))
            .map(|e| (e.value, e.mask))
    }

    /// Puts the entry where it belongs, in canonical form.
    fn put(&mut self, field: Field, value: Bytes16, mask: Option<Bytes16>) {
        let all = (1_u128 << (field.bits() - 1) << 1).wrapping_sub(1);
        let bits = mask.map_or(all, |m| m.to_u128() & all);
        let mask = (bits != all).then(|| Bytes16::from_u128(bits, field.bytes()));
        let value = mask.map_or(value, |m| value.and(&m));
        let at = self.entries.binary_search_by_key(&field, |e| e.field);
        let entry = Entry { field, value, mask };
        match (at, bits) {
            (Ok(at), 0) => {
                self.entries.remove(at);
            }
            (Err(_), 0) => {}
            (Ok(at), _) => self.entries[at] = entry,
            (Err(at), _) => self.entries.insert(at, entry),
        }
    }

    /// Appends `ofp_match` (OpenFlow 1.4.1 §7.2.3.1), padded.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        const OFPMT_OXM: u16 = 1;
        let start = out.len();
        out.extend_from_slice(&OFPMT_OXM.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        for Entry { field, value, mask } in &self.entries {
            match mask {
                None => out.extend_from_slice(&field.header().to_be_bytes()),
                // The bit 0x100 says that a mask follows; the length counts both.
                Some(_) => {
                    let header = (field.header() + u32::from(field.bytes())) | 0x100;
                    out.extend_from_slice(&header.to_be_bytes());
                }
            }
            out.extend_from_slice(value.as_slice());
            if let Some(mask) = mask {
                out.extend_from_slice(mask.as_slice());
            }
        }
        for Unknown { header, payload } in &self.unknown {
            out.extend_from_slice(&header.to_be_bytes());
            out.extend_from_slice(payload);
        }
        patch_length(out, start + 2, start);
        pad8(out, start);
    }

    /// Reads `ofp_match` with its padding.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if r.u16()? != 1 {
            return Err(DecodeError::Value);
        }
        let length = usize::from(r.u16()?);
        let mut fields = r.sub(length.checked_sub(4).ok_or(DecodeError::Length)?)?;
        r.skip(length.next_multiple_of(8) - length)?;
        let mut m = Self::new();
        while !fields.is_empty() {
            let header = fields.u32()?;
            let payload = fields.take((header & 0xff) as usize)?;
            m.decode_entry(header, payload);
        }
        m.unknown.sort_unstable();
        Ok(m)
    }

    fn decode_entry(&mut self, header: u32, payload: &[u8]) {
        let masked = header & 0x100 != 0;
        let half = if masked {
            payload.len() / 2
        } else {
            payload.len()
        };
        let bare = header & 0xffff_fe00 | u32::try_from(half).unwrap_or(0);
        let (value, mask) = payload.split_at(half);
        match (
            Field::from_header(bare),
            Bytes16::new(value),
            Bytes16::new(mask),
        ) {
            (Some(field), Some(value), Some(mask)) if !masked || mask.as_slice().len() == half => {
                self.put(field, value, masked.then_some(mask));
            }
            _ => self.unknown.push(Unknown {
                header,
                payload: payload.to_vec(),
            }),
        }
    }
}

fn mask4(prefix_len: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_len.min(32)))
        .unwrap_or(0)
}

fn mask6(prefix_len: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix_len.min(128)))
        .unwrap_or(0)
}

impl fmt::Display for Match {
    /// ovs-ofctl's syntax, with its short names for protocols; empty for everything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |field| match self.get(field) {
            Some((value, None)) => Some(value.to_u128()),
            _ => None,
        };
        let eth_type = exact(Field::EthType).and_then(|n| u16::try_from(n).ok());
        let ip_proto = exact(Field::IpProto).and_then(|n| u8::try_from(n).ok());
        let short = match (eth_type, ip_proto) {
            (Some(ETH_ARP), _) => Some("arp"),
            (Some(ETH_IPV4), Some(IP_ICMP)) => Some("icmp"),
            (Some(ETH_IPV4), Some(IP_TCP)) => Some("tcp"),
            (Some(ETH_IPV4), Some(IP_UDP)) => Some("udp"),
            (Some(ETH_IPV4), _) => Some("ip"),
            (Some(ETH_IPV6), Some(IP_ICMPV6)) => Some("icmp6"),
            (Some(ETH_IPV6), Some(IP_TCP)) => Some("tcp6"),
            (Some(ETH_IPV6), Some(IP_UDP)) => Some("udp6"),
            (Some(ETH_IPV6), _) => Some("ipv6"),
            _ => None,
        };
        let mut comma = "";
        if let Some(short) = short {
            f.write_str(short)?;
            comma = ",";
        }
        for Entry { field, value, mask } in &self.entries {
            let said = match field {
                Field::EthType => short.is_some(),
                Field::IpProto => short.is_some_and(|s| !matches!(s, "ip" | "ipv6" | "arp")),
                _ => false,
            };
            if said {
                continue;
            }
            write!(f, "{comma}{}={}", field.name(), Shown(*field, value))?;
            comma = ",";
            if let Some(mask) = mask {
                write!(f, "/{}", Shown(*field, mask))?;
            }
        }
        for Unknown { header, payload } in &self.unknown {
            write!(f, "{comma}oxm_{header:08x}=0x")?;
            comma = ",";
            for byte in payload {
                write!(f, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "matches/tests.rs"]
pub(super) mod tests;
