//! `flatctl node status` and `flatctl attachments`: what one netd says.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::CliError;
use crate::daemon::{Daemon, DaemonError};
use crate::error::exit;
use crate::output::{Cell, Column, Output, Style, Table, counted};

/// What a netd says of its node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    node: String,
    server: String,
    ready: bool,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready: Option<String>,
    mode: serde_json::Value,
    uplink: String,
    attachments: usize,
    usage: Vec<NetworkUsage>,
    last_reconcile: Reconcile,
    /// What it would do now.
    would: Vec<String>,
    /// What stands in the way, and what netd cannot mend.
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct NodeReply {
    ready: bool,
    spec: Spec,
    #[serde(default)]
    usage: Vec<NetworkUsage>,
    #[serde(default)]
    last_reconcile: Reconcile,
}

#[derive(Debug, Deserialize)]
struct Spec {
    node: String,
    mode: serde_json::Value,
    uplink: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Reconcile {
    #[serde(default)]
    applied: Vec<String>,
    #[serde(default)]
    failed: Vec<String>,
    #[serde(default)]
    problems: Vec<String>,
    #[serde(default)]
    converged: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct NetworkUsage {
    network: String,
    ranges: Vec<RangeUsage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct RangeUsage {
    range: String,
    capacity: u128,
    used: u128,
    resting: u128,
    free: u128,
}

#[derive(Debug, Deserialize)]
struct PlanReply {
    would: Vec<String>,
    plan: Problems,
}

#[derive(Debug, Deserialize)]
struct Problems {
    #[serde(default)]
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct VersionReply {
    server: String,
}

/// One attachment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attachment {
    pub(super) network: String,
    pub(super) container_id: String,
    pub(super) ifname: String,
    pub(super) addresses: Vec<String>,
    pub(super) state: String,
    pub(super) created_at: u64,
    #[serde(default)]
    host_ifname: String,
    #[serde(default)]
    ofport: u32,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    pub(super) pod: Pod,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Pod {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

impl Pod {
    /// `namespace/name`; none: it is no pod.
    pub(super) fn title(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| format!("{}/{}", self.namespace, self.name))
    }
}

pub(super) fn attachments_of(netd: &Daemon) -> Result<Vec<Attachment>, CliError> {
    Ok(netd.get("/v1/attachments")?)
}

/// The node's name in its plan.
pub(super) fn name_of(netd: &Daemon) -> Result<String, CliError> {
    let reply: NodeReply = netd.get("/v1/node")?;
    Ok(reply.spec.node)
}

pub(super) fn status(socket: &Path, output: &mut Output<'_>) -> Result<u8, CliError> {
    let netd = Daemon::netd(socket);
    let node: NodeReply = netd.get("/v1/node")?;
    let plan: PlanReply = netd.get("/v1/plan")?;
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
        problems: plan.plan.problems,
    };
    output.show(&status, status_tables)?;
    let well = status.ready && status.would.is_empty() && status.problems.is_empty();
    Ok(if well { exit::OK } else { exit::FOUND })
}

/// netd's own words for why it serves no ADD.
fn why_not(netd: &Daemon, ready: bool) -> Option<String> {
    if ready {
        return None;
    }
    match netd.get::<serde::de::IgnoredAny>("/readyz") {
        Err(DaemonError::Refused {
            message, details, ..
        }) if !details.is_empty() => Some(format!("{message}: {details}")),
        Err(DaemonError::Refused { message, .. }) => Some(message),
        _ => None,
    }
}

fn status_tables(s: &Status) -> Vec<Table> {
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
        false => Cell::styled("NO: ADD is refused", Style::Bad),
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
                r.resting.into(),
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
        let mut problems = Table::new([Column::text("PROBLEM").wrapped()])
            .title("What netd cannot mend")
            .without_heads();
        for p in &s.problems {
            problems.row([Cell::styled(p.as_str(), Style::Bad)]);
        }
        shown.push(problems);
    }
    shown
}

pub(super) fn attachments(
    socket: &Path,
    network: Option<&str>,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut all = attachments_of(&Daemon::netd(socket))?;
    all.retain(|a| network.is_none_or(|n| a.network == n));
    all.sort_by_key(|a| a.created_at);
    let now = output.now;
    output.show(&all, |all| vec![attachment_table(all, now)])?;
    Ok(exit::OK)
}

fn attachment_table(all: &[Attachment], now: u64) -> Table {
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
        let state = match a.state.as_str() {
            "committed" => Style::Plain,
            _ => Style::Warn,
        };
        table.row([
            a.pod.title().unwrap_or_else(|| "-".to_owned()).into(),
            short(&a.container_id).into(),
            a.ifname.as_str().into(),
            a.network.as_str().into(),
            a.addresses.join(" ").into(),
            Cell::styled(a.state.as_str(), state),
            age(now, a.created_at).into(),
            a.host_ifname.as_str().into(),
            a.mac.as_str().into(),
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

/// The time since `then`, both in milliseconds since 1970, in its largest two units.
pub(super) fn age(now: u64, then: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
