//! `flatctl range …`: what ipamd has given to whom.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::node::age;
use crate::CliError;
use crate::args::{IpamdArgs, RangeCommand};
use crate::daemon::Daemon;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

/// The answer to `GET /v1/ranges`, as far as it is shown.
#[derive(Debug, Serialize, Deserialize)]
struct Listing {
    #[serde(default)]
    settling: bool,
    ranges: Vec<Lease>,
    #[serde(default)]
    waiting: Vec<Waiting>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    id: u64,
    host: String,
    network: String,
    prefix: String,
    source: String,
    state: State,
    granted_at: u64,
    #[serde(default)]
    used: Option<u64>,
    #[serde(default)]
    capacity: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    is: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    host: String,
    network: String,
    #[serde(default)]
    prefix: Option<String>,
    message: String,
}

/// The answer to a command: what the host has then.
#[derive(Debug, Serialize, Deserialize)]
struct HostRanges {
    host: String,
    ranges: Vec<Grant>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Grant {
    lease: u64,
    network: String,
    prefix: String,
    state: String,
}

fn ipamd(args: &IpamdArgs) -> Result<Daemon, CliError> {
    let token = match &args.token_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| CliError::Read {
                path: path.clone(),
                source,
            })?;
            Some(text.trim().to_owned())
        }
    };
    Ok(Daemon::ipamd(args.ipamd.clone(), token))
}

pub(super) fn run(
    command: RangeCommand,
    args: &IpamdArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let ipamd = ipamd(args)?;
    match command {
        RangeCommand::List { host, network } => {
            let mut all: Listing = ipamd.get("/v1/ranges")?;
            let is =
                |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|w| w == name);
            all.ranges
                .retain(|l| is(&host, &l.host) && is(&network, &l.network));
            all.waiting
                .retain(|w| is(&host, &w.host) && is(&network, &w.network));
            let now = output.now;
            output.show(&all, |l| listing(l, now))?;
        }
        RangeCommand::Drain {
            host,
            prefix,
            cancel,
        } => {
            let body = json!({"host": host, "prefix": prefix.to_string(), "cancel": cancel});
            let left: HostRanges = ipamd.post("/v1/ranges/drain", &body)?;
            output.show(&left, |l| vec![grants(l)])?;
            output.note(&if cancel {
                format!("{host} gives out addresses of {prefix} again")
            } else {
                format!(
                    "{host} gives out no more addresses of {prefix}; when none is in use: `flatctl \
                     range release {host} {prefix}`"
                )
            });
        }
        RangeCommand::Release {
            host,
            prefix,
            lease,
            force,
        } => {
            let mut body = json!({"host": host, "prefix": prefix.to_string(), "force": force});
            if let Some(lease) = lease {
                body["lease"] = lease.into();
            }
            let left: HostRanges = ipamd.post("/v1/ranges/release", &body)?;
            output.show(&left, |l| vec![grants(l)])?;
            output.note(&format!(
                "{prefix} rests now, and may then be given to another host"
            ));
        }
    }
    Ok(exit::OK)
}

fn listing(all: &Listing, now: u64) -> Vec<Table> {
    let mut table = Table::new([
        Column::text("RANGE"),
        Column::text("HOST"),
        Column::text("NETWORK"),
        Column::text("STATE"),
        Column::number("USED"),
        Column::number("CAPACITY"),
        Column::number("AGE"),
        Column::number("LEASE").wide(),
        Column::text("SOURCE").wide(),
    ])
    .or_empty("no ranges");
    for l in &all.ranges {
        let state = match &l.state.reason {
            Some(reason) => format!("{} ({reason})", l.state.is),
            None => l.state.is.clone(),
        };
        let style = match l.state.is.as_str() {
            "active" => Style::Plain,
            _ => Style::Warn,
        };
        let number = |n: Option<u64>| n.map_or_else(|| Cell::styled("-", Style::Dim), Cell::from);
        table.row([
            l.prefix.as_str().into(),
            l.host.as_str().into(),
            l.network.as_str().into(),
            Cell::styled(state, style),
            number(l.used),
            number(l.capacity),
            age(now, l.granted_at).into(),
            l.id.into(),
            l.source.as_str().into(),
        ]);
    }
    if !all.ranges.is_empty() {
        table.note(counted(all.ranges.len(), "range"));
    }
    if all.settling {
        table.note("ipamd has just started: it hears what hosts hold before it grants anything");
    }
    let mut shown = vec![table];
    if !all.waiting.is_empty() {
        let mut waiting = Table::new([
            Column::text("HOST"),
            Column::text("NETWORK"),
            Column::text("RANGE"),
            Column::text("WHY").wrapped(),
        ])
        .title("Hosts that wait");
        for w in &all.waiting {
            waiting.row([
                w.host.as_str().into(),
                w.network.as_str().into(),
                w.prefix.as_deref().unwrap_or("any").into(),
                w.message.as_str().into(),
            ]);
        }
        shown.push(waiting);
    }
    shown
}

fn grants(left: &HostRanges) -> Table {
    let mut table = Table::new([
        Column::text("RANGE"),
        Column::text("NETWORK"),
        Column::text("STATE"),
        Column::number("LEASE"),
    ])
    .title(format!("Ranges of {}", left.host))
    .or_empty("none");
    for g in &left.ranges {
        table.row([
            g.prefix.as_str().into(),
            g.network.as_str().into(),
            g.state.as_str().into(),
            g.lease.into(),
        ]);
    }
    table
}
