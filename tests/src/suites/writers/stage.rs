//! A host whose NIC a writer configures, and a router that gives leases.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;
use crate::suites::kit::{bound, eventually};
use crate::suites::uplink::host::{HOST, Host, ROUTER, inside, ip};
use crate::suites::uplink::wiring::Wiring;
use crate::{LabGuard, run};

const ADDRESSES: [&str; 2] = ["10.0.0.5", "fd00::5"];
/// Where the writers keep what they know; every check begins without it.
const STATE: &[&str] = &[
    "/run/systemd/netif",
    "/run/systemd/network",
    "/etc/systemd/network",
    "/run/NetworkManager",
    "/var/lib/NetworkManager",
    "/etc/NetworkManager/system-connections",
    "/run/network",
    "/run/dhcpcd",
    "/var/lib/dhcpcd",
];
/// Those of them that a unit or a package makes, and the program does not.
const MADE: &[&str] = &[
    "/run/systemd/network",
    "/etc/systemd/network",
    "/run/NetworkManager",
    "/var/lib/NetworkManager",
    "/var/lib/dhcpcd",
];
/// What the writer's daemon says.
const DAEMON_LOG: &str = "/run/writers-daemon.log";
/// A bus on which everybody may do everything.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/>
<allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"#;

/// A program that configures a host's NIC.
pub(super) struct Writer {
    /// Paths in the guest, and what is written there before it starts.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Its daemon, which wants a bus; empty: it has none.
    pub(super) daemon: &'static [&'static str],
    /// What is run to bring eth0 up.
    pub(super) begin: &'static [&'static str],
    /// Whether it renews its lease on flat0.
    pub(super) renews: bool,
    /// Whether it asks for a lease after a rollback.
    pub(super) client: bool,
    /// Whether it configures IPv6, too.
    pub(super) ipv6: bool,
    /// Words of the refusal; none: it is not refused.
    pub(super) refused: Option<&'static str>,
    /// Words of the dry run.
    pub(super) dry_run: &'static str,
    /// How it wakes after the move.
    pub(super) wakes: &'static [Wake],
    /// What starts it again after a rollback, where the administrator ended it.
    pub(super) resume: &'static str,
    /// What succeeds if it configures eth0 after a rollback.
    pub(super) again: &'static [&'static str],
}

impl Writer {
    pub(super) const NONE: Self = Self {
        files: &[],
        daemon: &[],
        begin: &[],
        renews: false,
        client: false,
        ipv6: false,
        refused: None,
        dry_run: "",
        wakes: &[],
        resume: "true",
        again: &[],
    };
}

/// Something that makes a writer look at the NIC again.
pub(super) struct Wake {
    /// In words.
    pub(super) shown: &'static str,
    /// What is run on the host.
    pub(super) host: &'static [&'static str],
    /// What is run on the router.
    pub(super) router: &'static [&'static str],
    /// Its daemon is ended and started.
    pub(super) restart: bool,
    /// What succeeds once it is awake.
    pub(super) until: &'static str,
    /// It asks for a lease. On a NIC that is a port of the bridge it may not hear the answer.
    pub(super) asks: bool,
    /// Whether the NIC has its address again by it.
    pub(super) comes_back: bool,
    /// Words by which netd names that.
    pub(super) named: &'static [&'static str],
}

impl Wake {
    /// One that changes nothing.
    pub(super) const QUIET: Self = Self {
        shown: "",
        host: &[],
        router: &[],
        restart: false,
        until: "true",
        asks: false,
        comes_back: false,
        named: &[],
    };
}

/// Where one check plays.
pub(super) struct Stage<'w> {
    pub(super) host: Host,
    writer: &'w Writer,
    daemon: Option<Child>,
    others: Vec<Child>,
    /// What dnsmasq writes.
    log: PathBuf,
}

