//! What the nodes of the suite `cluster` are made of, beside the lab's binaries: containerd, runc and
//! busybox of Debian's packages (`node/programs`), and images (`node/images`).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::binaries::Binaries;
use crate::images::{self, Image, Scratch};
use crate::{guest, report};

/// Debian's packages. They are unpacked, and not installed.
const PACKAGES: [&str; 3] = ["busybox-static", "containerd", "runc"];

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
    images::netd(binaries, &images.join("netd.tar"))?;
    report::line("nodes: containerd, runc, busybox; images of netd and busybox");
    Ok(())
}

/// busybox, which serves, asks and waits, and the same as what holds a pod's namespaces.
fn busybox(tree: &Path, images: &Path) -> Result<()> {
    let program = busybox_program(tree)?;
    let listed = Command::new(&program).arg("--list").output();
    let listed = listed.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(listed.status.success(), "busybox lists no applets");
    let root = Scratch::beside(&images.join("busybox"))?;
    let bin = root.0.join("bin");
    fs::create_dir_all(&bin)?;
    images::copy_program(&program, &bin.join("busybox"))?;
    for applet in String::from_utf8_lossy(&listed.stdout).lines() {
        if applet != "busybox" {
            symlink("busybox", bin.join(applet))?;
        }
    }
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

/// Where it is installed on the machine, it was not fetched.
fn busybox_program(tree: &Path) -> Result<PathBuf> {
    let places = [tree.join("bin/busybox"), PathBuf::from("/bin/busybox")];
    let found = places.into_iter().find(|place| place.is_file());
    found.context("the package busybox-static has no /bin/busybox")
}
