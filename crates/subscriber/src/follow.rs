//! Follows a set, writes it, acknowledges it.
//!
//! ```text
//!   [watch] of each cluster ─▶ merge ─▶ one write at a time ─▶ duty of each cluster ─▶ [worker]: acknowledges,
//!                                          ▲ again after a failure, or where it was changed      renews the lease
//! ```

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_clock::Backoff;
use flatnet_k8s_client::{Cluster, Key, Set, Told};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::merge::{List, Merge, Untaken};
use crate::options::Options;
use crate::report::Report;
use crate::state::{self, State, StateError};
use crate::target::{TargetError, command};
use crate::worker::{Duty, worker};

/// Delays after a write that failed.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
/// How often it is looked whether targets hold what was written.
const LOOK: Duration = Duration::from_secs(10);
/// Events that wait to be taken.
const WAITING: usize = 64;

/// Follows until it is dropped. Cancel safe: a target is replaced whole or not at all.
///
/// # Errors
/// [`StateError`] where the state file is there and cannot be read: it might know what an API server that is away
/// does not say.
pub async fn follow(
    clusters: Vec<Arc<Cluster>>,
    options: Options,
    mut report: impl FnMut(Report),
) -> Result<(), StateError> {
    let kept = state::load(&options.state)?;
    let names: Vec<String> = clusters.iter().map(|c| c.server().to_owned()).collect();
    let options = Arc::new(options);
    let (to, mut told) = mpsc::channel(WAITING);
    let (to_person, mut reports) = mpsc::channel(WAITING);
    let mut duties = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    for (index, cluster) in clusters.iter().enumerate() {
        tasks.spawn(watched(
            index,
            Arc::clone(cluster),
            options.set.clone(),
            to.clone(),
        ));
        let (duty, receiver) = watch::channel(Duty::default());
        duties.push(duty);
        if options.name.is_some() {
            tasks.spawn(worker(
                Arc::clone(cluster),
                Arc::clone(&options),
                receiver,
                to_person.clone(),
            ));
        }
    }
    let known = names
        .iter()
        .map(|server| kept.lists.get(&state_key(server, &options.set)).cloned());
    let mut follower = Follower {
        merge: Merge::new(known.collect()),
        options,
        names,
        duties,
        troubled: BTreeSet::new(),
        undeclared: BTreeSet::new(),
        in_force: None,
        writing: None,
        failures: 0,
        // What is known from before may not be in force any more, as after a reboot.
        due: Some(Instant::now()),
    };
    loop {
        let due = follower.due.filter(|_| follower.writing.is_none());
        tokio::select! {
            told = told.recv() => match told {
                Some((index, told)) => follower.told(index, told, &mut report),
                None => return Ok(()),
            },
            Some(said) = reports.recv() => report(said),
            done = finished(&mut follower.writing) => follower.done(done, &mut report),
            () = sleep_until(due) => follower.begin(),
        }
    }
}

