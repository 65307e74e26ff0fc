use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::WorldFile;
use crate::world::Health;

const EXAMPLE: &str = include_str!("../../examples/world.yaml");

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

#[test]
fn each_refusal_of_a_creation_has_its_code_and_status() {
    let mut s = service();
    call(&mut s, 0, "CreateRouteEntry", &create(&[])).expect("a good one");
    let all: &[(&[Pair], &str, u16)] = &[
        (&[("RegionId", "")], "MissingParameter", 400),
        (&[("RegionId", "mars")], "InvalidRegionId.NotFound", 404),
        (&[("RouteTableId", "")], "MissingParameter", 400),
        (
            &[("RouteTableId", "vtb-none")],
            "InvalidRouteTableId.NotFound",
            404,
        ),
        (&[("DestinationCidrBlock", "")], "MissingParameter", 400),
        (
            &[("DestinationCidrBlock", "10.1.1.1/8")],
            "InvalidCidrBlock.Malformed",
            400,
        ),
        (
            &[("DestinationCidrBlock", "100.64.1.0/24")],
            "InvalidCidrBlock",
            400,
        ),
        (
            &[("DestinationCidrBlock", "172.20.1.0/24")],
            "RouteConflict.AlreadyExist",
            400,
        ),
        (
            &[("NextHopType", "")],
            "InvalidNexthopTypeAndList.BothNull",
            400,
        ),
        (&[("NextHopId", "")], "MissingParameter", 400),
        (
            &[
                ("DestinationCidrBlock", "10.0.0.0/8"),
                ("NextHopId", "i-no"),
            ],
            "InvalidNextHopId.NotFound",
            404,
        ),
        (&[], "InvalidRouteEntry.Duplicate", 400),
        (
            &[("NextHopId", "i-vpc2")],
            "InvalidCIDRBlock.Duplicate",
            400,
        ),
        (
            &[("RouteEntryName", "https://x")],
            "IllegalParam.RouteEntryName",
            400,
        ),
        (&[("ClientToken", "ü")], "IllegalParam.ClientToken", 400),
        (
            &[("DestinationCidrBlock", "10.0.0.0/8"), ("DryRun", "true")],
            "DryRunOperation",
            400,
        ),
        (&[("DryRun", "true")], "InvalidRouteEntry.Duplicate", 400),
        (
            &[
                ("NextHopList.1.NextHopId", "i-vpc1"),
                ("NextHopList.1.NextHopType", "Instance"),
            ],
            "IllegalParam.NextHopList",
            400,
        ),
    ];
    for (changes, expected, status) in all {
        let got = code(&mut s, 1000, "CreateRouteEntry", &create(changes));
        assert_eq!(got, ((*expected).to_owned(), *status), "{changes:?}");
    }
    assert_eq!(
        s.world.entries_of("vtb-lab").count(),
        1,
        "no refusal made an entry"
    );
    s.world.set_quota("vtb-lab", 1).expect("the table");
    let more = create(&[("DestinationCidrBlock", "10.0.0.0/8")]);
    assert_eq!(
        code(&mut s, 1000, "CreateRouteEntry", &more).0,
        "QuotaExceeded"
    );
    assert_eq!(
        code(&mut s, 1000, "NoSuchCall", &[]),
        ("InvalidAction.NotFound".into(), 404)
    );
}

#[test]
fn each_refusal_of_a_deletion_has_its_code() {
    let mut s = service();
    let made = call(&mut s, 0, "CreateRouteEntry", &create(&[])).expect("a good one");
    let id = made["RouteEntryId"].as_str().expect("an ID").to_owned();
    let by_id = [("RouteEntryId", id.as_str())];
    assert_eq!(
        code(&mut s, 10, "DeleteRouteEntry", &by_id).0,
        "IncorrectRouteEntryStatus"
    );
    let of = |changes: &[(&'static str, &'static str)]| {
        let mut pairs = create(changes);
        pairs.retain(|(name, _)| !["NextHopType", "RouteEntryName"].contains(name));
        pairs
    };
    let other = of(&[("NextHopId", "i-vpc2")]);
    assert_eq!(
        code(&mut s, 1000, "DeleteRouteEntry", &other).0,
        "InvalidRouteEntry.NotFound"
    );
    let both = [("RouteEntryId", id.as_str()), ("RouteTableId", "vtb-lab")];
    assert_eq!(
        code(&mut s, 1000, "DeleteRouteEntry", &both).0,
        "ParamExclusive.RouteEntryIdAndRouteTableIdOrDestCidrBlock"
    );
    assert_eq!(
        code(&mut s, 1000, "DeleteRouteEntry", &[]).0,
        "MissingParameter"
    );
    let none = [("RouteEntryId", "rte-none")];
    assert_eq!(
        code(&mut s, 1000, "DeleteRouteEntry", &none).0,
        "InvalidRouteEntryId.NotFound"
    );
    let dry = [("RouteEntryId", id.as_str()), ("DryRun", "true")];
    assert_eq!(
        code(&mut s, 1000, "DeleteRouteEntry", &dry).0,
        "DryRunOperation"
    );
    call(&mut s, 1000, "DeleteRouteEntry", &of(&[])).expect("by its path");
    let next = create(&[("DestinationCidrBlock", "10.0.0.0/8")]);
    assert_eq!(
        code(&mut s, 1100, "CreateRouteEntry", &next).0,
        "TaskConflict"
    );
    assert_eq!(
        code(&mut s, 1300, "DeleteRouteEntry", &by_id).0,
        "InvalidRouteEntryId.NotFound"
    );
}

