//! The steps, in an order that is right both ways.
//!
//! Forwards an address is on the host's port before a route needs it, and the NIC's own goes last;
//! backwards the same holds for the NIC. Between the NIC's coming into the bridge and the last
//! route a few milliseconds pass, in which the host's packets leave by the NIC and their answers
//! come to the host's port.

use std::path::PathBuf;

use flatnet_kernel::{Entry, LinkId, RouteKind};

use crate::clients::{Client, ClientKind, Scope, unmanaged, unmanaged_file};
use crate::inventory::{Inventory, LinkFacts};
use crate::step::{Item, Step, SwitchSpec};

/// The table of what the kernel answers itself; it keeps it from the addresses.
const TABLE_LOCAL: u32 = 255;
/// `RTPROT_KERNEL`.
const KERNEL: u8 = 2;
/// The links of containers, and of netd's own probe.
const LINKS: &str = "fn*";
/// Settings of an interface that an administrator may have changed, and that its successor is to
/// have.
const COPIED_IPV4: [&str; 12] = [
    "accept_local",
    "accept_redirects",
    "accept_source_route",
    "arp_announce",
    "arp_filter",
    "forwarding",
    "log_martians",
    "promote_secondaries",
    "proxy_arp",
    "route_localnet",
    "rp_filter",
    "send_redirects",
];
const COPIED_IPV6: [&str; 4] = ["accept_redirects", "forwarding", "hop_limit", "proxy_ndp"];

/// Whether the client is stopped on the device and started on the host's port: one that serves
/// this device alone and takes it as the last word of its command line.
pub(super) fn can_follow(client: &Client) -> bool {
    client.kind == ClientKind::Dhclient && matches!(client.scope, Scope::Device(_))
}

/// Whether it can be told to leave the device alone, and what it configured stays or can be given
/// to the host's port: a lease of its own it would give up, or renew no more.
pub(super) fn can_unmanage(client: &Client) -> bool {
    matches!(
        client.kind,
        ClientKind::Networkd | ClientKind::NetworkManager
    ) && !client.leases
}

pub(super) fn steps(
    i: &Inventory,
    nic: &LinkFacts,
    source: &LinkFacts,
    switch: &SwitchSpec,
) -> Vec<Step> {
    let from = source.id();
    let to = &switch.host_port;
    let of = |entries: &[Entry]| -> Vec<Item> {
        entries
            .iter()
            .filter(|e| e.is_of(&from))
            .cloned()
            .map(Item)
            .collect()
    };
    let addresses: Vec<Item> = i.addresses_of(source).cloned().map(Item).collect();
    let neighbours = of(&i.neighbours);
    let rules = of(&i.rules);
    // A gateway is reached by a route without one: the kernel makes that of an address, but not
    // for a manager that adds its own (`noprefixroute`).
    let (routed, direct): (Vec<Item>, Vec<Item>) = of(&i.routes)
        .into_iter()
        .filter(moves)
        .partition(has_gateway);
    let routes = direct.iter().chain(&routed).cloned();
    let kept: Vec<Item> = routes.chain(depend_on(i, &from, &addresses)).collect();

    let mut steps = told_to_leave(i, switch, nic, source);
    steps.push(Step::Bridge(switch.clone()));
    steps.push(Step::Flows(switch.clone()));
    steps.extend(host_port_settings(i, source, to, &switch.datapath));
    steps.push(Step::HostUp(to.clone()));
    steps.push(Step::RestoreBefore(kept.clone()));
    steps.extend(neighbours.iter().cloned().map(Step::Give));
    steps.extend(addresses.iter().cloned().map(Step::Give));
    steps.push(Step::TakeNic(switch.clone()));
    steps.extend(direct.iter().cloned().map(Step::Give));
    for route in &routed {
        steps.push(Step::Give(route.clone()));
        steps.push(Step::Take(route.clone()));
    }
    steps.extend(direct.into_iter().map(Step::Take));
    for rule in &rules {
        steps.push(Step::Give(rule.clone()));
        steps.push(Step::Take(rule.clone()));
    }
    steps.push(Step::FreeNic(switch.clone()));
    steps.extend(networkd_lets_go(i, nic, source));
    // Secondaries go before their primary, which would take them along.
    steps.extend(addresses.into_iter().rev().map(Step::Take));
    steps.extend(neighbours.into_iter().map(Step::Take));
    if source.ifindex != nic.ifindex {
        steps.push(Step::DeleteLink {
            name: source.name.clone(),
            ifindex: source.ifindex,
            making: source.making.clone(),
            sysctls: i
                .sysctls
                .iter()
                .filter(|(k, _)| k.contains(&format!("/conf/{}/", source.name)))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        });
    }
    steps.push(Step::RestoreAfter(kept));
    steps.extend(nic_settings(i, nic, &switch.datapath));
    steps.extend(followers(i, &from, to));
    steps
}

