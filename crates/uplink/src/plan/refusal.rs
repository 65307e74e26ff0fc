//! What stands in the way of a move. What cannot be done whole is not begun.

use flatnet_kernel::{Address, Entry};
use flatnet_types::VlanId;
use ipnetwork::IpNetwork;
use thiserror::Error;

use super::{Target, gateways, steps};
use crate::clients::{Borne, Client, for_good};
use crate::inventory::{Inventory, LinkFacts};

/// Why a move is not begun, with what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No link has that name.
    #[error("uplink {name} is not there; this host has {known}: correct the plan")]
    NoLink {
        /// The plan's name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A link has it as its other name.
    #[error("uplink {name} is another name of {real}: write `interface: {real}` in the plan")]
    Altname {
        /// The plan's name.
        name: String,
        /// The link's own.
        real: String,
    },
    /// A link has it in other letters.
    #[error("there is no {name}, but {real}: names differ by case; correct the plan")]
    Case {
        /// The plan's name.
        name: String,
        /// The link's own.
        real: String,
    },
    /// The plan names a sub-interface.
    #[error(
        "uplink {name} is an 802.1Q interface of {lower}, which a trunk cannot be: write \
         `interface: {lower}` in the plan"
    )]
    UplinkIsVlan {
        /// The plan's name.
        name: String,
        /// The link below.
        lower: String,
    },
    /// It is a port of something else.
    #[error(
        "{name} is a port of {master} ({kind}): name {master} as the plan's uplink if it is a \
         bond, or take {name} out of it"
    )]
    Enslaved {
        /// Name of the link.
        name: String,
        /// Whose port.
        master: String,
        /// What that is.
        kind: String,
    },
    /// It is a port of another bridge of Open vSwitch.
    #[error(
        "{name} is a port of Open vSwitch's bridge {bridge}: `ovs-vsctl del-port {bridge} {name}`"
    )]
    OtherBridge {
        /// Name of the link.
        name: String,
        /// Name of the bridge.
        bridge: String,
    },
    /// It is down.
    #[error("{name} is down: `ip link set {name} up`, and see that its network works")]
    Down {
        /// Name of the link.
        name: String,
    },
    /// Nothing bears an address.
    #[error(
        "{name} bears no address, and no 802.1Q interface of it does: there is nothing to move"
    )]
    Nothing {
        /// Name of the plan's uplink.
        name: String,
    },
    /// The NIC and its sub-interface bear addresses.
    #[error(
        "both {nic} and {sub} bear addresses: the host's port has one VLAN; take those of one \
         of them off"
    )]
    Both {
        /// Name of the plan's uplink.
        nic: String,
        /// The sub-interface.
        sub: String,
    },
    /// The sub-interface is in another VLAN than the plan says.
    #[error("{sub} bears {addresses} in VLAN {vlan}, and the plan's host VLAN is {}: correct one of them",
        wanted.map_or_else(|| "none (untagged)".to_owned(), |v| v.to_string()))]
    OtherVlan {
        /// The sub-interface.
        sub: String,
        /// What it bears.
        addresses: String,
        /// Its VLAN.
        vlan: u16,
        /// The VLAN of the host by the plan; none: untagged.
        wanted: Option<VlanId>,
    },
    /// A sub-interface would take the frames of a VLAN away from the bridge.
    #[error(
        "{sub} is an 802.1Q interface of {nic} in VLAN {vlan}, which the bridge is to carry: the \
         kernel would give its frames to {sub}; delete {sub}"
    )]
    SubTakesVlan {
        /// The sub-interface.
        sub: String,
        /// Name of the plan's uplink.
        nic: String,
        /// Its VLAN.
        vlan: u16,
    },
    /// Other links are stacked on the one that has to go.
    #[error("{upper} is stacked on {sub}, which is deleted in this move: take {upper} off first")]
    Stacked {
        /// The link above.
        upper: String,
        /// The sub-interface.
        sub: String,
    },
    /// Open vSwitch does not answer.
    #[error("Open vSwitch's database does not answer: is ovsdb-server running?")]
    NoSwitch,
    /// The bridge is somebody else's.
    #[error(
        "bridge {bridge} is there and does not bear netd's mark: delete it, or hand it over with \
         `ovs-vsctl br-set-external-id {bridge} flatnet-owner netd`"
    )]
    ForeignBridge {
        /// Name of the bridge.
        bridge: String,
    },
    /// A route uses a next-hop object.
    #[error(
        "{route} leads through a next-hop object (`ip nexthop`), which is not moved: replace it \
         by a plain route"
    )]
    NexthopObject {
        /// The route as `ip route` shows it.
        route: String,
    },
    /// An address that would end on the host's port, for nobody renews it.
    #[error(
        "{address} of {device} is a lease that nobody renews any more: the host would lose it when \
         it ends; `{command}`, and see that nobody else is given it"
    )]
    Expires {
        /// With its prefix length: `192.0.2.7/24`.
        address: String,
        /// What bears it.
        device: String,
        /// What to do.
        command: String,
    },
    /// Something would put the address back.
    #[error("{client} configures {device}, and would put its addresses back: {advice}")]
    Client {
        /// The program that configures the device.
        client: String,
        /// Which device.
        device: String,
        /// What to do.
        advice: String,
    },
}

