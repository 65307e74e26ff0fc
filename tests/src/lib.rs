//! To be written.

pub mod runtime;
