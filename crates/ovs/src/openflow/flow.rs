//! Flows in canonical form, and the difference of two sets of them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::action::Action;
use super::instruction::Instructions;
use super::matches::Match;
use super::wire::{DecodeError, Reader};

/// What a switch tells flows apart by (OpenFlow 1.4.1 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The table, 0 to 253.
    pub table: u8,
    /// Of the flows that match, the one with the highest priority wins.
    pub priority: u16,
    /// What it matches.
    pub matches: Match,
}

/// A flow.
///
/// Guarantee: a flow that was installed and read back equals the one that was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The table, 0 to 253.
    pub table: u8,
    /// Of the flows that match, the one with the highest priority wins.
    pub priority: u16,
    /// The owner's mark.
    pub cookie: u64,
    /// Seconds without a packet until it goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds until it goes; 0 for never.
    pub hard_timeout: u16,
    /// What it matches.
    pub matches: Match,
    /// What it does.
    pub instructions: Instructions,
}

impl Flow {
    /// A flow that drops everything and stays.
    pub fn new(table: u8, priority: u16) -> Self {
        Self {
            table,
            priority,
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            matches: Match::new(),
            instructions: Instructions::default(),
        }
    }

    /// Sets the owner's mark.
    #[must_use]
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = cookie;
        self
    }

    /// Sets what it matches.
    #[must_use]
    pub fn matching(mut self, matches: Match) -> Self {
        self.matches = matches;
        self
    }

    /// Appends actions.
    #[must_use]
    pub fn actions(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.instructions.actions.extend(actions);
        self
    }

    /// Sets the table that goes on; it must be a later one.
    #[must_use]
    pub fn goto(mut self, table: u8) -> Self {
        self.instructions.goto = Some(table);
        self
    }

    /// Sets the meter that packets pass first.
    #[must_use]
    pub fn meter(mut self, id: u32) -> Self {
        self.instructions.meter = Some(id);
        self
    }

    /// What is left of it where only the owner matters.
    pub fn head(&self) -> FlowHead {
        FlowHead {
            table: self.table,
            priority: self.priority,
            cookie: self.cookie,
        }
    }

    /// What the switch tells it apart by.
    pub fn key(&self) -> FlowKey {
        FlowKey {
            table: self.table,
            priority: self.priority,
            matches: self.matches.clone(),
        }
    }
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table={},priority={}", self.table, self.priority)?;
        comma_match(&self.matches, f)
    }
}

fn comma_match(matches: &Match, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if *matches == Match::default() {
        return Ok(());
    }
    write!(f, ",{matches}")
}

impl fmt::Display for Flow {
    /// ovs-ofctl's syntax, fit for `ovs-ofctl add-flow`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cookie={:#x},table={},priority={}",
            self.cookie, self.table, self.priority
        )?;
        if self.idle_timeout != 0 {
            write!(f, ",idle_timeout={}", self.idle_timeout)?;
        }
        if self.hard_timeout != 0 {
            write!(f, ",hard_timeout={}", self.hard_timeout)?;
        }
        comma_match(&self.matches, f)?;
        write!(f, " actions={}", self.instructions)
    }
}

