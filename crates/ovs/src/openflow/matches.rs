//! What a flow matches.

use std::fmt;

use super::field::{Bytes16, Field, FieldValue, Shown};
use super::wire::{DecodeError, Reader, pad8, patch_length};

/// The bit of `vlan_vid` that says that there is a tag (OpenFlow 1.4.1 §7.2.3.8).
pub(crate) const OFPVID_PRESENT: u16 = 0x1000;

mod build;

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
/// mask; a mask of all bits is left out, and so is a field with a mask of no bit. So a match
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

impl Match {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// What both match; a field of `other` takes the place of the same one.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for entry in &other.entries {
            self.put(entry.field, entry.value, entry.mask);
        }
        for unknown in &other.unknown {
            if !self.unknown.contains(unknown) {
                self.unknown.push(unknown.clone());
            }
        }
        self
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
        // Open vSwitch takes NXM_NX_TCP_FLAGS, and gives it back as ONFOXM_ET_TCP_FLAGS on a connection of
        // OpenFlow 1.3 and 1.4: in class 0xffff the experimenter's number comes first, and counts.
        const ONF: [u8; 4] = 0x4f4e_4600_u32.to_be_bytes();
        const ET_TCP_FLAGS: u32 = 0xffff << 16 | 42 << 9;
        if header & 0xffff_fe00 == ET_TCP_FLAGS
            && let Some(payload) = payload.strip_prefix(&ONF)
        {
            let length = u32::try_from(payload.len()).unwrap_or(0);
            let flags = Field::TcpFlags.header() & 0xffff_fe00;
            return self.decode_entry(flags | header & 0x100 | length, payload);
        }
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
