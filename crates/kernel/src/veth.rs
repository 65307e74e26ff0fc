//! Making veth pairs.

use std::os::fd::AsFd;

use flatnet_types::{IfName, Mtu};
use nix::errno::Errno;

use crate::error::{Attempt, Fault, LinkError};
use crate::ioctl;
use crate::message::link;
use crate::pool::Worker;
use crate::spec::{PairSpec, VethMade, VethSpec, host_end_mac};

/// How many indices are tried in the container when the caller chose none.
const INDEX_TRIES: u32 = 16;

/// The largest index that the kernel takes (an `int`).
const INDEX_MAX: u32 = i32::MAX as u32;

/// Makes the pair on a worker's thread.
pub(crate) fn create(worker: &mut Worker, spec: &VethSpec) -> Result<VethMade, LinkError> {
    let given = [Some(spec.host_ifindex), spec.container_ifindex];
    for ifindex in given.into_iter().flatten() {
        // With 0 the kernel would choose, and nothing here would know what.
        if !(2..=INDEX_MAX).contains(&ifindex) {
            return Err(LinkError::BadIndex { ifindex });
        }
    }
    let host_mac = spec
        .host_mac
        .unwrap_or_else(|| host_end_mac(spec.host_ifindex));
    let mut container_ifindex = spec
        .container_ifindex
        .unwrap_or_else(|| index_after(spec.host_ifindex));
    let mut tries = 1;
    loop {
        let home = worker.home_handle();
        let request = link::new_veth(spec, host_mac, container_ifindex, home.as_fd());
        let made = spec
            .container
            .with_socket(worker, |socket| socket.request(request));
        match made {
            Ok(()) => break,
            Err(fault) => {
                let error = explain(worker, spec, container_ifindex, fault);
                let taken = matches!(error, LinkError::ContainerIndexTaken { .. });
                if !taken || spec.container_ifindex.is_some() || tries == INDEX_TRIES {
                    return Err(error);
                }
                tries += 1;
                container_ifindex = index_after(container_ifindex);
            }
        }
    }
    bring_up_host_end(worker, spec).inspect_err(|_| {
        // It is ours for certain: it was made a moment ago with NLM_F_EXCL.
        let _ = worker.at_home(|socket| socket.request(link::delete(spec.host_ifindex)));
    })?;
    Ok(VethMade {
        host_ifindex: spec.host_ifindex,
        host_mac,
        container_ifindex,
    })
}

/// The next index. It differs from the host's end's, since tools take an interface whose
/// own index is that of its other end for one that has no other end.
fn index_after(ifindex: u32) -> u32 {
    if ifindex >= INDEX_MAX { 2 } else { ifindex + 1 }
}

/// Makes a pair with both ends in home, up. If a later step fails, it is deleted again.
pub(crate) fn create_pair(worker: &mut Worker, spec: &PairSpec) -> Result<(), LinkError> {
    let attempted = || format!("creating {} with its other end {}", spec.name, spec.peer);
    worker
        .at_home(|socket| socket.request(link::new_pair(spec)))
        .map_err(|fault| match fault.refusal() {
            Some(Errno::EEXIST) => LinkError::HostNameTaken {
                name: spec.name.clone(),
            },
            _ => classify(fault, attempted),
        })?;
    for name in [&spec.name, &spec.peer] {
        let found = worker.at_home(|socket| ioctl::index_of(&*socket, name));
        let ifindex = found.attempting(attempted)?;
        // Whoever deleted it meanwhile has undone all of it.
        let Some(ifindex) = ifindex else {
            return Err(LinkError::NoSuchLink { name: name.clone() });
        };
        bring_up(worker, name, ifindex, Some(&spec.alias), spec.mtu).inspect_err(|_| {
            let _ = worker.at_home(|socket| socket.request(link::delete(ifindex)));
        })?;
    }
    Ok(())
}

