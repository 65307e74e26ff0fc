//! DescribeRouteEntryList.

use std::time::Duration;

use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::{Context, Reply, Service};
use crate::error::ApiError;
use crate::gateway::Params;
use crate::world::{Entry, Router, World, parse_destination};

/// Rows of a page where it is not said.
const ROWS: usize = 10;
/// Rows of a page at most. The documentation says 100; a known client asks for 500 and gets
/// them.
const ROWS_MOST: usize = 500;
/// Members of DestCidrBlockList, at most.
const DESTINATIONS: usize = 20;

/// One row, with the number that orders the listing.
struct Row {
    number: u64,
    body: Value,
}

pub(super) fn entries(service: &mut Service, context: &Context<'_>) -> Reply {
    let params = context.params;
    let table = params
        .get("RouteTableId")
        .ok_or(ApiError::MissingParameter("RouteTableId"))?;
    if !service.world.tables().contains_key(table) {
        return Err(ApiError::ListedTableNotFound(table.to_owned()));
    }
    let most = match params.get("MaxResult").map(str::parse::<usize>) {
        None => ROWS,
        Some(Ok(n)) if (1..=ROWS_MOST).contains(&n) => n,
        Some(_) => return Err(ApiError::IllegalParam("MaxResult")),
    };
    let filter = Filter::read(params)?;
    let life = Duration::from_secs(service.world.timings().next_token_seconds);
    let after = service.pages.take(params, context.now, life)?;
    let rows: Vec<Row> = rows(&service.world, table, &filter);
    let total = rows.len();
    let mut rest = rows
        .into_iter()
        .filter(|row| after.is_none_or(|a| row.number > a));
    let page: Vec<Row> = rest.by_ref().take(most).collect();
    let more = rest.next().is_some();
    let mut body = json!({ "TotalCount": total });
    if let Some(last) = page.last().filter(|_| more) {
        body["NextToken"] = json!(service.pages.give(params, last.number, context.now));
    }
    let page: Vec<Value> = page.into_iter().map(|row| row.body).collect();
    body["RouteEntrys"] = json!({ "RouteEntry": page });
    Ok(body)
}

/// What is asked for; `None` does not filter.
struct Filter<'p> {
    kind: Option<&'p str>,
    hop_type: Option<&'p str>,
    hop: Option<&'p str>,
    id: Option<&'p str>,
    name: Option<&'p str>,
    version: Option<&'p str>,
    destinations: Vec<IpNetwork>,
}

impl<'p> Filter<'p> {
    fn read(params: &'p Params) -> Result<Self, ApiError> {
        let kind = params.get("RouteEntryType");
        let known = ["Custom", "System", "BGP", "CEN", "ECR"];
        if kind.is_some_and(|kind| !known.contains(&kind)) {
            return Err(ApiError::IllegalParam("RouteEntryType"));
        }
        let version = params.get("IpVersion").map(|v| v.trim_start_matches("IPv"));
        if version.is_some_and(|v| !["4", "6"].contains(&v)) {
            return Err(ApiError::IllegalParam("IpVersion"));
        }
        let list = params.list("DestCidrBlockList");
        if list.len() > DESTINATIONS {
            return Err(ApiError::IllegalParam("DestCidrBlockList"));
        }
        let mut destinations = Vec::new();
        for text in list.iter().filter_map(|member| member.get("")) {
            destinations.push(parse_destination(text)?);
        }
        if let Some(text) = params.get("DestinationCidrBlock") {
            destinations.push(parse_destination(text)?);
        }
        Ok(Self {
            kind,
            hop_type: params.get("NextHopType"),
            hop: params.get("NextHopId"),
            id: params.get("RouteEntryId"),
            name: params.get("RouteEntryName"),
            version,
            destinations,
        })
    }

    fn takes_destination(&self, destination: IpNetwork) -> bool {
        let version = if destination.is_ipv4() { "4" } else { "6" };
        self.version.is_none_or(|v| v == version)
            && (self.destinations.is_empty() || self.destinations.contains(&destination))
    }

