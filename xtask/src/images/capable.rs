//! Programs with file capabilities in an image's layer.
//!
//! Their entries are written here, and not by tar: only root can give a file capabilities, and not every file
//! system keeps them, but an image is made by anybody and anywhere.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

/// The size of a block in a tar (POSIX.1-2017, pax, "ustar Interchange Format").
const BLOCK: usize = 512;

/// A program that has one capability, whoever runs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capable<'a> {
    /// Where its content is.
    pub(super) file: &'a Path,
    /// Its place in the image, relative to the root.
    pub(super) path: &'a str,
    /// The capability's number (linux/capability.h), below 32.
    pub(super) capability: u8,
}

/// Puts the programs before what is in a tar. The directories that hold them come later in it: whoever unpacks
/// makes them where they are missing, and gives them their modes then.
///
/// # Errors
/// If a file cannot be read or written.
pub(super) fn put_before(tar: &Path, programs: &[Capable<'_>]) -> Result<()> {
    if programs.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::new();
    for program in programs {
        let content = fs::read(program.file)
            .with_context(|| format!("cannot read {}", program.file.display()))?;
        entries.extend(entry(program.path, program.capability, &content)?);
    }
    let whole = tar.with_extension("whole");
    fs::write(&whole, entries).with_context(|| format!("cannot write {}", whole.display()))?;
    let mut to = File::options().append(true).open(&whole)?;
    io::copy(&mut File::open(tar)?, &mut to)?;
    fs::rename(&whole, tar).with_context(|| format!("cannot write {}", tar.display()))
}

/// One program as entries of a tar: its extended attribute, then itself, owned by root and of the year 1970.
fn entry(path: &str, capability: u8, content: &[u8]) -> Result<Vec<u8>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let attribute = record("SCHILY.xattr.security.capability", &permitted(capability));
    let mut entry = Vec::new();
    // The kinds are `x`, an extended header of the next entry, and `0`, a file.
    for (path, kind, content) in [
        (format!("PaxHeaders/{name}").as_str(), b'x', &attribute[..]),
        (path, b'0', content),
    ] {
        entry.extend(header(path, kind, content.len())?);
        entry.extend(content);
        entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    }
    Ok(entry)
}

/// A file's capability, permitted and effective when it is run: `vfs_cap_data` of revision 2
/// (linux/capability.h), as `setcap cap_NAME+ep` writes it.
fn permitted(capability: u8) -> [u8; 20] {
    const REVISION_2: u32 = 0x0200_0000;
    const EFFECTIVE: u32 = 1;
    let mut data = [0; 20];
    data[..4].copy_from_slice(&(REVISION_2 | EFFECTIVE).to_le_bytes());
    data[4..8].copy_from_slice(&(1u32 << capability).to_le_bytes());
    data
}

/// A record of an extended header, which begins with its own length: `LENGTH KEY=VALUE` and a line feed.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend(value);
    record.push(b'\n');
    record
}

/// The header of an entry, for everybody to read and run.
fn header(path: &str, kind: u8, size: usize) -> Result<[u8; BLOCK]> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    anyhow::ensure!(path.len() <= 100, "{path} is too long for a tar's header");
    put(0, path.as_bytes());
    put(100, b"0000755\0");
    put(108, b"0000000\0"); // owner
    put(116, b"0000000\0"); // group
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0"); // time
    put(148, b"        "); // the checksum counts as spaces
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_record_counts_the_digits_of_its_own_length() {
        assert_eq!(record("a", b"b"), b"6 a=b\n");
        // With one digit it would be 9 bytes, and with two it is 10 + 1.
        assert_eq!(record("abc", b"def"), b"11 abc=def\n");
    }

    #[test]
    fn tar_reads_the_program_with_its_mode_and_its_capability() {
        let dir = std::env::temp_dir().join(format!("xtask-capable-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("made");
        let (file, tar) = (dir.join("file"), dir.join("tar"));
        fs::write(&file, "a program").expect("written");
        // The end of a tar is two empty blocks.
        fs::write(&tar, [0; 2 * BLOCK]).expect("written");
        let program = Capable {
            file: &file,
            path: "usr/bin/newgidmap",
            capability: 6,
        };
        put_before(&tar, &[program]).expect("written");
        let listed = Command::new("tar")
            .args([
                "--xattrs",
                "--xattrs-include=security.*",
                "--numeric-owner",
                "-tvvf",
            ])
            .arg(&tar)
            .env("TZ", "UTC")
            .output();
        let listed = listed.expect("it runs");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        for part in [
            "-rwxr-xr-x",
            "0/0",
            "usr/bin/newgidmap",
            "x: 20 security.capability",
        ] {
            assert!(listed.contains(part), "{part}: {listed}");
        }
        fs::remove_dir_all(dir).expect("gone");
    }
}
