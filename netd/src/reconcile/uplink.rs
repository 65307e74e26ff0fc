//! Whether the uplink can be used as the plan declares. While it cannot, nothing that depends on it
//! is changed: the bridge is not created, and the host's addresses, routes and sysctls stay as they
//! are.

use flatnet_uplink::returned;
use ipnetwork::IpNetwork;

use super::actual::{Actual, InterfaceLocation, LinkActual};
use super::desired::{Desired, HOST_PORT};
use crate::problems::Problem;

/// How many links of the host a problem lists.
const NAMED_LINKS: usize = 16;

/// The problem of an uplink that cannot be used; `None` if it can be, or is in use already.
pub(super) fn refusal(desired: &Desired, actual: &Actual) -> Option<Problem> {
    let name = desired.spec.uplink.as_str();
    if let Some(problem) = in_other_port(desired, actual) {
        return Some(problem);
    }
    let Some(link) = actual.link(name) else {
        return Some(missing(name, actual));
    };
    let row = desired.uplink_port()?;
    if actual.ports.contains_key(&row.name) {
        return None;
    }
    if let Some(problem) = has_master(link, actual) {
        return Some(problem);
    }
    let mut own = addresses(name, actual);
    // An 802.1Q interface on the NIC receives nothing once the NIC is a port of the bridge.
    for above in actual
        .links
        .iter()
        .filter(|l| l.below == Some(link.ifindex))
    {
        let on_it = addresses(above.name.as_str(), actual);
        own.extend(on_it.iter().map(|a| format!("{a} on {}", above.name)));
    }
    // Adding the NIC to the bridge now would make the host unreachable.
    (!own.is_empty()).then(|| {
        Problem::blocking(
            "uplink-bears-addresses",
            format!(
                "uplink {name} bears {}, and netd does not cut a host off by itself: nothing of \
                 the host's network was changed; `netd uplink migrate` moves them to {HOST_PORT}, \
                 and undoes it if the gateway does not answer there (docs/uplink.md)",
                own.join(", ")
            ),
        )
    })
}

/// The problem of an uplink that is in a bond of Open vSwitch's own, or in another of its bridges.
fn in_other_port(desired: &Desired, actual: &Actual) -> Option<Problem> {
    let uplink = desired.uplink_port()?.name;
    let of_port = |e: &&InterfaceLocation| e.bond && e.port == uplink;
    let by_port = || actual.elsewhere.values().find(of_port);
    let place = actual.elsewhere.get(&uplink).or_else(by_port)?;
    let InterfaceLocation { bridge, port, bond } = place;
    if *bond {
        let text = format!(
            "uplink {uplink} is in {port}, a bond of Open vSwitch's own on bridge {bridge}, over \
             which netd's flows do not balance: nothing was changed; take it off (`ovs-vsctl \
             del-port {bridge} {port}`), make a bond of Linux of its NICs (mode active-backup or \
             802.3ad), and name that as the plan's uplink"
        );
        return Some(Problem::blocking("uplink-ovs-bond", text));
    }
    let text = format!(
        "uplink {uplink} is port {port} of bridge {bridge}, which is not netd's: nothing was \
         changed; take it off there, once the host does not need it (`ovs-vsctl del-port {bridge} \
         {port}`)"
    );
    Some(Problem::blocking("uplink-has-master", text))
}

/// The problem of an uplink that is a port of a Linux bridge, bond, team or VRF.
fn has_master(link: &LinkActual, actual: &Actual) -> Option<Problem> {
    let master = link.master?;
    let master = actual.links.iter().find(|l| l.ifindex == master)?;
    let kind = master.kind.as_deref().unwrap_or("link");
    // After Open vSwitch's database was lost, its datapath still has the NIC, and hands it to the
    // bridge that netd creates.
    if kind == "openvswitch" {
        return None;
    }
    let (name, master) = (&link.name, &master.name);
    let way_out = match kind {
        "bond" | "team" => format!("name {master} as the uplink in the plan"),
        _ => format!("take it out, once the host does not need it: `ip link set {name} nomaster`"),
    };
    let text = format!(
        "uplink {name} belongs to {master} ({kind}), which takes its frames: nothing of the \
         host's network was changed; {way_out}"
    );
    Some(Problem::blocking("uplink-has-master", text))
}

/// The problem of an uplink that is a port of the bridge.
///
/// The switch receives every frame of the NIC, so an address on it is not reachable; but its routes
/// still lead to the NIC and bypass the bridge.
pub(super) fn port_problem(desired: &Desired, actual: &Actual) -> Option<Problem> {
    let row = desired.uplink_port()?;
    let port = actual.ports.get(&row.name)?;
    let borne = actual.addresses.iter().filter(|(dev, _)| *dev == *row.name);
    let borne = borne.map(|(_, address)| *address);
    if let Some(found) = returned(&row.name, true, borne, &actual.writers) {
        let text = format!(
            "uplink {found}: what the host sends by its routes is lost, for {} is a port of the \
             bridge, and the host's address belongs on {HOST_PORT}",
            row.name
        );
        let problem = Problem::blocking("uplink-bears-addresses", text);
        return Some(problem.repaired_by(found.repair()));
    }
    let error = port.error.as_ref()?;
    Some(Problem::blocking(
        "port-error",
        format!("Open vSwitch cannot open port {}: {error}", row.name),
    ))
}

fn missing(name: &str, actual: &Actual) -> Problem {
    let links: Vec<&str> = actual
        .links
        .iter()
        .map(|l| l.name.as_str())
        .take(NAMED_LINKS)
        .collect();
    Problem::blocking(
        "uplink-missing",
        format!(
            "uplink {name} is not there; this host has {}: correct the plan's uplink, or the \
             host's NIC",
            links.join(", ")
        ),
    )
}

/// The addresses of a link, without the IPv6 link-local ones.
fn addresses(name: &str, actual: &Actual) -> Vec<String> {
    actual
        .addresses
        .iter()
        .filter(|(dev, a)| dev == name && !is_link_local(*a))
        .map(|(_, a)| a.to_string())
        .collect()
}

fn is_link_local(a: IpNetwork) -> bool {
    matches!(a, IpNetwork::V6(v6) if v6.ip().segments()[0] & 0xffc0 == 0xfe80)
}

#[cfg(test)]
mod tests;
