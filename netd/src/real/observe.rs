//! Reading the node.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_kernel::{ContainerView, RouteKind, SysctlKey, TABLE_MAIN};
use flatnet_ovs::openflow::{Flow, FlowFilter, Meter};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK, ROUTE_PROTOCOL};

use super::{RealWorld, rows};
use crate::reconcile::{Actual, LinkActual, RouteActual};
use crate::world::{ContainerActual, WorldError};

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

pub(super) async fn node(world: &RealWorld, sysctls: &[String]) -> Result<Actual, WorldError> {
    let kernel = &world.kernel;
    let (links, addresses, routes) =
        tokio::join!(kernel.links(), kernel.addresses(), kernel.routes());
    let links = links?;
    let names: BTreeMap<u32, &str> = links.iter().map(|l| (l.ifindex, l.name.as_str())).collect();
    let dev = |ifindex: u32| names.get(&ifindex).map(|n| (*n).to_owned());

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
    let routes = routes?
        .iter()
        .filter(|r| {
            r.protocol == ROUTE_PROTOCOL && r.table == TABLE_MAIN && r.kind == RouteKind::Unicast
        })
        .filter_map(|r| {
            let hop = r.nexthops.first()?;
            Some(RouteActual {
                dst: r.dst,
                via: hop.via,
                dev: dev(hop.ifindex?)?,
                src: r.src,
            })
        })
        .collect();

    let mut values = BTreeMap::new();
    for key in sysctls {
        // One that is not there belongs to a link that is not there yet.
        if let Ok(value) = kernel.sysctl(&SysctlKey::new(key)?).await {
            values.insert(key.clone(), value);
        }
    }

    let (database, bridge, ports) = world.database.read(|replica| {
        (
            replica.synced(),
            rows::bridge(replica, &world.bridge),
            rows::ports(replica, &world.bridge),
        )
    });
    let (flows, meters) = match bridge {
        Some(_) => flows_and_meters(world).await,
        None => (None, Vec::new()),
    };
    Ok(Actual {
        database,
        bridge,
        ports,
        links: links
            .into_iter()
            .map(|l| LinkActual {
                name: l.name,
                ifindex: l.ifindex,
                mac: l.mac,
                mtu: l.mtu,
                up: l.up,
                alias: l.alias,
            })
            .collect(),
        addresses,
        marked,
        routes,
        sysctls: values,
        flows,
        meters,
    })
}

/// None where the switch does not answer.
async fn flows_and_meters(world: &RealWorld) -> (Option<BTreeSet<Flow>>, Vec<Meter>) {
    // A busy node has ten thousands of learned flows, which are not netd's to compare.
    let ours = FlowFilter {
        cookie: COOKIE_MARK,
        cookie_mask: COOKIE_MARK_MASK,
        ..FlowFilter::default()
    };
    let Ok(stats) = world.switch.flows(ours).await else {
        return (None, Vec::new());
    };
    let meters = world.switch.meters().await.unwrap_or_default();
    (Some(stats.into_iter().map(|s| s.flow).collect()), meters)
}
