//! A node whose netd repairs by events alone, with containers that speak with each other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::{eventually, output, pair, say};
use crate::{LabGuard, NetdArgs, Node, netd};

pub(super) const BRIDGE: &str = "br-flat";
/// How long a check waits; generous, because the machine may be busy.
pub(super) const WAIT: Duration = Duration::from_secs(20);

/// The node, until this is dropped.
pub(super) struct Place<'l> {
    _sweepless: NetdArgs<'l>,
    pub(super) node: Node,
    /// A container of it, with limits.
    pub(super) own: Container,
    /// One of another node.
    pub(super) far: Container,
}

impl<'l> Place<'l> {
    pub(super) fn attach(lab: &'l LabGuard, id: &str) -> Result<Self> {
        let [idc1, idc2] = pair(lab, "idc")?;
        let sweepless = NetdArgs::sweepless(lab, &[&idc1.name], WAIT)?;
        let rates = json!({
            "ingressRate": 100_000_000, "ingressBurst": 10_000_000,
            "egressRate": 100_000_000, "egressBurst": 10_000_000,
        });
        let wish = Wish::capability("bandwidth", rates);
        let place = Self {
            _sweepless: sweepless,
            own: Container::attach_as(lab, &idc1, "web", &format!("{id}-own"), &wish)?,
            far: Container::attach(lab, &idc2, "web", &format!("{id}-far"))?,
            node: idc1,
        };
        eventually(WAIT, || place.works())?;
        Ok(place)
    }

    /// That both families pass, and that the node says that it is ready.
    pub(super) fn works(&self) -> Result<()> {
        for ip in self.own.ips() {
            self.far.reaches(ip)?;
        }
        self.ready()
    }

    pub(super) fn ready(&self) -> Result<()> {
        let (status, why) = netd::get(&self.node.paths.netd_sock(), "/readyz")?;
        ensure!(status == 200, "not ready: {why}");
        Ok(())
    }

    /// The host's end of the container's link.
    pub(super) fn port(&self) -> Result<String> {
        Ok(self.own.host_end()?.to_owned())
    }

    pub(super) fn vsctl(&self, args: &[&str]) -> Result<String> {
        let text = output(self.node.vsctl().args(args))?;
        Ok(text.trim().to_owned())
    }

    pub(super) fn ofctl(&self, args: &[&str]) -> Result<String> {
        output(self.node.ofctl().args(args))
    }

    /// The flows without counters, sorted.
    pub(super) fn flows(&self) -> Result<Vec<String>> {
        let text = self.ofctl(&["--no-stats", "dump-flows", BRIDGE])?;
        let flows = text.lines().map(str::trim);
        let flows = flows.filter(|l| l.starts_with("cookie="));
        let mut flows: Vec<String> = flows.map(str::to_owned).collect();
        flows.sort_unstable();
        Ok(flows)
    }

    /// The codes of the node's problems.
    pub(super) fn problems(&self) -> Result<Vec<String>> {
        let (_, body) = netd::get(&self.node.paths.netd_sock(), "/v1/node")?;
        let view: Value = serde_json::from_str(&body)?;
        let problems = view["problems"].as_array().into_iter().flatten();
        let codes = problems.filter_map(|p| p["code"].as_str());
        Ok(codes.map(str::to_owned).collect())
    }

    /// Waits until such a problem is there, or is not.
    pub(super) fn has_problem(&self, code: &str, there: bool) -> Result<()> {
        let (_, took) = eventually(WAIT, || {
            let problems = self.problems()?;
            let is = problems.iter().any(|p| p == code);
            ensure!(is == there, "{code}: {is}; problems: {problems:?}");
            Ok(())
        })?;
        let what = if there { "named" } else { "over" };
        say(&format!("{code}: {what} after {} ms", took.as_millis()));
        Ok(())
    }

    /// Does something, and waits until that is repaired; then all works.
    pub(super) fn repairs(
        &self,
        what: &str,
        deed: impl FnOnce() -> Result<()>,
        repaired: impl Fn() -> Result<()>,
    ) -> Result<()> {
        deed().context(what.to_owned())?;
        let (_, took) = eventually(WAIT, repaired).context(what.to_owned())?;
        say(&format!("{what}: repaired after {} ms", took.as_millis()));
        eventually(WAIT, || self.works()).context(what.to_owned())?;
        Ok(())
    }

    /// The same for a column of Open vSwitch's database; it has to have its value of before.
    pub(super) fn column(&self, record: (&str, &str, &str), set: &[&str]) -> Result<()> {
        let (table, row, column) = record;
        let get = || self.vsctl(&["get", table, row, column]);
        let before = get()?;
        let deed = || self.vsctl(set).map(drop);
        let repaired = || {
            let now = get()?;
            ensure!(now == before, "{column} is {now}, and was {before}");
            Ok(())
        };
        self.repairs(&set.join(" "), deed, repaired)
    }
}