/// As a text: a dry run is read by people.
impl Serialize for Flow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As a text: a dry run is read by people.
impl Serialize for FlowKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A flow in the switch, with its counters (OpenFlow 1.4.1 §7.3.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowStats {
    /// The flow that was counted for.
    pub flow: Flow,
    /// Packets that it matched.
    pub packets: u64,
    /// Bytes that it matched.
    pub bytes: u64,
    /// Seconds since it was added.
    pub age: u32,
}

impl FlowStats {
    /// Reads the flows of one part of a dump (OpenFlow 1.4.1 §7.3.5.2), such as the body of a
    /// multipart reply without its header.
    ///
    /// # Errors
    /// [`DecodeError`]; no bytes cause a panic.
    pub fn read_all(part: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let mut r = Reader::new(part);
        let mut flows = Vec::new();
        while !r.is_empty() {
            flows.push(Self::decode(&mut r)?);
        }
        Ok(flows)
    }

    /// Reads one `ofp_flow_stats`.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = usize::from(r.u16()?);
        let mut r = r.sub(length.checked_sub(2).ok_or(DecodeError::Length)?)?;
        let table = r.u8()?;
        r.skip(1)?;
        let age = r.u32()?;
        r.skip(4)?;
        let (priority, idle_timeout, hard_timeout) = (r.u16()?, r.u16()?, r.u16()?);
        r.skip(6)?;
        let (cookie, packets, bytes) = (r.u64()?, r.u64()?, r.u64()?);
        let matches = Match::decode(&mut r)?;
        let instructions = Instructions::decode(&mut r)?;
        let flow = Flow {
            table,
            priority,
            cookie,
            idle_timeout,
            hard_timeout,
            matches,
            instructions,
        };
        Ok(Self {
            flow,
            packets,
            bytes,
            age,
        })
    }
}

/// What a flow of another owner is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FlowHead {
    /// Number of its table, 0 to 253.
    pub table: u8,
    /// Priority, of which the highest wins.
    pub priority: u16,
    /// Its owner's mark.
    pub cookie: u64,
}

impl fmt::Display for FlowHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table,
            priority,
            cookie,
        } = self;
        write!(f, "cookie={cookie:#x},table={table},priority={priority}")
    }
}

/// How many flows there are, and what passed them (OpenFlow 1.4.1 §7.3.5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowCount {
    /// Packets that they matched.
    pub packets: u64,
    /// Bytes that they matched.
    pub bytes: u64,
    /// How many there are.
    pub flows: u32,
}

impl FlowCount {
    /// Reads an `ofp_aggregate_stats_reply`.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (packets, bytes, flows) = (r.u64()?, r.u64()?, r.u32()?);
        r.skip(4)?;
        Ok(Self {
            packets,
            bytes,
            flows,
        })
    }
}

/// A set of flows, of which no two have the same key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowSet(BTreeMap<FlowKey, Flow>);

impl FlowSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flow; gives back the one of the same key that it replaces.
    pub fn insert(&mut self, flow: Flow) -> Option<Flow> {
        self.0.insert(flow.key(), flow)
    }

    /// Takes a flow out.
    pub fn remove(&mut self, key: &FlowKey) -> Option<Flow> {
        self.0.remove(key)
    }

    /// The flow of this key.
    pub fn get(&self, key: &FlowKey) -> Option<&Flow> {
        self.0.get(key)
    }

    /// All flows, by table and then priority.
    pub fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.0.values()
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What turns `actual` into `desired`. An addition replaces the flow of the same key at
    /// once, without a moment in which there is none.
    pub fn diff(desired: &Self, actual: &Self) -> FlowDiff {
        FlowDiff {
            adds: desired
                .0
                .iter()
                .filter(|(key, flow)| actual.0.get(key) != Some(flow))
                .map(|(_, flow)| flow.clone())
                .collect(),
            deletes: actual
                .0
                .keys()
                .filter(|key| !desired.0.contains_key(key))
                .cloned()
                .collect(),
        }
    }
}

impl FromIterator<Flow> for FlowSet {
    fn from_iter<I: IntoIterator<Item = Flow>>(flows: I) -> Self {
        Self(flows.into_iter().map(|f| (f.key(), f)).collect())
    }
}

/// What turns one set of flows into another; additions come first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FlowDiff {
    /// Flows to add, or to put in the place of one with the same key.
    pub adds: Vec<Flow>,
    /// Flows to delete, strictly.
    pub deletes: Vec<FlowKey>,
}

impl FlowDiff {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.deletes.is_empty()
    }
}

#[cfg(test)]
#[path = "flow/tests.rs"]
mod tests;
