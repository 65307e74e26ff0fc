//! Several entries in one call.

use super::*;

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
