//! The single looks. Each reads, and none changes anything.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ipnetwork::IpNetwork;
use nix::unistd::{AccessFlags, access};

use super::Finding;

/// What netd cannot do without, with the bit of each (linux/capability.h).
const CAPABILITIES: [(&str, u8); 5] = [
    ("DAC_OVERRIDE", 1),
    ("NET_ADMIN", 12),
    ("NET_RAW", 13),
    ("SYS_PTRACE", 19),
    ("SYS_ADMIN", 21),
];

/// What the kernel says of this process.
pub(super) fn own_status() -> String {
    fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// Whether the process has all capabilities.
pub(super) fn capabilities(status: &str) -> Finding {
    let line = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    let has = line.and_then(|l| u64::from_str_radix(l.trim(), 16).ok());
    let lacks = |has: u64| {
        let missing = CAPABILITIES.iter().filter(|(_, bit)| has >> bit & 1 == 0);
        missing.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let wrong = match has.map(lacks) {
        None => Some("/proc/self/status does not tell them".to_owned()),
        Some(missing) if missing.is_empty() => None,
        Some(missing) => Some(format!(
            "{} are missing: run it as root, in a pod with `securityContext.capabilities.add`",
            missing.join(", ")
        )),
    };
    Finding::new("capabilities", wrong)
}

/// Whether Open vSwitch's database answers.
pub(super) fn database(socket: &Path) -> Finding {
    let wrong = UnixStream::connect(socket).err().map(|e| {
        format!(
            "{e}. Install and start Open vSwitch on the host (Debian: `apt-get install \
             openvswitch-switch`), see that `ovs-vsctl show` answers there, and mount its \
             /run/openvswitch into the pod"
        )
    });
    Finding::new(format!("Open vSwitch at {}", socket.display()), wrong)
}

/// Whether the kernel's datapath is loaded.
pub(super) fn module(directory: &Path) -> Finding {
    let wrong = (!directory.is_dir()).then(|| {
        "it is not loaded: `modprobe openvswitch` on the host, and its name in \
         /etc/modules-load.d/openvswitch.conf; a host without it can use `--datapath netdev`"
            .to_owned()
    });
    Finding::new("kernel module openvswitch", wrong)
}

/// Whether sysctls of the network can be written.
pub(super) fn sysctls(directory: &Path) -> Finding {
    // Opened for writing, and nothing written.
    let file = directory.join("ipv4/conf/default/forwarding");
    let wrong = OpenOptions::new().write(true).open(&file).err().map(|e| {
        format!(
            "{}: {e}. Mount the host's /proc/sys/net into the pod, writable and not below /proc, and \
             name that place by --sysctls",
            file.display()
        )
    });
    Finding::new(format!("sysctls in {}", directory.display()), wrong)
}

/// Whether the host forwards, in the families of these prefixes of services: kube-proxy translates on the
/// host, and what it translated goes on to another one.
pub(super) fn forwarding(directory: &Path, services: &[IpNetwork]) -> Finding {
    let settings = [
        ("ipv4/ip_forward", services.iter().any(IpNetwork::is_ipv4)),
        (
            "ipv6/conf/all/forwarding",
            services.iter().any(IpNetwork::is_ipv6),
        ),
    ];
    let off = settings.iter().filter(|(setting, wanted)| {
        let value = fs::read_to_string(directory.join(setting)).unwrap_or_default();
        *wanted && value.trim() != "1"
    });
    let off: Vec<String> = off
        .map(|(setting, _)| format!("net.{}=1", setting.replace('/', ".")))
        .collect();
    let wrong = (!off.is_empty()).then(|| {
        format!(
            "it does not, and containers reach no service: `{}` in a file of /etc/sysctl.d, then \
             `sysctl --system`",
            off.join("` and `")
        )
    });
    Finding::new("the host forwards for kube-proxy", wrong)
}

/// Whether namespaces that the runtime makes from now on are seen: the directory has to be a mount
/// that gets what is mounted on the host (proc(5), mountinfo: `master:` or `shared:`).
pub(super) fn namespaces(directory: &Path, mountinfo: &str) -> Finding {
    let name = directory.display().to_string();
    let mount = mountinfo.lines().rev().find(|line| {
        let point = line.split(' ').nth(4).unwrap_or_default();
        directory.starts_with(point)
    });
    let tags = mount.and_then(|line| line.split(" - ").next());
    let follows = tags.is_some_and(|t| t.contains(" shared:") || t.contains(" master:"));
    let wrong = if !directory.is_dir() {
        Some(format!(
            "it is not there: make it on the host, and mount {name} into the pod"
        ))
    } else if !follows {
        Some(format!(
            "what the host mounts there does not come to this process: mount {name} with \
             `mountPropagation: HostToContainer`; on the host / must be shared (`mount --make-rshared /`)"
        ))
    } else {
        None
    };
    Finding::new(format!("network namespaces in {name}"), wrong)
}

/// Whether files can be made in a directory.
pub(super) fn writable(what: &str, directory: &Path) -> Finding {
    // It may be made by who needs it.
    let there = directory.ancestors().find(|d| d.exists());
    let wrong = there
        .map_or(Err(nix::errno::Errno::ENOENT), |d| {
            access(d, AccessFlags::W_OK | AccessFlags::X_OK)
        })
        .err()
        .map(|e| format!("{}: mount the host's directory there, writable", e.desc()));
    Finding::new(format!("{what} in {}", directory.display()), wrong)
}

/// Whether the plugin is there without which containerd and CRI-O start no pod at all.
pub(super) fn loopback(directory: &Path) -> Finding {
    let wrong = (!directory.join("loopback").is_file()).then(|| {
        "it is not there, and the runtime calls it for each pod: install CNI's reference plugins \
         there (Debian: `apt-get install containernetworking-plugins`, then copy \
         /usr/lib/cni/loopback)"
            .to_owned()
    });
    Finding::new(format!("plugin loopback in {}", directory.display()), wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(finding: Finding) -> String {
        finding.wrong.expect("something is wrong")
    }

    #[test]
    fn the_capabilities_that_are_missing_are_named() {
        let status = |caps: u64| format!("Name:\tnetd\nCapEff:\t{caps:016x}\n");
        let all = CAPABILITIES
            .iter()
            .fold(0, |caps, (_, bit)| caps | 1 << bit);
        assert_eq!(capabilities(&status(all)).wrong, None);
        let text = wrong(capabilities(&status(all & !(1 << 12))));
        assert!(text.starts_with("NET_ADMIN are missing"), "{text}");
        assert!(capabilities("").wrong.is_some());
    }

    #[test]
    fn a_database_that_does_not_answer_and_a_module_that_is_not_loaded_come_with_advice() {
        let text = wrong(database(Path::new("/nowhere/db.sock")));
        assert!(
            text.contains("apt-get install openvswitch-switch"),
            "{text}"
        );
        let text = wrong(module(Path::new("/nowhere/openvswitch")));
        assert!(text.contains("modprobe openvswitch"), "{text}");
        assert_eq!(module(Path::new("/")).wrong, None);
    }

    #[test]
    fn namespaces_must_come_from_the_host() {
        let info = |tag: &str| {
            format!(
                "20 1 0:1 / / rw {tag}- ext4 /dev/a rw\n\
                 30 20 0:5 /netns /proc rw {tag}- tmpfs run rw\n"
            )
        };
        let dir = Path::new("/proc");
        assert_eq!(namespaces(dir, &info("master:3 ")).wrong, None);
        assert_eq!(namespaces(dir, &info("shared:3 ")).wrong, None);
        let text = wrong(namespaces(dir, &info("")));
        assert!(text.contains("HostToContainer"), "{text}");
        let text = wrong(namespaces(Path::new("/nowhere"), ""));
        assert!(text.starts_with("it is not there"), "{text}");
    }

    #[test]
    fn sysctls_that_are_read_only_or_absent_name_the_option() {
        let text = wrong(sysctls(Path::new("/nowhere")));
        assert!(text.contains("--sysctls"), "{text}");
    }

    #[test]
    fn a_host_that_does_not_forward_is_told_which_setting_lacks() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join("ipv4")).expect("made");
        fs::write(dir.path().join("ipv4/ip_forward"), "1\n").expect("written");
        let (four, six) = ("10.96.0.0/16", "fd10:96::/112");
        let prefixes = |texts: &[&str]| -> Vec<IpNetwork> {
            let parsed = texts.iter().map(|text| text.parse().expect("a prefix"));
            parsed.collect()
        };
        assert_eq!(forwarding(dir.path(), &prefixes(&[four])).wrong, None);
        assert_eq!(forwarding(dir.path(), &[]).wrong, None);
        let text = wrong(forwarding(dir.path(), &prefixes(&[four, six])));
        assert!(text.contains("net.ipv6.conf.all.forwarding=1"), "{text}");
        assert!(!text.contains("ip_forward"), "{text}");
    }

    #[test]
    fn a_directory_that_is_still_to_be_made_is_judged_by_its_parent() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(writable("x", &dir.path().join("a/b")).wrong, None);
    }

    #[test]
    fn a_runtime_without_its_loopback_plugin_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = wrong(loopback(dir.path()));
        assert!(text.contains("containernetworking-plugins"), "{text}");
        std::fs::write(dir.path().join("loopback"), "").expect("written");
        assert_eq!(loopback(dir.path()).wrong, None);
    }
}
