//! Reading and replacing whole files: plans, keys, tokens, and what a daemon keeps of its state.
//!
//! ```text
//!   path ─▶ stat: regular? ─▶ open, without waiting ─▶ fstat: still regular? ─▶ at most LIMIT bytes
//! ```
//!
//! `std::fs::read` blocks forever on a FIFO, and reads `/dev/zero` until memory is exhausted. For a
//! dangling symbolic link it returns the same error as for a missing file, which a daemon would
//! take for "no state was ever saved". Symbolic links are followed: Kubernetes mounts a ConfigMap
//! by them.

pub mod sealed;

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// The longest file of a secret, a key or a certificate chain, in bytes.
pub const SECRET_MAX: u64 = 256 << 10;

/// The longest file of state or configuration in JSON, in bytes: what hosts hold, with 100,000
/// ranges, has less.
pub const STATE_MAX: u64 = 64 << 20;

/// The whole file; at most `limit` bytes.
///
/// # Errors
/// The system's error; an error with its own text if the path is not a regular file, is a dangling
/// symbolic link, or the file is longer than `limit`. The text does not contain the path: the
/// caller adds it.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let status = fs::metadata(path).map_err(|e| dangling(path).unwrap_or(e))?;
    // Checked before it is opened: opening some devices has side effects.
    regular(status.file_type())?;
    let file = OpenOptions::new()
        .read(true)
        // Does not block on a FIFO that has replaced the file since.
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    whole(&file, limit)
}

/// The whole of an open file; at most `limit` bytes.
///
/// # Errors
/// As [`read`].
pub fn whole(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    let status = file.metadata()?;
    regular(status.file_type())?;
    if status.len() > limit {
        return Err(too_long(&status.len().to_string(), limit));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    // It grew meanwhile, or its file system gives no sizes (/proc).
    if bytes.len() as u64 > limit {
        return Err(too_long("more", limit));
    }
    Ok(bytes)
}

/// The whole file as text; at most `limit` bytes.
///
/// # Errors
/// As [`read`]; the position of the first byte that is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(read(path, limit)?)
}

/// Bytes as text.
///
/// # Errors
/// The position of the first byte that is not UTF-8.
pub fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let lines = e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count();
        let words = format!("it is not UTF-8: byte {} in line {}", good + 1, lines + 1);
        io::Error::new(ErrorKind::InvalidData, words)
    })
}

/// The whole content of a stream as text; at most `limit` bytes.
///
/// # Errors
/// The system's error; an error if there is more, or if it is not UTF-8.
pub fn stream_text(stream: impl Read, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    stream.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(too_long("more", limit));
    }
    text(bytes)
}

/// The whole file; `None` if it does not exist. A dangling symbolic link is an error.
///
/// # Errors
/// As [`read`].
pub fn read_if_there(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match read(path, limit) {
        Ok(bytes) => Ok(Some(bytes)),
        // `dangling` has another kind.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a file of mode 0600 in place of what was there. When this returns it survives a power
/// cut; until then the former one is there whole. One process writes a path at a time: the file
/// that takes its place is written beside it, with `.new` behind its name.
///
/// # Errors
/// If a file cannot be written, synced or renamed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, 0o600, ".new")
}

/// [`replace`] for a file that several processes may write and others read: mode 0644 less the
/// umask, and each process writes beside it under a name of its own.
///
/// # Errors
/// As [`replace`].
pub fn replace_shared(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, 0o644, &format!(".{}.new", std::process::id()))
}

/// [`replace_shared`] for a program: mode 0755 less the umask. Whoever runs the former one goes on with it.
///
/// # Errors
/// As [`replace`].
pub fn replace_program(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_by(path, bytes, 0o755, &format!(".{}.new", std::process::id()))
}

fn replace_by(path: &Path, bytes: &[u8], mode: u32, suffix: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let fresh = Path::new(&name);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(fresh, path)
    };
    write().inspect_err(|_| {
        // The first error is the one to report; a leftover file does no harm.
        let _ = fs::remove_file(fresh);
    })?;
    sync_directory_of(path)
}

/// Waits until the disk has the name of a file that was made or renamed.
///
/// # Errors
/// The system's error.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Whether a file of any type exists at `path`. A dangling symbolic link is an error: its target,
/// for example a disk that is not mounted yet, must not be replaced by a new file.
///
/// # Errors
/// The system's error.
pub fn is_there(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => match dangling(path) {
            Some(dangling) => Err(dangling),
            None => Ok(false),
        },
        Err(e) => Err(e),
    }
}