impl<'w> Stage<'w> {
    /// The host, its router and what gives leases.
    pub(super) fn raise(lab: &LabGuard, writer: &'w Writer) -> Result<Self> {
        for place in STATE {
            let _ = fs::remove_dir_all(place);
        }
        // NetworkManager leaves alone what it names.
        let _ = fs::remove_file(super::INTERFACES);
        for place in MADE {
            fs::create_dir_all(place)?;
        }
        let _ = fs::remove_file(DAEMON_LOG);
        fs::create_dir_all("/run/dbus")?;
        let _ = fs::remove_file("/run/dbus/system_bus_socket");
        for (file, text) in writer.files {
            let dir = Path::new(file).parent().context("a directory")?;
            fs::create_dir_all(dir)?;
            fs::write(file, text)?;
            // NetworkManager reads no connection that others may read; the daemon of networkd is
            // no root.
            let mode = if file.ends_with(".nmconnection") {
                0o600
            } else {
                0o644
            };
            fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
        }
        let host = Host::raise(lab, Wiring::Bare)?;
        let log = PathBuf::from("/run/writers-dnsmasq.log");
        let _ = fs::remove_file(&log);
        let mut stage = Self {
            host,
            writer,
            daemon: None,
            others: Vec::new(),
            log,
        };
        stage.leases()?;
        Ok(stage)
    }

    /// dnsmasq: one address, with the shortest lease that it gives.
    fn leases(&mut self) -> Result<()> {
        let arguments = [
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--port=0",
            "--user=root",
            "--interface=down0",
            "--bind-interfaces",
            "--dhcp-authoritative",
            "--dhcp-range=10.0.0.5,10.0.0.5,255.255.255.0,2m",
            "--dhcp-option=option:router,10.0.0.1",
            "--leasefile-ro",
            "--no-ping",
            "--pid-file",
        ];
        let mut command = bound(
            &crate::paths::netns_path(ROUTER),
            "/usr/sbin/dnsmasq".as_ref(),
        )?;
        command
            .args(arguments)
            .arg(format!("--log-facility={}", self.log.display()))
            .stdout(Stdio::null());
        self.others.push(command.spawn()?);
        eventually(PATIENCE, || {
            ensure!(self.said("DHCP, IP range")? > 0, "dnsmasq does not answer");
            Ok(())
        })?;
        Ok(())
    }

    /// How many lines of dnsmasq's have these words.
    fn said(&self, words: &str) -> Result<usize> {
        let text = fs::read_to_string(&self.log)?;
        Ok(text.lines().filter(|l| l.contains(words)).count())
    }

    /// The writer brings eth0 up, and the router reaches it.
    pub(super) fn begin(&mut self) -> Result<()> {
        if !self.writer.daemon.is_empty() {
            fs::write("/run/dbus/writers.conf", BUS)?;
            let mut bus = bound(
                &crate::paths::netns_path(HOST),
                "/usr/bin/dbus-daemon".as_ref(),
            )?;
            bus.args([
                "--config-file=/run/dbus/writers.conf",
                "--nofork",
                "--nopidfile",
            ]);
            self.others.push(bus.stdout(Stdio::null()).spawn()?);
            eventually(PATIENCE, || {
                ensure!(Path::new("/run/dbus/system_bus_socket").exists(), "no bus");
                Ok(())
            })?;
            self.daemon()?;
        }
        for command in self.writer.begin {
            self.shell(command)?;
        }
        eventually(PATIENCE, || self.reached())?;
        Ok(())
    }

