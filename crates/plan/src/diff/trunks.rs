//! Lists of VLANs, of uplinks, switches and ports: what they get and lose. An uplink's list that is not
//! written is that of the ports that it is in, and a port's is what the hosts in it use.

use std::collections::BTreeSet;

use flatnet_types::VlanId;

use super::kinds::NOTED;
use super::notice::{Done, Kind, NOBODY};
use super::{Found, Phase};
use crate::model::{Host, NetworkPlan, Nic, Port, Switch};

/// VLANs that a list gets.
pub(super) const MORE: Kind =
    Kind::new(Phase::Carry, Done::Carried).mind("before anything uses them");
/// VLANs that a list loses.
pub(super) const LESS: Kind =
    Kind::new(Phase::Clear, Done::Unused).mind("last of all: until then somebody may use them");
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

/// The lists of VLANs of a switch and its ports.
pub(super) struct Lists<'p> {
    pub(super) site: &'p str,
    pub(super) switches: (&'p Switch, &'p Switch),
    pub(super) plans: (&'p NetworkPlan, &'p NetworkPlan),
}

impl Lists<'_> {
    /// What a list gets and loses. `port`: that of one port; none: of all that have none of their own.
    /// Where it is not written, it is what the hosts behind it use.
    pub(super) fn trunk(
        &self,
        name: &str,
        port: Option<&str>,
        (old, new): (Option<&[VlanId]>, Option<&[VlanId]>),
        found: &mut Found,
    ) {
        if old == new {
            return;
        }
        let of = |list: Option<&[VlanId]>, plan, switch| match list {
            Some(list) => list.to_vec(),
            None => of_ports(plan, self.site, switch, port),
        };
        let old = of(old, self.plans.0, self.switches.0);
        let new = of(new, self.plans.1, self.switches.1);
        let (more, less) = difference(Some(&old), Some(&new));
        if more.is_none() && less.is_none() {
            let what = "trunk of ports, which stays what it is";
            found.add(NOTED, what, NOBODY, name.to_owned());
        }
        told(name, (more, less), found);
    }
}

pub(super) fn told(name: &str, (more, less): (Option<String>, Option<String>), found: &mut Found) {
    if let Some(ids) = more {
        let detail = format!("{ids} on {name}");
        found.add(MORE, "add VLANs to a trunk", NOBODY, detail);
    }
    if let Some(ids) = less {
        let detail = format!("{ids} on {name}");
        found.add(LESS, "take VLANs off a trunk", NOBODY, detail);
    }
}

/// The VLANs that a list has more and less than before, in words.
pub(super) fn difference(
    old: Option<&[VlanId]>,
    new: Option<&[VlanId]>,
) -> (Option<String>, Option<String>) {
    let listed = |of: &[VlanId], but: &[VlanId]| {
        let ids: Vec<String> = of
            .iter()
            .filter(|id| !but.contains(id))
            .map(ToString::to_string)
            .collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    };
    match (old, new) {
        (None, None) => (None, None),
        (Some(_), None) => (Some("all".to_owned()), None),
        (None, Some(_)) => (None, Some("all others".to_owned())),
        (Some(old), Some(new)) => (listed(new, old), listed(old, new)),
    }
}
