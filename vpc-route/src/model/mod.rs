//! The words of route tables: prefixes, next hops, entries, and whose an entry is.

mod hop;
mod owner;
mod prefix;
mod table;

#[cfg(test)]
mod tests;

pub use hop::{NextHop, NextHopKind, NextHops, NextHopsError};
pub use owner::{ClusterName, ClusterNameError, Generation, Owner};
pub use prefix::{Prefix, PrefixError, is_covered};
pub use table::{
    DesiredEntry, DesiredTable, Entry, EntryKind, NotUnderstood, Status, Table, TableId, Timestamp,
};