/// Fails unless the type is that of a regular file.
///
/// # Errors
/// The type in words.
pub fn regular(kind: FileType) -> io::Result<()> {
    let name = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_symlink() => "a symbolic link",
        _ => "a device",
    };
    let words = format!("it is {name}, and a regular file is wanted");
    Err(io::Error::new(ErrorKind::InvalidInput, words))
}

fn dangling(path: &Path) -> Option<io::Error> {
    let target = fs::read_link(path).ok()?;
    fs::metadata(path).err()?;
    let words = format!(
        "it is a symbolic link to {}, and nothing is there",
        target.display()
    );
    Some(io::Error::new(ErrorKind::InvalidInput, words))
}

fn too_long(size: &str, limit: u64) -> io::Error {
    let words = format!("it has {size} bytes; at most {limit} are read");
    io::Error::new(ErrorKind::FileTooLarge, words)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    fn words<T: std::fmt::Debug>(result: io::Result<T>) -> String {
        result.expect_err("it is refused").to_string()
    }

    #[test]
    fn a_file_is_replaced_whole_or_stays_and_leaves_nothing_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let names = || {
            let entries = fs::read_dir(dir.path()).expect("a directory").flatten();
            let mut names: Vec<_> = entries.map(|e| e.file_name()).collect();
            names.sort();
            names
        };
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let path = dir.path().join("routes.conf");
        replace_shared(&path, b"one").expect("written");
        assert_eq!(mode(&path) & 0o600, 0o600);
        replace(&path, b"two").expect("replaced");
        assert_eq!(
            (fs::read(&path).expect("read"), mode(&path)),
            (b"two".to_vec(), 0o600)
        );
        assert_eq!(names(), ["routes.conf"]);

        // A directory stands where the file is to go.
        let blocked = dir.path().join("blocked");
        fs::create_dir_all(blocked.join("full")).expect("made");
        assert!(replace(&blocked, b"x").is_err());
        assert!(replace_shared(&blocked, b"x").is_err());
        assert_eq!(names(), ["blocked", "routes.conf"]);
        // A name without a directory is in the current one.
        sync_directory_of(Path::new("Cargo.toml")).expect("synced");
    }

    #[test]
    fn only_a_regular_file_of_bounded_size_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("file"), "1234").expect("writes");
        symlink(at("file"), at("link")).expect("links");
        assert_eq!(read(&at("link"), 4).expect("reads"), b"1234");
        let long = words(read(&at("file"), 3));
        assert_eq!(long, "it has 4 bytes; at most 3 are read");
        nix::unistd::mkfifo(&at("fifo"), Mode::S_IRWXU).expect("a FIFO");
        symlink("/dev/zero", at("zero")).expect("links");
        for (name, kind) in [
            ("fifo", "a FIFO"),
            ("zero", "a device"),
            (".", "a directory"),
        ] {
            let refused = words(read(&at(name), 3));
            assert!(refused.starts_with(&format!("it is {kind}")), "{refused}");
        }
        // Its size is said to be 0.
        let endless = words(read(Path::new("/proc/self/status"), 3));
        assert_eq!(endless, "it has more bytes; at most 3 are read");
        let endless = words(stream_text(io::repeat(b'x'), 3));
        assert_eq!(endless, "it has more bytes; at most 3 are read");
    }

    #[test]
    fn a_dangling_link_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        let (link, absent) = (dir.path().join("link"), dir.path().join("absent"));
        symlink("/mnt/not-mounted/store", &link).expect("links");
        assert!(!is_there(&absent).expect("looks"));
        assert_eq!(read_if_there(&absent, 9).expect("looks"), None);
        for refused in [words(is_there(&link)), words(read_if_there(&link, 9))] {
            assert!(refused.contains("/mnt/not-mounted/store"), "{refused}");
        }
    }

    #[test]
    fn the_error_of_a_text_that_is_not_utf8_names_the_byte() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
        fs::write(&path, b"a: 1\nb: \xff\n").expect("writes");
        let refused = words(read_text(&path, 99));
        assert_eq!(refused, "it is not UTF-8: byte 9 in line 2");
    }
}
