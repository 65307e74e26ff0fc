//! Parsing a result of any version.

use crate::cni::json::{Node, address_opt, number_opt, string_or_empty};
use crate::cni::value::ValueError;
use crate::cni::{CniResult, CniVersion, Dns, InputError, Interface, IpEntry, RouteEntry};

impl CniResult {
    /// Parses a result of its `cniVersion`; if it has none, of `version` (the specification's
    /// examples omit it).
    pub(in crate::cni) fn read(node: &Node<'_>, version: CniVersion) -> Result<Self, InputError> {
        let own = string_or_empty(node, "cniVersion")?;
        let version = if own.is_empty() {
            version
        } else {
            CniVersion::parse(&own)?
        };
        if version < CniVersion::V0_3_0 {
            return read_two_families(node);
        }
        let interfaces = list(node, "interfaces", interface)?;
        let count = interfaces.len();
        Ok(Self {
            interfaces,
            ips: list(node, "ips", |item| ip(item, count))?,
            routes: list(node, "routes", route)?,
            dns: dns(node)?,
        })
    }
}

fn list<T>(
    node: &Node<'_>,
    key: &str,
    read: impl Fn(&Node<'_>) -> Result<T, InputError>,
) -> Result<Vec<T>, InputError> {
    match node.get(key)? {
        Some(list) => list.items()?.iter().map(read).collect(),
        None => Ok(Vec::new()),
    }
}

fn interface(node: &Node<'_>) -> Result<Interface, InputError> {
    Ok(Interface {
        name: string_or_empty(node, "name")?,
        mac: string_or_empty(node, "mac")?,
        mtu: number_opt(node, "mtu")?,
        sandbox: string_or_empty(node, "sandbox")?,
        socket_path: string_or_empty(node, "socketPath")?,
        pci_id: string_or_empty(node, "pciID")?,
    })
}

/// An entry of `ips`; the `version` of 0.3 and 0.4 is ignored, since the address implies it.
fn ip(node: &Node<'_>, interfaces: usize) -> Result<IpEntry, InputError> {
    let interface = match node.get("interface")? {
        Some(place) => Some(index(&place, interfaces)?),
        None => None,
    };
    Ok(IpEntry {
        address: node.need("address")?.prefix()?,
        gateway: address_opt(node, "gateway")?,
        interface,
    })
}

fn index(place: &Node<'_>, count: usize) -> Result<usize, InputError> {
    let index = place.number()?;
    usize::try_from(index)
        .ok()
        .filter(|i| *i < count)
        .ok_or_else(|| place.invalid(ValueError::NoSuchInterface { index, count }))
}

fn route(node: &Node<'_>) -> Result<RouteEntry, InputError> {
    Ok(RouteEntry {
        dst: node.need("dst")?.prefix()?,
        gw: address_opt(node, "gw")?,
        mtu: number_opt(node, "mtu")?,
        advmss: number_opt(node, "advmss")?,
        priority: number_opt(node, "priority")?,
        table: number_opt(node, "table")?,
        scope: number_opt(node, "scope")?,
    })
}

fn dns(node: &Node<'_>) -> Result<Dns, InputError> {
    node.get("dns")?
        .map(|n| Dns::read(&n))
        .transpose()
        .map(Option::unwrap_or_default)
}

impl Dns {
    pub(in crate::cni) fn read(node: &Node<'_>) -> Result<Self, InputError> {
        let strings = |key| node.get(key)?.map(|n| n.strings()).transpose();
        Ok(Self {
            nameservers: strings("nameservers")?.unwrap_or_default(),
            domain: string_or_empty(node, "domain")?,
            search: strings("search")?.unwrap_or_default(),
            options: strings("options")?.unwrap_or_default(),
        })
    }
}

/// The form of 0.1.0 and 0.2.0: one address of each family, each with its routes.
fn read_two_families(node: &Node<'_>) -> Result<CniResult, InputError> {
    let mut result = CniResult {
        dns: dns(node)?,
        ..CniResult::default()
    };
    for family in ["ip4", "ip6"] {
        let Some(half) = node.get(family)? else {
            continue;
        };
        result.ips.push(IpEntry {
            address: half.need("ip")?.prefix()?,
            gateway: address_opt(&half, "gateway")?,
            interface: None,
        });
        result.routes.extend(list(&half, "routes", route)?);
    }
    Ok(result)
}
