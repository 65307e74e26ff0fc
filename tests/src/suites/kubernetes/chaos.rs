//! Two vpc-routes, killed, stopped and frozen at random, while what they keep is torn all the
//! time: the simulator's history and the Lease's are the judges.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::cluster::{Cluster, LEASE, NAMESPACE};
use super::rig::{by_lease, config_with, holder, mended, tear_if_there};
use crate::LabGuard;
use crate::rng::{SeededRng, seed};
use crate::suites::cloud::judge::Judge;
use crate::suites::cloud::rig::{CONTROLLER, Config, Running, converged, within};
use crate::suites::kit::say;

/// For so long.
const LASTS: Duration = Duration::from_secs(30);
/// The shortest lease that there is: leaders change often.
const DURATION: u64 = 3;
/// Between two blows there is at least this, so that somebody comes to lead.
const CALM: Duration = Duration::from_millis(1_500);
/// And up to so many milliseconds more.
const BLOWS: usize = 2_000;

pub(super) fn two_writers(lab: &LabGuard) -> Result<()> {
    let seed = seed();
    say(&format!("FLATNET_SEED={seed}"));
    let mut rng = SeededRng::new(seed, 1);
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let kubeconfig = cluster.account(LEASE)?;
    let config = |name: &str| {
        config_with(lab, name, |c| {
            by_lease(c, name, &kubeconfig);
            c["leaseSeconds"] = DURATION.into();
            c["intervalSeconds"] = 1.into();
        })
    };
    let configs = [config("kube-x")?, config("kube-y")?];
    let mut pair = [Two::start(lab, &configs[0])?, Two::start(lab, &configs[1])?];
    within(Duration::from_secs(15), || mended(lab, ""))?;
    let history = History::begin(&cluster)?;
    let judge = Judge::begin(lab)?;
    let begun = Instant::now();
    let mut next = Duration::ZERO;
    let mut blows = 0;
    while begun.elapsed() < LASTS {
        if begun.elapsed() >= next {
            let at = at_work(&cluster, &mut rng)?;
            pair[at].disturb(lab, &configs[at], &mut rng)?;
            blows += 1;
            next = begun.elapsed() + CALM + rng.up_to_ms(BLOWS);
        }
        for one in &mut pair {
            one.wake(false)?;
        }
        tear_if_there(lab)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    for one in &mut pair {
        one.wake(true)?;
    }
    // All is well again: somebody leads, and mends.
    within(Duration::from_secs(15), || mended(lab, ""))?;
    for two in pair {
        two.running.context("it runs")?.end()?;
    }
    let records = history.end()?;
    verdict(&judge.events()?, &records, blows)?;
    drop(stopped);
    converged(lab)
}

/// Whom the next blow hits: mostly the one that leads.
fn at_work(cluster: &Cluster, rng: &mut SeededRng) -> Result<usize> {
    if rng.percent(30) {
        return Ok(rng.below(2));
    }
    Ok(usize::from(holder(cluster)? == "kube-y"))
}

/// Entries are made under the number of the one who leads: after a later one's first, there is
/// none of an earlier one.
fn verdict(events: &[Value], records: &[Value], blows: usize) -> Result<()> {
    let generations: Vec<u64> = events.iter().filter_map(made_under).collect();
    let falls = generations.windows(2).find(|two| two[0] > two[1]);
    ensure!(
        falls.is_none(),
        "{falls:?} in {generations:?}: two were at work"
    );
    let mut writers = generations.clone();
    writers.dedup();
    // The Lease's history: a number has one holder, and each writer was one.
    let mut holders: Vec<(u64, &str)> = Vec::new();
    for record in records {
        let number = record["leaseTransitions"].as_u64().unwrap_or(0);
        let name = record["holderIdentity"].as_str().unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        match holders.last() {
            Some((last, held)) if *last == number => {
                ensure!(*held == name, "number {number}: {held} and {name}");
            }
            last => {
                ensure!(
                    last.is_none_or(|(last, _)| *last < number),
                    "{number} after {last:?}"
                );
                holders.push((number, name));
            }
        }
    }
    let unknown = writers
        .iter()
        .find(|w| !holders.iter().any(|(number, _)| number == *w));
    ensure!(
        unknown.is_none(),
        "{unknown:?} wrote and is not in {holders:?}"
    );
    say(&format!(
        "{blows} blows, {} leaders, of whom {} wrote {} times; none after its successor",
        holders.len(),
        writers.len(),
        generations.len()
    ));
    ensure!(holders.len() >= 3 && writers.len() >= 2, "it was too quiet");
    Ok(())
}

/// The generation of an entry that a call of ours made, in the event that says so.
fn made_under(event: &Value) -> Option<u64> {
    if event["status"] != "Pending" || event["cause"].get("call").is_none() {
        return None;
    }
    let name = event["name"].as_str()?.strip_prefix("flatnet:")?;
    name.split(':').nth(1)?.parse().ok()
}

/// One of two: it runs, or stands still until a moment.
struct Two {
    running: Option<Running>,
    frozen: Option<Instant>,
}

impl Two {
    fn start(lab: &LabGuard, config: &Config) -> Result<Self> {
        Ok(Self {
            running: Some(config.run(lab)?),
            frozen: None,
        })
    }

    /// SIGKILL, SIGTERM, or SIGSTOP for longer than a lease.
    fn disturb(&mut self, lab: &LabGuard, config: &Config, rng: &mut SeededRng) -> Result<()> {
        if self.frozen.is_some() {
            return Ok(());
        }
        let running = self.running.take().context("it runs")?;
        match rng.below(5) {
            0 | 1 => running.kill()?,
            2 | 3 => running.end()?,
            _ => {
                running.process()?.signal(Signal::SIGSTOP)?;
                self.running = Some(running);
                self.frozen = Some(Instant::now() + rng.up_to_ms(6_000));
                return Ok(());
            }
        }
        self.running = Some(config.run(lab)?);
        Ok(())
    }

    fn wake(&mut self, now: bool) -> Result<()> {
        if self
            .frozen
            .is_some_and(|until| now || until <= Instant::now())
        {
            let running = self.running.as_ref().context("it runs")?;
            running.process()?.signal(Signal::SIGCONT)?;
            self.frozen = None;
        }
        Ok(())
    }
}

/// What the Lease became, as kubectl watches it.
struct History {
    child: Child,
    path: std::path::PathBuf,
}

impl History {
    fn begin(cluster: &Cluster) -> Result<Self> {
        let path = cluster.dir.join("history.json");
        let file = std::fs::File::create(&path)?;
        let watch = [
            "-n", NAMESPACE, "get", "lease", LEASE, "--watch", "-o", "json",
        ];
        let mut command = cluster.kube_lasting("kubectl", "admin")?;
        let child = command
            .args(watch)
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()?;
        let history = Self { child, path };
        within(Duration::from_secs(10), || {
            let begun = std::fs::metadata(&history.path)?.len() > 0;
            ensure!(begun, "kubectl shows nothing");
            Ok(())
        })?;
        Ok(history)
    }

    /// The specifications, in order.
    fn end(mut self) -> Result<Vec<Value>> {
        // The last change is on its way.
        std::thread::sleep(Duration::from_millis(500));
        self.child.kill()?;
        self.child.wait()?;
        let text = std::fs::read_to_string(&self.path)?;
        let records = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let records: Vec<Value> = records.filter_map(Result::ok).collect();
        Ok(records.into_iter().map(|mut r| r["spec"].take()).collect())
    }
}

impl Drop for History {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(name: &str) -> Value {
        json!({"status": "Pending", "name": name, "cause": {"call": {}}})
    }

    fn record(holder: &str, number: u64) -> Value {
        json!({"holderIdentity": holder, "leaseTransitions": number})
    }

    #[test]
    fn an_entry_of_an_earlier_leader_after_a_later_ones_is_told() {
        let records: Vec<Value> = (1..5).map(|n| record(&format!("h{n}"), n)).collect();
        let names = |numbers: &[u64]| -> Vec<Value> {
            let names = numbers.iter().map(|n| made(&format!("flatnet:lab:{n}:x")));
            names.collect()
        };
        assert!(verdict(&names(&[1, 1, 2, 4]), &records, 9).is_ok());
        let told = verdict(&names(&[1, 2, 1, 4]), &records, 9).unwrap_err();
        assert!(told.to_string().contains("two were at work"), "{told}");
        let told = verdict(&names(&[1, 2, 7]), &records, 9).unwrap_err();
        assert!(told.to_string().contains("is not in"), "{told}");
    }

    #[test]
    fn two_holders_of_one_number_are_told() {
        let records = [record("a", 1), record("", 1), record("b", 1)];
        let told = verdict(&[], &records, 9).unwrap_err();
        assert!(told.to_string().contains("number 1: a and b"), "{told}");
    }
}
