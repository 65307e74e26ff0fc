//! The daemons of the lab as they go over to another plan, and `flatctl` as a person asks it.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_plan_source::Version;
use flatnet_types::api::view::{NodeView, ProblemView};
use flatnet_types::ipamd::{LeaseState, Listing};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::verdict::{Diff, Step};
use crate::cloud::{socket, wait_converged};
use crate::suites::kit::{eventually, nat};
use crate::{LabGuard, Node, Silent, netd, run};

/// How long daemons may take to follow a plan; a range that shrinks rests before the smaller one
/// is given.
const FOLLOWED: Duration = Duration::from_secs(60);

/// What `flatctl` ends with where something is wrong.
const FOUND: i32 = 1;

/// The daemons of every node, ipamd and vpc-route.
pub(super) struct Daemons<'l> {
    lab: &'l LabGuard,
    nodes: Vec<Node>,
}

impl<'l> Daemons<'l> {
    pub(super) fn new(lab: &'l LabGuard) -> Result<Self> {
        let nodes = lab.nodes()?;
        Ok(Self { lab, nodes })
    }

    /// What `flatctl plan diff -o json` prints.
    pub(super) fn diff(&self, old: &NetworkPlan, new: &NetworkPlan) -> Result<Diff> {
        let write = |name: &str, plan: &NetworkPlan| -> Result<String> {
            let path = self.lab.layout().root().join(name);
            std::fs::write(&path, flatnet_plan::to_yaml(plan)?)?;
            Ok(path.display().to_string())
        };
        let (old, new) = (write("live-old.yaml", old)?, write("live-new.yaml", new)?);
        let out = self.flatctl(&["plan", "diff", &old, &new, "-o", "json"])?;
        let words = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "flatctl plan diff: {words}");
        serde_json::from_slice(&out.stdout).context("what flatctl plan diff prints")
    }

    fn flatctl(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(self.lab.layout().bin("flatctl"));
        let ipamd = format!("unix:{}", self.lab.layout().ipamd_sock().display());
        command.args(args).env("FLATNET_IPAMD", ipamd);
        command.output().context("flatctl")
    }

    /// Writes the plan's file, which all daemons follow; a netd that names something that is not
    /// live is started anew, as it asks for.
    pub(super) fn take_over(&self, plan: &NetworkPlan) -> Result<()> {
        let text = flatnet_plan::to_yaml(plan)?;
        flatnet_plan::load(&text).context("the suite's own plan")?;
        let path = self.lab.layout().plan();
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, &text)?;
        std::fs::rename(fresh, path)?;
        let accepted = format!("flatnet_plan_info{{version=\"{}\"}} 1", Version::of(&text));
        let mut waiting = Vec::new();
        for node in &self.nodes {
            let judged = || {
                let (_, metrics) = netd::get(&node.paths.netd_sock(), "/metrics")?;
                ensure!(metrics.contains(&accepted), "no {accepted}");
                Ok(())
            };
            let judged = eventually(FOLLOWED, judged);
            judged.with_context(|| format!("{} takes the plan's file", node.name))?;
            if codes(node)?.iter().any(|code| code == "plan-changed") {
                waiting.push(node);
            }
        }
        run::each(&waiting, |node| {
            self.lab.kill_netd(&node.name)?;
            self.lab.wait_ready(&node.name, FOLLOWED).map(drop)
        })?;
        Ok(())
    }

    /// Waits until each node has the ranges that the plan gives it and no others, and the tables are
    /// filled.
    pub(super) fn settle(&self, plan: &NetworkPlan) -> Result<()> {
        for node in &self.nodes {
            eventually(FOLLOWED, || self.has_its_ranges(plan, node))?;
        }
        Ok(wait_converged(self.lab.layout(), &Silent)?)
    }

    /// That a node's ranges are those of the plan, by ipamd and by its netd.
    fn has_its_ranges(&self, plan: &NetworkPlan, node: &Node) -> Result<()> {
        let (_, body) = netd::get(&self.lab.layout().ipamd_sock(), "/v1/ranges")?;
        let listing: Listing = serde_json::from_str(&body)?;
        let leases = listing.ranges.into_iter().map(|l| l.lease);
        let own = leases.filter(|l| l.host.as_str() == node.name && l.state == LeaseState::Active);
        let mut held: Vec<IpNetwork> = own.map(|l| l.prefix).collect();
        let (_, body) = netd::get(&node.paths.netd_sock(), "/v1/node")?;
        let view: NodeView<IgnoredAny> = serde_json::from_str(&body)?;
        let served = view.usage.iter().flat_map(|n| &n.ranges);
        let mut served: Vec<IpNetwork> = served.filter_map(|r| r.range.parse().ok()).collect();
        let host = plan.host(&node.spec.node).context("the plan's host")?;
        let mut wanted: Vec<IpNetwork> = host.ranges.iter().map(|r| r.prefix).collect();
        for list in [&mut held, &mut served, &mut wanted] {
            list.sort();
        }
        ensure!(
            held == wanted && served == wanted,
            "{} has {held:?} by ipamd, {served:?} by its netd, and is to have {wanted:?}",
            node.name
        );
        Ok(())
    }

    /// Runs what each step names to see that it is done. What has words to be filled in is for
    /// whoever knows them.
    pub(super) fn see(&self, steps: &[&Step]) -> Result<()> {
        for step in steps {
            let check = step.check.as_ref().context("a step without a check")?;
            let words: Vec<&str> = check.run.split_whitespace().collect();
            let open = |w: &&str| w.bytes().all(|b| b.is_ascii_uppercase());
            let Some((&"flatctl", words)) = words.split_first() else {
                continue;
            };
            if words.iter().any(open) {
                continue;
            }
            let seen = || self.seen(words, &check.metric);
            eventually(FOLLOWED, seen).with_context(|| format!("{}: {}", step.what, check.run))?;
        }
        Ok(())
    }

    fn seen(&self, words: &[&str], metric: &str) -> Result<()> {
        let plan = self.lab.layout().plan().display().to_string();
        let tables = socket(self.lab.layout()).display().to_string();
        let shows = |more: &[&str]| -> Result<()> {
            let out = self.flatctl(&[words, more].concat())?;
            let found = out.status.code() == Some(FOUND) && lacks(&out.stdout);
            let said = [out.stdout, out.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            ensure!(out.status.success() || found, "{said}");
            Ok(())
        };
        match words {
            ["node" | "attachments", ..] => self.nodes.iter().try_for_each(|node| {
                let sample = |text: &str| -> Vec<String> {
                    let lines = text.lines().filter(|l| l.starts_with(metric));
                    lines.map(str::to_owned).collect()
                };
                if !metric.is_empty() {
                    let (_, text) = netd::get(&node.paths.netd_sock(), "/metrics")?;
                    let found = sample(&text);
                    ensure!(found.iter().all(|l| l.ends_with(" 0")), "{found:?}");
                }
                let socket = node.paths.netd_sock().display().to_string();
                shows(&["--netd", &socket, "-o", "json"])
            }),
            ["routes", ..] => shows(&["--vpc-route", &tables]),
            ["link", ..] => shows(&["--plan", &plan, "--vpc-route", &tables]),
            _ => shows(&[]),
        }
    }
}

/// What of `flatctl node status -o json` tells whether a node is well.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    ready: bool,
    would: Vec<String>,
    problem_details: Vec<ProblemView>,
}

/// Whether nothing is wrong with a node but what the guest's kernel lacks, before and after.
fn lacks(printed: &[u8]) -> bool {
    serde_json::from_slice(printed).is_ok_and(|status: Status| {
        let mut problems = status.problem_details.iter();
        status.ready && status.would.is_empty() && problems.all(|p| p.code == nat::LACKING)
    })
}

/// The codes of a node's problems.
fn codes(node: &Node) -> Result<Vec<String>> {
    let (_, body) = netd::get(&node.paths.netd_sock(), "/v1/node")?;
    let view: NodeView<IgnoredAny> = serde_json::from_str(&body)?;
    Ok(view.problems.into_iter().map(|p| p.code).collect())
}
