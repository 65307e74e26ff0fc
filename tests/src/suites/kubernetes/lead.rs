//! Who leads: it takes the Lease, dies, stops, is cut off, and shares with client-go.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::cluster::{Cluster, LEASE, NAMESPACE};
use super::rig::{DURATION, TAKEN_OVER, config, holder, leads, log, mended, metrics, pair, tear};
use crate::suites::cloud::judge::Judge;
use crate::suites::cloud::rig::{CONTROLLER, converged, within};
use crate::suites::kit::{eventually, say};
use crate::{LabGuard, ProcessId};

/// A lease that is over sooner, in seconds.
const SHORT: u64 = 5;
/// One attempt of a standby, with its random delay, on a busy machine.
const NEXT_LOOK: Duration = Duration::from_secs(5);
/// How long a leader may take to find what was torn, and mend it.
const MENDED: Duration = Duration::from_secs(8);

pub(super) fn least_privilege(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let config = config(lab, &cluster, "kube-a", DURATION)?;
    // Neither another Lease nor another verb, nor anything else.
    for (may, words) in [
        (true, ["get", "leases/vpc-route"]),
        (true, ["update", "leases/vpc-route"]),
        (true, ["create", "leases"]),
        (false, ["get", "leases/other"]),
        (false, ["update", "leases/other"]),
        (false, ["list", "leases"]),
        (false, ["delete", "leases/vpc-route"]),
        (false, ["get", "secrets"]),
    ] {
        let ask = [&["-n", NAMESPACE, "auth", "can-i", "--quiet"], &words[..]].concat();
        let status = cluster.kubectl_command(LEASE, &ask).status()?;
        ensure!(status.success() == may, "{words:?}: {status}");
    }
    let begun = Instant::now();
    let running = config.run(lab)?;
    within(TAKEN_OVER, || leads(&cluster, "kube-a"))?;
    say(&format!(
        "a Lease that is new is waited for: it leads after {:.1?}",
        begun.elapsed()
    ));
    let first = cluster.lease()?;
    ensure!(first["leaseDurationSeconds"] == DURATION, "{first}");
    ensure!(first["leaseTransitions"].as_u64() >= Some(1), "{first}");
    eventually(NEXT_LOOK, || {
        let now = cluster.lease()?;
        ensure!(
            now["renewTime"] != first["renewTime"],
            "it is not renewed: {now}"
        );
        ensure!(now["acquireTime"] == first["acquireTime"], "{now}");
        Ok(())
    })?;
    let id = tear(lab)?;
    eventually(MENDED, || mended(lab, &id))?;
    ensure!(
        metrics(lab)?.contains("\nflatnet_route_leader 1\n"),
        "the metric is not 1"
    );
    running.end()?;
    ensure!(holder(&cluster)?.is_empty(), "the Lease was not given back");
    drop(stopped);
    converged(lab)
}

pub(super) fn killed(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let (first, second) = pair(lab, &cluster, ["kube-a", "kube-b"])?;
    first.kill()?;
    let killed = Instant::now();
    let id = tear(lab)?;
    within(TAKEN_OVER, || leads(&cluster, "kube-b"))?;
    let taken = killed.elapsed();
    eventually(TAKEN_OVER.saturating_sub(taken), || mended(lab, &id))?;
    let mended = killed.elapsed();
    say(&format!(
        "the standby leads {taken:.1?} after the SIGKILL, and has mended what was deleted after {mended:.1?}"
    ));
    ensure!(mended < TAKEN_OVER, "it took {mended:?}");
    second.end()?;
    drop(stopped);
    converged(lab)
}

pub(super) fn stopped(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let (first, second) = pair(lab, &cluster, ["kube-a", "kube-b"])?;
    let before = cluster.lease()?;
    first.end()?;
    let (_, taken) = eventually(NEXT_LOOK, || leads(&cluster, "kube-b"))?;
    say(&format!(
        "the standby leads {taken:.1?} after the leader's end"
    ));
    let after = cluster.lease()?;
    let transitions = |lease: &serde_json::Value| lease["leaseTransitions"].as_u64();
    ensure!(
        transitions(&after) > transitions(&before),
        "{before} {after}"
    );
    second.end()?;
    drop(stopped);
    converged(lab)
}

