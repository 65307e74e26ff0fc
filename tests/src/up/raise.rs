//! The steps of raising a lab: each looks first, and does what lacks.
//!
//! ```text
//!   files ─▶ namespaces, cables ─▶ daemons under the supervisor ─▶ switches
//!     ─▶ addresses on their ports ─▶ every netd ready ─▶ the cloud's route tables filled
//! ```

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use flatnet_plan::NetworkPlan;
use nix::sys::signal::Signal;

use super::{DAEMONS, PROGRAMS, UpOptions};
use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::fabric::{self, Fabric, Role};
use crate::paths::{EDGE, Layout, VPC_ROUTER, namespace, netns_path};
use crate::process::{ProcessId, poll};
use crate::progress::Progress;
use crate::running::build_of;
use crate::supervise::{self, Unit};
use crate::{cloud, edge, files, ipamd, netd, netns, ovs, run};

/// Where Debian and others keep CNI's reference plugins.
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Makes everything that the plan asks for and that is not there; says what that was.
pub(crate) fn raise(
    layout: Layout,
    plan: NetworkPlan,
    options: &UpOptions,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let raise = Raise {
        fabric: fabric::desired(&plan)?,
        datapath: Datapath::of(&layout)?,
        layout,
        plan,
        options,
        progress,
        repaired: Mutex::default(),
        fresh: Mutex::default(),
        laid: Mutex::default(),
    };
    raise.run()?;
    Ok(raise.repaired.into_inner().unwrap_or_default())
}

struct Raise<'o> {
    layout: Layout,
    plan: NetworkPlan,
    datapath: Datapath,
    fabric: Fabric,
    options: &'o UpOptions,
    progress: &'o dyn Progress,
    repaired: Mutex<Vec<String>>,
    /// Members whose namespaces this `up` made.
    fresh: Mutex<Vec<String>>,
    /// The ends of the cables that it laid.
    laid: Mutex<Vec<fabric::End>>,
}

