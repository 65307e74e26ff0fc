//! Releases in single looks: what is decided, and on what.

use std::collections::BTreeMap;

use flatnet_platform_engine::action::Why;
use flatnet_platform_engine::observed::{
    Cluster, Drain, GateVerdict, Group, Instance, NodeState, Observed, Pdb, Set, Sight,
};
use flatnet_platform_engine::place::Node;
use flatnet_platform_engine::{Action, Input, Op, Outcome, step};
use flatnet_platform_types::kinds::{
    AppSpec, CellCount, Decision, Gate, LocationWish, Phase, PlacementSpec, ReleaseKind,
    ReleasePolicy, ReleaseSpec, ReleaseStatus, Stable, Step, Verdict,
};
use flatnet_platform_types::{Amount, Moment, Span, revision};
use serde_json::Value;

/// An application of ten instances, five in each of two clusters, and a release of it.
struct Fixture {
    app: AppSpec,
    release: ReleaseSpec,
    status: ReleaseStatus,
    observed: Observed,
    now: Moment,
}

const OLD: &str = "old";

fn new() -> String {
    revision("sha256:1", "@0", &Value::Null)
}

fn instance(name: &str, serve: bool) -> Instance {
    Instance {
        name: name.to_owned(),
        resource_version: "1".to_owned(),
        serve,
        in_service: serve,
        drain: Drain {
            done: !serve,
            since: None,
        },
        ..Instance::default()
    }
}

fn set(cluster: &str, revision: &str, serving: u32, parked: u32) -> Set {
    let one = |n| instance(&format!("{cluster}-{revision}-{n}"), n < serving);
    Set {
        name: format!("app-{revision}"),
        revision: revision.to_owned(),
        group: "mixed".to_owned(),
        replicas: serving + parked,
        resource_version: "7".to_owned(),
        instances: (0..serving + parked).map(one).collect(),
    }
}

fn cluster(location: &str, sets: Vec<Set>) -> Cluster {
    let node = Node {
        name: "n1".to_owned(),
        cpu_millis: 100_000,
        memory_bytes: 1 << 40,
        pods: 100,
        addresses: 100,
        ..Node::default()
    };
    Cluster {
        location: location.to_owned(),
        sight: Sight::Clear,
        open: true,
        fence: 1,
        sets,
        pdb: Some(Pdb {
            min_available: 5,
            resource_version: "1".to_owned(),
        }),
        groups: vec![Group {
            name: "mixed".to_owned(),
            nodes: vec![node],
        }],
    }
}

fn placement() -> Vec<CellCount> {
    let cell = |cluster: &str, location: &str| CellCount {
        cluster: cluster.to_owned(),
        location: location.to_owned(),
        group: "mixed".to_owned(),
        count: 5,
    };
    vec![cell("a", "idc"), cell("b", "cloud")]
}

impl Fixture {
    /// In step 1 of two (two instances, then all), in that phase; `[new, old, parked]` of each cluster.
    fn at(phase: Phase, a: [u32; 3], b: [u32; 3]) -> Self {
        let sets = |cluster: &str, [new_ones, old, parked]: [u32; 3]| {
            let mut sets = vec![set(cluster, OLD, old, parked)];
            if new_ones > 0 {
                sets.push(set(cluster, &new(), new_ones, 0));
            }
            sets
        };
        let stable = Stable {
            revision: OLD.to_owned(),
            placement: placement(),
        };
        let wish = |name: &str| LocationWish {
            name: name.to_owned(),
            min: None,
        };
        let begun = phase != Phase::Pending;
        Self {
            app: AppSpec {
                replicas: 10,
                placement: PlacementSpec {
                    locations: vec![wish("idc"), wish("cloud")],
                    ..PlacementSpec::default()
                },
                release: ReleasePolicy {
                    steps: vec![Step {
                        instances: Amount::Instances(2),
                        locations: Default::default(),
                        bake: Span::seconds(60),
                        gates: vec![Gate {
                            probe: Some("/".to_owned()),
                            ..Gate::default()
                        }],
                    }],
                    ..ReleasePolicy::default()
                },
                ..AppSpec::default()
            },
            release: ReleaseSpec {
                digest: "sha256:1".to_owned(),
                ..ReleaseSpec::default()
            },
            status: ReleaseStatus {
                phase,
                step: u32::from(begun),
                revision: if begun { new() } else { String::new() },
                from: begun.then(|| stable.clone()),
                target: if begun { placement() } else { Vec::new() },
                ..ReleaseStatus::default()
            },
            observed: Observed {
                epoch: 1,
                stable: Some(stable),
                clusters: BTreeMap::from([
                    ("a".to_owned(), cluster("idc", sets("a", a))),
                    ("b".to_owned(), cluster("cloud", sets("b", b))),
                ]),
                ..Observed::default()
            },
            now: Moment::from_millis(1_000_000),
        }
    }

