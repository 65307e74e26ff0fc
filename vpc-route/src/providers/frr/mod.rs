//! A router whose static routes FRR holds, by FRR's own management interface.
//!
//! ```text
//!              ┌─▶ staticd.vty: show running-config ─▶ [running] ─┐
//!   list ──────┤                                                  ├─▶ Table
//!              └─▶ zebra.vty: show ip route static json ─▶ [rib] ─┘   (what is not in force: a warning)
//!                             show ip route connected json ─▶ [rib] ─▶ entries of the system
//!
//!   write ─▶ [change] ─▶ staticd.vty: ip route … tag N ─▶ [rib]: in force? ─▶ no ip route …
//! ```
//!
//! A static route of FRR has no name. It has a tag, and the routes with our tag are ours; they
//! are shown as generation 0. Why so: docs/adr/0012.

mod change;
mod error;
mod rib;
mod running;
mod save;
mod vty;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Deserialize;

pub use error::{Daemon, FrrError};
pub use running::RunningError;

use super::{Call, Capabilities, Failure, Provider, ProviderError, TableScope};
use crate::diff::Op;
use crate::model::{
    ClusterName, Entry, EntryKind, Generation, NextHop, NextHopKind, NextHops, Owner, Prefix,
    Status, Table, TableId,
};
use rib::{CONNECTED, QUESTIONS, Rib};
use running::StaticRoute;
use vty::Vty;

/// Where Debian's FRR has its sockets.
const DEFAULT_SOCKETS: &str = "/run/frr";
/// The tag of our routes, unless configured: the number that is our route protocol elsewhere.
const DEFAULT_TAG: NonZeroU32 = NonZeroU32::new(95).unwrap();

/// How FRR is reached, and what is ours in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FrrConfig {
    /// The directory of `zebra.vty` and `staticd.vty`; with a pathspace (`zebra -N edge`),
    /// `/run/frr/edge`.
    pub sockets: PathBuf,
    /// The tag of our routes. Two clusters at one router need two.
    pub tag: NonZeroU32,
    /// Who keeps the routes over a restart of FRR.
    pub save: Save,
    /// Where FRR's configuration is; for [`Save::Integrated`].
    pub config_dir: PathBuf,
}

impl Default for FrrConfig {
    fn default() -> Self {
        Self {
            sockets: PathBuf::from(DEFAULT_SOCKETS),
            tag: DEFAULT_TAG,
            save: Save::default(),
            config_dir: PathBuf::from("/etc/frr"),
        }
    }
}

/// Whether FRR's configuration is saved after a change, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Save {
    /// Not: after a restart of FRR the next round writes the routes anew.
    #[default]
    Never,
    /// By staticd, into its own file (`write memory` on its socket).
    Daemon,
    /// By `vtysh --writeconfig`, into `frr.conf`, with all that is configured then.
    Integrated,
}

/// The static routes of one FRR.
#[derive(Debug)]
pub struct FrrRouter {
    config: FrrConfig,
    cluster: ClusterName,
    /// What of ours was not in force when it was last listed.
    unused: Mutex<BTreeSet<(Prefix, String)>>,
}

/// What the daemons hold, asked by one connection each.
struct Listed {
    /// The static routes, as configured.
    routes: Vec<StaticRoute>,
    /// Those in force.
    rib: Rib,
    /// The networks that the router is connected to.
    connected: Vec<Entry>,
}

impl FrrRouter {
    /// The router behind a configuration; FRR need not run yet.
    pub fn new(config: FrrConfig, cluster: ClusterName) -> Self {
        Self {
            config,
            cluster,
            unused: Mutex::default(),
        }
    }

    fn tag(&self) -> u32 {
        self.config.tag.get()
    }

    async fn connect(&self, daemon: Daemon) -> Result<Vty, FrrError> {
        Vty::connect(&self.config.sockets, daemon).await
    }

    async fn rib(&self, zebra: &mut Vty) -> Result<Rib, FrrError> {
        let mut rib = Rib::default();
        for command in QUESTIONS {
            let json = zebra.run(command).await?;
            let added = rib.add(&json);
            added.map_err(|source| FrrError::Rib { command, source })?;
        }
        Ok(rib)
    }