/// Whether a route is one that the move has to move: not one of those that the kernel keeps with
/// each address in its own table.
fn moves(item: &Item) -> bool {
    item.0.as_route().is_some_and(|r| {
        let own = r.protocol == KERNEL
            && (r.table == TABLE_LOCAL || !matches!(r.kind, RouteKind::Unicast));
        // The link's own prefix of link-local addresses, which every interface has.
        let link_local = matches!(r.dst, ipnetwork::IpNetwork::V6(d)
            if d.prefix() == 64 && d.network().is_unicast_link_local() && r.protocol == KERNEL);
        !own && !link_local
    })
}

fn has_gateway(item: &Item) -> bool {
    let route = item.0.as_route();
    route.is_some_and(|r| r.nexthops.iter().any(|hop| hop.via.is_some()))
}

/// Routes of other devices that name one of the addresses as their source: the kernel drops them
/// when the address leaves its device, though the host keeps it (`fib_sync_down_addr`).
fn depend_on(i: &Inventory, from: &LinkId, addresses: &[Item]) -> Vec<Item> {
    let ips: Vec<_> = addresses
        .iter()
        .filter_map(|a| a.0.as_address())
        .map(|a| a.address.ip())
        .collect();
    i.routes
        .iter()
        .filter(|e| !e.is_of(from))
        .filter(|e| {
            e.as_route().is_some_and(|r| {
                r.table != TABLE_LOCAL && r.src.is_some_and(|src| ips.contains(&src))
            })
        })
        .cloned()
        .map(Item)
        .collect()
}

/// What is said before anything is touched: who is told keeps what it configured so far.
fn told_to_leave(
    i: &Inventory,
    switch: &SwitchSpec,
    nic: &LinkFacts,
    source: &LinkFacts,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for client in &i.clients {
        if can_follow(client) {
            steps.extend(client.pid.map(|pid| Step::StopClient {
                pid,
                argv: client.argv.clone(),
            }));
        } else if client.kind == ClientKind::Networkd && can_unmanage(client) {
            // Its files may be for every Ethernet link, and so for the host's port and for the
            // links that netd makes: these would get the host's address, or be taken out of the
            // bridge.
            let names = format!(
                "{} {} ovs-system ovs-netdev {LINKS}",
                switch.host_port, switch.bridge
            );
            steps.push(Step::Regain {
                file: PathBuf::from(unmanaged_file(&nic.name)),
                reload: reload(),
            });
            steps.push(Step::Unmanage {
                file: PathBuf::from(unmanaged_file(&switch.bridge)),
                text: unmanaged(&names),
                reload: reload(),
            });
        } else if can_unmanage(client) {
            let set = |device: &str, managed: &str| {
                ["nmcli", "device", "set", device, "managed", managed]
                    .map(str::to_owned)
                    .to_vec()
            };
            // It makes connections of its own for links that it does not know.
            let others = [switch.host_port.as_str(), &switch.bridge, LINKS]
                .map(|name| format!("interface-name:{name}"));
            steps.push(Step::Unmanage {
                file: PathBuf::from("/run/NetworkManager/conf.d/00-flatnet.conf"),
                text: format!(
                    "[device-flatnet]\nmatch-device={}\nmanaged=0\n",
                    others.join(",")
                ),
                reload: ["nmcli", "general", "reload", "conf"]
                    .map(str::to_owned)
                    .to_vec(),
            });
            let mut devices = vec![&source.name, &nic.name];
            devices.dedup();
            steps.extend(devices.into_iter().map(|device| Step::Tell {
                argv: set(device, "no"),
                back: set(device, "yes"),
                program: "NetworkManager".to_owned(),
            }));
        }
    }
    steps
}

/// systemd-networkd takes what it configured off a device that it is to leave alone: so it is told
/// when the host's port has it all.
fn networkd_lets_go(i: &Inventory, nic: &LinkFacts, source: &LinkFacts) -> Option<Step> {
    let runs = |c: &Client| c.kind == ClientKind::Networkd && can_unmanage(c);
    let mut names = vec![source.name.as_str(), nic.name.as_str()];
    names.dedup();
    i.clients.iter().any(runs).then(|| Step::Unmanage {
        file: PathBuf::from(unmanaged_file(&nic.name)),
        text: unmanaged(&names.join(" ")),
        reload: reload(),
    })
}

