//! The plan's file, which netd follows while it runs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flatnet_types::Mtu;
use flatnet_types::api::view::NodeView;
use serde_json::Value;

use super::place::WAIT;
use crate::suites::kit::{eventually, say};
use crate::suites::rig::Changed;
use crate::{LabGuard, netd};

/// A node whose netd goes by a plan's file of its own.
struct Edited {
    file: PathBuf,
    netd: PathBuf,
    flatctl: PathBuf,
}

impl Edited {
    /// What a person sees.
    fn status(&self) -> Result<String> {
        let mut flatctl = Command::new(&self.flatctl);
        flatctl.args(["node", "status", "-o", "wide", "--netd"]);
        let shown = flatctl.arg(&self.netd).output()?;
        let said = [shown.stdout, shown.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Waits until the status has all these words, and the node is ready beside them.
    fn shows(&self, what: &str, words: &[&str]) -> Result<()> {
        let shown = || {
            let text = self.status()?;
            let flat: Vec<&str> = text.split_whitespace().collect();
            let flat = flat.join(" ");
            for word in words {
                ensure!(flat.contains(word), "no {word:?} in {text}");
            }
            let (code, why) = netd::get(&self.netd, "/readyz")?;
            ensure!(code == 200, "not ready: {why}");
            Ok(())
        };
        let (_, took) = eventually(WAIT, shown).with_context(|| what.to_owned())?;
        say(&format!("{what}: named after {} ms", took.as_millis()));
        Ok(())
    }

    fn view(&self) -> Result<NodeView<Value>> {
        let (_, view) = netd::get(&self.netd, "/v1/node")?;
        Ok(serde_json::from_str(&view)?)
    }

    /// The version of the accepted plan.
    fn version(&self) -> Result<String> {
        Ok(self.view()?.plan.context("no plan in /v1/node")?.version)
    }

    /// Waits until there is nothing to tell of the plan.
    fn over(&self) -> Result<()> {
        eventually(WAIT, || {
            let codes: Vec<String> = self.view()?.problems.into_iter().map(|p| p.code).collect();
            let plan = codes.iter().any(|code| code.starts_with("plan-"));
            ensure!(!plan, "{codes:?}");
            Ok(())
        })?;
        Ok(())
    }

    fn write(&self, text: &str) -> Result<()> {
        Ok(fs::write(&self.file, text)?)
    }
}

const INVALID: &[&str] = &["plan-invalid", "line 1", "flatctl plan check"];

pub(super) fn edited(lab: &LabGuard) -> Result<()> {
    let node = lab.node("idc1")?;
    let changed = Changed::with_plan(lab, &node.name, |_| {}, &[])?;
    let edited = Edited {
        file: changed.plan()?,
        netd: node.paths.netd_sock(),
        flatctl: lab.layout().bin("flatctl"),
    };
    let before = fs::read_to_string(&edited.file)?;
    edited.over()?;

    // A remark is another version, and nothing for this node.
    let first = edited.version()?;
    edited.write(&format!("{before}# a remark\n"))?;
    eventually(WAIT, || {
        ensure!(edited.version()? != first, "the remark is not accepted");
        Ok(())
    })?;
    edited.over()?;

    // What is live is taken over.
    let mut other = lab.plan().clone();
    let mut networks = other.spec.networks.iter_mut();
    let network = networks.find(|n| n.name.as_str() == "web");
    network.context("network web")?.mtu = Some(Mtu::new(1400)?);
    edited.write(&flatnet_plan::to_yaml(&other)?)?;
    eventually(WAIT, || {
        let spec = edited.view()?.spec;
        let networks = spec["networks"].as_array().context("networks")?;
        let web = networks.iter().find(|n| n["name"] == "web");
        ensure!(web.is_some_and(|w| w["mtu"] == 1400), "{networks:?}");
        Ok(())
    })?;
    edited.over()?;

    // What is not is named.
    other.spec.api_server = Some("203.0.113.7:6443".to_owned());
    let waits = flatnet_plan::to_yaml(&other)?;
    edited.write(&waits)?;
    let words = [
        "plan-changed",
        "api_server nothing becomes 203.0.113.7:6443 (restart)",
        "systemctl restart netd",
    ];
    edited.shows("an API server", &words)?;
    let (_, metrics) = netd::get(&edited.netd, "/metrics")?;
    let counted = metrics.contains("flatnet_problem{code=\"plan-changed\"} 1");
    ensure!(counted, "the metric does not count it");
    edited.write("no plan\n")?;
    edited.shows("no plan", INVALID)?;

    // Written as it was, it is nothing to tell of; nor is what a restart of netd has taken.
    edited.write(&before)?;
    edited.over()?;
    edited.write(&waits)?;
    edited.shows("an API server, again", &words)?;
    restarted(lab, &node.name)?;
    edited.over()?;

    // A restart with a broken file goes by the accepted plan, and says so.
    edited.write("no plan\n")?;
    edited.shows("no plan, before a restart", INVALID)?;
    restarted(lab, &node.name)?;
    edited.shows("no plan, after a restart", INVALID)?;
    edited.write(&before)?;
    let back = ["api_server 203.0.113.7:6443 becomes nothing (restart)"];
    edited.shows("the plan of before", &back)?;
    restarted(lab, &node.name)?;
    edited.over()?;
    changed.back()
}

fn restarted(lab: &LabGuard, node: &str) -> Result<()> {
    lab.kill_netd(node)?;
    lab.wait_ready(node, WAIT)?;
    Ok(())
}
