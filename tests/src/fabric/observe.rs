//! What there is: asked of the kernel, by member.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use ipnetwork::IpNetwork;
use serde::Deserialize;

use super::{Fabric, Member, Observed, Route, Seen, SeenLink};
use crate::error::{Error, Result};
use crate::netns::{self, Name};
use crate::paths::{namespace, netns_path};
use crate::run;

/// Looks at every member that has a namespace.
///
/// # Errors
/// [`Error::Io`] for a namespace that cannot be entered, [`Error::Command`] and
/// [`Error::Json`] for what `ip` says.
pub(crate) fn observe(fabric: &Fabric) -> Result<Observed> {
    let names = netns::names();
    let present: Vec<&Member> = fabric
        .members
        .iter()
        .filter(|m| names.contains(&(namespace(&m.name), Name::Namespace)))
        .collect();
    let found = Mutex::new(Observed::default());
    run::each(&present, |member| {
        let seen = netns::enter(&netns_path(&namespace(&member.name)), || inside(member))??;
        if let Ok(mut found) = found.lock() {
            found.members.insert(member.name.clone(), seen);
        }
        Ok(())
    })?;
    Ok(found.into_inner().unwrap_or_default())
}

fn inside(member: &Member) -> Result<Seen> {
    let mut seen = Seen::default();
    for key in member.sysctls.keys() {
        // A setting of an interface that is not there yet cannot be read.
        if let Ok(value) = fs::read_to_string(Path::new("/proc/sys/net").join(key)) {
            seen.sysctls.insert(key.clone(), value.trim().to_owned());
        }
    }
    for link in json::<RawLink>(&["address", "show"])? {
        seen.links.insert(link.ifname.clone(), link.into());
    }
    for family in ["-4", "-6"] {
        let routes = json::<RawRoute>(&[family, "-N", "route", "show", "table", "main"])?;
        let parsed = routes.into_iter().filter_map(|r| r.parse(family == "-6"));
        seen.routes.extend(parsed);
    }
    Ok(seen)
}

/// Runs `ip -json` where the thread is. It prints nothing at all for an empty list.
fn json<T: for<'d> Deserialize<'d>>(args: &[&str]) -> Result<Vec<T>> {
    let text = run::output(run::command("ip").arg("-json").args(args))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).map_err(|source| Error::Json {
        what: format!("the output of `ip -json {}`", args.join(" ")),
        source,
    })
}

#[derive(Debug, Deserialize)]
struct RawLink {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    mtu: u32,
    master: Option<String>,
    #[serde(default)]
    addr_info: Vec<RawAddress>,
}

#[derive(Debug, Deserialize)]
struct RawAddress {
    #[serde(default)]
    scope: String,
    local: Option<String>,
    prefixlen: Option<u8>,
}

#[derive(Debug, Deserialize)]
struct RawRoute {
    dst: String,
    gateway: Option<String>,
    dev: Option<String>,
    #[serde(default)]
    protocol: String,
}

impl From<RawLink> for SeenLink {
    fn from(raw: RawLink) -> Self {
        Self {
            up: raw.flags.iter().any(|f| f == "UP"),
            mtu: raw.mtu,
            master: raw.master,
            addresses: raw
                .addr_info
                .into_iter()
                .filter(|a| a.scope != "link")
                .filter_map(|a| IpNetwork::new(a.local?.parse().ok()?, a.prefixlen?).ok())
                .collect(),
        }
    }
}

impl RawRoute {
    /// A route by a next hop; others are the kernel's own.
    fn parse(self, v6: bool) -> Option<Route> {
        let prefix = match self.dst.as_str() {
            "default" if v6 => "::/0".parse().ok()?,
            "default" => "0.0.0.0/0".parse().ok()?,
            other => other.parse().ok()?,
        };
        Some(Route {
            prefix,
            via: self.gateway?.parse().ok()?,
            link: self.dev?,
            // `ip -N` gives numbers; what it does not is none of the lab's.
            protocol: self.protocol.parse().unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outputs_of_ip_are_understood() {
        let link: Vec<RawLink> = serde_json::from_str(
            r#"[{},{"ifname":"eth0","flags":["BROADCAST","UP"],"mtu":1500,"master":"zone-a",
                "addr_info":[{"scope":"global","local":"10.0.0.1","prefixlen":24},
                             {"scope":"link","local":"fe80::1","prefixlen":64}]}]"#,
        )
        .expect("json");
        let seen: SeenLink = link.into_iter().nth(1).expect("second").into();
        assert!(seen.up);
        assert_eq!(seen.addresses, ["10.0.0.1/24".parse().expect("address")]);
        let raw = |dst: &str| RawRoute {
            dst: dst.into(),
            gateway: Some("fd00::1".into()),
            dev: Some("eth0".into()),
            protocol: "95".into(),
        };
        let default = raw("default").parse(true).expect("route");
        assert_eq!(default.prefix.to_string(), "::/0");
        let host = raw("fd00::9").parse(true).expect("route");
        assert_eq!((host.prefix.prefix(), host.protocol), (128, 95));
    }
}
