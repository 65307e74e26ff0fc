//! `release`: an application over two real clusters, in a data centre and in a cloud, released under load.
//!
//! ```text
//!   platformd controller ─▶ hub (API server)          one plan, one leased line, one address space
//!        │                                             ┌ idc:   idc1, idc2 (mode vlan)      kubelets, kube-proxy,
//!        └─▶ API servers of the members ───────────────┤                                    netd as a DaemonSet
//!                                                      └ cloud: vpc1, vpc2 (mode routed)
//!   [load] users of each cluster's Service, on a node of it: every request is counted, with the phase it fell in
//! ```
//!
//! Nothing is played: pods run flatnet-run and a server, and are in service when netd says so.

mod deployment;
mod load;
mod scenes;
mod shop;
mod world;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "release",
    about: "an application over two real clusters is released under load, and goes back, without a failed request",
    checks: &[
        Check {
            sentence: "two clusters of one plan, in a data centre and a cloud, are ready by the manifests",
            run: scenes::clusters,
        },
        Check {
            sentence: "a first release puts instances into service in both, and every one is reached from the hub",
            run: scenes::first,
        },
        Check {
            sentence: "a new commit goes to one instance, to a fifth, to all, under load from both sides: no request fails",
            run: scenes::forward,
        },
        Check {
            sentence: "the way back takes parked instances, makes none, and no request fails",
            run: scenes::back,
        },
        Check {
            sentence: "a commit without health is taken back by its probe after one instance, and no request fails",
            run: scenes::bad,
        },
        Check {
            sentence: "the controller gets SIGKILL again and again during a release: no request fails",
            run: scenes::killed,
        },
        Check {
            sentence: "the hub is away in the middle of a release: no request fails, and it goes on afterwards",
            run: scenes::hub_away,
        },
        Check {
            sentence: "the evening's peak: half as many again by one change, under load, are in service; and down again; no request fails",
            run: scenes::scaled,
        },
        Check {
            sentence: "the same by a Deployment of Kubernetes in the same cluster, side by side: what fails and how long it takes is printed",
            run: deployment::beside,
        },
        Check {
            sentence: "a node loses its power: once it is known to be gone, its instances are in service elsewhere",
            run: scenes::node_lost,
        },
        Check {
            sentence: "the clusters go, nothing of them is left, and the lab's own netd is back",
            run: world::nothing_left,
        },
    ],
};