    /// The last words of the daemon.
    pub(super) fn said_by_daemon(&self) -> String {
        let text = fs::read_to_string(DAEMON_LOG).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Starts the daemon. With `/sys` read-only it waits for no udev, as in a container.
    fn daemon(&mut self) -> Result<()> {
        let script = "mount -o remount,ro /sys && exec \"$0\" \"$@\"";
        let mut command = run::command("ip");
        command.args(["netns", "exec", HOST, "unshare", "-m", "sh", "-c", script]);
        command.args(self.writer.daemon);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(DAEMON_LOG)?;
        command.stdout(log.try_clone()?).stderr(log);
        self.daemon = Some(command.spawn()?);
        Ok(())
    }

    /// Runs a line of a shell on the host.
    pub(super) fn shell(&self, line: &str) -> Result<String> {
        shell(HOST, line)
    }

    /// Whether the router reaches the host.
    pub(super) fn reached(&self) -> Result<()> {
        let addresses: &[&str] = if self.writer.ipv6 {
            &ADDRESSES
        } else {
            &ADDRESSES[..1]
        };
        for address in addresses {
            inside(ROUTER, &format!("ping -c 1 -w 1 {address}"))?;
        }
        Ok(())
    }

    /// Whether flat0 has what eth0 had, and eth0 nothing.
    pub(super) fn is_moved(&self) -> Result<()> {
        let nic = ip(HOST, "-o address show dev eth0 scope global")?;
        ensure!(nic.is_empty(), "eth0 bears {nic}");
        let port = ip(HOST, "-o address show dev flat0")?;
        ensure!(port.contains("10.0.0.5/24"), "flat0 bears {port}");
        let routes = ip(HOST, "route show")?;
        ensure!(
            routes.contains("default via 10.0.0.1 dev flat0"),
            "there is no default route by flat0:\n{routes}"
        );
        ensure!(!routes.contains("dev eth0"), "eth0 has\n{routes}");
        self.reached()
    }

    /// How many times the router gave the lease.
    pub(super) fn given(&self) -> Result<usize> {
        self.said("DHCPACK")
    }

    /// Wakes the writer, waits until it is awake, and says whether the NIC is to have its address
    /// again.
    pub(super) fn wake(&mut self, wake: &Wake) -> Result<bool> {
        let (asked, given) = (self.said("DHCPDISCOVER")?, self.given()?);
        for line in wake.router {
            shell(ROUTER, line)?;
        }
        for line in wake.host {
            self.shell(line)?;
        }
        if wake.restart {
            let mut old = self.daemon.take().context("it has no daemon")?;
            end(&mut old)?;
            self.daemon()?;
        }
        eventually(PATIENCE, || self.shell(wake.until).map(drop))?;
        if !wake.asks {
            return Ok(wake.comes_back);
        }
        // Who asks a third time did not hear two answers.
        let (heard, _) = eventually(PATIENCE, || {
            let heard = self.given()? > given;
            let asks = self.said("DHCPDISCOVER")?.saturating_sub(asked);
            ensure!(heard || asks > 2, "it asked {asks} times for a lease");
            Ok(heard)
        })?;
        Ok(heard)
    }

    /// Whether the NIC is the writer's again.
    pub(super) fn is_back(&self, writer: &Writer) -> Result<()> {
        let nic = ip(HOST, "-o address show dev eth0")?;
        ensure!(nic.contains("10.0.0.5/24"), "eth0 bears {nic}");
        let routes = ip(HOST, "route show")?;
        ensure!(
            routes.contains("default via 10.0.0.1 dev eth0"),
            "there is no default route by eth0:\n{routes}"
        );
        for line in writer.again {
            self.shell(line)?;
        }
        self.reached()
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for child in self.daemon.iter_mut().chain(&mut self.others) {
            let _ = end(child);
        }
        for pid in clients() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

/// The DHCP clients that were left in the background of the host's namespace.
fn clients() -> Vec<i32> {
    let pids = run::output(run::command("ip").args(["netns", "pids", HOST])).unwrap_or_default();
    let client = |pid: &i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        matches!(name.trim(), "dhclient" | "dhcpcd" | "udhcpc")
    };
    pids.lines()
        .filter_map(|l| l.trim().parse().ok())
        .filter(client)
        .collect()
}

/// Ends a program politely.
fn end(child: &mut Child) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    kill(pid, Signal::SIGTERM)?;
    child.wait()?;
    Ok(())
}

/// Runs a line of a shell in a namespace. What it leaves in the background may keep its output, so
/// that is a file.
fn shell(namespace: &str, line: &str) -> Result<String> {
    let file = "/run/writers-shell.log";
    let log = fs::File::create(file)?;
    let status = run::command("ip")
        .args(["netns", "exec", namespace, "sh", "-c", line])
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    let said = fs::read_to_string(file)?;
    ensure!(status.success(), "{line}: {status}: {}", said.trim());
    Ok(said)
}
