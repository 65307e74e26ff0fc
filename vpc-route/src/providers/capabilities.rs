//! What a provider can do in a table: the planner and the applier decide by this alone.

use crate::diff::{InPlace, Op, QuotaKind};
use crate::model::Prefix;

/// What a provider can do in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The most ops that one write call takes, at least 1.
    pub batch: usize,
    /// Whether changes in place may share a call.
    pub batch_modify: bool,
    /// Whether creations with several next hops may share a call.
    pub batch_equal_cost: bool,
    /// Which entries can get other next hops without being deleted.
    pub in_place: InPlace,
    /// The most next hops of one entry, at least 1.
    pub equal_cost: usize,
    /// What a table's quota counts together.
    pub quota: QuotaKind,
    /// Prefixes that the place routes by itself: no destination may be one of them or lie in one.
    pub reserved: Vec<Prefix>,
}

impl Default for Capabilities {
    /// Of a table without an API: all in one call, everything in place, no quota.
    fn default() -> Self {
        Self {
            batch: usize::MAX,
            batch_modify: true,
            batch_equal_cost: true,
            in_place: InPlace::Always,
            equal_cost: 64,
            quota: QuotaKind::Table,
            reserved: Vec::new(),
        }
    }
}

impl Capabilities {
    /// Whether an op may share a call with others of its kind.
    pub fn shares(&self, op: &Op) -> bool {
        match op {
            Op::Create { next_hops, .. } => self.batch_equal_cost || next_hops.single().is_some(),
            Op::Modify { .. } => self.batch_modify,
            Op::Delete { .. } => true,
        }
    }
}
