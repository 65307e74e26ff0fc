//! The lab as tools and tests see it: nodes, their paths, and the things one does to them.

use std::net::IpAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flatnet_plan::{NetworkPlan, NodeSpec};
use flatnet_types::NetworkName;
use nix::sys::signal::Signal;

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::fabric::{self, End, Fabric, Role};
use crate::ovs::MacEntry;
use crate::paths::{Layout, MemberPaths, NODE_BRIDGE, namespace, netns_path};
use crate::process::{ProcessId, poll};
use crate::running::read_plan;
use crate::supervise::{self, Unit, read_units, write_units};
use crate::{netd, netns, ovs, run};

/// How long a daemon may take to be back.
const BACK: Duration = Duration::from_secs(15);

/// A lab that is up.
#[derive(Debug, Clone)]
pub struct Lab {
    layout: Layout,
    plan: NetworkPlan,
    datapath: Datapath,
    fabric: Fabric,
}

/// A namespace of the lab: a node, a switch or a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, `idc1`.
    pub name: String,
    /// Its namespace, `fn-idc1`.
    pub namespace: String,
    /// What it is.
    pub role: Role,
    /// The bridge of its Open vSwitch.
    pub bridge: Option<String>,
    /// Where its sockets, logs and state are.
    pub paths: MemberPaths,
}

/// A node: a member that runs netd. It is a [`Member`] by `Deref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What every member has.
    pub member: Member,
    /// What the node derives from the plan.
    pub spec: NodeSpec,
}

impl Deref for Node {
    type Target = Member;
    fn deref(&self) -> &Member {
        &self.member
    }
}

impl Member {
    /// The file that names its namespace.
    pub fn netns_path(&self) -> PathBuf {
        netns_path(&self.namespace)
    }

    /// A command that runs inside, where Open vSwitch's tools find the member's daemons.
    pub fn command(&self, program: &str) -> Command {
        let mut command = inside(&self.netns_path(), program);
        command.envs(ovs::environment(&self.paths));
        command
    }

    /// `ovs-vsctl` for the member's database.
    pub fn vsctl(&self) -> Command {
        ovs::vsctl(&self.paths)
    }

    /// `ovs-ofctl` for the member's bridges, in the version that netd speaks (OpenFlow 1.4).
    pub fn ofctl(&self) -> Command {
        let mut command = self.command("ovs-ofctl");
        command.args(["-O", "OpenFlow14"]);
        command
    }

    /// `ovs-appctl` for the member's ovs-vswitchd.
    pub fn appctl(&self) -> Command {
        ovs::appctl(&self.paths)
    }
}

impl Node {
    /// The node's networks and the CNI configuration of each.
    pub fn conflists(&self) -> Vec<(NetworkName, PathBuf)> {
        let networks = self.spec.networks.iter().enumerate();
        networks
            .map(|(i, n)| (n.name.clone(), self.paths.conflist(i, n.name.as_str())))
            .collect()
    }
}

impl Lab {
    /// The lab that is up.
    ///
    /// # Errors
    /// [`Error::NotUp`]; [`Error::Plan`] where its plan was damaged.
    pub fn open() -> Result<Self> {
        let layout = Layout::default();
        let plan = read_plan(&layout)?;
        let fabric = fabric::desired(&plan)?;
        Ok(Self {
            datapath: Datapath::of(&layout)?,
            layout,
            plan,
            fabric,
        })
    }

    /// The plan that it was opened with.
    pub fn plan(&self) -> &NetworkPlan {
        &self.plan
    }

    /// The datapath of its switches.
    pub fn datapath(&self) -> Datapath {
        self.datapath
    }

