//! vpc-routes that lead by the Lease, and whether one of them is at work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cluster::{Cluster, LEASE, NAMESPACE};
use crate::cloud::by_hand;
use crate::paths::VPC_ROUTER;
use crate::suites::cloud::rig::{Config, Listed, Running, TABLE, entries, within};
use crate::{Lab, LabGuard, netns};

/// The lease of a real installation, in seconds.
pub(super) const DURATION: u64 = 10;
/// Within so long somebody must lead again.
pub(super) const TAKEN_OVER: Duration = Duration::from_secs(15);
/// How long an entry may be in transition.
const SETTLED: Duration = Duration::from_secs(3);
/// An entry that nothing else in the lab needs.
const UNUSED: &str = "10.200.0.0/16";

/// Where vpc-routes of this suite serve their metrics.
pub(super) const METRICS: &str = "127.0.0.1:9471";

/// A vpc-route of that name with a lease of so many seconds, as the service account of the
/// manifest.
///
/// # Errors
/// If its configuration cannot be written.
pub(super) fn config(lab: &Lab, cluster: &Cluster, name: &str, seconds: u64) -> Result<Config> {
    let kubeconfig = cluster.account(LEASE)?;
    config_with(lab, name, |c| {
        by_lease(c, name, &kubeconfig);
        c["leaseSeconds"] = seconds.into();
        if name == "kube-a" {
            c["metrics"] = METRICS.into();
        }
    })
}

/// A vpc-route with a state directory of its own, as one on another machine.
///
/// # Errors
/// If its configuration cannot be written.
pub(super) fn config_with(
    lab: &Lab,
    name: &str,
    change: impl FnOnce(&mut Value),
) -> Result<Config> {
    Config::write(lab, name, |c| {
        let shared = c["stateDir"].as_str().unwrap_or_default().to_owned();
        c["stateDir"] = format!("{shared}-{name}").into();
        c["leaseSeconds"] = DURATION.into();
        change(c);
    })
}

/// Leads by the Lease, with that kubeconfig.
pub(super) fn by_lease(config: &mut Value, identity: &str, kubeconfig: &Path) {
    config["lease"] = json!({"kubernetes": {
        "namespace": NAMESPACE, "name": LEASE, "kubeconfig": kubeconfig, "identity": identity,
    }});
}

/// Who the Lease says leads, without what makes it unique.
///
/// # Errors
/// What kubectl says.
pub(super) fn holder(cluster: &Cluster) -> Result<String> {
    let lease = cluster.lease()?;
    let holder = lease["holderIdentity"].as_str().unwrap_or_default();
    Ok(holder
        .rsplit_once('_')
        .map_or(holder, |(name, _)| name)
        .to_owned())
}

/// That the Lease names it.
///
/// # Errors
/// Whom it names.
pub(super) fn leads(cluster: &Cluster, name: &str) -> Result<()> {
    let found = holder(cluster)?;
    ensure!(found == name, "`{found}` leads, not `{name}`");
    Ok(())
}

/// The log of one that was started by that configuration.
///
/// # Errors
/// If it cannot be read.
pub(super) fn log(config: &Config) -> Result<String> {
    Ok(std::fs::read_to_string(config.path.with_extension("log"))?)
}

/// Deletes by hand an entry of ours that no ping needs: whoever leads makes another. Its ID.
///
/// # Errors
/// If it is not there, or stays in transition.
pub(super) fn tear(lab: &LabGuard) -> Result<String> {
    within(SETTLED, || {
        let entry = torn(lab)?.context("the entry is not there")?;
        let (status, answer) = delete(lab, &entry)?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(entry.id)
    })
}

/// The same, where it is there and in no transition.
///
/// # Errors
/// If the simulator does not answer.
pub(super) fn tear_if_there(lab: &LabGuard) -> Result<()> {
    match torn(lab)? {
        Some(entry) => delete(lab, &entry).map(drop),
        None => Ok(()),
    }
}

fn delete(lab: &LabGuard, entry: &Listed) -> Result<(u16, Value)> {
    Ok(by_hand(
        lab,
        "DeleteRouteEntry",
        &[("RouteEntryId", &entry.id)],
    )?)
}

/// That entry, if it is there.
///
/// # Errors
/// If the simulator does not answer.
pub(super) fn torn(lab: &LabGuard) -> Result<Option<Listed>> {
    let all = entries(lab, TABLE)?;
    Ok(all.into_iter().find(|e| e.destination == UNUSED))
}

/// That somebody made it again, which another of that ID was.
///
/// # Errors
/// If nobody has.
pub(super) fn mended(lab: &LabGuard, torn_id: &str) -> Result<()> {
    // The one that was deleted is still listed for a moment.
    let another = torn(lab)?.filter(|entry| entry.id != torn_id);
    another.map(drop).context("the entry is not back")
}

/// Both of them, the first of which leads.
///
/// # Errors
/// If it does not in time.
pub(super) fn pair(
    lab: &LabGuard,
    cluster: &Cluster,
    names: [&str; 2],
) -> Result<(Running, Running)> {
    let first = config(lab, cluster, names[0], DURATION)?.run(lab)?;
    within(TAKEN_OVER, || leads(cluster, names[0]))?;
    let second = config(lab, cluster, names[1], DURATION)?.run(lab)?;
    // It has looked, and waits.
    std::thread::sleep(Duration::from_secs(3));
    leads(cluster, names[0])?;
    Ok((first, second))
}

/// What the one that serves them says.
///
/// # Errors
/// If nobody answers.
pub(super) fn metrics(lab: &Lab) -> Result<String> {
    ask(lab, "/metrics")
}

/// That the one that serves metrics says to a probe that it is ready, and with these words.
///
/// # Errors
/// What it says.
pub(super) fn ready(lab: &Lab, words: &str) -> Result<()> {
    let said = ask(lab, "/readyz")?;
    ensure!(
        said.starts_with("HTTP/1.1 200 ") && said.contains(words),
        "/readyz: {said}"
    );
    Ok(())
}

/// Head and body of an answer.
fn ask(lab: &Lab, path: &str) -> Result<String> {
    let router = lab.member(VPC_ROUTER)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
    let asked = netns::enter(&router.netns_path(), || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(METRICS)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })?;
    Ok(asked?)
}
