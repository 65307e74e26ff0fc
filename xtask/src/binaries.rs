//! The static binaries: those of the release in `target/flatnet/`, and those of the demo and the suites in
//! `target/flatnet/lab/`, `netd-faults` among them, which have the profile and the features of the tests: what is
//! compiled for one serves the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

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
    what: What,
    programs: &'static [&'static str],
}

/// What cargo is asked for.
#[derive(Clone, Copy)]
enum What {
    /// These packages, with the features that they have by themselves.
    Packages {
        profile: &'static str,
        packages: &'static [&'static str],
    },
    /// All programs as the tests have them, with these features besides: what is compiled serves both.
    AsTests { features: &'static [&'static str] },
}

/// What a first build of the static binaries takes.
const DISK_GIB: u64 = 2;

const DAEMON_PACKAGES: &[&str] = &[
    "flatnet-netd",
    "flatnet-ipam",
    "flatnet-addresses",
    "flatnet-platformd",
    "flatnet-run",
    "flatnet-vpc-route",
    "flatnet-flatctl",
    "flatnet-lab",
    "flatnet-aliyun-sim",
];

const DAEMONS: &[&str] = &[
    "netd",
    "addressd",
    "platformd",
    "flatnet-run",
    "ipamd",
    "vpc-route",
    "flatctl",
    "flatnet-lab",
    "aliyun-sim",
];

/// Its size is part of what an ADD costs, and of what the suites prove: it is the same everywhere.
const PLUGIN: Unit = Unit {
    what: What::Packages {
        profile: "cni",
        packages: &["flatnet-cni"],
    },
    programs: &["flatnet"],
};

const RELEASE: Unit = Unit {
    what: What::Packages {
        profile: "release",
        packages: DAEMON_PACKAGES,
    },
    programs: DAEMONS,
};

const LAB: Unit = Unit {
    what: What::AsTests { features: &[] },
    programs: DAEMONS,
};

/// `netd-faults`, the netd that fails where a suite orders it to.
const FAULTS: Unit = Unit {
    what: What::AsTests {
        features: &["flatnet-netd/faults"],
    },
    programs: &["netd-faults"],
};

impl Purpose {
    /// The plugin first, for it is small; then the daemons.
    fn units(self) -> [Unit; 2] {
        match self {
            Self::Release => [PLUGIN, RELEASE],
            Self::Lab => [PLUGIN, LAB],
        }
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
            unit.build(&triple, &dir)?;
        }
        Ok(Self { dir })
    }

    /// Builds `netd-faults` beside the others. Nothing is compiled twice for it but netd itself.
    ///
    /// # Errors
    /// If cargo fails, or the file cannot be written.
    pub(crate) fn build_faults(&self) -> Result<()> {
        FAULTS.build(&host::triple()?, &self.dir)
    }
}

impl Unit {
    /// Compiles it, and puts its programs into `dir`.
    fn build(&self, triple: &str, dir: &Path) -> Result<()> {
        let started = Instant::now();
        let mut cargo = host::cargo();
        cargo.args(["build", "--locked"]);
        link_statically(&mut cargo, triple);
        let profile = self.what.arguments(&mut cargo, self.programs);
        let programs = self.programs.join(", ");
        let status = cargo.status().context("cannot run cargo build")?;
        ensure!(status.success(), "cargo build of {programs} failed");
        report::line(&format!(
            "built {programs} in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
        let built = host::target_dir().join(triple).join(profile);
        for program in self.programs {
            deliver(&built.join(program), &dir.join(program))?;
        }
        Ok(())
    }
}

impl What {
    /// Adds cargo's arguments; returns the directory under `target/<triple>/`.
    fn arguments(self, cargo: &mut Command, programs: &[&str]) -> &'static str {
        /// Features are those of the tests only where a test is built too; this one, of the CNI plugin, is small.
        const SMALL_TEST: &str = "process";
        match self {
            Self::Packages { profile, packages } => {
                cargo.args(["--profile", profile]);
                for package in packages {
                    cargo.args(["--package", package]);
                }
                profile
            }
            Self::AsTests { features } => {
                cargo.args(["--workspace", "--test", SMALL_TEST]);
                for program in programs {
                    cargo.args(["--bin", program]);
                }
                for feature in features {
                    cargo.args(["--features", feature]);
                }
                "debug"
            }
        }
    }
}

/// The flags of what is static.
const STATIC: &str = "-C target-feature=+crt-static";

/// Makes programs static: they run on nodes of any distribution, and in guests whose C library is
/// another one. Cargo keeps them apart from others, in `target/<triple>/`.
pub(crate) fn link_statically(cargo: &mut Command, triple: &str) {
    let (variable, flags) = static_flags(triple);
    cargo.args(["--target", triple]).env(variable, flags);
}

/// The variable, and its value, that makes static what cargo builds with `--target <triple>`: with it flags do not reach
/// build scripts and macros, which have to stay dynamic.
pub(crate) fn static_flags(triple: &str) -> (String, &'static str) {
    let name = triple.to_uppercase().replace(['-', '.'], "_");
    (format!("CARGO_TARGET_{name}_RUSTFLAGS"), STATIC)
}

/// Copies one binary beside its final name, and renames it there, because the lab may be running the old one. It is
/// without what only a debugger reads: the lab copies binaries, mostly into memory.
fn deliver(from: &Path, to: &Path) -> Result<()> {
    let built = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    ensure!(
        !elf::needs_interpreter(&built).with_context(|| from.display().to_string())?,
        "{} is not static: it asks for a dynamic linker (is libc.a installed?)",
        from.display()
    );
    let fresh = to.with_extension("new");
    let stripped = Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .args([&fresh, from])
        .status();
    if !stripped.is_ok_and(|s| s.success()) {
        fs::copy(from, &fresh).with_context(|| format!("cannot write {}", fresh.display()))?;
    }
    let bytes = fs::read(&fresh).with_context(|| format!("cannot read {}", fresh.display()))?;
    let (name, size) = (to.display(), size(bytes.len()));
    // The lab goes by its time whether the program that runs is this one.
    if fs::read(to).is_ok_and(|old| old == bytes) {
        fs::remove_file(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
        report::line(&format!("  {name} {size}, unchanged"));
        return Ok(());
    }
    fs::rename(&fresh, to).with_context(|| format!("cannot write {name}"))?;
    report::line(&format!("  {name} {size}, static"));
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
            static_flags("x86_64-unknown-linux-gnu").0,
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS"
        );
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(size(700 * 1024), "700 KiB");
        assert_eq!(size(3 * 1024 * 1024 / 2), "1.50 MiB");
    }
}
