//! A colour for each VLAN.

use std::collections::BTreeMap;

use flatnet_types::VlanId;

use crate::model::{NetworkPlan, VlanRole};

/// Colours that differ for most eyes, after Okabe and Ito, darkened for paper.
const COLOURS: [&str; 12] = [
    "#0072b2", "#d55e00", "#009e73", "#b0508f", "#c79500", "#3d9bd1", "#7a4fbf", "#6b8e23",
    "#c2185b", "#00838f", "#8d6e63", "#455a64",
];
/// The hosts' own VLANs are on every trunk: they stay in the background.
const HOSTS: &str = "#8795a3";

/// Which colour each VLAN of each site has.
#[derive(Debug)]
pub(super) struct Palette(BTreeMap<(String, VlanId), &'static str>);

impl Palette {
    pub(super) fn of(plan: &NetworkPlan) -> Self {
        let mut given = BTreeMap::new();
        let mut next = 0;
        for site in &plan.spec.sites {
            for vlan in &site.vlans {
                let colour = if vlan.role == VlanRole::Host {
                    HOSTS
                } else {
                    next += 1;
                    COLOURS[(next - 1) % COLOURS.len()]
                };
                given.entry((site.name.clone(), vlan.id)).or_insert(colour);
            }
        }
        Self(given)
    }

    pub(super) fn colour(&self, site: &str, vlan: VlanId) -> &'static str {
        self.0
            .get(&(site.to_owned(), vlan))
            .copied()
            .unwrap_or("#000000")
    }
}
