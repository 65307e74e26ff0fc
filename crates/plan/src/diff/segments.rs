//! Changes of the segment that a host's own addresses are in, where the host itself stays as it is.

use std::collections::HashMap;
use std::net::IpAddr;

use flatnet_types::VlanId;

use super::kinds::TAKEN;
use super::notice::{Done, Kind, Until};
use super::{Found, Phase, is_another, is_reordered, paired};
use crate::model::{Host, HostVlans, NetworkPlan, Site, SiteType, Subnet};
use crate::takeover::Field;

const OTHER_VLAN: Kind = Kind::new(Phase::Give, Done::Answers)
    .of(Field::Identity)
    .outage(
        Until::Done,
        "for host and switch change together, and the host is cut off in between",
    )
    .mind("drain it first");
const OTHER_ROUTERS: Kind = Kind::new(Phase::Give, Done::Answers)
    .of(Field::HostAddresses)
    .at_most_brief("while its default route changes");
/// Of addresses or routers of a host, which are the same in another order.
pub(super) const REORDERED: Kind = TAKEN.of(Field::HostAddresses).unnoticed();

pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    let hosts = old.spec.hosts.iter().zip(&new.spec.hosts);
    if old.spec.sites == new.spec.sites && hosts.into_iter().all(|(a, b)| a.v_switch == b.v_switch)
    {
        return;
    }
    let (old, new) = (Segments::of(old), Segments::of(new));
    for pair in paired(&old.plan.spec.hosts, &new.plan.spec.hosts, |h| &h.name) {
        let (Some(a), Some(b)) = pair else { continue };
        // Where these change, the host is told to move, or to be readdressed.
        let moves = a.site != b.site || is_another(&a.v_switch, &b.v_switch);
        if moves || a.addresses != b.addresses {
            continue;
        }
        let (Some(before), Some(after)) = (old.of_host(a), new.of_host(b)) else {
            continue;
        };
        let name = b.name.as_str();
        if before.vlan != after.vlan && a.uplink.untagged == b.uplink.untagged {
            let id = |v: Option<VlanId>| v.map_or("none".to_owned(), |id| id.to_string());
            let detail = format!("{} → {}", id(before.vlan), id(after.vlan));
            found.of_host(OTHER_VLAN, "change the VLAN of the host", name, &detail);
        }
        let (was, is) = (&before.routers, &after.routers);
        if is_reordered(was, is) {
            let what = "order of the host's routers";
            found.of_host(REORDERED, what, name, "netd compares them in their order");
            continue;
        }
        // Another address of the router of a VLAN is told of its subnet.
        let told = before.is_vlan && was.len() == is.len();
        if was != is && !told {
            let list = |all: &[IpAddr]| match all {
                [] => "none".to_owned(),
                _ => all
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" "),
            };
            let detail = format!("{} → {}", list(was), list(is));
            found.of_host(OTHER_ROUTERS, "change the host's routers", name, &detail);
        }
    }
}

/// Where a host's own addresses are.
struct Segment {
    /// The VLAN that its frames are tagged with.
    vlan: Option<VlanId>,
    /// The routers of the subnets that its addresses are in.
    routers: Vec<IpAddr>,
    is_vlan: bool,
}

/// The sites of a plan, by name, with their VLANs of hosts.
struct Segments<'p> {
    plan: &'p NetworkPlan,
    sites: HashMap<&'p str, (&'p Site, HostVlans<'p>)>,
}

impl<'p> Segments<'p> {
    fn of(plan: &'p NetworkPlan) -> Self {
        // Of several sites of one name the first counts.
        let sites = plan.spec.sites.iter().rev();
        let named = sites.map(|s| (s.name.as_str(), (s, HostVlans::of(s))));
        Self {
            plan,
            sites: named.collect(),
        }
    }

    fn of_host(&self, host: &Host) -> Option<Segment> {
        let (site, host_vlans) = self.sites.get(host.site.as_str())?;
        let is_vlan = site.site_type == SiteType::Idc;
        let own = host_vlans.of_host(host).filter(|_| is_vlan);
        let v_switch = || site.v_switch(host.v_switch.as_deref()?);
        let subnets: &[Subnet] = match is_vlan {
            true => own.map_or(&[], |v| &v.subnets),
            false => v_switch().map_or(&[], |v| &v.subnets),
        };
        let bears = |s: &&Subnet| {
            let mut own = host.addresses.iter();
            own.any(|a| s.prefix.contains(a.ip()))
        };
        Some(Segment {
            vlan: own.filter(|_| !host.uplink.untagged).map(|v| v.id),
            routers: subnets.iter().filter(bears).map(|s| s.gateway).collect(),
            is_vlan,
        })
    }
}
