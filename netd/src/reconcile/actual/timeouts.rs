//! The observed time-outs of conntrack zones.

use std::collections::BTreeMap;

use serde::Serialize;

/// The state of a zone's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ZoneTimeouts {
    /// [`TIMEOUTS`](crate::reconcile::TIMEOUTS), in rows that bear netd's mark.
    #[serde(rename = "Ours")]
    Current,
    /// Other time-outs, in rows that bear netd's mark: an earlier netd's, or changed by another
    /// program.
    Stale,
    /// A row without netd's mark.
    #[serde(rename = "Foreign")]
    Unmanaged,
}

/// The observed time-outs of the zones of netd's numbers ([`flatnet_types::marks::is_our_zone`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimeoutsActual {
    /// Whether the database and the datapath support time-outs for each zone; `None` until that is
    /// known.
    pub supported: Option<bool>,
    /// The zones that have time-outs.
    pub zones: BTreeMap<u16, ZoneTimeouts>,
}

impl TimeoutsActual {
    /// The zones in this state.
    pub(crate) fn in_state(&self, wanted: ZoneTimeouts) -> impl Iterator<Item = u16> {
        let of = self.zones.iter().filter(move |(_, is)| **is == wanted);
        of.map(|(zone, _)| *zone)
    }
}
