//! `truth`: what somebody changes by hand is repaired by its event, or named. The minute's sweep
//! is off: netd of the node runs with `--resync 86400`.
//!
//! Each row of docs/owned.md is changed once. The checks wait for what they want to see; how many
//! milliseconds it took is printed, and judged by `cargo xtask bench repair`, on an idle machine.

mod ovs;
mod place;
mod plan;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "truth",
    about: "what somebody changes by hand is repaired by its event, or named",
    checks: &[
        Check {
            sentence: "flows that somebody deletes, changes or adds are netd's again by an event",
            run: ovs::flows,
        },
        Check {
            sentence: "a controller that is set and removed costs the bridge its flows for a moment",
            run: ovs::controller,
        },
        Check {
            sentence: "a bridge without its fail mode does not forward by itself, after a restart neither",
            run: ovs::fail_mode,
        },
        Check {
            sentence: "each column of the bridge, its ports and interfaces is set back",
            run: ovs::columns,
        },
        Check {
            sentence: "fragments, ports that may not send, meters and the group, which no database keeps, are set back",
            run: ovs::unkept,
        },
        Check {
            sentence: "a mirror and a foreign port are named, and the node stays ready",
            run: ovs::named,
        },
        Check {
            sentence: "flow-restore-wait is named, and ended when nobody restarts the switch",
            run: ovs::restore_wait,
        },
        Check {
            sentence: "a database or a switch that hangs makes the node not ready, until it answers",
            run: ovs::hangs,
        },
        Check {
            sentence: "/v1/node shows what the datapath can, also of the switch that comes after a restart",
            run: ovs::features,
        },
        Check {
            sentence: "a plan's file that is edited is taken over where that is live, the rest is named until netd is started anew, and a broken one stops no start",
            run: plan::edited,
        },
        Check {
            sentence: "a node at rest is left alone by netd",
            run: ovs::rest,
        },
    ],
};
