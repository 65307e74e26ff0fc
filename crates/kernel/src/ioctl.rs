//! The system calls that no safe crate wraps, and the only `unsafe` code of the workspace.
//!
//! The ioctls about interfaces take any socket, also a netlink one, and work in the namespace
//! in which that was opened. They take no lock that a netlink request would wait for.

use std::ffi::CStr;
use std::mem;
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

/// A filter table of iptables' older interface.
#[derive(Debug, Default)]
pub(crate) struct Xtables {
    /// Where each hook's chain begins in the entries.
    pub(crate) hook_entry: [u32; 5],
    /// Where each hook's policy is in the entries.
    pub(crate) underflow: [u32; 5],
    /// The entries, one after the other.
    pub(crate) entries: Vec<u8>,
}

/// `IPT_SO_GET_INFO` and `IP6T_SO_GET_INFO`.
const XT_GET_INFO: libc::c_int = 64;
/// `IPT_SO_GET_ENTRIES` and `IP6T_SO_GET_ENTRIES`.
const XT_GET_ENTRIES: libc::c_int = 65;
/// Octets of `struct ipt_getinfo`: the name, five fields of hooks twice, and three numbers.
const XT_INFO: usize = 32 + 4 + 20 + 20 + 4 + 4;
/// Octets of `struct ipt_get_entries` before the entries: the name and their size, padded to
/// the alignment of the entries' counters.
const XT_ENTRIES: usize = 40;
/// The largest table that is read, in octets.
const XT_TABLE_MAX: usize = 16 << 20;

/// Reads the table `filter` of the calling thread's namespace.
///
/// # Errors
/// The errno of socket(2) or getsockopt(2): `EAGAIN` if the table changed between its two
/// readings.
pub(crate) fn xtables_filter(ipv6: bool) -> nix::Result<Xtables> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let (family, level) = match ipv6 {
        false => (AddressFamily::Inet, libc::IPPROTO_IP),
        true => (AddressFamily::Inet6, libc::IPPROTO_IPV6),
    };
    let socket = socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, RAW)?;
    let mut info = vec![0u8; XT_INFO];
    info[..6].copy_from_slice(b"filter");
    getsockopt_into(&socket, (level, XT_GET_INFO), &mut info)?;
    let number = |at: usize| {
        let octets = info.get(at..).and_then(|o| o.first_chunk::<4>());
        octets.map_or(0, |o| u32::from_ne_bytes(*o))
    };
    let size = number(XT_INFO - 4);
    let length = usize::try_from(size).unwrap_or(usize::MAX);
    if length > XT_TABLE_MAX {
        return Err(Errno::EFBIG);
    }
    let mut table = Xtables::default();
    for hook in 0..5 {
        table.hook_entry[hook] = number(36 + 4 * hook);
        table.underflow[hook] = number(56 + 4 * hook);
    }
    let mut whole = vec![0u8; XT_ENTRIES + length];
    whole[..6].copy_from_slice(b"filter");
    whole[32..36].copy_from_slice(&size.to_ne_bytes());
    getsockopt_into(&socket, (level, XT_GET_ENTRIES), &mut whole)?;
    table.entries = whole.split_off(XT_ENTRIES);
    Ok(table)
}

/// `IPPROTO_RAW`: a socket that receives nothing.
const RAW: nix::sys::socket::SockProtocol = nix::sys::socket::SockProtocol::Raw;

/// getsockopt(2) with a structure that is both the question and the answer.
fn getsockopt_into(
    socket: impl AsFd,
    (level, name): (libc::c_int, libc::c_int),
    value: &mut [u8],
) -> nix::Result<()> {
    let mut length = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: `value` is writable memory of the length that is given, of octets, for which any
    // value is valid; the kernel writes no more than that and keeps no pointer. The descriptor
    // is borrowed, so open.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(result).map(drop)
}

/// Binds a packet socket to the link `ifindex` and to the Ethernet protocol `protocol`
/// (`ETH_P_*`; 0 for none), packet(7).
///
/// # Errors
/// The errno of bind(2): `ENODEV` if there is no such link.
pub(crate) fn bind_packet(
    socket: impl AsFd,
    ifindex: u32,
    protocol: libc::c_int,
) -> nix::Result<()> {
    let family = u16::try_from(libc::AF_PACKET).map_err(|_| Errno::EAFNOSUPPORT)?;
    let protocol = u16::try_from(protocol).map_err(|_| Errno::EINVAL)?;
    let address = libc::sockaddr_ll {
        sll_family: family,
        sll_protocol: protocol.to_be(),
        sll_ifindex: libc::c_int::try_from(ifindex).map_err(|_| Errno::ENODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = libc::socklen_t::try_from(mem::size_of_val(&address)).unwrap_or(0);
    // SAFETY: `address` is a whole `struct sockaddr_ll` of the length that is given, it
    // outlives the call, and bind(2) keeps no pointer to it. The descriptor is borrowed, so
    // open.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            length,
        )
    };
    Errno::result(result).map(drop)
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
