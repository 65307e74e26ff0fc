//! A node that things are broken on, and its picture while all was well.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lab::running;
use crate::paths::NODE_BRIDGE;
use crate::process::poll;
use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf};
use crate::{Lab, Node, ProcessId, netd, ovs, run};

/// The interface of a container.
const IFNAME: &str = "eth0";
/// The host's end in the bridge.
pub(super) const HOST_PORT: &str = "flat0";
/// netd's flows bear this in the upper 16 bits of their cookies.
const OUR_COOKIE: &str = "cookie=0x464e";
/// netd's route protocol.
const PROTOCOL: &str = "94";
/// How long the node may take to be whole and ready again after a fault was undone: a sweep,
/// and a restart of everything.
const RECOVERY: Duration = Duration::from_secs(90);

/// A node, a container on it, and what was there while all was well.
pub(crate) struct Ground<'l> {
    pub(super) lab: &'l Lab,
    pub(crate) node: Node,
    pod: Pod,
    pub(super) before: Picture,
}

/// What of a node other programs may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) flows: BTreeSet<String>,
    pub(super) ports: BTreeSet<String>,
    pub(super) addresses: BTreeSet<String>,
    pub(super) routes: BTreeSet<String>,
    /// What netd names of the machine itself, such as a kernel that lacks something.
    problems: BTreeSet<String>,
}

/// The container; detached when dropped.
struct Pod {
    cni: Cni,
    conf: RuntimeConf,
    added: Added,
    netns: ContainerNs,
}

impl Drop for Pod {
    fn drop(&mut self) {
        // A run that fails has said why; the next one begins with a DEL.
        let _ = self.cni.del(&self.conf, Some(&self.added.raw));
    }
}

impl<'l> Ground<'l> {
    /// Attaches a container to the node's first network, and takes the picture.
    ///
    /// # Errors
    /// If the node does not become ready, or ADD fails.
    pub(crate) fn prepare(lab: &'l Lab, node: &str) -> Result<Self> {
        lab.wait_ready(node, RECOVERY)?;
        let node = lab.node(node)?;
        let (_, conflist) = node.conflists().into_iter().next().context("a network")?;
        let id = format!("break-{}", node.name);
        let netns = ContainerNs::create(&id)?;
        let cni = Cni::new(Conflist::read(&conflist)?, &[&lab.layout().bin_dir()])
            .on_node(&node.netns_path());
        let conf = RuntimeConf::new(&id, netns.path(), IFNAME);
        cni.del(&conf, None).context("DEL before ADD")?;
        let added = cni.add(&conf).context("ADD")?;
        let mut ground = Self {
            lab,
            pod: Pod {
                cni,
                conf,
                added,
                netns,
            },
            before: Picture::default(),
            node,
        };
        ground.before = Picture {
            flows: ground.flows()?,
            ports: ground.ports()?,
            addresses: ground.addresses()?,
            routes: ground.routes()?,
            problems: ground.problems(),
        };
        Ok(ground)
    }

    /// netd's flows, without counters and ages.
    pub(super) fn flows(&self) -> Result<BTreeSet<String>> {
        Ok(self.all_flows()?.0)
    }

    /// netd's flows, and whether somebody else's forwards by NORMAL. netd's own floods the
    /// announcements of gateways by it.
    pub(super) fn all_flows(&self) -> Result<(BTreeSet<String>, bool)> {
        let text = self.ofctl(&["--no-stats", "dump-flows", NODE_BRIDGE])?;
        let (ours, foreign): (Vec<&str>, Vec<&str>) = text
            .lines()
            .map(str::trim)
            .partition(|line| line.starts_with(OUR_COOKIE));
        let normal = foreign.iter().any(|line| line.contains("NORMAL"));
        Ok((ours.into_iter().map(str::to_owned).collect(), normal))
    }

    /// Whether there are as many flows as before at least. On a node with hundreds of containers
    /// a list of all of them costs the switch, which is to be repaired meanwhile, as much as that.
    pub(super) fn has_as_many_flows(&self) -> Result<bool> {
        let text = self.ofctl(&["dump-aggregate", NODE_BRIDGE])?;
        let mut words = text.split_whitespace();
        let count = words.find_map(|word| word.strip_prefix("flow_count="));
        let count: usize = count.context("no flow_count")?.parse()?;
        Ok(count >= self.before.flows.len())
    }

