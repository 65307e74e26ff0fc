//! The lab's ipamd and its plan, as the suite's checks ask and change them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_types::api::view::NodeView;
use flatnet_types::ipamd::{Lease, LeaseState, Listing};
use ipnetwork::IpNetwork;
use serde::de::DeserializeOwned;

use super::FOLLOWED;
use crate::suites::kit::eventually;
use crate::{Lab, LabGuard, Node, netd};

fn ask<T: DeserializeOwned>(socket: &std::path::Path, path: &str) -> Result<T> {
    let (status, body) = netd::get(socket, path)?;
    ensure!(status == 200, "{path}: {status}: {body}");
    serde_json::from_str(&body).with_context(|| format!("the answer to {path}: {body}"))
}

/// Every lease.
pub(super) fn listing(lab: &Lab) -> Result<Listing> {
    ask(&lab.layout().ipamd_sock(), "/v1/ranges")
}

/// The lease that an address is in.
pub(super) fn lease_at(lab: &Lab, address: IpAddr) -> Result<Option<Lease>> {
    let mut all = listing(lab)?.ranges.into_iter().map(|l| l.lease);
    Ok(all.find(|l| l.prefix.contains(address)))
}

/// Whether these are a host's IPv4 ranges of the network that they are of, and all active.
pub(super) fn holds(lab: &Lab, host: &str, ranges: &[IpNetwork]) -> Result<()> {
    let all = listing(lab)?.ranges.into_iter().map(|l| l.lease);
    let held: Vec<IpNetwork> = all
        .filter(|l| l.host.as_str() == host && l.state == LeaseState::Active)
        .map(|l| l.prefix)
        .collect();
    let missing = ranges.iter().find(|r| !held.contains(r));
    ensure!(missing.is_none(), "{host} has {held:?}, not {ranges:?}");
    Ok(())
}

/// What a node's netd has of a network, that it gives addresses of.
pub(super) fn ranges_of(node: &Node, network: &str) -> Result<Vec<IpNetwork>> {
    let view: NodeView<serde::de::IgnoredAny> = ask(&node.paths.netd_sock(), "/v1/node")?;
    let networks = view.usage.into_iter();
    let ranges = networks
        .filter(|n| n.network.as_str() == network)
        .flat_map(|n| n.ranges)
        .filter(|r| r.capacity > 0);
    Ok(ranges.filter_map(|r| r.range.parse().ok()).collect())
}

fn run_flatctl(lab: &Lab, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(lab.layout().bin("flatctl"));
    let ipamd = format!("unix:{}", lab.layout().ipamd_sock().display());
    command.args(args).env("FLATNET_IPAMD", ipamd);
    command.output().context("flatctl")
}

/// What `flatctl` prints.
///
/// # Errors
/// If it fails, with its words.
pub(super) fn flatctl(lab: &Lab, args: &[&str]) -> Result<String> {
    let out = run_flatctl(lab, args)?;
    let words = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "flatctl {args:?}: {words}");
    Ok(String::from_utf8(out.stdout)?)
}

/// What `flatctl` says where it must fail.
///
/// # Errors
/// If it succeeds.
pub(super) fn refused(lab: &Lab, args: &[&str]) -> Result<String> {
    let out = run_flatctl(lab, args)?;
    ensure!(!out.status.success(), "flatctl {args:?} succeeds");
    Ok(String::from_utf8_lossy(&out.stderr).into_owned())
}

/// The lab's plan for a while: its own is back when this is dropped.
pub(super) struct Planned<'l> {
    lab: &'l LabGuard,
    own: String,
    is_back: bool,
}

impl<'l> Planned<'l> {
    /// Puts a plan in the place of the lab's.
    pub(super) fn put(lab: &'l LabGuard, plan: &NetworkPlan) -> Result<Self> {
        let path = lab.layout().plan();
        let own = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let planned = Self {
            lab,
            own,
            is_back: false,
        };
        planned.change(plan)?;
        Ok(planned)
    }

    /// Puts another in its place.
    pub(super) fn change(&self, plan: &NetworkPlan) -> Result<()> {
        let text = flatnet_plan::to_yaml(plan)?;
        flatnet_plan::load(&text).context("the suite's own plan")?;
        self.write(&text)
    }

    fn write(&self, text: &str) -> Result<()> {
        let path = self.lab.layout().plan();
        let fresh = path.with_extension("fresh");
        std::fs::write(&fresh, text)?;
        Ok(std::fs::rename(fresh, path)?)
    }

    /// Puts the lab's own back, and waits until every host has its ranges again.
    pub(super) fn back(mut self) -> Result<()> {
        self.write(&self.own)?;
        self.is_back = true;
        let wanted: BTreeSet<(String, IpNetwork)> = self
            .lab
            .plan()
            .spec
            .hosts
            .iter()
            .flat_map(|h| h.ranges.iter().map(|r| (h.name.to_string(), r.prefix)))
            .collect();
        eventually(FOLLOWED, || {
            let all = listing(self.lab)?.ranges.into_iter().map(|l| l.lease);
            let held: BTreeSet<(String, IpNetwork)> = all
                .filter(|l| l.state == LeaseState::Active)
                .map(|l| (l.host.to_string(), l.prefix))
                .collect();
            let missing: Vec<_> = wanted.difference(&held).collect();
            ensure!(missing.is_empty(), "not theirs again: {missing:?}");
            for node in self.lab.nodes()? {
                for network in &node.spec.networks {
                    let served = ranges_of(&node, network.name.as_str())?;
                    let all = network.ranges.iter().all(|r| served.contains(&r.prefix));
                    ensure!(all, "netd of {} has {served:?}", node.name);
                }
            }
            Ok(())
        })?;
        Ok(crate::cloud::wait_converged(
            self.lab.layout(),
            &crate::Silent,
        )?)
    }
}

impl Drop for Planned<'_> {
    fn drop(&mut self) {
        if !self.is_back {
            // A check's own failure is the one to tell.
            let _ = self.write(&self.own);
        }
    }
}
