//! `flatctl trace`: why A cannot reach B.
//!
//! The walk itself is crates/trace's; here the facts are fetched, and what was found is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flatnet_plan::NetworkPlan;
use flatnet_trace::hop::{Hop, Repair, Verdict, Walk};
use flatnet_trace::observed::{Fact, Node, Observed};
use flatnet_trace::tables::Tables;
use flatnet_trace::{Packet, Proto, nodes_of, walk};
use serde::Serialize;

use super::held::{Held, held};
use super::node::name_of;
use crate::CliError;
use crate::args::{TablesArgs, TraceArgs};
use crate::daemon::Daemon;
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table};
use crate::source::Source;

#[derive(Debug, Serialize)]
struct View {
    /// The worst of both directions.
    verdict: Verdict,
    /// The first thing that is wrong, or else unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    there: Walk,
    back: Walk,
}

/// A hop that is not well, and in which direction.
#[derive(Debug, Clone, Serialize)]
struct Fault {
    direction: &'static str,
    #[serde(flatten)]
    hop: Hop,
}

impl View {
    fn of(there: Walk, back: Walk) -> Self {
        let fault = {
            let both = [("there", &there), ("back", &back)];
            let first = |verdict| {
                both.iter().find_map(|(direction, walk)| {
                    let hop = walk.first_fault().filter(|h| h.verdict == verdict)?;
                    Some(Fault {
                        direction,
                        hop: hop.clone(),
                    })
                })
            };
            first(Verdict::Wrong).or_else(|| first(Verdict::Unknown))
        };
        Self {
            verdict: fault.as_ref().map_or(Verdict::Ok, |f| f.hop.verdict),
            fault,
            there,
            back,
        }
    }
}

pub(super) fn run(args: &TraceArgs, output: &mut Output<'_>) -> Result<u8, CliError> {
    let plan = Source::read(&args.plan)?.plans(output)?.whole;
    let Held { plan, unheard } = held(plan, &args.ipamd, output)?;
    let ranges = unheard.map_or(Fact::Known(()), |because| Fact::Unknown {
        because,
        ask: Repair::here("flatctl range list").noting("where ipamd runs, or with --ipamd"),
    });
    let there = Packet {
        src: args.from,
        dst: args.to,
        proto: match (args.port, args.udp) {
            (None, _) => Proto::Icmp,
            (Some(port), false) => Proto::Tcp { port },
            (Some(port), true) => Proto::Udp { port },
        },
        back: false,
    };
    let tables = tables(&args.tables)?;
    let one_way = |packet: Packet| {
        let observed = Observed {
            tables: tables.clone(),
            nodes: nodes(&plan, packet, args),
            ranges: ranges.clone(),
        };
        walk(&plan, packet, &observed)
    };
    let view = View::of(one_way(there), one_way(there.answer()));
    output.show(&view, shown)?;
    Ok(status(view.verdict))
}

/// The exit code of a verdict.
pub(super) fn status(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok | Verdict::Assumed => exit::OK,
        Verdict::Wrong => exit::FOUND,
        Verdict::Unknown => exit::UNKNOWN,
    }
}

/// The tables; a file that was named must be readable, a daemon may be away.
pub(super) fn tables(at: &TablesArgs) -> Result<Fact<Tables>, CliError> {
    match super::routes::read(at) {
        Ok(tables) => Ok(Fact::Known(tables)),
        Err(e) if at.tables.is_some() => Err(e),
        Err(e) => Ok(Fact::Unknown {
            because: e.lines().join(": "),
            ask: Repair::here("vpc-route plan -o json > tables.json").noting(
                "where vpc-route runs; then run this again with `--tables tables.json`, or there",
            ),
        }),
    }
}

/// What the nodes of a packet's ends say of it.
fn nodes(plan: &NetworkPlan, packet: Packet, args: &TraceArgs) -> BTreeMap<String, Fact<Node>> {
    let asked = nodes_of(plan, packet).into_iter();
    asked
        .map(|name| {
            let fact = match socket_of(&name, args) {
                Ok((socket, usual)) => ask(&name, &socket, usual, packet),
                Err(because) => Fact::Unknown {
                    because,
                    ask: elsewhere(&name, args),
                },
            };
            (name, fact)
        })
        .collect()
}

fn ask(name: &str, socket: &Path, usual: bool, packet: Packet) -> Fact<Node> {
    let path = format!("/v1/trace?{}", packet.to_query());
    match Daemon::netd(socket).get(&path) {
        Ok(facts) => Fact::Known(Node {
            facts,
            socket: (!usual).then(|| socket.display().to_string()),
        }),
        Err(e) => Fact::Unknown {
            because: CliError::from(e).lines().join(": "),
            ask: Repair::on(name, "systemctl restart netd")
                .noting("the data path goes on without netd; only nobody repairs it"),
        },
    }
}

