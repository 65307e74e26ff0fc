//! Programs that a guest (or a node of the suite `cluster`) has and the machine has not: Debian's
//! packages, unpacked into a directory that lies over the machine's files in the guest.
//!
//! No script of theirs is run: their users and services are not made. What of a package's needs is
//! installed on the machine is not fetched, so the versions are those of this machine's release. A
//! whole tree, of which an image is made, has that too.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};

use super::cache::{Cache, Choice, choose};
use super::packages::{Apt, Needs, key, unpack_over};
use super::sources;
use crate::report;

/// Directories that Debian has as links into `usr`.
const LINKED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
/// The file that lists what is in a tree, beside it.
const LISTING: &str = "packages";

/// The directory with these packages and what they need; fetched where the archive has newer ones.
/// With `offline` the archive is not asked.
///
/// # Errors
/// If there is none of before, and none can be fetched.
pub(crate) fn prepare(names: &[String], offline: bool) -> Result<PathBuf> {
    prepare_with(Needs::Lacking, names, offline)
}

/// The same with everything that the packages need, whatever this machine has: the C library too.
/// The directory above has another name for other versions.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn prepare_whole(names: &[String], offline: bool) -> Result<PathBuf> {
    prepare_with(Needs::All, names, offline)
}

fn prepare_with(needs: Needs, names: &[String], offline: bool) -> Result<PathBuf> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    for name in &names {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        ensure!(
            name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain),
            "{name:?} is no name of a package"
        );
    }
    let cache = match needs {
        Needs::Lacking => Cache::programs(&names)?,
        Needs::All => Cache::roots(&names)?,
    };
    let _held = cache.hold()?;
    let good = cache.good();
    let ask = !offline && (good.is_none() || !cache.is_fresh(SystemTime::now()));
    let newest = ask.then(|| newest(&cache, needs, &names));
    match choose(good, newest)? {
        Choice::Keep(key, None) => Ok(tree(&cache, &key)),
        Choice::Keep(key, Some(why)) => {
            report::line(&format!("guest: {why}; the packages of before are used"));
            Ok(tree(&cache, &key))
        }
        Choice::Fetch { wanted, before } => match (fetch(&cache, needs, &names, &wanted), before) {
            (Ok(()), _) => {
                cache.set_good(&wanted)?;
                Ok(tree(&cache, &wanted))
            }
            (Err(error), Some(before)) => {
                report::line(&format!(
                    "guest: {error:#}; the packages of before are used"
                ));
                Ok(tree(&cache, &before))
            }
            (Err(error), None) => Err(error),
        },
    }
}

fn tree(cache: &Cache, key: &str) -> PathBuf {
    cache.set(key).join("tree")
}

/// Asks the archive; its answer makes the key.
fn newest(cache: &Cache, needs: Needs, names: &[String]) -> Result<String> {
    report::line(&format!(
        "guest: asking the archive for {}",
        names.join(", ")
    ));
    let apt = Apt::begin(cache.apt(), &sources::for_release()?)?;
    let key = short(&key(&apt.with_needs(needs, names)?)?);
    cache.set_asked()?;
    Ok(key)
}

/// A name for a list of versions that is too long for one.
fn short(list: &str) -> String {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Fetches and unpacks the packages into the directory of their key, whole or not at all.
fn fetch(cache: &Cache, needs: Needs, names: &[String], key: &str) -> Result<()> {
    let to = cache.set(key);
    if to.is_dir() {
        return Ok(());
    }
    report::line(&format!(
        "guest: fetching {} and what they need",
        names.join(", ")
    ));
    let fresh = cache.set(&format!(".{}.new", std::process::id()));
    let made = unpacked(cache, needs, names, (key, &fresh)).and_then(|()| {
        let named = fs::rename(&fresh, &to);
        named.with_context(|| format!("cannot rename {} to {}", fresh.display(), to.display()))
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&fresh);
    }
    made
}

fn unpacked(
    cache: &Cache,
    needs: Needs,
    names: &[String],
    (wanted, dir): (&str, &Path),
) -> Result<()> {
    let (files, tree) = (dir.join("files"), dir.join("tree"));
    fs::create_dir_all(&files).with_context(|| format!("cannot create {}", files.display()))?;
    let apt = Apt::begin(cache.apt(), &sources::for_release()?)?;
    apt.download_with_needs(needs, names, &files)?;
    let mut got: Vec<String> = fs::read_dir(&files)?
        .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".deb"))
        .collect();
    got.sort();
    ensure!(
        short(&key(&got)?) == wanted,
        "the archive announced other packages than those that came: {}",
        got.join(", ")
    );
    links(Path::new("/"), &tree)?;
    for file in &got {
        unpack_over(&files.join(file), &tree)?;
    }
    fs::write(dir.join(LISTING), got.join("\n") + "\n")?;
    fs::remove_dir_all(&files).with_context(|| format!("cannot delete {}", files.display()))
}

/// The links to directories that the machine has at its root: a directory of their name would hide
/// what is behind them.
fn links(root: &Path, tree: &Path) -> Result<()> {
    fs::create_dir_all(tree).with_context(|| format!("cannot create {}", tree.display()))?;
    for name in LINKED {
        let Ok(target) = fs::read_link(root.join(name)) else {
            continue;
        };
        fs::create_dir_all(tree.join(&target))?;
        std::os::unix::fs::symlink(&target, tree.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_has_the_machines_links_so_that_no_package_hides_what_is_behind_them() {
        let dir = std::env::temp_dir().join(format!("xtask-programs-{}", std::process::id()));
        let (root, tree) = (dir.join("root"), dir.join("tree"));
        fs::create_dir_all(root.join("usr/lib")).expect("made");
        fs::create_dir_all(root.join("bin")).expect("made");
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).expect("linked");
        links(&root, &tree).expect("done");
        assert_eq!(fs::read_link(tree.join("lib")).ok(), Some("usr/lib".into()));
        assert!(tree.join("usr/lib").is_dir() && !tree.join("bin").exists());
        fs::remove_dir_all(dir).expect("gone");
    }

    #[test]
    fn what_is_no_name_of_a_package_is_asked_of_nobody() {
        for name in ["../x", "-o", "a b"] {
            let error = prepare(&[name.to_owned()], true).expect_err("refused");
            assert!(error.to_string().contains("no name"), "{error}");
        }
    }

    #[test]
    fn other_versions_have_another_key() {
        assert_ne!(short("a_1_amd64"), short("a_2_amd64"));
        assert_eq!(short("a_1_amd64").len(), 16);
    }
}