/// The uplink's link.
pub(super) fn nic<'a>(target: &Target, i: &'a Inventory) -> Result<&'a LinkFacts, Refusal> {
    let name = &target.uplink;
    if let Some(link) = i.link(name) {
        return match (link.vlan, link.lower) {
            (Some(_), Some(lower)) => Err(Refusal::UplinkIsVlan {
                name: name.clone(),
                lower: i.name_of(lower),
            }),
            _ => Ok(link),
        };
    }
    if let Some(link) = i.links.iter().find(|l| l.altnames.contains(name)) {
        return Err(Refusal::Altname {
            name: name.clone(),
            real: link.name.clone(),
        });
    }
    if let Some(link) = i.links.iter().find(|l| l.name.eq_ignore_ascii_case(name)) {
        return Err(Refusal::Case {
            name: name.clone(),
            real: link.name.clone(),
        });
    }
    let known: Vec<&str> = i.links.iter().map(|l| l.name.as_str()).take(16).collect();
    Err(Refusal::NoLink {
        name: name.clone(),
        known: known.join(", "),
    })
}

/// The device that bears the addresses.
pub(super) fn source<'a>(
    target: &Target,
    i: &'a Inventory,
    nic: &'a LinkFacts,
) -> Result<&'a LinkFacts, Refusal> {
    let host_vlan = target.host_vlan.map(VlanId::get);
    let bears = |link: &LinkFacts| i.addresses_of(link).next().is_some();
    let subs: Vec<&LinkFacts> = i
        .links
        .iter()
        .filter(|l| l.vlan.is_some() && l.lower == Some(nic.ifindex) && bears(l))
        .collect();
    let ours = subs
        .iter()
        .copied()
        .find(|l| l.vlan.is_some() && l.vlan == host_vlan);
    match (bears(nic), ours) {
        (true, None) => Ok(nic),
        (true, Some(sub)) => Err(Refusal::Both {
            nic: nic.name.clone(),
            sub: sub.name.clone(),
        }),
        (false, Some(sub)) => Ok(sub),
        (false, None) => Err(match subs.first() {
            Some(sub) => Refusal::OtherVlan {
                sub: sub.name.clone(),
                addresses: words_of_addresses(i, sub),
                vlan: sub.vlan.unwrap_or(0),
                wanted: target.host_vlan,
            },
            None => Refusal::Nothing {
                name: nic.name.clone(),
            },
        }),
    }
}

fn words_of_addresses(i: &Inventory, link: &LinkFacts) -> String {
    let all: Vec<String> = i
        .addresses_of(link)
        .filter_map(Entry::as_address)
        .map(|a| a.address.to_string())
        .collect();
    all.join(", ")
}

