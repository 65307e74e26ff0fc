//! `chaining`: Debian's reference plugins behind `flatnet` in one list, run as a runtime does:
//! each with the result of the one before, CHECK and DEL with the cached result of the whole
//! ADD, DEL in reverse.

mod bandwidth;
mod chain;
mod failure;
mod portmap;
mod tuning;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "chaining",
    about: "the reference plugins tuning, bandwidth and portmap behind flatnet",
    checks: &[
        Check {
            sentence: "tuning sets sysctl, MTU and promiscuity, and flatnet's CHECK passes",
            run: tuning::sets,
        },
        Check {
            sentence: "a MAC that tuning sets is found by CHECK; the capability mac is the way",
            run: tuning::mac,
        },
        Check {
            sentence: "the bandwidth plugin shapes the host's end, as far as the datapath lets it",
            run: bandwidth::shapes,
        },
        Check {
            sentence: "portmap maps a port of the host for the host and for the container's network",
            run: portmap::maps,
        },
        Check {
            sentence: "portmap maps for other hosts, in both modes, with their own addresses",
            run: portmap::maps_for_others,
        },
        Check {
            sentence: "a chain of all three attaches, checks and detaches, also without the cached result",
            run: failure::all_three,
        },
        Check {
            sentence: "when a chained plugin fails, the runtime's DEL leaves nothing",
            run: failure::leaves_nothing,
        },
    ],
};
