//! `addresses`: AddressSets on a real API server: resolved by addressd, written and acknowledged by flatctl.
//!
//! ```text
//!   kubectl ─ pods, sets ─▶ [world: API server] ◀─ addressd a, addressd b (one leads)
//!                              │ ▲
//!              watched ────────┘ └─ acknowledged ─ flatctl addresses follow ─▶ file, nginx, nft set, ipset
//! ```
//!
//! Pods are objects with a status: there are no kubelets. nftables and ipset are tried in a network namespace of
//! the lab, where their programs are there.

mod acknowledged;
mod failures;
mod resolved;
mod rights;
mod world;

use super::{Check, Suite};

pub(super) const SUITE: Suite = Suite {
    name: "addresses",
    about: "AddressSets on a real API server: resolved, written into firewalls, acknowledged, waited for",
    checks: &[
        Check {
            sentence: "the kind is installed and told, and an empty selector is refused",
            run: resolved::kind,
        },
        Check {
            sentence: "a pod's address is in its set and in a follower's files within moments, and a pod that only changes otherwise makes no generation",
            run: resolved::follows_pods,
        },
        Check {
            sentence: "a hundred pods at once are a few generations",
            run: resolved::a_burst,
        },
        Check {
            sentence: "a generation is acknowledged, and `wait` returns then and not before",
            run: acknowledged::waits,
        },
        Check {
            sentence: "an nft set is replaced in one step, read back, and repaired when somebody changes it",
            run: acknowledged::nft,
        },
        Check {
            sentence: "an ipset is replaced in one step and read back",
            run: acknowledged::ipset,
        },
        Check {
            sentence: "a subscriber that is killed is named, waited for while its time runs, and then passed over",
            run: failures::subscriber_killed,
        },
        Check {
            sentence: "addressd's leader gets SIGKILL: the other one goes on, and no generation comes twice",
            run: failures::leader_killed,
        },
        Check {
            sentence: "the API server is away: what was written stays, over a restart too, and is followed again",
            run: failures::server_away,
        },
        Check {
            sentence: "a subscriber may acknowledge under its own name, and change nothing else",
            run: rights::own_name_only,
        },
        Check {
            sentence: "addressd and the API server go, and nothing of them is left",
            run: world::nothing_left,
        },
    ],
};
