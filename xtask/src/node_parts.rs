//! What the nodes of the suite `cluster` are made of, beside the lab's binaries: containerd, runc and
//! busybox of Debian's packages (`node/programs`), and images: those that each node imports
//! (`node/images`), and those that a suite imports where it needs them, for they are large or many (`node/shop`,
//! `node/builder`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::binaries::Binaries;
use crate::images::{self, Image, Scratch};
use crate::{guest, report};

/// Debian's packages. They are unpacked, and not installed.
const PACKAGES: [&str; 4] = ["busybox-static", "containerd", "docker-registry", "runc"];

/// Fetches and makes them. With `offline`, the packages of before are used.
///
/// # Errors
/// If the packages cannot be had, or an image cannot be written.
pub(crate) fn prepare(binaries: &Binaries, offline: bool) -> Result<()> {
    let node = binaries.dir().join("node");
    let images = node.join("images");
    fs::create_dir_all(&images).with_context(|| format!("cannot create {}", images.display()))?;
    let tree = guest::unpacked_programs(&PACKAGES.map(str::to_owned), offline)?;
    let (fresh, programs) = (node.join("programs.new"), node.join("programs"));
    // Left by one that was killed here.
    let _ = fs::remove_file(&fresh);
    symlink(&tree, &fresh).and_then(|()| fs::rename(&fresh, &programs))?;
    busybox(&tree, &images)?;
    shop(binaries, &tree, &node.join("shop"))?;
    images::netd(binaries, &images.join("netd.tar"))?;
    images::builder(offline, &node.join("builder/builder.tar"))?;
    report::line("nodes: containerd, runc, busybox; images of netd, busybox and the builder");
    Ok(())
}

/// busybox, which serves, asks and waits, and the same as what holds a pod's namespaces.
fn busybox(tree: &Path, images: &Path) -> Result<()> {
    let program = busybox_program(tree)?;
    let root = Scratch::beside(&images.join("busybox"))?;
    images::copy_busybox(&program, &root.0.join("bin"))?;
    for (name, entrypoint) in [
        ("busybox", &["/bin/sh"][..]),
        ("pause", &["/bin/sleep", "2147483647"][..]),
    ] {
        let image = Image {
            name: &format!("flatnet.io/lab/{name}:1"),
            entrypoint,
            path: "/bin",
        };
        images::write(&image, &root.0, &images.join(format!("{name}.tar")))?;
    }
    Ok(())
}

/// The application of the suite `release`: flatnet-run and busybox's server, with other pages in each of three images. The
/// last has no page for its health.
fn shop(binaries: &Binaries, tree: &Path, to: &Path) -> Result<()> {
    let program = busybox_program(tree)?;
    for version in 1..=3 {
        let root = Scratch::beside(&to.join(format!("shop-{version}")))?;
        let (bin, www) = (root.0.join("bin"), root.0.join("www"));
        fs::create_dir_all(&bin)?;
        fs::create_dir_all(&www)?;
        images::copy_program(&program, &bin.join("busybox"))?;
        for applet in ["sh", "httpd"] {
            symlink("busybox", bin.join(applet))?;
        }
        images::copy_program(
            &binaries.dir().join("flatnet-run"),
            &root.0.join("flatnet-run"),
        )?;
        fs::write(root.0.join("start.sh"), "exec httpd -f -p 8080 -h /www\n")?;
        fs::write(www.join("index.html"), format!("shop {version}\n"))?;
        if version < 3 {
            fs::write(www.join("health"), "well\n")?;
        }
        let image = Image {
            name: &format!("flatnet.io/lab/shop:{version}"),
            entrypoint: &["/flatnet-run", "--", "/bin/sh", "/start.sh"],
            path: "/bin",
        };
        images::write(&image, &root.0, &to.join(format!("shop-{version}.tar")))?;
    }
    Ok(())
}

/// Where it is installed on the machine, it was not fetched.
fn busybox_program(tree: &Path) -> Result<PathBuf> {
    let places = [tree.join("bin/busybox"), PathBuf::from("/bin/busybox")];
    let found = places.into_iter().find(|place| place.is_file());
    found.context("the package busybox-static has no /bin/busybox")
}