impl Raise<'_> {
    fn run(&self) -> Result<()> {
        self.progress.step("namespaces, cables, addresses, routes");
        self.files()?;
        self.fabric_ops()?;
        if self.datapath == Datapath::User {
            fabric::apply::offloads_off(&self.fabric)?;
        }
        self.progress
            .step("Open vSwitch, ipamd, netd and vpc-route under a supervisor");
        let units = self.units();
        self.supervisor(&units)?;
        self.progress.step("switches and the edge router");
        self.switches()?;
        self.fabric_ops()?;
        if self.options.netd {
            self.progress.step("every netd ready");
            run::each(&self.nodes(), |node| {
                netd::wait_ready(node, &self.layout.member(node), DAEMONS).map(drop)
            })?;
        }
        if self.has_cloud() {
            self.progress.step("the route tables, filled by vpc-route");
            cloud::wait_converged(&self.layout, self.progress)?;
        }
        Ok(())
    }

    /// Whether there is a VPC, and daemons to run it.
    fn has_cloud(&self) -> bool {
        self.options.netd && self.fabric.member(VPC_ROUTER).is_some()
    }

    /// Whether the edge router runs FRR; else vpc-route writes to its kernel.
    fn has_frr(&self) -> bool {
        self.has_cloud() && self.fabric.member(EDGE).is_some() && edge::has_frr()
    }

    fn nodes(&self) -> Vec<&str> {
        let nodes = self.fabric.members.iter().filter(|m| m.role.is_node());
        nodes.map(|m| m.name.as_str()).collect()
    }

    fn repaired(&self, what: String) {
        if let Ok(mut repaired) = self.repaired.lock() {
            repaired.push(what);
        }
    }

    /// The state directory. The plan goes first: a lab without one is not there.
    fn files(&self) -> Result<()> {
        let layout = &self.layout;
        files::make_dir(&layout.bin_dir())?;
        let yaml = flatnet_plan::to_yaml(&self.plan).map_err(|e| Error::Yaml(e.to_string()))?;
        if !layout.plan().exists() {
            files::write_if_changed(&layout.plan(), yaml.as_bytes())?;
        }
        if self.has_cloud() {
            cloud::write_world(&self.plan, layout)?;
            cloud::write_config(&self.plan, layout)?;
        }
        if self.has_frr() {
            edge::files(layout)?;
        } else if self.has_cloud() {
            self.progress
                .note("no FRR (`apt-get install frr`): the edge router is its kernel alone");
        }
        // The last two are for suites, and for whoever looks around: they may be absent.
        for name in PROGRAMS.into_iter().chain([netd::FAULTS, "flatctl"]) {
            let from = self.options.bin_dir.join(name);
            if from.is_file() && files::copy_if_changed(&from, &layout.bin(name))? {
                self.repaired(format!("bin/{name} is of a newer build"));
            }
        }
        self.link_plugins();
        if self.options.netd {
            files::make_dir(&layout.member(ipamd::NAME).store())?;
        }
        run::each(&self.fabric.members, |member| {
            let paths = layout.member(&member.name);
            if member.role.has_ovs() {
                files::make_dir(&paths.ovs_dir())?;
                ovs::create_database(&member.name, &paths)?;
            }
            if member.role.is_node() {
                files::make_dir(&paths.store())?;
                files::make_dir(&paths.spool())?;
                let name = member.name.parse().map_err(|e| {
                    Error::Unsupported(format!("the node's name {:?}: {e}", member.name))
                })?;
                netd::write_conflists(&flatnet_plan::node::derive(&self.plan, &name)?, &paths)?;
            }
            Ok(())
        })
    }

    /// Makes `bin/` serve as `CNI_PATH`: chains need the reference plugins. A machine
    /// without them has a lab all the same.
    fn link_plugins(&self) {
        for entry in PLUGINS
            .iter()
            .filter_map(|d| fs::read_dir(d).ok())
            .flatten()
        {
            let Ok(entry) = entry else { continue };
            let to = self.layout.bin_dir().join(entry.file_name());
            if !to.exists() {
                let _ = std::os::unix::fs::symlink(entry.path(), to);
            }
        }
    }

    fn fabric_ops(&self) -> Result<()> {
        let ops = fabric::plan(&self.fabric, &fabric::observe(&self.fabric)?);
        for what in fabric::tell(&ops) {
            self.repaired(what);
        }
        if let Ok(mut fresh) = self.fresh.lock() {
            fresh.extend(ops.iter().filter_map(|op| match op {
                fabric::Op::Namespace { member } => Some(member.clone()),
                _ => None,
            }));
        }
        if let Ok(mut laid) = self.laid.lock() {
            laid.extend(ops.iter().flat_map(|op| match op {
                fabric::Op::Cable(cable) => vec![cable.a.clone(), cable.b.clone()],
                _ => Vec::new(),
            }));
        }
        fabric::apply::apply(&self.fabric, &ops)
    }

    fn units(&self) -> Vec<Unit> {
        let lab = self.layout.bin("flatnet-lab").display().to_string();
        let build = build_of(&self.layout.bin("netd"));
        let mut units = Vec::new();
        if self.options.netd {
            let build = build_of(&self.layout.bin(ipamd::NAME));
            units.push(ipamd::unit(&self.layout, build));
        }
        for member in &self.fabric.members {
            let paths = self.layout.member(&member.name);
            if member.role.has_ovs() {
                let repair = match member.role {
                    Role::Edge => vec![lab.clone(), "repair".into(), member.name.clone()],
                    _ => Vec::new(),
                };
                units.extend(ovs::units(member, &paths, repair));
            }
            if member.role == Role::Edge && self.has_frr() {
                units.extend(edge::units(&self.layout));
            }
            if member.role == Role::VpcRouter && self.has_cloud() {
                units.extend(cloud::units(&self.layout));
            }
            if member.role.is_node() && self.options.netd {
                let (layout, name) = (&self.layout, &member.name);
                units.push(netd::unit(layout, name, self.datapath, build.clone()));
            }
        }
        units
    }

    fn supervisor(&self, units: &[Unit]) -> Result<()> {
        let changed = supervise::write_units(&self.layout.units(), units)?;
        if supervise::is_running(&self.layout) {
            self.strays()?;
            if changed {
                self.repaired("the supervisor has a new list of daemons".into());
                supervise::hang_up(&self.layout)?;
            }
            return Ok(());
        }
        self.repaired("the supervisor".into());
        supervise::begin(&self.layout)
    }

    /// A daemon may be in a namespace that lost its name, for one that was made anew. Only
    /// the supervisor's own children are ended, and it starts them where they belong.
    fn strays(&self) -> Result<()> {
        let Some(supervisor) = ProcessId::from_file(&self.layout.supervisor_pid()) else {
            return Ok(());
        };
        for member in &self.fabric.members {
            let paths = self.layout.member(&member.name);
            let files = match member.role {
                Role::VpcRouter => cloud::unit_names()
                    .map(|name| cloud::pid_file(&self.layout, name))
                    .to_vec(),
                Role::Edge => [paths.vswitchd_pid(), paths.ovsdb_pid()]
                    .into_iter()
                    .chain(edge::pid_files(&self.layout))
                    .collect(),
                _ => vec![paths.netd_pid(), paths.vswitchd_pid(), paths.ovsdb_pid()],
            };
            for file in files {
                if let Some(process) = ProcessId::from_file(&file)
                    && process.is_child_of(supervisor)
                    && !netns::contains(&namespace(&member.name), process)
                {
                    self.repaired(format!("{} was in a lost namespace", file.display()));
                    process.signal(Signal::SIGKILL)?;
                    process.wait_gone(Duration::from_secs(2));
                }
            }
        }
        // It has entered the edge router's namespace for good.
        let edge = |fresh: &Vec<String>| fresh.iter().any(|m| m == EDGE);
        let controller = cloud::pid_file(&self.layout, cloud::VPC_ROUTE);
        if self.fresh.lock().is_ok_and(|fresh| edge(&fresh))
            && let Some(process) = ProcessId::from_file(&controller)
        {
            process.signal(Signal::SIGTERM)?;
        }
        Ok(())
    }

    fn switches(&self) -> Result<()> {
        run::each(&self.fabric.members, |member| {
            let paths = self.layout.member(&member.name);
            if member.role.has_ovs() {
                ovs::wait_answers(&paths, DAEMONS)?;
            }
            let Some(switch) = &member.switch else {
                return Ok(());
            };
            let laid = self.laid.lock().map(|l| l.clone()).unwrap_or_default();
            let anew = laid.iter().filter(|end| end.member == member.name);
            ovs::forget(&paths, switch, anew.map(|end| end.link.as_str()))?;
            for port in ovs::configure(&paths, switch, self.datapath)? {
                self.repaired(format!("{}: port {port}", member.name));
            }
            wait_internal(&self.fabric, &member.name, switch.internal.keys())
        })
    }
}

/// Open vSwitch makes its interfaces a little after it says that it did.
pub(super) fn wait_internal<'n>(
    fabric: &Fabric,
    member: &str,
    ports: impl Iterator<Item = &'n String>,
) -> Result<()> {
    let Some(member) = fabric.member(member) else {
        return Ok(());
    };
    let ports: Vec<&String> = ports.collect();
    netns::enter(&netns_path(&namespace(&member.name)), || {
        let there = |p: &&String| nix::net::if_::if_nametoindex(p.as_str()).is_ok();
        poll(DAEMONS, || ports.iter().all(there).then_some(()))
    })?
    .ok_or_else(|| Error::Timeout {
        what: format!("the interfaces {ports:?} of {}", member.name),
        after: DAEMONS,
        hint: "see its vswitchd.log".into(),
    })
}
