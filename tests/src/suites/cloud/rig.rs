//! Containers at both sites with pings between them, the tables, and vpc-route by its commands.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cloud::{self, VPC_ROUTE, ask};
use crate::lab::inside;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::kit::bound;
use crate::suites::kit::container::Container;
use crate::suites::kit::pings::{Outcome, Stream};
use crate::{Lab, ProcessId, Silent, edge};

/// vpc-route among the supervisor's units.
pub(in crate::suites) const CONTROLLER: &str = "vpcr/vpc-route";
/// The simulator there.
pub(in crate::suites) const SIMULATOR: &str = "vpcr/aliyun-sim";
/// The VPC's route table.
pub(in crate::suites) const TABLE: &str = "vtb-vpc-system";
/// How long the kernel may take to follow; the machine may be busy.
pub(in crate::suites) const FOLLOWED: Duration = Duration::from_secs(5);
/// The time between two pings.
const PING: &str = "0.02";

/// One container in the IDC, one in each zone of the VPC.
pub(in crate::suites) struct World {
    pub(in crate::suites) idc: Container,
    pub(in crate::suites) vpc1: Container,
    pub(in crate::suites) vpc2: Container,
}

impl World {
    /// Attaches them.
    ///
    /// # Errors
    /// What ADD says.
    pub(in crate::suites) fn attach(lab: &Lab) -> Result<Self> {
        let one = |node: &str, network: &str| {
            Container::attach(lab, &lab.node(node)?, network, &format!("cloud-{node}"))
        };
        Ok(Self {
            idc: one("idc1", "web")?,
            vpc1: one("vpc1", "cloud")?,
            vpc2: one("vpc2", "cloud")?,
        })
    }

    /// Detaches them.
    ///
    /// # Errors
    /// What DEL says.
    pub(in crate::suites) fn detach(self) -> Result<()> {
        for container in [self.idc, self.vpc1, self.vpc2] {
            container.detach()?;
        }
        Ok(())
    }

    /// The ways that cross the VPC router.
    pub(in crate::suites) fn ways(&self) -> [(&Container, &Container); 3] {
        [
            (&self.idc, &self.vpc1),
            (&self.vpc1, &self.vpc2),
            (&self.vpc2, &self.idc),
        ]
    }

    /// A stream of pings on each of them, in each family, once all are reached.
    ///
    /// # Errors
    /// If one is not reached.
    pub(in crate::suites) fn streams(&self) -> Result<Vec<Stream>> {
        all_reached(self)?;
        let mut streams = Vec::new();
        for (from, to) in self.ways() {
            for ip in to.ips() {
                streams.push(Stream::start(from, ip, PING)?);
            }
        }
        Ok(streams)
    }
}

/// That none of the streams lost anything; how many pings that were.
///
/// # Errors
/// Who lost what.
pub(in crate::suites) fn lossless(streams: Vec<Stream>) -> Result<usize> {
    let outcomes = finish(streams)?;
    outcomes.iter().try_for_each(Outcome::lossless)?;
    Ok(outcomes.iter().map(|o| o.answered).sum())
}

/// Ends streams.
///
/// # Errors
/// If ping said nothing.
pub(in crate::suites) fn finish(streams: Vec<Stream>) -> Result<Vec<Outcome>> {
    streams.into_iter().map(Stream::finish).collect()
}

/// That everyone reaches everyone, as soon as the kernel has followed.
///
/// # Errors
/// Who does not.
pub(in crate::suites) fn all_reached(world: &World) -> Result<()> {
    for (from, to) in world.ways() {
        for ip in to.ips() {
            within(FOLLOWED, || from.reaches(ip))?;
        }
    }
    Ok(())
}

/// Tries for a while.
///
/// # Errors
/// The last failure.
pub(in crate::suites) fn within<T>(limit: Duration, check: impl Fn() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match check() {
            Err(_) if begun.elapsed() < limit => std::thread::sleep(Duration::from_millis(50)),
            outcome => return outcome,
        }
    }
}

/// Waits until the tables are as the plan says, and the routers forward what they say.
///
/// # Errors
/// What is still to be done.
pub(in crate::suites) fn converged(lab: &Lab) -> Result<()> {
    Ok(cloud::wait_converged(lab.layout(), &Silent)?)
}

/// The simulator's tables.
///
/// # Errors
/// If it does not answer.
pub(in crate::suites) fn tables(lab: &Lab) -> Result<Vec<Value>> {
    let (_, body) = ask(lab, "GET", "/_sim/tables", "")?;
    Ok(serde_json::from_str(&body)?)
}

/// A table's entries: ID, destination, the next hops' IDs, name.
///
/// # Errors
/// If the simulator does not answer, or has no such table.
pub(in crate::suites) fn entries(lab: &Lab, table: &str) -> Result<Vec<Listed>> {
    let tables = tables(lab)?;
    let found = tables.iter().find(|t| t["id"] == table);
    let entries = found.and_then(|t| t["entries"].as_array());
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let listed = entries
        .with_context(|| format!("a table {table}"))?
        .iter()
        .map(|e| {
            let hops = e["nextHops"].as_array().into_iter().flatten();
            Listed {
                id: text(&e["id"]),
                destination: text(&e["destination"]),
                hops: hops.map(|h| text(&h["id"])).collect(),
                name: text(&e["name"]),
            }
        });
    Ok(listed.collect())
}

