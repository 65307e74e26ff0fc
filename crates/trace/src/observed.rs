//! What is known of the network, and what is not, and why.

use std::collections::BTreeMap;

use flatnet_types::api::trace::NodeFacts;

use crate::tables::Tables;

/// Something that was observed, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    /// It was observed.
    Known(T),
    /// It could not be.
    Unknown {
        /// The reason, in a sentence.
        because: String,
        /// What to run to get at it, and where.
        ask: crate::hop::Repair,
    },
}

impl<T> Fact<T> {
    /// What was observed.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown { .. } => None,
        }
    }
}

/// The network as it was observed for one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The route tables.
    pub tables: Fact<Tables>,
    /// The nodes that the packet meets, by name.
    pub nodes: BTreeMap<String, Fact<Node>>,
    /// Whether the plan has every range that hosts hold.
    pub ranges: Fact<()>,
}

/// A node that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it said.
    pub facts: NodeFacts,
    /// The socket at which it answered, for commands that repair; none: the usual one of its
    /// machine.
    pub socket: Option<String>,
}