#[test]
fn the_service_keeps_its_own_entries() {
    let mut s = service();
    let entry: crate::config::Entry = serde_json::from_value(json!({
        "destination": "10.9.0.0/16", "managed": true,
        "nextHops": [{"type": "RouterInterface", "id": "ri-vpc-to-line1"}],
    }))
    .expect("an entry");
    let cause = crate::world::Cause::Hand;
    let id = s
        .world
        .insert(Timestamp(0), cause, "vtb-lab", &entry)
        .expect("room");
    let refused = code(&mut s, 10, "DeleteRouteEntry", &[("RouteEntryId", &id)]);
    assert_eq!(refused.0, "OperationDenied.DeleteManagedRouteEntry");
}

#[test]
fn a_duplicate_in_a_vbr_has_the_vbrs_own_code() {
    let mut s = service();
    let to_vpc = create(&[
        ("RouteTableId", "vtb-line1"),
        ("NextHopType", "RouterInterface"),
        ("NextHopId", "ri-line1-to-vpc"),
    ]);
    call(&mut s, 0, "CreateRouteEntry", &to_vpc).expect("a good one");
    assert_eq!(
        code(&mut s, 1000, "CreateRouteEntry", &to_vpc).0,
        "Duplicated.VpcNextHop"
    );
    let mut instance = create(&[("RouteTableId", "vtb-line1")]);
    instance.retain(|(name, _)| *name != "RouteEntryName");
    assert_eq!(
        code(&mut s, 1000, "CreateRouteEntry", &instance).0,
        "IllegalParam.NextHopType"
    );
}

#[test]
fn a_vbr_holds_48_entries_and_a_vpc_200() {
    let s = service();
    assert_eq!(s.world.tables()["vtb-line1"].quota, 48);
    assert_eq!(s.world.tables()["vtb-lab"].quota, 200);
}

#[test]
fn a_client_token_gets_the_first_answer_again_and_makes_nothing() {
    let mut s = service();
    let with = create(&[("ClientToken", "once")]);
    let first = call(&mut s, 0, "CreateRouteEntry", &with).expect("a good one");
    let again = call(&mut s, 10, "CreateRouteEntry", &with).expect("the same answer");
    assert_eq!(first, again);
    assert_eq!(s.world.entries_of("vtb-lab").count(), 1);
    let other = create(&[("ClientToken", "once"), ("NextHopId", "i-vpc2")]);
    assert_eq!(
        code(&mut s, 20, "CreateRouteEntry", &other).0,
        "IdempotentParameterMismatch"
    );
    let day = 24 * 3600 * 1000;
    assert_eq!(
        code(&mut s, day, "CreateRouteEntry", &with).0,
        "InvalidRouteEntry.Duplicate"
    );
}

#[test]
fn a_batch_fails_in_part_and_says_which() {
    let mut s = service();
    call(
        &mut s,
        0,
        "CreateRouteEntry",
        &create(&[("DestinationCidrBlock", "10.1.2.0/24")]),
    )
    .expect("a good one");
    let mut all = items(4);
    all.retain(|(name, _)| name != "RouteEntries.4.NextHop");
    all.push(("RouteEntries.4.NextHop".into(), "i-none".into()));
    let reply = batch(&mut s, 1000, "CreateRouteEntries", &all).expect("HTTP 200");
    assert_eq!(
        (
            reply["SuccessCount"].as_u64(),
            reply["FailedCount"].as_u64()
        ),
        (Some(2), Some(2))
    );
    assert_eq!(reply["RouteEntryIds"].as_array().map(Vec::len), Some(2));
    let failed = &reply["FailedRouteEntries"];
    assert_eq!(failed[0]["DstCidrBlock"], "10.1.2.0/24");
    assert_eq!(
        failed[0]["FailedCode"],
        "VPC_ROUTE_ENTRY_CIDR_BLOCK_DUPLICATE"
    );
    assert_eq!(failed[1]["NextHop"], "i-none");
    assert_eq!(failed[1]["FailedCode"], "InvalidNextHopId.NotFound");
}

