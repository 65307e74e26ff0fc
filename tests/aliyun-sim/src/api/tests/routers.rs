//! Changes of an entry, and the descriptions of what is around the tables.

use super::*;

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