    fn takes_system(&self, destination: IpNetwork) -> bool {
        self.kind.is_none_or(|kind| kind == "System")
            && self.hop.is_none()
            && self.id.is_none()
            && self.name.is_none()
            && self.hop_type.is_none_or(|t| t == "local")
            && self.takes_destination(destination)
    }

    fn takes(&self, entry: &Entry) -> bool {
        self.kind.is_none_or(|kind| kind == "Custom")
            && self.takes_destination(entry.destination)
            && self.id.is_none_or(|id| entry.id == id)
            && self.name.is_none_or(|name| entry.name == name)
            && self
                .hop
                .is_none_or(|id| entry.hops.iter().any(|h| h.id == id))
            && self
                .hop_type
                .is_none_or(|t| entry.hops.iter().any(|h| h.hop_type == t))
    }
}

/// The system's entries first, then the custom ones in the order of their making.
fn rows(world: &World, table: &str, filter: &Filter<'_>) -> Vec<Row> {
    let system = world.system_destinations(table);
    let offset = u64::try_from(system.len()).unwrap_or(u64::MAX);
    let mut rows = Vec::new();
    for (number, destination) in (0..).zip(system) {
        if filter.takes_system(destination) {
            let body = system_body(world, table, destination);
            rows.push(Row { number, body });
        }
    }
    for (number, entry) in world.entries_of(table).filter(|(_, e)| filter.takes(e)) {
        rows.push(Row {
            number: offset.saturating_add(number),
            body: custom_body(world, entry),
        });
    }
    // After all others, and in one order from page to page.
    let foreign = world.tables().get(table).map(|t| t.foreign.as_slice());
    for (number, body) in (u64::MAX / 2..).zip(foreign.unwrap_or_default()) {
        let body = body.clone();
        rows.push(Row { number, body });
    }
    rows
}

fn system_body(world: &World, table: &str, destination: IpNetwork) -> Value {
    json!({
        "RouteEntryId": "",
        "RouteEntryName": "",
        "RouteTableId": table,
        "DestinationCidrBlock": destination.to_string(),
        "Status": "Available",
        "Type": "System",
        "IpVersion": version(destination),
        "Description": "Created by system.",
        "GmtModified": world.created().iso(),
        "NextHops": { "NextHop": [
            { "NextHopId": "", "NextHopType": "local", "Weight": 0, "Enabled": 1 },
        ] },
    })
}

fn custom_body(world: &World, entry: &Entry) -> Value {
    let ecmp = entry.hops.len() > 1;
    let hop = |hop: &crate::world::Hop| {
        json!({
            "NextHopId": hop.id,
            "NextHopType": hop.hop_type,
            // 0 where there is one next hop only.
            "Weight": if ecmp { hop.weight } else { 0 },
            "Enabled": 1,
            "NextHopRegionId": region_of(world, entry),
        })
    };
    let mut body = json!({
        "RouteEntryId": entry.id,
        "RouteEntryName": entry.name,
        "RouteTableId": entry.table,
        "DestinationCidrBlock": entry.destination.to_string(),
        "Status": entry.state.status().to_string(),
        "Type": "Custom",
        "IpVersion": version(entry.destination),
        "Description": entry.description,
        "GmtModified": entry.modified.iso(),
        "Origin": "RouteTable",
        "NextHops": { "NextHop": entry.hops.iter().map(hop).collect::<Vec<_>>() },
    });
    if entry.managed {
        body["ServiceType"] = json!("TR");
    }
    body
}

fn region_of(world: &World, entry: &Entry) -> String {
    match world.tables().get(&entry.table).map(|t| &t.router) {
        Some(Router::Vpc(_)) => world.region.clone(),
        _ => String::new(),
    }
}

fn version(destination: IpNetwork) -> &'static str {
    if destination.is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    }
}
