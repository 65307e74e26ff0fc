//! What must answer for a move to be kept.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Something that must answer on the new path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// A router, by ARP or neighbour discovery, on the host's port.
    Gateway(IpAddr),
    /// A server that takes a TCP connection, as `host:port`.
    Server(String),
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(ip @ IpAddr::V4(_)) => write!(f, "gateway {ip} (ARP)"),
            Self::Gateway(ip @ IpAddr::V6(_)) => write!(f, "gateway {ip} (neighbour discovery)"),
            Self::Server(at) => write!(f, "API server {at} (TCP)"),
        }
    }
}
