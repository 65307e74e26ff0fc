//! VLANs that containers send tagged. Their addresses there are the containers' own affair,
//! so these frames are bridged by MAC.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_ovs::openflow::{Action, Flow, Match};
use flatnet_types::{MacAddr, VlanId};

use super::table::{DELIVER, FROM_UPLINK, RESOLVE, UPSTREAM};
use super::{PodPort, cookie, in_vlan, tagged_output, vlan_reg};

/// The bit of a destination that says that it is a group's (IEEE 802.3 §3.2.3).
const GROUP: MacAddr = MacAddr([1, 0, 0, 0, 0, 0]);

/// What the containers of a trunk VLAN share: `trunks` says which ports send each VLAN tagged.
///
/// The uplink's frames that nobody else took are switched as any switch would; the ports'
/// `trunks` bound what floods. What a container of that VLAN says to all, the trunks of its
/// node hear too.
pub fn trunk_flows(trunks: &BTreeMap<VlanId, BTreeSet<u32>>) -> Vec<Flow> {
    let of_vlan = |(vlan, ports): (&VlanId, &BTreeSet<u32>)| {
        let here = |m| in_vlan(m, vlan_reg(Some(*vlan)));
        let copies: Vec<Action> = [Action::push_vlan(), Action::set_vlan(*vlan)]
            .into_iter()
            .chain(ports.iter().map(|port| Action::output(*port)))
            .chain([Action::pop_vlan()])
            .collect();
        let said_to_all = |table| {
            Flow::new(table, 2)
                .matching(here(Match::new().eth_dst_masked(GROUP, GROUP)))
                .actions(copies.clone())
                .goto(UPSTREAM)
        };
        [
            Flow::new(FROM_UPLINK, 10)
                .matching(here(Match::new()))
                .actions(tagged_output(Some(*vlan), Action::normal())),
            said_to_all(RESOLVE),
            said_to_all(DELIVER),
        ]
    };
    trunks
        .iter()
        .flat_map(of_vlan)
        .map(|f| f.cookie(cookie(0)))
        .collect()
}

/// The ways to a container in the VLANs that it sends tagged, by its MAC: from the uplink, and
/// from the containers of its node that have such a VLAN for their own.
pub(super) fn to_trunk(pod: &PodPort, flows: &mut Vec<Flow>) {
    for vlan in &pod.trunk {
        for table in [RESOLVE, DELIVER, FROM_UPLINK] {
            let to = in_vlan(Match::new().eth_dst(pod.mac), vlan_reg(Some(*vlan)));
            let flow = Flow::new(table, 20)
                .matching(to)
                .actions(tagged_output(Some(*vlan), Action::output(pod.port)));
            flows.push(match pod.ingress_meter {
                Some(id) => flow.meter(id),
                None => flow,
            });
        }
    }
}
