//! The tables as a router sees them: `GET /_sim/tables`.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::model::{Router, Status};
use super::{Entry, Hop, World};
use crate::config::TableType;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableView {
    /// Its ID.
    pub id: String,
    /// The VPC or the VBR that it belongs to.
    pub router: String,
    /// Whether it is the system's.
    #[serde(rename = "type")]
    pub table_type: TableType,
    /// The vSwitches that use it; empty for a VBR's.
    pub v_switches: Vec<String>,
    /// How many custom entries it may hold.
    pub quota: usize,
    /// The custom entries.
    pub entries: Vec<EntryView>,
}

/// A custom entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// Its ID.
    pub id: String,
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Destination CIDR block, IPv4 or IPv6.
    pub destination: IpNetwork,
    /// `Pending`, `Available`, `Modifying` or `Deleting`.
    pub status: Status,
    /// Whether packets follow it.
    pub forwards: bool,
    /// Where they go.
    pub next_hops: Vec<HopView>,
}

/// A next hop and what it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HopView {
    /// `Instance`, `RouterInterface`, …
    #[serde(rename = "type")]
    pub hop_type: String,
    /// Its ID.
    pub id: String,
    /// Share of the traffic among the entry's next hops.
    pub weight: u32,
    /// Where that is.
    pub to: Resolved,
}

/// Where a next hop is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Resolved {
    /// A machine of the VPC.
    #[serde(rename_all = "camelCase")]
    Machine {
        /// Its vSwitch, where it is known.
        v_switch: Option<String>,
        /// Private addresses, IPv4 and IPv6.
        addresses: Vec<IpAddr>,
    },
    /// Another router of the cloud.
    Router {
        /// The VPC or the VBR.
        router: String,
    },
    /// The far end of the leased line.
    Line {
        /// The edge router's addresses there.
        addresses: Vec<IpAddr>,
    },
    /// It is not there any more.
    Nowhere,
}

impl World {
    /// All tables with their custom entries.
    pub fn view(&self) -> Vec<TableView> {
        let tables = self.tables.iter();
        tables
            .map(|(id, table)| TableView {
                id: id.clone(),
                router: table.router.id().to_owned(),
                table_type: table.table_type,
                v_switches: self.users_of(id).map(str::to_owned).collect(),
                quota: table.quota,
                entries: self
                    .entries_of(id)
                    .map(|(_, entry)| self.entry_view(&table.router, entry))
                    .collect(),
            })
            .collect()
    }

    fn entry_view(&self, router: &Router, entry: &Entry) -> EntryView {
        let hops = entry.hops.iter();
        EntryView {
            id: entry.id.clone(),
            name: entry.name.clone(),
            destination: entry.destination,
            status: entry.state.status(),
            forwards: entry.state.status().forwards(),
            next_hops: hops
                .map(|hop| HopView {
                    hop_type: hop.hop_type.clone(),
                    id: hop.id.clone(),
                    weight: hop.weight,
                    to: self.resolve(router, hop),
                })
                .collect(),
        }
    }

    fn resolve(&self, router: &Router, hop: &Hop) -> Resolved {
        if let Some(interface) = self.interfaces.get(&hop.id) {
            let router = interface.towards.id().to_owned();
            return Resolved::Router { router };
        }
        match router {
            Router::Vbr(id) => match self.vbrs.get(id) {
                Some(vbr) if vbr.vlan_interface == hop.id => Resolved::Line {
                    addresses: vbr.peer.clone(),
                },
                _ => Resolved::Nowhere,
            },
            Router::Vpc(id) => {
                let found = self.vpcs.get(id).and_then(|vpc| vpc.hops.get(&hop.id));
                found.map_or(Resolved::Nowhere, |local| Resolved::Machine {
                    v_switch: local.v_switch.clone(),
                    addresses: local.addresses.clone(),
                })
            }
        }
    }
}
