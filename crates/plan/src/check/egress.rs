//! The destinations that a network's containers may send to.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use ipnetwork::IpNetwork;

use super::{Context, Findings, canonical, special};
use crate::finding::{EGRESS, EGRESS_GUARDED};
use crate::model::{Destination, Network, PlanSpec, Transport};
use crate::prefix::{covers, first_address};
use crate::source::Path;

/// The most pairs of a prefix and a port in one list: each is a flow for every address of every
/// container of the network.
const MOST: usize = 256;
/// The port of an API server's service in every Kubernetes cluster.
const HTTPS: u16 = 443;
/// Where instances ask for their metadata, credentials among them: most clouds, Aliyun, and AWS by
/// IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i);
        list(c, network, &at, found);
    }
}

fn list(c: &Context<'_>, network: &Network, network_at: &Path, found: &mut Findings) {
    let Some(destinations) = &network.egress else {
        return;
    };
    let at = network_at.clone().at("egress");
    let about = |why: &str| format!("network {}: {why}", network.name);
    for (field, given) in [
        ("allow", !network.allow.is_empty()),
        ("trunk", !network.trunk.is_empty()),
    ] {
        if given {
            let why = about(&format!(
                "what `{field}` lets its containers send goes past `egress`"
            ));
            let related = (network_at.clone().at(field), "which is here");
            found.add_with(&EGRESS, at.clone(), why, related);
        }
    }
    let pairs: usize = destinations.iter().map(|d| d.ports.len().max(1)).sum();
    if pairs > MOST {
        let why = about(&format!(
            "{pairs} pairs of a prefix and a port, where at most {MOST} are possible"
        ));
        found.add(&EGRESS, at.clone(), why);
    }
    let mut known = HashMap::new();
    for (j, destination) in destinations.iter().enumerate() {
        let at = at.clone().at(j);
        canonical(destination.to, at.clone().at("to"), found);
        if let Err((field, why)) = possible(destination) {
            found.add(&EGRESS, at.at(field), about(&why));
            continue;
        }
        for (port, place) in ports(destination, &at) {
            let key = (destination.to, destination.protocol, port);
            if let Some(first) = known.insert(key, place.clone()) {
                let why = about(&format!("{} is given twice", named(destination, port)));
                found.add_with(&EGRESS, place, why, (first, "the first one"));
            }
        }
        if let Some(what) = guarded(&c.plan.spec, destination) {
            let why = format!("{} holds {what}", destination.to);
            found.add(&EGRESS_GUARDED, at.at("to"), about(&why));
        }
    }
}

/// What is wrong with an entry by itself, and with which of its fields.
fn possible(destination: &Destination) -> Result<(), (&'static str, String)> {
    let to = destination.to;
    if destination.protocol.is_none() && !destination.ports.is_empty() {
        let why = format!("ports of {to} without a `protocol` that they are of");
        return Err(("ports", why));
    }
    // The metadata address is in a link-local block and a machine's all the same: a warning.
    let block = special::covering(to).filter(|b| b.is_nobodys() && !b.is_of_a_link());
    match block {
        Some(block) => Err((
            "to",
            format!("no machine can be reached at {to}: it is {}", block.what),
        )),
        None => Ok(()),
    }
}

/// An entry's ports, each with its place; one without a port where it has none.
fn ports<'d>(
    destination: &'d Destination,
    at: &'d Path,
) -> impl Iterator<Item = (Option<NonZeroU16>, Path)> + 'd {
    let all = destination.ports.is_empty().then(|| (None, at.clone()));
    let each = destination.ports.iter().enumerate();
    let each = each.map(|(k, port)| (Some(*port), at.clone().at("ports").at(k)));
    all.into_iter().chain(each)
}

fn named(destination: &Destination, port: Option<NonZeroU16>) -> String {
    let protocol = destination
        .protocol
        .map_or("any protocol", Transport::as_str);
    match port {
        Some(port) => format!("{} {protocol} port {port}", destination.to),
        None => format!("{} {protocol}", destination.to),
    }
}