#[test]
fn a_batch_of_deletions_fails_in_part_and_says_which() {
    let mut s = service();
    batch(&mut s, 0, "CreateRouteEntries", &items(3)).expect("HTTP 200");
    let gone = batch(&mut s, 1000, "DeleteRouteEntries", &items(1)).expect("HTTP 200");
    assert_eq!(gone["SuccessCount"], 1);
    let conflict = batch(&mut s, 1100, "DeleteRouteEntries", &items(3)).expect_err("unstable");
    assert_eq!(conflict, ApiError::TaskConflict);
    let reply = batch(&mut s, 2000, "DeleteRouteEntries", &items(3)).expect("HTTP 200");
    assert_eq!(
        (
            reply["SuccessCount"].as_u64(),
            reply["FailedCount"].as_u64()
        ),
        (Some(2), Some(1))
    );
    assert_eq!(
        reply["FailedRouteEntries"][0]["FailedCode"],
        "VPC_ROUTER_ENTRY_NOT_EXIST"
    );
}

#[test]
fn an_entry_twice_in_one_batch_is_deleted_once() {
    let mut s = service();
    batch(&mut s, 0, "CreateRouteEntries", &items(1)).expect("HTTP 200");
    let twice: Vec<_> = ["1", "2"]
        .iter()
        .flat_map(|n| {
            items(1)
                .into_iter()
                .map(move |(k, v)| (k.replace(".1.", &format!(".{n}.")), v))
        })
        .collect();
    let reply = batch(&mut s, 1000, "DeleteRouteEntries", &twice).expect("HTTP 200");
    assert_eq!(reply["SuccessCount"], 1);
    assert_eq!(
        reply["FailedRouteEntries"][0]["FailedCode"],
        "VPC_ROUTE_ENTRY_STATUS_ERROR"
    );
}

#[test]
fn a_batch_holds_fifty_and_no_more_and_respects_the_quota() {
    let mut s = service();
    s.world.set_quota("vtb-lab", 30).expect("the table");
    let refused = batch(&mut s, 0, "CreateRouteEntries", &items(51)).expect_err("too many");
    assert_eq!(refused, ApiError::IllegalParam("RouteEntries"));
    let none = batch(&mut s, 0, "CreateRouteEntries", &[]).expect_err("none");
    assert_eq!(none.code(), "MissingParameter");
    let reply = batch(&mut s, 0, "CreateRouteEntries", &items(50)).expect("HTTP 200");
    assert_eq!(
        (
            reply["SuccessCount"].as_u64(),
            reply["FailedCount"].as_u64()
        ),
        (Some(30), Some(20))
    );
    assert_eq!(
        reply["FailedRouteEntries"][0]["FailedCode"],
        "QuotaExceeded"
    );
}

#[test]
fn a_dry_run_of_a_batch_makes_nothing() {
    let mut s = service();
    let mut all = items(2);
    all.push(("DryRun".into(), "true".into()));
    let refused = batch(&mut s, 0, "CreateRouteEntries", &all).expect_err("a dry run");
    assert_eq!(refused, ApiError::DryRunOperation);
    assert_eq!(s.world.entries_of("vtb-lab").count(), 0);
}

