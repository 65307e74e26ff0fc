//! A result of ADD, read leniently: 0.3.0 and later.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;

/// A result of ADD (SPEC.md 1.1.0, "ADD Success").
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CniResult {
    /// The version that it claims to be of.
    pub cni_version: String,
    /// Every interface that was made.
    pub interfaces: Vec<Interface>,
    /// The container's addresses.
    pub ips: Vec<Ip>,
    /// The container's routes.
    pub routes: Vec<Route>,
}

/// One interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Its MAC.
    pub mac: String,
    /// Its MTU in bytes (1.1.0); 0: not said.
    pub mtu: u32,
    /// The container's namespace; empty on the host.
    pub sandbox: String,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ip {
    /// The address with its prefix length.
    pub address: IpNetwork,
    /// The gateway of its subnet; none: not said.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// Which of the interfaces bears it.
    #[serde(default)]
    pub interface: Option<usize>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Route {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// The next hop.
    #[serde(default)]
    pub gw: Option<IpAddr>,
}

impl CniResult {
    /// Reads a result; none at all is an empty one.
    ///
    /// # Errors
    /// If a field has another form than the specification's.
    pub fn parse(raw: &Value) -> Result<Self, serde_json::Error> {
        if raw.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(raw)
    }

    /// The interface inside the container of that name.
    pub fn container_interface(&self, ifname: &str) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|i| !i.sandbox.is_empty() && i.name == ifname)
    }

    /// The host's end of the container's link: the first interface that is in no namespace of a
    /// container.
    pub fn host_interface(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.sandbox.is_empty())
    }

    /// The container's addresses without their prefix lengths, in the result's order.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.ips.iter().map(|ip| ip.address.ip()).collect()
    }
}
