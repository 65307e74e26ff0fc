//! `flatctl node status` and `flatctl attachments`: what one netd says.

use std::path::Path;

use flatnet_types::api::VersionReply;
use flatnet_types::api::view::{
    AttachmentState, AttachmentView, NetworkUsage, NodeView, PlanView, ProblemView, ReconcileView,
};
use flatnet_types::{IfName, NetworkName, NodeName, Timestamp};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::CliError;
use crate::daemon::{Daemon, DaemonError};
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

/// What a netd says of its node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    node: NodeName,
    server: String,
    ready: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready: Option<String>,
    mode: serde_json::Value,
    uplink: IfName,
    attachments: usize,
    usage: Vec<NetworkUsage>,
    last_reconcile: ReconcileView,
    /// What it would do now.
    would: Vec<String>,
    /// What is wrong and netd cannot repair by itself, each in one line.
    problems: Vec<String>,
    /// The same with code, command and time. Empty where netd is older than 0.2.
    problem_details: Vec<ProblemView>,
}

/// What of a node's part of the plan is shown.
#[derive(Debug, Deserialize)]
struct Spec {
    node: NodeName,
    mode: serde_json::Value,
    uplink: IfName,
}

/// What of a dry run's plan is shown.
#[derive(Debug, Deserialize)]
struct Problems {
    problems: Vec<String>,
}

/// `namespace/name` of the attachment's pod; none: it is no pod.
pub(super) fn pod(attachment: &AttachmentView) -> Option<String> {
    let pod = &attachment.detail.as_ref()?.pod;
    (!pod.name.is_empty()).then(|| format!("{}/{}", pod.namespace, pod.name))
}

pub(super) fn attachments_of(netd: &Daemon) -> Result<Vec<AttachmentView>, CliError> {
    Ok(netd.get("/v1/attachments")?)
}

/// The node's name in its plan.
pub(super) fn name_of(netd: &Daemon) -> Result<NodeName, CliError> {
    let reply: NodeView<Spec> = netd.get("/v1/node")?;
    Ok(reply.spec.node)
}

pub(super) fn status(socket: &Path, output: &mut Output<'_>) -> Result<u8, CliError> {
    let netd = Daemon::netd(socket);
    let node: NodeView<Spec> = netd.get("/v1/node")?;
    let plan: PlanView<Problems, IgnoredAny> = netd.get("/v1/plan")?;
    let version: VersionReply = netd.get("/v1/version")?;
    let status = Status {
        node: node.spec.node,
        server: version.server,
        ready: node.ready,
        not_ready: why_not(&netd, node.ready),
        mode: node.spec.mode,
        uplink: node.spec.uplink,
        attachments: attachments_of(&netd)?.len(),
        usage: node.usage,
        last_reconcile: node.last_reconcile,
        would: plan.would,
        problems: lines(&node.problems, plan.plan.problems),
        problem_details: node.problems,
    };
    let now = output.now;
    output.show(&status, |s| status_tables(s, now))?;
    let well = status.ready && status.would.is_empty() && status.problems.is_empty();
    Ok(if well { exit::OK } else { exit::FOUND })
}

/// The problems that netd names, and those that only a dry run sees, in one line each.
fn lines(named: &[ProblemView], dry_run: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = named.iter().map(line).collect();
    let known = |seen: &String| lines.contains(seen);
    let unknown: Vec<String> = dry_run.into_iter().filter(|seen| !known(seen)).collect();
    lines.extend(unknown);
    lines
}

/// As netd writes a problem in one line.
fn line(problem: &ProblemView) -> String {
    match &problem.repair {
        Some(command) => format!("{}: `{command}`", problem.text),
        None => problem.text.clone(),
    }
}

pub(super) fn reconcile(socket: &Path, output: &mut Output<'_>) -> Result<u8, CliError> {
    let nothing = serde_json::Value::Null;
    let done: ReconcileView = Daemon::netd(socket).post("/v1/reconcile", &nothing)?;
    output.show(&done, |done| vec![reconciled(done)])?;
    let well = done.converged && done.problems.is_empty();
    Ok(if well { exit::OK } else { exit::FOUND })
}

fn reconciled(done: &ReconcileView) -> Table {
    let mut table = Table::new([Column::text("OUTCOME"), Column::text("WHAT").wrapped()])
        .without_heads()
        .or_empty("nothing was to be done");
    let groups = [
        ("done", Style::Good, &done.applied),
        ("failed", Style::Bad, &done.failed),
        ("problem", Style::Bad, &done.problems),
    ];
    for (word, style, all) in groups {
        for what in all {
            table.row([Cell::styled(word, style), what.as_str().into()]);
        }
    }
    table
}

/// netd's own words for why it serves no ADD.
fn why_not(netd: &Daemon, ready: bool) -> Option<String> {
    if ready {
        return None;
    }
    match netd.get::<IgnoredAny>("/readyz") {
        Err(DaemonError::Refused {
            message, details, ..
        }) if !details.is_empty() => Some(format!("{message}: {details}")),
        Err(DaemonError::Refused { message, .. }) => Some(message),
        _ => None,
    }
}