#[test]
fn half_a_batch_is_done_where_a_fault_says_so() {
    let mut s = service();
    let mut params = Params(items(5).into_iter().collect());
    params.0.insert("RegionId".into(), "cn-hangzhou".into());
    let call = Call {
        action: "CreateRouteEntries".into(),
        params,
        key: "testid".into(),
    };
    let reply = s.call(&call, 1, Timestamp(0), true).expect("HTTP 200");
    assert_eq!(
        (
            reply["SuccessCount"].as_u64(),
            reply["FailedCount"].as_u64()
        ),
        (Some(3), Some(2))
    );
    assert_eq!(
        reply["FailedRouteEntries"][0]["DstCidrBlock"],
        "10.1.4.0/24"
    );
    assert_eq!(s.world.entries_of("vtb-lab").count(), 3);
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

#[test]
fn a_listing_in_pages_has_each_entry_once() {
    let mut s = service();
    batch(&mut s, 0, "CreateRouteEntries", &items(25)).expect("HTTP 200");
    for size in ["1", "7", "25", "100", "500"] {
        let rows = listed(
            &mut s,
            1000,
            &[("MaxResult", size), ("RouteEntryType", "Custom")],
        );
        let mut destinations: Vec<_> = rows
            .iter()
            .map(|r| r["DestinationCidrBlock"].to_string())
            .collect();
        destinations.sort();
        destinations.dedup();
        assert_eq!(
            (rows.len(), destinations.len()),
            (25, 25),
            "pages of {size}"
        );
    }
    // Four networks of the vSwitches and 100.64.0.0/10.
    assert_eq!(
        listed(&mut s, 1000, &[("RouteEntryType", "System")]).len(),
        5
    );
    assert_eq!(listed(&mut s, 1000, &[]).len(), 30);
}

#[test]
fn a_listing_is_filtered_by_each_of_its_parameters() {
    let mut s = service();
    let mut all = items(3);
    all.retain(|(name, _)| name != "RouteEntries.3.NextHop");
    all.push(("RouteEntries.3.NextHop".into(), "i-vpc2".into()));
    batch(&mut s, 0, "CreateRouteEntries", &all).expect("HTTP 200");
    for (name, value, count) in [
        ("NextHopId", "i-vpc2", 1),
        ("NextHopType", "Instance", 3),
        ("NextHopType", "RouterInterface", 0),
        ("RouteEntryName", "e2", 1),
        ("DestinationCidrBlock", "10.1.1.0/24", 1),
        ("DestCidrBlockList.1", "10.1.1.0/24", 1),
        ("RouteEntryId", "rte-none", 0),
        ("RouteEntryType", "BGP", 0),
    ] {
        assert_eq!(
            listed(&mut s, 1000, &[(name, value)]).len(),
            count,
            "{name}={value}"
        );
    }
    let six = listed(&mut s, 1000, &[("IpVersion", "IPv6")]);
    assert_eq!(six.len(), 2, "the vSwitches' IPv6 networks");
}

#[test]
fn each_refusal_of_a_listing_has_its_code() {
    let mut s = service();
    batch(&mut s, 0, "CreateRouteEntries", &items(25)).expect("HTTP 200");
    let table = ("RouteTableId", "vtb-lab");
    let list = "DescribeRouteEntryList";
    assert_eq!(code(&mut s, 0, list, &[]).0, "MissingParameter");
    let none = code(&mut s, 0, list, &[("RouteTableId", "vtb-none")]);
    assert_eq!(none, ("InvalidRouteTable.NotFound".into(), 404));
    for (name, value, refusal) in [
        ("MaxResult", "0", "IllegalParam.MaxResult"),
        ("MaxResult", "501", "IllegalParam.MaxResult"),
        ("RouteEntryType", "Odd", "IllegalParam.RouteEntryType"),
        ("IpVersion", "5", "IllegalParam.IpVersion"),
        ("NextToken", "made-up", "IllegalParam.NextToken"),
    ] {
        assert_eq!(code(&mut s, 0, list, &[table, (name, value)]).0, refusal);
    }
    let page = call(&mut s, 0, list, &[table]).expect("a page");
    let token = page["NextToken"]
        .as_str()
        .expect("more than ten")
        .to_owned();
    let other = [
        table,
        ("NextToken", token.as_str()),
        ("RouteEntryType", "Custom"),
    ];
    assert_eq!(code(&mut s, 0, list, &other).0, "IllegalParam.NextToken");
    let late = u64::try_from(Duration::from_secs(3601).as_millis()).expect("small");
    let same = [table, ("NextToken", token.as_str())];
    assert_eq!(
        code(&mut s, late, list, &same).0,
        "IllegalParam.NextTokenExpired"
    );
}

#[test]
fn a_modification_changes_the_next_hop_in_its_time() {
    let mut s = service();
    call(&mut s, 0, "CreateRouteEntry", &create(&[])).expect("a good one");
    let path = [
        ("RouteTableId", "vtb-lab"),
        ("DestinationCidrBlock", "172.30.16.0/20"),
    ];
    let half = [path[0], path[1], ("NewNextHopId", "i-vpc2")];
    assert_eq!(
        code(&mut s, 1000, "ModifyRouteEntry", &half).0,
        "MissingParameter"
    );
    let whole = [
        half[0],
        half[1],
        half[2],
        ("NewNextHopType", "Instance"),
        ("RouteEntryName", "b"),
    ];
    call(&mut s, 1000, "ModifyRouteEntry", &whole).expect("a good one");
    let row = |s: &mut Service, now| listed(s, now, &[("RouteEntryType", "Custom")])[0].clone();
    let during = row(&mut s, 1001);
    assert_eq!(
        (during["Status"].as_str(), during["RouteEntryName"].as_str()),
        (Some("Modifying"), Some("b"))
    );
    let after = row(&mut s, 1200);
    assert_eq!(after["Status"], "Available");
    assert_eq!(after["NextHops"]["NextHop"][0]["NextHopId"], "i-vpc2");
}

#[test]
fn an_ecmp_entry_shows_its_weights() {
    let mut s = service();
    let mut pairs = create(&[
        ("NextHopList.1.NextHopId", "i-vpc1"),
        ("NextHopList.1.NextHopType", "Instance"),
        ("NextHopList.1.Weight", "10"),
        ("NextHopList.2.NextHopId", "i-vpc2"),
        ("NextHopList.2.NextHopType", "Instance"),
    ]);
    pairs.retain(|(name, _)| !["NextHopType", "NextHopId"].contains(name));
    call(&mut s, 0, "CreateRouteEntry", &pairs).expect("a good one");
    let rows = listed(&mut s, 1000, &[("RouteEntryType", "Custom")]);
    let hops = rows[0]["NextHops"]["NextHop"]
        .as_array()
        .expect("next hops");
    let weights: Vec<_> = hops.iter().map(|h| h["Weight"].as_u64()).collect();
    assert_eq!(weights, [Some(10), Some(100)]);
}

#[test]
fn the_routers_are_described_in_pages() {
    let mut s = service();
    for (action, list, row, count) in [
        (
            "DescribeRouteTableList",
            "RouterTableList",
            "RouterTableListType",
            2,
        ),
        ("DescribeVpcs", "Vpcs", "Vpc", 1),
        ("DescribeVSwitches", "VSwitches", "VSwitch", 2),
        ("DescribeVRouters", "VRouters", "VRouter", 1),
        (
            "DescribeRouterInterfaces",
            "RouterInterfaceSet",
            "RouterInterfaceType",
            2,
        ),
        (
            "DescribeVirtualBorderRouters",
            "VirtualBorderRouterSet",
            "VirtualBorderRouterType",
            1,
        ),
    ] {
        let body = call(&mut s, 0, action, &[]).expect(action);
        assert_eq!(
            body[list][row].as_array().map(Vec::len),
            Some(count),
            "{action}"
        );
        assert_eq!(body["TotalCount"], count, "{action}");
        let past = [("PageNumber", "2"), ("PageSize", "50")];
        let body = call(&mut s, 0, action, &past).expect(action);
        assert_eq!(
            body[list][row].as_array().map(Vec::len),
            Some(0),
            "{action}"
        );
        assert_eq!(
            code(&mut s, 0, action, &[("PageSize", "51")]).0,
            "IllegalParam.PageSize"
        );
    }
    let of_vbr = [("RouterType", "VBR")];
    let body = call(&mut s, 0, "DescribeRouteTableList", &of_vbr).expect("tables");
    assert_eq!(
        body["RouterTableList"]["RouterTableListType"][0]["RouterId"],
        "vbr-line1"
    );
    let filter = [
        ("Filter.1.Key", "RouterId"),
        ("Filter.1.Value.1", "vbr-line1"),
    ];
    let body = call(&mut s, 0, "DescribeRouterInterfaces", &filter).expect("interfaces");
    assert_eq!(body["TotalCount"], 1);
    assert_eq!(
        body["RouterInterfaceSet"]["RouterInterfaceType"][0]["OppositeRouterType"],
        "VRouter"
    );
}

#[test]
fn a_busy_vpc_is_described_as_busy() {
    let mut s = service();
    s.world
        .set_health("vpc-lab", Health::Pending)
        .expect("it is there");
    let body = call(&mut s, 0, "DescribeVpcs", &[("VpcId", "vpc-lab")]).expect("the VPC");
    assert_eq!(body["Vpcs"]["Vpc"][0]["Status"], "Pending");
    assert_eq!(
        code(&mut s, 0, "CreateRouteEntry", &create(&[])).0,
        "IncorrectVpcStatus"
    );
}
