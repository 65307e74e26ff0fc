//! A member cluster as it was seen last. Pure.

use std::collections::BTreeMap;

use flatnet_platform_engine::observed::NodeState;
use flatnet_platform_engine::place::Node;
use flatnet_platform_types::kinds::{GroupHeadroom, NodeGroup};

use crate::cache::{Cache, Key, Told};
use crate::seen::{FENCE, FenceSeen, NodeSeen, PdbSeen, PodSeen, Requests, ServiceSeen, SetSeen};

/// What was seen of a member.
#[derive(Debug, Default)]
pub struct Member {
    /// ReplicaSets of applications.
    pub sets: Cache<SetSeen>,
    /// All pods.
    pub pods: Cache<PodSeen>,
    /// All nodes.
    pub nodes: Cache<NodeSeen>,
    /// PodDisruptionBudgets of applications.
    pub pdbs: Cache<PdbSeen>,
    /// Services of applications.
    pub services: Cache<ServiceSeen>,
    /// The ConfigMap with the highest epoch that was written.
    pub fences: Cache<FenceSeen>,
    /// The version of its Kubernetes.
    pub version: Option<String>,
}

/// One thing that a member tells.
#[derive(Debug)]
pub enum MemberTold {
    /// ReplicaSets.
    Sets(Told<SetSeen>),
    /// Pods.
    Pods(Told<PodSeen>),
    /// Nodes.
    Nodes(Told<NodeSeen>),
    /// PodDisruptionBudgets.
    Pdbs(Told<PdbSeen>),
    /// Services.
    Services(Told<ServiceSeen>),
    /// The ConfigMap with the highest epoch that was written.
    Fences(Told<FenceSeen>),
    /// The version of its Kubernetes.
    Version(String),
}

/// What an answer to a write shows.
#[derive(Debug)]
pub enum Wrote {
    /// A ReplicaSet.
    Set(SetSeen),
    /// A pod.
    Pod(PodSeen),
    /// A PodDisruptionBudget.
    Pdb(PdbSeen),
    /// A Service.
    Service(ServiceSeen),
    /// The ConfigMap with the highest epoch that was written.
    Fence(FenceSeen),
    /// There is no such ReplicaSet.
    SetGone(Key),
    /// There is no such pod.
    PodGone(Key),
    /// There is no such PodDisruptionBudget.
    PdbGone(Key),
    /// There is no such Service.
    ServiceGone(Key),
    /// There is no fence.
    FenceGone(Key),
}

/// Whom a change concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concerns {
    /// No application.
    Nobody,
    /// One application.
    App(Key),
    /// All of them.
    All,
}

impl Member {
    /// Whether everything has been listed. Before that it is dark.
    pub fn is_complete(&self) -> bool {
        self.sets.is_listed()
            && self.pods.is_listed()
            && self.nodes.is_listed()
            && self.pdbs.is_listed()
            && self.services.is_listed()
            && self.fences.is_listed()
    }

    /// The epoch that was written there last; 0 where none was.
    pub fn fence(&self) -> u64 {
        let key = Key::new(FENCE.0, FENCE.1);
        self.fences.get(&key).map_or(0, |f| f.epoch)
    }

