//! Which entry of a route table an address takes, and which it should take.
//!
//! The tables are vpc-route's message ([`flatnet_types::tables`]).

mod judge;

#[cfg(test)]
mod tests;

use flatnet_plan::routes::TableKind;

pub use flatnet_types::tables::*;
pub use judge::{Fault, Judgement, judge};

/// What a table is, in the plan's words.
pub fn kind_in_plan(kind: Kind) -> TableKind {
    match kind {
        Kind::VpcRouteTable => TableKind::VpcRouteTable,
        Kind::Vbr => TableKind::Vbr,
        Kind::EdgeRouter => TableKind::EdgeRouter,
    }
}