/// An entry that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::suites) struct Listed {
    pub(in crate::suites) id: String,
    pub(in crate::suites) destination: String,
    pub(in crate::suites) hops: Vec<String>,
    pub(in crate::suites) name: String,
}

/// vpc-route with the lab's configuration, changed a little.
pub(in crate::suites) struct Config {
    /// The configuration file that vpc-route is started with.
    pub(in crate::suites) path: PathBuf,
}

impl Config {
    /// The lab's configuration after `change`, in a file of that name beside the lab's.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(in crate::suites) fn write(
        lab: &Lab,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Self> {
        let mut config = cloud::config(lab.plan(), lab.layout(), edge::has_frr());
        let dir = lab.layout().member(VPC_ROUTER);
        config["socket"] = dir
            .dir()
            .join(format!("{name}.sock"))
            .display()
            .to_string()
            .into();
        change(&mut config);
        let path = dir.dir().join(format!("{name}.yaml"));
        std::fs::write(&path, serde_norway::to_string(&config)?)?;
        Ok(Self { path })
    }

    /// The program with these arguments, in the VPC router.
    pub(in crate::suites) fn command(&self, lab: &Lab, what: &[&str]) -> Command {
        let program = lab.layout().bin(VPC_ROUTE).display().to_string();
        let mut command = inside(&netns_path(&namespace(VPC_ROUTER)), &program);
        command.arg("--config").arg(&self.path).args(what);
        command.stdin(Stdio::null());
        command
    }

    /// Starts `vpc-route run`, which writes its log beside the configuration.
    ///
    /// # Errors
    /// If it does not start.
    pub(in crate::suites) fn run(&self, lab: &Lab) -> Result<Running> {
        let program = lab.layout().bin(VPC_ROUTE);
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &program)?;
        command.arg("--config").arg(&self.path);
        command.args(["run", "--log-format", "json"]);
        Running::start(&mut command, &self.path.with_extension("log"))
    }
}

fn log_file(path: &Path) -> Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    Ok(options.create(true).append(true).open(path)?)
}

/// Who holds the lease, as the file says: `host/pid`.
pub(in crate::suites) fn leader(lab: &Lab) -> Option<String> {
    let text = std::fs::read(cloud::state_dir(lab.layout()).join("lease.json")).ok()?;
    let lease: Value = serde_json::from_slice(&text).ok()?;
    Some(lease["holder"].as_str()?.to_owned())
}

/// A daemon that runs; it is killed when dropped.
pub(in crate::suites) struct Running(Child);

impl Running {
    /// Starts a command that becomes the daemon, its log appended to a file.
    ///
    /// # Errors
    /// If it does not start.
    pub(in crate::suites) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let child = command.stdout(Stdio::null()).stderr(log_file(log)?).spawn();
        Ok(Self(child.context("cannot run the daemon")?))
    }

    /// The process, which may end at any time.
    ///
    /// # Errors
    /// If it has ended.
    pub(in crate::suites) fn process(&self) -> Result<ProcessId> {
        let pid = i32::try_from(self.0.id())?;
        ProcessId::of(pid).context("the daemon has ended")
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// If the system does not say.
    pub(in crate::suites) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// SIGKILL, and its end.
    ///
    /// # Errors
    /// If it has ended by itself.
    pub(in crate::suites) fn kill(mut self) -> Result<()> {
        self.process()?.signal(Signal::SIGKILL)?;
        self.0.wait()?;
        Ok(())
    }

    /// Whether the lease is its own.
    pub(in crate::suites) fn leads(&self, lab: &Lab) -> bool {
        leader(lab).is_some_and(|holder| holder.ends_with(&format!("/{}", self.0.id())))
    }

    /// SIGTERM: it gives the lease back.
    ///
    /// # Errors
    /// If it has ended by itself.
    pub(in crate::suites) fn end(mut self) -> Result<()> {
        self.process()?.signal(Signal::SIGTERM)?;
        self.0.wait()?;
        Ok(())
    }

    /// Its resident memory, in KiB (proc(5), `VmHWM`: the most it ever had).
    ///
    /// # Errors
    /// If it has ended.
    pub(in crate::suites) fn memory(&self) -> Result<u64> {
        memory(self.process()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most resident memory that a process ever had, in KiB.
///
/// # Errors
/// If it has ended.
pub(in crate::suites) fn memory(process: ProcessId) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", process.pid))?;
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let number = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    number.context("VmHWM in /proc/…/status")
}

/// That no entry of somebody else was touched by a call.
///
/// # Errors
/// Which one was.
pub(in crate::suites) fn foreign_untouched(events: &[Value], name: &str) -> Result<()> {
    let touched = events.iter().find(|e| {
        let changed = e["status"] == "Modifying" || e["status"] == "Deleting";
        changed && e["name"] == name && e["cause"].get("call").is_some()
    });
    ensure!(touched.is_none(), "{touched:?}");
    Ok(())
}
