//! Netlink messages from specifications, and views from netlink messages.

pub(crate) mod address;
pub(crate) mod link;
pub(crate) mod route;
pub(crate) mod rule;
