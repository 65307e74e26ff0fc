//! Every state that every entry was in, and when: what a test judges by.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Serialize;

use super::model::{Entry, Hop, Status};
use crate::time::Timestamp;

/// Why an entry changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// It was there at the start.
    Start,
    /// The call of that number in the log.
    Call(u64),
    /// By hand, through `/_sim/world`: another user of the cloud.
    Hand,
    /// The service finished what it had begun.
    Time,
}

/// An entry after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Counts from 1.
    pub seq: u64,
    /// When it happened; not when somebody looked.
    pub at: Timestamp,
    /// ID of the route table, `vtb-…`.
    pub table: String,
    /// The entry's ID.
    pub entry: String,
    /// Destination CIDR block, IPv4 or IPv6.
    pub destination: IpNetwork,
    /// The entry's name.
    pub name: String,
    /// The next hops that packets take while the status forwards.
    pub next_hops: Vec<Hop>,
    /// The new status.
    pub status: Status,
    /// Who or what made the change.
    pub cause: Cause,
}

/// A time during which an address had the same next hops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// The first moment of it.
    pub from: Timestamp,
    /// Its end; none: it lasts.
    pub to: Option<Timestamp>,
    /// The next hops of the longest match; none: no custom entry matched.
    pub next_hops: Vec<Hop>,
}

/// All events, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    pub(super) fn record(&mut self, at: Timestamp, entry: &Entry, status: Status, cause: Cause) {
        self.events.push(Event {
            seq: u64::try_from(self.events.len()).unwrap_or(u64::MAX - 1) + 1,
            at,
            table: entry.table.clone(),
            entry: entry.id.clone(),
            destination: entry.destination,
            name: entry.name.clone(),
            next_hops: entry.hops.clone(),
            status,
            cause,
        });
    }

    /// Those after the event of that number; 0 for all.
    pub fn after(&self, seq: u64) -> &[Event] {
        let first = usize::try_from(seq).unwrap_or(usize::MAX);
        self.events.get(first..).unwrap_or_default()
    }

    /// What an address's next hops were in a table, from its first event on.
    pub fn path_of(&self, table: &str, address: IpAddr) -> Vec<Span> {
        let mut live: BTreeMap<&str, &Event> = BTreeMap::new();
        let mut spans: Vec<Span> = Vec::new();
        for event in self.events.iter().filter(|e| e.table == table) {
            if event.status.forwards() {
                live.insert(&event.entry, event);
            } else {
                live.remove(event.entry.as_str());
            }
            let best = live
                .values()
                .filter(|e| e.destination.contains(address))
                .max_by_key(|e| e.destination.prefix());
            let next_hops = best.map(|e| e.next_hops.clone()).unwrap_or_default();
            push(&mut spans, event.at, next_hops);
        }
        spans
    }

    /// The most custom entries that a table held at once, whatever their status.
    pub fn peak(&self, table: &str) -> usize {
        let mut there: BTreeMap<&str, ()> = BTreeMap::new();
        let mut peak = 0;
        for event in self.events.iter().filter(|e| e.table == table) {
            match event.status {
                Status::Gone => there.remove(event.entry.as_str()),
                _ => there.insert(&event.entry, ()),
            };
            peak = peak.max(there.len());
        }
        peak
    }
}

fn push(spans: &mut Vec<Span>, at: Timestamp, next_hops: Vec<Hop>) {
    if let Some(last) = spans.last_mut() {
        if last.next_hops == next_hops {
            return;
        }
        if last.from == at {
            // A state that lasted no time was no state.
            last.next_hops = next_hops;
            return;
        }
        last.to = Some(at);
    }
    spans.push(Span {
        from: at,
        to: None,
        next_hops,
    });
}
