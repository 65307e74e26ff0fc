//! `plan-live`: a plan is changed under pings, and what was lost is compared with what
//! `flatctl plan diff -o json` said of it.
//!
//! ```text
//!   [scenes] a change, and what the network's people do ─┐
//!                            flatctl plan diff -o json ──┤
//!                                    │ steps, in order   ▼
//!   [world] containers, pings ─[live]─▶ each step is done by whom it is for ─[daemons]─▶ its check
//!                                    │ pings' outcomes
//!                                    ▼
//!   [verdict] lossless? seconds? until undone? ── as the diff says, for whom it says
//! ```
//!
//! Each scene is changed there and back. Nothing here knows what a change costs: whom a step names
//! and for how long is read from flatctl's output alone.

mod daemons;
mod edits;
mod live;
#[cfg(test)]
mod proof;
mod scenes;
mod verdict;
mod world;

use super::{Check, Suite};

/// A scene for each kind of step that this lab can do while containers run.
pub(super) const SUITE: Suite = Suite {
    name: "plan-live",
    about: "a plan is changed under pings, and what is lost is what `plan diff` said",
    checks: &[
        Check {
            sentence: "another rate of neighbour discovery costs nobody a packet",
            run: scenes::neighbour_rate,
        },
        Check {
            sentence: "a network without any destination is cut off until it has no such list again",
            run: scenes::egress,
        },
        Check {
            sentence: "another MTU of a network is for containers that are made again",
            run: scenes::mtu,
        },
        Check {
            sentence: "another gateway is for containers that are made again",
            run: scenes::gateway,
        },
        Check {
            sentence: "another gateway of the hosts costs at most seconds, to who talks to the hosts",
            run: scenes::hosts_gateway,
        },
        Check {
            sentence: "another MAC mode costs nobody a packet",
            run: scenes::mac_mode,
        },
        Check {
            sentence: "a service prefix comes unnoticed, and when it goes its services are cut off",
            run: scenes::service_prefix,
        },
        Check {
            sentence: "what a leased line accepts no longer is cut off until it is accepted again",
            run: scenes::accept,
        },
        Check {
            sentence: "a leased line that is removed cuts its sites off from each other until it is back",
            run: scenes::line,
        },
        Check {
            sentence: "a host's range grows unnoticed, and shrinks unnoticed by who is outside of what goes",
            run: scenes::range,
        },
        Check {
            sentence: "a VLAN comes off a trunk after its range is drained, and nobody else notices",
            run: scenes::trunk,
        },
        Check {
            sentence: "a VLAN comes off a switch's trunk by hand, last of all, and nobody notices",
            run: scenes::switch_trunk,
        },
        Check {
            sentence: "a switch's only uplink cuts off what hangs on it",
            run: scenes::uplinks,
        },
        Check {
            sentence: "a host whose only cable moves to another switch is away until it is there",
            run: scenes::cables,
        },
        Check {
            sentence: "what nobody uses yet comes and goes unnoticed",
            run: scenes::unused,
        },
        Check {
            sentence: "other MTUs of switches and lines, and a spanning tree, cost seconds to who hangs on them",
            run: scenes::switches,
        },
    ],
};
