//! Observes the node: the kernel, Open vSwitch's database, the switch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flatnet_kernel::{ContainerView, Link, Route, RouteKind, SysctlKey, TABLE_MAIN};
use flatnet_types::IfName;
use flatnet_types::marks::ROUTE_PROTOCOL;
use flatnet_uplink::{Client, look_for_clients, returned};
use ipnetwork::IpNetwork;

use super::{RealNode, rows, switch, timeouts};
use crate::node_ops::{ContainerActual, NodeOpsError};
use crate::reconcile::{
    Actual, ActualPort, LinkActual, RouteActual, SwitchActual, TimeoutsActual, UnmanagedRoute,
};

pub(super) fn container(view: &ContainerView) -> ContainerActual {
    ContainerActual {
        mac: view.mac,
        mtu: view.mtu,
        up: view.up,
        addresses: view.addresses.iter().map(|a| a.address).collect(),
        routes: view
            .routes
            .iter()
            .flat_map(|r| r.nexthops.iter().map(|hop| (r.dst, hop.via)))
            .collect(),
    }
}

pub(super) async fn node(node: &RealNode, sysctls: &[String]) -> Result<Actual, NodeOpsError> {
    let kernel = &node.kernel;
    let (links, addresses, routes) =
        tokio::join!(kernel.links(), kernel.addresses(), kernel.routes());
    let links = links?;
    // The kernel allows names that netd does not, such as one with a control character: such a link
    // is nothing that netd could name in an op.
    let names: BTreeMap<u32, IfName> = links
        .iter()
        .filter_map(|l| Some((l.ifindex, IfName::new(l.name.as_str()).ok()?)))
        .collect();
    let dev = |ifindex: u32| names.get(&ifindex).cloned();

    let addresses = addresses?;
    let marked = addresses
        .iter()
        .filter(|a| a.protocol == ROUTE_PROTOCOL)
        .filter_map(|a| Some((dev(a.ifindex)?, a.address)))
        .collect();
    let addresses = addresses
        .iter()
        .filter_map(|a| Some((dev(a.ifindex)?, a.address)))
        .collect();
    let (managed, others): (Vec<Route>, Vec<Route>) = routes?
        .into_iter()
        .filter(|r| r.table == TABLE_MAIN && r.kind == RouteKind::Unicast)
        .partition(|r| r.protocol == ROUTE_PROTOCOL);
    let actual = |r: &Route| {
        let hop = r.nexthops.first()?;
        Some(RouteActual {
            dst: r.dst,
            via: hop.via,
            dev: dev(hop.ifindex?)?,
            src: r.src,
        })
    };
    let routes = managed.iter().filter_map(actual).collect();
    let unmanaged_routes = others
        .iter()
        .filter_map(|r| {
            let own = default_metric(r.dst);
            let metric = r.metric.unwrap_or(0);
            let stands = metric == own || (r.dst.prefix() == 0 && metric < own);
            stands.then_some(())?;
            Some(UnmanagedRoute {
                route: actual(r)?,
                protocol: r.protocol,
                metric,
            })
        })
        .collect();

    let keys = sysctls.iter().map(|key| SysctlKey::new(key));
    let found = kernel.sysctls(keys.collect::<Result<_, _>>()?).await?;
    // A missing sysctl belongs to a link that does not exist yet.
    let values = sysctls
        .iter()
        .cloned()
        .zip(found)
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();

    // Ports and zones are read under one lock: an attachment's are added and deleted together.
    let (database, bridge, ports, elsewhere, zones) = node.database.read(|replica| {
        let zones = timeouts::zones(replica, node.datapath());
        if let Some(zones) = &zones {
            node.timeouts.observed(zones);
        }
        (
            replica.synced(),
            rows::bridge(replica, &node.bridge),
            rows::ports(replica, &node.bridge),
            rows::elsewhere(replica, &node.bridge),
            zones,
        )
    });
    // While the switch starts, the database still has the old numbers. The numbers that count are
    // those that the switch reports on the OpenFlow connection.
    let numbers: BTreeMap<String, u32> = node
        .switch
        .ports()
        .into_iter()
        .map(|p| (p.name, p.number))
        .collect();
    let mut ports = ports;
    for port in ports.values_mut() {
        port.ofport = numbers.get(&port.row.name).copied();
        if port.ofport.is_some() {
            // Left over, as `rows::open_error` says.
            port.error = None;
        }
    }
    let observed = match bridge {
        Some(_) => Some(switch::observe(node, &ports).await),
        None => None,
    };
    let mut switch_error = None;
    let (flows, meters, switch) = match observed {
        Some(Ok(observed)) => (Some(observed.flows), observed.meters, observed.switch),
        other => {
            switch_error = other.and_then(Result::err).map(|e| e.to_string());
            (None, Vec::new(), SwitchActual::default())
        }
    };
    let writers = writers(&ports, &links, &addresses);
    Ok(Actual {
        database,
        bridge,
        ports,
        elsewhere,
        links: links
            .into_iter()
            .filter_map(|l| Some((dev(l.ifindex)?, l)))
            .map(|(name, l)| LinkActual {
                name,
                ifindex: l.ifindex,
                mac: l.mac,
                mtu: l.mtu,
                up: l.up,
                alias: l.alias,
                below: match l.kind.as_deref() {
                    Some("veth") | None => None,
                    Some(_) => l.peer_ifindex.filter(|_| !l.peer_in_other_netns),
                },
                kind: l.kind,
                master: l.master,
            })
            .collect(),
        addresses,
        marked,
        writers,
        routes,
        unmanaged_routes,
        sysctls: values,
        flows,
        switch_error,
        meters,
        switch,
        timeouts: TimeoutsActual {
            supported: match &zones {
                Some(_) => node.features.timeouts(),
                None => Some(false),
            },
            zones: zones.unwrap_or_default(),
        },
    })
}

/// The kernel's default metric.
fn default_metric(dst: IpNetwork) -> u32 {
    if dst.is_ipv6() { 1024 } else { 0 }
}

/// The programs that configure the uplink, read only where it is a port of the bridge and bears an
/// address again: finding them means reading all of /proc.
fn writers(
    ports: &BTreeMap<String, ActualPort>,
    links: &[Link],
    addresses: &BTreeSet<(IfName, IpNetwork)>,
) -> Vec<Client> {
    let uplink = ports.values().find(|p| p.is_uplink());
    let bearing = uplink.filter(|p| {
        let of_it = addresses.iter().filter(|(dev, _)| *dev == *p.row.name);
        returned(&p.row.name, true, of_it.map(|(_, a)| *a), &[]).is_some()
    });
    let link = bearing.and_then(|p| links.iter().find(|l| l.name == p.row.name));
    link.map_or_else(Vec::new, |link| {
        tokio::task::block_in_place(|| {
            look_for_clients(
                Path::new("/proc"),
                Path::new("/run"),
                &link.name,
                link.ifindex,
            )
        })
    })
}
