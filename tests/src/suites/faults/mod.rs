//! Suite `faults`: netd fails, or dies, at every step of ADD and DEL, on a real node.
//!
//! ```text
//!   Bench::order("configure fail-after") ──▶ netd-faults ──▶ the runtime's ADD: an error
//!        then: nothing left? ──▶ the same ADD again ──▶ CHECK ──▶ DEL ──▶ nothing left?
//! ```

mod add;
mod bench;
mod del;
mod undo;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "faults",
    about: "a fault injected at every step of ADD and DEL leaves nothing behind",
    checks: &[
        Check {
            sentence: "an ADD whose step fails before it is done leaves nothing and can be repeated",
            run: add::fails_before,
        },
        Check {
            sentence: "an ADD whose step fails after it was done leaves nothing and can be repeated",
            run: add::fails_after,
        },
        Check {
            sentence: "netd that dies before a step of ADD leaves nothing once it is back",
            run: add::dies_before,
        },
        Check {
            sentence: "netd that dies after a step of ADD leaves nothing that a DEL does not take",
            run: add::dies_after,
        },
        Check {
            sentence: "an undo that fails too is finished within seconds",
            run: undo::fails_too,
        },
        Check {
            sentence: "netd that dies while it undoes leaves nothing once it is back",
            run: undo::dies_too,
        },
        Check {
            sentence: "a DEL whose step fails can be repeated and leaves nothing",
            run: del::fails,
        },
        Check {
            sentence: "netd that dies at a step of DEL leaves nothing once it is back",
            run: del::dies,
        },
        Check {
            sentence: "a DEL that comes while the ADD hangs waits for it and takes all away",
            run: undo::del_meets_add,
        },
        Check {
            sentence: "netd that dies at any step of a clean-up at its start goes on with the next",
            run: undo::dies_at_its_start,
        },
    ],
};
