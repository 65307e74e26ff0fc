//! `flatctl range …`: what ipamd has given to whom.

use flatnet_types::ipamd::{Drain, HostRanges, LeaseId, LeaseState, Listing, Release};
use flatnet_types::{NetworkName, NodeName, Timestamp};

use super::held::ipamd;
use super::node::age;
use crate::CliError;
use crate::args::{IpamdArgs, RangeCommand};
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

pub(super) fn run(
    command: RangeCommand,
    args: &IpamdArgs,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let ipamd = ipamd(args)?;
    match command {
        RangeCommand::List { host, network } => {
            let mut all: Listing = ipamd.get("/v1/ranges")?;
            let of_host = |name: &NodeName| host.as_ref().is_none_or(|h| h == name);
            let of_network = |name: &NetworkName| network.as_ref().is_none_or(|n| n == name);
            all.ranges
                .retain(|l| of_host(&l.lease.host) && of_network(&l.lease.network));
            all.waiting
                .retain(|w| of_host(&w.host) && of_network(&w.waiting.network));
            let now = output.now;
            output.show(&all, |l| listing(l, now))?;
        }
        RangeCommand::Drain {
            host,
            prefix,
            cancel,
        } => {
            let drain = Drain {
                host: host.clone(),
                prefix,
                cancel,
            };
            let left: HostRanges = ipamd.post("/v1/ranges/drain", &drain)?;
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
            let release = Release {
                host,
                prefix,
                lease: lease.map(LeaseId),
                force,
            };
            let left: HostRanges = ipamd.post("/v1/ranges/release", &release)?;
            output.show(&left, |l| vec![grants(l)])?;
            output.note(&format!(
                "{prefix} rests now, and may then be given to another host"
            ));
        }
    }
    Ok(exit::OK)
}

fn listing(all: &Listing, now: Timestamp) -> Vec<Table> {
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
    for view in &all.ranges {
        let lease = &view.lease;
        let (state, style) = match lease.state {
            LeaseState::Active => ("active".to_owned(), Style::Plain),
            LeaseState::Draining { reason } => {
                (format!("draining ({})", reason.as_str()), Style::Warn)
            }
            LeaseState::Quarantined { .. } => ("resting".to_owned(), Style::Warn),
        };
        let number = |n: Option<u64>| n.map_or_else(|| Cell::styled("-", Style::Dim), Cell::from);
        table.row([
            lease.prefix.to_string().into(),
            lease.host.as_str().into(),
            lease.network.as_str().into(),
            Cell::styled(state, style),
            number(view.used),
            number(view.capacity),
            age(now, lease.granted_at).into(),
            lease.id.0.into(),
            lease.source.as_str().into(),
        ]);
    }
    if !all.ranges.is_empty() {
        table.note(counted(all.ranges.len(), "range"));
    }
    if all.in_grace_period {
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
            let prefix = w.waiting.prefix.map(|p| p.to_string());
            waiting.row([
                w.host.as_str().into(),
                w.waiting.network.as_str().into(),
                prefix.unwrap_or_else(|| "any".to_owned()).into(),
                w.waiting.message.as_str().into(),
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
            g.prefix.to_string().into(),
            g.network.as_str().into(),
            g.state.as_str().into(),
            g.lease.0.into(),
        ]);
    }
    table
}
