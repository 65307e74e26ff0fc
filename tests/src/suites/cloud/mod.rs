//! `cloud`: the VPC router and the VBR forward what the simulator's tables say and nothing else,
//! and vpc-route makes the tables say what the plan does.
//!
//! ```text
//!   [forward] entries by hand ──▶ who reaches whom      [bad] what it is given is wrong
//!   [plan] nodes come, move, go    [line] cut and back    [leader] killed, and a standby takes over
//!   [chaos] 100 changes, faults, SIGKILL    [edge] the edge router's FRR
//!                     └──▶ [judge] the simulator's log and history, [rig] pings meanwhile
//! ```

mod bad;
mod chaos;
mod edge;
mod forward;
pub(super) mod judge;
mod leader;
mod line;
mod plan;
pub(super) mod rig;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "cloud",
    about: "the routers forward what their tables say, and vpc-route fills these by the plan",
    checks: &[
        Check {
            sentence: "while the tables are empty nothing crosses but what is connected",
            run: forward::empty_tables,
        },
        Check {
            sentence: "with an entry for each range and each end of the line everyone is reached",
            run: forward::full_tables,
        },
        Check {
            sentence: "each of the entries is needed: without it the packet is lost",
            run: forward::each_entry,
        },
        Check {
            sentence: "the simulator dies and forgets its tables: vpc-route fills them again",
            run: forward::simulator_dies,
        },
        Check {
            sentence: "the edge router's FRR: a person's route stays, ours come back, also after a death",
            run: edge::frr,
        },
        Check {
            sentence: "nodes come, hand a range on and go: others lose nothing, orphans go after their grace",
            run: plan::nodes_come_and_go,
        },
        Check {
            sentence: "the leased line is cut and comes back: so does the traffic, and no entry was touched",
            run: line::cut_and_back,
        },
        Check {
            sentence: "what others do by hand is repaired where it is ours, and left where it is theirs",
            run: line::drift,
        },
        Check {
            sentence: "the leader is killed: the standby leads in under 15 s, and no packet is lost",
            run: leader::standby,
        },
        Check {
            sentence: "a table that does not exist is an error that names it, and changes nothing",
            run: bad::a_table_that_does_not_exist,
        },
        Check {
            sentence: "credentials that are refused are an error without them, and change nothing",
            run: bad::credentials_refused,
        },
        Check {
            sentence: "a plan over the quota is refused whole, with what to do",
            run: bad::over_quota,
        },
        Check {
            sentence: "a page instead of an answer is an error that suspects a proxy, and changes nothing",
            run: bad::html,
        },
        Check {
            sentence: "a hundred plans, every fault and SIGKILL at random: no needed prefix is ever without a route",
            run: chaos::hundred_changes,
        },
    ],
};
