//! The effects on the real host: the kernel by netlink, Open vSwitch by its database and OpenFlow.

mod observe;
mod programs;
mod rows;

use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flatnet_kernel::{Entry, Kernel, LinkChange, LinkId, SysctlError, SysctlKey};
use flatnet_ovs::openflow::{Action, Batch, Flow, Match, PortSelector, Switch, SwitchConfig};
use flatnet_ovs::ovsdb::{Session, SessionConfig};
use flatnet_types::IfName;
use flatnet_types::marks::COOKIE_MARK;
use thiserror::Error;

use crate::gate::Gate;
use crate::journal::{Journal, since_boot};
use crate::mover::Host;
use crate::step::{Item, Step, StepError, SwitchSpec};

pub use observe::observe;

/// How long the database may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a new port may take: the first bridge of a switch makes its datapath, which takes
/// seconds on a busy machine.
const PORT: Duration = Duration::from_secs(30);
/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a router may take to answer ARP or a solicitation: the kernel asks three times.
const NEIGHBOUR: Duration = Duration::from_secs(3);
/// Between two looks at the kernel's table.
const LOOK: Duration = Duration::from_millis(20);
/// Numbers of the uplink and of the host's port, as netd asks for them.
const UPLINK_NUMBER: u32 = 1;
const HOST_NUMBER: u32 = 2;
/// Below netd's own flows, which take over.
const PRIORITY: u16 = 10;

/// Why something of the host could not be read or changed.
#[derive(Debug, Error)]
#[error("{attempted}: {reason}")]
pub struct RealError {
    /// What was attempted.
    pub attempted: String,
    /// What came back.
    pub reason: String,
}

fn failed(attempted: impl Into<String>) -> impl FnOnce(&dyn std::fmt::Display) -> RealError {
    let attempted = attempted.into();
    move |reason| RealError {
        attempted,
        reason: reason.to_string(),
    }
}

/// The real host. Cheap to clone.
#[derive(Clone)]
pub struct Real {
    kernel: Kernel,
    database: Session,
    /// Started when the bridge is there: until then every attempt to connect fails, and the
    /// pauses between them grow.
    switch: Arc<OnceLock<Switch>>,
    switch_socket: PathBuf,
}

impl Real {
    /// Connects in the background. Must be called in a tokio runtime.
    pub fn start(kernel: Kernel, database: &Path, rundir: &Path, bridge: &str) -> Self {
        Self {
            kernel,
            database: Session::start(SessionConfig::new(database, rows::monitored())),
            switch: Arc::default(),
            switch_socket: rundir.join(format!("{bridge}.mgmt")),
        }
    }

    fn switch(&self) -> &Switch {
        self.switch
            .get_or_init(|| Switch::start(SwitchConfig::new(self.switch_socket.clone())))
    }

    /// Takes the uplink's ports out of the bridge by the database's server. Returns their names.
    ///
    /// # Errors
    /// [`RealError`].
    pub async fn release(&self, bridge: &str) -> Result<Vec<String>, RealError> {
        let attempted = || failed(format!("take the uplink out of {bridge}"));
        self.database
            .ready(TIMEOUT)
            .await
            .map_err(|e| attempted()(&e))?;
        let names = self.database.read(|r| rows::uplink_ports(r, bridge));
        for name in &names {
            self.delete_port(bridge, name).await?;
        }
        Ok(names)
    }

    async fn transact(
        &self,
        ops: &[flatnet_ovs::ovsdb::Op],
        what: String,
    ) -> Result<(), RealError> {
        if ops.is_empty() {
            return Ok(());
        }
        match self.database.transact(ops).await {
            Ok(_) => Ok(()),
            Err(e) => Err(failed(what)(&e)),
        }
    }

    async fn ready(&self) -> Result<(), RealError> {
        self.database
            .ready(TIMEOUT)
            .await
            .map_err(|e| failed("reach Open vSwitch's database")(&e))
    }

    async fn delete_port(&self, bridge: &str, name: &str) -> Result<(), RealError> {
        self.ready().await?;
        let ops = self.database.read(|r| rows::delete_port(r, bridge, name));
        self.transact(&ops, format!("take {name} out of {bridge}"))
            .await
    }

