//! Sysctls below `/proc/sys/net`: the kernel shows each thread those of its namespace.
//!
//! A container's runtime mounts `/proc/sys` read-only. Where the host's `/proc/sys/net` is mounted
//! elsewhere in the container, [`use_directory`] names that place: the files are the same, and the
//! kernel goes by the thread that opens them there too.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc;

use crate::error::{Fault, SysctlError};
use crate::view::NeighbourLimits;

/// Where the sysctls are, if not at [`USUAL`].
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
/// Where procfs has them.
const USUAL: &str = "/proc/sys/net";

/// Reads and writes sysctls in this directory, for the whole process, and not in `/proc/sys/net`. The
/// first call holds; before it nothing may have been read.
pub fn use_directory(directory: &Path) {
    // A second one would split what was opened from what will be.
    let _ = DIRECTORY.set(directory.to_owned());
}

fn directory() -> &'static Path {
    DIRECTORY.get().map_or(Path::new(USUAL), PathBuf::as_path)
}

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
        directory().join(&self.0)
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

/// Longer than any value that is read here: numbers, and names of devices or algorithms.
const VALUE_MAX: usize = 1024;

/// Reads a key of the calling thread's namespace.
pub(crate) fn read(key: &SysctlKey) -> Result<String, SysctlError> {
    fs::File::open(key.path())
        .and_then(|file| value(&file))
        .map_err(|e| failed(key, "reading", "", &e))
}

/// What an open key has now.
fn value(file: &fs::File) -> std::io::Result<String> {
    // Not `fs::read_to_string`: it asks for the size first and reads on until the end, and some
    // forty keys are read each second. The kernel gives a value whole at the first read.
    let mut value = [0; VALUE_MAX];
    let length = file.read_at(&mut value, 0)?;
    Ok(String::from_utf8_lossy(&value[..length]).trim().to_owned())
}

/// Keys that stay open from one reading to the next, so that each costs one system call.
#[derive(Debug, Default)]
pub(crate) struct OpenKeys(HashMap<SysctlKey, fs::File>);

/// More keys than a node reads again and again.
const OPEN_MAX: usize = 256;

impl OpenKeys {
    /// The value of a key of the calling thread's namespace, which has to be the same each time;
    /// `None` if it is not there or cannot be read.
    pub(crate) fn read(&mut self, key: &SysctlKey) -> Option<String> {
        if let Some(Ok(value)) = self.0.get(key).map(value) {
            return Some(value);
        }
        // An open key of a link that is gone stays unreadable (fs/proc/proc_sysctl.c,
        // `grab_header`), also when there is another link of the name.
        self.0.remove(key);
        let file = fs::File::open(key.path()).ok()?;
        let value = value(&file).ok()?;
        if self.0.len() >= OPEN_MAX {
            self.0.clear();
        }
        self.0.insert(key.clone(), file);
        Some(value)
    }
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
