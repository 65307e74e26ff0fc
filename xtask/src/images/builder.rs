//! The builder's image: what the three steps of a build run (deploy/platform/builder), from Debian's packages, which
//! are fetched into the cache and not installed.
//!
//! ```text
//!   packages, with all they need ──▶ the programs, and the libraries that those load ──▶ one layer
//!   (no script of theirs is run)     users, subordinate ids, authorities, the three scripts ──┘
//! ```
//!
//! It is made once for a set of versions, and then taken from the cache.

use std::collections::{BTreeSet, hash_map::DefaultHasher};
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::capable::Capable;
use super::{AUTHORITIES, Image, Scratch, copy_busybox, copy_program, write_with};
use crate::{elf, guest, host, report};

/// The image's name.
pub(crate) const BUILDER: &str = "flatnet.io/builder:0.1.0";

const PACKAGES: [&str; 7] = [
    "buildah",
    "busybox-static",
    "ca-certificates",
    "git",
    "skopeo",
    "uidmap",
    "util-linux",
];
/// Programs with the libraries that they load. git runs the two others by itself: for a smart and for a dumb server.
const PROGRAMS: [&str; 6] = [
    "usr/bin/buildah",
    "usr/bin/git",
    "usr/bin/skopeo",
    "usr/bin/unshare",
    "usr/lib/git-core/git-http-fetch",
    "usr/lib/git-core/git-remote-http",
];
/// Programs that write a user namespace's maps, and the capability that each needs. The package has them setuid; a
/// pod without CAP_SYS_ADMIN then fails to write the maps, and buildah goes on with a single id.
const CAPABLE: [(&str, u8); 2] = [("usr/bin/newuidmap", 7), ("usr/bin/newgidmap", 6)];
/// Directories that Debian has as links into `usr`.
const LINKED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];
/// Where a runtime mounts something, or a step writes.
const EMPTY: [&str; 7] = ["dev", "proc", "root", "run", "sys", "home/builder", "work"];
/// What everybody may write to, in a container whose root is not read-only.
const TEMPORARY: [&str; 2] = ["tmp", "var/tmp"];
/// Files of the image. Only the user `builder` has subordinate ids. A registry is always named, and nothing is
/// insecure unless a step is told so.
const FILES: [(&str, &str); 7] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000:builder:/home/builder:/bin/sh\n",
    ),
    ("etc/group", "root:x:0:\nbuilder:x:1000:\n"),
    ("etc/subuid", "1000:100000:65536\n"),
    ("etc/subgid", "1000:100000:65536\n"),
    ("etc/nsswitch.conf", "hosts: files dns\n"),
    (
        "etc/containers/policy.json",
        "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n",
    ),
    (
        "etc/containers/registries.conf",
        "unqualified-search-registries = []\nshort-name-mode = \"enforcing\"\n",
    ),
];
/// The steps of a build.
const SCRIPTS: [(&str, &str); 3] = [
    (
        "flatnet-build-source",
        include_str!("../../../deploy/platform/builder/flatnet-build-source"),
    ),
    (
        "flatnet-build-image",
        include_str!("../../../deploy/platform/builder/flatnet-build-image"),
    ),
    (
        "flatnet-build-push",
        include_str!("../../../deploy/platform/builder/flatnet-build-push"),
    ),
];