    async fn make_bridge(&self, s: &SwitchSpec) -> Result<(), RealError> {
        self.ready().await?;
        let (bridge, port) = self.database.read(|r| {
            (
                rows::has_bridge(r, &s.bridge),
                rows::has_port(r, &s.bridge, &s.host_port),
            )
        });
        let ops = match (bridge, port) {
            (false, _) => rows::create(s),
            (true, false) => rows::add_host_port(s),
            // Of an earlier plan, or of another NIC that was in this one's place.
            (true, true) => rows::set_host_port(s),
        };
        self.transact(&ops, format!("make {} with {}", s.bridge, s.host_port))
            .await?;
        self.switch()
            .wait_port(&PortSelector::Name(s.host_port.clone()), PORT)
            .await
            .map(drop)
            .map_err(|e| {
                failed(format!(
                    "wait for {} to be a port of the switch",
                    s.host_port
                ))(&e)
            })?;
        self.wait_mac(s).await
    }

    /// Waits until the host's port has its MAC: neighbours learn it from the first frame.
    async fn wait_mac(&self, s: &SwitchSpec) -> Result<(), RealError> {
        let Some(mac) = s.mac else { return Ok(()) };
        let what = || format!("wait for {} to have the MAC {mac}", s.host_port);
        let name = IfName::new(&s.host_port).map_err(|e| failed(what())(&e))?;
        let mut changes = self.kernel.watch();
        let has_it = async {
            loop {
                let link = self.kernel.link(&name).await;
                let link = link.map_err(|e| failed(what())(&e))?;
                if link.is_some_and(|l| l.mac == Some(mac)) || changes.next().await.is_none() {
                    return Ok(());
                }
            }
        };
        match tokio::time::timeout(PORT, has_it).await {
            Ok(ended) => ended,
            Err(_) => Err(failed(what())(&"Open vSwitch does not set it")),
        }
    }

    async fn unmake_bridge(&self, s: &SwitchSpec) -> Result<(), RealError> {
        self.ready().await?;
        if !s.bridge_exists {
            let ops = self.database.read(|r| rows::delete_bridge(r, &s.bridge));
            return self.transact(&ops, format!("delete {}", s.bridge)).await;
        }
        if !s.host_port_exists {
            self.delete_port(&s.bridge, &s.host_port).await?;
        }
        Ok(())
    }

    async fn take_nic(&self, s: &SwitchSpec) -> Result<(), RealError> {
        self.ready().await?;
        if !self.database.read(|r| rows::has_port(r, &s.bridge, &s.nic)) {
            let ops = rows::add_nic(s);
            self.transact(&ops, format!("add {} to {}", s.nic, s.bridge))
                .await?;
        }
        let there = PortSelector::Name(s.nic.clone());
        self.switch()
            .wait_port(&there, PORT)
            .await
            .map(drop)
            .map_err(|e| {
                let error = self.database.read(|r| rows::error(r, &s.nic));
                let what = format!("wait for {} to be a port of the switch", s.nic);
                match error {
                    Some(said) => failed(what)(&said),
                    None => failed(what)(&e),
                }
            })
    }

    async fn flows(&self, s: &SwitchSpec, add: bool) -> Result<(), RealError> {
        let mut batch = Batch::new();
        for flow in joining(s) {
            if add {
                batch.add(&flow);
            } else {
                batch.delete_strict(&flow.key());
            }
        }
        let what = format!("change the flows that join {} and {}", s.nic, s.host_port);
        if !add
            && self
                .switch()
                .connected(Duration::from_secs(1))
                .await
                .is_err()
        {
            // A switch that is away, or has no such bridge, has no flows.
            return Ok(());
        }
        match self.switch().send(batch).await {
            Ok(()) => Ok(()),
            Err(_) if !add => Ok(()),
            Err(e) => Err(failed(what)(&e)),
        }
    }

    async fn link(&self, name: &str) -> Result<Option<flatnet_kernel::Link>, RealError> {
        let Ok(name) = IfName::new(name) else {
            return Ok(None);
        };
        let link = self.kernel.link(&name).await;
        link.map_err(|e| failed(format!("read {name}"))(&e))
    }

