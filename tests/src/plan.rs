//! The lab's plans: the default one of `examples/lab.yaml`, grown to more nodes.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Host, Range, Uplink};
use flatnet_types::NetworkName;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::error::{Error, Result};

/// The most nodes of a kind that [`generate`] numbers: the pools hold 15 ranges.
pub const MAX_NODES: u8 = 12;

/// Everything of the default plan but its hosts.
const BASE: &str = include_str!("../../examples/lab.yaml");

/// A plan of `idc` nodes behind two top-of-rack switches and `vpc` nodes in two zones.
///
/// With two of each it is `examples/lab.yaml`.
///
/// # Errors
/// [`Error::Unsupported`] for more than [`MAX_NODES`] of a kind, or for no node at all.
pub fn generate(idc: u8, vpc: u8) -> Result<NetworkPlan> {
    if idc > MAX_NODES || vpc > MAX_NODES || idc + vpc == 0 {
        return Err(Error::Unsupported(format!(
            "{idc} IDC and {vpc} VPC nodes: it takes 0 to {MAX_NODES} of each, and one at least"
        )));
    }
    let mut plan = flatnet_plan::load(BASE)?;
    plan.spec.hosts = (1..=idc)
        .map(idc_host)
        .chain((1..=vpc).map(vpc_host))
        .collect::<Result<_>>()?;
    Ok(plan)
}

fn idc_host(n: u8) -> Result<Host> {
    Ok(Host {
        name: parse(&format!("idc{n}"))?,
        site: "idc".into(),
        cluster: None,
        v_switch: None,
        instance_id: None,
        location: None,
        labels: BTreeMap::new(),
        addresses: vec![
            v4([10, 10, 0, 10 + n], 24)?,
            v6([0xfd10, 0x10, 0, 0, 0, 0, 0, 10 + u16::from(n)], 64)?,
        ],
        uplink: uplink(Some(format!("tor{}", side(n))))?,
        ranges: vec![
            range("web", v4([10, 100, 16 * n, 0], 20)?)?,
            range("web", v6([0xfd10, 0x100, 0, 0, 0, 0, n.into(), 0], 112)?)?,
            range("db", v4([10, 200, 16 * n, 0], 20)?)?,
            range("db", v6([0xfd10, 0x200, 0, 0, 0, 0, n.into(), 0], 112)?)?,
        ],
        density: None,
    })
}

fn vpc_host(n: u8) -> Result<Host> {
    let zone = side(n);
    Ok(Host {
        name: parse(&format!("vpc{n}"))?,
        site: "vpc".into(),
        cluster: None,
        v_switch: Some(format!("zone-{}", if zone == 1 { "a" } else { "b" })),
        instance_id: None,
        location: None,
        labels: BTreeMap::new(),
        addresses: vec![
            v4([172, 20, zone, 10 + n], 24)?,
            v6([0xfd20, zone.into(), 0, 0, 0, 0, 0, 10 + u16::from(n)], 64)?,
        ],
        uplink: uplink(None)?,
        ranges: vec![
            range("cloud", v4([172, 30, 16 * n, 0], 20)?)?,
            range("cloud", v6([0xfd20, 0x30, 0, 0, 0, 0, n.into(), 0], 112)?)?,
        ],
        density: None,
    })
}

/// Odd nodes are on the first switch or zone, even ones on the second.
fn side(n: u8) -> u8 {
    if n % 2 == 1 { 1 } else { 2 }
}

fn uplink(switch: Option<String>) -> Result<Uplink> {
    Ok(Uplink {
        interface: parse("eth0")?,
        switch,
        port: None,
        bond: None,
        nics: Vec::new(),
        trunk: None,
        mtu: None,
        mac: None,
        untagged: false,
        migrate: flatnet_plan::model::Migrate::Manual,
    })
}

fn range(network: &str, prefix: IpNetwork) -> Result<Range> {
    Ok(Range {
        network: parse::<NetworkName>(network)?,
        prefix,
    })
}

fn parse<T: std::str::FromStr<Err = flatnet_types::NameError>>(name: &str) -> Result<T> {
    name.parse()
        .map_err(|e: flatnet_types::NameError| Error::Unsupported(e.to_string()))
}

fn v4(octets: [u8; 4], prefix: u8) -> Result<IpNetwork> {
    network(IpAddr::V4(Ipv4Addr::from(octets)), prefix)
}

fn v6(segments: [u16; 8], prefix: u8) -> Result<IpNetwork> {
    network(IpAddr::V6(Ipv6Addr::from(segments)), prefix)
}

fn network(ip: IpAddr, prefix: u8) -> Result<IpNetwork> {
    match ip {
        IpAddr::V4(ip) => Ipv4Network::new(ip, prefix).map(IpNetwork::V4),
        IpAddr::V6(ip) => Ipv6Network::new(ip, prefix).map(IpNetwork::V6),
    }
    .map_err(|e| Error::Unsupported(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_each_is_the_example() {
        assert_eq!(
            generate(2, 2).expect("plan"),
            flatnet_plan::load(BASE).expect("example")
        );
    }

    #[test]
    fn every_size_up_to_the_limit_is_a_sound_plan() {
        for idc in 0..=MAX_NODES {
            for vpc in 0..=MAX_NODES {
                if idc + vpc > 0 {
                    let plan = generate(idc, vpc).expect("plan");
                    assert_eq!(flatnet_plan::check::check(&plan), []);
                    assert_eq!(plan.spec.hosts.len(), usize::from(idc + vpc));
                }
            }
        }
    }

    #[test]
    fn nodes_alternate_between_switches_and_zones() {
        let plan = generate(3, 3).expect("plan");
        let switches: Vec<_> = plan.spec.hosts[..3]
            .iter()
            .map(|h| h.uplink.switch.clone().expect("switch"))
            .collect();
        assert_eq!(switches, ["tor1", "tor2", "tor1"]);
        let zones: Vec<_> = plan.spec.hosts[3..]
            .iter()
            .map(|h| h.v_switch.clone().expect("zone"))
            .collect();
        assert_eq!(zones, ["zone-a", "zone-b", "zone-a"]);
    }

    #[test]
    fn too_many_or_none_is_refused() {
        assert!(generate(13, 0).is_err());
        assert!(generate(0, 0).is_err());
    }
}
