//! A private Open vSwitch: its own network namespace, directory and daemons, all of which
//! go with the value, also when a test panics.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use flatnet_ovs::Timing;
use flatnet_ovs::openflow::{Switch, SwitchConfig};
use flatnet_ovs::ovsdb::{MonitorSpec, Session, SessionConfig};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub const WAIT: Duration = Duration::from_secs(10);

/// Whether tests that need root and Open vSwitch are to run; says so if not.
pub fn wanted() -> bool {
    let wanted = std::env::var_os("FLATNET_ROOT_TESTS").is_some_and(|v| v == "1");
    if !wanted {
        eprintln!("skipped: needs root and Open vSwitch; set FLATNET_ROOT_TESTS=1");
    }
    wanted
}

/// Runs a command to its end.
pub fn output(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|e| panic!("{program} cannot be run: {e}"))
}

/// Runs a command that must succeed, and gives what it printed.
pub fn run(program: &str, args: &[&str]) -> String {
    let out = output(program, args);
    assert!(
        out.status.success(),
        "{program} {args:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// A network namespace that goes with the value.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new(what: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fnt-ovs-{}-{what}{n}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let ns = Self { name };
        ns.run("ip", &["link", "set", "lo", "up"]);
        ns
    }

    fn net(&self) -> String {
        format!("--net=/run/netns/{}", self.name)
    }

    pub fn output(&self, program: &str, args: &[&str]) -> Output {
        let net = self.net();
        output("nsenter", &[&[net.as_str(), program], args].concat())
    }

    pub fn run(&self, program: &str, args: &[&str]) -> String {
        let net = self.net();
        run("nsenter", &[&[net.as_str(), program], args].concat())
    }

    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(self.net()).arg(program).args(args);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        output("ip", &["netns", "del", &self.name]);
    }
}

/// One `ovsdb-server` and one `ovs-vswitchd`, with a bridge `br0`.
pub struct Ovs {
    pub dir: tempfile::TempDir,
    pub ns: Namespace,
}

impl Ovs {
    /// Only the database server.
    pub fn database() -> Self {
        let ovs = Self {
            dir: tempfile::tempdir().expect("a directory"),
            ns: Namespace::new("sw"),
        };
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        run("ovsdb-tool", &["create", &ovs.file("conf.db"), schema]);
        ovs.start_database();
        ovs.vsctl(&["--no-wait", "init"]);
        ovs
    }

    /// The bridge `br0` of the userspace datapath.
    pub fn add_bridge(&self) {
        self.vsctl(&[
            "add-br",
            "br0",
            "--",
            "set",
            "bridge",
            "br0",
            "datapath_type=netdev",
            "protocols=OpenFlow14",
            "fail_mode=secure",
        ]);
    }

    /// Both daemons and the bridge.
    pub fn switch() -> Self {
        let ovs = Self::database();
        ovs.start_switch();
        ovs.add_bridge();
        ovs
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    pub fn start_database(&self) {
        let remote = format!("--remote=punix:{}", self.file("db.sock"));
        self.daemon("ovsdb-server", "db", &[&self.file("conf.db"), &remote]);
    }

    pub fn start_switch(&self) {
        let remote = format!("unix:{}", self.file("db.sock"));
        self.daemon("ovs-vswitchd", "vs", &[&remote]);
    }

    fn daemon(&self, program: &str, short: &str, args: &[&str]) {
        let ctl = format!("--unixctl={}", self.file(&format!("{short}.ctl")));
        let pid = format!("--pidfile={}", self.file(&format!("{short}.pid")));
        let log = format!("--log-file={}", self.file(&format!("{short}.log")));
        let quiet = "-vconsole:off";
        let args = [args, &[&ctl, &pid, &log, quiet, "--detach"]].concat();
        let status = self
            .ns
            .command(program, &args)
            .env("OVS_RUNDIR", self.dir.path())
            .status()
            .expect("nsenter runs");
        assert!(status.success(), "{program} does not start");
    }

    pub fn stop_database(&self) {
        stop(&self.path("db.pid"), Signal::SIGTERM);
    }

    pub fn stop_switch(&self) {
        stop(&self.path("vs.pid"), Signal::SIGTERM);
    }

    pub fn vsctl(&self, args: &[&str]) -> String {
        let db = format!("--db=unix:{}", self.file("db.sock"));
        run(
            "ovs-vsctl",
            &[&[db.as_str(), "--timeout=10"], args].concat(),
        )
    }

    /// `ovs-ofctl -O OpenFlow14 command unix:br0.mgmt …`.
    pub fn ofctl(&self, command: &str, args: &[&str]) -> String {
        let target = format!("unix:{}", self.file("br0.mgmt"));
        run(
            "ovs-ofctl",
            &[&["-O", "OpenFlow14", command, target.as_str()], args].concat(),
        )
    }

    pub fn session(&self) -> Session {
        Session::start(self.session_config())
    }

    pub fn session_config(&self) -> SessionConfig {
        let monitor = MonitorSpec::new()
            .table(
                "Open_vSwitch",
                ["bridges", "cur_cfg", "next_cfg", "external_ids"],
            )
            .table("Bridge", ["name", "ports", "external_ids", "datapath_id"])
            .table(
                "Port",
                ["name", "interfaces", "tag", "trunks", "external_ids"],
            )
            .table(
                "Interface",
                ["name", "type", "ofport", "ofport_request", "error"],
            );
        SessionConfig::new(self.path("db.sock"), monitor)
    }

    pub fn connection(&self) -> Switch {
        let mut config = SwitchConfig::new(self.path("br0.mgmt"));
        config.timing = Timing {
            request_timeout: WAIT,
            ..Timing::default()
        };
        Switch::start(config)
    }

    /// A namespace whose `eth0` is a port of the bridge.
    pub fn host(&self, number: u8, mac: &str, addresses: &[&str]) -> Namespace {
        let host = Namespace::new("h");
        let (port, number) = (format!("p{number}"), number.to_string());
        self.ns.run(
            "ip",
            &[
                "link", "add", &port, "type", "veth", "peer", "name", "eth0", "address", mac,
                "netns", &host.name,
            ],
        );
        self.ns.run("ip", &["link", "set", &port, "up"]);
        let request = format!("ofport_request={number}");
        self.vsctl(&[
            "add-port",
            "br0",
            &port,
            "--",
            "set",
            "interface",
            &port,
            &request,
        ]);
        host.run("ip", &["link", "set", "eth0", "up"]);
        // The userspace datapath does not finish the checksums that the kernel left open.
        host.run("ethtool", &["-K", "eth0", "tx", "off"]);
        for address in addresses {
            let nodad: &[&str] = if address.contains(':') {
                &["nodad"]
            } else {
                &[]
            };
            host.run(
                "ip",
                &[&["addr", "add", address, "dev", "eth0"], nodad].concat(),
            );
        }
        host
    }
}

impl Drop for Ovs {
    fn drop(&mut self) {
        for pidfile in ["vs.pid", "db.pid"] {
            stop(&self.path(pidfile), Signal::SIGKILL);
        }
    }
}

/// Ends the process whose number is in the file, and waits until it is gone.
fn stop(pidfile: &Path, signal: Signal) {
    let Some(pid) = fs::read_to_string(pidfile)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .map(Pid::from_raw)
    else {
        return;
    };
    let end = Instant::now() + WAIT;
    let _ = kill(pid, signal);
    while kill(pid, None).is_ok() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = fs::remove_file(pidfile);
}
