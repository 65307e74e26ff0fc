//! What is measured: a CNI network on a node, with the containers that it attaches.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use super::Settle;
use super::bare::{Bare, Port};
use crate::runtime::{Added, Cni, ContainerNs, RuntimeConf, netns};

/// The pause before an ADD that comes by itself; no part of its latency. A switch with 200
/// ports is done with the one before it by then.
pub(super) const APART: Duration = Duration::from_millis(100);

/// One side of the comparison.
pub(super) struct Subject {
    pub(super) name: &'static str,
    means: Means,
    node: PathBuf,
    /// The containers that the operations are timed with.
    pub(super) timed: Vec<Container>,
    /// The containers that are merely there.
    pub(super) present: Vec<Container>,
    /// What is left to do after the calls were answered; nothing where there is none.
    settle: Option<Settle>,
}

/// How a container is attached.
#[derive(Debug)]
pub(super) enum Means {
    /// As a runtime does it.
    Cni(Cni),
    /// A port of Open vSwitch and nothing else.
    Bare(Bare),
}

/// What was attached.
#[derive(Debug)]
enum Made {
    /// What the ADD answered.
    Cni(Value),
    Bare(Port),
}

/// A container whose namespace is made before the clock starts and kept for all rounds.
#[derive(Debug)]
pub(super) struct Container {
    netns: ContainerNs,
    /// The runtime's view of it: a new container ID for each attachment.
    conf: RuntimeConf,
    added: Option<Made>,
    /// An ADD was tried and no DEL has succeeded since.
    attached: bool,
    generation: u32,
}

/// What the workers do with each of their containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Op {
    Add,
    /// ADD, [`APART`] after the one before, as a scheduler's come: not in a burst.
    AddApart,
    Del,
    /// ADD and then DEL at once.
    Pair,
}

/// The latencies of one operation on many containers, and how long it all took.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) latencies: Vec<Duration>,
    pub(super) wall: Duration,
    /// What was done in the background after the last answer.
    pub(super) settled: Duration,
}

impl Batch {
    /// Operations a second.
    pub(super) fn rate(&self) -> f64 {
        let count = u32::try_from(self.latencies.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.wall.as_secs_f64().max(1e-9)
    }
}

impl Container {
    fn create(id: &str) -> Result<Self> {
        let netns = ContainerNs::create(id)?;
        let conf = RuntimeConf::new(id, netns.path(), "eth0");
        Ok(Self {
            netns,
            conf,
            added: None,
            attached: false,
            generation: 0,
        })
    }

    fn run(&mut self, means: &Means, op: Op) -> Result<Duration> {
        match op {
            Op::Add => self.add(means),
            Op::AddApart => {
                std::thread::sleep(APART);
                self.add(means)
            }
            Op::Del => self.del(means),
            Op::Pair => Ok(self.add(means)? + self.del(means)?),
        }
    }

    fn add(&mut self, means: &Means) -> Result<Duration> {
        self.generation += 1;
        self.conf.container_id = format!("{}-{}", self.netns.id(), self.generation);
        self.attached = true;
        let (made, took) = match means {
            Means::Cni(cni) => {
                let Added { raw, took, .. } = cni.add(&self.conf).context("ADD")?;
                (Made::Cni(raw), took)
            }
            Means::Bare(bare) => {
                let (port, took) = bare.add(&self.netns.name())?;
                (Made::Bare(port), took)
            }
        };
        self.added = Some(made);
        Ok(took)
    }