    /// Paths of the lab's state directory.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Every namespace that is a node, a switch or a router.
    pub fn members(&self) -> Vec<Member> {
        self.fabric
            .members
            .iter()
            .filter(|m| m.role != Role::Supervisor)
            .map(|m| Member {
                name: m.name.clone(),
                namespace: namespace(&m.name),
                role: m.role,
                bridge: match &m.switch {
                    Some(switch) => Some(switch.bridge.clone()),
                    None => m.role.is_node().then(|| NODE_BRIDGE.to_owned()),
                },
                paths: self.layout.member(&m.name),
            })
            .collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::UnknownMember`].
    pub fn member(&self, name: &str) -> Result<Member> {
        let members = self.members();
        let known: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
        let known = known.join(", ");
        members
            .into_iter()
            .find(|m| m.name == name)
            .ok_or_else(|| Error::UnknownMember {
                name: name.to_owned(),
                known,
            })
    }

    /// The nodes, in the plan's order.
    ///
    /// # Errors
    /// [`Error::Node`], which a plan that was loaded gives no cause to.
    pub fn nodes(&self) -> Result<Vec<Node>> {
        let hosts = self.plan.spec.hosts.iter();
        hosts.map(|h| self.node(h.name.as_str())).collect()
    }

    /// One node.
    ///
    /// # Errors
    /// [`Error::UnknownMember`].
    pub fn node(&self, name: &str) -> Result<Node> {
        let member = self.member(name)?;
        let unknown = || Error::UnknownMember {
            name: name.to_owned(),
            known: "no node of that name".to_owned(),
        };
        let node = name.parse().map_err(|_| unknown())?;
        let spec = flatnet_plan::node::derive(&self.plan, &node)?;
        Ok(Node { member, spec })
    }

    /// The other end of a member's cable: who has it, and the link's name there.
    ///
    /// # Errors
    /// [`Error::UnknownMember`].
    pub(crate) fn far_end(&self, member: &str, link: &str) -> Result<Option<(Member, String)>> {
        let is = |end: &End| end.member == member && end.link == link;
        let cables = self.fabric.cables.iter();
        let mut ways = cables.flat_map(|c| [(&c.a, &c.b), (&c.b, &c.a)]);
        let far = ways.find(|(near, _)| is(near)).map(|(_, far)| far);
        let there = far.map(|end| Ok((self.member(&end.member)?, end.link.clone())));
        there.transpose()
    }

    /// Who bears an address, and on which link.
    ///
    /// # Errors
    /// [`Error::UnknownMember`].
    pub(crate) fn bearer(&self, address: IpAddr) -> Result<Option<(Member, String)>> {
        let links = self.fabric.members.iter().flat_map(|member| {
            let links = member.links.iter();
            links.map(move |link| (member, link))
        });
        let mut bearing = links.filter(|(_, l)| l.addresses.iter().any(|a| a.ip() == address));
        let found = bearing.next();
        let there = found.map(|(member, link)| Ok((self.member(&member.name)?, link.name.clone())));
        there.transpose()
    }

    /// The top-of-rack switches.
    pub fn switches(&self) -> Vec<Member> {
        let mut members = self.members();
        members.retain(|m| m.role == Role::Switch);
        members
    }

    /// The process that is a node's netd now.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::NotRunning`].
    pub fn netd_pid(&self, node: &str) -> Result<ProcessId> {
        let member = self.member(node)?;
        running(&member, &member.paths.netd_pid())
            .ok_or_else(|| Error::NotRunning(format!("netd of {node}")))
    }

    /// Kills a node's netd (SIGKILL) and gives the process that it was; the supervisor
    /// starts another within 200 ms.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::NotRunning`].
    pub fn kill_netd(&self, node: &str) -> Result<ProcessId> {
        let netd = self.netd_pid(node)?;
        netd.signal(Signal::SIGKILL)?;
        netd.wait_gone(BACK);
        Ok(netd)
    }

    /// Waits until a node's netd is ready, and says how long that took.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::Timeout`], with the end of netd's log.
    pub fn wait_ready(&self, node: &str, timeout: Duration) -> Result<Duration> {
        netd::wait_ready(node, &self.member(node)?.paths, timeout)
    }

    /// Starts a node's netd anew with an environment beside its usual one: for points of
    /// failure. An empty one takes it back, and so does the next `up`.
    ///
    /// It does not wait for netd to be ready, which may be what the environment prevents.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::NotRunning`]; [`Error::Io`] for the list of units.
    pub fn set_netd_env(&self, node: &str, env: &[(&str, &str)]) -> Result<()> {
        let pair = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        self.change_netd(node, |unit| unit.env = env.iter().map(pair).collect())
    }

    /// The same with arguments behind its usual ones, such as `--rest 1`.
    ///
    /// # Errors
    /// As [`Lab::set_netd_env`].
    pub fn set_netd_args(&self, node: &str, args: &[&str]) -> Result<()> {
        let usual = netd::unit(&self.layout, node, self.datapath, String::new()).argv;
        let all = usual
            .into_iter()
            .chain(args.iter().map(|a| (*a).to_owned()));
        self.change_netd(node, |unit| unit.argv = all.collect())
    }

    /// Starts a node's netd anew as the build that fails where `orders` says so
    /// ([`netd::FAULTS`]); without a file, as the usual one.
    ///
    /// # Errors
    /// As [`Lab::set_netd_env`]; [`Error::Preconditions`] where that build is not there.
    pub fn set_netd_faults(&self, node: &str, orders: Option<&Path>) -> Result<()> {
        let program = self.layout.bin(netd::FAULTS);
        if orders.is_some() && !program.is_file() {
            return Err(Error::Preconditions(vec![format!(
                "there is no {}: `cargo xtask test` builds it, and so does `cargo build \
                 --package flatnet-netd --features faults --bin {}` beside flatnet-lab",
                program.display(),
                netd::FAULTS
            )]));
        }
        let mut argv = netd::unit(&self.layout, node, self.datapath, String::new()).argv;
        let env = orders.map(|file| {
            argv[0] = program.display().to_string();
            (netd::FAULTS_FILE.to_owned(), file.display().to_string())
        });
        self.change_netd(node, |unit| {
            unit.argv = argv;
            unit.env = env.into_iter().collect();
        })
    }

