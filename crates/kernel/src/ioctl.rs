//! The ioctls that no safe crate wraps, and the only `unsafe` code of the workspace.
//!
//! Those about interfaces take any socket, also a netlink one, and work in the namespace
//! in which that was opened. They take no lock that a netlink request would wait for.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

use flatnet_types::IfName;
use nix::errno::Errno;
use nix::libc;

use crate::error::Fault;

/// The name of an index (linux/sockios.h).
const SIOCGIFNAME: libc::c_ulong = 0x8910;
/// The index of a name (linux/sockios.h).
const SIOCGIFINDEX: libc::c_ulong = 0x8933;
/// The requests of ethtool (linux/sockios.h).
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// `ETHTOOL_STXCSUM`: transmit checksum offload (linux/ethtool.h).
const ETHTOOL_STXCSUM: u32 = 0x0000_0017;

/// `struct ethtool_value` (linux/ethtool.h).
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

/// The kind of namespace that the nsfs file `fd` is: one of `CLONE_NEW*`
/// (`NS_GET_NSTYPE`, ioctl_ns(2)).
pub(crate) fn namespace_kind(fd: impl AsFd) -> nix::Result<libc::c_int> {
    // SAFETY: NS_GET_NSTYPE takes no argument and touches no memory of ours; the
    // descriptor is open, since it is borrowed for the duration of the call.
    #[allow(unsafe_code)]
    let kind = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::NS_GET_NSTYPE) };
    Errno::result(kind)
}

/// A request about the interface `name` with nothing else in it.
fn about(name: &str) -> libc::ifreq {
    let mut ifr_name = [0; libc::IFNAMSIZ];
    // One octet less than there is room for: the final NUL stays.
    let room = libc::IFNAMSIZ - 1;
    for (to, from) in ifr_name.iter_mut().zip(name.bytes().take(room)) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    libc::ifreq {
        ifr_name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_ifindex: 0 },
    }
}

/// The name of the link `ifindex`; `None` if there is none.
///
/// # Errors
/// Any failure but that there is no such link.
pub(crate) fn name_of(socket: impl AsFd, ifindex: u32) -> Result<Option<String>, Fault> {
    let mut request = about("");
    let Ok(index) = libc::c_int::try_from(ifindex) else {
        return Ok(None);
    };
    request.ifr_ifru.ifru_ifindex = index;
    // SAFETY: SIOCGIFNAME reads the index of, and writes the name to, the whole
    // `struct ifreq` that `request` is; it keeps no pointer. The descriptor is borrowed,
    // so open.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            SIOCGIFNAME as libc::Ioctl,
            &raw mut request,
        )
    };
    let name = request.ifr_name.map(|c| u8::from_ne_bytes(c.to_ne_bytes()));
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    found(result, || name.to_string_lossy().into_owned())
}

/// The index of the link `name`; `None` if there is none.
///
/// # Errors
/// Any failure but that there is no such link.
pub(crate) fn index_of(socket: impl AsFd, name: &IfName) -> Result<Option<u32>, Fault> {
    let mut request = about(name.as_str());
    // SAFETY: SIOCGIFINDEX reads the name of, and writes the index to, the whole
    // `struct ifreq` that `request` is, whose name ends in NUL; it keeps no pointer. The
    // descriptor is borrowed, so open.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            SIOCGIFINDEX as libc::Ioctl,
            &raw mut request,
        )
    };
    // SAFETY: `about` initialised this very member, and any bit pattern that the kernel
    // wrote over it is an integer.
    #[allow(unsafe_code)]
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    found(result, || index.unsigned_abs())
}

/// The answer to a question whose subject may be absent.
fn found<T>(result: libc::c_int, value: impl FnOnce() -> T) -> Result<Option<T>, Fault> {
    match Errno::result(result) {
        Ok(_) => Ok(Some(value())),
        Err(Errno::ENODEV | Errno::ENXIO) => Ok(None),
        Err(errno) => Err(Fault::Syscall {
            during: "asking for an interface's name or index",
            errno,
        }),
    }
}

/// Switches the transmit checksum offload of `ifname` on or off, and with it what needs
/// it: the segmentation of TCP and UDP (`netdev_fix_features`).
///
/// # Errors
/// [`Fault::Refused`] with the kernel's answer.
pub(crate) fn set_tx_checksum(socket: impl AsFd, ifname: &IfName, on: bool) -> Result<(), Fault> {
    let mut value = EthtoolValue {
        cmd: ETHTOOL_STXCSUM,
        data: u32::from(on),
    };
    let mut request = about(ifname.as_str());
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: `request` is a whole `struct ifreq` whose name ends in NUL and whose data
    // points to a whole `struct ethtool_value`, which is all that ETHTOOL_STXCSUM reads;
    // both outlive the call, which keeps no pointer. The descriptor is borrowed, so open.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            SIOCETHTOOL as libc::Ioctl,
            &raw mut request,
        )
    };
    Errno::result(result)
        .map(drop)
        .map_err(|errno| Fault::Refused { errno, text: None })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn the_loopback_is_the_first_link_of_any_namespace() {
        let socket = UnixDatagram::unbound().expect("a socket");
        let lo = IfName::new("lo").expect("a name");
        assert_eq!(index_of(&socket, &lo), Ok(Some(1)));
        assert_eq!(name_of(&socket, 1), Ok(Some("lo".to_owned())));
    }

    #[test]
    fn an_absent_link_is_none() {
        let socket = UnixDatagram::unbound().expect("a socket");
        let none = IfName::new("123456789012345").expect("a name");
        assert_eq!(index_of(&socket, &none), Ok(None));
        assert_eq!(name_of(&socket, 0x7fff_fff0), Ok(None));
        assert_eq!(name_of(&socket, u32::MAX), Ok(None));
    }

    #[test]
    fn a_descriptor_that_is_no_socket_is_an_error() {
        let file = std::fs::File::open("/dev/null").expect("there is one");
        assert!(name_of(&file, 1).is_err());
    }
}
