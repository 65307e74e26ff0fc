//! Two ipamds that lead by a Lease, and whose ledger is HostRange objects of a real API server.
//!
//! ```text
//!   ipamd a ─┬─ Lease flatnet/ipamd ────────── who writes
//!   ipamd b ─┤  ConfigMap flatnet/ipamd-ledger   what is committed
//!            └─ HostRange assigned-…             each host's slices ◀── kubectl
//! ```

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;
use ipnetwork::IpNetwork;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{ipamd, plan};
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually, output, say};
use crate::{LabGuard, netd};

/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/ipamd.yaml");
/// The service account of the manifests.
const ACCOUNT: &str = "ipamd";
/// How long the Lease of these checks lasts, in seconds.
const LEASE: u64 = 5;
/// Within so long one of two that have just started leads: a Lease that is new is waited for.
const LEADS: Duration = Duration::from_secs(40);
/// Within so long the other one leads: the Lease's time, a look, and the start of the ledger, on a busy machine.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// Within so long a change of the plan's objects is in force, and hosts have what it gives them.
const SERVED: Duration = Duration::from_secs(20);
/// Quarantine of these checks, in seconds.
const QUARANTINE: u64 = 6;
/// The network whose IPv4 pool is cut here.
const NETWORK: &str = "db";
/// The length of its slices.
const SLICE: u8 = 26;

/// Prefix to host, of what is assigned of the network in IPv4.
type Assigned = BTreeMap<IpNetwork, String>;

/// One of two.
struct Replica {
    name: &'static str,
    running: Running,
    socket: PathBuf,
    log: PathBuf,
}

impl Replica {
    fn start(lab: &LabGuard, cluster: &Cluster, name: &'static str) -> Result<Self> {
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

    fn leads(&self) -> Result<()> {
        let role = self.role()?;
        ensure!(role == "leads", "{} {role}", self.name);
        Ok(())
    }

    fn stands_by(&self, leader: &Self) -> Result<()> {
        let role = self.role()?;
        let wanted = format!("stands by: {}_", leader.name);
        ensure!(role.starts_with(&wanted), "{} {role}", self.name);
        Ok(())
    }

    fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let stream = self.send(path, body)?;
        answer(stream)
    }

