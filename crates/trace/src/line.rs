//! A leased line, walked from both ends: which of its four tables lacks what.
//!
//! ```text
//!   IDC ── edge router ═══ line ═══ VBR ── VPC's route tables
//!          1: to the VPC            2: to the VPC     4: to the IDC
//!                                   3: to the IDC
//! ```

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::LeasedLine;
use flatnet_plan::routes::{Entry as PlanEntry, NextHop, Table as PlanTable, TableKind, routes};
use serde::Serialize;

use crate::hop::{At, Check, Hop, Verdict};
use crate::observed::Fact;
use crate::tables::{self, Kind, Table, Tables, kind_in_plan};
use crate::walk::tables::{by_hand, by_vpc_route, edge_name, line_end};

/// What was found of one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LineCheck {
    /// The leased line's name in the plan.
    pub line: String,
    /// The IDC.
    pub idc: String,
    /// The VPC.
    pub vpc: String,
    /// Each table and each direction, in the order of a packet from the IDC and its answer.
    pub parts: Vec<Part>,
}

/// One table and one direction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The table, for people.
    pub table: String,
    /// `to the VPC`, `to the IDC`, or `its own end`.
    pub direction: &'static str,
    /// What was found, an entry each.
    pub hops: Vec<Hop>,
}

impl LineCheck {
    /// The first hop that is wrong; if none is, the first that is unknown.
    pub fn first_fault(&self) -> Option<&Hop> {
        let first = |verdict| {
            let mut hops = self.parts.iter().flat_map(|p| &p.hops);
            hops.find(move |h| h.verdict == verdict)
        };
        first(Verdict::Wrong).or_else(|| first(Verdict::Unknown))
    }
}

/// Checks one line of a plan. The tables that the plan wants are held against what
/// vpc-route tells.
pub fn check(plan: &NetworkPlan, line: &LeasedLine, tables: &Fact<Tables>) -> LineCheck {
    let planned = routes(plan).unwrap_or_default();
    let edge = plan.site(&line.idc).map_or("edge", edge_name);
    let mut parts = vec![ends(line, edge, tables)];
    let by_line = |hop: &NextHop| match hop {
        NextHop::Lines { lines } => lines.iter().any(|via| via.line == line.name),
        _ => false,
    };
    let to_vpc = |hop: &NextHop| matches!(hop, NextHop::Vpc { .. });
    let mut wanted = |kind: Kind,
                      direction,
                      site: &str,
                      name: Option<&str>,
                      leads: &dyn Fn(&NextHop) -> bool| {
        let of_plan: TableKind = kind_in_plan(kind);
        let tables_of = planned
            .iter()
            .filter(|t| t.kind == of_plan && t.site == site && name.is_none_or(|n| t.name == n));
        for table in tables_of {
            let entries = table.entries.iter().filter(|e| leads(&e.next_hop));
            parts.push(part(kind, direction, table, entries, tables));
        }
    };
    let vbr = Some(line.name.as_str());
    wanted(
        Kind::EdgeRouter,
        "to the VPC",
        &line.idc,
        Some(edge),
        &by_line,
    );
    wanted(Kind::Vbr, "to the VPC", &line.vpc, vbr, &to_vpc);
    wanted(Kind::VpcRouteTable, "to the IDC", &line.vpc, None, &by_line);
    wanted(Kind::Vbr, "to the IDC", &line.vpc, vbr, &by_line);
    LineCheck {
        line: line.name.clone(),
        idc: line.idc.clone(),
        vpc: line.vpc.clone(),
        parts,
    }
}

/// The edge router's end, in each family.
fn ends(line: &LeasedLine, edge: &str, tables: &Fact<Tables>) -> Part {
    let at = format!("line {} at {edge}", line.name);
    let at = At {
        at: &at,
        check: Check::Line,
    };
    let table = tables
        .known()
        .and_then(|t| t.get(Kind::EdgeRouter, &line.idc, edge))
        .filter(|t| t.error.is_none());
    let hop = |t: &flatnet_plan::model::Transfer| match table {
        Some(table) => line_end(&at, edge, table, t.idc, t.vpc),
        None => at.assumed(format!("{} → {}, by the plan", t.idc, t.vpc)),
    };
    Part {
        table: at.at.to_owned(),
        direction: "its own end",
        hops: line.transfer.iter().map(hop).collect(),
    }
}

fn part<'e>(
    kind: Kind,
    direction: &'static str,
    planned: &PlanTable,
    entries: impl Iterator<Item = &'e PlanEntry>,
    tables: &Fact<Tables>,
) -> Part {
    let title = planned.title();
    let check = match kind {
        Kind::VpcRouteTable => Check::VpcTable,
        Kind::Vbr => Check::Vbr,
        Kind::EdgeRouter => Check::EdgeRouter,
    };
    let at = At { at: &title, check };
    let table = observed(&at, kind, planned, tables);
    let mut hops: Vec<Hop> = match table {
        Ok((tables, table)) => entries.map(|e| entry(&at, e, tables, table)).collect(),
        Err(hop) => vec![*hop],
    };
    if hops.is_empty() {
        let why =
            format!("the plan leads nothing {direction} by this table: look at the line's accept");
        hops.push(at.wrong("nothing is wanted", why, None));
    }
    Part {
        table: title,
        direction,
        hops,
    }
}

/// The table that vpc-route tells of; or why it is not known.
fn observed<'t>(
    at: &At<'_>,
    kind: Kind,
    planned: &PlanTable,
    tables: &'t Fact<Tables>,
) -> Result<(&'t Tables, &'t Table), Box<Hop>> {
    let unknown = |why: String, ask| Err(Box::new(at.unknown("not known", why, ask)));
    let told = match tables {
        Fact::Unknown { because, ask } => return unknown(because.clone(), Some(ask.clone())),
        Fact::Known(told) => told,
    };
    let Some(table) = told.get(kind, &planned.site, &planned.name) else {
        let mut all = told.tables.iter();
        let error = all.find(|t| t.title == at.at).and_then(|t| t.error.clone());
        let why = "vpc-route does not keep this table: its plan has nothing for it";
        return unknown(error.unwrap_or_else(|| why.to_owned()), None);
    };
    match &table.error {
        Some(error) => unknown(error.clone(), None),
        None => Ok((told, table)),
    }
}

/// One wanted entry: what its first address takes.
fn entry(at: &At<'_>, wanted: &PlanEntry, tables: &Tables, table: &Table) -> Hop {
    let judged = tables::judge(table, wanted.prefix.network());
    let led = format!("{}: {}", wanted.prefix, judged.found());
    if judged.wanted.is_none() {
        let why = format!(
            "vpc-route works from another plan: this one wants {}",
            wanted.prefix
        );
        return at.wrong(led, why, None);
    }
    match (judged.why(), &judged.fault) {
        (Some(why), Some(fault)) => {
            let repair = match fault.is_ours_to_repair() {
                true => by_vpc_route(tables, table),
                false => by_hand(table, &judged),
            };
            at.wrong(led, why, Some(repair))
        }
        _ => at.ok(led),
    }
}