/// The same command, to run on a node.
fn elsewhere(name: &str, args: &TraceArgs) -> Repair {
    let mut command = format!("flatctl trace {} {}", args.from, args.to);
    if let Some(port) = args.port {
        command.push_str(&format!(" --port {port}"));
    }
    if args.udp {
        command.push_str(" --udp");
    }
    Repair::on(name, command).noting("each netd answers on its own machine only")
}

/// The socket of a node's netd, and whether it is the usual one; or why there is none.
fn socket_of(name: &str, args: &TraceArgs) -> Result<(PathBuf, bool), String> {
    if let Some(dir) = &args.netd_dir {
        let sockets = [
            dir.join(format!("{name}.sock")),
            dir.join(name).join("netd.sock"),
        ];
        // One that is there and not served says more than one that is not there.
        let there = sockets.iter().find(|s| s.exists());
        let known = there.cloned().or_else(|| {
            dir.join(name)
                .is_dir()
                .then(|| dir.join(name).join("netd.sock"))
        });
        let none = || format!("{} has no socket of {name}", dir.display());
        return known.map(|s| (s, false)).ok_or_else(none);
    }
    let usual = Path::new(crate::args::NETD);
    let socket = args.netd.as_deref().unwrap_or(usual);
    match name_of(&Daemon::netd(socket)) {
        Ok(own) if own.as_str() == name => Ok((socket.to_owned(), socket == usual)),
        Ok(own) => Err(format!("this machine is {own}, not {name}")),
        Err(e) => Err(format!(
            "netd of {name} is not on this machine, or does not answer: {}",
            e.lines().join(": ")
        )),
    }
}

fn shown(view: &View) -> Vec<Table> {
    let mut tables = vec![way("there", &view.there), way("back", &view.back)];
    let verdict = match &view.fault {
        Some(Fault { direction, hop }) => fault(hop, Some(direction)),
        None => {
            let mut table = Table::new([Column::text("")]).without_heads();
            table.row([Cell::styled("nothing is wrong", Style::Good)]);
            table
        }
    };
    tables.push(verdict);
    tables
}

fn way(direction: &str, walk: &Walk) -> Table {
    let title = format!("{}, {direction}", walk.packet);
    hops(&title, walk.hops.iter())
}

/// Hops with their verdicts.
pub(super) fn hops<'h>(title: &str, hops: impl Iterator<Item = &'h Hop>) -> Table {
    let mut table = Table::new([
        Column::text(""),
        Column::text("WHERE").flexible(),
        Column::text("WHAT"),
        Column::text("FOUND").wrapped(),
    ])
    .title(title)
    .or_empty("nothing to look at");
    for hop in hops {
        let (sign, style) = sign(hop.verdict);
        let found = match &hop.why {
            Some(why) => format!("{}: {why}", hop.found),
            None => hop.found.clone(),
        };
        table.row([
            Cell::styled(sign, style),
            hop.at.as_str().into(),
            hop.check.as_str().into(),
            Cell::styled(found, style),
        ]);
    }
    table
}

fn sign(verdict: Verdict) -> (&'static str, Style) {
    match verdict {
        Verdict::Ok => ("ok", Style::Plain),
        Verdict::Assumed => ("plan", Style::Dim),
        Verdict::Unknown => ("?", Style::Warn),
        Verdict::Wrong => ("WRONG", Style::Bad),
    }
}

/// The first fault, and what repairs it.
pub(super) fn fault(hop: &Hop, direction: Option<&str>) -> Table {
    let mut table = Table::new([Column::text("WHAT"), Column::text("WHICH").wrapped()]);
    table = table.without_heads().title(match hop.verdict {
        Verdict::Wrong => "The first that is wrong",
        _ => "Nothing wrong was found, but not everything could be looked at",
    });
    let at = match direction {
        Some(direction) => format!("{}, {} ({direction})", hop.at, hop.check.as_str()),
        None => format!("{}, {}", hop.at, hop.check.as_str()),
    };
    table.row(["where".into(), Cell::styled(at, Style::Bold)]);
    table.row(["found".into(), hop.found.as_str().into()]);
    if let Some(why) = &hop.why {
        table.row(["why".into(), why.as_str().into()]);
    }
    if let Some(repair) = &hop.repair {
        table.row([
            "repair".into(),
            Cell::styled(repair.command.as_str(), Style::Good),
        ]);
        if let Some(on) = &repair.on {
            table.row(["run on".into(), on.as_str().into()]);
        }
        if let Some(note) = &repair.note {
            table.row(["note".into(), note.as_str().into()]);
        }
    }
    table
}
