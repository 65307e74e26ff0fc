//! VLANs, trunks, uplinks, switches and MTUs.

use flatnet_plan::model::{Allow, BondMode, Destination, Transport, VlanRole};

use super::{Mutation, any, bond, idc, mtu, nics, pool, vlan};

mutations! {
    LAYER2;
    "FN0302" "a reserved VLAN ID" |p, _| p.spec.sites[0].vlans[2].id = vlan(1002);
    "FN0302" "an ID that a switch keeps" |p, _| {
        p.spec.sites[0].switches[0].reserved_vlans = vec![vlan(100)];
    };
    "FN0303" "a VLAN ID given twice" |p, _| p.spec.sites[0].vlans[2].id = vlan(10);
    "FN0304" "containers on the VLAN of storage" |p, _| p.spec.networks[0].vlan = Some(vlan(300));
    "FN0311" "a second VLAN of hosts without any" |p, _| {
        p.spec.sites[0].vlans[2].role = VlanRole::Host;
    };
    "FN0312" "a native VLAN whose frames hosts tag" |p, _| {
        p.spec.sites[0].switches[0].native = Some(vlan(100));
    };
    "FN0313" "peers without the containers" |p, k| {
        let host = idc(p, k);
        host.uplink.bond = Some(BondMode::Lacp);
        host.uplink.switch = None;
        host.uplink.nics = nics("tor1", "tor2");
        p.spec.sites[0].switches[1].peer_trunk = Some(vec![vlan(10)]);
    };
    "FN0305" "a trunk without the containers" |p, k| idc(p, k).uplink.trunk = Some(vec![vlan(10)]);
    "FN0305" "a switch whose trunks lack the hosts" |p, _| {
        p.spec.sites[0].switches[0].trunk = Some(vec![vlan(100)]);
    };
    "FN0306" "a trunk with a VLAN too many" |p, k| {
        // All that any of the hosts uses, and one more.
        let used = p.spec.sites[0].vlans.iter().map(|v| v.id);
        let trunk = used.chain([vlan(300)]).collect();
        idc(p, k).uplink.trunk = Some(trunk);
    };
    "FN0307" "a VLAN in a VPC" |p, _| p.spec.networks[1].vlan = Some(vlan(100));
    "FN0307" "an IDC's network without a VLAN" |p, _| p.spec.networks[0].vlan = None;
    "FN0308" "a protocol that may not be allowed" |p, _| {
        p.spec.networks[0].allow = vec![Allow {
            protocol: "lldp".to_owned(),
            mac: None,
            addresses: Vec::new(),
        }];
    };
    "FN0309" "a trunk with the VLAN of storage" |p, _| p.spec.networks[0].trunk = vec![any(300)];
    "FN0310" "a trunk with any address" |p, _| {
        p.spec.sites[0].vlans[2].role = VlanRole::Pod;
        p.spec.networks[0].trunk = vec![any(300)];
    };
    "FN0314" "ports without a protocol" |p, _| {
        p.spec.networks[0].egress = Some(vec![destination("10.20.0.0/24", None, 443)]);
    };
    "FN0315" "a way to the metadata address" |p, _| {
        let to = "100.100.100.200/32";
        p.spec.networks[0].egress = Some(vec![destination(to, Some(Transport::Tcp), 80)]);
    };
    "FN0401" "two uplinks without a bond" |p, k| bond(p, k, None);
    "FN0402" "a static aggregate to two switches" |p, k| bond(p, k, Some(BondMode::BalanceXor));
    "FN0402" "active-backup between two domains" |p, k| bond(p, k, Some(BondMode::ActiveBackup));
    "FN0403" "LACP to two switches" |p, k| bond(p, k, Some(BondMode::Lacp));
    "FN0408" "a bond of Open vSwitch's own" |p, k| bond(p, k, Some(BondMode::BalanceSlb));
    "FN0404" "a small uplink" |p, k| idc(p, k).uplink.mtu = mtu(1400);
    "FN0404" "a small switch" |p, _| p.spec.sites[0].switches[0].mtu = mtu(1400);
    "FN0404" "a small VLAN" |p, _| p.spec.sites[0].vlans[1].mtu = mtu(1400);
    "FN0404" "a large network" |p, _| p.spec.networks[0].mtu = mtu(9100);
    "FN0405" "a small line" |p, _| p.spec.links[0].mtu = mtu(1400);
    "FN0406" "two cables in one port" |p, k| {
        let nics = idc(p, k).uplink.clone();
        idc(p, k.wrapping_add(1)).uplink = nics;
    };
    "FN0407" "IPv6 on small links" |p, _| {
        p.spec.networks[1].mtu = mtu(1000);
        p.spec.networks[1].pools.push(pool("fd30::/64"));
    };
    "FN0409" "a bond whose NICs are not told" |p, k| {
        let uplink = &mut idc(p, k).uplink;
        uplink.bond = Some(BondMode::Lacp);
        uplink.switch = Some("tor1".into());
        uplink.nics.clear();
    };
    "FN0410" "the bridge as an uplink" |p, k| {
        idc(p, k).uplink.interface = "br-flat".parse().expect("name");
    };
    "FN0411" "a circle of switches" |p, _| {
        p.spec.sites[0].switches[2].uplinks = vec!["tor1".into()];
        p.spec.sites[0].switches[1].uplinks = vec!["lone".into()];
    };
}

fn destination(to: &str, protocol: Option<Transport>, port: u16) -> Destination {
    Destination {
        to: to.parse().expect("a prefix"),
        protocol,
        ports: port.try_into().into_iter().collect(),
    }
}