/// What an entry reaches that lists of destinations exist to keep away.
fn guarded(spec: &PlanSpec, destination: &Destination) -> Option<String> {
    let to = destination.to;
    if let Some(address) = METADATA.into_iter().find(|a| to.contains(*a)) {
        return Some(format!(
            "{address}, where a cloud tells its instances their credentials"
        ));
    }
    if special::covering(to).is_some_and(special::Block::is_of_a_link) {
        return Some("link-local addresses only, which are the node's and its cloud's".to_owned());
    }
    let reaches = |port: u16| {
        let udp = destination.protocol == Some(Transport::Udp);
        let listed = destination.ports.iter().any(|p| p.get() == port);
        !udp && (listed || destination.ports.is_empty())
    };
    // A name is not resolved: a check is a function of the document alone.
    let server: Option<SocketAddr> = spec.api_server.as_ref().and_then(|s| s.parse().ok());
    if let Some(server) = server.filter(|s| to.contains(s.ip()) && reaches(s.port())) {
        return Some(format!("the API server, {server}"));
    }
    let mut services = spec.service_prefixes.iter();
    let service = services.find(|p| covers(to, IpNetwork::from(first_address(**p))))?;
    reaches(HTTPS).then(|| {
        format!(
            "{}, the first service of {service}, which is Kubernetes' API server",
            first_address(*service)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(text: &str) -> Destination {
        serde_norway::from_str(text).expect("a destination")
    }

    #[test]
    fn what_is_to_be_kept_away_is_named() {
        let plan = crate::parse(include_str!("../../../../examples/lab.yaml")).expect("a plan");
        let mut spec = plan.spec;
        spec.api_server = Some("10.10.0.2:6443".to_owned());
        for (text, what) in [
            ("{to: 100.64.0.0/10}", Some("100.100.100.200")),
            (
                "{to: 169.254.0.0/16, protocol: udp}",
                Some("169.254.169.254"),
            ),
            ("{to: 169.254.1.0/24}", Some("link-local")),
            ("{to: 0.0.0.0/0}", Some("169.254.169.254")),
            ("{to: \"::/0\"}", Some("fd00:ec2::254")),
            (
                "{to: 10.10.0.0/24, protocol: tcp, ports: [6443]}",
                Some("10.10.0.2:6443"),
            ),
            ("{to: 10.10.0.2/32}", Some("10.10.0.2:6443")),
            ("{to: 10.10.0.2/32, protocol: udp}", None),
            ("{to: 10.10.0.2/32, protocol: tcp, ports: [443]}", None),
            (
                "{to: 10.96.0.0/16, protocol: tcp, ports: [443]}",
                Some("10.96.0.1"),
            ),
            ("{to: 10.96.0.10/32, protocol: tcp, ports: [443]}", None),
            ("{to: 10.96.0.0/16, protocol: udp, ports: [53]}", None),
            ("{to: 10.0.0.0/8, protocol: tcp, ports: [80]}", None),
        ] {
            let found = guarded(&spec, &destination(text));
            match what {
                Some(what) => assert!(
                    found.as_ref().is_some_and(|f| f.contains(what)),
                    "{text}: {found:?}"
                ),
                None => assert_eq!(found, None, "{text}"),
            }
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let text = include_str!("../../../../examples/lab.yaml");
        let told = |ports: usize| {
            let mut plan = crate::parse(text).expect("a plan");
            let port = |n: usize| NonZeroU16::new(u16::try_from(n).ok()?);
            let to = "10.9.0.0/16".parse().expect("a prefix");
            plan.spec.networks[0].allow.clear();
            plan.spec.networks[0].trunk.clear();
            plan.spec.networks[0].egress = Some(vec![Destination {
                to,
                protocol: Some(Transport::Tcp),
                ports: (1..=ports).filter_map(port).collect(),
            }]);
            let found = super::super::check(&plan);
            found.iter().filter(|f| f.rule.code == EGRESS.code).count()
        };
        assert_eq!((told(MOST), told(MOST + 1)), (0, 1));
    }
}
