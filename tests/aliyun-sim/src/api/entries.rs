//! CreateRouteEntry, CreateRouteEntries, DeleteRouteEntry, DeleteRouteEntries,
//! ModifyRouteEntry.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Context, Reply, Service};
use crate::error::ApiError;
use crate::gateway::Params;
use crate::world::{Change, DeleteTarget, Hop, NewEntry, World, Writer, parse_destination};

/// Items of a batch, at most.
const BATCH: usize = 50;
/// The weight of a next hop that is given none.
const WEIGHT: u32 = 100;
/// Letters of a name, at most.
const NAME: usize = 128;
/// Letters of a description, at most.
const DESCRIPTION: usize = 256;

impl Context<'_> {
    fn writer(&self) -> Writer {
        Writer {
            call: self.number,
            now: self.now,
            dry_run: self.params.flag("DryRun"),
        }
    }
}

pub(super) fn create(service: &mut Service, context: &Context<'_>) -> Reply {
    if let Some(reply) = service.tokens.recall(context, "CreateRouteEntry")? {
        return Ok(reply);
    }
    let params = context.params;
    let new = NewEntry {
        table: required(params, "RouteTableId")?,
        destination: parse_destination(&required(params, "DestinationCidrBlock")?)?,
        hops: hops(params)?,
        name: text(params, "RouteEntryName", NAME)?,
        description: text(params, "Description", DESCRIPTION)?,
    };
    let id = service.world.create(context.writer(), &new)?;
    let reply = json!({ "RouteEntryId": id });
    let kept = service.world.timings().client_token_seconds;
    service
        .tokens
        .keep(context, "CreateRouteEntry", &reply, kept);
    Ok(reply)
}

pub(super) fn create_batch(service: &mut Service, context: &Context<'_>) -> Reply {
    let items = batch(context)?;
    let by = context.writer();
    writable(
        &service.world,
        items
            .iter()
            .filter_map(|i| Some(i.get("RouteTableId")?.to_owned())),
    )?;
    let mut outcome = Outcome::default();
    for (n, item) in items.iter().enumerate() {
        let made = if cut(context, n, items.len()) {
            Err(ApiError::IncorrectRouteEntryStatus(String::new()))
        } else {
            new_of_batch(item).and_then(|new| service.world.create_in_batch(by, &new))
        };
        match made {
            Ok(id) => outcome.made.push(id),
            Err(ApiError::DryRunOperation) => {}
            Err(error) if by.dry_run => return Err(error),
            Err(error) => outcome.failed.push(failure(item, &error)),
        }
    }
    if by.dry_run {
        return Err(ApiError::DryRunOperation);
    }
    Ok(json!({
        "SuccessCount": outcome.made.len(),
        "FailedCount": outcome.failed.len(),
        "RouteEntryIds": outcome.made,
        "FailedRouteEntries": outcome.failed,
    }))
}

pub(super) fn delete(service: &mut Service, context: &Context<'_>) -> Reply {
    let params = context.params;
    let mut hops: Vec<String> = params
        .get("NextHopId")
        .map(str::to_owned)
        .into_iter()
        .collect();
    let list = params.list("NextHopList");
    hops.extend(
        list.iter()
            .filter_map(|h| Some(h.get("NextHopId")?.to_owned())),
    );
    let target = target(params, "DestinationCidrBlock", hops)?;
    service.world.delete(context.writer(), &target)?;
    Ok(json!({}))
}

pub(super) fn delete_batch(service: &mut Service, context: &Context<'_>) -> Reply {
    let items = batch(context)?;
    let by = context.writer();
    let targets: Vec<_> = items.iter().map(target_of_batch).collect();
    let world = &service.world;
    writable(
        world,
        targets.iter().flatten().filter_map(|t| world.table_of(t)),
    )?;
    let mut outcome = Outcome::default();
    for (n, (item, target)) in items.iter().zip(targets).enumerate() {
        let gone = if cut(context, n, items.len()) {
            Err(ApiError::IncorrectRouteEntryStatus(String::new()))
        } else {
            target.and_then(|target| service.world.delete_in_batch(by, &target))
        };
        match gone {
            Ok(()) => outcome.made.push(String::new()),
            Err(ApiError::DryRunOperation) => {}
            Err(error) if by.dry_run => return Err(error),
            Err(error) => outcome.failed.push(failure(item, &error)),
        }
    }
    if by.dry_run {
        return Err(ApiError::DryRunOperation);
    }
    Ok(json!({
        "SuccessCount": outcome.made.len(),
        "FailedCount": outcome.failed.len(),
        "FailedRouteEntries": outcome.failed,
    }))
}

pub(super) fn modify(service: &mut Service, context: &Context<'_>) -> Reply {
    let params = context.params;
    let target = target(params, "DestinationCidrBlock", Vec::new())?;
    let hops = match (params.get("NewNextHopId"), params.get("NewNextHopType")) {
        (None, None) => None,
        (Some(id), Some(hop_type)) => Some(vec![Hop {
            hop_type: hop_type.to_owned(),
            id: id.to_owned(),
            weight: WEIGHT,
        }]),
        (None, Some(_)) => return Err(ApiError::MissingParameter("NewNextHopId")),
        (Some(_), None) => return Err(ApiError::MissingParameter("NewNextHopType")),
    };
    let given = |name| params.get(name).is_some();
    let change = Change {
        hops,
        name: given("RouteEntryName")
            .then(|| text(params, "RouteEntryName", NAME))
            .transpose()?,
        description: given("Description")
            .then(|| text(params, "Description", DESCRIPTION))
            .transpose()?,
    };
    service.world.modify(context.writer(), &target, &change)?;
    Ok(json!({}))
}