    /// Takes in what is told; whom it concerns.
    pub fn told(&mut self, told: MemberTold) -> Concerns {
        let app = |namespace: &str, app: Option<&String>| match app {
            Some(app) => Concerns::App(Key::new(namespace, app)),
            None => Concerns::Nobody,
        };
        match told {
            MemberTold::Sets(told) => {
                let concerns = match &told {
                    Told::Listed(..) => Concerns::All,
                    Told::Applied(s) | Told::Deleted(s) => app(&s.key.namespace, Some(&s.app)),
                };
                self.sets.told(told);
                concerns
            }
            MemberTold::Pods(told) => {
                let concerns = match &told {
                    Told::Listed(..) => Concerns::All,
                    Told::Applied(p) | Told::Deleted(p) => app(&p.key.namespace, p.app.as_ref()),
                };
                self.pods.told(told);
                concerns
            }
            MemberTold::Nodes(told) => {
                let concerns = match &told {
                    Told::Listed(..) | Told::Deleted(_) => Concerns::All,
                    Told::Applied(n) => match self.nodes.get(&n.key) {
                        Some(before) if !before.differs(n) => Concerns::Nobody,
                        _ => Concerns::All,
                    },
                };
                self.nodes.told(told);
                concerns
            }
            MemberTold::Pdbs(told) => {
                let concerns = match &told {
                    Told::Listed(..) => Concerns::All,
                    Told::Applied(p) | Told::Deleted(p) => Concerns::App(p.key.clone()),
                };
                self.pdbs.told(told);
                concerns
            }
            MemberTold::Services(told) => {
                let concerns = match &told {
                    Told::Listed(..) => Concerns::All,
                    Told::Applied(s) | Told::Deleted(s) => Concerns::App(s.key.clone()),
                };
                self.services.told(told);
                concerns
            }
            MemberTold::Fences(told) => {
                self.fences.told(told);
                Concerns::All
            }
            MemberTold::Version(version) => {
                self.version = Some(version);
                Concerns::Nobody
            }
        }
    }

    /// Takes in the answer to a write.
    pub fn wrote(&mut self, wrote: Wrote) {
        match wrote {
            Wrote::Set(set) => self.sets.wrote(set),
            Wrote::Pod(pod) => self.pods.wrote(pod),
            Wrote::Pdb(pdb) => self.pdbs.wrote(pdb),
            Wrote::Service(service) => self.services.wrote(service),
            Wrote::Fence(fence) => self.fences.wrote(fence),
            Wrote::SetGone(key) => self.sets.gone(&key),
            Wrote::PodGone(key) => self.pods.gone(&key),
            Wrote::PdbGone(key) => self.pdbs.gone(&key),
            Wrote::ServiceGone(key) => self.services.gone(&key),
            Wrote::FenceGone(key) => self.fences.gone(&key),
        }
    }

    /// What the pods on each node request, and how many they are; and those of one application.
    fn taken(&self, app: Option<&Key>) -> BTreeMap<&str, (Requests, u64, u32)> {
        let mut taken: BTreeMap<&str, (Requests, u64, u32)> = BTreeMap::new();
        for pod in self.pods.iter().filter(|p| !p.ended) {
            let Some(node) = &pod.node else {
                continue;
            };
            let (requests, pods, present) = taken.entry(node).or_default();
            requests.cpu_millis += pod.requests.cpu_millis;
            requests.memory_bytes += pod.requests.memory_bytes;
            requests.addresses += pod.requests.addresses;
            *pods += 1;
            let own = app.is_some_and(|a| {
                pod.key.namespace == a.namespace && pod.app.as_ref() == Some(&a.name)
            });
            *present += u32::from(own);
        }
        taken
    }

    /// What is free on each ready and schedulable node of a group; with how many instances of `app` are there.
    ///
    /// A node that publishes no addresses has one for each pod that it takes.
    pub fn nodes_of(&self, group: &NodeGroup, app: Option<&Key>) -> Vec<Node> {
        let taken = self.taken(app);
        let of_group = |node: &&NodeSeen| {
            let mut wanted = group.node_selector.iter();
            node.state == NodeState::Well && wanted.all(|(k, v)| node.labels.get(k) == Some(v))
        };
        let free = |node: &NodeSeen| {
            let (requests, pods, present) = taken
                .get(node.key.name.as_str())
                .copied()
                .unwrap_or_default();
            let all = node.allocatable;
            let pods = u32::try_from(node.pods.saturating_sub(pods)).unwrap_or(u32::MAX);
            let addresses = match node.counts_addresses {
                true => u32::try_from(all.addresses.saturating_sub(requests.addresses))
                    .unwrap_or(u32::MAX),
                false => pods,
            };
            Node {
                name: node.key.name.clone(),
                switch: node.switch.clone(),
                cpu_millis: all.cpu_millis.saturating_sub(requests.cpu_millis),
                memory_bytes: all.memory_bytes.saturating_sub(requests.memory_bytes),
                pods,
                addresses,
                present,
            }
        };
        self.nodes.iter().filter(of_group).map(free).collect()
    }

