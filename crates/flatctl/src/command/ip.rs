//! `flatctl ip who`: from an address to its site, pool, host and container.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use flatnet_plan::who::{Place, Whois, who};
use flatnet_types::Timestamp;
use flatnet_types::api::view::AttachmentView;
use serde::Serialize;

use super::held::held;
use super::node::{age, attachments_of, name_of, pod};
use crate::CliError;
use crate::args::IpamdArgs;
use crate::daemon::Daemon;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table};
use crate::source::Source;

/// Where to ask for the container.
pub(super) struct Where {
    /// A socket that was named.
    pub(super) netd: Option<PathBuf>,
    /// A directory of sockets, `HOST.sock` or `HOST/netd.sock`.
    pub(super) netd_dir: Option<PathBuf>,
    /// Who knows of ranges that are not in the plan.
    pub(super) ipamd: IpamdArgs,
}

#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    plan: Whois,
    /// Whether the host's netd was asked.
    asked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<AttachmentView>,
}

pub(super) fn run(
    address: IpAddr,
    source: &Source,
    at: &Where,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let plan = source.plans(output)?.whole;
    let held = held(plan, &at.ipamd, output)?;
    let mut view = View {
        plan: who(&held.plan, address),
        asked: false,
        container: None,
    };
    if view.plan.is_in_range()
        && let Some(netd) = netd_of(&view.plan, at, output)?
    {
        view.asked = true;
        view.container = attachments_of(&netd)?
            .into_iter()
            .find(|a| a.addresses.iter().any(|bears| bears.ip() == address));
    }
    let now = output.now;
    output.show(&view, |v| vec![table(v, now)])?;
    Ok(match view.plan.places.is_empty() {
        true => exit::FOUND,
        false => exit::OK,
    })
}

/// The netd of the address's host, where it can be asked. A socket that was named must
/// answer; one that was not is asked if it is there and is that host's.
fn netd_of(found: &Whois, at: &Where, output: &mut Output<'_>) -> Result<Option<Daemon>, CliError> {
    let Some(host) = found.host() else {
        return Ok(None);
    };
    if let Some(dir) = &at.netd_dir {
        let sockets = [
            dir.join(format!("{host}.sock")),
            dir.join(host).join("netd.sock"),
        ];
        let there = sockets.into_iter().find(|s| s.exists());
        if there.is_none() {
            output.warning(&format!("{} has no socket of {host}", dir.display()));
        }
        return Ok(there.map(|s| Daemon::netd(&s)));
    }
    let (socket, named) = match &at.netd {
        Some(socket) => (socket.as_path(), true),
        None => (Path::new(crate::args::NETD), false),
    };
    if !named && !socket.exists() {
        return Ok(None);
    }
    let netd = Daemon::netd(socket);
    match name_of(&netd) {
        Ok(name) if name.as_str() == host => Ok(Some(netd)),
        Ok(name) if named => {
            output.warning(&format!("{} is {name}'s, not {host}'s", socket.display()));
            Ok(None)
        }
        Ok(_) => Ok(None),
        Err(e) if named => Err(e),
        Err(_) => Ok(None),
    }
}

fn table(view: &View, now: Timestamp) -> Table {
    let mut table = Table::new([Column::text("WHAT"), Column::text("WHICH")])
        .title(view.plan.address.to_string())
        .without_heads()
        .or_empty("not in the plan");
    for place in &view.plan.places {
        let (what, which) = lines(place);
        table.row([what.into(), which.into()]);
    }
    if let Some(a) = &view.container {
        if let Some(pod) = pod(a) {
            table.row(["pod".into(), Cell::styled(pod, Style::Bold)]);
        }
        table.row(["container".into(), a.container_id.as_str().into()]);
        table.row(["interface".into(), a.ifname.as_str().into()]);
        table.row([
            "since".into(),
            format!("{} ({})", age(now, a.created_at), a.state.as_str()).into(),
        ]);
    } else if view.asked {
        let nobody = Cell::styled("no container has it now", Style::Warn);
        table.row(["container".into(), nobody]);
    } else if view.plan.is_in_range() {
        let host = view.plan.host().unwrap_or_default();
        table.note(format!(
            "which container has it, netd of {host} knows: run this there, or name its socket with \
             --netd"
        ));
    }
    table
}

fn lines(place: &Place) -> (&'static str, String) {
    match place {
        Place::Service { prefix } => ("service prefix", prefix.to_string()),
        Place::Vlan {
            site,
            id,
            name,
            prefix,
        } => ("VLAN", format!("{id} {name} in {site}, {prefix}")),
        Place::VSwitch { site, name, prefix } => ("vSwitch", format!("{name} in {site}, {prefix}")),
        Place::Transfer { line, prefix, end } => {
            let end = end.map_or(String::new(), |e| format!(", the {e}'s end"));
            ("leased line", format!("{line}, {prefix}{end}"))
        }
        Place::Gateway { of } => ("router", format!("of {of}")),
        Place::Host { host, site } => ("host's own", format!("{host} in {site}")),
        Place::Pool {
            site,
            network,
            prefix,
        } => ("pool", format!("{prefix} of network {network} in {site}")),
        Place::Excluded { prefix } => ("excluded", format!("{prefix}: no container has it")),
        Place::Reserved { prefix, purpose } => ("reserved", format!("{prefix} for {purpose}")),
        Place::Range {
            host,
            site,
            network,
            prefix,
        } => (
            "host's range",
            format!("{prefix} of {network}, host {host} in {site}"),
        ),
    }
}
