//! Member clusters as they are: pods, ReplicaSets, netd, nodes. What the controller does arrives here, and what
//! Kubernetes does by itself is done here.

use std::collections::BTreeMap;

use flatnet_platform_engine::action::Op;
use flatnet_platform_engine::observed::{
    Cluster, Drain, Group, Instance, NodeState, Pdb, Set, Sight,
};
use flatnet_platform_engine::place::Node;
use flatnet_platform_types::Moment;

use crate::rng::Rng;

pub(crate) const GROUP: &str = "mixed";
const ROOM: u32 = 16;

#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) seen: Instance,
    /// Its place among the cluster's nodes; none while no node has room.
    pub(crate) host: Option<usize>,
    /// Its containers are ready.
    pub(crate) ready: bool,
    /// They never will be, until faults are over.
    pub(crate) stuck: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Replicas {
    pub(crate) name: String,
    pub(crate) revision: String,
    pub(crate) replicas: u32,
    pub(crate) version: u64,
    pub(crate) pods: Vec<Pod>,
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) reachable: bool,
    pub(crate) fence: u64,
    pub(crate) hosts: Vec<NodeState>,
    pub(crate) sets: Vec<Replicas>,
    pub(crate) pdb: Option<(u32, u64)>,
    versions: u64,
    names: u64,
}

/// Why the cluster refused a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Unreachable,
    Epoch,
    Conflict,
}

pub(crate) fn serves(pod: &Pod) -> bool {
    let i = &pod.seen;
    i.in_service && i.serve && !i.deleting && i.node != NodeState::Gone
}

impl Member {
    pub(crate) fn new(name: &str, location: &str, hosts: usize) -> Self {
        Self {
            name: name.to_owned(),
            location: location.to_owned(),
            reachable: true,
            fence: 0,
            hosts: vec![NodeState::Well; hosts],
            sets: Vec::new(),
            pdb: None,
            versions: 0,
            names: 0,
        }
    }

    fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub(crate) fn serving(&self) -> u32 {
        let pods = self.sets.iter().flat_map(|s| &s.pods);
        u32::try_from(pods.filter(|p| serves(p)).count()).expect("few")
    }

    pub(crate) fn observe(&self) -> Cluster {
        if !self.reachable {
            return Cluster {
                location: self.location.clone(),
                open: true,
                sight: Sight::Dark,
                ..Cluster::default()
            };
        }
        let sets = self.sets.iter().map(|s| Set {
            name: s.name.clone(),
            revision: s.revision.clone(),
            group: GROUP.to_owned(),
            replicas: s.replicas,
            resource_version: s.version.to_string(),
            instances: s.pods.iter().map(|p| p.seen.clone()).collect(),
        });
        let used = self.used();
        let well = self
            .hosts
            .iter()
            .enumerate()
            .filter(|(_, h)| **h == NodeState::Well);
        let nodes = well.map(|(i, _)| {
            let free = ROOM - used.get(&i).copied().unwrap_or(0).min(ROOM);
            Node {
                name: format!("{}-{i}", self.name),
                switch: Some(format!("tor-{}", i / 2)),
                cpu_millis: u64::from(free) * 100,
                memory_bytes: u64::from(free) << 30,
                pods: free,
                addresses: free,
                present: 0,
            }
        });
        Cluster {
            location: self.location.clone(),
            sight: Sight::Clear,
            open: true,
            fence: self.fence,
            groups: vec![Group {
                name: GROUP.to_owned(),
                nodes: nodes.collect(),
            }],
            pdb: self.pdb.map(|(min_available, version)| Pdb {
                min_available,
                resource_version: version.to_string(),
            }),
            sets: sets.collect(),
        }
    }

    fn used(&self) -> BTreeMap<usize, u32> {
        let mut used = BTreeMap::new();
        for host in self
            .sets
            .iter()
            .flat_map(|s| &s.pods)
            .filter_map(|p| p.host)
        {
            *used.entry(host).or_default() += 1;
        }
        used
    }