    fn del(&mut self, means: &Means) -> Result<Duration> {
        let took = match (means, &self.added) {
            (Means::Cni(cni), Some(Made::Cni(raw))) => cni.del(&self.conf, Some(raw)),
            (Means::Cni(cni), _) => cni.del(&self.conf, None),
            (Means::Bare(bare), Some(Made::Bare(port))) => Ok(bare.del(port)?),
            // An ADD that failed: the bridge goes in the end, and takes what it left along.
            (Means::Bare(_), _) => Ok(Duration::ZERO),
        };
        let took = took.context("DEL")?;
        self.added = None;
        self.attached = false;
        Ok(took)
    }
}

impl Means {
    /// Calls have no time limit, which would cost a thread each.
    pub(super) fn cni(cni: Cni) -> Self {
        Self::Cni(cni.with_limit(None))
    }
}

impl Subject {
    /// A side with its containers' namespaces.
    pub(super) fn create(
        name: &'static str,
        means: Means,
        node: &Path,
        timed: usize,
        present: usize,
    ) -> Result<Self> {
        let make = |what: &str, count: usize| -> Result<Vec<Container>> {
            (0..count)
                .map(|n| Container::create(&format!("bench-{name}-{what}{n}")))
                .collect()
        };
        Ok(Self {
            name,
            means,
            node: node.to_owned(),
            timed: make("t", timed)?,
            present: make("p", present)?,
            settle: None,
        })
    }

    /// A side that has work left when its calls are answered, and how to wait for it.
    pub(super) fn with_settle(mut self, settle: Settle) -> Self {
        self.settle = Some(settle);
        self
    }

    /// Does one operation with the first `count` timed containers, by so many workers.
    pub(super) fn timed(&mut self, op: Op, workers: usize, count: usize) -> Result<Batch> {
        let count = count.min(self.timed.len());
        let mut batch = work(
            &self.means,
            &self.node,
            &mut self.timed[..count],
            op,
            workers,
        )
        .with_context(|| format!("{} with {workers} at once", self.name))?;
        let answered = Instant::now();
        self.settle()?;
        batch.settled = answered.elapsed();
        Ok(batch)
    }

    fn settle(&self) -> Result<()> {
        match &self.settle {
            Some(settle) => settle().with_context(|| format!("{}: settling", self.name)),
            None => Ok(()),
        }
    }

    /// Attaches some of the containers that are merely there.
    pub(super) fn attach_present(&mut self, range: std::ops::Range<usize>) -> Result<()> {
        let containers = &mut self.present[range];
        work(&self.means, &self.node, containers, Op::Add, 4)
            .with_context(|| format!("{}: the attachments that are already there", self.name))?;
        self.settle()
    }

    /// Detaches the containers that were merely there.
    pub(super) fn detach_present(&mut self) -> Result<()> {
        let attached = self.present.iter().filter(|c| c.attached).count();
        let containers = &mut self.present[..attached];
        work(&self.means, &self.node, containers, Op::Del, 4).map(|_| ())
    }
}

impl Drop for Subject {
    /// What an error left attached is detached, as well as it goes.
    fn drop(&mut self) {
        let containers = self.timed.iter_mut().chain(&mut self.present);
        let mut left: Vec<_> = containers.filter(|c| c.attached).collect();
        let means = &self.means;
        let _ = netns::within(&self.node, || {
            for container in &mut left {
                let _ = container.del(means);
            }
        });
    }
}

/// Each worker is a thread that entered the node's namespace before the clock starts, so that
/// every side pays the same for starting a plugin: fork and exec.
fn work(
    means: &Means,
    node: &Path,
    containers: &mut [Container],
    op: Op,
    workers: usize,
) -> Result<Batch> {
    if containers.is_empty() {
        return Ok(Batch::default());
    }
    let share = containers.len().div_ceil(workers.max(1));
    let shares: Vec<&mut [Container]> = containers.chunks_mut(share).collect();
    let start = Barrier::new(shares.len() + 1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = shares
            .into_iter()
            .map(|share| {
                let start = &start;
                scope.spawn(move || {
                    let entered = netns::enter(node);
                    start.wait();
                    entered?;
                    share
                        .iter_mut()
                        .map(|container| container.run(means, op))
                        .collect::<Result<Vec<Duration>>>()
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        // All are joined before the first failure is told: nobody works on afterwards.
        let results: Vec<_> = handles.into_iter().map(|h| h.join()).collect();
        let wall = started.elapsed();
        let mut latencies = Vec::new();
        for result in results {
            latencies.extend(result.map_err(|_| anyhow!("a worker panicked"))??);
        }
        Ok(Batch {
            latencies,
            wall,
            ..Batch::default()
        })
    })
}
