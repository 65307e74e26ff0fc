//! The inventory of the real host.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use flatnet_kernel::EntryKind;

use super::{Real, RealError, failed, rows};
use crate::clients::look_for_clients;
use crate::inventory::{BridgeFacts, Inventory, LinkFacts};
use crate::plan::Target;

/// How long Open vSwitch's database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Reads everything that a plan needs.
///
/// # Errors
/// [`RealError`]. Where Open vSwitch does not answer, that is no error: the inventory says so.
pub async fn observe(real: &Real, target: &Target) -> Result<Inventory, RealError> {
    let reading = |what: &'static str| failed(what);
    let links = links(real).await?;
    let mut inventory = Inventory {
        addresses: entries(real, EntryKind::Address).await?,
        routes: entries(real, EntryKind::Route).await?,
        rules: entries(real, EntryKind::Rule).await?,
        neighbours: entries(real, EntryKind::Neighbour).await?,
        links,
        ..Inventory::default()
    };
    inventory.bridge = match real.database.ready(ANSWER).await {
        Ok(()) => real
            .database
            .read(|r| rows::facts(r, &target.bridge, &target.uplink)),
        Err(_) => BridgeFacts::default(),
    };
    // Settings of the uplink, of what is stacked on it, and of the host's port.
    let index = inventory.link(&target.uplink).map(|l| l.ifindex);
    let devices: Vec<LinkFacts> = inventory
        .links
        .iter()
        .filter(|l| Some(l.ifindex) == index || (l.lower == index && l.vlan.is_some()))
        .cloned()
        .collect();
    let names: Vec<&str> = devices.iter().map(|l| l.name.as_str()).collect();
    let also = ["default", target.host_port.as_str()];
    inventory.sysctls = tokio::task::block_in_place(|| sysctls(names.iter().copied().chain(also)))
        .map_err(|e| reading("read /proc/sys/net")(&e))?;
    inventory.ifupdown = brought_up_by_ifupdown(Path::new("/run/network"))
        .into_iter()
        .filter(|name| devices.iter().any(|d| d.name == *name))
        .collect();
    for device in &devices {
        let found = look_for_clients(
            Path::new("/proc"),
            Path::new("/run"),
            &device.name,
            device.ifindex,
        );
        for client in found {
            if !inventory.clients.contains(&client) {
                inventory.clients.push(client);
            }
        }
    }
    Ok(inventory)
}

/// The devices of ifupdown's state, whose lines are `DEVICE=STANZA` (ifup(8)).
fn brought_up_by_ifupdown(run: &Path) -> Vec<String> {
    let state = std::fs::read_to_string(run.join("ifstate")).unwrap_or_default();
    let names = state.lines().filter_map(|l| l.split_once('='));
    names.map(|(device, _)| device.to_owned()).collect()
}

async fn entries(real: &Real, kind: EntryKind) -> Result<Vec<flatnet_kernel::Entry>, RealError> {
    let found = real.kernel.entries(kind).await;
    found.map_err(|e| failed("read the kernel's tables")(&e))
}

async fn links(real: &Real) -> Result<Vec<LinkFacts>, RealError> {
    let reading = || failed("list links");
    let details = real
        .kernel
        .link_details()
        .await
        .map_err(|e| reading()(&e))?;
    let mut details: HashMap<u32, _> = details.into_iter().map(|d| (d.ifindex, d)).collect();
    let links = real.kernel.links().await.map_err(|e| reading()(&e))?;
    Ok(links
        .into_iter()
        .map(|link| {
            let detail = details.remove(&link.ifindex);
            let (altnames, vlan, making) = match detail {
                Some(d) => (d.altnames, d.vlan, d.making),
                None => (Vec::new(), None, Vec::new()),
            };
            LinkFacts {
                name: link.name,
                ifindex: link.ifindex,
                altnames,
                mac: link.mac,
                mtu: link.mtu,
                up: link.up,
                lower: link.peer_ifindex.filter(|_| !link.peer_in_other_netns),
                kind: link.kind,
                vlan,
                master: link.master,
                making,
            }
        })
        .collect())
}

/// The settings of the devices, of both families. `/proc/self` shows the namespace of the main
/// thread, `/proc/thread-self` that of this one; both are the node's.
fn sysctls<'a>(
    devices: impl Iterator<Item = &'a str>,
) -> std::io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for device in devices {
        for family in ["ipv4", "ipv6"] {
            let dir = Path::new("/proc/sys/net")
                .join(family)
                .join("conf")
                .join(device);
            // Without IPv6, or the device, there is none.
            let Ok(entries) = std::fs::read_dir(&dir) else {
                continue;
            };
            for entry in entries.filter_map(Result::ok) {
                let setting = entry.file_name().to_string_lossy().into_owned();
                // Some can only be written.
                if let Ok(value) = std::fs::read_to_string(entry.path()) {
                    let key = format!("{family}/conf/{device}/{setting}");
                    found.insert(key, value.trim().to_owned());
                }
            }
        }
    }
    Ok(found)
}
