//! What a look and a placement cost: `cargo xtask bench platform`.
//!
//! A look at an application of 1,000 instances, in the middle of a step and at rest; a placement over 50 clusters of 400
//! hosts. Exits with 1 where a look takes 1 ms or a placement 10 ms, in time on a CPU: the shortest of many runs, since what
//! others do on the machine is not its cost.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use flatnet_platform_engine::observed::{Cluster, Group, Instance, Observed, Set, Sight};
use flatnet_platform_engine::place::{Headroom, Node, Request, place};
use flatnet_platform_engine::{Input, step};
use flatnet_platform_types::kinds::{
    AppSpec, CellCount, LocationWish, Phase, PlacementSpec, ReleaseSpec, ReleaseStatus, Resources,
    Spread, Stable,
};
use flatnet_platform_types::kinds::{ReleasePolicy, Step};
use flatnet_platform_types::{Amount, Moment, Span};
use nix::time::{ClockId, clock_gettime};

const CLUSTERS: u32 = 50;
const HOSTS: u32 = 400;
const INSTANCES: u32 = 1_000;
const MOST_LOOK: Duration = Duration::from_millis(1);
const MOST_PLACEMENT: Duration = Duration::from_millis(10);
const RUNS: u32 = 200;

fn on_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    let one = |_| {
        let start = on_cpu();
        drop(black_box(run()));
        on_cpu().saturating_sub(start)
    };
    (0..RUNS).map(one).min().unwrap_or_default()
}

fn nodes(cluster: u32) -> Vec<Node> {
    let node = |host| Node {
        name: format!("c{cluster}-n{host}"),
        switch: Some(format!("c{cluster}-tor{}", host / 20)),
        cpu_millis: u64::from(4_000 + host * 10),
        memory_bytes: 8 << 30,
        pods: 60,
        addresses: 40 + host % 30,
        present: 0,
    };
    (0..HOSTS).map(node).collect()
}

fn locations() -> Vec<LocationWish> {
    let wish = |n| LocationWish {
        name: format!("location-{n}"),
        min: Some(50),
    };
    (0..5).map(wish).collect()
}

/// `serving` instances of a revision that serve, and as many again that are parked.
fn set(cluster: u32, revision: &str, serving: u32, parked: u32) -> Set {
    let instance = |n| Instance {
        name: format!("app-{revision}-c{cluster}-{n:05}"),
        resource_version: format!("{n}"),
        serve: n < serving,
        in_service: n < serving,
        ..Instance::default()
    };
    Set {
        name: format!("app-{revision}"),
        revision: revision.to_owned(),
        group: "mixed".to_owned(),
        replicas: serving + parked,
        resource_version: "1".to_owned(),
        instances: (0..serving + parked).map(instance).collect(),
    }
}

fn app() -> AppSpec {
    AppSpec {
        replicas: INSTANCES,
        placement: PlacementSpec {
            locations: locations(),
            ..PlacementSpec::default()
        },
        release: ReleasePolicy {
            steps: vec![Step {
                instances: Amount::Percent(50),
                locations: Default::default(),
                bake: Span::seconds(60),
                gates: Vec::new(),
            }],
            ..ReleasePolicy::default()
        },
        ..AppSpec::default()
    }
}

/// Ten clusters; of each a hundred instances, half of them new, and as many old ones as there are new ones parked.
fn observed(new: u32, old: u32, parked: u32) -> Observed {
    let cluster = |n: u32| {
        let cluster = Cluster {
            location: format!("location-{}", n % 5),
            sight: Sight::Clear,
            open: true,
            fence: 1,
            sets: vec![set(n, "new", new, 0), set(n, "old", old, parked)],
            groups: vec![Group {
                name: "mixed".to_owned(),
                nodes: nodes(n),
            }],
            pdb: None,
        };
        (format!("cluster-{n}"), cluster)
    };
    Observed {
        epoch: 1,
        clusters: (0..10).map(cluster).collect::<BTreeMap<_, _>>(),
        ..Observed::default()
    }
}

fn status(phase: Phase) -> ReleaseStatus {
    let cell = |n: u32| CellCount {
        cluster: format!("cluster-{n}"),
        location: format!("location-{}", n % 5),
        group: "mixed".to_owned(),
        count: INSTANCES / 10,
    };
    let placement: Vec<CellCount> = (0..10).map(cell).collect();
    ReleaseStatus {
        phase,
        step: 1,
        revision: "new".to_owned(),
        from: Some(Stable {
            revision: "old".to_owned(),
            placement: placement.clone(),
        }),
        target: placement,
        ..ReleaseStatus::default()
    }
}

fn look(phase: Phase, observed: &Observed) -> (Duration, usize) {
    let (app, release, status) = (app(), ReleaseSpec::default(), status(phase));
    let input = Input {
        app: &app,
        release: &release,
        status: &status,
        observed,
        now: Moment::from_millis(1_000),
    };
    (best(|| step(&input)), step(&input).actions.len())
}

fn main() -> ExitCode {
    let mut within = true;
    for (what, phase, new, old, parked) in [
        ("in a step, 1,500 pods", Phase::Waiting, 50, 50, 50),
        ("that takes 500 out of service", Phase::Waiting, 50, 100, 0),
        ("when it is over", Phase::Done, 100, 0, 0),
    ] {
        let (time, actions) = look(phase, &observed(new, old, parked));
        println!("look at 1,000 instances {what}: {time:.1?}, {actions} actions");
        within &= time < MOST_LOOK;
    }
    let nodes: Vec<Vec<Node>> = (0..CLUSTERS).map(nodes).collect();
    let names: Vec<(String, String)> = (0..CLUSTERS)
        .map(|n| (format!("cluster-{n}"), format!("location-{}", n % 5)))
        .collect();
    let headroom: Vec<Headroom<'_>> = nodes
        .iter()
        .zip(&names)
        .map(|(nodes, (cluster, location))| Headroom {
            cluster,
            location,
            group: "mixed",
            nodes,
            reserved: 10,
            made: 0,
        })
        .collect();
    let locations = locations();
    let request = Request {
        count: INSTANCES,
        size: Resources::default(),
        locations: &locations,
        existing: &[],
        spread: Spread::Switch,
    };
    let time = best(|| place(&request, &headroom));
    println!("placement of 1,000 instances over {CLUSTERS} clusters of {HOSTS} hosts: {time:.1?}");
    within &= time < MOST_PLACEMENT;
    match within {
        true => ExitCode::SUCCESS,
        false => {
            println!("too slow: a look may take {MOST_LOOK:?}, a placement {MOST_PLACEMENT:?}");
            ExitCode::FAILURE
        }
    }
}
