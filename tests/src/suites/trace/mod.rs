//! `trace`: in the lab as it is, one thing is broken at a time; `flatctl trace` names it first,
//! and the command that it prints repairs it.
//!
//! ```text
//!   [healthy] pairs of all kinds ──▶ clean both ways, as ping says
//!   [tables]  entries, the line ───┐
//!   [nodes]   routes, flows, ports ┴─▶ broken ─▶ first fault ─▶ its command ─▶ clean again
//!             [pair] two containers     [rig] flatctl's answer, and its command carried out
//! ```

mod causes;
mod healthy;
mod nodes;
mod pair;
mod rig;
mod tables;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "trace",
    about: "flatctl trace names what is broken first, and its command repairs it",
    checks: &[
        Check {
            sentence: "pairs of all kinds trace clean both ways, and agree with ping",
            run: healthy::pairs,
        },
        Check {
            sentence: "an address that no container has is named, and nothing else",
            run: healthy::nobody,
        },
        Check {
            sentence: "a VPC's entry is gone while no vpc-route runs: named, and repaired by its apply",
            run: tables::vpc_entry,
        },
        Check {
            sentence: "the VBR's way back is gone: named by trace and by link check, and repaired",
            run: tables::vbr_way_back,
        },
        Check {
            sentence: "the edge router's route is gone: named, and repaired",
            run: tables::edge_route,
        },
        Check {
            sentence: "somebody else's entry shadows ours: named with its name, and who removes it",
            run: tables::shadow,
        },
        Check {
            sentence: "the leased line is down: named before the routes that went with it, and repaired",
            run: tables::line_down,
        },
        Check {
            sentence: "a VPC's node loses the route to its containers, its gateway or its default route",
            run: nodes::routes,
        },
        Check {
            sentence: "flows are gone, and netd puts them back when it is told to",
            run: nodes::flows_gone,
        },
        Check {
            sentence: "a flow that is not netd's drops the packets: named by its table and cookie",
            run: nodes::foreign_flow,
        },
        Check {
            sentence: "a container's link is down, its address or its route is gone inside of it",
            run: nodes::inside,
        },
        Check {
            sentence: "a port has the wrong tag while netd is stopped: netd is named, and its start repairs it",
            run: nodes::tag_without_netd,
        },
        Check {
            sentence: "a switch does not carry the VLAN: who was asked for in vain tells of it",
            run: nodes::switch_without_vlan,
        },
        Check {
            sentence: "what the host's kernel, its filters and Open vSwitch's processes stop is named by netd's code",
            run: causes::named,
        },
    ],
};
