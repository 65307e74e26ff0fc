//! qemu in software: Debian's cloud kernel on a processor that is emulated, for what User Mode
//! Linux lacks: nf_tables for IP, conntrack zones, a second processor.
//!
//! ```text
//!   virtiofsd ── jobs/<n>/fs.sock ── qemu ── vmlinuz … root=machine rootfstype=virtiofs
//!   (the machine's / )                         what the root needs is built in: no initrd, no image
//! ```
//!
//! qemu is the machine's own. virtiofsd comes with the kernel, of the same suite: what older releases
//! have beside their qemu is another program.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::packages::{Apt, patch};
use super::prepared::{Boot, Kind, Machine};
use crate::host;

/// Debian's package qemu-system-x86 has it.
const PROGRAM: &str = "qemu-system-x86_64";
/// Depends on the newest kernel's packages.
const KERNEL: &str = "linux-image-cloud-amd64";
/// virtiofsd, and the libraries that it is linked to.
const SERVER: [&str; 5] = [
    "virtiofsd",
    "libc6",
    "libcap-ng0",
    "libgcc-s1",
    "libseccomp2",
];
/// The guest's memory. It is taken from the machine's as the guest uses it.
const MEMORY: &str = "4G";
/// x86-64-v2 and no more: the kernel and libc copy memory by `rep movsb` where there is a newer
/// one's ERMS, which qemu emulates byte by byte, and by AVX, which it emulates by function calls.
const PROCESSOR: &str = "Nehalem";
/// What makes an emulated kernel bearable. The first is worth a factor of four in starting
/// programs: qemu translates code once for each address that it is run at.
const FAST: [&str; 4] = [
    "norandmaps",
    "mitigations=off",
    "init_on_alloc=0",
    "lsm=capability",
];

/// qemu.
#[derive(Debug)]
pub(super) struct Qemu;

impl Kind for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn title(&self) -> &'static str {
        "cloud kernel for qemu"
    }

    fn packages(&self, apt: &Apt) -> Result<Vec<String>> {
        let mut names = of_kernel(&apt.closure(KERNEL)?)?;
        names.extend(SERVER.map(str::to_owned));
        Ok(names)
    }

    fn arrange(&self, tree: &Path, dir: &Path, home: &Path) -> Result<()> {
        fs::rename(tree.join("usr/lib/modules"), dir.join("lib/modules"))
            .context("the kernel's packages have no modules")?;
        let server = dir.join("virtiofsd");
        fs::copy(tree.join("usr/libexec/virtiofsd"), &server)
            .context("the package virtiofsd has no such program")?;
        patch(tree, &server, dir, home)
    }

    /// It has what it is for: address translation for both families, a datapath of Open vSwitch
    /// with conntrack zones, and two processors.
    fn trial(&self) -> &'static str {
        "set -e; for tables in iptables ip6tables; do $tables -w -t nat -N trial; done; \
         ovs-dpctl add-dp trial; ovs-dpctl add-flow trial \
         'in_port(0),eth(),eth_type(0x0800),ipv4()' 'ct(zone=7),recirc(1)'; [ \"$(nproc)\" = 2 ]"
    }

    fn machine(&self, boot: &Boot<'_>) -> Result<Machine> {
        ensure!(
            host::has_program(PROGRAM),
            "there is no {PROGRAM} (`cargo xtask install` brings it)"
        );
        let socket = boot.job.join("fs.sock");
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot listen on {}", socket.display()))?;
        let server = dying()
            .arg(boot.kernel.join("virtiofsd"))
            .args(["--fd=0", "--shared-dir=/", "--sandbox=none"])
            // What changes on the machine meanwhile need not be seen; asking for it costs more than
            // all the rest.
            .args(["--cache=always", "--no-announce-submounts"])
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start virtiofsd")?;
        let mut command = dying();
        command
            .arg(PROGRAM)
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            // One thread for both processors: with one for each, older ones (7.2) now and then run
            // code that the other has just patched, which is a panic.
            .args(["-M", "q35", "-accel", "tcg,thread=single"])
            .args(["-cpu", PROCESSOR, "-smp", "2", "-m", MEMORY, "-no-reboot"])
            // virtiofsd reads and writes the guest's memory.
            .arg("-object")
            .arg(format!(
                "memory-backend-memfd,id=ram,size={MEMORY},share=on"
            ))
            .args(["-machine", "memory-backend=ram"])
            .args(["-chardev", "socket,id=root,path=fs.sock"])
            .args(["-device", "vhost-user-fs-pci,chardev=root,tag=machine"])
            .args(["-chardev", "stdio,id=console,signal=off"])
            .args(["-serial", "chardev:console", "-kernel"])
            .arg(
                boot.kernel
                    .join("lib/modules")
                    .join(boot.release)
                    .join("vmlinuz"),
            )
            .arg("-append")
            .arg(parameters(boot).join(" "));
        Ok(Machine::of(command).served_by(server))
    }

    fn is_chatter(&self, line: &str) -> bool {
        line.starts_with("virtio-fs: virtio_fs_enqueue_req() failed")
    }
}

/// The kernel's command line. Its root can be written for the sake of the directories that are
/// shared; `init.sh` gives the command another one.
fn parameters(boot: &Boot<'_>) -> Vec<String> {
    let own = [
        "root=machine rootfstype=virtiofs rw",
        "console=ttyS0 quiet printk.time=0 panic=-1",
    ];
    let own = own.iter().chain(&FAST).map(|&p| p.to_owned());
    own.chain(boot.parameters("bind", "ttyS0")).collect()
}

/// A command whose process ends with this one.
fn dying() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// The packages with the kernel and its modules, of all that its metapackage depends on.
fn of_kernel(closure: &[String]) -> Result<Vec<String>> {
    let parts = ["linux-binary-", "linux-modules-"];
    let part = |prefix: &str| {
        let mut names = closure.iter().filter(|name| name.starts_with(prefix));
        let found = names.next().cloned();
        found.with_context(|| format!("{KERNEL} depends on no package {prefix}*"))
    };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_packages_are_found_by_what_the_metapackage_depends_on() {
        let closure = [
            "linux-image-cloud-amd64",
            "linux-base",
            "linux-modules-7.2.13+deb14-cloud-amd64",
            "linux-binary-7.2.13+deb14-cloud-amd64",
        ];
        let closure = closure.map(str::to_owned);
        let found = of_kernel(&closure).expect("both");
        assert_eq!(found, [closure[3].clone(), closure[2].clone()]);
        let error = of_kernel(&closure[..3]).expect_err("one lacks").to_string();
        assert!(error.contains("linux-binary-"), "{error}");
    }
}
