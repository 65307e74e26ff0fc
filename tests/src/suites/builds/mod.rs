//! `builds`: a commit becomes an image, and the image instances, on real nodes with a real registry.
//!
//! ```text
//!   flatctl ─▶ platformd serve ─▶ hub = the cluster that builds ◀─ platformd controller ─▶ Job on idc1, in a network with `egress`
//!                 ▲ GET /registry/token                              source ─▶ git (plain HTTP) at the VPC router
//!                 └───── docker-registry at the VPC router ◀── push ◀┘ image: what build.sh of the repository says, without a secret
//!                              └──▶ containerd of vpc1 pulls by digest: the application's instances
//! ```

mod desk;
mod repo;
mod scenes;
mod world;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "builds",
    about: "a commit becomes an image in a Job that reaches nothing else, and the image instances",
    checks: &[
        Check {
            sentence: "an operator pushes a base image; nobody else pushes, and without a password nobody pulls",
            run: scenes::base,
        },
        Check {
            sentence: "a branch is built with its log shown as it grows, and the image is in the registry by its digest",
            run: scenes::built,
        },
        Check {
            sentence: "the same commit is not built again; built anew from nothing it has the same digest",
            run: scenes::same,
        },
        Check {
            sentence: "the image is released by its digest, and its instances are in service with what the build made",
            run: scenes::released,
        },
        Check {
            sentence: "from inside a build neither API server, metadata, host, nor other pods are reached, and no secret is there",
            run: scenes::isolated,
        },
        Check {
            sentence: "what fails says what and why: no such branch or commit, a script that fails, memory, time and disk that are used up",
            run: scenes::failing,
        },
        Check {
            sentence: "the controller gets SIGKILL in the middle of a build: the next one goes on with it",
            run: scenes::controller_killed,
        },
        Check {
            sentence: "tokens: a builder pushes its application's image alone, a cluster pulls what runs in its location",
            run: scenes::tokens,
        },
        Check {
            sentence: "the cluster goes, nothing of it is left, and the lab's own netd is back",
            run: world::nothing_left,
        },
    ],
};
