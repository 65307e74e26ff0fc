//! addressd: keeps each `AddressSet` equal to the pods that its selector is, and says who has acknowledged it.
//!
//! ```text
//!   pods, sets, Leases of subscribers ─ listed, watched ─▶ [world] ─┐
//!                                                  the clock ───────┴▶ [mod@plan] (pure) ─▶ a status
//!                                                     [members] who is in it: generation  ┘   │
//!                                                     [verdict] who has it: acknowledged      │
//!   two run, one leads (`flatnet_leader`) ─▶ [run] writes what differs, over the version seen ◀─┘
//! ```
//!
//! # Guarantees
//! - A generation has one list: it grows whenever the addresses change, never otherwise, and never goes back, also
//!   where two addressds believe that they lead. Each write replaces the version of the object that it was made
//!   of, or nothing.
//! - Nothing is taken out of a set for want of data: while pods, sets and Leases have not all been listed, nothing
//!   is written.
//! - A list is written whole or not at all: one that has too many addresses leaves the one before it in force.
//! - A subscriber is missing by the time since addressd itself last saw its lease renewed; no two clocks are
//!   compared.

pub mod cli;
pub mod members;
mod metrics;
pub mod plan;
pub mod run;
pub mod verdict;
pub mod world;

pub use cli::Cli;
pub use run::main;