    /// The entry on the host's port; `None` where there is no such port.
    async fn on_host_port(&self, j: &Journal, entry: &Entry) -> Result<Option<Entry>, RealError> {
        let from = j.source();
        Ok(self.link(&j.host_port).await?.map(|l| {
            let to = LinkId {
                name: l.name,
                ifindex: l.ifindex,
            };
            entry.moved(&from, &to)
        }))
    }

    async fn put(&self, entry: &Entry) -> Result<(), RealError> {
        let done = self.kernel.put_entry(entry).await;
        done.map(drop).map_err(|e| failed("restore")(&e))
    }

    async fn remove(&self, entry: &Entry) -> Result<(), RealError> {
        let done = self.kernel.remove_entry(entry).await;
        done.map(drop).map_err(|e| failed("take away")(&e))
    }

    async fn sysctl(&self, key: &str, value: &str) -> Result<(), RealError> {
        let what = || failed(format!("set net/{key} to {value}"));
        let name = SysctlKey::new(key).map_err(|e| what()(&e))?;
        match self.kernel.set_sysctl(&name, value).await {
            // Its interface is not there, or the kernel has no IPv6.
            Ok(_) | Err(SysctlError::Absent { .. }) => Ok(()),
            Err(e) => Err(what()(&e)),
        }
    }

    async fn step(&self, j: &Journal, step: &Step) -> Result<(), RealError> {
        match step {
            Step::StopClient { pid, argv } => programs::stop(*pid, argv).await,
            Step::Unmanage { file, text, reload } => programs::write(file, text, reload),
            Step::Tell { argv, .. } => programs::tell(argv),
            Step::Bridge(s) => self.make_bridge(s).await,
            Step::Flows(s) => self.flows(s, true).await,
            Step::HostUp(name) => self.up(name).await,
            Step::Sysctl { key, after, .. } => self.sysctl(key, after).await,
            Step::RestoreBefore(_) | Step::FreeNic(_) | Step::Regain { .. } => Ok(()),
            Step::Give(Item(entry)) => match self.on_host_port(j, entry).await? {
                Some(entry) => self.put(&entry).await,
                None => Err(failed(format!("give {} its {entry:?}", j.host_port))(
                    &"there is no such link",
                )),
            },
            Step::TakeNic(s) => self.take_nic(s).await,
            Step::Take(Item(entry)) => self.remove(entry).await,
            Step::DeleteLink { name, ifindex, .. } => self.delete_link(name, *ifindex).await,
            Step::RestoreAfter(items) => {
                for Item(entry) in items {
                    if let Some(entry) = self.on_host_port(j, entry).await? {
                        self.put(&entry).await?;
                    }
                }
                Ok(())
            }
            Step::StartClient { argv, pid_file } => programs::start(argv, pid_file),
        }
    }

    async fn back(&self, j: &Journal, step: &Step) -> Result<(), RealError> {
        match step {
            Step::StopClient { argv, .. } => programs::start_again(argv),
            Step::Regain { file, reload } => programs::remove(file, reload),
            Step::Tell { back, program, .. } => programs::tell_if_it_runs(back, program),
            Step::Bridge(s) => self.unmake_bridge(s).await,
            Step::Flows(s) => self.flows(s, false).await,
            // It goes with the port, or was up before.
            Step::HostUp(_) | Step::RestoreAfter(_) | Step::Unmanage { .. } => Ok(()),
            Step::Sysctl { key, before, .. } => match before {
                Some(before) => self.sysctl(key, before).await,
                None => Ok(()),
            },
            Step::RestoreBefore(items) => {
                for Item(entry) in items {
                    self.put(entry).await?;
                }
                Ok(())
            }
            Step::Give(Item(entry)) => match self.on_host_port(j, entry).await? {
                Some(entry) => self.remove(&entry).await,
                None => Ok(()),
            },
            Step::TakeNic(s) | Step::FreeNic(s) if s.nic_exists => Ok(()),
            Step::TakeNic(s) | Step::FreeNic(s) => self.delete_port(&s.bridge, &s.nic).await,
            Step::Take(Item(entry)) => self.put(entry).await,
            Step::DeleteLink {
                making, sysctls, ..
            } => {
                let made = self.kernel.make_link(making).await;
                made.map_err(|e| failed("make the sub-interface again")(&e))?;
                for (key, value) in sysctls {
                    self.sysctl(key, value).await?;
                }
                Ok(())
            }
            Step::StartClient { pid_file, .. } => programs::stop_by_file(pid_file).await,
        }
    }