    /// The same with another plan: what a node becomes while its neighbours and the fabric
    /// stay as they are.
    ///
    /// # Errors
    /// As [`Lab::set_netd_env`].
    pub fn set_netd_plan(&self, node: &str, plan: &Path) -> Result<()> {
        let mut argv = netd::unit(&self.layout, node, self.datapath, String::new()).argv;
        let value = argv.iter().position(|a| a == "--plan").map(|at| at + 1);
        if let Some(value) = value.and_then(|at| argv.get_mut(at)) {
            *value = plan.display().to_string();
        }
        netd::without_ipamd(&mut argv);
        self.change_netd(node, |unit| unit.argv = argv)
    }

    fn change_netd(&self, node: &str, change: impl FnOnce(&mut Unit)) -> Result<()> {
        self.member(node)?;
        let path = self.layout.units();
        let name = netd::unit_name(node);
        let mut units = read_units(&path)?;
        let unit = units
            .iter_mut()
            .find(|u| u.name == name)
            .ok_or_else(|| Error::NotRunning(format!("netd of {node}")))?;
        change(unit);
        let before = self.netd_pid(node).ok();
        if write_units(&path, &units)? {
            supervise::hang_up(&self.layout)?;
            if let Some(before) = before {
                before.wait_gone(BACK);
            }
        }
        Ok(())
    }

    /// Restarts a member's Open vSwitch in good order, and waits until it answers.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::NotRunning`]; [`Error::Timeout`].
    pub fn restart_ovs(&self, member: &str) -> Result<()> {
        self.end_ovs(member, Signal::SIGTERM)
    }

    /// The same, by SIGKILL.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::NotRunning`]; [`Error::Timeout`].
    pub fn kill_ovs(&self, member: &str) -> Result<()> {
        self.end_ovs(member, Signal::SIGKILL)
    }

    fn end_ovs(&self, name: &str, signal: Signal) -> Result<()> {
        let member = self.member(name)?;
        let files = [member.paths.vswitchd_pid(), member.paths.ovsdb_pid()];
        let mut before = Vec::new();
        for file in &files {
            let process = running(&member, file)
                .ok_or_else(|| Error::NotRunning(file.display().to_string()))?;
            process.signal(signal)?;
            before.push(process);
        }
        let back = || {
            let new = |(file, old): (&PathBuf, &ProcessId)| {
                running(&member, file).is_some_and(|p| p != *old)
            };
            let all = files.iter().zip(&before).all(new) && ovs::answers(&member.paths);
            all.then_some(())
        };
        poll(BACK, back).ok_or_else(|| Error::Timeout {
            what: format!("Open vSwitch of {name} after a restart"),
            after: BACK,
            hint: format!("see {}/*.log", member.paths.dir().display()),
        })
    }

    /// Waits until the Open vSwitch of each of these members treats and has counted every
    /// packet by the flows that it has now.
    ///
    /// A switch that has answered a barrier may handle packets by the old flows until its
    /// datapath was gone through, and counters, ages and learned MACs follow the packets by up
    /// to half a second.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::Command`].
    pub fn settle_switches(&self, members: &[&str]) -> Result<()> {
        let members = members
            .iter()
            .map(|m| self.member(m))
            .collect::<Result<Vec<_>>>()?;
        let settle = |member: &Member| {
            // The first may be the end of a round that was under way.
            (0..2).try_for_each(|_| run::output(member.appctl().arg("revalidator/wait")).map(drop))
        };
        std::thread::scope(|scope| {
            let waits: Vec<_> = members
                .iter()
                .map(|member| scope.spawn(move || settle(member)))
                .collect();
            waits.into_iter().try_for_each(|w| {
                w.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })
    }

    /// The MAC table of a switch, with what the packets before this taught it.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::Command`].
    pub fn mac_table(&self, switch: &str) -> Result<Vec<MacEntry>> {
        self.settle_switches(&[switch])?;
        let member = self.member(switch)?;
        ovs::mac_table(&member.paths, bridge(&member)?)
    }

    /// Empties the MAC tables of all switches. What packets before this would have taught
    /// them later is not learned any more.
    ///
    /// # Errors
    /// [`Error::UnknownMember`]; [`Error::Command`].
    pub fn flush_mac_tables(&self) -> Result<()> {
        let switches = self.switches();
        let names: Vec<&str> = switches.iter().map(|s| s.name.as_str()).collect();
        self.settle_switches(&names)?;
        for switch in &switches {
            run::output(switch.appctl().args(["fdb/flush", bridge(switch)?]))?;
        }
        Ok(())
    }
}

fn bridge(member: &Member) -> Result<&str> {
    let none = || Error::NotRunning(format!("Open vSwitch of {}", member.name));
    member.bridge.as_deref().ok_or_else(none)
}

/// The process of a PID file, if it lives and is where it belongs.
pub(crate) fn running(member: &Member, pid_file: &Path) -> Option<ProcessId> {
    ProcessId::from_file(pid_file).filter(|p| netns::contains(&member.namespace, *p))
}

/// A command that runs inside a namespace.
pub(crate) fn inside(netns: &Path, program: &str) -> Command {
    let mut command = run::command("nsenter");
    command
        .arg(format!("--net={}", netns.display()))
        .arg("--")
        .arg(program);
    command
}
