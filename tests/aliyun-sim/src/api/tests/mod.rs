mod batch;
mod listing;
mod routers;
mod single;

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::WorldFile;
use crate::world::Health;

const EXAMPLE: &str = include_str!("../../../examples/world.yaml");

fn service() -> Service {
    let file = WorldFile::parse(EXAMPLE).expect("the example is valid");
    Service::new(World::new(&file, Timestamp(0)).expect("a world"))
}

fn call(service: &mut Service, now: u64, action: &str, pairs: &[(&str, &str)]) -> Reply {
    let mut params = Params::default();
    params.0.insert("RegionId".into(), "cn-hangzhou".into());
    for (name, value) in pairs {
        params.0.insert((*name).to_owned(), (*value).to_owned());
    }
    let call = Call {
        action: action.to_owned(),
        params,
        key: "testid".to_owned(),
    };
    service.call(&call, 1, Timestamp(now), false)
}

fn code(service: &mut Service, now: u64, action: &str, pairs: &[(&str, &str)]) -> (String, u16) {
    let refused = call(service, now, action, pairs).expect_err(action);
    (refused.code(), refused.status())
}

type Pair = (&'static str, &'static str);

/// A whole and good CreateRouteEntry, with changes.
fn create(changes: &[Pair]) -> Vec<Pair> {
    let mut pairs = vec![
        ("RouteTableId", "vtb-lab"),
        ("DestinationCidrBlock", "172.30.16.0/20"),
        ("NextHopType", "Instance"),
        ("NextHopId", "i-vpc1"),
        ("RouteEntryName", "flatnet"),
    ];
    for change in changes {
        pairs.retain(|(name, _)| *name != change.0);
        pairs.push(*change);
    }
    pairs
}

fn items(n: usize) -> Vec<(String, String)> {
    let item = |i: usize| {
        [
            ("RouteTableId", "vtb-lab".to_owned()),
            ("DstCidrBlock", format!("10.1.{i}.0/24")),
            ("NextHop", "i-vpc1".to_owned()),
            ("NextHopType", "Instance".to_owned()),
            ("Name", format!("e{i}")),
        ]
        .map(|(field, value)| (format!("RouteEntries.{i}.{field}"), value))
    };
    (1..=n).flat_map(item).collect()
}

fn batch(service: &mut Service, now: u64, action: &str, pairs: &[(String, String)]) -> Reply {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    call(service, now, action, &pairs)
}

/// All rows of a listing, page by page.
fn listed(s: &mut Service, now: u64, pairs: &[(&str, &str)]) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut token = String::new();
    loop {
        let mut asked = pairs.to_vec();
        asked.push(("RouteTableId", "vtb-lab"));
        asked.push(("NextToken", &token));
        let page = call(s, now, "DescribeRouteEntryList", &asked).expect("a page");
        rows.extend(
            page["RouteEntrys"]["RouteEntry"]
                .as_array()
                .expect("rows")
                .clone(),
        );
        match page["NextToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return rows,
        }
    }
}
