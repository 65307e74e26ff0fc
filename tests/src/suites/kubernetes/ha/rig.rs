//! The two ipamds, the plan whose network is cut, and what they assigned as kubectl has it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flatnet_plan::NetworkPlan;
use ipnetwork::IpNetwork;
use serde_json::Value;

use super::super::cluster::Cluster;
use super::super::{ipamd, plan};
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually};
use crate::{LabGuard, netd};

/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../../deploy/kubernetes/ipamd.yaml");
/// The service account of the manifests.
pub(super) const ACCOUNT: &str = "ipamd";
/// How long the Lease of these checks lasts, in seconds.
const LEASE: u64 = 5;
/// Within so long one of two that have just started leads: a Lease that is new is waited for.
pub(super) const LEADS: Duration = Duration::from_secs(40);
/// Within so long the other one leads: the Lease's time, a look, and the start of the ledger, on a busy machine.
pub(super) const TAKEN_OVER: Duration = Duration::from_secs(15);
/// Within so long a change of the plan's objects is in force, and hosts have what it gives them.
pub(super) const SERVED: Duration = Duration::from_secs(20);
/// Quarantine of these checks, in seconds.
pub(super) const QUARANTINE: u64 = 6;
/// The network whose IPv4 pool is cut here.
pub(super) const NETWORK: &str = "db";
/// The length of its slices.
const SLICE: u8 = 26;

/// Prefix to host, of what is assigned of the network in IPv4.
pub(super) type Assigned = BTreeMap<IpNetwork, String>;

/// One of two.
pub(super) struct Replica {
    name: &'static str,
    pub(super) running: Running,
    pub(super) socket: PathBuf,
    log: PathBuf,
}

impl Replica {
    pub(super) fn start(lab: &LabGuard, cluster: &Cluster, name: &'static str) -> Result<Self> {
        let file = |name: &str| cluster.dir.join(name);
        let (socket, log) = (file(&format!("{name}.sock")), file(&format!("{name}.log")));
        let netns = netns_path(&namespace(VPC_ROUTER));
        let mut command = bound(&netns, &lab.layout().bin("ipamd"))?;
        command.args(["run", "--plan-from-cluster", "--kubeconfig"]);
        command.arg(file(&format!("{ACCOUNT}.conf")));
        command.args(["--elect", "flatnet/ipamd", "--identity", name]);
        command.args(["--lease", &LEASE.to_string(), "--settle", "1"]);
        command.args(["--rest", &QUARANTINE.to_string(), "--state"]);
        command.arg(file(&format!("{name}.state")));
        command.arg("--socket").arg(&socket);
        Ok(Self {
            name,
            running: Running::start(&mut command, &log)?,
            socket,
            log,
        })
    }

    fn role(&self) -> Result<String> {
        let (_, body) = netd::get(&self.socket, "/readyz")?;
        Ok(body.trim().to_owned())
    }

    pub(super) fn leads(&self) -> Result<()> {
        let role = self.role()?;
        ensure!(role == "leads", "{} {role}", self.name);
        Ok(())
    }

    pub(super) fn stands_by(&self, leader: &Self) -> Result<()> {
        let role = self.role()?;
        let wanted = format!("stands by: {}_", leader.name);
        ensure!(role.starts_with(&wanted), "{} {role}", self.name);
        Ok(())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let stream = self.send(path, body)?;
        answer(stream)
    }

    /// Sends a request, whose answer is for later.
    pub(super) fn send(&self, path: &str, body: &Value) -> Result<UnixStream> {
        let body = body.to_string();
        let mut stream = UnixStream::connect(&self.socket)?;
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: ipamd\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        Ok(stream)
    }
}

