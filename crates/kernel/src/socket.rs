//! A blocking netlink socket: several requests in one send, and dumps.
//!
//! The kernel works a request off inside `send`, under its own locks, so an asynchronous
//! socket would hold up the runtime's thread for just as long; a blocking one on a thread
//! made for it costs a wake-up and nothing else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::ack::Ack;
use crate::error::Fault;

/// The largest datagram that the kernel makes for a dump, in bytes.
pub(crate) const DATAGRAM_MAX: usize = 32 * 1024;

/// How long an answer may take. The kernel answers before `send` returns, so this only
/// guards against a fault of ours.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a dump is begun again when the list changed under it.
const DUMP_TRIES: u32 = 8;

/// Bytes of `struct nlmsghdr`.
const NETLINK_HEADER_LEN: usize = 16;

/// One request: the message and its flags beside `NLM_F_REQUEST`.
pub(crate) struct Request {
    pub(crate) message: RouteNetlinkMessage,
    pub(crate) flags: u16,
}

impl Request {
    pub(crate) fn new(message: RouteNetlinkMessage, flags: u16) -> Self {
        Self { message, flags }
    }
}

/// A request of a batch that the kernel refused.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Its place in the batch, from 0.
    pub(crate) index: usize,
    pub(crate) fault: Fault,
}

/// The messages of a batch as the bytes of one send. The last one asks for an
/// acknowledgement; the others answer only when they fail.
pub(crate) fn encode(requests: Vec<Request>, first_sequence: u32) -> Vec<u8> {
    let last = requests.len().saturating_sub(1);
    let mut bytes = Vec::with_capacity(512);
    for (i, request) in requests.into_iter().enumerate() {
        let mut message = NetlinkMessage::from(request.message);
        message.header.flags = NLM_F_REQUEST | request.flags;
        if i == last && request.flags & NLM_F_DUMP != NLM_F_DUMP {
            message.header.flags |= NLM_F_ACK;
        }
        message.header.sequence_number = first_sequence.wrapping_add(place(i));
        message.finalize();
        let start = bytes.len();
        let length = message.buffer_len();
        bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..start + length]);
    }
    bytes
}

