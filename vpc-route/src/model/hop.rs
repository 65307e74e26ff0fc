//! Where a route leads: one next hop, or several of equal cost.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a next hop is. The names are those of plans and documents, to which a provider maps its
/// own; [`Self::Gateway`] is a router's address, as Linux and FRR have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum NextHopKind {
    /// An ECS instance.
    Instance,
    /// A high-availability virtual address.
    HaVip,
    /// A router interface: the VPC's or the VBR's end of a leased line.
    RouterInterface,
    /// An elastic network interface.
    NetworkInterface,
    /// A VPN gateway.
    VpnGateway,
    /// A NAT gateway.
    NatGateway,
    /// A peering connection of two VPCs.
    VpcPeer,
    /// The address of a router on the same segment.
    Gateway,
    /// What this version does not know: shown, compared, never made.
    Other(String),
}

impl NextHopKind {
    /// The name in documents.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Instance => "Instance",
            Self::HaVip => "HaVip",
            Self::RouterInterface => "RouterInterface",
            Self::NetworkInterface => "NetworkInterface",
            Self::VpnGateway => "VpnGateway",
            Self::NatGateway => "NatGateway",
            Self::VpcPeer => "VpcPeer",
            Self::Gateway => "Gateway",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for NextHopKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "Instance" => Self::Instance,
            "HaVip" => Self::HaVip,
            "RouterInterface" => Self::RouterInterface,
            "NetworkInterface" => Self::NetworkInterface,
            "VpnGateway" => Self::VpnGateway,
            "NatGateway" => Self::NatGateway,
            "VpcPeer" => Self::VpcPeer,
            "Gateway" => Self::Gateway,
            _ => Self::Other(name),
        }
    }
}

impl From<NextHopKind> for String {
    fn from(kind: NextHopKind) -> Self {
        kind.as_str().to_owned()
    }
}

/// One next hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NextHop {
    /// What it is.
    pub kind: NextHopKind,
    /// Its ID in the cloud, or its address.
    pub id: String,
    /// Its share among several; 0 where the table knows no weights.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight: u16,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(weight: &u16) -> bool {
    *weight == 0
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.id)?;
        if self.weight != 0 {
            write!(f, " (weight {})", self.weight)?;
        }
        Ok(())
    }
}

/// At least one next hop; the order in which they were given does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<NextHop>", into = "Vec<NextHop>")]
pub struct NextHops(Vec<NextHop>);

/// Invalid next hops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NextHopsError {
    /// None was given.
    #[error("a route needs a next hop")]
    None,
    /// The same one twice.
    #[error("the next hop {id} is there twice")]
    Twice {
        /// Its ID.
        id: String,
    },
}

impl NextHops {
    /// Next hops of equal cost.
    ///
    /// # Errors
    /// None given, or one of them twice.
    pub fn new(mut hops: Vec<NextHop>) -> Result<Self, NextHopsError> {
        // Equal weights mean the same as none, and clouds differ in which of the two they report.
        if hops.windows(2).all(|w| w[0].weight == w[1].weight) {
            for hop in &mut hops {
                hop.weight = 0;
            }
        }
        hops.sort();
        if hops.is_empty() {
            return Err(NextHopsError::None);
        }
        let twice = hops
            .windows(2)
            .find(|w| w[0].id == w[1].id && w[0].kind == w[1].kind);
        match twice {
            Some(pair) => Err(NextHopsError::Twice {
                id: pair[0].id.clone(),
            }),
            None => Ok(Self(hops)),
        }
    }

    /// A single next hop.
    pub fn one(kind: NextHopKind, id: impl Into<String>) -> Self {
        Self(vec![NextHop {
            kind,
            id: id.into(),
            weight: 0,
        }])
    }

    /// Each of them, in a fixed order.
    pub fn iter(&self) -> std::slice::Iter<'_, NextHop> {
        self.0.iter()
    }

    /// The only one, if it is one.
    pub fn single(&self) -> Option<&NextHop> {
        match self.0.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

impl TryFrom<Vec<NextHop>> for NextHops {
    type Error = NextHopsError;

    fn try_from(hops: Vec<NextHop>) -> Result<Self, NextHopsError> {
        Self::new(hops)
    }
}

impl From<NextHops> for Vec<NextHop> {
    fn from(hops: NextHops) -> Self {
        hops.0
    }
}

impl fmt::Display for NextHops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, hop) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            hop.fmt(f)?;
        }
        Ok(())
    }
}
