//! What a forger sends.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::MacAddr;

use crate::suites::kit::container::Container;
use crate::suites::kit::frame::{
    ADVERTISEMENT, ADVERTISEMENT_OF_ROUTER, ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Nd,
    REDIRECT, SOLICITATION, Udp, solicited_node,
};

const ETHERTYPE_LLDP: u16 = 0x88cc;
const ETHERTYPE_RARP: u16 = 0x8035;

/// The forger, whom it imitates, and who could be misled.
pub(super) struct Cast<'c> {
    pub(super) forger: &'c Container,
    pub(super) victim: &'c Container,
    pub(super) gateway: (Ipv4Addr, Ipv6Addr),
}

impl Cast<'_> {
    /// Every forgery there is.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let mut frames = self.addresses();
        frames.extend(self.arp());
        frames.extend(self.discovery());
        frames.extend(self.servers());
        frames.extend(self.fragmented_and_truncated());
        frames
    }

    /// To a neighbour, from the forger's own MAC.
    fn eth(&self) -> Ethernet {
        Ethernet {
            from: self.forger.mac,
            to: self.victim.mac,
        }
    }

    fn broadcast(&self) -> Ethernet {
        Ethernet {
            from: self.forger.mac,
            to: MacAddr::BROADCAST,
        }
    }

    /// Wrong MACs and wrong IP addresses.
    fn addresses(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let ports = (7, 7);
        let strange = MacAddr([2, 0, 0, 0, 0, 0x66]);
        let honest4 = Udp {
            from: own.v4,
            to: to.v4,
            ports,
        };
        let honest6 = Udp {
            from: own.v6,
            to: to.v6,
            ports,
        };
        let mut frames = Vec::new();
        for (whose, mac) in [
            ("a strange", strange),
            ("the victim's", to.mac),
            ("the broadcast", MacAddr::BROADCAST),
        ] {
            let eth = Ethernet {
                from: mac,
                ..self.eth()
            };
            frames.push(eth.udp4(&format!("IPv4 from {whose} MAC"), honest4));
            frames.push(eth.udp6(&format!("IPv6 from {whose} MAC"), honest6));
        }
        for (whose, from) in [
            ("the victim", to.v4),
            ("the gateway", self.gateway.0),
            ("nobody", Ipv4Addr::UNSPECIFIED),
            ("elsewhere", Ipv4Addr::new(192, 0, 2, 1)),
        ] {
            let udp = Udp { from, ..honest4 };
            frames.push(self.eth().udp4(&format!("IPv4 as {whose}"), udp));
            frames.push(
                self.broadcast()
                    .udp4(&format!("IPv4 as {whose}, broadcast"), udp),
            );
        }
        for (whose, from) in [
            ("the victim", to.v6),
            ("the gateway", self.gateway.1),
            ("the victim's link-local address", to.link_local()),
            ("nobody", Ipv6Addr::UNSPECIFIED),
        ] {
            frames.push(
                self.eth()
                    .udp6(&format!("IPv6 as {whose}"), Udp { from, ..honest6 }),
            );
        }
        frames.push(self.broadcast().frame("LLDP", ETHERTYPE_LLDP, &[0; 40]));
        frames.push(self.broadcast().frame("RARP", ETHERTYPE_RARP, &[0; 28]));
        frames
    }

    fn arp(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let (gateway, _) = self.gateway;
        let eth = self.broadcast();
        let right = Arp {
            op: 1,
            sha: own.mac,
            spa: own.v4,
            tha: MacAddr::ZERO,
            tpa: to.v4,
        };
        let lied = Arp {
            op: 2,
            tha: to.mac,
            ..right
        };
        let strange = Ethernet {
            from: to.mac,
            ..eth
        };
        vec![
            eth.arp(
                "ARP request with a wrong sha",
                Arp {
                    sha: to.mac,
                    ..right
                },
            ),
            eth.arp(
                "ARP request with a wrong spa",
                Arp {
                    spa: gateway,
                    ..right
                },
            ),
            strange.arp("ARP request from another MAC", right),
            eth.arp(
                "ARP reply for the gateway",
                Arp {
                    spa: gateway,
                    ..lied
                },
            ),
            self.eth().arp(
                "ARP reply for the gateway, unicast",
                Arp {
                    spa: gateway,
                    ..lied
                },
            ),
            eth.arp(
                "ARP reply with a wrong sha",
                Arp {
                    sha: to.mac,
                    ..lied
                },
            ),
            eth.arp(
                "gratuitous ARP for the victim",
                Arp {
                    spa: to.v4,
                    tpa: to.v4,
                    ..right
                },
            ),
            eth.arp(
                "gratuitous ARP for the gateway",
                Arp {
                    op: 2,
                    spa: gateway,
                    tpa: gateway,
                    tha: MacAddr::BROADCAST,
                    ..right
                },
            ),
        ]
    }

    fn discovery(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let (_, gateway) = self.gateway;
        let all = Ethernet {
            from: own.mac,
            to: ALL_NODES_MAC,
        };
        let (group, group_mac) = solicited_node(to.v6);
        let asking = Ethernet {
            from: own.mac,
            to: group_mac,
        };
        let own_ll = own.link_local();
        let advertisement = Nd {
            kind: ADVERTISEMENT,
            from: own.v6,
            to: ALL_NODES,
            target: own.v6,
            mac: Some(own.mac),
        };
        let solicitation = Nd {
            kind: SOLICITATION,
            from: own.v6,
            to: group,
            target: to.v6,
            mac: Some(own.mac),
        };
        let router = Nd {
            kind: ADVERTISEMENT_OF_ROUTER,
            from: own_ll,
            to: ALL_NODES,
            target: own_ll,
            mac: Some(own.mac),
        };
        let redirect = Nd {
            kind: REDIRECT,
            from: own_ll,
            to: to.v6,
            target: own_ll,
            ..router
        };
        vec![
            all.nd(
                "NA for the gateway",
                &Nd {
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd(
                "NA for the victim",
                &Nd {
                    target: to.v6,
                    ..advertisement
                },
            ),
            all.nd(
                "NA from the gateway",
                &Nd {
                    from: gateway,
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd(
                "NA with a wrong MAC",
                &Nd {
                    mac: Some(to.mac),
                    ..advertisement
                },
            ),
            self.eth().nd(
                "NA to the victim for the gateway",
                &Nd {
                    to: to.v6,
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd_behind_options(
                "NA for the gateway behind options",
                &Nd {
                    target: gateway,
                    ..advertisement
                },
            ),
            asking.nd(
                "NS with a wrong MAC",
                &Nd {
                    mac: Some(to.mac),
                    ..solicitation
                },
            ),
            asking.nd(
                "NS from the gateway",
                &Nd {
                    from: gateway,
                    ..solicitation
                },
            ),
            all.nd("RA", &router),
            self.eth().nd(
                "RA to the victim",
                &Nd {
                    to: to.v6,
                    ..router
                },
            ),
            all.nd(
                "RA from the gateway",
                &Nd {
                    from: gateway,
                    ..router
                },
            ),
            all.nd_behind_options("RA behind options", &router),
            self.eth().nd_behind_options(
                "RA behind options to the victim",
                &Nd {
                    to: to.v6,
                    ..router
                },
            ),
            self.eth().nd("redirect", &redirect),
        ]
    }

    /// What is forbidden, in pieces and cut off, so that its type and ports cannot be seen.
    fn fragmented_and_truncated(&self) -> Vec<Frame> {
        let discovery = self.discovery().into_iter().filter(|f| {
            ["NA", "RA", "redirect"]
                .iter()
                .any(|kind| f.name.starts_with(kind))
        });
        let ports = |f: &Frame| f.name.starts_with("DHCPv6");
        let (six, four): (Vec<Frame>, Vec<Frame>) = self.servers().into_iter().partition(ports);
        let mut fragmented_and_truncated = Vec::new();
        for frame in discovery.chain(six) {
            fragmented_and_truncated.extend([
                frame.clone().first_fragment6(),
                frame.clone().tiny_fragment6(),
                frame.clone().empty_fragment6(),
                frame.clone().of_length(0),
                frame.of_length(3),
            ]);
        }
        for frame in four {
            fragmented_and_truncated
                .extend([frame.clone().first_fragment4(), frame.tiny_fragment4()]);
        }
        for frame in &mut fragmented_and_truncated {
            frame.mark_anew();
        }
        fragmented_and_truncated
    }

    /// What a server of addresses says (RFC 2131 §4.1, RFC 8415 §7.2).
    fn servers(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let offer = Udp {
            from: own.v4,
            to: Ipv4Addr::BROADCAST,
            ports: (67, 68),
        };
        let advertise = Udp {
            from: own.link_local(),
            to: to.link_local(),
            ports: (547, 546),
        };
        vec![
            self.broadcast().udp4("DHCP offer", offer),
            self.eth()
                .udp4("DHCP offer to the victim", Udp { to: to.v4, ..offer }),
            self.broadcast().udp4(
                "DHCP offer of the gateway",
                Udp {
                    from: self.gateway.0,
                    ..offer
                },
            ),
            self.eth().udp6("DHCPv6 advertise", advertise),
            self.eth().udp6(
                "DHCPv6 advertise from its address",
                Udp {
                    from: own.v6,
                    to: to.v6,
                    ..advertise
                },
            ),
        ]
    }
}
