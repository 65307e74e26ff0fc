//! Addresses, routes and offloads inside a container.

use ipnetwork::IpNetwork;
use nix::errno::Errno;
use std::os::fd::AsFd;

use crate::error::{Attempt, ConfigureError, Fault, RequestError};
use crate::host::put_address;
use crate::ioctl;
use crate::message::{address, link, route};
use crate::netns::Netns;
use crate::observe;
use crate::pool::Worker;
use crate::socket::{Failed, Request};
use crate::spec::{AddressSpec, ContainerSpec};
use crate::sysctl::{self, SysctlKey};

/// The index of `lo` in every namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// A step of the batch.
#[derive(Clone, Copy)]
enum Step {
    /// The link-local address is to follow from the MAC, whatever the namespace's default.
    Generation,
    Loopback,
    /// An address, by its place in the specification.
    Address(usize),
    /// A route, by its place in the specification.
    Route(usize),
}

/// Configures the interface on a worker's thread.
pub(crate) fn configure(
    worker: &mut Worker,
    netns: &Netns,
    spec: &ContainerSpec,
) -> Result<Vec<IpNetwork>, ConfigureError> {
    let mut steps = Vec::new();
    let mut left_out = Vec::new();
    if spec.addresses.iter().any(|a| a.is_ipv6()) {
        // Before the addresses: an advertisement must find the door closed.
        ignore_advertisements(worker, netns, spec)?;
        steps.push(Step::Generation);
    }
    if spec.loopback_up {
        steps.push(Step::Loopback);
    }
    steps.extend((0..spec.addresses.len()).map(Step::Address));
    steps.extend((0..spec.routes.len()).map(Step::Route));

    let mut failed = send(worker, netns, spec, &steps)?;
    if failed.iter().any(|f| ipv6_is_off(spec, &steps, f)) {
        switch_ipv6_on(worker, netns, spec)?;
        // What failed is tried again, in the same order: the routes behind a refused
        // address were refused with it.
        let again: Vec<Step> = failed
            .iter()
            .filter_map(|f| steps.get(f.index).copied())
            .collect();
        failed = send(worker, netns, spec, &again)?;
        steps = again;
    }
    for Failed { index, fault } in failed {
        if let Some(step) = steps.get(index) {
            match (forgive(worker, netns, spec, *step, fault), step) {
                (Err(ConfigureError::RouteTaken { dst }), Step::Route(i))
                    if spec.routes[*i].yields =>
                {
                    left_out.push(dst);
                }
                (forgiven, _) => forgiven?,
            }
        }
    }
    if spec.tx_checksum_off {
        netns
            .with_socket(worker, |socket| {
                ioctl::set_tx_checksum(&*socket, &spec.ifname, false)
            })
            .map_err(|fault| {
                classify(fault, || {
                    format!("switching off the checksum offload of {}", spec.ifname)
                })
            })?;
    }
    Ok(left_out)
}

/// Sends the steps at once and returns those that were refused.
fn send(
    worker: &mut Worker,
    netns: &Netns,
    spec: &ContainerSpec,
    steps: &[Step],
) -> Result<Vec<Failed>, ConfigureError> {
    let batch = steps.iter().map(|s| request(spec, *s)).collect();
    netns
        .with_socket(worker, |socket| socket.transact(batch))
        .map_err(|fault| {
            classify(fault, || {
                format!("configuring {} in {}", spec.ifname, netns.path())
            })
        })
}

fn request(spec: &ContainerSpec, step: Step) -> Request {
    match step {
        Step::Generation => link::generate_eui64(spec.ifindex),
        Step::Loopback => link::up(LOOPBACK),
        Step::Address(i) => address::add(spec.ifindex, &AddressSpec::new(spec.addresses[i])),
        Step::Route(i) => route::add_container(&spec.routes[i], spec.ifindex),
    }
}

/// Whether this failure is that of an IPv6 address on an interface without IPv6
/// (`inet6_addr_add`: EACCES; before Linux 4.18 EPERM).
fn ipv6_is_off(spec: &ContainerSpec, steps: &[Step], failed: &Failed) -> bool {
    let refused = matches!(failed.fault.refusal(), Some(Errno::EACCES | Errno::EPERM));
    let address = match steps.get(failed.index) {
        Some(Step::Address(i)) => spec.addresses.get(*i),
        _ => None,
    };
    refused && address.is_some_and(|a| a.is_ipv6())
}

