//! The static binaries: those of the release in `target/flatnet/`, and those of the demo and the suites,
//! which are built in half the time, in `target/flatnet/lab/`; there is also `netd-faults`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{elf, host, report};

/// What the binaries are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Nodes, and whatever measures.
    Release,
    /// The demo, the lab and the suites.
    Lab,
}

/// One `cargo build` and the programs it yields.
struct Unit {
    /// Cargo's profile, and the directory under `target/<triple>/`.
    profile: &'static str,
    packages: &'static [&'static str],
    programs: &'static [&'static str],
}

/// What a first build of the static binaries takes.
const DISK_GIB: u64 = 2;

const DAEMONS: Unit = Unit {
    profile: "release",
    packages: &[
        "flatnet-netd",
        "flatnet-ipam",
        "flatnet-addresses",
        "flatnet-platformd",
        "flatnet-run",
        "flatnet-vpc-route",
        "flatnet-flatctl",
        "flatnet-lab",
        "flatnet-aliyun-sim",
    ],
    programs: &[
        "netd",
        "addressd",
        "platformd",
        "flatnet-run",
        "ipamd",
        "vpc-route",
        "flatctl",
        "flatnet-lab",
        "aliyun-sim",
    ],
};

const PLUGIN: Unit = Unit {
    profile: "cni",
    packages: &["flatnet-cni"],
    programs: &["flatnet"],
};

impl Purpose {
    /// The builds. The plugin of the lab is that of the release: its size is part of what an ADD
    /// costs, and of what the suites prove.
    fn units(self) -> [Unit; 2] {
        let profile = match self {
            Self::Release => "release",
            Self::Lab => "lab",
        };
        [PLUGIN, Unit { profile, ..DAEMONS }]
    }

    /// The directory that they are put in.
    pub(crate) fn directory(self) -> PathBuf {
        let dir = host::target_dir().join("flatnet");
        match self {
            Self::Release => dir,
            Self::Lab => dir.join("lab"),
        }
    }
}

/// The directory of binaries that are there.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The binaries of an earlier build, where all are there.
    pub(crate) fn built(purpose: Purpose) -> Option<Self> {
        let dir = purpose.directory();
        let units = purpose.units();
        let mut programs = units.iter().flat_map(|u| u.programs);
        let complete = programs.all(|program| dir.join(program).is_file());
        complete.then_some(Self { dir })
    }

    /// The directory that they are in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The lab's program.
    pub(crate) fn lab(&self) -> PathBuf {
        self.dir.join("flatnet-lab")
    }

    /// Builds what is out of date, copies it together and checks that it is static.
    ///
    /// # Errors
    /// If cargo fails, or a binary turns out to need a dynamic linker.
    pub(crate) fn build(purpose: Purpose) -> Result<Self> {
        host::require_disk(DISK_GIB)?;
        let triple = host::triple()?;
        let dir = purpose.directory();
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        for unit in purpose.units() {
            compile(&unit, &triple)?;
            for program in unit.programs {
                let from = host::target_dir()
                    .join(&triple)
                    .join(unit.profile)
                    .join(program);
                deliver(&from, &dir.join(program))?;
            }
        }
        Ok(Self { dir })
    }

    /// Builds `netd-faults`, the netd that fails where a suite orders it to, beside the
    /// others.
    ///
    /// Guarantees: nothing is compiled twice for it but netd itself, for it has the profile
    /// and the features of the tests, which were built before. Features are those of the tests only
    /// where a test is built too: a small one is, which is there already.
    ///
    /// # Errors
    /// If cargo fails, or the file cannot be written.
    pub(crate) fn build_faults(&self) -> Result<()> {
        const NAME: &str = "netd-faults";
        /// Of the CNI plugin, which needs little.
        const SMALL_TEST: &str = "process";
        let mut cargo = host::cargo();
        cargo
            .args(["build", "--locked", "--workspace", "--bin", NAME])
            .args(["--test", SMALL_TEST])
            .args(["--features", "flatnet-netd/faults"]);
        let status = cargo.status().context("cannot run cargo build")?;
        ensure!(status.success(), "cargo build of {NAME} failed");
        let from = host::target_dir().join("debug").join(NAME);
        let (fresh, to) = (self.dir.join("netd-faults.new"), self.dir.join(NAME));
        // The lab copies it, mostly into memory: without symbols it has a fifth of its size.
        let stripped = Command::new("strip")
            .arg("--strip-debug")
            .arg("-o")
            .args([&fresh, &from])
            .status();
        if !stripped.is_ok_and(|s| s.success()) {
            fs::copy(&from, &fresh).with_context(|| format!("cannot read {}", from.display()))?;
        }
        fs::rename(&fresh, &to).with_context(|| format!("cannot write {}", to.display()))
    }
}

fn compile(unit: &Unit, triple: &str) -> Result<()> {
    let started = Instant::now();
    let mut cargo = host::cargo();
    cargo.args(["build", "--locked", "--profile", unit.profile]);
    link_statically(&mut cargo, triple);
    for package in unit.packages {
        cargo.args(["--package", package]);
    }
    let status = cargo.status().context("cannot run cargo build")?;
    if !status.success() {
        bail!("cargo build of {} failed", unit.packages.join(", "));
    }
    report::line(&format!(
        "built {} in {:.1} s",
        unit.programs.join(", "),
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Makes programs static: they run on nodes of any distribution, and in guests whose C library is
/// another one. Cargo keeps them apart from others, in `target/<triple>/`.
pub(crate) fn link_statically(cargo: &mut Command, triple: &str) {
    cargo
        .args(["--target", triple])
        .env(rustflags_variable(triple), "-C target-feature=+crt-static");
}

/// Cargo's per-target variable: with `--target` it does not reach build scripts and macros,
/// which have to stay dynamic.
fn rustflags_variable(triple: &str) -> String {
    let name = triple.to_uppercase().replace(['-', '.'], "_");
    format!("CARGO_TARGET_{name}_RUSTFLAGS")
}

/// Copies one binary beside its final name and renames it there, because the lab may be
/// running the old one.
fn deliver(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    ensure!(
        !elf::needs_interpreter(&bytes).with_context(|| from.display().to_string())?,
        "{} is not static: it asks for a dynamic linker (is libc.a installed?)",
        from.display()
    );
    if fs::read(to).is_ok_and(|old| old == bytes) {
        report::line(&format!(
            "  {} {}, unchanged",
            to.display(),
            size(bytes.len())
        ));
        return Ok(());
    }
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh).with_context(|| format!("cannot write {}", fresh.display()))?;
    fs::rename(&fresh, to).with_context(|| format!("cannot write {}", to.display()))?;
    report::line(&format!("  {} {}, static", to.display(), size(bytes.len())));
    Ok(())
}

/// A size in KiB or MiB.
fn size(bytes: usize) -> String {
    const MIB: usize = 1024 * 1024;
    if bytes < MIB {
        return format!("{} KiB", bytes.div_ceil(1024));
    }
    format!("{}.{:02} MiB", bytes / MIB, bytes % MIB * 100 / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_for_the_target_only() {
        assert_eq!(
            rustflags_variable("x86_64-unknown-linux-gnu"),
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS"
        );
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(700 * 1024), "700 KiB");
        assert_eq!(size(3 * 1024 * 1024 / 2), "1.50 MiB");
    }
}
