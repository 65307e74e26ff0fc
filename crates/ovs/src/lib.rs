//! Open vSwitch on one node: its database and its flow tables.

pub mod ovsdb;
mod timing;

pub use timing::{Backoff, Timing};