pub(super) fn answer(mut stream: UnixStream) -> Result<(u16, Value)> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (status, body) = netd::parse_answer(&text).map_err(|e| anyhow::anyhow!("{e}: {text}"))?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// The plan whose network is cut into slices, with so many hosts more than the lab has.
pub(super) fn sliced(more: u8) -> impl FnOnce(&mut NetworkPlan) -> Result<()> {
    move |plan| {
        let networks = &mut plan.spec.networks;
        let network = networks.iter_mut().find(|n| n.name.as_str() == NETWORK);
        let network = network.context("the network")?;
        for pool in &mut network.pools {
            pool.slice_length = pool.prefix.is_ipv4().then_some(SLICE);
        }
        let hosts = &mut plan.spec.hosts;
        for host in hosts.iter_mut() {
            let declared = |r: &flatnet_plan::model::Range| {
                r.network.as_str() != NETWORK || r.prefix.is_ipv6()
            };
            host.ranges.retain(declared);
        }
        let like = hosts.first().context("a host")?.clone();
        for number in 0..more {
            let mut host = like.clone();
            host.name = format!("more{number}").parse()?;
            host.addresses = vec![format!("10.10.0.{}/24", 100 + number).parse()?];
            host.ranges.clear();
            hosts.push(host);
        }
        Ok(())
    }
}

/// The API server with everything that the manifests make, a plan with slices, and no ledger.
pub(super) fn cluster(lab: &LabGuard) -> Result<Arc<Cluster>> {
    let cluster = ipamd::cluster(lab)?;
    let path = cluster.dir.join("ipamd-ha.yaml");
    std::fs::write(&path, MANIFEST)?;
    let path = path.display().to_string();
    // The ledger of an earlier check: the policy that keeps it goes first, as it does on uninstall.
    cluster.kubectl(&["delete", "--ignore-not-found", "-f", &path])?;
    eventually(SERVED, || {
        let all = [
            "delete",
            "hostranges.flatnet.io",
            "-l",
            "flatnet.io/assigned",
        ];
        cluster.kubectl(&all).map(drop)
    })?;
    cluster.kubectl(&["apply", "-f", &path])?;
    plan::apply_model(lab, &cluster, sliced(0))?;
    Ok(cluster)
}

/// Two, the first of which leads.
pub(super) fn pair(lab: &LabGuard, cluster: &Cluster) -> Result<(Replica, Replica)> {
    let first = Replica::start(lab, cluster, "ipamd-a")?;
    eventually(LEADS, || first.leads()).with_context(|| log(&first))?;
    let second = Replica::start(lab, cluster, "ipamd-b")?;
    eventually(LEADS, || second.stands_by(&first)).with_context(|| log(&second))?;
    Ok((first, second))
}

pub(super) fn log(replica: &Replica) -> String {
    std::fs::read_to_string(&replica.log).unwrap_or_default()
}

/// The ranges that ipamd assigned, as kubectl has them. No two share an address.
fn ranges(cluster: &Cluster) -> Result<Vec<Value>> {
    let text = cluster.kubectl(&[
        "get",
        "hostranges.flatnet.io",
        "-l",
        "flatnet.io/assigned=ipamd",
        "-o",
        "json",
    ])?;
    let mut all: Value = serde_json::from_str(&text)?;
    let Value::Array(items) = all["items"].take() else {
        bail!("no list: {text}");
    };
    let mut prefixes = Vec::new();
    for item in &items {
        let prefix = item["spec"]["prefix"].as_str().context("a prefix")?;
        prefixes.push(prefix.parse::<IpNetwork>()?);
    }
    for (index, a) in prefixes.iter().enumerate() {
        let twice = prefixes[index + 1..].iter().find(|b| overlap(*a, **b));
        ensure!(twice.is_none(), "{a} and {twice:?} share addresses");
    }
    Ok(items)
}

fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    a.contains(b.network()) || b.contains(a.network())
}

/// The slices of the network.
pub(super) fn assigned(cluster: &Cluster) -> Result<Assigned> {
    let mut found = Assigned::new();
    for item in ranges(cluster)? {
        let spec = &item["spec"];
        let prefix: IpNetwork = spec["prefix"].as_str().context("a prefix")?.parse()?;
        if spec["network"] == NETWORK && prefix.is_ipv4() {
            ensure!(prefix.prefix() == SLICE, "{prefix} is no slice");
            let host = spec["host"].as_str().context("a host")?;
            found.insert(prefix, host.to_owned());
        }
    }
    Ok(found)
}

/// The slices once so many hosts have one each.
pub(super) fn assigned_to(cluster: &Cluster, hosts: usize) -> Result<(Assigned, Duration)> {
    eventually(SERVED, || {
        let found = assigned(cluster)?;
        let mut owners: Vec<&String> = found.values().collect();
        owners.sort();
        owners.dedup();
        ensure!(found.len() == hosts && owners.len() == hosts, "{found:?}");
        Ok(found)
    })
}
