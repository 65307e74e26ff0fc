//! The Debian packages that the lab, the demo, the tests and the benchmarks use.
//!
//! What is missing is found first and only that is installed, and no service of it is started:
//! the lab's nodes run daemons of their own, inside their namespaces, and a zebra of the
//! machine's would read and write the machine's routes. Those that would start with the next boot
//! are also disabled.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{host, report};

/// A package and what it is for.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    name: &'static str,
    purpose: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "openvswitch-switch",
        purpose: "the nodes' bridges and the top-of-rack switches",
    },
    Package {
        name: "iproute2",
        purpose: "reading back what the kernel holds",
    },
    Package {
        name: "ethtool",
        purpose: "checksum offload of the lab's links",
    },
    Package {
        name: "iputils-ping",
        purpose: "the reachability matrix",
    },
    Package {
        name: "tcpdump",
        purpose: "the proof on the wire",
    },
    Package {
        name: "iperf3",
        purpose: "rates that meters leave",
    },
    Package {
        name: "containernetworking-plugins",
        purpose: "plugins to chain with and to measure against",
    },
    Package {
        name: "iptables",
        purpose: "the reference portmap plugin, in namespaces only",
    },
    Package {
        name: "nftables",
        purpose: "filters that somebody else makes, in namespaces only",
    },
    Package {
        name: "frr",
        purpose: "an edge router's zebra and staticd, in namespaces only",
    },
    Package {
        name: "etcd-server",
        purpose: "the store behind a real API server, in a namespace only",
    },
    Package {
        name: "victoria-metrics",
        purpose: "what metrics gates of releases ask, in a namespace only",
    },
    Package {
        name: "chromium",
        purpose: "the browser that the web console is tried in",
    },
    Package {
        name: "nodejs",
        purpose: "building the web console, and driving that browser",
    },
    Package {
        name: "npm",
        purpose: "the web console's packages",
    },
    Package {
        name: "openssl",
        purpose: "the API server's certificates",
    },
    Package {
        name: "patchelf",
        purpose: "the guest's kernel with the C library that came with it",
    },
    Package {
        name: "kmod",
        purpose: "the guest's modules",
    },
    Package {
        name: "qemu-system-x86",
        purpose: "the guest for what User Mode Linux lacks",
    },
    Package {
        name: "python3-venv",
        purpose: "Alibaba's own SDK against the Aliyun simulator",
    },
];

/// Packages that are not missed where their program is in `PATH`, whoever put it there: NodeSource's nodejs has npm in it, and
/// Debian's npm would replace both.
const PROVIDED: [(&str, &str); 2] = [("nodejs", "node"), ("npm", "npm")];

/// Where Debian's maintainer scripts ask whether a service may be started (invoke-rc.d(8)).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// While it lasts, installing a package starts no service.
#[derive(Debug)]
struct NoServices {
    /// The policy that was written; none: the machine has one of its own, which stays in force.
    ours: Option<PathBuf>,
}

impl NoServices {
    fn begin(policy: &Path) -> Result<Self> {
        match std::fs::read_to_string(policy) {
            Ok(text) if !text.contains(MARK) => return Ok(Self { ours: None }),
            _ => {}
        }
        // It is void once this process is gone, however it went.
        let text = format!(
            "#!/bin/sh\n# {MARK}; may be deleted\n[ -d /proc/{} ] || exit 0\nexit 101\n",
            std::process::id()
        );
        let written = std::fs::write(policy, text);
        let allowed = written.and_then(|()| {
            std::fs::set_permissions(policy, std::fs::Permissions::from_mode(0o755))
        });
        allowed.with_context(|| format!("cannot write {}", policy.display()))?;
        Ok(Self {
            ours: Some(policy.to_owned()),
        })
    }

    fn end(self) -> Result<()> {
        let Some(policy) = self.ours else {
            return Ok(());
        };
        std::fs::remove_file(&policy).with_context(|| format!("cannot delete {}", policy.display()))
    }
}

/// What tells our policy from the machine's.
const MARK: &str = "written by `cargo xtask` while it installs packages";

/// What is to be done about the packages.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// Everything is there.
    Complete,
    /// These are missing and can be installed.
    Install(Vec<&'static str>),
    /// These are missing and cannot be installed from here.
    Refuse {
        missing: Vec<&'static str>,
        reason: &'static str,
    },
}

/// Decides, from what dpkg lists as installed and what the machine is.
fn plan(installed: &BTreeSet<String>, debian: bool, root: bool) -> Plan {
    let missing: Vec<&'static str> = PACKAGES
        .iter()
        .map(|p| p.name)
        .filter(|name| !installed.contains(*name))
        .collect();
    if missing.is_empty() {
        return Plan::Complete;
    }
    if !debian {
        let reason = "this is not Debian (no dpkg and apt-get); install what they hold by hand";
        return Plan::Refuse { missing, reason };
    }
    if !root {
        let reason = "installing them needs root; run `cargo xtask install` as root";
        return Plan::Refuse { missing, reason };
    }
    Plan::Install(missing)
}

/// The packages in `dpkg-query -W -f '${Package} ${db:Status-Status}\n'` that are installed.
fn parse_installed(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, status)| status.trim() == "installed")
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// What is installed, and what need not be.
fn installed() -> BTreeSet<String> {
    // dpkg-query exits 1 when one of the names is unknown and still lists the others.
    let mut installed = Command::new("dpkg-query")
        .args(["-W", "-f", "${Package} ${db:Status-Status}\\n"])
        .args(PACKAGES.iter().map(|p| p.name))
        .stderr(Stdio::null())
        .output()
        .map(|out| parse_installed(&String::from_utf8_lossy(&out.stdout)))
        .unwrap_or_default();
    installed.extend(provided(host::has_program));
    installed
}

