//! The whole move on a host in memory: at every step.

mod host;
mod journals;
mod moves;
mod plans;
