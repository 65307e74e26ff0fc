//! The messages of nfnetlink's nftables subsystem (linux/netfilter/nfnetlink.h,
//! linux/netfilter/nf_tables.h).

use std::io;
use std::time::Duration;

use netlink_packet_core::NlasIterator;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::undecodable;
use crate::error::Fault;
use crate::socket::{DATAGRAM_MAX, messages};

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// `NFT_MSG_GETCHAIN`, `NFT_MSG_GETRULE`, `NFT_MSG_GETGEN`.
pub(super) const GET_CHAIN: u16 = 4;
pub(super) const GET_RULE: u16 = 7;
const GET_GENERATION: u16 = 16;
/// Bytes of `struct nfgenmsg`.
pub(super) const HEADER: usize = 4;
/// `NFTA_GEN_ID`.
const GENERATION_ID: u16 = 1;
/// The bits of an attribute's type that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const TYPE_MASK: u16 = 0x3fff;
/// How long the kernel may take for one datagram.
const ANSWER: Duration = Duration::from_secs(2);

/// A blocking socket.
pub(super) struct Nfnetlink {
    socket: Socket,
    buffer: Vec<u8>,
}

impl Nfnetlink {
    pub(super) fn open() -> Result<Self, Fault> {
        let during = |during| {
            move |e: io::Error| Fault::Syscall {
                during,
                errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
            }
        };
        let mut socket = Socket::new(NETLINK_NETFILTER).map_err(during("opening nfnetlink"))?;
        socket
            .bind(&SocketAddr::new(0, 0))
            .map_err(during("binding nfnetlink"))?;
        let seconds = i64::try_from(ANSWER.as_secs()).unwrap_or(2);
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(seconds)).map_err(
            |errno| Fault::Syscall {
                during: "bounding nfnetlink's answers",
                errno,
            },
        )?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(DATAGRAM_MAX),
        })
    }

    /// The ruleset's generation; `None` where the kernel does not know nftables.
    pub(super) fn generation(&mut self) -> Result<Option<u32>, Fault> {
        let mut found = None;
        let asked = self.ask(GET_GENERATION, 0, libc::NLM_F_ACK, &[], |_, payload| {
            found = attributes(payload)
                .find(|(kind, _)| *kind == GENERATION_ID)
                .and_then(|(_, value)| be32(value));
            Ok(())
        });
        match asked {
            Ok(()) => Ok(found),
            Err(Fault::Refused { errno, .. }) if not_there(errno) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Asks for a list, with attributes that narrow it down.
    pub(super) fn list(
        &mut self,
        message: u16,
        family: u8,
        narrow: &[(u16, &str)],
        each: impl FnMut(u8, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.ask(message, family, libc::NLM_F_DUMP, narrow, each)
    }

    /// Sends one request and hands each answer (family, attributes) to `each`, until the
    /// kernel says that it is done.
    fn ask(
        &mut self,
        message: u16,
        family: u8,
        flags: i32,
        narrow: &[(u16, &str)],
        mut each: impl FnMut(u8, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let request = encode(message, family, flags, narrow);
        self.socket
            .send(&request, 0)
            .map_err(failed("sending to nfnetlink"))?;
        let mut outcome = Ok(());
        loop {
            self.buffer.clear();
            let n = self
                .socket
                .recv(&mut self.buffer, libc::MSG_TRUNC)
                .map_err(failed("receiving from nfnetlink"))?;
            if n > self.buffer.len() {
                return Err(undecodable("a datagram was cut"));
            }
            for message in messages(&self.buffer) {
                let message = message?;
                let payload = message.payload();
                match i32::from(message.message_type()) {
                    libc::NLMSG_DONE => return outcome,
                    libc::NLMSG_ERROR => {
                        let code = payload.first_chunk::<4>().map(|b| i32::from_ne_bytes(*b));
                        return match code {
                            Some(0) => outcome,
                            Some(code) => Err(Fault::Refused {
                                errno: Errno::from_raw(-code),
                                text: None,
                            }),
                            None => Err(undecodable("an error that is cut")),
                        };
                    }
                    _ if outcome.is_ok() => {
                        let family = payload.first().copied().unwrap_or(0);
                        outcome = each(family, payload.get(HEADER..).unwrap_or_default());
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Whether an errno says that this kernel has no such subsystem.
fn not_there(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOENT | Errno::EPROTONOSUPPORT
    )
}

fn failed(during: &'static str) -> impl Fn(io::Error) -> Fault {
    move |e| Fault::Syscall {
        during,
        errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
    }
}

fn encode(message: u16, family: u8, flags: i32, narrow: &[(u16, &str)]) -> Vec<u8> {
    let mut body = vec![family, 0, 0, 0];
    for (kind, text) in narrow {
        let length = u16::try_from(text.len() + 5).unwrap_or(u16::MAX);
        body.extend(length.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(text.bytes());
        body.push(0);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let flags = u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or(0);
    let mut request = Vec::with_capacity(16 + body.len());
    request.extend(length.to_ne_bytes());
    request.extend((SUBSYSTEM << 8 | message).to_ne_bytes());
    request.extend(flags.to_ne_bytes());
    request.extend(1u32.to_ne_bytes());
    request.extend(0u32.to_ne_bytes());
    request.extend(body);
    request
}

/// The attributes of a message or of a nested attribute; what is cut ends them.
pub(super) fn attributes(value: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(value)
        .map_while(Result::ok)
        .map(|a| (a.kind() & TYPE_MASK, a.into_inner()))
        .map(|(kind, whole)| {
            let length = whole
                .first_chunk::<2>()
                .map_or(0, |b| usize::from(u16::from_ne_bytes(*b)));
            (kind, whole.get(4..length).unwrap_or_default())
        })
}

/// The value of one attribute.
pub(super) fn attribute(value: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(value)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

/// nftables writes numbers in network order.
pub(super) fn be32(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|b| u32::from_be_bytes(*b))
}

/// A C string.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}
