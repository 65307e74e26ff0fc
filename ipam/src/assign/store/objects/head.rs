//! The head: what of a ledger is no lease, and the batch that is being carried out.

use flatnet_types::ipamd::Lease;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::assign::store::Start;

/// The schema that this version writes.
pub(super) const SCHEMA: u64 = 1;

/// A change of one object that the head has committed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Pending {
    /// As [`super::RangeChange::Put`].
    Put(Lease),
    /// As [`super::RangeChange::Remove`].
    Remove(IpNetwork),
}

/// The head's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Head {
    /// The schema.
    pub(super) schema: u64,
    /// Who wrote it last.
    pub(super) writer: String,
    /// The sequence of the last change.
    pub(super) sequence: u64,
    /// Whether it is known to be an older copy, and not every host has reported yet.
    pub(super) distrusted: bool,
    /// By number.
    pub(super) starts: Vec<Start>,
    /// The last batch, in its order. It is carried out before the next one is written.
    pub(super) pending: Vec<Pending>,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            writer: String::new(),
            sequence: 0,
            distrusted: false,
            starts: Vec::new(),
            pending: Vec::new(),
        }
    }
}

impl Head {
    pub(super) fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// What a text is that is no head of this version.
#[derive(Debug)]
pub(super) enum Wrong {
    /// A newer version's.
    Newer { found: u64 },
    /// None at all.
    Damaged(String),
}

/// The head in a text; an empty one is a new ledger's.
pub(super) fn parse(text: &str) -> Result<Head, Wrong> {
    /// The schema alone: a newer one may have other fields.
    #[derive(Deserialize)]
    struct Schema {
        schema: u64,
    }
    if text.is_empty() {
        return Ok(Head::default());
    }
    let damaged = |e: serde_json::Error| Wrong::Damaged(format!("its head cannot be read: {e}"));
    let Schema { schema } = serde_json::from_str(text).map_err(damaged)?;
    if schema > SCHEMA {
        return Err(Wrong::Newer { found: schema });
    }
    serde_json::from_str(text).map_err(damaged)
}
