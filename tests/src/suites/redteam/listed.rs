//! What OpenFlow cannot match, or need not: the whole list, each with who refuses it then.

/// One line of the threat model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
}

macro_rules! listed {
    ($($constant:ident: $name:literal, $reason:literal;)*) => {
        $(pub(super) const $constant: Listed = Listed { name: $name, reason: $reason };)*
        /// All of them.
        #[cfg(test)]
        const ALL: &[Listed] = &[$($constant),*];
    };
}

listed! {
    VERSION: "the wrong IP version in the header",
        "OpenFlow has no field for it; receivers drop the packet (RFC 1122 §3.2.1.1, RFC 8200 §3)";
    CHECKSUM: "a wrong IPv4 header checksum",
        "OpenFlow has no field for it; receivers drop the packet (RFC 1122 §3.2.1.2)";
    LENGTHS: "own addresses, lengths that contradict the frame",
        "no address is forged; receivers drop the packet, and forbidden messages of this form are \
         judged as such";
    ENCRYPTED: "ESP from its own address",
        "what is in it is known to who has the key, and to nobody else (RFC 4303)";
    TINY: "own addresses, a tiny first fragment of what no rule looks into",
        "port security decides by types of ICMPv6 and ports of UDP alone";
    PADDING: "a tiny first fragment whose header is in Ethernet's padding (kernel's datapath)",
        "the kernel's datapath does not look at the packet's length, and takes the padding for the \
         header of a flow that it knows; receivers drop a first fragment without its header (RFC \
         8200 §4.5, RFC 7112; Linux since 5.11)";
    ODD_LATER: "own addresses, a later fragment with an odd header",
        "its first fragment was decided on, and alone it says nothing";
    DISCOVERY_IN_PIECES: "neighbour discovery about itself with a fragment's header",
        "it tells the truth, and receivers ignore it (RFC 6980 §5)";
    NO_MAC: "an advertisement about itself with the MAC zero",
        "Open vSwitch reads a missing option as zero; it harms the sender's own address alone";
    LONG_OPTION: "an advertisement about itself with a MAC option of 16 octets",
        "Open vSwitch reads it as none, and so do receivers of Ethernet (RFC 2464 §6)";
    MEMBERSHIP: "a report of a group that it joins (MLD version 1)",
        "it says that the container itself listens, which is no router's and nobody else's";
    SERVICE_TAG: "a tag of 802.1ad with VLAN ID 0",
        "OpenFlow does not tell 802.1ad's tags from 802.1Q's; it names no VLAN and is taken off";
    CUT_CHAIN: "own addresses, a chain that is cut off before what no rule looks into",
        "the kernel's datapath takes the protocol that the last header names, though nothing of it \
         is there; receivers drop the packet";
    CONTROL_LATER: "a later fragment of a protocol of routers and switches",
        "its first fragment was decided on, and alone it says nothing";
}

/// A security flow that no frame comes to.
#[derive(Debug)]
pub(super) struct Unreached {
    /// Priority and match, as `ovs-ofctl` writes them.
    pub(super) key: &'static str,
    pub(super) reason: &'static str,
}

const NAMED_ZERO: &str = "Open vSwitch 3.1 looks behind this header, and says 0 where it cannot: \
    this is for a version that says the header itself";

/// All of them: kept in case that another version of Open vSwitch reads such frames otherwise.
pub(super) const UNREACHED: &[Unreached] = &[
    Unreached {
        key: "priority=122,ipv6,nw_proto=43,nw_frag=not_later",
        reason: NAMED_ZERO,
    },
    Unreached {
        key: "priority=122,ipv6,nw_proto=44,nw_frag=not_later",
        reason: NAMED_ZERO,
    },
    Unreached {
        key: "priority=122,ipv6,nw_proto=51,nw_frag=not_later",
        reason: NAMED_ZERO,
    },
    Unreached {
        key: "priority=122,ipv6,nw_proto=60,nw_frag=not_later",
        reason: NAMED_ZERO,
    },
    Unreached {
        key: "priority=126,vlan_tci=0x1000/0x1000",
        reason: "with `vlan-limit` 1 Open vSwitch sees no tag inside of a tag: such a frame is \
                 dropped for its EtherType 0x8100; this is for a greater limit",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_a_name_of_its_own_and_a_reason() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|l| l.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|l| l.reason.len() > 20));
    }
}