#[derive(Default)]
struct Outcome {
    made: Vec<String>,
    failed: Vec<Value>,
}

fn batch(context: &Context<'_>) -> Result<Vec<Params>, ApiError> {
    let items = context.params.list("RouteEntries");
    match items.len() {
        0 => Err(ApiError::MissingParameter("RouteEntries")),
        1..=BATCH => Ok(items),
        _ => Err(ApiError::IllegalParam("RouteEntries")),
    }
}

/// A batch is refused as a whole where one of its tables takes no write now; a table that
/// is not there fails its items alone.
fn writable(world: &World, tables: impl Iterator<Item = String>) -> Result<(), ApiError> {
    let tables: BTreeSet<String> = tables.collect();
    tables
        .iter()
        .try_for_each(|table| match world.check_table(table) {
            Err(ApiError::RouteTableNotFound(_)) => Ok(()),
            checked => checked,
        })
}

/// Whether the fault of half a batch hits item `n` of `all`.
fn cut(context: &Context<'_>, n: usize, all: usize) -> bool {
    context.half_batch && n >= all.div_ceil(2)
}

fn new_of_batch(item: &Params) -> Result<NewEntry, ApiError> {
    let destination = parse_destination(&required(item, "DstCidrBlock")?)?;
    let version = item
        .get("IpVersion")
        .unwrap_or("4")
        .trim_start_matches("IPv")
        .to_owned();
    if (version == "4") != destination.is_ipv4() || !matches!(version.as_str(), "4" | "6") {
        return Err(ApiError::IllegalParam("RouteEntries.IpVersion"));
    }
    Ok(NewEntry {
        table: required(item, "RouteTableId")?,
        destination,
        hops: vec![Hop {
            hop_type: required(item, "NextHopType")?,
            id: required(item, "NextHop")?,
            weight: WEIGHT,
        }],
        name: text(item, "Name", NAME)?,
        description: text(item, "Description", DESCRIPTION)?,
    })
}

fn target_of_batch(item: &Params) -> Result<DeleteTarget, ApiError> {
    let hops = item.get("NextHop").map(str::to_owned).into_iter().collect();
    // A batch may name the table beside the ID.
    match item.get("RouteEntryId") {
        Some(id) => Ok(DeleteTarget::Id(id.to_owned())),
        None => target(item, "DstCidrBlock", hops),
    }
}

fn target(
    params: &Params,
    destination: &'static str,
    hops: Vec<String>,
) -> Result<DeleteTarget, ApiError> {
    let path = params.get("RouteTableId").or(params.get(destination));
    match (params.get("RouteEntryId"), path) {
        (Some(_), Some(_)) => Err(ApiError::ExclusiveEntryAndTable),
        (Some(id), None) => Ok(DeleteTarget::Id(id.to_owned())),
        (None, None) => Err(ApiError::MissingParameter("RouteEntryId")),
        (None, Some(_)) => Ok(DeleteTarget::Path {
            table: required(params, "RouteTableId")?,
            destination: parse_destination(&required(params, destination)?)?,
            hops,
        }),
    }
}

fn failure(item: &Params, error: &ApiError) -> Value {
    json!({
        "DstCidrBlock": item.get("DstCidrBlock").unwrap_or_default(),
        "NextHop": item.get("NextHop").unwrap_or_default(),
        "RouteEntryId": item.get("RouteEntryId").unwrap_or_default(),
        "FailedCode": error.batch_code(),
        "FailedMessage": error.to_string(),
    })
}

fn hops(params: &Params) -> Result<Vec<Hop>, ApiError> {
    let list = params.list("NextHopList");
    if list.is_empty() {
        return match (params.get("NextHopType"), params.get("NextHopId")) {
            (None, _) => Err(ApiError::NextHopTypeAndListNull),
            (Some(_), None) => Err(ApiError::MissingParameter("NextHopId")),
            (Some(hop_type), Some(id)) => Ok(vec![Hop {
                hop_type: hop_type.to_owned(),
                id: id.to_owned(),
                weight: WEIGHT,
            }]),
        };
    }
    if list.len() < 2 {
        return Err(ApiError::IllegalParam("NextHopList"));
    }
    list.iter()
        .map(|hop| {
            let weight = hop.get("Weight").map_or(Ok(WEIGHT), str::parse);
            Ok(Hop {
                hop_type: required(hop, "NextHopType")?,
                id: required(hop, "NextHopId")?,
                weight: weight.map_err(|_| ApiError::IllegalParam("NextHopList.Weight"))?,
            })
        })
        .collect()
}

fn required(params: &Params, name: &'static str) -> Result<String, ApiError> {
    let missing = ApiError::MissingParameter(name);
    params.get(name).map(str::to_owned).ok_or(missing)
}

/// Names and descriptions are short and do not begin as an address of the web does.
fn text(params: &Params, name: &'static str, most: usize) -> Result<String, ApiError> {
    let value = params.get(name).unwrap_or_default();
    let web = value.starts_with("http://") || value.starts_with("https://");
    if value.chars().count() > most || web {
        return Err(ApiError::IllegalParam(name));
    }
    Ok(value.to_owned())
}
