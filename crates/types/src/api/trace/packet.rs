//! The traced packet.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Invalid query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Invalid value.
    #[error("{key}={value} makes no sense: addresses, ports, true or false are wanted")]
    Value {
        /// Name of the query's parameter.
        key: String,
        /// The value in the query.
        value: String,
    },
    /// `src` or `dst` is missing.
    #[error("{key} is missing: ?src=ADDRESS&dst=ADDRESS[&tcp=PORT|&udp=PORT][&back=true]")]
    Missing {
        /// Name of the query's parameter.
        key: &'static str,
    },
}

/// Source port of the client: the first of the dynamic ports (RFC 6335 §6).
pub const EPHEMERAL: u16 = 49_152;

/// The fields of a packet that routes and flows match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Packet {
    /// Source address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub src: IpAddr,
    /// Destination address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub dst: IpAddr,
    /// Protocol and port.
    pub proto: Proto,
    /// Whether it is the answer: then `port` is its source port.
    #[serde(default)]
    pub back: bool,
}

/// Protocol of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Proto {
    /// An echo request, or its answer.
    Icmp,
    /// A segment to a server's port, or from it.
    Tcp {
        /// The server's port.
        port: u16,
    },
    /// A datagram to a server's port, or from it.
    Udp {
        /// The server's port.
        port: u16,
    },
}

impl Packet {
    /// The query string of `GET /v1/trace`.
    pub fn to_query(self) -> String {
        let mut text = format!("src={}&dst={}", self.src, self.dst);
        match self.proto {
            Proto::Icmp => {}
            Proto::Tcp { port } => text.push_str(&format!("&tcp={port}")),
            Proto::Udp { port } => text.push_str(&format!("&udp={port}")),
        }
        if self.back {
            text.push_str("&back=true");
        }
        text
    }

    /// Parses a query string. Unknown parameters are ignored, as in all messages.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn from_query(query: &str) -> Result<Self, QueryError> {
        let (mut src, mut dst) = (None, None);
        let (mut proto, mut back) = (Proto::Icmp, false);
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        for (key, value) in pairs {
            let bad = || QueryError::Value {
                key: key.to_owned(),
                value: value.to_owned(),
            };
            let port = || value.parse().map_err(|_| bad());
            match key {
                "src" => src = Some(value.parse().map_err(|_| bad())?),
                "dst" => dst = Some(value.parse().map_err(|_| bad())?),
                "tcp" => proto = Proto::Tcp { port: port()? },
                "udp" => proto = Proto::Udp { port: port()? },
                "back" => back = value.parse().map_err(|_| bad())?,
                _ => {}
            }
        }
        match (src, dst) {
            (Some(src), Some(dst)) => Ok(Self {
                src,
                dst,
                proto,
                back,
            }),
            (None, _) => Err(QueryError::Missing { key: "src" }),
            (_, None) => Err(QueryError::Missing { key: "dst" }),
        }
    }

    /// The packet of the opposite direction.
    #[must_use]
    pub fn answer(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            back: !self.back,
            ..self
        }
    }

    /// Whether both ends are of one family.
    pub fn is_of_one_family(self) -> bool {
        self.src.is_ipv4() == self.dst.is_ipv4()
    }

    /// Source and destination port; `None` for ICMP.
    pub fn ports(self) -> Option<(u16, u16)> {
        match self.proto {
            Proto::Icmp => None,
            Proto::Tcp { port } | Proto::Udp { port } if self.back => Some((port, EPHEMERAL)),
            Proto::Tcp { port } | Proto::Udp { port } => Some((EPHEMERAL, port)),
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.src, self.dst)?;
        match self.proto {
            Proto::Icmp => f.write_str(" (icmp)"),
            Proto::Tcp { port } => write!(f, " (tcp {port})"),
            Proto::Udp { port } => write!(f, " (udp {port})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_and_its_answer_survive_a_query() {
        for proto in [
            Proto::Icmp,
            Proto::Tcp { port: 80 },
            Proto::Udp { port: 53 },
        ] {
            let packet = Packet {
                src: "10.0.0.1".parse().expect("an address"),
                dst: "10.0.0.2".parse().expect("an address"),
                proto,
                back: false,
            };
            for packet in [packet, packet.answer()] {
                assert_eq!(Packet::from_query(&packet.to_query()), Ok(packet));
            }
            assert_eq!(packet.answer().answer(), packet);
        }
        let tcp = Packet::from_query("src=::1&dst=::2&tcp=80&new=1").expect("a packet");
        assert_eq!(tcp.ports(), Some((EPHEMERAL, 80)));
        assert_eq!(tcp.answer().ports(), Some((80, EPHEMERAL)));
    }

    #[test]
    fn a_query_that_names_no_packet_says_what_is_missing_or_wrong() {
        let error = |q: &str| Packet::from_query(q).expect_err("refused").to_string();
        assert!(error("dst=::1").starts_with("src is missing"));
        assert!(error("src=::1").starts_with("dst is missing"));
        assert!(error("src=x&dst=::1").starts_with("src=x makes no sense"));
        assert!(error("src=::1&dst=::1&tcp=70000").starts_with("tcp=70000"));
    }
}
