//! Frames in pieces, cut off, or of a length that is not theirs.

use super::{DESTINATION_OPTIONS, FRAGMENT, Frame, MARK, Mark, checksum};

/// Where the IP packet of an untagged frame begins.
const PACKET: usize = 14;

impl Frame {
    /// Gives a copy a mark of its own, in each place where the old one stands.
    pub(in crate::suites) fn mark_anew(&mut self) {
        let (old, new) = (self.mark, Mark::new());
        let at = |bytes: &[u8]| bytes.windows(MARK).position(|w| w == old.0);
        while let Some(at) = at(&self.bytes) {
            self.bytes[at..at + MARK].copy_from_slice(&new.0);
        }
        self.mark = new;
    }

    fn changed(mut self, how: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.bytes);
        self.name = format!("{}, {how}", self.name);
        self
    }

    /// An IPv6 packet whose header says that its payload has this many octets.
    pub(in crate::suites) fn of_length(self, octets: u16) -> Self {
        self.changed(&format!("of {octets} octets"), |bytes| {
            bytes[PACKET + 4..PACKET + 6].copy_from_slice(&octets.to_be_bytes());
        })
    }

    /// The first fragment of an IPv6 packet: whole, and as if more followed (RFC 8200 §4.5).
    pub(in crate::suites) fn first_fragment6(self) -> Self {
        self.changed("the first fragment", |bytes| {
            let next = std::mem::replace(&mut bytes[PACKET + 6], FRAGMENT);
            let at = PACKET + 40;
            bytes.splice(at..at, [next, 0, 0, 1, 0, 0, 0x13, 0x37]);
            lengthen6(bytes, 8);
        })
    }

    /// A first fragment of an IPv6 packet that ends before the transport's header does, behind a
    /// header of options.
    pub(in crate::suites) fn tiny_fragment6(self) -> Self {
        self.changed("a fragment without its header", |bytes| {
            let next = std::mem::replace(&mut bytes[PACKET + 6], FRAGMENT);
            let chain = [
                [DESTINATION_OPTIONS, 0, 0, 1, 0, 0, 0x13, 0x37],
                [next, 0, 1, 4, 0, 0, 0, 0],
            ];
            let at = PACKET + 40;
            bytes.splice(at..at, chain.concat());
            bytes[PACKET + 4..PACKET + 6].copy_from_slice(&16_u16.to_be_bytes());
        })
    }

    /// A first fragment of an IPv6 packet that ends with the fragment's header.
    pub(in crate::suites) fn empty_fragment6(self) -> Self {
        self.first_fragment6().of_length(8)
    }

    /// The first fragment of an IPv4 packet: whole, and as if more followed (RFC 791 §3.1).
    pub(in crate::suites) fn first_fragment4(self) -> Self {
        self.fragment4("the first fragment", [0x20, 0])
    }

    /// The last fragment of an IPv4 packet of which others went before.
    pub(in crate::suites) fn later_fragment4(self) -> Self {
        self.fragment4("a later fragment", [0, 0x10])
    }

    fn fragment4(self, how: &str, flags_and_offset: [u8; 2]) -> Self {
        self.changed(how, |bytes| {
            let sum = PACKET + 10;
            bytes[PACKET + 6..PACKET + 8].copy_from_slice(&flags_and_offset);
            bytes[sum..sum + 2].fill(0);
            let fresh = checksum(&bytes[PACKET..PACKET + 20]);
            bytes[sum..sum + 2].copy_from_slice(&fresh.to_be_bytes());
        })
    }

    /// A first fragment of an IPv4 packet that ends in the middle of UDP's header (RFC 1858).
    pub(in crate::suites) fn tiny_fragment4(self) -> Self {
        self.changed("a fragment without its header", |bytes| {
            bytes[PACKET + 2..PACKET + 4].copy_from_slice(&24_u16.to_be_bytes());
        })
        .first_fragment4()
    }
}

fn lengthen6(bytes: &mut [u8], by: u16) {
    let at = PACKET + 4;
    let length = u16::from_be_bytes([bytes[at], bytes[at + 1]]) + by;
    bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
}