fn bring_up_host_end(worker: &mut Worker, spec: &VethSpec) -> Result<(), LinkError> {
    let alias = spec.alias.as_deref();
    bring_up(worker, &spec.host_name, spec.host_ifindex, alias, spec.mtu)
}

/// Takes IPv6 off an end, gives it its alias, and brings it up.
fn bring_up(
    worker: &mut Worker,
    name: &IfName,
    ifindex: u32,
    alias: Option<&str>,
    mtu: Mtu,
) -> Result<(), LinkError> {
    // Without the least MTU of IPv6 a link has no IPv6 at all.
    let mut ipv6 = mtu.get() >= Mtu::MIN_IPV6;
    loop {
        let mut batch = Vec::with_capacity(2);
        batch.extend(link::dress_host_end(ifindex, alias, ipv6));
        let dressing = batch.len();
        batch.push(link::up(ifindex));
        let failed = worker
            .at_home(|socket| socket.transact(batch))
            .attempting(|| format!("bringing up {name}"))?;
        match failed.into_iter().next() {
            None => return Ok(()),
            Some(first) if ipv6 && first.fault.refusal() == Some(Errno::EAFNOSUPPORT) => {
                // The kernel was started without IPv6.
                ipv6 = false;
            }
            Some(first) => {
                let step = if first.index < dressing {
                    "setting the alias and taking IPv6 off"
                } else {
                    "bringing up"
                };
                return Err(classify(first.fault, || format!("{step} {name}")));
            }
        }
    }
}

/// Finds out what stands in the way of a pair.
fn explain(
    worker: &mut Worker,
    spec: &VethSpec,
    container_ifindex: u32,
    fault: Fault,
) -> LinkError {
    if matches!(fault.refusal(), Some(Errno::EEXIST | Errno::EBUSY))
        && let Ok(Some(taken)) = what_is_taken(worker, spec, container_ifindex)
    {
        return taken;
    }
    classify(fault, || {
        format!(
            "creating {} with its other end {} in {}",
            spec.host_name,
            spec.container_name,
            spec.container.path()
        )
    })
}

/// Looks which of the pair's names and indices is in use.
fn what_is_taken(
    worker: &mut Worker,
    spec: &VethSpec,
    container_ifindex: u32,
) -> Result<Option<LinkError>, Fault> {
    let (name, index) = spec.container.with_socket(worker, |socket| {
        Ok((
            ioctl::index_of(&*socket, &spec.container_name)?,
            ioctl::name_of(&*socket, container_ifindex)?,
        ))
    })?;
    if name.is_some() {
        return Ok(Some(LinkError::ContainerNameTaken {
            name: spec.container_name.clone(),
        }));
    }
    let (host_name, host_index) = worker.at_home(|socket| {
        Ok((
            ioctl::index_of(&*socket, &spec.host_name)?,
            ioctl::name_of(&*socket, spec.host_ifindex)?,
        ))
    })?;
    Ok(if host_name.is_some() {
        Some(LinkError::HostNameTaken {
            name: spec.host_name.clone(),
        })
    } else if host_index.is_some() {
        Some(LinkError::HostIndexTaken {
            ifindex: spec.host_ifindex,
        })
    } else {
        index.map(|_| LinkError::ContainerIndexTaken {
            ifindex: container_ifindex,
        })
    })
}

/// The error of a link for a fault that is not about a taken name or index.
pub(crate) fn classify(fault: Fault, attempted: impl FnOnce() -> String) -> LinkError {
    let attempted = attempted();
    match &fault {
        Fault::Namespace {
            errno: Errno::EPERM,
        }
        | Fault::Refused {
            errno: Errno::EPERM | Errno::EACCES,
            ..
        } => LinkError::NotPermitted { attempted, fault },
        Fault::Namespace { .. } => LinkError::NamespaceGone { attempted, fault },
        _ => LinkError::Request(crate::error::RequestError { attempted, fault }),
    }
}