/// The packages whose programs are there.
fn provided(is_there: impl Fn(&str) -> bool) -> impl Iterator<Item = String> {
    let there = PROVIDED
        .iter()
        .filter(move |(_, program)| is_there(program));
    there.map(|(package, _)| (*package).to_owned())
}

/// Checks what is there and installs what is missing, saying so.
///
/// # Errors
/// If something is missing and this is not Debian, or not root, or apt fails.
pub(crate) fn install() -> Result<()> {
    let debian = host::has_program("dpkg-query") && host::has_program("apt-get");
    match plan(&installed(), debian, host::is_root()) {
        Plan::Complete => {
            report::line(&format!("packages: all {} are installed", PACKAGES.len()));
            Ok(())
        }
        Plan::Refuse { missing, reason } => {
            bail!(
                "these packages are missing: {}\n{reason}",
                missing.join(" ")
            )
        }
        Plan::Install(missing) => apt(&missing),
    }
}

fn apt(missing: &[&str]) -> Result<()> {
    report::line("packages: installing by apt-get what is missing:");
    for package in PACKAGES.iter().filter(|p| missing.contains(&p.name)) {
        report::line(&format!("  {:<28} {}", package.name, package.purpose));
    }
    let quiet = NoServices::begin(Path::new(POLICY))?;
    let installed = install_missing(missing);
    quiet.end()?;
    installed?;
    for (package, service) in [
        ("frr", "frr"),
        ("etcd-server", "etcd"),
        ("victoria-metrics", "victoria-metrics"),
    ] {
        if missing.contains(&package) && host::has_program("systemctl") {
            disable(service);
        }
    }
    Ok(())
}

/// Keeps a service from starting with the next boot.
fn disable(service: &str) {
    report::line(&format!(
        "packages: {service}.service is disabled; the lab runs its own, in its namespaces"
    ));
    let disabled = Command::new("systemctl")
        .args(["disable", "--quiet", &format!("{service}.service")])
        .stdin(Stdio::null())
        .status();
    if !disabled.is_ok_and(|status| status.success()) {
        report::line(&format!(
            "  that failed: `systemctl disable {service}` keeps it from starting at boot"
        ));
    }
}

fn install_missing(missing: &[&str]) -> Result<()> {
    if apt_get(&["install", "--yes", "--no-install-recommends"], missing).is_ok() {
        return Ok(());
    }
    // A fresh machine has no package lists, or old ones that name files which are gone.
    report::line("packages: that failed; once more after apt-get update");
    apt_get(&["update"], &[])?;
    apt_get(&["install", "--yes", "--no-install-recommends"], missing)
}

fn apt_get(verb: &[&str], packages: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .arg("--quiet")
        .args(verb)
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", verb.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> BTreeSet<String> {
        PACKAGES.iter().map(|p| p.name.to_owned()).collect()
    }

    #[test]
    fn a_complete_machine_needs_neither_root_nor_debian() {
        assert_eq!(plan(&all(), false, false), Plan::Complete);
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let mut there = all();
        there.remove("tcpdump");
        assert_eq!(plan(&there, true, true), Plan::Install(vec!["tcpdump"]));
    }

    #[test]
    fn a_program_that_somebody_else_installed_is_not_installed_again() {
        let mut there = all();
        there.remove("nodejs");
        there.remove("npm");
        assert_eq!(
            plan(&there, true, true),
            Plan::Install(vec!["nodejs", "npm"])
        );
        there.extend(provided(|program| program == "node" || program == "npm"));
        assert_eq!(plan(&there, true, true), Plan::Complete);
    }

    #[test]
    fn without_root_or_debian_the_missing_packages_are_named() {
        let mut there = all();
        there.remove("ethtool");
        for (debian, root) in [(true, false), (false, true)] {
            match plan(&there, debian, root) {
                Plan::Refuse { missing, .. } => assert_eq!(missing, ["ethtool"]),
                other => panic!("debian={debian} root={root} gave {other:?}"),
            }
        }
    }

    #[test]
    fn no_service_starts_while_packages_are_installed_and_the_machines_policy_stays() {
        let directory = std::env::temp_dir().join(format!("xtask-policy-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("a directory");
        let policy = directory.join("policy-rc.d");
        let asked = || Command::new(&policy).status().expect("it runs").code();
        let quiet = NoServices::begin(&policy).expect("written");
        assert_eq!(asked(), Some(101));
        // One that was left behind is taken over.
        let again = NoServices::begin(&policy).expect("written");
        again.end().expect("deleted");
        assert!(!policy.exists());
        drop(quiet);
        let own = "#!/bin/sh\nexit 0\n";
        std::fs::write(&policy, own).expect("written");
        let kept = NoServices::begin(&policy).expect("it is the machine's");
        kept.end().expect("nothing to do");
        assert_eq!(std::fs::read_to_string(&policy).expect("there"), own);
        std::fs::remove_dir_all(&directory).expect("gone");
    }

    #[test]
    fn a_removed_package_with_its_configuration_left_is_not_installed() {
        let listing = "tcpdump installed\nethtool config-files\niproute2 half-installed\n";
        assert_eq!(
            parse_installed(listing),
            BTreeSet::from(["tcpdump".to_owned()])
        );
    }
}
