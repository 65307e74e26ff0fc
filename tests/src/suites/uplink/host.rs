//! The host of this suite, its router, and what is seen of both.

use std::fs;
use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use flatnet_types::api::view::ProblemView;

use super::super::kit::{bound, eventually};
pub(in crate::suites) use super::inside::{HOST, ROUTER, inside, ip};
use super::seen::{Announcement, Pings, Stream};
use super::wiring::{Wiring, plan, wire};
use crate::LabGuard;
use crate::netns::{self, enter};
use crate::paths::{MemberPaths, netns_path};
use crate::{ovs, run};

const PORT: u16 = 2222;
/// Where the API server is, for a host that has one.
pub(super) const API_SERVER: &str = "10.0.0.1:6443";
/// How long Open vSwitch may take to start.
const START: Duration = Duration::from_secs(20);
/// What the distribution's scripts do at a boot, on the device `DEV`.
const SCRIPTS: &[&str] = &[
    "address add 10.0.0.5/24 brd + dev DEV",
    "address add 10.0.0.6/24 brd + dev DEV label DEV:1",
    "-6 address add fd00::5/64 dev DEV nodad",
    "route add default via 10.0.0.1 dev DEV proto static metric 100 mtu lock 1400",
    "route add 10.99.0.0/16 via 10.0.0.1 dev DEV table 100 proto 77 src 10.0.0.6",
    "-6 route add default via fd00::1 dev DEV proto static metric 50",
    "rule add iif DEV lookup 100 priority 1000",
    "neighbour add 10.0.0.77 lladdr 02:00:00:00:00:77 dev DEV nud permanent",
];

/// A host with one NIC. Everything of it goes when this is dropped.
pub(in crate::suites) struct Host {
    pub(super) wiring: Wiring,
    netd: PathBuf,
    pub(super) paths: MemberPaths,
    datapath: &'static str,
    switch: Vec<Child>,
    daemon: Option<Child>,
    /// What it takes for the ID of this boot; `None` for the machine's.
    pub(super) boot_id: Option<PathBuf>,
    pub(super) boots: u32,
}

pub(super) fn sweep() {
    for name in [HOST, ROUTER] {
        let _ = netns::remove(name);
    }
}

impl Host {
    pub(in crate::suites) fn raise(lab: &LabGuard, wiring: Wiring) -> Result<Self> {
        sweep();
        let paths = lab.layout().member("uplink");
        let _ = fs::remove_dir_all(paths.dir());
        fs::create_dir_all(paths.ovs_dir())?;
        fs::create_dir_all(paths.dir().join("state"))?;
        wire(wiring)?;
        let mut host = Self {
            wiring,
            netd: lab.layout().bin("netd"),
            paths,
            datapath: crate::Datapath::of(lab.layout())?.type_name(),
            switch: Vec::new(),
            daemon: None,
            boot_id: None,
            boots: 1,
        };
        host.scripts()?;
        fs::write(host.paths.dir().join("plan.yaml"), plan(wiring))?;
        ovs::create_database("uplink", &host.paths)?;
        host.start_switch()?;
        Ok(host)
    }

    /// What the distribution does at a boot.
    pub(super) fn scripts(&self) -> Result<()> {
        let device = self.wiring.device();
        if self.wiring == Wiring::Bare {
            return Ok(());
        }
        if self.wiring == Wiring::Tagged {
            ip(HOST, "link add link eth0 name eth0.10 type vlan id 10")?;
            ip(HOST, "link set eth0.10 up")?;
        }
        for line in SCRIPTS {
            ip(HOST, &line.replace("DEV", device))?;
        }
        Ok(())
    }

