//! Raw sockets to send by, and captures to see by.

use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, bind, send, socket};
use nix::unistd::Pid;

use super::frame::{Frame, Mark};
use crate::demo::pcap;
use crate::{Member, netns, run};

/// A raw socket on an interface (packet(7)).
#[derive(Debug)]
pub(in crate::suites) struct Sender {
    socket: OwnedFd,
}

impl Sender {
    /// Opens it on an interface of a namespace.
    ///
    /// # Errors
    /// If the kernel refuses, or there is no such interface.
    pub(in crate::suites) fn open(netns: &Path, interface: &str) -> Result<Self> {
        netns::enter(netns, || {
            // Of no protocol: it receives nothing.
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
            let link = address(interface)?;
            bind(socket.as_raw_fd(), &link)?;
            Ok(Self { socket })
        })?
    }

    /// Sends a frame as it is.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(in crate::suites) fn send(&self, frame: &Frame) -> Result<()> {
        self.send_bytes(&frame.bytes)
            .with_context(|| format!("send {}", frame.name))
    }

    /// The same for bytes.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(in crate::suites) fn send_bytes(&self, bytes: &[u8]) -> Result<()> {
        let sent = send(self.socket.as_raw_fd(), bytes, MsgFlags::empty())?;
        ensure!(sent == bytes.len(), "{sent} bytes were sent");
        Ok(())
    }
}

/// The packet socket address of an interface of this thread's namespace.
fn address(interface: &str) -> Result<LinkAddr> {
    let all = nix::ifaddrs::getifaddrs()?;
    all.filter(|i| i.interface_name == interface)
        .find_map(|i| i.address?.as_link_addr().copied())
        .with_context(|| format!("there is no interface {interface}"))
}

/// Starts a tcpdump in a namespace, with these arguments, that writes what it sees to a pipe at once.
///
/// # Errors
/// If it cannot be run.
pub(in crate::suites) fn tcpdump(netns: &Path, what: &[&str]) -> Result<Child> {
    let mut command: Command = run::command("tcpdump");
    command
        .args([
            "-p",
            "-n",
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-B",
            "4096",
            "-w",
            "-",
        ])
        .args(what)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    netns::enter(netns, || command.spawn())?.context("cannot run tcpdump")
}

/// A tcpdump that runs. It sees 802.1Q tags, which the kernel takes off a raw socket's frames.
#[derive(Debug)]
pub(in crate::suites) struct Capture {
    place: String,
    child: Child,
    frames: Option<JoinHandle<Vec<u8>>>,
    log: Option<JoinHandle<String>>,
}

impl Capture {
    /// What an interface receives.
    ///
    /// # Errors
    /// If tcpdump does not start or does not find the interface.
    pub(in crate::suites) fn received(place: &str, netns: &Path, interface: &str) -> Result<Self> {
        Self::start(place, netns, &["-Q", "in", "-i", interface])
    }

    /// What an interface receives and a filter of tcpdump's (pcap-filter(7)) takes.
    ///
    /// # Errors
    /// As [`Capture::received`].
    pub(in crate::suites) fn taken(
        place: &str,
        netns: &Path,
        interface: &str,
        filter: &str,
    ) -> Result<Self> {
        Self::start(place, netns, &["-Q", "in", "-i", interface, filter])
    }

    /// What passes an interface of a member, in both directions.
    ///
    /// # Errors
    /// If tcpdump does not start or does not find the interface.
    pub(in crate::suites) fn of(member: &Member, interface: &str) -> Result<Self> {
        let place = format!("{} {interface}", member.name);
        Self::start(&place, &member.netns_path(), &["-i", interface])
    }

    /// What an interface sends.
    ///
    /// # Errors
    /// If tcpdump does not start or does not find the interface.
    pub(in crate::suites) fn sent(place: &str, netns: &Path, interface: &str) -> Result<Self> {
        Self::start(place, netns, &["-Q", "out", "-i", interface])
    }

    fn start(place: &str, netns: &Path, what: &[&str]) -> Result<Self> {
        let mut child = tcpdump(netns, what)?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let mut capture = Self {
            place: place.to_owned(),
            child,
            frames: None,
            log: None,
        };
        let mut stdout = stdout.context("tcpdump has no stdout")?;
        capture.frames = Some(std::thread::spawn(move || {
            let mut all = Vec::new();
            // What was read until an error is what there is.
            let _ = stdout.read_to_end(&mut all);
            all
        }));
        let mut stderr = BufReader::new(stderr.context("tcpdump has no stderr")?);
        let mut said = String::new();
        while !said.contains("listening on") {
            if stderr.read_line(&mut said)? == 0 {
                bail!("tcpdump at {place}: {}", said.trim());
            }
        }
        capture.log = Some(std::thread::spawn(move || {
            let mut rest = String::new();
            let _ = stderr.read_to_string(&mut rest);
            rest
        }));
        Ok(capture)
    }

    /// Ends the capture and gives what it saw.
    ///
    /// # Errors
    /// If the kernel dropped frames: nothing is proven then.
    pub(in crate::suites) fn finish(mut self) -> Result<Seen> {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // Not waited for yet, so the number is still its own.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        self.child.wait()?;
        let bytes = self.frames.take().and_then(|t| t.join().ok());
        let bytes = bytes.ok_or_else(|| anyhow!("{}: the capture was lost", self.place))?;
        let log = self
            .log
            .take()
            .and_then(|t| t.join().ok())
            .unwrap_or_default();
        let dropped = log.lines().find(|l| l.contains("dropped by kernel"));
        ensure!(
            dropped.is_none_or(|l| l.trim_start().starts_with("0 ")),
            "{}: {}",
            self.place,
            dropped.unwrap_or_default()
        );
        let frames = pcap::frames(&bytes).with_context(|| self.place.clone())?;
        Ok(Seen {
            place: self.place.clone(),
            frames: frames.into_iter().map(<[u8]>::to_vec).collect(),
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a capture saw.
#[derive(Debug)]
pub(in crate::suites) struct Seen {
    /// The capture's name, for messages.
    pub(in crate::suites) place: String,
    /// Each frame, with its 802.1Q tag.
    pub(in crate::suites) frames: Vec<Vec<u8>>,
}

impl Seen {
    /// The frames that bear a mark.
    pub(in crate::suites) fn with(&self, mark: Mark) -> impl Iterator<Item = &Vec<u8>> {
        self.frames.iter().filter(move |f| mark.is_in(f))
    }

    /// That a frame is here.
    ///
    /// # Errors
    /// If it is not.
    pub(in crate::suites) fn has(&self, frame: &Frame) -> Result<&Vec<u8>> {
        let found = self.with(frame.mark).next();
        found.with_context(|| {
            format!(
                "{}: {} did not arrive among {} frames",
                self.place,
                frame.name,
                self.frames.len()
            )
        })
    }

    /// That none of these frames is here.
    ///
    /// # Errors
    /// The first one that is, with what of it arrived.
    pub(in crate::suites) fn has_none(&self, frames: &[Frame]) -> Result<()> {
        for frame in frames {
            if let Some(arrived) = self.with(frame.mark).next() {
                bail!("{} arrived at {}: {}", frame.name, self.place, hex(arrived));
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