    fn look(&self) -> Outcome {
        step(&Input {
            app: &self.app,
            release: &self.release,
            status: &self.status,
            observed: &self.observed,
            now: self.now,
        })
    }

    fn cluster(&mut self, name: &str) -> &mut Cluster {
        self.observed.clusters.get_mut(name).expect("a cluster")
    }

    fn instances(&mut self, name: &str, set: usize) -> &mut Vec<Instance> {
        &mut self.cluster(name).sets[set].instances
    }
}

/// The operations in clusters, each with its cluster's name before it.
fn ops(out: &Outcome) -> Vec<(&str, &Op)> {
    out.actions
        .iter()
        .filter_map(|a| match a {
            Action::Member { cluster, op, .. } => Some((cluster.as_str(), op)),
            _ => None,
        })
        .collect()
}

fn wishes(out: &Outcome, on: bool) -> Vec<String> {
    let all = ops(out).into_iter();
    all.filter_map(|(_, op)| match op {
        Op::Serve {
            instance, on: o, ..
        } if *o == on => Some(instance.clone()),
        _ => None,
    })
    .collect()
}

fn made(out: &Outcome) -> Vec<(String, u32)> {
    let all = ops(out).into_iter();
    all.filter_map(|(cluster, op)| match op {
        Op::CreateSet { replicas, .. } | Op::RaiseSet { replicas, .. } => {
            Some((cluster.to_owned(), *replicas))
        }
        _ => None,
    })
    .collect()
}

