//! How many connections the datapath's conntrack zones may have.

use std::collections::BTreeMap;
use std::path::Path;

use super::{AppctlError, vswitchd};

/// A zone's limit, and what it has of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneLimit {
    /// Connections. 0 is none at all on the userspace datapath, and any number on the kernel's.
    pub limit: u32,
    /// Connections now.
    pub count: u32,
}

/// The zones that have a limit, with it.
pub type Limits = BTreeMap<u16, ZoneLimit>;

/// Asks for the limits of a datapath, such as `system@ovs-system`.
///
/// # Errors
/// [`AppctlError`]; a kernel that knows no limits is [`AppctlError::Refused`].
pub async fn conntrack_limits(rundir: &Path, datapath: &str) -> Result<Limits, AppctlError> {
    let text = vswitchd(rundir, "dpctl/ct-get-limits", &[datapath]).await?;
    Ok(parse(&text))
}

/// Sets the limits of some zones.
///
/// # Errors
/// As [`conntrack_limits`].
pub async fn set_conntrack_limits(
    rundir: &Path,
    datapath: &str,
    zones: &BTreeMap<u16, u32>,
) -> Result<(), AppctlError> {
    let zones = zones
        .iter()
        .map(|(zone, limit)| format!("zone={zone},limit={limit}"));
    let arguments: Vec<String> = std::iter::once(datapath.to_owned()).chain(zones).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    vswitchd(rundir, "dpctl/ct-set-limits", &arguments)
        .await
        .map(drop)
}

/// Has the userspace datapath take TCP packets whatever their sequence numbers, as the kernel's does
/// for Open vSwitch: a packet that it finds invalid is not known as an answer.
///
/// # Errors
/// [`AppctlError`].
pub async fn take_any_sequence(rundir: &Path, datapath: &str) -> Result<(), AppctlError> {
    vswitchd(rundir, "dpctl/ct-disable-tcp-seq-chk", &[datapath])
        .await
        .map(drop)
}

/// Takes the limits of some zones away.
///
/// # Errors
/// As [`conntrack_limits`].
pub async fn delete_conntrack_limits(
    rundir: &Path,
    datapath: &str,
    zones: &[u16],
) -> Result<(), AppctlError> {
    let zones: Vec<String> = zones.iter().map(u16::to_string).collect();
    let zones = format!("zone={}", zones.join(","));
    vswitchd(rundir, "dpctl/ct-del-limits", &[datapath, &zones])
        .await
        .map(drop)
}

/// Forgets all connections of a zone, of the only datapath that the switch has: Open vSwitch 3.1
/// takes the name of a datapath for part of a connection here.
///
/// # Errors
/// [`AppctlError`]; [`AppctlError::Refused`] where there are several datapaths.
pub async fn flush_conntrack(rundir: &Path, zone: u16) -> Result<(), AppctlError> {
    let zone = format!("zone={zone}");
    vswitchd(rundir, "dpctl/flush-conntrack", &[&zone])
        .await
        .map(drop)
}

/// `zone=Z,limit=L,count=C` in a line; the default's line is left out.
fn parse(text: &str) -> Limits {
    let zone = |line: &str| {
        let words: BTreeMap<&str, &str> = line
            .trim()
            .split(',')
            .filter_map(|word| word.split_once('='))
            .collect();
        let number = |key: &str| words.get(key)?.parse::<u32>().ok();
        let (limit, count) = (number("limit")?, number("count")?);
        let zone = u16::try_from(number("zone")?).ok()?;
        Some((zone, ZoneLimit { limit, count }))
    };
    text.lines().filter_map(zone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_ovs_appctl_prints_them() {
        let text = "default limit=16384\nzone=1,limit=16384,count=12\nzone=64000,limit=0,count=3\n";
        let zone = |limit, count| ZoneLimit { limit, count };
        let zones = BTreeMap::from([(1, zone(16_384, 12)), (64_000, zone(0, 3))]);
        assert_eq!(parse(text), zones);
        assert!(parse("no limits here\n").is_empty());
    }
}