/// Lets pass what is there already, and names anything else.
fn forgive(
    worker: &mut Worker,
    netns: &Netns,
    spec: &ContainerSpec,
    step: Step,
    fault: Fault,
) -> Result<(), ConfigureError> {
    let exists = fault.refusal() == Some(Errno::EEXIST);
    match step {
        // Where there is no IPv6, its address says so.
        Step::Generation => Ok(()),
        Step::Loopback => Err(classify(fault, || "bringing up lo".to_owned())),
        Step::Address(i) => {
            let address = spec.addresses[i];
            let fault = if exists {
                let again = netns.with_socket(worker, |socket| {
                    put_address(socket, spec.ifindex, &AddressSpec::new(address))
                });
                match again {
                    Ok(_) => return Ok(()),
                    Err(fault) => fault,
                }
            } else {
                fault
            };
            Err(classify(fault, || {
                format!("adding {address} to {}", spec.ifname)
            }))
        }
        Step::Route(i) if exists => {
            let wanted = route::container_route(&spec.routes[i], spec.ifindex);
            let there = netns
                .with_socket(worker, |socket| {
                    observe::list_routes(socket, wanted.dst.is_ipv6(), Some(wanted.table))
                })
                .attempting(|| "listing a container's routes".to_owned())?;
            if there.iter().any(|r| observe::is_route(r, &wanted)) {
                Ok(())
            } else {
                Err(ConfigureError::RouteTaken { dst: wanted.dst })
            }
        }
        Step::Route(i) => {
            let r = &spec.routes[i];
            let attempted = || match r.via {
                Some(via) => format!("adding a route to {} via {via}", r.dst),
                None => format!("adding a route to {} on {}", r.dst, spec.ifname),
            };
            Err(match fault.refusal() {
                Some(Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
                    ConfigureError::GatewayUnreachable {
                        attempted: attempted(),
                        fault,
                    }
                }
                _ => classify(fault, attempted),
            })
        }
    }
}

/// `accept_ra` = 0 on the interface: no advertisement adds an address or a route. netlink
/// takes no such setting. (Not every sysctl would do here: `addr_gen_mode`, even read, and
/// `disable_ipv6` spin for the rtnl lock instead of waiting for it.)
fn ignore_advertisements(
    worker: &mut Worker,
    netns: &Netns,
    spec: &ContainerSpec,
) -> Result<(), ConfigureError> {
    let key = SysctlKey::ipv6_conf(spec.ifname.as_str(), "accept_ra");
    inside(worker, netns, || sysctl::write(&key, "0"))
}

/// `disable_ipv6` = 0 on the interface; docker and containerd set it to 1 where they know
/// of no IPv6.
fn switch_ipv6_on(
    worker: &mut Worker,
    netns: &Netns,
    spec: &ContainerSpec,
) -> Result<(), ConfigureError> {
    let key = SysctlKey::ipv6_conf(spec.ifname.as_str(), "disable_ipv6");
    let lo = SysctlKey::ipv6_conf("lo", "disable_ipv6");
    let loopback = spec.loopback_up;
    inside(worker, netns, || {
        if loopback {
            sysctl::write(&lo, "0")?;
        }
        sysctl::write(&key, "0")
    })
    .map_err(|e| match e {
        ConfigureError::Sysctl(e) => ConfigureError::Ipv6Off(e),
        e => e,
    })
}

/// Runs `f`, which opens files below `/proc/sys/net`, in the container: the kernel takes
/// the namespace of the thread that looks the file up.
fn inside<T>(
    worker: &mut Worker,
    netns: &Netns,
    f: impl FnOnce() -> Result<T, crate::error::SysctlError>,
) -> Result<T, ConfigureError> {
    Ok(worker
        .visit(netns.as_fd(), f)
        .map_err(|fault| classify(fault, || format!("entering {}", netns.path())))??)
}

fn classify(fault: Fault, attempted: impl FnOnce() -> String) -> ConfigureError {
    let attempted = attempted();
    match fault.refusal() {
        Some(Errno::ENODEV | Errno::ENXIO) => ConfigureError::NoInterface { attempted, fault },
        Some(Errno::EPERM) => ConfigureError::NotPermitted { attempted, fault },
        _ => ConfigureError::Request(RequestError { attempted, fault }),
    }
}
