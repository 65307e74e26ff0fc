//! Which VLANs a list stands for that is not written: an uplink's is that of the ports that it is in,
//! and a port's what the hosts in it use.

use std::collections::BTreeSet;

use flatnet_types::VlanId;

use crate::model::{Host, NetworkPlan, Nic, Port, Switch};

/// The VLANs that a host uses: its own, and those of its ranges' networks, of their trunks, and of
/// networks that ipamd cuts slices of.
pub(super) fn used<'p>(
    plan: &'p NetworkPlan,
    host: &'p Host,
) -> impl Iterator<Item = VlanId> + use<'p> {
    let site = plan.site(&host.site);
    let own = site.and_then(|s| s.host_vlan_of(host)).map(|v| v.id);
    let networks = plan.spec.networks.iter().filter(|n| n.site == host.site);
    let has = |n: &&crate::model::Network| {
        let sliced = n.pools.iter().any(|p| p.slice_length.is_some());
        sliced || host.ranges.iter().any(|r| r.network == n.name)
    };
    let each = networks.filter(has);
    let each = each.flat_map(|n| n.vlan.into_iter().chain(n.trunk.iter().map(|t| t.vlan)));
    own.into_iter().chain(each)
}

/// The VLANs of a host's uplink: its own list, or what all ports carry that it is in.
pub(super) fn of_uplink(plan: &NetworkPlan, host: &Host) -> Vec<VlanId> {
    if let Some(own) = &host.uplink.trunk {
        return own.clone();
    }
    let site = plan.site(&host.site);
    let list = |cable: &Nic| -> Option<Vec<VlanId>> {
        let switch = site?.switch(cable.switch.as_deref()?)?;
        let port = port_of(switch, cable);
        port.map(|p| p.trunk.clone())
            .or_else(|| switch.trunk.clone())
    };
    let cables = host.uplink.cables();
    let mut lists = cables.iter().filter_map(list);
    let Some(first) = lists.next() else {
        return used(plan, host).collect();
    };
    lists.fold(first, |all, list| {
        all.into_iter().filter(|id| list.contains(id)).collect()
    })
}

/// The VLANs of a list of a switch or its port, which is not written: what hosts use that are behind
/// it. `port`: that one; none: every port that has no list of its own.
pub(super) fn of_ports(
    plan: &NetworkPlan,
    site: &str,
    switch: &Switch,
    port: Option<&str>,
) -> Vec<VlanId> {
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == site);
    let behind = hosts.filter(|h| {
        let cables = h.uplink.cables();
        let mut here = cables
            .iter()
            .filter(|c| c.switch.as_deref() == Some(&switch.name));
        match port {
            Some(_) => here.any(|c| c.port.as_deref() == port),
            None => here.any(|c| port_of(switch, c).is_none()),
        }
    });
    let all: BTreeSet<VlanId> = behind.flat_map(|h| used(plan, h)).collect();
    all.into_iter().collect()
}

/// The port that a cable ends at, where it differs from the rest.
pub(super) fn port_of<'s>(switch: &'s Switch, cable: &Nic) -> Option<&'s Port> {
    let name = cable.port.as_deref()?;
    switch.ports.iter().find(|p| p.name == name)
}
