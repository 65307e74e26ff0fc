//! What was seen of hub and members, as the engine wants it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_platform_engine::Observed;
use flatnet_platform_engine::observed::{Cluster, Group, Instance, NodeState, Pdb, Set, Sight};
use flatnet_platform_types::kinds::{
    AppSpec, Cluster as ClusterObject, ClusterSpec, ClusterState, NodeGroup, Phase, Release,
    ReleaseStatus, Stable,
};
use kube::ResourceExt;

use crate::cache::Key;
use crate::hub::Hub;
use crate::member::Member;
use crate::seen::{PodSeen, SetSeen};

/// An application that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Where it is.
    pub key: &'a Key,
    /// What is wanted of it.
    pub spec: &'a AppSpec,
    /// What its last finished release left.
    pub stable: Option<&'a Stable>,
    /// What was said of the release that is looked at.
    pub status: &'a ReleaseStatus,
}

/// What is observed for one release of an application. `members` are those that are current.
pub fn observe(
    hub: &Hub,
    members: &BTreeMap<String, &Member>,
    of: Subject<'_>,
    epoch: u64,
    superseded_by: Option<String>,
) -> Observed {
    let named = named(of);
    let concerned = |c: &&ClusterObject| {
        let mut locations = of.spec.placement.locations.iter();
        locations.any(|l| l.name == c.spec.location) || named.contains(c.name_any().as_str())
    };
    let clusters = hub.clusters.iter().filter(concerned).map(|c| {
        let name = c.name_any();
        let member = members.get(&name).copied();
        let seen = cluster(of.key, of.spec, &c.spec, member);
        (name, seen)
    });
    Observed {
        epoch,
        stable: of.stable.cloned(),
        superseded_by,
        clusters: clusters.collect(),
        verdicts: Vec::new(),
        reserved: reserved(hub, members, of.key),
    }
}

/// The clusters that instances are or were meant to be in.
fn named(of: Subject<'_>) -> BTreeSet<&str> {
    let from = of.status.from.iter().chain(of.stable);
    let cells = from.flat_map(|s| &s.placement).chain(&of.status.target);
    cells.map(|c| c.cluster.as_str()).collect()
}

/// A cluster as one application sees it; dark where its member is not current.
fn cluster(app: &Key, wanted: &AppSpec, spec: &ClusterSpec, member: Option<&Member>) -> Cluster {
    let state = spec.state.unwrap_or_default();
    let mut seen = Cluster {
        location: spec.location.clone(),
        open: state == ClusterState::Active,
        ..Cluster::default()
    };
    if state == ClusterState::Lost {
        seen.sight = Sight::Lost;
        return seen;
    }
    let Some(member) = member.filter(|m| m.is_complete()) else {
        return seen;
    };
    seen.sight = Sight::Clear;
    seen.fence = member.fence();
    let of_app = |s: &&SetSeen| s.key.namespace == app.namespace && s.app == app.name;
    seen.sets = member
        .sets
        .iter()
        .filter(of_app)
        .map(|s| set(s, member))
        .collect();
    seen.pdb = member.pdbs.get(app).map(|p| Pdb {
        min_available: p.min_available,
        resource_version: p.version.clone(),
    });
    let groups = spec.groups.iter().filter(|g| usable(app, wanted, g));
    let groups = groups.map(|g| Group {
        name: g.name.clone(),
        nodes: member.nodes_of(g, Some(app)),
    });
    seen.groups = groups.collect();
    seen
}

/// Whether an application may use a group: one that is its own, or that is nobody's.
pub fn usable(app: &Key, wanted: &AppSpec, group: &NodeGroup) -> bool {
    let named = wanted
        .placement
        .group
        .as_ref()
        .is_none_or(|g| *g == group.name);
    let free = group
        .exclusive_for
        .as_ref()
        .is_none_or(|of| *of == app.to_string());
    named && free
}

fn set(of: &SetSeen, member: &Member) -> Set {
    let own = |p: &&PodSeen| {
        !p.ended
            && p.key.namespace == of.key.namespace
            && p.set.as_deref() == Some(of.key.name.as_str())
    };
    Set {
        name: of.key.name.clone(),
        revision: of.revision.clone(),
        group: of.group.clone(),
        replicas: of.replicas,
        resource_version: of.version.clone(),
        instances: member
            .pods
            .iter()
            .filter(own)
            .map(|p| instance(p, member))
            .collect(),
    }
}

fn instance(pod: &PodSeen, member: &Member) -> Instance {
    let node = pod
        .node
        .as_ref()
        .and_then(|n| member.nodes.get(&Key::new("", n)));
    Instance {
        name: pod.key.name.clone(),
        resource_version: pod.version.clone(),
        serve: pod.serve,
        in_service: pod.in_service,
        deleting: pod.deleting,
        // One without a node yet, or whose Node object is missing, is not known to be gone.
        node: node.map_or(NodeState::Well, |n| n.state),
        drain: pod.drain,
        deletion_cost: pod.deletion_cost,
        trouble: pod.trouble.clone(),
    }
}