/// One message as the bytes of a send: `struct nlmsghdr` and the payload.
fn encode_bytes(kind: u16, flags: u16, payload: &[u8], sequence: u32) -> Vec<u8> {
    let length = NETLINK_HEADER_LEN + payload.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend(place(length).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // The port that the kernel answers to is the socket's own.
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// A place in a batch as a difference of sequence numbers.
fn place(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

fn syscall(during: &'static str) -> impl FnOnce(io::Error) -> Fault {
    move |e| Fault::Syscall {
        during,
        errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// A netlink route socket of the namespace in which its thread was when it was opened.
pub(crate) struct RouteSocket {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl RouteSocket {
    /// Opens a socket in the calling thread's namespace.
    pub(crate) fn open() -> Result<Self, Fault> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(syscall("opening a netlink socket"))?;
        socket
            .bind_auto()
            .map_err(syscall("binding a netlink socket"))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(syscall("connecting a netlink socket"))?;
        // Kernels before 4.12 and 4.20 lack these; the answers are only less telling then,
        // and whoever reads a dump checks what it holds.
        for refused in [
            socket.set_ext_ack(true),
            socket.set_cap_ack(true),
            socket.set_netlink_get_strict_chk(true),
        ] {
            if let Err(e) = refused {
                tracing::debug!(error = %e, "the kernel lacks a netlink option");
            }
        }
        let seconds = i64::try_from(ANSWER_TIMEOUT.as_secs()).unwrap_or(10);
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(seconds)).map_err(
            |errno| Fault::Syscall {
                during: "setting a socket's time-out",
                errno,
            },
        )?;
        Ok(Self {
            socket,
            sequence: 1,
            buffer: Vec::with_capacity(DATAGRAM_MAX),
        })
    }

    /// Sends all of `requests` at once and returns those that the kernel refused.
    ///
    /// A refused request does not stop those behind it.
    ///
    /// # Errors
    /// A [`Fault`] that is not [`Fault::Refused`] if the socket failed; it is of no more
    /// use then.
    pub(crate) fn transact(&mut self, requests: Vec<Request>) -> Result<Vec<Failed>, Fault> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.sequence;
        let count = requests.len();
        self.sequence = self.sequence.wrapping_add(place(count));
        self.send(&encode(requests, first))?;
        let mut failed = Vec::new();
        loop {
            let datagram = self.receive()?;
            let mut done = false;
            for message in messages(datagram) {
                let message = message?;
                let index = message.sequence_number().wrapping_sub(first) as usize;
                if index >= count {
                    continue;
                }
                if let Some(ack) = Ack::parse(&message)? {
                    if let Some(fault) = ack.into_fault() {
                        failed.push(Failed { index, fault });
                    }
                    done |= index + 1 == count;
                }
            }
            if done {
                return Ok(failed);
            }
        }
    }

    /// Sends one request.
    ///
    /// # Errors
    /// [`Fault::Refused`] if the kernel refused it; any other if the socket failed.
    pub(crate) fn request(&mut self, request: Request) -> Result<(), Fault> {
        match self.transact(vec![request])?.pop() {
            None => Ok(()),
            Some(failed) => Err(failed.fault),
        }
    }

    /// Asks for a list and hands each entry (message type, payload) to `each`. The list is
    /// read again from its start if it changed meanwhile: `restart` is called before each
    /// reading.
    ///
    /// # Errors
    /// [`Fault::Unstable`] if it changed every time; whatever `each` returns; any other if
    /// the socket failed or the kernel refused.
    pub(crate) fn dump<T>(
        &mut self,
        message: &RouteNetlinkMessage,
        each: impl FnMut(u16, &[u8], &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.dump_made(
            |sequence| encode(vec![Request::new(message.clone(), NLM_F_DUMP)], sequence),
            each,
        )
    }

    /// As [`RouteSocket::dump`], with a message whose type and payload are given.
    ///
    /// # Errors
    /// As [`RouteSocket::dump`].
    pub(crate) fn dump_bytes<T>(
        &mut self,
        kind: u16,
        payload: &[u8],
        each: impl FnMut(u16, &[u8], &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.dump_made(
            |sequence| encode_bytes(kind, NLM_F_DUMP, payload, sequence),
            each,
        )
    }

    fn dump_made<T>(
        &mut self,
        make: impl Fn(u32) -> Vec<u8>,
        mut each: impl FnMut(u16, &[u8], &mut Vec<T>) -> Result<(), Fault>,
    ) -> Result<Vec<T>, Fault> {
        for _ in 0..DUMP_TRIES {
            let mut found = Vec::new();
            if self.dump_once(&make, |kind, payload| each(kind, payload, &mut found))? {
                return Ok(found);
            }
        }
        Err(Fault::Unstable(DUMP_TRIES))
    }

    /// Sends one request whose type, flags (beside `NLM_F_REQUEST`) and payload are given.
    ///
    /// # Errors
    /// As [`RouteSocket::request`].
    pub(crate) fn request_bytes(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
    ) -> Result<(), Fault> {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&encode_bytes(kind, flags | NLM_F_ACK, payload, sequence))?;
        loop {
            let datagram = self.receive()?;
            for message in messages(datagram) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue;
                }
                if let Some(ack) = Ack::parse(&message)? {
                    return ack.into_fault().map_or(Ok(()), Err);
                }
            }
        }
    }

    /// One reading of a list; `false` if it changed meanwhile.
    fn dump_once(
        &mut self,
        make: &impl Fn(u32) -> Vec<u8>,
        mut each: impl FnMut(u16, &[u8]) -> Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&make(sequence))?;
        let mut consistent = true;
        let mut outcome = Ok(());
        loop {
            let datagram = self.receive()?;
            for message in messages(datagram) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue;
                }
                consistent &= message.flags() & NLM_F_DUMP_INTR == 0;
                match Ack::parse(&message)? {
                    Some(ack) => {
                        if let Some(fault) = ack.into_fault() {
                            return Err(fault);
                        }
                        return outcome.map(|()| consistent);
                    }
                    // Once `each` has failed, the rest is read only to keep the socket usable.
                    None if outcome.is_ok() => {
                        outcome = each(message.message_type(), message.payload());
                    }
                    None => {}
                }
            }
        }
    }

    /// Asks for one object; the first message that is not an acknowledgement goes to
    /// `read`.
    ///
    /// # Errors
    /// As for [`RouteSocket::request`]; whatever `read` returns.
    pub(crate) fn get<T>(
        &mut self,
        message: RouteNetlinkMessage,
        mut read: impl FnMut(u16, &[u8]) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&encode(vec![Request::new(message, 0)], sequence))?;
        let mut found = None;
        loop {
            let datagram = self.receive()?;
            for message in messages(datagram) {
                let message = message?;
                if message.sequence_number() != sequence {
                    continue;
                }
                match Ack::parse(&message)? {
                    Some(ack) => {
                        return match ack.into_fault() {
                            Some(fault) => Err(fault),
                            None => found.transpose(),
                        };
                    }
                    None => found = Some(read(message.message_type(), message.payload())),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Fault> {
        loop {
            match self.socket.send(bytes, 0) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(syscall("sending to the kernel")(e)),
            }
        }
    }

    /// The next datagram.
    fn receive(&mut self) -> Result<&[u8], Fault> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_TRUNC) {
                Ok(n) if n > self.buffer.len() => {
                    return Err(Fault::Undecodable {
                        reason: format!("a datagram of {n} bytes was cut"),
                    });
                }
                Ok(_) => return Ok(&self.buffer),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Fault::NoAnswer(ANSWER_TIMEOUT));
                }
                Err(e) => return Err(syscall("receiving from the kernel")(e)),
            }
        }
    }
}

/// The netlink messages of a datagram; the first that is malformed ends it.
pub(crate) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<NetlinkBuffer<&[u8]>, Fault>> {
    std::iter::from_fn(move || {
        if datagram.len() < NETLINK_HEADER_LEN {
            return None;
        }
        match NetlinkBuffer::new_checked(datagram) {
            Ok(message) => {
                let length = (message.length() as usize)
                    .max(NETLINK_HEADER_LEN)
                    .next_multiple_of(4)
                    .min(datagram.len());
                datagram = &datagram[length..];
                Some(Ok(message))
            }
            Err(e) => {
                datagram = &[];
                Some(Err(Fault::Undecodable {
                    reason: e.to_string(),
                }))
            }
        }
    })
}

#[cfg(test)]
#[path = "socket/tests.rs"]
mod tests;