    /// Sends a request, whose answer is for later.
    fn send(&self, path: &str, body: &Value) -> Result<UnixStream> {
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

fn answer(mut stream: UnixStream) -> Result<(u16, Value)> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (status, body) = netd::parse_answer(&text).map_err(|e| anyhow::anyhow!("{e}: {text}"))?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// The plan whose network is cut into slices, with so many hosts more than the lab has.
fn sliced(more: u8) -> impl FnOnce(&mut NetworkPlan) -> Result<()> {
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
fn cluster(lab: &LabGuard) -> Result<Arc<Cluster>> {
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
fn pair(lab: &LabGuard, cluster: &Cluster) -> Result<(Replica, Replica)> {
    let first = Replica::start(lab, cluster, "ipamd-a")?;
    eventually(LEADS, || first.leads()).with_context(|| log(&first))?;
    let second = Replica::start(lab, cluster, "ipamd-b")?;
    eventually(LEADS, || second.stands_by(&first)).with_context(|| log(&second))?;
    Ok((first, second))
}

fn log(replica: &Replica) -> String {
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
        anyhow::bail!("no list: {text}");
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
fn assigned(cluster: &Cluster) -> Result<Assigned> {
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
fn assigned_to(cluster: &Cluster, hosts: usize) -> Result<(Assigned, Duration)> {
    eventually(SERVED, || {
        let found = assigned(cluster)?;
        let mut owners: Vec<&String> = found.values().collect();
        owners.sort();
        owners.dedup();
        ensure!(found.len() == hosts && owners.len() == hosts, "{found:?}");
        Ok(found)
    })
}

pub(super) fn assigns(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    // Nobody has asked for them.
    assigned_to(&cluster, 2)?;
    let (status, _) = netd::get(&second.socket, "/v1/ranges")?;
    ensure!(status == 503, "the standby answers {status}");
    let (status, body) = netd::get(&second.socket, "/v1/hosts/idc1/ranges")?;
    let refused: Value = serde_json::from_str(&body)?;
    ensure!(status == 503 && refused["code"] == "standby", "{body}");
    let message = refused["message"].as_str().unwrap_or_default();
    ensure!(
        message.contains("ipamd-a") && refused["retryable"] == true,
        "{body}"
    );
    let (_, metrics) = netd::get(&second.socket, "/metrics")?;
    ensure!(metrics.contains("\nflatnet_ipamd_leader 0\n"), "{metrics}");
    ensure!(
        metrics.contains("\nflatnet_ipamd_plan_valid 1\n"),
        "{metrics}"
    );

    // A host that joins has its slice by itself.
    let before = Instant::now();
    plan::apply_model(lab, &cluster, sliced(3))?;
    let applied = Instant::now();
    let (found, _) = assigned_to(&cluster, 5)?;
    say(&format!(
        "three hosts that joined have their slices {:.1?} after the apply, which took {:.1?}",
        applied.elapsed(),
        applied - before
    ));
    let (_, body) = netd::get(&first.socket, "/v1/hosts/more0/ranges")?;
    let answered: Value = serde_json::from_str(&body)?;
    let prefix = answered["ranges"][0]["prefix"]
        .as_str()
        .context("a range")?;
    ensure!(
        found
            .get(&prefix.parse()?)
            .is_some_and(|host| host == "more0"),
        "{body} is not in {found:?}"
    );
    // Its netd finds it in what it reads, and so do its neighbours' where they need it.
    let (node, _) = eventually(SERVED, || {
        let node = cluster.kubectl(&["get", "nodenetworks", "more0", "-o", "json"])?;
        ensure!(node.contains(prefix), "no {prefix} in {node}");
        Ok(node)
    })?;
    let node: Value = serde_json::from_str(&node)?;
    let ranges = node["spec"]["hosts"][0]["ranges"].as_array().map(Vec::len);
    say(&format!("the NodeNetwork of more0 has {ranges:?} ranges"));
    // They are no part of the plan.
    let exported = plan::export(lab, &cluster)?;
    ensure!(!exported.contains(prefix), "{exported}");
    let table = cluster.kubectl(&["get", "fnrange", "-l", "flatnet.io/assigned"])?;
    ensure!(
        table.contains("STATE") && table.contains("CAPACITY"),
        "{table}"
    );
    eventually(SERVED, || {
        let table = cluster.kubectl(&["get", "fnrange", "-l", "flatnet.io/assigned"])?;
        ensure!(table.matches("active").count() >= 5, "{table}");
        Ok(())
    })?;
    second.running.end()?;
    first.running.end()
}

pub(super) fn killed(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (before, _) = assigned_to(&cluster, 2)?;
    // It dies in the middle of giving slices to thirty hosts.
    plan::apply_model(lab, &cluster, sliced(30))?;
    let (some, _) = eventually(SERVED, || {
        let found = assigned(&cluster)?;
        ensure!(found.len() > 2, "no host has got anything");
        Ok(found)
    })?;
    first.running.kill()?;
    let killed = Instant::now();
    eventually(TAKEN_OVER, || second.leads()).with_context(|| log(&second))?;
    let taken = killed.elapsed();
    let (after, _) = assigned_to(&cluster, 32)?;
    for (prefix, host) in before.iter().chain(&some) {
        let now = after.get(prefix);
        ensure!(now == Some(host), "{prefix} of {host} is {now:?} now");
    }
    say(&format!(
        "of 32 hosts {} had their slices at the SIGKILL; the standby leads after {taken:.1?}, and all have theirs after {:.1?}",
        some.len(),
        killed.elapsed()
    ));
    // The one that is started anew stands by.
    let first = Replica::start(lab, &cluster, "ipamd-a")?;
    eventually(LEADS, || first.stands_by(&second))?;
    second.running.end()?;
    let ended = Instant::now();
    eventually(TAKEN_OVER, || first.leads()).with_context(|| log(&first))?;
    say(&format!(
        "one that stops gives the Lease back: {:.1?}",
        ended.elapsed()
    ));
    let (again, _) = assigned_to(&cluster, 32)?;
    ensure!(again == after, "a stop changed what hosts have");
    first.running.end()
}

pub(super) fn frozen(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (mut first, second) = pair(lab, &cluster)?;
    assigned_to(&cluster, 2)?;
    first.running.process()?.signal(Signal::SIGSTOP)?;
    let frozen = Instant::now();
    // It is asked meanwhile, and decides when it wakes.
    let grow = json!({"host": "idc1", "network": NETWORK});
    let waits = first.send("/v1/ranges/grow", &grow)?;
    eventually(TAKEN_OVER, || second.leads()).with_context(|| log(&second))?;
    say(&format!(
        "the standby leads {:.1?} after the freeze",
        frozen.elapsed()
    ));
    let (status, body) = eventually(SERVED, || {
        let (status, body) = second.post(
            "/v1/ranges/grow",
            &json!({"host": "idc2", "network": NETWORK}),
        )?;
        ensure!(status == 200, "{status}: {body}");
        Ok((status, body))
    })?
    .0;
    ensure!(status == 200, "{body}");
    let before = assigned(&cluster)?;
    ensure!(before.len() == 3, "{before:?}");
    first.running.process()?.signal(Signal::SIGCONT)?;
    match answer(waits) {
        Ok((status, body)) => ensure!(status == 503, "the frozen one answers {status}: {body}"),
        // It ended before it answered.
        Err(e) => say(&format!("the frozen one gives no answer: {e:#}")),
    }
    eventually(TAKEN_OVER, || {
        ensure!(
            first.running.has_ended()?,
            "the one that was frozen still runs"
        );
        Ok(())
    })?;
    let log = log(&first);
    let told = ["another one may lead", "is written by ipamd-b_"];
    ensure!(
        told.iter().any(|words| log.contains(words)),
        "it does not say why:\n{log}"
    );
    let after = assigned(&cluster)?;
    ensure!(after == before, "{before:?} became {after:?}");
    second.leads()?;
    second.running.end()
}

pub(super) fn released(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (found, _) = assigned_to(&cluster, 2)?;
    let (prefix, host) = found.first_key_value().context("a slice")?;
    let (prefix, host) = (prefix.to_string(), host.clone());
    let shown = |words: &'static str| {
        let table =
            cluster.kubectl(&["get", "fnrange", "-o", "wide", "-l", "flatnet.io/assigned"])?;
        let row = table.lines().find(|row| row.contains(&prefix));
        ensure!(
            row.is_some_and(|row| row.contains(words)),
            "no {words}:\n{table}"
        );
        Ok(())
    };
    let (status, body) =
        first.post("/v1/ranges/drain", &json!({"host": host, "prefix": prefix}))?;
    ensure!(status == 200, "{body}");
    eventually(SERVED, || shown("draining"))?;
    // The host has not said that it is empty.
    let release = json!({"host": host, "prefix": prefix});
    let (status, body) = first.post("/v1/ranges/release", &release)?;
    ensure!(
        status == 409 && body["code"] == "useUnknown",
        "{status}: {body}"
    );
    let gone = [
        "range",
        "--ipamd",
        &format!("unix:{}", first.socket.display()),
        "release",
        &host,
        &prefix,
        "--machine-is-gone",
    ]
    .map(str::to_owned);
    let flatctl = lab.layout().bin("flatctl");
    output(std::process::Command::new(flatctl).args(gone))?;
    let quarantined = Instant::now();
    eventually(Duration::from_secs(QUARANTINE), || shown("quarantined"))?;
    eventually(SERVED, || {
        let found = assigned(&cluster)?;
        // The first free slice is this one again.
        ensure!(
            found.len() == 2 && quarantined.elapsed().as_secs() >= QUARANTINE,
            "{found:?}"
        );
        shown("active")
    })?;
    second.running.end()?;
    first.running.end()
}

pub(super) fn second_owner(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (before, _) = assigned_to(&cluster, 2)?;
    let prefix = before.keys().next().context("a slice")?;
    let name = format!("assigned-{}", prefix.network());
    let object = |name: &str, label: bool| {
        let mut object = json!({
            "apiVersion": "flatnet.io/v1alpha1", "kind": "HostRange", "metadata": {"name": name},
            "spec": {"host": "vpc1", "network": NETWORK, "prefix": prefix.to_string()},
        });
        if label {
            object["metadata"]["labels"] = json!({"flatnet.io/assigned": "ipamd"});
        }
        object
    };
    let file = |object: &Value| -> Result<String> {
        let path = cluster.dir.join("second.json");
        std::fs::write(&path, object.to_string())?;
        Ok(path.display().to_string())
    };
    let refused = |user: &str, args: &[&str], words: &str| {
        let tried = cluster.kubectl_command(user, args).output()?;
        let said = String::from_utf8_lossy(&tried.stderr);
        ensure!(
            !tried.status.success() && said.contains(words),
            "{args:?}: {said}"
        );
        anyhow::Ok(())
    };
    let keeps = "the ledger of ipamd";
    // A policy is in force some time after it is made.
    let other = file(&object("assigned-10.200.99.0", true))?;
    eventually(SERVED, || {
        refused(
            "admin",
            &["create", "--dry-run=server", "-f", &other],
            keeps,
        )
    })?;
    refused("admin", &["delete", "hostranges.flatnet.io", &name], keeps)?;
    let steal = r#"{"metadata":{"annotations":{"flatnet.io/lease":"{}"}}}"#;
    let patch = [
        "patch",
        "hostranges.flatnet.io",
        &name,
        "--type=merge",
        "-p",
        steal,
    ];
    refused("admin", &patch, keeps)?;
    let free = r#"{"metadata":{"labels":{"flatnet.io/assigned":null}}}"#;
    let patch = [
        "patch",
        "hostranges.flatnet.io",
        &name,
        "--type=merge",
        "-p",
        free,
    ];
    refused("admin", &patch, keeps)?;
    // Neither does ipamd itself have a second owner of what is there, by the name of the first address.
    let same = file(&object(&name, true))?;
    refused(ACCOUNT, &["create", "-f", &same], "AlreadyExists")?;
    let declared = file(&object("by-hand", false))?;
    refused(
        ACCOUNT,
        &["create", "-f", &declared],
        "no ranges but those that it assigned",
    )?;
    let web = cluster.kubectl(&["get", "fnrange", "-l", "!flatnet.io/assigned", "-o", "name"])?;
    let web = web.lines().next().context("a range of the plan")?;
    refused(
        ACCOUNT,
        &["delete", web],
        "no ranges but those that it assigned",
    )?;
    let after = assigned(&cluster)?;
    ensure!(after == before, "{before:?} became {after:?}");
    second.running.end()?;
    first.running.end()
}