/// What other applications' releases under way have been promised and have not made yet.
fn reserved(
    hub: &Hub,
    members: &BTreeMap<String, &Member>,
    app: &Key,
) -> BTreeMap<(String, String), u32> {
    let mut reserved = BTreeMap::new();
    let acts = |r: &&Release| {
        let phase = r.status.as_ref().map_or(Phase::Pending, |s| s.phase);
        let other =
            r.namespace().as_deref() != Some(app.namespace.as_str()) || r.spec.app != app.name;
        other && (phase.is_step() || phase == Phase::Paused)
    };
    for release in hub.releases.iter().filter(acts) {
        let namespace = release.namespace().unwrap_or_default();
        for cell in release.status.iter().flat_map(|s| &s.target) {
            let made = members.get(&cell.cluster).map_or(0, |m| {
                let sets = m.sets.iter().filter(|s| {
                    s.key.namespace == namespace
                        && s.app == release.spec.app
                        && s.group == cell.group
                });
                sets.map(|s| s.replicas).sum::<u32>()
            });
            let left = cell.count.saturating_sub(made);
            if left > 0 {
                *reserved
                    .entry((cell.cluster.clone(), cell.group.clone()))
                    .or_default() += left;
            }
        }
    }
    reserved
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cache::Told;
    use crate::hub::Hub;
    use crate::member::MemberTold;
    use crate::seen::{FENCE, FenceSeen, NodeSeen};

    fn world() -> (Hub, Member) {
        let clusters = ["one", "two"].map(|name| -> ClusterObject {
            let object = json!({
                "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Cluster", "metadata": {"name": name},
                "spec": {"endpoint": "https://x", "location": name,
                    "credentials": {"namespace": "n", "name": name},
                    "groups": [{"name": "mixed", "nodeSelector": {}},
                               {"name": "own", "nodeSelector": {}, "exclusiveFor": "shop/other"}]},
            });
            serde_json::from_value(object).expect("a cluster")
        });
        let mut hub = Hub::default();
        hub.clusters
            .told(Told::Listed(clusters.into(), "1".to_owned()));
        let mut member = Member::default();
        let set = SetSeen {
            key: Key::new("shop", "web-r1-mixed"),
            version: "4".to_owned(),
            app: "web".to_owned(),
            revision: "r1".to_owned(),
            group: "mixed".to_owned(),
            replicas: 2,
        };
        let pod = |name: &str, node: &str| PodSeen {
            key: Key::new("shop", name),
            app: Some("web".to_owned()),
            set: Some(set.key.name.clone()),
            node: Some(node.to_owned()),
            serve: true,
            in_service: true,
            ..PodSeen::default()
        };
        let ended = PodSeen {
            ended: true,
            ..pod("z", "a")
        };
        let node = NodeSeen {
            key: Key::new("", "a"),
            state: NodeState::Leaving,
            ..NodeSeen::default()
        };
        let fence = FenceSeen {
            key: Key::new(FENCE.0, FENCE.1),
            version: "1".to_owned(),
            epoch: 7,
        };
        let at = || "9".to_owned();
        let pods = vec![pod("x", "a"), pod("y", "nowhere"), ended];
        member.told(MemberTold::Sets(Told::Listed(vec![set], at())));
        member.told(MemberTold::Pods(Told::Listed(pods, at())));
        member.told(MemberTold::Nodes(Told::Listed(vec![node], at())));
        member.told(MemberTold::Pdbs(Told::Listed(vec![], at())));
        member.told(MemberTold::Services(Told::Listed(vec![], at())));
        member.told(MemberTold::Fences(Told::Listed(vec![fence], at())));
        (hub, member)
    }

    fn seen(members: &BTreeMap<String, &Member>, hub: &Hub) -> Observed {
        let spec: AppSpec = serde_json::from_value(json!({
            "repo": "r", "team": "t", "template": {"name": "plain", "version": 1}, "replicas": 2,
            "placement": {"locations": [{"name": "one"}, {"name": "two"}]},
        }))
        .expect("an application");
        let status = ReleaseStatus::default();
        let subject = Subject {
            key: &Key::new("shop", "web"),
            spec: &spec,
            stable: None,
            status: &status,
        };
        observe(hub, members, subject, 7, None)
    }

    #[test]
    fn a_member_that_is_not_current_is_dark_and_not_empty() {
        let (hub, member) = world();
        let observed = seen(&[("one".to_owned(), &member)].into(), &hub);
        assert_eq!(observed.clusters["two"].sight, Sight::Dark);
        let one = &observed.clusters["one"];
        assert_eq!((one.sight, one.fence), (Sight::Clear, 7));
        let unlisted = Member::default();
        let observed = seen(&[("one".to_owned(), &unlisted)].into(), &hub);
        assert_eq!(observed.clusters["one"].sight, Sight::Dark);
    }

    #[test]
    fn instances_are_the_pods_of_a_set_that_have_not_ended() {
        let (hub, member) = world();
        let observed = seen(&[("one".to_owned(), &member)].into(), &hub);
        let set = &observed.clusters["one"].sets[0];
        let states: Vec<_> = set
            .instances
            .iter()
            .map(|i| (i.name.as_str(), i.node))
            .collect();
        // A Node object that is missing proves nothing.
        assert_eq!(states, [("x", NodeState::Leaving), ("y", NodeState::Well)]);
    }

    #[test]
    fn a_group_of_another_application_is_not_offered() {
        let (hub, member) = world();
        let observed = seen(&[("one".to_owned(), &member)].into(), &hub);
        let groups: Vec<_> = observed.clusters["one"]
            .groups
            .iter()
            .map(|g| g.name.as_str())
            .collect();
        assert_eq!(groups, ["mixed"]);
    }
}