    pub(super) fn start_switch(&mut self) -> Result<()> {
        let show = |p: PathBuf| p.display().to_string();
        let p = &self.paths;
        let common = ["--no-chdir", "-vconsole:off", "-vsyslog:off"];
        let database = [
            show(p.ovs_db()),
            format!("--remote=punix:{}", show(p.db_sock())),
            format!("--unixctl={}", show(p.ovsdb_ctl())),
            format!("--pidfile={}", show(p.ovsdb_pid())),
        ];
        let switch = [
            format!("unix:{}", show(p.db_sock())),
            format!("--unixctl={}", show(p.vswitchd_ctl())),
            format!("--pidfile={}", show(p.vswitchd_pid())),
        ];
        for (program, arguments) in [
            ("/usr/sbin/ovsdb-server", &database[..]),
            ("/usr/sbin/ovs-vswitchd", &switch[..]),
        ] {
            let child = bound(&netns_path(HOST), program.as_ref())?
                .envs(ovs::environment(&self.paths))
                .args(arguments)
                .args(common)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("start {program}"))?;
            self.switch.push(child);
            eventually(START, || {
                ensure!(self.paths.db_sock().exists(), "no database");
                Ok(())
            })?;
        }
        ovs::wait_answers(&self.paths, START)?;
        Ok(())
    }

    fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = self.program();
        command.args(["uplink", verb]);
        let dir = self.paths.dir();
        command.arg("--state").arg(dir.join("state"));
        command.arg("--ovsdb").arg(self.paths.db_sock());
        command.arg("--ovs-rundir").arg(self.paths.ovs_dir());
        if verb == "migrate" {
            command.arg("--plan").arg(dir.join("plan.yaml"));
            command.args(["--node", "h1", "--datapath", self.datapath]);
        }
        command.args(more);
        command
    }

    /// netd in the host's namespace, in the boot that this host is in.
    fn program(&self) -> Command {
        let mut command = run::command("ip");
        command.args(["netns", "exec", HOST]);
        if let Some(id) = &self.boot_id {
            let script = format!(
                "mount --bind {} /proc/sys/kernel/random/boot_id && exec \"$0\" \"$@\"",
                id.display()
            );
            command.args(["unshare", "-m", "sh", "-c", &script]);
        }
        command.arg(&self.netd);
        command
    }

    /// Runs `netd uplink VERB` and gives what it printed.
    pub(in crate::suites) fn netd(&self, verb: &str, more: &[&str]) -> Result<String> {
        Ok(run::output(&mut self.command(verb, more))?)
    }

    /// Starts it.
    pub(in crate::suites) fn begin(&self, verb: &str, more: &[&str]) -> Result<Child> {
        // Without `ip` in between: what is killed is netd itself, as `ip netns exec` becomes it.
        Ok(self
            .command(verb, more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?)
    }

    /// What the host has: addresses, routes, rules, neighbours and the settings that a move sets.
    pub(in crate::suites) fn snapshot(&self) -> Result<String> {
        let mut text = String::new();
        for line in [
            "-o address show",
            "route show table all",
            "-6 route show table all",
            "rule show",
            "-6 rule show",
            "neighbour show nud permanent",
        ] {
            for seen in ip(HOST, line)?.lines() {
                // Indexes of new links differ, and the kernel forms link-local addresses anew.
                let formed = ["fe80::", "ff00::"].iter().any(|w| seen.contains(w));
                let numbered = line.starts_with("-o");
                let rest = seen.split_once(": ").filter(|_| numbered);
                if !formed {
                    text.push_str(rest.map_or(seen, |(_, rest)| rest).trim_end());
                    text.push('\n');
                }
            }
        }
        for setting in ["ipv6/conf/eth0/disable_ipv6", "ipv4/conf/eth0/arp_ignore"] {
            text.push_str(&inside(HOST, &format!("cat /proc/sys/net/{setting}"))?);
        }
        Ok(text)
    }

    /// Whether the host is as it was, and reachable.
    pub(in crate::suites) fn is(&self, before: &str) -> Result<()> {
        let now = self.snapshot()?;
        ensure!(now == before, "before:\n{before}\nnow:\n{now}");
        self.reachable()
    }

    /// Whether the router reaches the host's addresses.
    pub(in crate::suites) fn reachable(&self) -> Result<()> {
        for address in ["10.0.0.5", "10.0.0.6", "fd00::5"] {
            // Until the first answer: the neighbour may have to be asked for again, and a bond's links
            // have to agree, which takes seconds on an emulated processor.
            inside(ROUTER, &format!("ping -c 1 -w 15 {address}"))?;
        }
        Ok(())
    }

    /// Whether the host lives on its port of the bridge, and is reachable there.
    pub(in crate::suites) fn is_moved(&self) -> Result<()> {
        let nic = ip(HOST, "-o address show dev eth0")?;
        ensure!(!nic.contains("inet"), "eth0 bears {nic}");
        let port = ip(HOST, "-o address show dev flat0")?;
        for address in ["10.0.0.5/24", "10.0.0.6/24", "fd00::5/64"] {
            ensure!(port.contains(address), "flat0 bears {port}");
        }
        let routes = ip(HOST, "route show table all")? + &ip(HOST, "-6 route show")?;
        for route in [
            "default via 10.0.0.1 dev flat0 proto static metric 100 mtu lock 1400",
            "10.99.0.0/16 via 10.0.0.1 dev flat0 table 100 proto 77 src 10.0.0.6",
            "default via fd00::1 dev flat0 proto static metric 50",
        ] {
            ensure!(routes.contains(route), "{route} is not in\n{routes}");
        }
        ensure!(!routes.contains("dev eth0"), "eth0 has\n{routes}");
        ensure!(
            ip(HOST, "rule show")?.contains("iif flat0 lookup 100"),
            "the rule"
        );
        let neighbours = ip(HOST, "neighbour show nud permanent")?;
        ensure!(neighbours.contains("10.0.0.77 dev flat0"), "{neighbours}");
        self.reachable()
    }

    /// Pings of 10 ms from the router, until they are asked for.
    pub(in crate::suites) fn pings(&self) -> Result<Pings> {
        let child = bound(&netns_path(ROUTER), "/usr/bin/ping".as_ref())?
            .args(["-i", "0.01", "-q", "10.0.0.5"])
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Pings(child))
    }

    /// A connection from the router to the host, as a session of an administrator.
    pub(in crate::suites) fn stream(&self) -> Result<Stream> {
        let listener = enter(&netns_path(HOST), || TcpListener::bind(("10.0.0.5", PORT)))??;
        let there = enter(&netns_path(ROUTER), || {
            TcpStream::connect(("10.0.0.5", PORT))
        })??;
        let (here, _) = listener.accept()?;
        for end in [&there, &here] {
            end.set_read_timeout(Some(START))?;
        }
        Ok(Stream { there, here })
    }

    /// Whether the bridge has the port.
    pub(super) fn has_port(&self, port: &str) -> Result<()> {
        let database = format!("--db=unix:{}", self.paths.db_sock().display());
        let mut command = run::command("ovs-vsctl");
        run::output(command.args([database.as_str(), "port-to-br", port]))?;
        Ok(())
    }

    /// Changes the plan's text.
    pub(super) fn edit_plan(&self, from: &str, to: &str) -> Result<()> {
        let file = self.paths.dir().join("plan.yaml");
        let text = fs::read_to_string(&file)?;
        ensure!(text.contains(from), "{from:?} is not in the plan");
        Ok(fs::write(file, text.replace(from, to))?)
    }

    /// Ends netd, and nothing else.
    pub(super) fn stop_netd(&mut self) -> Result<()> {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill()?;
            daemon.wait()?;
        }
        Ok(())
    }

    /// An API server at the router, as far as the gate asks for one.
    pub(super) fn api_server(&self) -> Result<TcpListener> {
        Ok(enter(&netns_path(ROUTER), || {
            TcpListener::bind(API_SERVER)
        })??)
    }

    /// netd itself, as on a node.
    pub(in crate::suites) fn start_netd(&mut self) -> Result<()> {
        let dir = self.paths.dir();
        let log = fs::File::create(dir.join("netd.log"))?;
        let mut command = self.program();
        command.arg("run");
        command.arg("--plan").arg(dir.join("plan.yaml"));
        command.args(["--node", "h1", "--datapath", self.datapath]);
        command.arg("--state").arg(dir.join("state"));
        command.arg("--spool").arg(dir.join("spool"));
        command.arg("--socket").arg(dir.join("netd.sock"));
        command.arg("--ovsdb").arg(self.paths.db_sock());
        command.arg("--ovs-rundir").arg(self.paths.ovs_dir());
        self.daemon = Some(command.stdout(Stdio::null()).stderr(log).spawn()?);
        Ok(())
    }

    /// The problems that netd names.
    pub(in crate::suites) fn problems(&self) -> Result<Vec<ProblemView>> {
        let (status, text) = crate::netd::get(&self.paths.dir().join("netd.sock"), "/v1/node")?;
        ensure!(status == 200, "{status} {text}");
        let node: serde_json::Value = serde_json::from_str(&text)?;
        Ok(serde_json::from_value(node["problems"].clone())?)
    }

    /// Whether netd says that packets pass.
    pub(in crate::suites) fn is_ready(&self) -> Result<()> {
        let (status, why) = crate::netd::get(&self.paths.dir().join("netd.sock"), "/readyz")?;
        ensure!(status == 200, "{status} {why}");
        Ok(())
    }

    /// Listens at the router for the next announcement of the host's address (RFC 5227 §3).
    pub(in crate::suites) fn announcement(&self) -> Result<Announcement> {
        let mut child = bound(&netns_path(ROUTER), "/usr/bin/tcpdump".as_ref())?
            .args(["-c", "1", "-lni", "down0"])
            .arg("arp and arp[14:4] == arp[24:4] and arp[14:4] == 0x0a000005")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        // It says so when it listens.
        let stderr = child.stderr.take().context("tcpdump's words")?;
        let mut words = std::io::BufReader::new(stderr).lines();
        let listens = words.any(|line| line.is_ok_and(|l| l.contains("listening on")));
        ensure!(listens, "tcpdump does not listen");
        Ok(Announcement(child))
    }

    pub(super) fn stop(&mut self) {
        for mut child in self
            .daemon
            .take()
            .into_iter()
            .chain(self.switch.drain(..).rev())
        {
            let _ = child.kill();
            let _ = child.wait();
        }
        for file in [
            self.paths.vswitchd_pid(),
            self.paths.ovsdb_pid(),
            self.paths.db_sock(),
        ] {
            let _ = fs::remove_file(file);
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A guard that still waits ends with what it guards.
        let _ = self.netd("rollback", &[]);
        self.stop();
        sweep();
        let _ = fs::remove_dir_all(self.paths.dir());
    }
}
