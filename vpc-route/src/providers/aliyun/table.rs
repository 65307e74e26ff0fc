//! Route tables by the API's calls: listed page by page, written in batches.

use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Parameters};
use super::error::{CallError, Code};
use super::listing;
use crate::diff::Op;
use crate::model::{Prefix, Table, TableId};

/// The most entries that `CreateRouteEntries` and `DeleteRouteEntries` take.
pub const BATCH: usize = 50;
/// Documented as the largest `MaxResult`.
const PAGE: usize = 100;
/// A table of 200 has a few pages; this many have no end.
const MOST_PAGES: usize = 1_000;
/// Entries of one table: as many as that many pages have, and a bound for memory where pages are
/// larger than was asked for.
const MOST_ENTRIES: usize = MOST_PAGES * PAGE;

/// What the API said of one entry of a batch that it did not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEntry {
    /// The destination.
    pub destination: Option<Prefix>,
    /// The next hop's ID: two tables' worth of failures differ by both, never by one.
    pub next_hop: String,
    /// The API's error code.
    pub code: Code,
    /// In the API's words.
    pub message: String,
}

/// An answer of which only the success matters.
#[derive(Deserialize)]
struct Done {}

impl Client {
    /// Every entry of a table, of all kinds. What of it is not understood is listed in
    /// [`Table::not_understood`], and hides nothing of the rest.
    ///
    /// # Errors
    /// Any of [`CallError`]; an answer in which no list can be recognised is an error whole.
    pub async fn list(&self, table: &TableId) -> Result<Table, CallError> {
        const ACTION: &str = "DescribeRouteEntryList";
        let mut found = Table::new(table.clone());
        let mut token: Option<String> = None;
        let mut entries = 0;
        for pages in 1..=MOST_PAGES {
            let mut parameters = Parameters::default()
                .with("RouteTableId", &table.0)
                .with("MaxResult", PAGE.to_string());
            if let Some(token) = &token {
                parameters.set("NextToken", token);
            }
            let answer: Value = self.call(ACTION, parameters.into_vec()).await?;
            let page = listing::page(ACTION, &answer)?;
            entries += page.entries.len();
            // A token that leads to where it came from leads on for ever.
            if entries > MOST_ENTRIES || page.next.is_some() && page.next == token {
                return Err(CallError::Pages {
                    action: ACTION,
                    pages,
                });
            }
            for raw in &page.entries {
                listing::read(raw, &mut found);
            }
            token = page.next;
            if token.is_none() {
                return Ok(found);
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
    pub async fn write(&self, table: &TableId, ops: &[Op]) -> Result<Vec<RefusedEntry>, CallError> {
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

    async fn write_batch(
        &self,
        table: &TableId,
        ops: &[Op],
    ) -> Result<Vec<RefusedEntry>, CallError> {
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
        let answer: Value = self.call(action, p.into_vec()).await?;
        let failed = answer.get("FailedRouteEntries").and_then(Value::as_array);
        Ok(failed.into_iter().flatten().map(refused).collect())
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

/// What of a batch was not done. A part that cannot be read is left out: the listing that
/// follows every write says what is in force.
fn refused(raw: &Value) -> RefusedEntry {
    let word = |name: &str| {
        let value = raw.get(name).map(listing::text);
        value.and_then(Result::ok).flatten().unwrap_or_default()
    };
    RefusedEntry {
        destination: listing::parse_prefix(&word("DstCidrBlock")),
        next_hop: word("NextHop"),
        code: Code::from(word("FailedCode").as_str()),
        message: word("FailedMessage"),
    }
}
