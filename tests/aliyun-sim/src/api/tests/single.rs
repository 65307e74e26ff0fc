//! One entry made or deleted.

use super::*;

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