    async fn up(&self, name: &str) -> Result<(), RealError> {
        let what = || failed(format!("set {name} up"));
        let name = IfName::new(name).map_err(|e| what()(&e))?;
        let change = LinkChange {
            up: Some(true),
            ..LinkChange::default()
        };
        let done = self.kernel.set_link(&name, &change).await;
        done.map(drop).map_err(|e| what()(&e))
    }

    async fn delete_link(&self, name: &str, ifindex: u32) -> Result<(), RealError> {
        let what = || failed(format!("delete {name}"));
        let name = IfName::new(name).map_err(|e| what()(&e))?;
        let done = self.kernel.delete_link(&name, Some(ifindex), TIMEOUT).await;
        done.map(drop).map_err(|e| what()(&e))
    }

    /// Whether a router answers on a link.
    ///
    /// # Errors
    /// [`RealError`].
    pub async fn gateway_answers(&self, link: &str, ip: IpAddr) -> Result<bool, RealError> {
        let what = || failed(format!("ask for {ip} on {link}"));
        let Some(link) = self.link(link).await? else {
            return Ok(false);
        };
        let asked = self.kernel.ask_neighbour(link.ifindex, ip).await;
        asked.map_err(|e| what()(&e))?;
        let end = since_boot() + NEIGHBOUR;
        while since_boot() < end {
            let all = self.kernel.neighbours(None).await.map_err(|e| what()(&e))?;
            let of = |n: &&flatnet_kernel::Neighbour| n.ifindex == link.ifindex && n.address == ip;
            if all
                .iter()
                .find(of)
                .is_some_and(|n| n.mac.is_some() && !n.failed)
            {
                return Ok(true);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(false)
    }
}

/// What joins the host's port and the uplink until netd's flows are there: nothing else passes.
fn joining(s: &SwitchSpec) -> [Flow; 2] {
    let flow = |m: Match| Flow::new(0, PRIORITY).matching(m).cookie(COOKIE_MARK);
    let (from_nic, from_host) = (
        Match::new().in_port(UPLINK_NUMBER),
        Match::new().in_port(HOST_NUMBER),
    );
    let (inwards, out) = (Action::output(HOST_NUMBER), Action::output(UPLINK_NUMBER));
    match s.tag {
        Some(vlan) => [
            flow(from_nic.vlan(vlan)).actions([Action::pop_vlan(), inwards]),
            flow(from_host).actions([Action::push_vlan(), Action::set_vlan(vlan), out]),
        ],
        None => [
            flow(from_nic.untagged()).actions([inwards]),
            flow(from_host).actions([out]),
        ],
    }
}

fn server_answers(at: &str) -> bool {
    at.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|a| TcpStream::connect_timeout(&a, CONNECT).is_ok())
    })
}

impl Host for Real {
    async fn apply(&self, journal: &Journal, step: &Step) -> Result<(), StepError> {
        tracing::debug!(%step, "taking a step");
        self.step(journal, step).await.map_err(|e| StepError {
            step: step.to_string(),
            reason: e.to_string(),
        })
    }

    async fn undo(&self, journal: &Journal, step: &Step) -> Result<(), StepError> {
        tracing::debug!(%step, "undoing a step");
        self.back(journal, step).await.map_err(|e| StepError {
            step: format!("undo: {step}"),
            reason: e.to_string(),
        })
    }

    async fn answers(&self, journal: &Journal, gate: &Gate) -> bool {
        match gate {
            Gate::Gateway(ip) => {
                let asked = self.gateway_answers(&journal.host_port, *ip).await;
                asked.unwrap_or_else(|e| {
                    tracing::debug!(error = %e, "a gate");
                    false
                })
            }
            Gate::Server(at) => {
                let at = at.clone();
                let asked = tokio::task::spawn_blocking(move || server_answers(&at)).await;
                asked.unwrap_or(false)
            }
        }
    }

    fn end(&self, pid: i32) {
        programs::kill(pid);
    }

    fn now(&self) -> Duration {
        since_boot()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
