//! What is found on the host, as plain values.

use std::collections::BTreeMap;

use flatnet_kernel::{Entry, LinkId};
use flatnet_types::MacAddr;
use ipnetwork::IpNetwork;

use crate::clients::Client;

/// A link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Interface index.
    pub ifindex: u32,
    /// Its other names.
    pub altnames: Vec<String>,
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// `bond`, `bridge`, `vlan`, …; `None` for a physical one.
    pub kind: Option<String>,
    /// Of an 802.1Q interface: its VLAN.
    pub vlan: Option<u16>,
    /// Of a stacked interface: the index of the link below.
    pub lower: Option<u32>,
    /// The index of the bridge or bond that it is a port of.
    pub master: Option<u32>,
    /// What makes it again after it was deleted.
    pub making: Vec<u8>,
}

impl LinkFacts {
    /// Name and index.
    pub fn id(&self) -> LinkId {
        LinkId {
            name: self.name.clone(),
            ifindex: self.ifindex,
        }
    }
}

/// What Open vSwitch has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeFacts {
    /// Whether its database answers.
    pub answers: bool,
    /// Whether there is a bridge of the wanted name.
    pub exists: bool,
    /// Whether it bears netd's mark.
    pub ours: bool,
    /// Names of the bridge's ports.
    pub ports: Vec<String>,
    /// The bridge that the uplink is a port of, where that is another one.
    pub elsewhere: Option<String>,
}

/// A host as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Every link of the host's namespace.
    pub links: Vec<LinkFacts>,
    /// All addresses, in the kernel's order: a primary before its secondaries.
    pub addresses: Vec<Entry>,
    /// All routes of all tables.
    pub routes: Vec<Entry>,
    /// All rules.
    pub rules: Vec<Entry>,
    /// The neighbours that are permanent.
    pub neighbours: Vec<Entry>,
    /// Sysctls below `net`, as far as they matter.
    pub sysctls: BTreeMap<String, String>,
    /// Open vSwitch.
    pub bridge: BridgeFacts,
    /// Those of the uplink and its sub-interfaces that ifupdown brought up.
    pub ifupdown: Vec<String>,
    /// Who configures the uplink, or its sub-interface, as the running processes tell.
    pub clients: Vec<Client>,
}

impl Inventory {
    /// The link of that name.
    pub fn link(&self, name: &str) -> Option<&LinkFacts> {
        self.links.iter().find(|l| l.name == name)
    }

    /// The link of that index.
    pub fn link_at(&self, ifindex: u32) -> Option<&LinkFacts> {
        self.links.iter().find(|l| l.ifindex == ifindex)
    }

    /// The name of a link, for messages.
    pub fn name_of(&self, ifindex: u32) -> String {
        self.link_at(ifindex)
            .map_or_else(|| format!("if{ifindex}"), |l| l.name.clone())
    }

    /// The addresses of a link that are to be moved: all but the link-local ones that the kernel
    /// forms by itself from the MAC.
    pub fn addresses_of<'a>(&'a self, link: &'a LinkFacts) -> impl Iterator<Item = &'a Entry> {
        let id = link.id();
        self.addresses
            .iter()
            .filter(move |e| e.is_of(&id) && !is_formed(e, link.mac))
    }
}

/// Whether it is the link-local address that the kernel forms from the link's MAC (EUI-64).
fn is_formed(entry: &Entry, mac: Option<MacAddr>) -> bool {
    match entry.as_address().map(|a| a.address) {
        Some(IpNetwork::V6(a)) => mac.is_some_and(|m| m.link_local() == a.ip()),
        _ => false,
    }
}