/// What makes systemd-networkd read its files.
fn reload() -> Vec<String> {
    ["networkctl", "reload"].map(str::to_owned).to_vec()
}

/// The DHCP clients that were stopped, on the host's port.
fn followers(i: &Inventory, from: &LinkId, to: &str) -> Vec<Step> {
    i.clients
        .iter()
        .filter(|c| can_follow(c))
        .map(|client| {
            let pid_file = PathBuf::from(format!("/run/flatnet-dhclient.{to}.pid"));
            Step::StartClient {
                argv: follower_argv(&client.argv, &from.name, to, &pid_file),
                pid_file,
            }
        })
        .collect()
}

/// The command line with the device replaced and a file of its own for the process's number. The
/// lease's file stays: by it the client asks for the same address again.
fn follower_argv(argv: &[String], from: &str, to: &str, pid_file: &std::path::Path) -> Vec<String> {
    let mut made = Vec::new();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-pf" => {
                words.next();
            }
            // In the foreground it would never be done.
            "-d" => {}
            word if word == from => made.push(to.to_owned()),
            word => made.push(word.to_owned()),
        }
    }
    made.insert(1, "-pf".to_owned());
    made.insert(2, pid_file.display().to_string());
    made
}

fn host_port_settings(i: &Inventory, source: &LinkFacts, to: &str, datapath: &str) -> Vec<Step> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (family, settings) in [("ipv4", &COPIED_IPV4[..]), ("ipv6", &COPIED_IPV6[..])] {
        for setting in settings {
            let of = |dev: &str| i.sysctls.get(&format!("{family}/conf/{dev}/{setting}"));
            if let Some(value) = of(&source.name)
                && of("default") != Some(value)
            {
                wanted.push((format!("{family}/conf/{to}/{setting}"), value.clone()));
            }
        }
    }
    wanted.push((format!("ipv6/conf/{to}/disable_ipv6"), "0".to_owned()));
    wanted.push((format!("ipv6/conf/{to}/accept_ra"), "0".to_owned()));
    if datapath == "netdev" {
        wanted.push((format!("ipv4/conf/{to}/arp_ignore"), "0".to_owned()));
    }
    wanted
        .into_iter()
        .filter_map(|(k, v)| sysctl(i, k, v))
        .collect()
}

/// The NIC is a port of the bridge: the host does not answer on it.
fn nic_settings(i: &Inventory, nic: &LinkFacts, datapath: &str) -> Vec<Step> {
    let name = &nic.name;
    let mut wanted = vec![
        (format!("ipv6/conf/{name}/disable_ipv6"), "1".to_owned()),
        (format!("ipv4/conf/{name}/arp_ignore"), "8".to_owned()),
    ];
    if datapath == "netdev" {
        // The userspace datapath reads copies of the NIC's frames, and the host's stack gets them
        // as well: what is for the host would come twice, untagged.
        wanted.push((format!("ipv4/conf/{name}/rp_filter"), "1".to_owned()));
    }
    wanted
        .into_iter()
        .filter_map(|(k, v)| sysctl(i, k, v))
        .collect()
}

/// `None` where it is so already, or the kernel has no IPv6.
fn sysctl(i: &Inventory, key: String, after: String) -> Option<Step> {
    let no_ipv6 = key.starts_with("ipv6/")
        && !i
            .sysctls
            .keys()
            .any(|k| k.starts_with("ipv6/conf/default/"));
    let before = i.sysctls.get(&key).cloned();
    if no_ipv6 || before.as_ref() == Some(&after) {
        return None;
    }
    Some(Step::Sysctl { key, before, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dhcp_client_follows_with_the_lease_and_without_the_old_pid_file() {
        let argv: Vec<String> = "/sbin/dhclient -4 -d -pf /run/a.pid -lf /var/lib/b eth0"
            .split(' ')
            .map(str::to_owned)
            .collect();
        let made = follower_argv(&argv, "eth0", "flat0", std::path::Path::new("/run/c.pid"));
        assert_eq!(
            made.join(" "),
            "/sbin/dhclient -pf /run/c.pid -4 -lf /var/lib/b flat0"
        );
    }
}
