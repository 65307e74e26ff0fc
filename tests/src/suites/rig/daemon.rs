//! A node's netd stopped, or run otherwise, for the time of a check.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_plan_source::COPY;

use super::{PATIENCE, wait};
use crate::supervise::{self, Unit, read_units, write_units};
use crate::{Lab, netd};

/// The file of another plan than the lab's, in the node's directory.
const OTHER_PLAN: &str = "other-plan.yaml";

/// A node's netd that is not as usual; dropping it makes it so again. After a kill, the next
/// `up` does.
#[derive(Debug)]
pub(in crate::suites) struct Changed<'l> {
    lab: &'l Lab,
    node: String,
    usual: Unit,
    done: bool,
}

impl<'l> Changed<'l> {
    /// Stops it: the supervisor no longer knows it. The data path goes on.
    pub(in crate::suites) fn stopped(lab: &'l Lab, node: &str) -> Result<Self> {
        let process = lab.netd_pid(node)?;
        let changed = Self::begin(lab, node, |units, at| {
            units.remove(at);
        })?;
        ensure!(process.wait_gone(PATIENCE), "netd of {node} does not stop");
        Ok(changed)
    }

    /// Runs it with another plan, and more arguments.
    pub(in crate::suites) fn with_plan(
        lab: &'l Lab,
        node: &str,
        change: impl FnOnce(&mut NetworkPlan),
        args: &[&str],
    ) -> Result<Self> {
        let mut plan = lab.plan().clone();
        change(&mut plan);
        let path = lab.member(node)?.paths.dir().join(OTHER_PLAN);
        std::fs::write(&path, flatnet_plan::to_yaml(&plan)?)?;
        let process = lab.netd_pid(node)?;
        let (usual, other) = (lab.layout().plan(), path.display().to_string());
        let changed = Self::begin(lab, node, |units, at| {
            let argv = &mut units[at].argv;
            for arg in argv.iter_mut().filter(|a| Path::new(a.as_str()) == usual) {
                arg.clone_from(&other);
            }
            netd::without_ipamd(argv);
            argv.extend(args.iter().map(|a| (*a).to_owned()));
        })?;
        ensure!(process.wait_gone(PATIENCE), "netd of {node} does not stop");
        lab.wait_ready(node, PATIENCE)?;
        Ok(changed)
    }

    /// Runs it with its plan from a Kubernetes cluster, and without what was accepted before. It may not be
    /// ready yet.
    pub(in crate::suites) fn from_cluster(
        lab: &'l Lab,
        node: &str,
        kubeconfig: &str,
    ) -> Result<Self> {
        let stopped = Self::stopped(lab, node)?;
        let copy = lab.member(node)?.paths.store().join(COPY);
        if copy.exists() {
            std::fs::remove_file(&copy)?;
        }
        let mut unit = stopped.usual.clone();
        netd::without_ipamd(&mut unit.argv);
        if let Some(at) = unit.argv.iter().position(|a| a == "--plan") {
            unit.argv.drain(at..(at + 2).min(unit.argv.len()));
        }
        let more = ["--plan-from-cluster", "--kubeconfig", kubeconfig];
        unit.argv.extend(more.map(str::to_owned));
        let path = lab.layout().units();
        let mut units = read_units(&path)?;
        units.push(unit);
        write_units(&path, &units)?;
        supervise::hang_up(lab.layout())?;
        Ok(stopped)
    }

    /// The file of that other plan.
    pub(in crate::suites) fn plan(&self) -> Result<std::path::PathBuf> {
        let dir = self.lab.member(&self.node)?.paths.dir().to_owned();
        Ok(dir.join(OTHER_PLAN))
    }

    /// Runs it with IPv4 ranges of four addresses, and more arguments.
    pub(in crate::suites) fn with_small_range(
        lab: &'l Lab,
        node: &str,
        args: &[&str],
    ) -> Result<Self> {
        let shrink = |plan: &mut NetworkPlan| {
            let hosts = plan.spec.hosts.iter_mut();
            for host in hosts.filter(|h| h.name.as_str() == node) {
                for range in host.ranges.iter_mut().filter(|r| r.prefix.is_ipv4()) {
                    if let Ok(prefix) = ipnetwork::IpNetwork::new(range.prefix.ip(), 30) {
                        range.prefix = prefix;
                    }
                }
            }
        };
        Self::with_plan(lab, node, shrink, args)
    }

    fn begin(lab: &'l Lab, node: &str, change: impl FnOnce(&mut Vec<Unit>, usize)) -> Result<Self> {
        let path = lab.layout().units();
        let name = netd::unit_name(node);
        let mut units = read_units(&path)?;
        let at = units.iter().position(|u| u.name == name);
        let at = at.with_context(|| format!("the supervisor does not know {name}"))?;
        let changed = Self {
            lab,
            node: node.to_owned(),
            usual: units[at].clone(),
            done: false,
        };
        change(&mut units, at);
        write_units(&path, &units)?;
        supervise::hang_up(lab.layout())?;
        Ok(changed)
    }

    /// Makes it as usual and waits until it is ready.
    pub(in crate::suites) fn back(mut self) -> Result<()> {
        self.restore()
    }

    fn restore(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        let path = self.lab.layout().units();
        let before = self.lab.netd_pid(&self.node).ok();
        let mut units = read_units(&path)?;
        units.retain(|u| u.name != self.usual.name);
        units.push(self.usual.clone());
        write_units(&path, &units)?;
        supervise::hang_up(self.lab.layout())?;
        wait("the usual netd", || {
            let now = self.lab.netd_pid(&self.node).ok();
            now.is_some() && now != before
        })?;
        self.lab.wait_ready(&self.node, PATIENCE)?;
        Ok(())
    }
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        // A check that failed has said why; the next `up` repairs the rest.
        let _ = self.restore();
    }
}
