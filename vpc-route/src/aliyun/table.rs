//! Route tables by the API's calls: listed page by page, written in batches.

use ipnetwork::IpNetwork;
use serde::Deserialize;

use super::client::{Client, Parameters};
use super::error::{CallError, Code};
use crate::diff::Op;
use crate::model::{
    Entry, EntryKind, NextHop, NextHops, NextHopsError, Prefix, Status, Table, TableId,
};

/// The most entries that `CreateRouteEntries` and `DeleteRouteEntries` take.
pub const BATCH: usize = 50;
/// Documented as the largest `MaxResult`.
const PAGE: usize = 100;
/// A table of 200 has a few pages; this many mean that the token goes in circles.
const MOST_PAGES: usize = 1_000;

/// What the API said of one entry of a batch that it did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The destination.
    pub destination: Option<Prefix>,
    /// The next hop's ID: two tables' worth of failures differ by both, never by one.
    pub next_hop: String,
    /// Why.
    pub code: Code,
    /// In the API's words.
    pub message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer {
    #[serde(default)]
    next_token: Option<String>,
    route_entrys: RawEntries,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawEntries {
    #[serde(default)]
    route_entry: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawEntry {
    #[serde(default)]
    route_entry_id: String,
    destination_cidr_block: String,
    #[serde(default)]
    status: String,
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    route_entry_name: String,
    #[serde(default)]
    next_hops: RawHops,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct RawHops {
    #[serde(default)]
    next_hop: Vec<RawHop>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawHop {
    #[serde(default)]
    next_hop_id: String,
    #[serde(default)]
    next_hop_type: String,
    #[serde(default)]
    weight: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    #[serde(default)]
    failed_route_entries: Vec<RawFailed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawFailed {
    #[serde(default)]
    dst_cidr_block: String,
    #[serde(default)]
    next_hop: String,
    #[serde(default)]
    failed_code: String,
    #[serde(default)]
    failed_message: String,
}

/// An answer of which only the success matters.
#[derive(Deserialize)]
struct Done {}

impl Client {
    /// Every entry of a table, of all kinds.
    ///
    /// # Errors
    /// Any of [`CallError`]; a list with one entry that cannot be understood is an error whole.
    pub async fn list(&self, table: &TableId) -> Result<Table, CallError> {
        const ACTION: &str = "DescribeRouteEntryList";
        let mut entries = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut parameters = Parameters::default()
                .with("RouteTableId", &table.0)
                .with("MaxResult", PAGE.to_string());
            if let Some(token) = &token {
                parameters.set("NextToken", token);
            }
            let page: ListAnswer = self.call(ACTION, parameters.into_vec()).await?;
            for raw in page.route_entrys.route_entry {
                entries.push(entry(ACTION, raw)?);
            }
            token = page.next_token.filter(|t| !t.is_empty());
            if token.is_none() {
                return Ok(Table {
                    table: table.clone(),
                    entries,
                });
            }
        }
        Err(CallError::Pages {
            action: ACTION,
            pages: MOST_PAGES,
        })
    }

    /// Writes ops of one kind with one call: creations with a single next hop, deletions, or one
    /// op of any kind. What of a batch failed is the result; the rest was accepted, which is not
    /// yet in force.
    ///
    /// # Errors
    /// Any of [`CallError`]: nothing was accepted, unless [`CallError::is_ambiguous`].
    pub async fn write(&self, table: &TableId, ops: &[Op]) -> Result<Vec<Failed>, CallError> {
        match ops {
            [] => Ok(Vec::new()),
            [Op::Modify { to, name, id, .. }] => {
                let mut p = Parameters::default().with("RouteEntryName", name);
                if let Some(id) = id {
                    p.set("RouteEntryId", id);
                } else {
                    p.set("RouteTableId", &table.0);
                    p.set("DestinationCidrBlock", ops[0].destination().to_string());
                }
                if let Some(hop) = to.single() {
                    p.set("NewNextHopId", &hop.id);
                    p.set("NewNextHopType", hop.kind.as_str());
                }
                let _: Done = self.call("ModifyRouteEntry", p.into_vec()).await?;
                Ok(Vec::new())
            }
            [
                Op::Create {
                    destination,
                    next_hops,
                    name,
                    ..
                },
            ] if next_hops.single().is_none() => {
                let mut p = Parameters::default()
                    .with("RouteTableId", &table.0)
                    .with("DestinationCidrBlock", destination.to_string())
                    .with("RouteEntryName", name);
                for (n, hop) in (1..).zip(next_hops.iter()) {
                    p.set(&format!("NextHopList.{n}.NextHopId"), &hop.id);
                    p.set(&format!("NextHopList.{n}.NextHopType"), hop.kind.as_str());
                    if hop.weight != 0 {
                        p.set(&format!("NextHopList.{n}.Weight"), hop.weight.to_string());
                    }
                }
                let _: Done = self.call("CreateRouteEntry", p.into_vec()).await?;
                Ok(Vec::new())
            }
            ops => self.write_batch(table, ops).await,
        }
    }

    async fn write_batch(&self, table: &TableId, ops: &[Op]) -> Result<Vec<Failed>, CallError> {
        let mut p = Parameters::default();
        for (n, op) in (1..).zip(ops) {
            let mut set = |name: &str, value: &str| {
                p.set(&format!("RouteEntries.{n}.{name}"), value);
            };
            let destination = op.destination();
            set("RouteTableId", &table.0);
            match op {
                Op::Create {
                    next_hops, name, ..
                } => {
                    set("DstCidrBlock", &destination.to_string());
                    set("IpVersion", if destination.is_ipv6() { "6" } else { "4" });
                    set("Name", name);
                    if let Some(hop) = next_hops.single() {
                        set("NextHop", &hop.id);
                        set("NextHopType", hop.kind.as_str());
                    }
                }
                Op::Delete { id: Some(id), .. } => set("RouteEntryId", id),
                Op::Delete { next_hops, .. }
                | Op::Modify {
                    from: next_hops, ..
                } => {
                    set("DstCidrBlock", &destination.to_string());
                    if let Some(hop) = next_hops.single() {
                        set("NextHop", &hop.id);
                    }
                }
            }
        }
        let action = match ops.first() {
            Some(Op::Delete { .. }) => "DeleteRouteEntries",
            _ => "CreateRouteEntries",
        };
        let answer: BatchAnswer = self.call(action, p.into_vec()).await?;
        let failed = answer.failed_route_entries.into_iter().map(|raw| Failed {
            destination: parse_prefix(&raw.dst_cidr_block),
            next_hop: raw.next_hop,
            code: Code::from(raw.failed_code.as_str()),
            message: raw.failed_message,
        });
        Ok(failed.collect())
    }

    /// Gives an entry another name, nothing else: what takes an entry over.
    ///
    /// # Errors
    /// Any of [`CallError`].
    pub async fn rename(&self, id: &str, name: &str) -> Result<(), CallError> {
        let p = Parameters::default()
            .with("RouteEntryId", id)
            .with("RouteEntryName", name);
        let _: Done = self.call("ModifyRouteEntry", p.into_vec()).await?;
        Ok(())
    }
}

fn parse_prefix(text: &str) -> Option<Prefix> {
    text.parse::<IpNetwork>().ok().map(Prefix::truncating)
}

fn entry(action: &'static str, raw: RawEntry) -> Result<Entry, CallError> {
    let shown = format!("{} {}", raw.destination_cidr_block, raw.route_entry_id);
    let bad = |why: String| CallError::Entry {
        action,
        entry: shown.clone(),
        why,
    };
    let destination = parse_prefix(&raw.destination_cidr_block)
        .ok_or_else(|| bad("its destination is no IP prefix".to_owned()))?;
    let kind = match raw.kind.as_str() {
        "Custom" => EntryKind::Custom,
        "System" => EntryKind::System,
        _ => EntryKind::Learned,
    };
    let hops = raw.next_hops.next_hop.into_iter().map(|hop| NextHop {
        kind: hop.next_hop_type.into(),
        id: hop.next_hop_id,
        weight: hop.weight,
    });
    let next_hops = match NextHops::new(hops.collect()) {
        Ok(hops) => hops,
        // The cloud's own entries lead to a place without a name.
        Err(NextHopsError::None) if kind != EntryKind::Custom => {
            NextHops::one("local".to_owned().into(), "")
        }
        Err(error) => return Err(bad(error.to_string())),
    };
    Ok(Entry {
        destination,
        next_hops,
        name: raw.route_entry_name,
        id: (!raw.route_entry_id.is_empty()).then_some(raw.route_entry_id),
        status: status(&raw.status)
            .ok_or_else(|| bad(format!("its status is `{}`", raw.status)))?,
        kind,
    })
}

/// The states, in the API's words and in its documentation's prose.
fn status(word: &str) -> Option<Status> {
    Some(match word {
        "Available" | "Created" => Status::Available,
        "Pending" | "Creating" => Status::Pending,
        "Modifying" => Status::Modifying,
        "Deleting" => Status::Deleting,
        _ => return None,
    })
}
