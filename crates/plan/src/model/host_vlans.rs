//! Which VLAN bears which host's own addresses, looked up once for a site of many hosts.

use std::collections::HashMap;

use super::{Host, Site, Vlan, VlanRole};
use crate::prefix::{Position, bits};

/// The VLANs of role host of a site, by their subnets.
///
/// Guarantees: answers what [`Site::host_vlan_of`] answers, in a time that depends on how many
/// lengths the subnets have and not on how many VLANs the site has: a routed fabric has a VLAN of
/// hosts for each rack.
pub struct HostVlans<'s> {
    site: &'s Site,
    /// The only one, by its index in the site, bears every host, whatever its addresses are.
    only: Option<usize>,
    /// By family, length and network bits: the first VLAN that has the subnet, by its index.
    by_subnet: HashMap<(bool, u8, u128), usize>,
    /// The family and length of each subnet, once.
    lengths: Vec<(bool, u8)>,
}

impl<'s> HostVlans<'s> {
    /// Of a site.
    pub fn of(site: &'s Site) -> Self {
        let all = site.vlans.iter().enumerate();
        let all: Vec<(usize, &Vlan)> = all.filter(|(_, v)| v.role == VlanRole::Host).collect();
        let mut vlans = Self {
            site,
            only: match all.as_slice() {
                [(index, _)] => Some(*index),
                _ => None,
            },
            by_subnet: HashMap::new(),
            lengths: Vec::new(),
        };
        if vlans.only.is_some() {
            return vlans;
        }
        for (index, vlan) in all {
            for subnet in &vlan.subnets {
                let (v6, length) = (subnet.prefix.is_ipv6(), subnet.prefix.prefix());
                let free = bits(subnet.prefix) - length;
                let key = (v6, length, network(Position::of(subnet.prefix.ip()), free));
                vlans.by_subnet.entry(key).or_insert(index);
                vlans.lengths.push((v6, length));
            }
        }
        vlans.lengths.sort_unstable();
        vlans.lengths.dedup();
        vlans
    }

    /// The VLAN that bears a host's own addresses: the only one, or of several the first with a
    /// subnet that its first address is in.
    pub fn of_host(&self, host: &Host) -> Option<&'s Vlan> {
        self.site.vlans.get(self.index_of(host)?)
    }

    /// The same by its index in the site.
    pub fn index_of(&self, host: &Host) -> Option<usize> {
        if self.only.is_some() {
            return self.only;
        }
        let own = host.addresses.first()?;
        let (at, whole) = (Position::of(own.ip()), bits(*own));
        let lengths = self.lengths.iter().filter(|(v6, _)| *v6 == at.v6);
        let bearers = lengths.filter_map(|(v6, length)| {
            self.by_subnet
                .get(&(*v6, *length, network(at, whole - length)))
        });
        bearers.min().copied()
    }
}

/// The bits of an address above the last `free` ones.
fn network(at: Position, free: u8) -> u128 {
    at.value.checked_shr(free.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NetworkPlan;

    fn plan(vlans: &str, hosts: &[&str]) -> NetworkPlan {
        let mut text = format!(
            "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {{name: t}}\nspec:\n  \
             networks: []\n  sites:\n    - name: idc\n      type: IDC\n      vlans:\n{vlans}  hosts:\n"
        );
        for (i, address) in hosts.iter().enumerate() {
            text += &format!(
                "    - {{name: h{i}, site: idc, addresses: [{address}], uplink: {{interface: eth0}}}}\n"
            );
        }
        crate::parse(&text).expect("a plan")
    }

    fn vlan(id: u16, role: &str, subnets: &[(&str, &str)]) -> String {
        let subnets: Vec<String> = subnets
            .iter()
            .map(|(prefix, gateway)| format!("{{prefix: {prefix}, gateway: \"{gateway}\"}}"))
            .collect();
        format!(
            "        - {{id: {id}, name: v{id}, role: {role}, subnets: [{}]}}\n",
            subnets.join(", ")
        )
    }

    /// What the index says of each host, which is what the walk over the VLANs says.
    fn ids(plan: &NetworkPlan) -> Vec<Option<u16>> {
        let site = &plan.spec.sites[0];
        let vlans = HostVlans::of(site);
        let hosts = plan.spec.hosts.iter();
        hosts
            .map(|host| {
                let found = vlans.of_host(host);
                assert_eq!(found, site.host_vlan_of(host), "{}", host.name);
                found.map(|v| v.id.get())
            })
            .collect()
    }

    #[test]
    fn the_only_vlan_of_hosts_bears_all_of_them() {
        let vlans = vlan(10, "host", &[("10.0.0.0/24", "10.0.0.1")])
            + &vlan(20, "pod", &[("10.1.0.0/24", "10.1.0.1")]);
        let plan = plan(&vlans, &["10.0.0.5/24", "192.168.0.1/24"]);
        assert_eq!(ids(&plan), [Some(10), Some(10)]);
    }

    #[test]
    fn of_several_the_first_with_the_subnet_bears_a_host() {
        let vlans = vlan(
            10,
            "host",
            &[("10.0.0.0/24", "10.0.0.1"), ("fd00::/64", "fd00::1")],
        ) + &vlan(11, "host", &[("10.0.1.0/26", "10.0.1.1")])
            + &vlan(12, "host", &[("10.0.0.0/16", "10.0.0.1")])
            + &vlan(
                13,
                "host",
                &[("10.0.1.0/26", "10.0.1.1"), ("0.0.0.0/0", "0.0.0.1")],
            );
        let hosts = [
            "10.0.0.5/24",
            "10.0.1.5/26",
            "10.0.1.70/26",
            "fd00::5/64",
            "fd01::5/64",
            "11.0.0.1/24",
        ];
        assert_eq!(
            ids(&plan(&vlans, &hosts)),
            [Some(10), Some(11), Some(12), Some(10), None, Some(13)]
        );
    }

    #[test]
    fn without_a_vlan_of_hosts_none_bears_them() {
        let vlans = vlan(20, "pod", &[("10.1.0.0/24", "10.1.0.1")]);
        assert_eq!(ids(&plan(&vlans, &["10.1.0.5/24"])), [None]);
    }
}