    /// Changes a pod, which has another version then.
    pub(crate) fn change(&mut self, set: usize, pod: usize, of: impl FnOnce(&mut Pod)) {
        let version = self.version();
        let pod = &mut self.sets[set].pods[pod];
        of(pod);
        pod.seen.resource_version = version.to_string();
    }

    fn find(&self, name: &str, version: &str) -> Result<(usize, usize), Refused> {
        for (s, set) in self.sets.iter().enumerate() {
            let found = set.pods.iter().position(|p| p.seen.name == name);
            if let Some(p) = found {
                let same = set.pods[p].seen.resource_version == version;
                return if same {
                    Ok((s, p))
                } else {
                    Err(Refused::Conflict)
                };
            }
        }
        Err(Refused::Conflict)
    }

    fn set(&mut self, name: &str, version: &str) -> Result<usize, Refused> {
        let same = |s: &Replicas| s.name == name && s.version.to_string() == version;
        self.sets.iter().position(same).ok_or(Refused::Conflict)
    }

    /// A write of a controller.
    pub(crate) fn apply(&mut self, epoch: u64, op: &Op, now: Moment) -> Result<(), Refused> {
        if !self.reachable {
            return Err(Refused::Unreachable);
        }
        if epoch < self.fence {
            return Err(Refused::Epoch);
        }
        match op {
            Op::Fence => self.fence = epoch,
            Op::CreateSet {
                revision, replicas, ..
            } => {
                let name = format!("app-{revision}");
                if self.sets.iter().any(|s| s.name == name) {
                    return Err(Refused::Conflict);
                }
                let version = self.version();
                self.sets.push(Replicas {
                    name,
                    revision: revision.clone(),
                    replicas: *replicas,
                    version,
                    pods: Vec::new(),
                });
            }
            Op::RaiseSet {
                set,
                replicas,
                resource_version,
            }
            | Op::LowerSet {
                set,
                replicas,
                resource_version,
            } => {
                let at = self.set(set, resource_version)?;
                self.scale(at, *replicas);
            }
            Op::DeleteSet {
                set,
                resource_version,
            } => {
                let at = self.set(set, resource_version)?;
                assert!(self.sets[at].pods.is_empty(), "a set with pods is deleted");
                self.sets.remove(at);
            }
            Op::Serve {
                instance,
                on,
                resource_version,
            } => {
                let (s, p) = self.find(instance, resource_version)?;
                self.wish(s, p, *on, now);
            }
            Op::DeletionCost {
                instance,
                cost,
                resource_version,
            } => {
                let (s, p) = self.find(instance, resource_version)?;
                self.change(s, p, |pod| pod.seen.deletion_cost = *cost);
            }
            Op::DeleteInstance {
                instance,
                resource_version,
                ..
            } => {
                let (s, p) = self.find(instance, resource_version)?;
                self.change(s, p, |pod| pod.seen.deleting = true);
            }
            Op::SetPdb {
                min_available,
                resource_version,
            } => {
                let there = self.pdb.map(|(_, v)| v.to_string());
                if there != *resource_version {
                    return Err(Refused::Conflict);
                }
                self.pdb = Some((*min_available, self.version()));
            }
        }
        Ok(())
    }

    pub(crate) fn scale(&mut self, at: usize, replicas: u32) {
        let version = self.version();
        self.sets[at].replicas = replicas;
        self.sets[at].version = version;
        // It acts at once on being lowered: that is the moment at which it may choose the wrong ones.
        self.lower(at);
    }

    pub(crate) fn wish(&mut self, s: usize, p: usize, on: bool, now: Moment) {
        self.change(s, p, |pod| {
            pod.seen.serve = on;
            pod.seen.drain = Drain {
                done: false,
                since: (!on).then_some(now),
            };
        });
    }

    /// Pods that a ReplicaSet deletes when it is lowered, in its order (client-go, ActivePodsWithRanks): not assigned,
    /// not ready, cheaper.
    pub(crate) fn order(pod: &Pod) -> (bool, bool, i32) {
        (pod.host.is_some(), serves(pod), pod.seen.deletion_cost)
    }