fn state_key(server: &str, set: &Key) -> String {
    format!("{server} {set}")
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// A list that is written, or looked at.
struct Writing {
    lists: Vec<Option<List>>,
    task: JoinHandle<Result<Found, TargetError>>,
}

/// What came of it.
enum Found {
    /// All targets hold it already.
    Held,
    /// It was written; the targets that held something else.
    Wrote(Vec<String>),
}

/// Waits for the end of what is under way; for ever where nothing is. Cancel safe.
async fn finished(
    writing: &mut Option<Writing>,
) -> (Vec<Option<List>>, Option<Result<Found, TargetError>>) {
    match writing {
        None => std::future::pending().await,
        Some(under_way) => {
            let outcome = (&mut under_way.task).await.ok();
            let lists = std::mem::take(&mut under_way.lists);
            *writing = None;
            (lists, outcome)
        }
    }
}

struct Follower {
    options: Arc<Options>,
    names: Vec<String>,
    duties: Vec<watch::Sender<Duty>>,
    merge: Merge,
    /// Clusters that were told of as being away.
    troubled: BTreeSet<usize>,
    /// Clusters whose set does not know this subscriber.
    undeclared: BTreeSet<usize>,
    /// The lists that are in force at all targets.
    in_force: Option<Vec<Option<List>>>,
    writing: Option<Writing>,
    /// Of writes in a row.
    failures: u32,
    /// When to write, or to look, next.
    due: Option<Instant>,
}

impl Follower {
    fn told(&mut self, index: usize, told: Told<Set>, report: &mut impl FnMut(Report)) {
        let server = self.names.get(index).cloned().unwrap_or_default();
        let set = match told {
            Told::Away(error) => {
                // Once, however long it lasts.
                if self.troubled.insert(index) {
                    report(Report::Away { server, error });
                }
                return;
            }
            Told::Listed(all) => {
                if self.troubled.remove(&index) {
                    report(Report::Back {
                        server: server.clone(),
                    });
                }
                all.into_iter().next()
            }
            Told::Applied(set) => Some(set),
            Told::Deleted(_) => None,
        };
        let Some(set) = set else {
            report(Report::Absent { server });
            self.duty(index, |duty| duty.lease = None);
            return;
        };
        self.declared(index, &set, report);
        match self.merge.take(index, &set) {
            Ok(true) => {
                self.keep(report);
                self.failures = 0;
                self.due = Some(Instant::now());
            }
            Ok(false) => {}
            // It is said with the next one that is resolved.
            Err(Untaken::Unresolved)
                if self.merge.lists().get(index).is_some_and(Option::is_some) => {}
            Err(why) => report(Report::Untaken { server, why }),
        }
    }

    /// Whether the set knows this subscriber, and for how long its lease lasts.
    fn declared(&mut self, index: usize, set: &Set, report: &mut impl FnMut(Report)) {
        let Some(name) = self.options.name.clone() else {
            return;
        };
        let lease = set.spec.subscriber(&name).map(|s| s.lease_seconds());
        self.duty(index, |duty| duty.lease = lease);
        if lease.is_some() {
            self.undeclared.remove(&index);
        } else if self.undeclared.insert(index) {
            let server = self.names.get(index).cloned().unwrap_or_default();
            report(Report::Undeclared { server, name });
        }
    }

    /// Changes the duty of a cluster's worker; whether it is another one.
    fn duty(&self, index: usize, change: impl FnOnce(&mut Duty)) -> bool {
        self.duties.get(index).is_some_and(|sender| {
            sender.send_if_modified(|duty| {
                let before = duty.clone();
                change(duty);
                *duty != before
            })
        })
    }

    /// Keeps what was accepted; a restart goes on from it.
    fn keep(&self, report: &mut impl FnMut(Report)) {
        let lists = self.names.iter().zip(self.merge.lists());
        let lists = lists.filter_map(|(server, list)| {
            let list = list.clone()?;
            Some((state_key(server, &self.options.set), list))
        });
        let state = State {
            lists: lists.collect(),
        };
        if let Err(error) = state::save(&self.options.state, &state) {
            report(Report::NotKept(error));
        }
    }

    /// Begins to write what is known, or to look whether it is there.
    fn begin(&mut self) {
        self.due = None;
        let Some(union) = self.merge.union() else {
            // The list of a cluster is not known: it is written when it is.
            return;
        };
        let lists = self.merge.lists().to_vec();
        let look_only = self.in_force.as_ref() == Some(&lists);
        let options = Arc::clone(&self.options);
        let task = tokio::spawn(async move { put(&options, &union, look_only).await });
        self.writing = Some(Writing { lists, task });
    }

    fn done(
        &mut self,
        (lists, outcome): (Vec<Option<List>>, Option<Result<Found, TargetError>>),
        report: &mut impl FnMut(Report),
    ) {
        let again = Instant::now() + AGAIN.delay(self.failures + 1);
        match outcome {
            // The task ended without a result: as the runtime does when it ends.
            None => self.due = Some(again),
            Some(Err(error)) => {
                self.failures = self.failures.saturating_add(1);
                self.in_force = None;
                report(Report::NotWritten(error));
                self.due = Some(again);
            }
            Some(Ok(found)) => {
                self.failures = 0;
                let newer = self.merge.lists() != lists.as_slice();
                let known = self.in_force.as_ref() == Some(&lists);
                match found {
                    Found::Wrote(changed) if known => {
                        for target in changed {
                            report(Report::Changed(target));
                        }
                    }
                    _ if known => {}
                    _ => {
                        let all = lists.iter().flatten();
                        let addresses: BTreeSet<&IpAddr> =
                            all.clone().flat_map(|l| &l.addresses).collect();
                        report(Report::Written {
                            generations: all.map(|l| l.generation).collect(),
                            addresses: addresses.len(),
                        });
                    }
                }
                for (index, list) in lists.iter().enumerate() {
                    if let Some(list) = list {
                        let acknowledge = Some((list.uid.clone(), list.generation));
                        self.duty(index, |duty| duty.acknowledge = acknowledge);
                    }
                }
                self.in_force = Some(lists);
                let now = Instant::now();
                self.due = Some(if newer { now } else { now + LOOK });
            }
        }
    }
}

/// Writes the list where it is not yet, and runs the reload command. Where it was in force before, targets that
/// hold it are left alone, and so is the command unless one does not.
async fn put(
    options: &Options,
    list: &BTreeSet<IpAddr>,
    look_only: bool,
) -> Result<Found, TargetError> {
    let mut changed = Vec::new();
    for target in &options.targets {
        if !target.holds(list).await? {
            target.write(list).await?;
            changed.push(target.to_string());
        }
    }
    if look_only && changed.is_empty() {
        return Ok(Found::Held);
    }
    // Also where all targets held it: who wrote it may have died before the command.
    if let Some(reload) = &options.reload {
        command::run("sh", &["-c", reload], "").await?;
    }
    Ok(Found::Wrote(changed))
}

/// Watches the set in one cluster. Cancel safe.
async fn watched(
    index: usize,
    cluster: Arc<Cluster>,
    set: Key,
    to: mpsc::Sender<(usize, Told<Set>)>,
) {
    let (events, mut told) = mpsc::channel(WAITING);
    let follow = cluster.follow_sets(Some(&set), &events);
    let pass = async {
        while let Some(told) = told.recv().await {
            if to.send((index, told)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = pass => {}
    }
}