fn status_tables(s: &Status, now: Timestamp) -> Vec<Table> {
    let mut about = Table::new([Column::text("NODE"), Column::text("VALUE").wrapped()])
        .title(format!("Node {}", s.node))
        .without_heads();
    let mode = match &s.mode {
        serde_json::Value::String(mode) => mode.clone(),
        other => other
            .as_object()
            .and_then(|o| o.keys().next().cloned())
            .unwrap_or_default(),
    };
    let ready = match s.ready {
        true => Cell::styled("yes", Style::Good),
        false => Cell::styled("NO", Style::Bad),
    };
    about.row(["ready".into(), ready]);
    if let Some(why) = &s.not_ready {
        about.row(["because".into(), Cell::styled(why.as_str(), Style::Bad)]);
    }
    about.row(["daemon".into(), s.server.as_str().into()]);
    about.row(["mode".into(), mode.into()]);
    about.row(["uplink".into(), s.uplink.as_str().into()]);
    about.row(["attachments".into(), s.attachments.into()]);
    let last = &s.last_reconcile;
    let last = if !last.failed.is_empty() {
        Cell::styled(format!("failed: {}", last.failed.join("; ")), Style::Bad)
    } else if last.converged {
        Cell::styled(
            format!("converged, {} applied", last.applied.len()),
            Style::Good,
        )
    } else {
        Cell::styled("not converged", Style::Warn)
    };
    about.row(["last reconcile".into(), last]);

    let mut usage = Table::new([
        Column::text("NETWORK"),
        Column::text("RANGE"),
        Column::number("CAPACITY"),
        Column::number("USED"),
        Column::number("RESTING"),
        Column::number("FREE"),
    ])
    .title("Ranges")
    .or_empty("no ranges");
    for network in &s.usage {
        for r in &network.ranges {
            let free = if r.free == 0 {
                Style::Bad
            } else {
                Style::Plain
            };
            usage.row([
                network.network.as_str().into(),
                r.range.as_str().into(),
                r.capacity.into(),
                r.used.into(),
                r.quarantined.into(),
                Cell::styled(r.free.to_string(), free),
            ]);
        }
    }

    let mut would = Table::new([Column::text("WOULD").wrapped()])
        .title("What netd would change now")
        .without_heads()
        .or_empty(if s.ready {
            "nothing: the node is as it should be"
        } else {
            "nothing that it could"
        });
    for op in &s.would {
        would.row([op.as_str().into()]);
    }
    let mut shown = vec![about, usage, would];
    if !s.problems.is_empty() {
        shown.push(problems(s, now));
    }
    shown
}

fn problems(s: &Status, now: Timestamp) -> Table {
    let mut table = Table::new([
        Column::text("CODE"),
        Column::text("SINCE"),
        Column::text("PROBLEM").wrapped(),
    ])
    .title("What is wrong and netd cannot repair by itself");
    for problem in &s.problem_details {
        let style = if problem.blocks_ready {
            Style::Bad
        } else {
            Style::Warn
        };
        let text = Cell::styled(line(problem), style);
        table.row([
            problem.code.as_str().into(),
            age(now, problem.since).into(),
            text,
        ]);
    }
    for seen in s.problems.iter().skip(s.problem_details.len()) {
        let text = Cell::styled(seen.as_str(), Style::Bad);
        table.row(["".into(), "now".into(), text]);
    }
    table
}

pub(super) fn attachments(
    socket: &Path,
    network: Option<&NetworkName>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut all = attachments_of(&Daemon::netd(socket))?;
    all.retain(|a| network.is_none_or(|n| a.network == *n));
    all.sort_by_key(|a| a.created_at);
    let now = output.now;
    output.show(&all, |all| vec![attachment_table(all, now)])?;
    Ok(exit::OK)
}

fn attachment_table(all: &[AttachmentView], now: Timestamp) -> Table {
    let mut table = Table::new([
        Column::text("POD").flexible(),
        Column::text("CONTAINER").flexible(),
        Column::text("IF"),
        Column::text("NETWORK"),
        Column::text("ADDRESSES").flexible(),
        Column::text("STATE"),
        Column::number("AGE"),
        Column::text("HOST IF").wide(),
        Column::text("MAC").wide(),
        Column::number("PORT").wide(),
    ])
    .or_empty("no attachments");
    for a in all {
        let state = match a.state {
            AttachmentState::Committed => Style::Plain,
            AttachmentState::Reserved => Style::Warn,
        };
        let addresses: Vec<String> = a.addresses.iter().map(ToString::to_string).collect();
        let mac = a.detail.as_ref().map(|d| d.mac.to_string());
        table.row([
            pod(a).unwrap_or_else(|| "-".to_owned()).into(),
            short(a.container_id.as_str()).into(),
            a.ifname.as_str().into(),
            a.network.as_str().into(),
            addresses.join(" ").into(),
            Cell::styled(a.state.as_str(), state),
            age(now, a.created_at).into(),
            a.host_ifname.as_str().into(),
            mac.unwrap_or_default().into(),
            a.ofport.into(),
        ]);
    }
    if !all.is_empty() {
        table.note(counted(all.len(), "attachment"));
    }
    table
}

/// A container's ID as other tools show it: the first 13 digits of a hash.
fn short(id: &str) -> String {
    let hash = id.len() > 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    id.chars().take(if hash { 13 } else { 128 }).collect()
}

/// The time since `then`, in its largest two units.
pub(super) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.saturating_since(then).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