/// Writes the builder's image. With `offline`, the packages of before are used.
///
/// # Errors
/// If the packages cannot be had, or a file cannot be read or written.
pub(crate) fn builder(offline: bool, to: &Path) -> Result<()> {
    let tree = guest::unpacked_whole_programs(&PACKAGES.map(str::to_owned), offline)?;
    let versions = tree.parent().and_then(Path::file_name);
    let versions = versions.context("a tree of packages has no name")?;
    let dir = host::cache_dir()?.join("images");
    let kept = dir.join(format!(
        "builder-{}.tar",
        recipe(&versions.to_string_lossy())
    ));
    if !kept.is_file() {
        report::line("images: making the builder's");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        // Another process may be making the same.
        let fresh = dir.join(format!("new-{}.tar", std::process::id()));
        make(&tree, &fresh)?;
        fs::rename(&fresh, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
        forget_others(&dir, &kept);
    }
    deliver(&kept, to)
}

/// What the image depends on, as a name: the packages' versions, the scripts, and how it is made.
fn recipe(versions: &str) -> String {
    let mut hasher = DefaultHasher::new();
    versions.hash(&mut hasher);
    SCRIPTS.hash(&mut hasher);
    for source in [
        include_str!("builder.rs"),
        include_str!("capable.rs"),
        include_str!("../images.rs"),
    ] {
        source.hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// Images of other versions cost disk, no more.
fn forget_others(dir: &Path, kept: &Path) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path != kept && name.starts_with("builder-") && name.ends_with(".tar") {
            let _ = fs::remove_file(path);
        }
    }
}

/// Puts the file where it is wanted, whole or not at all.
fn deliver(kept: &Path, to: &Path) -> Result<()> {
    let fresh = to.with_extension(format!("{}.new", std::process::id()));
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    // Nobody writes into an image, so that one file does for both. A link to another file system there is not.
    let placed = fs::hard_link(kept, &fresh).or_else(|_| fs::copy(kept, &fresh).map(drop));
    placed
        .and_then(|()| fs::rename(&fresh, to))
        .with_context(|| format!("cannot write {}", to.display()))?;
    // Two names of one file are not renamed over each other.
    let _ = fs::remove_file(&fresh);
    Ok(())
}

fn make(tree: &Path, to: &Path) -> Result<()> {
    let scratch = Scratch::beside(to)?;
    let root = scratch.0.as_path();
    for name in LINKED {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    for name in EMPTY.iter().chain(&TEMPORARY) {
        fs::create_dir_all(root.join(name))?;
    }
    for name in TEMPORARY {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o1777))?;
    }
    for program in PROGRAMS {
        copy(tree, root, program)?;
    }
    let core = root.join("usr/lib/git-core");
    symlink("git-remote-http", core.join("git-remote-https"))?;
    // git looks for itself there.
    symlink("../../bin/git", core.join("git"))?;
    let capable = CAPABLE.iter().map(|&(path, _)| path);
    let programs: Vec<&str> = PROGRAMS.into_iter().chain(capable).collect();
    let loaded = Loaded::by(tree, &programs)?;
    for library in &loaded.libraries {
        copy(tree, root, library)?;
    }
    for (path, library) in &loaded.linkers {
        let path = root.join("usr").join(path.trim_start_matches('/'));
        if !path.exists() {
            symlink(Path::new("/").join(library), path)?;
        }
    }
    // After the others: a command of Debian's packages is better than busybox's of the same name.
    copy_busybox(&tree.join("usr/bin/busybox"), &root.join("usr/bin"))?;
    for (path, text) in FILES {
        place(root, path, text)?;
    }
    place(
        root,
        AUTHORITIES.trim_start_matches('/'),
        &authorities(tree)?,
    )?;
    let scripts = root.join("usr/local/bin");
    fs::create_dir_all(&scripts)?;
    for (name, text) in SCRIPTS {
        fs::write(scripts.join(name), text)?;
        fs::set_permissions(scripts.join(name), fs::Permissions::from_mode(0o755))?;
    }
    let image = Image {
        name: BUILDER,
        entrypoint: &["/bin/sh"],
        path: "/usr/local/bin:/usr/bin:/usr/sbin",
    };
    let files = CAPABLE.map(|(path, _)| tree.join(path));
    let capable: Vec<_> = CAPABLE
        .iter()
        .zip(&files)
        .map(|(&(path, capability), file)| Capable {
            file,
            path,
            capability,
        })
        .collect();
    write_with(&image, root, &capable, to)
}

/// Copies a program or library to the same place, without what mode the package gives it.
fn copy(tree: &Path, root: &Path, path: &str) -> Result<()> {
    let to = root.join(path);
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    copy_program(&tree.join(path), &to)
}