pub(super) fn client_go(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let config = config(lab, &cluster, "kube-a", SHORT)?;
    let theirs = Candidate::start(&cluster, "go-a")?;
    within(TAKEN_OVER, || leads(&cluster, "go-a"))?;
    let ours = config.run(lab)?;
    std::thread::sleep(Duration::from_secs(SHORT + 2));
    leads(&cluster, "go-a").context("ours took the Lease of one that renews")?;
    theirs.signal(Signal::SIGTERM)?;
    let (_, taken) = eventually(NEXT_LOOK, || leads(&cluster, "kube-a"))?;
    let theirs = Candidate::start(&cluster, "go-b")?;
    std::thread::sleep(Duration::from_secs(SHORT + 2));
    leads(&cluster, "kube-a").context("client-go took the Lease of one that renews")?;
    ours.end()?;
    let (_, given) = eventually(NEXT_LOOK, || leads(&cluster, "go-b"))?;
    let ours = config.run(lab)?;
    std::thread::sleep(Duration::from_secs(2));
    theirs.signal(Signal::SIGKILL)?;
    let (_, died) = eventually(TAKEN_OVER, || leads(&cluster, "kube-a"))?;
    say(&format!(
        "ours leads {taken:.1?} after theirs stopped and {died:.1?} after it was killed; theirs {given:.1?} after ours stopped"
    ));
    ours.end()?;
    drop(stopped);
    converged(lab)
}

pub(super) fn frozen(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let config = config(lab, &cluster, "kube-a", DURATION)?;
    let running = config.run(lab)?;
    within(TAKEN_OVER, || leads(&cluster, "kube-a"))?;
    // Whatever there was to do is done.
    let id = tear(lab)?;
    eventually(MENDED, || mended(lab, &id))?;
    cluster.signal(Signal::SIGSTOP)?;
    let outcome = cut_off(lab);
    cluster.signal(Signal::SIGCONT)?;
    let id = outcome?;
    let (_, back) = eventually(TAKEN_OVER, || mended(lab, &id))?;
    say(&format!("mended {back:.1?} after the API server was back"));
    leads(&cluster, "kube-a")?;
    ensure!(
        log(&config)?.contains("the lease could not be renewed in time"),
        "the log does not say so"
    );
    // Dead and started anew: what it was asked meanwhile failed at once.
    cluster.kill_server()?;
    std::thread::sleep(Duration::from_secs(1));
    cluster.start_server()?;
    let id = tear(lab)?;
    eventually(TAKEN_OVER, || mended(lab, &id))?;
    leads(&cluster, "kube-a")?;
    running.end()?;
    drop(stopped);
    converged(lab)
}

/// The API server does not answer: the leader has 7 s from its last renewal, and no standby
/// would have begun before 10 s. The ID of what nobody has mended.
fn cut_off(lab: &LabGuard) -> Result<String> {
    let begun = Instant::now();
    // As long as nobody else can lead, it goes on.
    let id = tear(lab)?;
    let (_, took) = eventually(Duration::from_secs(4), || mended(lab, &id))?;
    let deadline = Duration::from_millis(7_200);
    std::thread::sleep(deadline.saturating_sub(begun.elapsed()));
    let judge = Judge::begin(lab)?;
    let id = tear(lab)?;
    std::thread::sleep(Duration::from_secs(6));
    judge.nothing_written()?;
    ensure!(mended(lab, &id).is_err(), "the entry is back");
    say(&format!(
        "cut off it mended once more after {took:.1?}, and wrote nothing from {deadline:.1?} on"
    ));
    Ok(id)
}

/// client-go's elector.
struct Candidate(Child);

impl Candidate {
    fn start(cluster: &Cluster, name: &str) -> Result<Self> {
        cluster.account(LEASE)?;
        let log = std::fs::File::create(cluster.dir.join(format!("{name}.log")))?;
        let mut command = cluster.kube_lasting("candidate", LEASE)?;
        command.args([
            "--namespace",
            NAMESPACE,
            "--name",
            LEASE,
            "--identity",
            name,
        ]);
        command.args(["--duration", &format!("{SHORT}s")]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        Ok(Self(child.context("cannot run kube candidate")?))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let process = ProcessId::of(i32::try_from(self.0.id())?);
        Ok(process.context("the candidate has ended")?.signal(signal)?)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
