//! Waiting until everybody has a generation who is waited for.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_k8s_api::addresses::{ACKNOWLEDGED, AddressSetStatus};
use flatnet_k8s_client::{Cluster, Key, Told};
use tokio::sync::mpsc;

use crate::CliError;
use crate::error::exit;
use crate::output::Output;

/// What is waited for.
pub(super) struct Wanted {
    /// At least this generation.
    pub(super) generation: Option<i64>,
    /// Addresses that it has.
    pub(super) has: Vec<IpAddr>,
    /// Addresses that it does not have.
    pub(super) lacks: Vec<IpAddr>,
}

/// How far one cluster is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Progress {
    /// The generation that is waited for, once it is known.
    target: Option<i64>,
    done: bool,
    /// Why not, for people.
    why: String,
}

impl Progress {
    /// Looks at a status.
    fn look(&mut self, status: &AddressSetStatus, wanted: &Wanted) {
        let Some(generation) = status.generation else {
            "it is not resolved yet".clone_into(&mut self.why);
            return;
        };
        let there = |a: &IpAddr| status.addresses.contains(&a.to_string());
        let missing = wanted.has.iter().find(|a| !there(a));
        let left = wanted.lacks.iter().find(|a| there(a));
        if let Some(address) = missing.or(left) {
            // A later generation may be without what an earlier one had.
            self.target = None;
            self.done = false;
            let verb = if missing.is_some() {
                "does not have"
            } else {
                "has"
            };
            self.why = format!("generation {generation} {verb} {address}");
            return;
        }
        let target = *self
            .target
            .get_or_insert(wanted.generation.unwrap_or(generation));
        self.done = status.acknowledged.is_some_and(|a| a >= target);
        let message = status.condition(ACKNOWLEDGED).map_or("", |c| &c.message);
        self.why = format!("generation {target}: {message}");
    }
}

/// Waits; the exit code.
pub(super) async fn run(
    key: &Key,
    clusters: &[Arc<Cluster>],
    wanted: &Wanted,
    timeout: Option<Duration>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let (to, mut told) = mpsc::channel(16);
    let mut tasks = tokio::task::JoinSet::new();
    for (index, cluster) in clusters.iter().enumerate() {
        tasks.spawn(watched(index, Arc::clone(cluster), key.clone(), to.clone()));
    }
    drop(to);
    let mut all = vec![Progress::default(); clusters.len()];
    let over = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    let mut over = std::pin::pin!(over);
    while !all.iter().all(|p| p.done) {
        let (index, status) = tokio::select! {
            told = told.recv() => match told {
                Some(told) => told,
                None => break,
            },
            () = &mut over => break,
        };
        let Some(progress) = all.get_mut(index) else {
            continue;
        };
        match status {
            Ok(status) => progress.look(&status, wanted),
            Err(why) => (progress.done, progress.why) = (false, why),
        }
    }
    let mut code = exit::OK;
    for (cluster, progress) in clusters.iter().zip(&all) {
        let line = format!("{key} at {}: {}", cluster.server(), progress.why);
        match progress.done {
            true => output.note(&line),
            false => {
                code = exit::FOUND;
                output.warning(&line);
            }
        }
    }
    Ok(code)
}

type Status = Result<AddressSetStatus, String>;

/// Tells the set's status in one cluster, or why it is not known. Cancel safe.
async fn watched(index: usize, cluster: Arc<Cluster>, key: Key, to: mpsc::Sender<(usize, Status)>) {
    let (events, mut told) = mpsc::channel(16);
    let follow = cluster.follow_sets(Some(&key), &events);
    let pass = async {
        while let Some(told) = told.recv().await {
            let absent = || Err("there is no such set".to_owned());
            let status = match told {
                Told::Listed(all) => all.into_iter().next().map_or_else(absent, |s| Ok(s.status)),
                Told::Applied(set) => Ok(set.status),
                Told::Deleted(_) => absent(),
                Told::Away(error) => Err(error.to_string()),
            };
            if to.send((index, status)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = follow => {}
        () = pass => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(generation: i64, acknowledged: i64, addresses: &[&str]) -> AddressSetStatus {
        AddressSetStatus {
            generation: Some(generation),
            acknowledged: Some(acknowledged),
            addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
            ..AddressSetStatus::default()
        }
    }

    fn wanted(has: &[&str], lacks: &[&str]) -> Wanted {
        let parse = |all: &[&str]| all.iter().map(|a| a.parse().expect("an address")).collect();
        Wanted {
            generation: None,
            has: parse(has),
            lacks: parse(lacks),
        }
    }

    #[test]
    fn the_newest_generation_of_the_first_look_is_waited_for() {
        let (mut progress, wanted) = (Progress::default(), wanted(&[], &[]));
        progress.look(&AddressSetStatus::default(), &wanted);
        assert!(!progress.done && progress.why.contains("not resolved"));
        progress.look(&status(5, 4, &[]), &wanted);
        assert!(!progress.done);
        // A newer one that is not acknowledged is not waited for.
        progress.look(&status(6, 5, &[]), &wanted);
        assert!(progress.done);
    }

    #[test]
    fn an_address_is_waited_for_until_it_is_there_and_acknowledged() {
        let (mut progress, wanted) = (Progress::default(), wanted(&["10.0.0.2"], &["10.0.0.1"]));
        progress.look(&status(5, 5, &["10.0.0.1"]), &wanted);
        assert_eq!(progress.why, "generation 5 does not have 10.0.0.2");
        progress.look(&status(6, 6, &["10.0.0.1", "10.0.0.2"]), &wanted);
        assert_eq!(progress.why, "generation 6 has 10.0.0.1");
        progress.look(&status(7, 6, &["10.0.0.2"]), &wanted);
        assert!(!progress.done);
        progress.look(&status(7, 7, &["10.0.0.2"]), &wanted);
        assert!(progress.done);
    }
}