    /// The networks that the router is connected to, as entries of its system: a line that is
    /// down is not among them.
    async fn connected(&self, zebra: &mut Vty) -> Result<Vec<Entry>, FrrError> {
        let mut entries = Vec::new();
        for command in CONNECTED {
            let json = zebra.run(command).await?;
            let networks =
                rib::connected(&json).map_err(|source| FrrError::Rib { command, source })?;
            entries.extend(networks.into_iter().filter_map(|(destination, interface)| {
                let hop = NextHop {
                    kind: NextHopKind::Gateway,
                    id: format!("link {interface}"),
                    weight: 0,
                };
                Some(Entry {
                    destination,
                    next_hops: NextHops::new(vec![hop]).ok()?,
                    name: "connected".to_owned(),
                    id: None,
                    status: Status::Available,
                    kind: EntryKind::System,
                })
            }));
        }
        Ok(entries)
    }

    async fn observe(&self) -> Result<Listed, FrrError> {
        let mut zebra = self.connect(Daemon::Zebra).await?;
        let mut staticd = self.connect(Daemon::Staticd).await?;
        Ok(Listed {
            routes: running::parse(&staticd.run("show running-config").await?)?,
            rib: self.rib(&mut zebra).await?,
            connected: self.connected(&mut zebra).await?,
        })
    }

    /// The routes as a table: of several with one destination, ours count, and then the one
    /// with the best distance.
    fn table(&self, table: &TableId, routes: &[StaticRoute]) -> Table {
        let mut by_destination: BTreeMap<Prefix, Vec<&StaticRoute>> = BTreeMap::new();
        for route in routes {
            by_destination
                .entry(route.destination)
                .or_default()
                .push(route);
        }
        let ours = Owner {
            cluster: self.cluster.clone(),
            generation: Generation(0),
            label: "frr".to_owned(),
        };
        let entries = by_destination.into_iter().filter_map(|(destination, all)| {
            let rank = |r: &StaticRoute| (r.tag != self.tag(), r.distance);
            let first = all.iter().map(|r| rank(r)).min()?;
            let chosen = all.iter().filter(|r| first.0 || r.tag == self.tag());
            let chosen = chosen.filter(|r| !first.0 || rank(r) == first);
            let hops = chosen.map(|r| NextHop {
                kind: NextHopKind::Gateway,
                id: r.hop.clone(),
                weight: 0,
            });
            Some(Entry {
                destination,
                next_hops: NextHops::new(hops.collect()).ok()?,
                name: match all.iter().find(|r| rank(r) == first).map(|r| r.tag) {
                    Some(tag) if tag == self.tag() => ours.name(),
                    Some(0) | None => "static".to_owned(),
                    Some(tag) => format!("static, tag {tag}"),
                },
                id: None,
                status: Status::Available,
                kind: EntryKind::Custom,
            })
        });
        Table {
            table: table.clone(),
            entries: entries.collect(),
            not_understood: Vec::new(),
        }
    }

    /// Logs managed routes that FRR has and does not use, and those that it uses again.
    fn log_unused(&self, routes: &[StaticRoute], rib: &Rib) {
        let ours = routes.iter().filter(|r| r.tag == self.tag());
        let unused = ours.filter(|r| !rib.carries(r.destination, &r.hop));
        let now: BTreeSet<_> = unused.map(|r| (r.destination, r.hop.clone())).collect();
        let Ok(mut before) = self.unused.lock() else {
            return;
        };
        for (destination, hop) in now.difference(&before) {
            tracing::warn!(%destination, hop, "configured and not in force: zebra cannot reach \
                the next hop, or prefers another protocol's route (`show ip route`)");
        }
        for (destination, hop) in before.difference(&now) {
            tracing::info!(%destination, hop, "in force, or gone");
        }
        *before = now;
    }
}

impl Provider for FrrRouter {
    fn capabilities(&self, _table: &TableScope) -> Capabilities {
        Capabilities::default()
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let listed = self.observe().await.map_err(|e| e.neutral(Call::List))?;
        self.log_unused(&listed.routes, &listed.rib);
        let mut table = self.table(&table.id, &listed.routes);
        // A static route to a network that is connected, too, is beaten by it.
        let here: BTreeSet<Prefix> = table.entries.iter().map(|e| e.destination).collect();
        let connected = listed.connected.into_iter();
        let connected = connected.filter(|e| !here.contains(&e.destination));
        table.entries.extend(connected);
        Ok(table)
    }

    async fn write(&self, _table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        self.change(ops).await.map_err(|e| e.neutral(Call::Write))
    }

    /// Gives a hand-made route our tag; what it leads to is not touched.
    async fn rename(&self, _: &TableScope, entry: &Entry, _: &str) -> Result<(), ProviderError> {
        let taken = self.take_over(entry.destination).await;
        taken.map_err(|e| e.neutral(Call::Write))
    }
}
