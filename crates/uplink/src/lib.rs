//! Moves an uplink that bears the host's own address into the bridge, and back.
//!
//! ```text
//!  kernel, Open vSwitch, /proc, /run ──observe──▶ Inventory ─┐
//!  the plan's part of this node ───────────────▶ Target ─────┤
//!                                                            ▼
//!                                   plan(): refusals, or a Move: steps, gates, notes
//!                                                            │
//!             dry run: prints the steps ◀────────────────────┤
//!                                                            ▼
//!   uplink.json ◀── journal (durable) ◀── Mover ── apply, in order ──▶ Host (the effects)
//!        ▲                                  │  gates: gateway, API server, confirmation
//!        │                                  └─ else: undo all, in reverse
//!   guard: a process of its own: undoes all at the deadline, or when the mover dies
//!   boot:  before ovs-vswitchd: takes the NIC out of the bridge that conf.db remembers
//! ```
//!
//! Guarantees:
//! - Every step can be undone whether it was done, half done or not done, and done again. So the
//!   journal holds *all* steps before the first is taken, and no progress: whoever finds it
//!   unfinished undoes everything, and ends in the state before.
//! - The journal is on disk before anything is touched. While it is unfinished, netd leaves
//!   uplink, host port and host addresses alone ([`unfinished`]).
//! - What cannot be done whole is not begun: [`plan`] refuses and says what to do.
//! - A dry run prints the steps of the same [`plan`].

mod boot;
mod bound;
mod clients;
mod gate;
mod guard;
mod inventory;
mod journal;
mod mover;
mod plan;
mod real;
mod returned;
mod step;
#[cfg(test)]
mod tests;

pub use boot::{BootAction, BootError, boot_action, release_ports};
pub use bound::{Bound, bound_to, look_for_bound};
pub use clients::{Borne, Client, ClientKind, Scope, look_for_clients};
pub use gate::Gate;
pub use guard::{GuardError, arm, detach, unit_is_enabled};
pub use inventory::{BridgeFacts, Inventory, LinkFacts};
pub use journal::{
    JOURNAL_FILE, Journal, JournalError, Phase, Store, boot_id, since_boot, unfinished,
};
pub use mover::{Host, MoveError, Mover, Outcome};
pub use plan::{Move, Refusal, Target, plan};
pub use real::{Real, RealError, observe};
pub use returned::{Returned, returned};
pub use step::{Item, Step, StepError, SwitchSpec};