    /// The bridge's ports.
    pub(super) fn ports(&self) -> Result<BTreeSet<String>> {
        Ok(ovs::ports(&self.node.paths, NODE_BRIDGE)?.unwrap_or_default())
    }

    /// The host port's addresses with their lengths, without link-local ones.
    pub(super) fn addresses(&self) -> Result<BTreeSet<String>> {
        let text = self.tool("ip", &["-o", "address", "show", "dev", HOST_PORT])?;
        let words = text.lines().filter_map(|line| {
            let mut words = line
                .split_whitespace()
                .skip_while(|w| !w.starts_with("inet"));
            words.next()?;
            words.next().map(str::to_owned)
        });
        Ok(words
            .filter(|address| !address.starts_with("fe80:"))
            .collect())
    }

    /// netd's routes of both families, without what ages.
    pub(super) fn routes(&self) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        for family in ["-4", "-6"] {
            let text = self.tool(
                "ip",
                &[family, "route", "show", "table", "all", "proto", PROTOCOL],
            )?;
            all.extend(text.lines().map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                words.join(" ")
            }));
        }
        Ok(all)
    }

    /// A command in the node's namespace, which is to succeed.
    pub(super) fn tool(&self, program: &str, args: &[&str]) -> Result<String> {
        Ok(run::output(self.node.command(program).args(args))?)
    }

    /// `ovs-vsctl`, which does not wait for the switch: it may be what is away.
    pub(super) fn vsctl(&self, args: &[&str]) -> Result<String> {
        let mut command = self.node.vsctl();
        Ok(run::output(command.arg("--no-wait").args(args))?)
    }

    pub(super) fn ofctl(&self, args: &[&str]) -> Result<String> {
        Ok(run::output(self.node.ofctl().args(args))?)
    }

    /// The container's port of the bridge.
    pub(super) fn pod_port(&self) -> Result<String> {
        let inside = self.pod.added.raw["interfaces"].as_array();
        let names = inside
            .into_iter()
            .flatten()
            .filter_map(|i| i["name"].as_str());
        let mut host = names.filter(|name| name.starts_with("fn"));
        Ok(host
            .next()
            .context("ADD named no host's interface")?
            .to_owned())
    }

    /// The container reaches its gateway.
    pub(super) fn pod_passes(&self) -> Result<bool> {
        let gateway = self.pod.added.raw["ips"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|ip| ip["gateway"].as_str().filter(|g| g.contains('.')));
        let gateway = gateway.context("ADD named no gateway")?;
        let mut ping = Command::new("ping");
        ping.args(["-n", "-q", "-c", "1", "-W", "1", gateway]);
        Ok(self.pod.netns.run(&mut ping)?.status.success())
    }

    /// What the container and the datapath know of the way to the gateway, for whoever has to find
    /// out afterwards why nothing passed although every flow was there.
    fn neighbours_and_flows(&self) -> String {
        let neighbours = self
            .pod
            .netns
            .run(Command::new("ip").args(["-s", "neighbour", "show"]))
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
        let mut datapath = self.node.command("ovs-appctl");
        datapath
            .arg("-t")
            .arg(self.node.paths.vswitchd_ctl())
            .args(["dpctl/dump-flows", "-m"]);
        let port = self.pod_port().unwrap_or_default();
        let flows = run::output(&mut datapath).map(|text| {
            let of_pod = text.lines().filter(|line| line.contains(&port));
            of_pod.collect::<Vec<_>>().join("\n")
        });
        let text = |what: Result<String, String>| what.unwrap_or_else(|error| error);
        format!(
            "its neighbours: {}\nthe datapath's flows of {port}: {}",
            text(neighbours.map_err(|e| e.to_string())).trim(),
            text(flows.map_err(|e| e.to_string()))
        )
    }

    /// Sends a signal to one of the node's daemons.
    pub(super) fn signal(&self, daemon: Daemon, signal: Signal) -> Result<ProcessId> {
        let process = self.process(daemon);
        let process = process.with_context(|| format!("{daemon:?} does not run"))?;
        process.signal(signal)?;
        Ok(process)
    }

    pub(super) fn process(&self, daemon: Daemon) -> Option<ProcessId> {
        let paths = &self.node.paths;
        let file = match daemon {
            Daemon::Database => paths.ovsdb_pid(),
            Daemon::Switch => paths.vswitchd_pid(),
        };
        running(&self.node, &file)
    }

    /// Kills a daemon and waits until its successor is there and Open vSwitch answers.
    pub(super) fn kill_and_wait(&self, daemon: Daemon) -> Result<()> {
        let old = self.signal(daemon, Signal::SIGKILL)?;
        let back = || {
            let anew = self.process(daemon).is_some_and(|now| now != old);
            (anew && ovs::answers(&self.node.paths)).then_some(())
        };
        poll(RECOVERY, back).with_context(|| format!("{daemon:?} is not back"))
    }

    /// Whether netd says that it is ready.
    pub(crate) fn ready(&self) -> bool {
        let answer = netd::get(&self.node.paths.netd_sock(), "/readyz");
        answer.is_ok_and(|(status, _)| status == 200)
    }

    /// The codes of the problems that netd names and did not name while all was well, or their
    /// texts where they have no codes.
    pub(crate) fn problems(&self) -> BTreeSet<String> {
        let Ok((200, body)) = netd::get(&self.node.paths.netd_sock(), "/v1/node") else {
            return BTreeSet::new();
        };
        let Ok(view) = serde_json::from_str::<Value>(&body) else {
            return BTreeSet::new();
        };
        let list = view["problems"].as_array().into_iter().flatten();
        let codes = list.map(
            |problem| match (problem["code"].as_str(), problem.as_str()) {
                (Some(code), _) => code.to_owned(),
                (None, Some(text)) => text.to_owned(),
                (None, None) => problem.to_string(),
            },
        );
        codes
            .filter(|code| !self.before.problems.contains(code))
            .collect()
    }

    /// Waits until the node is as it was in the picture and netd is content; where it does not
    /// get there by itself, netd is started anew. Gives whether that was needed.
    ///
    /// # Errors
    /// If that does not help either: what comes after would be measured on a broken node.
    pub(crate) fn recover(&self) -> Result<bool> {
        // With the sweep switched off, what was not repaired by then never is.
        const BY_ITSELF: Duration = Duration::from_secs(8);
        let begun = Instant::now();
        if self.wait_whole(BY_ITSELF).is_ok() {
            return Ok(false);
        }
        self.lab.kill_netd(&self.node.name)?;
        self.lab.wait_ready(&self.node.name, RECOVERY)?;
        let whole = self.wait_whole(RECOVERY).map(|()| true);
        whole.with_context(|| {
            let since = begun.elapsed();
            format!(
                "{} is not whole {since:?} after the fault; {}",
                self.node.name,
                self.neighbours_and_flows()
            )
        })
    }

    /// Waits until everything is as in the picture, and netd content.
    ///
    /// # Errors
    /// What was not so at last.
    pub(crate) fn wait_whole(&self, limit: Duration) -> Result<()> {
        let mut last = Ok(());
        let whole = poll(limit, || {
            last = self.content();
            last.is_ok().then_some(())
        });
        whole.map_or(last, |()| Ok(()))
    }

    /// The node's first NIC.
    ///
    /// # Errors
    /// If the plan does not know the node.
    pub(crate) fn uplink(&self) -> Result<String> {
        let host = self.lab.plan().host(&self.node.spec.node);
        let uplink = &host.context("the plan has no such host")?.uplink;
        let first = uplink.nics.first().map(|nic| &nic.interface);
        Ok(first.unwrap_or(&uplink.interface).as_str().to_owned())
    }

    /// That everything is as in the picture, and netd content.
    fn content(&self) -> Result<()> {
        ensure!(self.ready(), "netd of {} is not ready", self.node.name);
        let problems = self.problems();
        ensure!(problems.is_empty(), "netd names {problems:?}");
        let missing: Vec<String> = self
            .before
            .flows
            .difference(&self.flows()?)
            .cloned()
            .collect();
        ensure!(missing.is_empty(), "flows are missing: {missing:?}");
        ensure!(self.ports()? == self.before.ports, "the ports differ");
        ensure!(
            self.addresses()? == self.before.addresses,
            "the addresses differ"
        );
        ensure!(self.routes()? == self.before.routes, "the routes differ");
        ensure!(
            self.pod_passes()?,
            "the container does not reach its gateway"
        );
        Ok(())
    }
}

/// A process of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    /// ovsdb-server.
    Database,
    /// ovs-vswitchd.
    Switch,
}
