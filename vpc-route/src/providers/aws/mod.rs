//! A second cloud, for the tests alone: it proves that a provider needs nothing outside of its
//! folder but its declaration and its line in the registry.
//!
//! It has the shape of AWS' route tables (EC2 Query API, version 2016-11-15), which differ from
//! those that vpc-route began with in everything that [`Capabilities`](super::Capabilities) and
//! [`Provider`](super::Provider) speak of:
//!
//! | | AWS |
//! |---|---|
//! | names of entries | none. Managed is an entry whose table is tagged `flatnet:cluster` with the cluster's name, whose destination the plan's pools cover, and whose target is of a kind that a plan leads to |
//! | a write | one entry: `CreateRoute`, `ReplaceRoute`, `DeleteRoute` |
//! | next hops of an entry | one |
//! | quota | IPv4 and IPv6 each for themselves |
//! | in transition | nothing; but a listing may be older than a write that was answered |
//!
//! ```text
//!   [provider] ── [api] Query parameters ──▶ [fake] a region in memory, which judges each request
//! ```

mod api;
mod config;
mod direct;
mod fake;
mod provider;
mod tests;

pub(super) use config::Aws;
