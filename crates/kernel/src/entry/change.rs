//! Listing entries, putting them where they are not, and removing them.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use nix::errno::Errno;
use nix::libc;

use super::attributes::{self, push};
use super::{Entry, EntryKind, read};
use crate::error::{Attempt, Fault, ObserveError, RequestError};
use crate::pool::Worker;
use crate::socket::RouteSocket;

/// `IFA_F_NODAD`.
const NODAD: u32 = 0x02;
/// `NTF_USE`: the kernel resolves the neighbour now, as it would for a packet.
const NTF_USE: u8 = 1;
/// `AF_INET`, `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];

/// All entries of a kind, of both families.
pub(crate) fn list(worker: &mut Worker, kind: EntryKind) -> Result<Vec<Entry>, ObserveError> {
    let found = worker.at_home(|socket| {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut header = vec![0; kind.header()];
            header[0] = family;
            let get = kind.new_message() + 2;
            let part = socket.dump_bytes(get, &header, |message, payload, found| {
                if message == kind.new_message() && payload.first() == Some(&family) {
                    found.extend(read(kind, payload)?);
                }
                Ok(())
            });
            match part {
                Ok(part) => found.extend(part),
                // A kernel without IPv6, or without policy routing, has nobody to answer.
                Err(fault)
                    if matches!(
                        fault.refusal(),
                        Some(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT)
                    ) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(found)
    });
    Ok(found.attempting(|| format!("listing every {}", kind.word()))?)
}

/// Adds an entry; `false` if it is there.
pub(crate) fn put(worker: &mut Worker, entry: &Entry) -> Result<bool, RequestError> {
    let done = worker.at_home(|socket| put_on(socket, &entry.as_request()));
    match done {
        Ok(()) => Ok(true),
        Err(fault) if fault.refusal() == Some(Errno::EEXIST) => Ok(false),
        Err(fault) => Err(fault).attempting(|| attempted(entry, "adding")),
    }
}

fn attempted(entry: &Entry, what: &str) -> String {
    format!("{what} the {entry:?}")
}

fn put_on(socket: &mut RouteSocket, entry: &Entry) -> Result<(), Fault> {
    let message = entry.kind.new_message();
    match entry.kind {
        // Several routes may stand in one place, and keep their order so.
        EntryKind::Route => {
            socket.request_bytes(message, NLM_F_CREATE | NLM_F_APPEND, &entry.payload)
        }
        EntryKind::Neighbour => {
            socket.request_bytes(message, NLM_F_CREATE | NLM_F_REPLACE, &entry.payload)
        }
        EntryKind::Address if entry.is_ipv6() => {
            // Usable at once: it is the host's own that comes from another interface. The flag
            // goes again, so that the address is as it was.
            let create = NLM_F_CREATE | NLM_F_EXCL;
            let (with, had) = without_dad(entry);
            socket.request_bytes(message, create, &with.payload)?;
            if had {
                return Ok(());
            }
            socket.request_bytes(message, NLM_F_REPLACE, &entry.payload)
        }
        EntryKind::Address | EntryKind::Rule => {
            socket.request_bytes(message, NLM_F_CREATE | NLM_F_EXCL, &entry.payload)
        }
    }
}

/// The address without duplicate address detection, and whether it was asked for so.
fn without_dad(entry: &Entry) -> (Entry, bool) {
    let mut payload = entry.payload[..entry.kind.header()].to_vec();
    let mut flags = u32::from(payload[2]);
    for (kind, value) in attributes::iter(entry.attributes()) {
        if kind == libc::IFA_FLAGS {
            flags = value
                .first_chunk::<4>()
                .map_or(flags, |b| u32::from_ne_bytes(*b));
        } else {
            push(&mut payload, kind, value);
        }
    }
    payload[2] |= NODAD.to_ne_bytes()[0];
    push(
        &mut payload,
        libc::IFA_FLAGS,
        &(flags | NODAD).to_ne_bytes(),
    );
    let kind = entry.kind;
    (Entry { kind, payload }, flags & NODAD != 0)
}

/// Removes an entry; `false` if it is not there.
pub(crate) fn remove(worker: &mut Worker, entry: &Entry) -> Result<bool, RequestError> {
    let request = entry.as_request();
    let message = entry.kind.new_message() + 1;
    match worker.at_home(|socket| socket.request_bytes(message, 0, &request.payload)) {
        Ok(()) => Ok(true),
        Err(fault)
            if matches!(
                fault.refusal(),
                Some(
                    Errno::ESRCH
                        | Errno::ENOENT
                        | Errno::EADDRNOTAVAIL
                        | Errno::ENODEV
                        | Errno::ENXIO
                )
            ) =>
        {
            Ok(false)
        }
        Err(fault) => Err(fault).attempting(|| attempted(entry, "removing")),
    }
}

/// Asks for a neighbour (ARP, neighbour discovery). With `forgets` what is known of it is deleted
/// first; else the kernel asks only if that is nothing, or old.
pub(crate) fn ask(
    worker: &mut Worker,
    ifindex: u32,
    ip: IpAddr,
    forgets: bool,
) -> Result<(), RequestError> {
    let mut payload = vec![0; EntryKind::Neighbour.header()];
    let octets = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    payload[0] = FAMILIES[usize::from(ip.is_ipv6())];
    payload[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    push(&mut payload, 1, &octets);
    let done = worker.at_home(|socket| {
        if forgets {
            match socket.request_bytes(libc::RTM_DELNEIGH, 0, &payload) {
                Ok(()) => {}
                Err(fault) if fault.refusal() == Some(Errno::ENOENT) => {}
                Err(fault) => return Err(fault),
            }
        }
        payload[10] = NTF_USE;
        socket.request_bytes(libc::RTM_NEWNEIGH, NLM_F_CREATE, &payload)
    });
    done.attempting(|| format!("asking for neighbour {ip} on interface {ifindex}"))
}