    fn lower(&mut self, at: usize) {
        let active: Vec<usize> = (0..self.sets[at].pods.len())
            .filter(|&p| !self.sets[at].pods[p].seen.deleting)
            .collect();
        let surplus = active.len().saturating_sub(self.sets[at].replicas as usize);
        let mut order = active;
        order.sort_by_key(|&p| Self::order(&self.sets[at].pods[p]));
        for p in order.into_iter().take(surplus) {
            self.change(at, p, |pod| pod.seen.deleting = true);
        }
    }

    /// What the cluster does by itself: one thing of each kind, with some chance.
    pub(crate) fn live(&mut self, rng: &mut Rng, percent: usize) {
        for at in 0..self.sets.len() {
            if rng.chance(percent) {
                self.fill(at);
                self.lower(at);
            }
            for p in (0..self.sets[at].pods.len()).rev() {
                if rng.chance(percent) {
                    self.advance(at, p);
                }
            }
        }
    }

    /// A ReplicaSet's missing pods.
    fn fill(&mut self, at: usize) {
        let active = self.sets[at]
            .pods
            .iter()
            .filter(|p| !p.seen.deleting)
            .count();
        for _ in active..self.sets[at].replicas as usize {
            self.names += 1;
            let name = format!("{}-{}-{}", self.name, self.sets[at].name, self.names);
            let version = self.version();
            self.sets[at].pods.push(Pod {
                seen: Instance {
                    name,
                    resource_version: version.to_string(),
                    serve: true,
                    ..Instance::default()
                },
                host: None,
                ready: false,
                stuck: false,
            });
        }
    }

    /// The next thing that happens to a pod.
    fn advance(&mut self, at: usize, p: usize) {
        let pod = &self.sets[at].pods[p];
        let node = pod.seen.node;
        if pod.seen.deleting {
            self.sets[at].pods.remove(p);
            let version = self.version();
            self.sets[at].version = version;
        } else if pod.host.is_none() {
            let used = self.used();
            let fits = |i: &usize| {
                self.hosts[*i] == NodeState::Well && used.get(i).copied().unwrap_or(0) < ROOM
            };
            let host = (0..self.hosts.len())
                .filter(fits)
                .min_by_key(|i| used.get(i).copied().unwrap_or(0));
            self.change(at, p, |pod| pod.host = host);
        } else if node == NodeState::Gone || node == NodeState::Mute {
            // Nobody writes its conditions.
        } else if !pod.ready {
            let bad = pod.stuck;
            self.change(at, p, |pod| pod.ready = !bad);
        } else if pod.seen.in_service != pod.seen.serve {
            self.change(at, p, |pod| pod.seen.in_service = pod.seen.serve);
        } else if !pod.seen.serve && !pod.seen.drain.done {
            self.change(at, p, |pod| pod.seen.drain.done = true);
        }
    }

    /// The state of a host, and of all pods on it.
    pub(crate) fn host(&mut self, host: usize, state: NodeState) {
        self.hosts[host] = state;
        for s in 0..self.sets.len() {
            for p in 0..self.sets[s].pods.len() {
                if self.sets[s].pods[p].host == Some(host)
                    && self.sets[s].pods[p].seen.node != NodeState::Gone
                {
                    self.change(s, p, |pod| pod.seen.node = state);
                }
            }
        }
    }

    /// A pod by number, if there are any.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<(usize, usize)> {
        let all: Vec<(usize, usize)> = self
            .sets
            .iter()
            .enumerate()
            .flat_map(|(s, set)| (0..set.pods.len()).map(move |p| (s, p)))
            .collect();
        (!all.is_empty()).then(|| all[rng.below(all.len())])
    }

    /// No fault is left.
    pub(crate) fn heal(&mut self) {
        self.reachable = true;
        for host in 0..self.hosts.len() {
            self.host(host, NodeState::Well);
        }
        for set in &mut self.sets {
            set.pods.iter_mut().for_each(|p| p.stuck = false);
        }
    }
}
