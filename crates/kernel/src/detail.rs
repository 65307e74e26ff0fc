//! What of a link its short form ([`Link`](crate::Link)) does not say: its other names, and what
//! is needed to make it again after it was deleted.

use nix::errno::Errno;
use nix::libc;

use crate::entry::attributes::{iter, push, text};
use crate::error::{Attempt, Fault, LinkError, ObserveError};
use crate::message::link::number;
use crate::pool::Worker;
use crate::veth::classify;

/// Bytes of `struct ifinfomsg`.
const HEADER: usize = 16;
/// `IFF_UP`.
const UP: u32 = 1;
const IFLA_LINKINFO: u16 = 18;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
/// What a link of a kind is made from, beside its name and index: its MAC, MTU, the link below,
/// its transmit queue's length, its kind, its group.
const MAKING: [u16; 6] = [1, 4, 5, 13, IFLA_LINKINFO, 27];

/// A link, with what is needed to make it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkDetail {
    /// Interface index.
    pub ifindex: u32,
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Its other names (`ip link property`).
    pub altnames: Vec<String>,
    /// The ID of an 802.1Q interface.
    pub vlan: Option<u16>,
    /// The request that makes it again, with its index, MAC, MTU and kind: `struct ifinfomsg` and
    /// attributes, in the byte order of the processor.
    pub making: Vec<u8>,
}

fn read(payload: &[u8]) -> Option<LinkDetail> {
    let ifindex = number(payload.get(4..)?)?;
    let attributes = payload.get(HEADER..)?;
    let value = |kind| iter(attributes).find(|(k, _)| *k == kind).map(|(_, v)| v);
    let name = text(value(libc::IFLA_IFNAME)?).into_owned();
    let info = value(IFLA_LINKINFO).unwrap_or_default();
    let inside = |kind| iter(info).find(|(k, _)| *k == kind).map(|(_, v)| v);
    let vlan = inside(1)
        .filter(|kind| text(kind) == "vlan")
        .and_then(|_| iter(inside(2)?).find(|(k, _)| *k == 1))
        .and_then(|(_, id)| id.first_chunk::<2>().map(|b| u16::from_ne_bytes(*b)));
    let altnames = iter(value(IFLA_PROP_LIST).unwrap_or_default())
        .filter(|(k, _)| *k == IFLA_ALT_IFNAME)
        .map(|(_, v)| text(v).into_owned())
        .collect();

    let mut making = vec![0; HEADER];
    making[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let flags = number(&payload[8..]).unwrap_or(0) & UP;
    making[8..12].copy_from_slice(&flags.to_ne_bytes());
    making[12..16].copy_from_slice(&flags.to_ne_bytes());
    push(&mut making, libc::IFLA_IFNAME, value(libc::IFLA_IFNAME)?);
    for kind in MAKING {
        match value(kind) {
            Some(info) if kind == IFLA_LINKINFO => push(&mut making, kind, &asked(info)),
            Some(value) => push(&mut making, kind, value),
            None => {}
        }
    }
    Some(LinkDetail {
        ifindex,
        name,
        altnames,
        vlan,
        making,
    })
}

/// What is asked for of a link's kind. The kernel shows the flags of an 802.1Q interface with a
/// mask of all bits, and refuses bits that it does not know in a request (`vlan_dev_change_flags`).
fn asked(info: &[u8]) -> Vec<u8> {
    /// `IFLA_INFO_DATA`, and in it `IFLA_VLAN_FLAGS`: the flags and their mask.
    const DATA: u16 = 2;
    const FLAGS: u16 = 2;
    /// `VLAN_FLAG_REORDER_HDR`, `_GVRP`, `_LOOSE_BINDING`, `_MVRP`, which every kernel knows.
    const KNOWN: u32 = 0xf;
    let is_vlan = iter(info).any(|(k, v)| k == 1 && text(v) == "vlan");
    let mut asked = Vec::with_capacity(info.len());
    for (kind, value) in iter(info) {
        if !is_vlan || kind != DATA {
            push(&mut asked, kind, value);
            continue;
        }
        let mut data = Vec::with_capacity(value.len());
        for (kind, value) in iter(value) {
            let flags = number(value).filter(|_| kind == FLAGS && value.len() == 8);
            match flags {
                Some(flags) => {
                    let mask = KNOWN | flags;
                    push(
                        &mut data,
                        kind,
                        &[flags.to_ne_bytes(), mask.to_ne_bytes()].concat(),
                    );
                }
                None => push(&mut data, kind, value),
            }
        }
        push(&mut asked, kind, &data);
    }
    asked
}

/// All links of home.
pub(crate) fn list(worker: &mut Worker) -> Result<Vec<LinkDetail>, ObserveError> {
    let found = worker.at_home(|socket| {
        socket.dump_bytes(libc::RTM_GETLINK, &[0; HEADER], |kind, payload, found| {
            if kind == libc::RTM_NEWLINK {
                found.extend(read(payload));
            }
            Ok(())
        })
    });
    Ok(found.attempting(|| "listing links".to_owned())?)
}

/// Makes a link that was deleted; `false` if it is there.
pub(crate) fn make(worker: &mut Worker, making: &[u8]) -> Result<bool, LinkError> {
    use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
    if making.len() < HEADER {
        let fault = Fault::Undecodable {
            reason: "the description of the link is cut".to_owned(),
        };
        return Err(classify(fault, || "making a link again".to_owned()));
    }
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let made = worker.at_home(|s| s.request_bytes(libc::RTM_NEWLINK, flags, making));
    match made {
        Ok(()) => Ok(true),
        Err(fault) if fault.refusal() == Some(Errno::EEXIST) => Ok(false),
        Err(fault) => {
            let name = iter(&making[HEADER..])
                .find(|(k, _)| *k == libc::IFLA_IFNAME)
                .map(|(_, v)| text(v).into_owned())
                .unwrap_or_default();
            Err(classify(fault, || format!("making the link {name} again")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_interface_is_described_with_what_makes_it_again() {
        let mut payload = vec![0; HEADER];
        payload[4..8].copy_from_slice(&7u32.to_ne_bytes());
        payload[8..12].copy_from_slice(&0x1_1043u32.to_ne_bytes());
        push(&mut payload, libc::IFLA_IFNAME, b"eth0.10\0");
        push(&mut payload, 4, &1500u32.to_ne_bytes());
        push(&mut payload, 5, &2u32.to_ne_bytes());
        let (mut data, mut info, mut list) = (Vec::new(), Vec::new(), Vec::new());
        push(&mut data, 1, &10u16.to_ne_bytes());
        push(&mut data, 2, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        push(&mut info, 1, b"vlan\0");
        push(&mut info, 2, &data);
        push(&mut payload, IFLA_LINKINFO, &info);
        push(&mut list, IFLA_ALT_IFNAME, b"enp1s0.10\0");
        push(&mut payload, IFLA_PROP_LIST, &list);
        let detail = read(&payload).expect("a link");
        assert_eq!((detail.vlan, detail.ifindex), (Some(10), 7));
        assert_eq!(detail.altnames, ["enp1s0.10"]);
        // Read as a link itself, the request is that link, up.
        let again = read(&detail.making).expect("a link");
        assert_eq!(again.vlan, Some(10));
        assert_eq!(again.making, detail.making);
        assert_eq!(detail.making[8..12], 1u32.to_ne_bytes());
        // The mask of its flags is what a kernel takes.
        let mask = detail.making.windows(4).any(|w| w == [0xff; 4]);
        assert!(!mask, "{:?}", detail.making);
    }
}
