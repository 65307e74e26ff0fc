//! `platform`: releases over two clusters by platformd's controller, on real API servers with real ReplicaSet controllers.
//!
//! ```text
//!   flatctl ─▶ platformd serve ─▶ hub (API server) ◀─ platformd controller ─▶ one, two (API servers, kube-controller-manager)
//!                                                   ▲
//!                     kubelet and netd of all nodes ┘ played by [kubelet]: pods bound, ready, in service as the wish says
//!                     the application in the pods: a real HTTP server with its users ([instances]); its metrics in VictoriaMetrics
//! ```

pub(super) mod api;
pub(super) mod desk;
mod gates;
mod instances;
mod kubelet;
mod people;
mod scenes;
pub(super) mod world;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "platform",
    about: "releases over two clusters by platformd's controller, on real API servers",
    checks: &[
        Check {
            sentence: "a first release over two clusters is done, with as many instances in service as asked for, and its clusters' headroom is told",
            run: scenes::first,
        },
        Check {
            sentence: "at rest nothing is written",
            run: scenes::at_rest,
        },
        Check {
            sentence: "a second digest goes by a canary to all, never below what is wanted; the way back flips parked instances and makes none",
            run: scenes::canary_and_back,
        },
        Check {
            sentence: "the controller gets SIGKILL again and again during a release: it ends the same, never below what is wanted",
            run: scenes::controller_killed,
        },
        Check {
            sentence: "a member's API server stops in the middle of a step: it is told, nothing is lowered for want of it, and the release goes on when it is back",
            run: scenes::member_away,
        },
        Check {
            sentence: "the hub is away for a while: nothing changes in the members, and a release goes on afterwards",
            run: scenes::hub_away,
        },
        Check {
            sentence: "by flatctl alone people release, go back, abort, scale, change and add; who may not is refused, and the audit log knows who did what",
            run: people::by_flatctl_alone,
        },
        Check {
            sentence: "while the hub is away the API tells what was seen last, and changes nothing",
            run: people::without_the_hub,
        },
        Check {
            sentence: "gates of all kinds are asked: a good commit passes them, one without health and one that fails its users are taken back, with no more than the step's share of it ever made",
            run: gates::good_and_bad,
        },
        Check {
            sentence: "a gate that can find nothing out fails nobody: the release waits and says for what, and goes on when it is known",
            run: gates::unknown,
        },
        Check {
            sentence: "a member refuses what a deposed controller writes",
            run: gates::deposed,
        },
        Check {
            sentence: "an application without instances is removed, and nothing of it is left in members",
            run: scenes::removed,
        },
        Check {
            sentence: "controller and clusters go, and nothing of them is left",
            run: world::nothing_left,
        },
    ],
};