fn place(root: &Path, path: &str, text: &str) -> Result<()> {
    let to = root.join(path);
    if let Some(dir) = to.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// The authorities that the package trusts, which its script would write into one file.
fn authorities(tree: &Path) -> Result<String> {
    let dir = tree.join("usr/share/ca-certificates/mozilla");
    let entries = fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let files: BTreeSet<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    ensure!(!files.is_empty(), "{} is empty", dir.display());
    let texts = files.iter().map(fs::read_to_string);
    Ok(texts.collect::<Result<Vec<_>, _>>()?.concat())
}

/// What programs load, directly or not, as paths in the tree of packages.
#[derive(Debug, Default)]
struct Loaded {
    libraries: BTreeSet<String>,
    /// Dynamic linkers: the path that programs name, and the library that is one.
    linkers: BTreeSet<(String, String)>,
}

impl Loaded {
    fn by(tree: &Path, programs: &[&str]) -> Result<Self> {
        let mut loaded = Self::default();
        let mut left: Vec<String> = programs.iter().map(|&path| path.to_owned()).collect();
        while let Some(path) = left.pop() {
            let file = fs::read(tree.join(&path));
            let file = file.with_context(|| format!("the packages have no {path}"))?;
            let needed = elf::needed(&file).with_context(|| format!("cannot read {path}"))?;
            for name in needed.libraries {
                let library = library(tree, &name)?;
                if loaded.libraries.insert(library.clone()) {
                    left.push(library);
                }
            }
            if let Some(path) = needed.interpreter {
                let library = library(tree, path.rsplit('/').next().unwrap_or(&path))?;
                loaded.libraries.insert(library.clone());
                loaded.linkers.insert((path, library));
            }
        }
        Ok(loaded)
    }
}

/// Where a library is: in the directory of the architecture's libraries.
fn library(tree: &Path, name: &str) -> Result<String> {
    let dirs = fs::read_dir(tree.join("usr/lib")).context("the packages have no usr/lib")?;
    let dirs = dirs.flatten().map(|entry| entry.file_name());
    let dirs = dirs.filter_map(|dir| dir.into_string().ok());
    let mut paths = dirs
        .filter(|dir| dir.ends_with("-linux-gnu"))
        .map(|dir| format!("usr/lib/{dir}/{name}"));
    let found = paths.find(|path| tree.join(path).is_file());
    found.with_context(|| format!("the packages have no library {name}"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_steps_are_scripts_that_a_shell_can_read() {
        let dir = host::root().join("deploy/platform/builder");
        for (name, text) in SCRIPTS {
            assert!(text.starts_with("#!/bin/sh\n"), "{name}");
            let status = Command::new("sh").arg("-n").arg(dir.join(name)).status();
            assert!(status.expect("it runs").success(), "{name}");
        }
    }

    #[test]
    fn other_versions_make_another_image() {
        assert_ne!(recipe("a"), recipe("b"));
        assert_eq!(recipe("a"), recipe("a"));
    }

    #[test]
    fn the_seccomp_profile_allows_what_a_build_needs_and_refuses_what_it_does_not_name() {
        let path = host::root().join("deploy/platform/builder/seccomp.json");
        let profile = fs::read_to_string(path).expect("the profile");
        let profile: Value = serde_json::from_str(&profile).expect("JSON");
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        let rules = profile["syscalls"].as_array().expect("rules");
        let allowed = |call: &str| {
            let mut rules = rules
                .iter()
                .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW");
            rules.any(|rule| {
                let names = rule["names"].as_array().expect("names");
                names.iter().any(|name| name == call)
            })
        };
        for call in ["unshare", "mount", "umount2", "chroot", "execve", "clone"] {
            assert!(allowed(call), "{call}");
        }
        for call in [
            "bpf",
            "setns",
            "keyctl",
            "kexec_load",
            "init_module",
            "io_uring_setup",
        ] {
            assert!(!allowed(call), "{call}");
        }
        // Namespaces come by unshare only, which the profile of a build's RUN (buildah's own) refuses.
        let clone = rules.iter().find(|rule| rule["names"][0] == "clone");
        assert!(clone.expect("a rule")["args"].is_array());
    }
}
