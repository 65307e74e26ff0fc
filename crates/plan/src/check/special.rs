//! Addresses that are set aside: by RFC 6890's registries, and by what runs on the hosts.

use std::net::Ipv4Addr;
use std::sync::LazyLock;

use ipnetwork::IpNetwork;

use crate::prefix::{covers, overlap};

/// A block that is set aside.
pub(crate) struct Block {
    pub(crate) prefix: IpNetwork,
    whose: Whose,
    /// What it is for, and who says so.
    pub(crate) what: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// No machine can have such an address.
    Nobodys,
    /// The two routers of one link may have such addresses there, and nobody else.
    OfALink,
    /// Somebody else has it as a rule.
    Elsewhere,
}

use Whose::{Elsewhere, Nobodys, OfALink};

/// IANA's registries of special-purpose addresses (RFC 6890), as far as they are not private
/// ones, and defaults of what runs on hosts.
const TABLE: &[(&str, Whose, &str)] = &[
    ("0.0.0.0/8", Nobodys, "\"this network\" (RFC 791 §3.2)"),
    ("127.0.0.0/8", Nobodys, "loopback (RFC 1122 §3.2.1.3)"),
    (
        "169.254.0.0/16",
        OfALink,
        "link-local, and the clouds' metadata (RFC 3927)",
    ),
    (
        "192.0.0.0/24",
        Nobodys,
        "the IETF's protocols (RFC 6890 §2.1)",
    ),
    (
        "192.88.99.0/24",
        Elsewhere,
        "the former 6to4 relays (RFC 7526)",
    ),
    ("224.0.0.0/4", Nobodys, "multicast (RFC 5771)"),
    (
        "240.0.0.0/4",
        Nobodys,
        "reserved, and broadcast (RFC 1112 §4)",
    ),
    ("192.0.2.0/24", Elsewhere, "documentation (RFC 5737)"),
    ("198.51.100.0/24", Elsewhere, "documentation (RFC 5737)"),
    ("203.0.113.0/24", Elsewhere, "documentation (RFC 5737)"),
    ("198.18.0.0/15", Elsewhere, "measurements (RFC 2544)"),
    (
        "172.17.0.0/16",
        Elsewhere,
        "Docker's bridge docker0, by default",
    ),
    (
        "::/96",
        Nobodys,
        "the unspecified address, loopback and former forms of IPv4 (RFC 4291 §2.5)",
    ),
    ("::ffff:0:0/96", Nobodys, "IPv4 in IPv6 (RFC 4291 §2.5.5.2)"),
    ("64:ff9b::/96", Nobodys, "translation to IPv4 (RFC 6052)"),
    ("100::/64", Nobodys, "discarding (RFC 6666)"),
    ("2001::/32", Elsewhere, "Teredo (RFC 4380)"),
    ("2001:db8::/32", Elsewhere, "documentation (RFC 3849)"),
    ("3fff::/20", Elsewhere, "documentation (RFC 9637)"),
    ("2002::/16", Elsewhere, "6to4 (RFC 3056)"),
    ("fe80::/10", Nobodys, "link-local (RFC 4291 §2.5.6)"),
    ("fec0::/10", Elsewhere, "the former site-local (RFC 3879)"),
    ("ff00::/8", Nobodys, "multicast (RFC 4291 §2.7)"),
];

static BLOCKS: LazyLock<Vec<Block>> = LazyLock::new(|| {
    let of = |(prefix, whose, what): &(&str, Whose, &'static str)| {
        Some(Block {
            // Every row is a prefix: the test below reads them all.
            prefix: prefix.parse().ok()?,
            whose: *whose,
            what,
        })
    };
    TABLE.iter().filter_map(of).collect()
});

impl Block {
    /// Whether no machine can have such an address; else somebody else has it as a rule.
    pub(crate) fn is_nobodys(&self) -> bool {
        self.whose != Elsewhere
    }

    /// Whether the two routers of one link may have such addresses there.
    pub(super) fn is_of_a_link(&self) -> bool {
        self.whose == OfALink
    }
}

/// The block that a prefix has addresses of, the worst where there are several.
pub(crate) fn touched(prefix: IpNetwork) -> Option<&'static Block> {
    let mut all = BLOCKS.iter().filter(|b| overlap(b.prefix, prefix));
    let first = all.clone().next();
    all.find(|b| b.is_nobodys()).or(first)
}

/// The block that all of a prefix is in.
pub(super) fn covering(prefix: IpNetwork) -> Option<&'static Block> {
    BLOCKS.iter().find(|b| covers(b.prefix, prefix))
}

/// Whether a prefix has the address that instances ask for their metadata at (AWS, Azure, Google,
/// OpenStack).
pub(super) fn has_metadata(prefix: IpNetwork) -> bool {
    prefix.contains(Ipv4Addr::new(169, 254, 169, 254).into())
}

/// What the cloud keeps for its own services, such as DNS at 100.100.2.136 and metadata at
/// 100.100.100.200 (Aliyun).
pub(crate) fn clouds_own() -> Option<IpNetwork> {
    IpNetwork::new(Ipv4Addr::new(100, 64, 0, 0).into(), 10).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_written_as_one_and_found() {
        assert_eq!(BLOCKS.len(), TABLE.len());
        for block in BLOCKS.iter() {
            let prefix = block.prefix;
            assert_eq!(prefix.network(), prefix.ip(), "{}", block.what);
            assert!(touched(prefix).is_some());
        }
    }

    #[test]
    fn private_and_public_addresses_are_not_set_aside() {
        for text in [
            "10.0.0.0/8",
            "172.16.0.0/16",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "8.8.8.0/24",
            "fd00::/8",
            "2400::/12",
        ] {
            assert!(touched(text.parse().expect("a prefix")).is_none(), "{text}");
        }
        let all = touched("0.0.0.0/0".parse().expect("a prefix")).expect("a block");
        assert!(all.is_nobodys());
    }
}
