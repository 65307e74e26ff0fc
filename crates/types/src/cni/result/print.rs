//! Printing a result in any version.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Serialize;

use crate::cni::{CniResult, CniVersion, Dns, Interface, RouteEntry};

/// 0.3.0 and later.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lists<'a> {
    cni_version: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: &'a [Interface],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<Ip>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [RouteEntry],
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
}

#[derive(Serialize)]
struct Ip {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    address: IpNetwork,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

/// 0.1.0 and 0.2.0.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Families<'a> {
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family>,
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
}

#[derive(Serialize)]
struct Family {
    ip: IpNetwork,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<RouteEntry>,
}

impl CniResult {
    /// The result as one line of JSON in `version`.
    ///
    /// Fields that a version does not have are omitted, as the reference library does: before 0.3.0
    /// interfaces and all but the first address of a family; before 1.0.0 an interface's `mtu`,
    /// `socketPath` and `pciID`. In 1.0.0 those three are kept if an earlier plugin wrote them,
    /// because a runtime may use them.
    ///
    /// # Errors
    /// serde_json's error, which does not occur for these types.
    pub fn print(&self, version: CniVersion) -> Result<String, serde_json::Error> {
        if version < CniVersion::V0_3_0 {
            return serde_json::to_string(&self.families(version));
        }
        if version < CniVersion::V1_0_0 {
            let interfaces: Vec<_> = self.interfaces.iter().map(without_newer_fields).collect();
            return serde_json::to_string(&self.lists(version, &interfaces));
        }
        serde_json::to_string(&self.lists(version, &self.interfaces))
    }

    fn lists<'a>(&'a self, version: CniVersion, interfaces: &'a [Interface]) -> Lists<'a> {
        let family = |address: &IpNetwork| if address.is_ipv4() { "4" } else { "6" };
        let ips = self.ips.iter().map(|ip| Ip {
            version: (version < CniVersion::V1_0_0).then(|| family(&ip.address)),
            interface: ip.interface,
            address: ip.address,
            gateway: ip.gateway,
        });
        Lists {
            cni_version: version.as_str(),
            interfaces,
            ips: ips.collect(),
            routes: &self.routes,
            dns: &self.dns,
        }
    }

    fn families(&self, version: CniVersion) -> Families<'_> {
        Families {
            cni_version: version.as_str(),
            ip4: self.family(true),
            ip6: self.family(false),
            dns: &self.dns,
        }
    }

    fn family(&self, ipv4: bool) -> Option<Family> {
        let first = self.ips.iter().find(|ip| ip.address.is_ipv4() == ipv4)?;
        let routes = self.routes.iter().filter(|r| r.dst.is_ipv4() == ipv4);
        Some(Family {
            ip: first.address,
            gateway: first.gateway,
            routes: routes.map(|r| RouteEntry::new(r.dst, r.gw)).collect(),
        })
    }
}

fn without_newer_fields(interface: &Interface) -> Interface {
    Interface {
        name: interface.name.clone(),
        mac: interface.mac.clone(),
        sandbox: interface.sandbox.clone(),
        ..Interface::default()
    }
}
