//! Sysctls below `/proc/sys/net`: the kernel shows each thread those of its namespace.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::libc;

use crate::error::{Fault, SysctlError};
use crate::view::NeighbourLimits;

/// A key below `net`, with `/` between its parts, since an interface's name may hold a dot:
/// `ipv4/conf/eth0.5/forwarding`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SysctlKey(String);

impl SysctlKey {
    /// Checks `key` and wraps it. A leading `net/` is taken off.
    ///
    /// # Errors
    /// [`SysctlError::BadKey`] if a part is empty, `.` or `..`, or holds a control
    /// character.
    pub fn new(key: &str) -> Result<Self, SysctlError> {
        let below = key.strip_prefix("net/").unwrap_or(key);
        let sound = below.len() < 256
            && below
                .split('/')
                .all(|p| !matches!(p, "" | "." | "..") && !p.chars().any(char::is_control));
        if sound {
            Ok(Self(below.to_owned()))
        } else {
            Err(SysctlError::BadKey {
                key: key.chars().take(64).collect(),
            })
        }
    }

    /// A setting of IPv4 for an interface, `all` or `default`.
    pub fn ipv4_conf(ifname: &str, setting: &str) -> Self {
        Self(format!("ipv4/conf/{ifname}/{setting}"))
    }

    /// A setting of IPv6 for an interface, `all` or `default`.
    pub fn ipv6_conf(ifname: &str, setting: &str) -> Self {
        Self(format!("ipv6/conf/{ifname}/{setting}"))
    }

    /// `gc_thresh1`, `2` or `3` of the neighbour table.
    pub(crate) fn neighbour_limit(ipv6: bool, which: u8) -> Self {
        let family = if ipv6 { "ipv6" } else { "ipv4" };
        Self(format!("{family}/neigh/default/gc_thresh{which}"))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/sys/net/{}", self.0))
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net/{}", self.0)
    }
}

fn failed(key: &SysctlKey, during: &'static str, value: &str, e: &std::io::Error) -> SysctlError {
    let key = key.to_string();
    match (e.kind(), e.raw_os_error()) {
        (ErrorKind::NotFound, _) => SysctlError::Absent { key },
        (_, Some(libc::EROFS)) => SysctlError::ReadOnly { key },
        (_, Some(libc::EINVAL | libc::ERANGE)) if during == "writing" => SysctlError::BadValue {
            key,
            value: value.chars().take(64).collect(),
        },
        (_, raw) => SysctlError::Io {
            key,
            fault: Fault::Syscall {
                during,
                errno: Errno::from_raw(raw.unwrap_or(libc::EIO)),
            },
        },
    }
}

/// Reads a key of the calling thread's namespace.
pub(crate) fn read(key: &SysctlKey) -> Result<String, SysctlError> {
    let value = fs::read_to_string(key.path()).map_err(|e| failed(key, "reading", "", &e))?;
    Ok(value.trim().to_owned())
}

/// Writes a key of the calling thread's namespace.
pub(crate) fn write(key: &SysctlKey, value: &str) -> Result<(), SysctlError> {
    // Not `fs::write`: it would create, and truncate, what is to be there.
    fs::OpenOptions::new()
        .write(true)
        .open(key.path())
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|e| failed(key, "writing", value, &e))
}

/// Writes a key if it has another value.
pub(crate) fn ensure(key: &SysctlKey, value: &str) -> Result<bool, SysctlError> {
    if read(key)? == value.trim() {
        return Ok(false);
    }
    write(key, value).map(|()| true)
}

/// The bounds of a neighbour table.
pub(crate) fn neighbour_limits(ipv6: bool) -> Result<NeighbourLimits, SysctlError> {
    let number = |which| {
        let key = SysctlKey::neighbour_limit(ipv6, which);
        let value = read(&key)?;
        value.parse().map_err(|_| SysctlError::NotANumber {
            key: key.to_string(),
            value,
        })
    };
    Ok(NeighbourLimits {
        gc_thresh1: number(1)?,
        gc_thresh2: number(2)?,
        gc_thresh3: number(3)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_below_net() {
        for bad in [
            "",
            "..",
            "../kernel/hostname",
            "a//b",
            "/etc",
            "a/../b",
            "a\nb",
            "a/.",
        ] {
            assert!(SysctlKey::new(bad).is_err(), "{bad:?} was taken");
        }
        let key = SysctlKey::new("net/ipv4/conf/eth0.5/forwarding").expect("sound");
        assert_eq!(key, SysctlKey::ipv4_conf("eth0.5", "forwarding"));
        assert_eq!(
            key.path().to_str(),
            Some("/proc/sys/net/ipv4/conf/eth0.5/forwarding")
        );
    }

    #[test]
    fn an_absent_key_is_told_apart() {
        let key = SysctlKey::new("no/such/key").expect("sound");
        assert!(matches!(read(&key), Err(SysctlError::Absent { .. })));
    }

    #[test]
    fn a_key_is_read_without_its_line_end() {
        let key = SysctlKey::ipv4_conf("lo", "forwarding");
        assert!(matches!(read(&key).as_deref(), Ok("0" | "1")));
    }
}