    /// What is free in each group.
    pub fn headroom(&self, groups: &[NodeGroup]) -> Vec<GroupHeadroom> {
        let of = |group: &NodeGroup| {
            let nodes = self.nodes_of(group, None);
            GroupHeadroom {
                group: group.name.clone(),
                nodes: u32::try_from(nodes.len()).unwrap_or(u32::MAX),
                cpu_millis: nodes.iter().map(|n| n.cpu_millis).sum(),
                memory_bytes: nodes.iter().map(|n| n.memory_bytes).sum(),
                pods: nodes.iter().map(|n| u64::from(n.pods)).sum(),
                addresses: nodes.iter().map(|n| u64::from(n.addresses)).sum(),
            }
        };
        groups.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        let node = |name: &str, addresses: Option<u64>| NodeSeen {
            key: Key::new("", name),
            labels: [("pool".to_owned(), "mixed".to_owned())].into(),
            allocatable: Requests {
                cpu_millis: 4000,
                memory_bytes: 1000,
                addresses: addresses.unwrap_or(0),
            },
            pods: 10,
            counts_addresses: addresses.is_some(),
            ..NodeSeen::default()
        };
        let pod = PodSeen {
            key: Key::new("shop", "p"),
            app: Some("web".to_owned()),
            node: Some("a".to_owned()),
            requests: Requests {
                cpu_millis: 500,
                memory_bytes: 100,
                addresses: 1,
            },
            ..PodSeen::default()
        };
        let ended = PodSeen {
            key: Key::new("shop", "q"),
            ended: true,
            ..pod.clone()
        };
        let mut member = Member::default();
        let nodes = vec![node("a", Some(3)), node("b", None)];
        member.told(MemberTold::Nodes(Told::Listed(nodes, "1".to_owned())));
        member.told(MemberTold::Pods(Told::Listed(
            vec![pod, ended],
            "1".to_owned(),
        )));
        member
    }

    #[test]
    fn headroom_is_what_pods_left_and_addresses_count_where_they_are_published() {
        let group = NodeGroup {
            name: "mixed".to_owned(),
            node_selector: [("pool".to_owned(), "mixed".to_owned())].into(),
            exclusive_for: None,
        };
        let nodes = member().nodes_of(&group, Some(&Key::new("shop", "web")));
        let room: Vec<_> = nodes
            .iter()
            .map(|n| (n.cpu_millis, n.pods, n.addresses, n.present))
            .collect();
        assert_eq!(room, [(3500, 9, 2, 1), (4000, 10, 10, 0)]);
        let sums = member().headroom(&[group]);
        assert_eq!(
            (sums[0].nodes, sums[0].cpu_millis, sums[0].addresses),
            (2, 7500, 12)
        );
    }

    #[test]
    fn a_member_is_complete_when_all_is_listed_and_no_sooner() {
        let mut member = member();
        assert!(!member.is_complete());
        member.told(MemberTold::Sets(Told::Listed(vec![], "1".to_owned())));
        member.told(MemberTold::Pdbs(Told::Listed(vec![], "1".to_owned())));
        member.told(MemberTold::Services(Told::Listed(vec![], "1".to_owned())));
        assert!(!member.is_complete());
        member.told(MemberTold::Fences(Told::Listed(vec![], "1".to_owned())));
        assert!(member.is_complete());
        assert_eq!(member.fence(), 0);
    }
}