#[test]
fn a_release_begins_with_its_first_step_in_each_cluster() {
    let out = Fixture::at(Phase::Pending, [0, 5, 0], [0, 5, 0]).look();
    assert_eq!((out.status.phase, out.status.step), (Phase::Raising, 1));
    assert_eq!(made(&out), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    assert_eq!(wishes(&out, false), [""; 0]);
}

#[test]
fn nothing_is_done_in_a_cluster_before_its_fence_is_seen() {
    let mut fixture = Fixture::at(Phase::Raising, [0, 5, 0], [0, 5, 0]);
    fixture.observed.epoch = 2;
    let out = fixture.look();
    assert_eq!(ops(&out), [("a", &Op::Fence), ("b", &Op::Fence)]);
    fixture.cluster("a").fence = 3;
    assert!(fixture.look().actions.is_empty(), "a later controller acts");
}

#[test]
fn an_old_instance_goes_out_of_service_only_as_a_new_one_has_come_into_it() {
    let out = Fixture::at(Phase::Waiting, [1, 5, 0], [1, 5, 0]).look();
    assert_eq!(wishes(&out, false), ["a-old-4", "b-old-4"]);
    let mut starting = Fixture::at(Phase::Waiting, [1, 5, 0], [1, 5, 0]);
    starting.instances("a", 1)[0].in_service = false;
    assert_eq!(wishes(&starting.look(), false), ["b-old-4"]);
}

#[test]
fn in_a_release_nothing_is_lowered_while_a_cluster_is_dark() {
    let mut fixture = Fixture::at(Phase::Waiting, [1, 5, 0], [1, 5, 0]);
    fixture.cluster("b").sight = Sight::Dark;
    let out = fixture.look();
    assert_eq!(wishes(&out, false), [""; 0]);
    assert_eq!(out.status.reason, "Unreachable");
}

#[test]
fn an_abort_takes_the_new_ones_out_though_a_cluster_is_dark() {
    let mut fixture = Fixture::at(Phase::Baking, [1, 4, 1], [1, 4, 1]);
    fixture.status = fixture.look().status;
    fixture.release.decision = Decision::Abort;
    fixture.cluster("b").sight = Sight::Dark;
    let out = fixture.look();
    assert_eq!(out.status.phase, Phase::Aborting);
    assert_eq!(wishes(&out, true), ["a-old-4"]);
    assert_eq!(
        wishes(&out, false),
        [""; 0],
        "the parked one does not serve yet"
    );
    fixture.status = out.status;
    let back = &mut fixture.instances("a", 0)[4];
    (back.serve, back.in_service) = (true, true);
    let out = fixture.look();
    assert_eq!(wishes(&out, false), [format!("a-{}-0", new())]);
}

#[test]
fn a_bad_revision_never_has_more_than_its_steps_share_and_is_aborted_by_its_gate() {
    let mut fixture = Fixture::at(Phase::Waiting, [1, 4, 1], [1, 4, 1]);
    let out = fixture.look();
    assert_eq!(out.status.phase, Phase::Gating);
    let ask = Action::Ask {
        step: 1,
        round: 0,
        gate: 0,
        of: fixture.app.release.steps[0].gates[0].clone(),
    };
    assert!(out.actions.contains(&ask), "{:?}", out.actions);
    assert_eq!(made(&out), [], "no more of it");
    fixture.status = out.status;
    fixture.observed.verdicts = vec![GateVerdict {
        step: 1,
        verdict: Verdict::Fail,
        reason: "502 from a".to_owned(),
        ..GateVerdict::default()
    }];
    let out = fixture.look();
    assert_eq!(out.status.phase, Phase::Aborting);
    let message = "probe: 502 from a; 2 new instances go as old ones come into service";
    assert_eq!(
        (out.status.reason.as_str(), out.status.message.as_str()),
        ("GateFailed", message)
    );
    assert_eq!(wishes(&out, true), ["a-old-4", "b-old-4"]);
}

#[test]
fn a_bake_counts_only_time_in_which_somebody_looked() {
    let mut fixture = Fixture::at(Phase::Gating, [1, 4, 1], [1, 4, 1]);
    fixture.observed.verdicts = vec![GateVerdict {
        step: 1,
        verdict: Verdict::Pass,
        ..GateVerdict::default()
    }];
    fixture.status = fixture.look().status;
    assert_eq!(fixture.status.phase, Phase::Baking);
    // A jump of a day is half a minute, and one back is nothing.
    for (millis, phase) in [
        (86_400_000, Phase::Baking),
        (-86_400_000, Phase::Baking),
        (29_000, Phase::Baking),
        (1_000, Phase::Raising),
    ] {
        fixture.now = Moment::from_millis(fixture.now.as_millis() + millis);
        fixture.status = fixture.look().status;
        assert_eq!(
            fixture.status.phase, phase,
            "after {millis} ms: {:?}",
            fixture.status.timers
        );
    }
    assert_eq!(fixture.status.step, 2);
}

#[test]
fn new_instances_that_crash_after_the_release_are_replaced_by_parked_ones() {
    let mut fixture = Fixture::at(Phase::Holding, [5, 0, 5], [5, 0, 5]);
    fixture.status.step = 2;
    for instance in fixture.instances("a", 1).iter_mut().take(2) {
        instance.in_service = false;
    }
    assert_eq!(wishes(&fixture.look(), true), ["a-old-0", "a-old-1"]);
}

#[test]
fn a_rollback_brings_parked_instances_back_in_one_look() {
    let mut fixture = Fixture::at(Phase::Pending, [0, 5, 0], [0, 5, 0]);
    fixture.release.kind = ReleaseKind::Rollback;
    for name in ["a", "b"] {
        fixture.cluster(name).sets.push(set(name, &new(), 0, 5));
    }
    let out = fixture.look();
    assert_eq!(wishes(&out, true).len(), 10);
    assert_eq!(made(&out), []);
    assert_eq!(
        wishes(&out, false),
        [""; 0],
        "the old ones stay until those serve"
    );
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let mut fixture = Fixture::at(Phase::Pending, [0, 5, 0], [0, 5, 0]);
    fixture.cluster("a").groups[0].nodes[0].addresses = 3;
    let out = fixture.look();
    assert_eq!(
        (out.status.phase, out.status.reason.as_str()),
        (Phase::Failed, "NoRoom")
    );
    assert!(
        out.status.message.contains("room for 3"),
        "{}",
        out.status.message
    );
    assert_eq!(made(&out), []);
}

#[test]
fn more_are_raised_at_once_when_more_are_wanted() {
    let mut fixture = Fixture::at(Phase::Done, [5, 0, 0], [5, 0, 0]);
    fixture.app.replicas = 14;
    let out = fixture.look();
    assert_eq!(made(&out), [("a".to_owned(), 7), ("b".to_owned(), 7)]);
    fixture.app.replicas = 1_000;
    let out = fixture.look();
    let told = "210 of 1000 wanted instances have room";
    assert_eq!(out.status.shortage, told);
    assert_eq!(made(&out), [("a".to_owned(), 105), ("b".to_owned(), 105)]);
}

#[test]
fn a_cluster_that_is_given_up_has_its_share_placed_elsewhere() {
    let mut fixture = Fixture::at(Phase::Done, [5, 0, 0], [5, 0, 0]);
    fixture.cluster("b").sight = Sight::Dark;
    assert_eq!(made(&fixture.look()), [], "dark is not gone");
    fixture.cluster("b").sight = Sight::Lost;
    assert_eq!(made(&fixture.look()), [("a".to_owned(), 10)]);
}

#[test]
fn a_pod_on_a_node_that_is_gone_is_deleted_and_one_on_a_node_that_leaves_is_replaced_first() {
    let mut fixture = Fixture::at(Phase::Done, [5, 0, 0], [5, 0, 0]);
    fixture.instances("a", 1)[0].node = NodeState::Gone;
    let out = fixture.look();
    let deleted = ops(&out).iter().any(|(_, op)| {
        matches!(
            op,
            Op::DeleteInstance {
                why: Why::NodeGone,
                ..
            }
        )
    });
    assert!(deleted, "{:?}", out.actions);

    let mut fixture = Fixture::at(Phase::Done, [5, 0, 0], [5, 0, 0]);
    fixture.instances("a", 1)[0].node = NodeState::Leaving;
    let out = fixture.look();
    assert_eq!(made(&out), [("a".to_owned(), 6)]);
    assert_eq!(wishes(&out, false), [""; 0]);
    let more = instance("a-more", true);
    fixture.instances("a", 1).push(more);
    fixture.cluster("a").sets[1].replicas = 6;
    assert_eq!(wishes(&fixture.look(), false), [format!("a-{}-0", new())]);
}

#[test]
fn a_set_is_lowered_by_as_many_as_are_drained_and_cheapest() {
    let mut fixture = Fixture::at(Phase::Retiring, [5, 0, 3], [5, 0, 0]);
    fixture.status.step = 2;
    let out = fixture.look();
    let costs = ops(&out)
        .iter()
        .filter(|(_, op)| matches!(op, Op::DeletionCost { .. }))
        .count();
    assert_eq!(costs, 3);
    let old = fixture.instances("a", 0);
    old.iter_mut()
        .take(2)
        .for_each(|i| i.deletion_cost = i32::MIN);
    old[2].drain.done = false;
    let out = fixture.look();
    let lowered = ops(&out).into_iter().find_map(|(_, op)| match op {
        Op::LowerSet { replicas, .. } => Some(*replicas),
        _ => None,
    });
    assert_eq!(lowered, Some(1));
}

#[test]
fn the_disruption_budgets_leave_what_the_budget_has_left() {
    let mut fixture = Fixture::at(Phase::Done, [5, 0, 0], [5, 0, 0]);
    fixture.app.release.max_unavailable = Amount::Instances(2);
    let out = fixture.look();
    let budgets: Vec<(&str, u32)> = ops(&out)
        .into_iter()
        .filter_map(|(cluster, op)| match op {
            Op::SetPdb { min_available, .. } => Some((cluster, *min_available)),
            _ => None,
        })
        .collect();
    assert_eq!(budgets, [("a", 3)], "and five of b's five stay");
}

#[test]
fn the_same_release_again_changes_nothing() {
    let mut fixture = Fixture::at(Phase::Pending, [5, 0, 0], [5, 0, 0]);
    for name in ["a", "b"] {
        fixture.cluster(name).sets.remove(0);
    }
    fixture.observed.stable = Some(Stable {
        revision: new(),
        placement: placement(),
    });
    let out = fixture.look();
    assert_eq!(out.status.phase, Phase::Holding, "{}", out.status.message);
    assert_eq!(out.actions, []);
}
