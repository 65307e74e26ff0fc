//! A simulator of Aliyun's VPC route API and of an instance's metadata service, faithful to
//! the protocol, so that a client which works here works there.
//!
//! ```text
//!  client ──HTTP──▶ server ──Request, now──▶ Sim ─▶ faults ─▶ gateway ─▶ api ─▶ World
//!                     ▲                       │   (delay,    (V1, V3,  (params,  (rules,
//!                     └───────Outcome─────────┘    cut, …)   nonce,     bodies)   states,
//!                                                            RAM)                 history)
//! ```
//!
//! Everything below `server` is free of I/O and takes the time as an argument. What is
//! simulated, from what source, and what is a guess, is in `docs/aliyun-sim.md`.

pub mod api;
pub mod cli;
pub mod config;
pub mod control;
pub mod error;
pub mod faults;
pub mod gateway;
pub mod metadata;
pub mod server;
pub mod sim;
pub mod time;
pub mod world;