/// Everything else that stands in the way.
pub(super) fn whole(
    target: &Target,
    i: &Inventory,
    nic: &LinkFacts,
    source: &LinkFacts,
) -> Vec<Refusal> {
    let mut found = Vec::new();
    for link in [nic, source] {
        if !link.up {
            found.push(Refusal::Down {
                name: link.name.clone(),
            });
        }
        // The kernel's datapath shows as a master too.
        if let Some(master) = link.master.and_then(|m| i.link_at(m))
            && master.kind.as_deref() != Some("openvswitch")
        {
            found.push(Refusal::Enslaved {
                name: link.name.clone(),
                master: master.name.clone(),
                kind: master.kind.clone().unwrap_or_else(|| "unknown".to_owned()),
            });
        }
    }
    found.dedup();
    switch(target, i, nic, &mut found);
    stacked(target, i, nic, source, &mut found);
    for route in i.routes.iter().filter(|r| r.is_of(&source.id())) {
        if route.uses_nexthop_object() {
            found.push(Refusal::NexthopObject {
                route: route.words(&|index| i.name_of(index)),
            });
        }
    }
    writers(i, source, &mut found);
    found
}

/// Who would put the addresses back; where nobody would, leases that end.
fn writers(i: &Inventory, source: &LinkFacts, found: &mut Vec<Refusal>) {
    let all: Vec<Address> = i
        .addresses_of(source)
        .filter_map(Entry::as_address)
        .collect();
    let addresses: Vec<IpNetwork> = all.iter().map(|a| a.address).collect();
    let gateways = gateways(i, source);
    let borne = Borne {
        device: &source.name,
        addresses: &addresses,
        gateways: &gateways,
    };
    let mut stay = i.clients.iter().filter(|c| !can_be_told(c)).peekable();
    if stay.peek().is_none() && !i.clients.iter().any(steps::can_follow) {
        for address in all.iter().filter(|a| !a.is_permanent()) {
            if address.address.is_ipv4() {
                found.push(Refusal::Expires {
                    address: address.address.to_string(),
                    device: source.name.clone(),
                    command: for_good(&source.name, address.address),
                });
            }
        }
    }
    found.extend(stay.map(|client| Refusal::Client {
        client: client.to_string(),
        device: source.name.clone(),
        advice: client.way_out(&borne),
    }));
}

/// Whether a step of the move keeps the client from putting the addresses back.
fn can_be_told(client: &Client) -> bool {
    steps::can_follow(client) || steps::can_unmanage(client)
}

fn switch(target: &Target, i: &Inventory, nic: &LinkFacts, found: &mut Vec<Refusal>) {
    if !i.bridge.answers {
        found.push(Refusal::NoSwitch);
    } else if i.bridge.exists && !i.bridge.ours {
        found.push(Refusal::ForeignBridge {
            bridge: target.bridge.clone(),
        });
    }
    if let Some(bridge) = &i.bridge.elsewhere {
        found.push(Refusal::OtherBridge {
            name: nic.name.clone(),
            bridge: bridge.clone(),
        });
    }
}

fn stacked(
    target: &Target,
    i: &Inventory,
    nic: &LinkFacts,
    source: &LinkFacts,
    found: &mut Vec<Refusal>,
) {
    let moved_sub = (source.ifindex != nic.ifindex).then_some(source);
    for link in &i.links {
        let Some(lower) = link.lower else { continue };
        // The index of a veth's other end counts in that end's namespace.
        let stacked = matches!(
            link.kind.as_deref(),
            Some("vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap" | "macsec" | "vxlan")
        );
        if let Some(sub) = moved_sub
            && stacked
            && lower == sub.ifindex
        {
            found.push(Refusal::Stacked {
                upper: link.name.clone(),
                sub: sub.name.clone(),
            });
        }
        if lower == nic.ifindex
            && link.ifindex != source.ifindex
            && let Some(vlan) = link.vlan
            && target.trunks.iter().any(|t| t.get() == vlan)
        {
            found.push(Refusal::SubTakesVlan {
                sub: link.name.clone(),
                nic: nic.name.clone(),
                vlan,
            });
        }
    }
}
