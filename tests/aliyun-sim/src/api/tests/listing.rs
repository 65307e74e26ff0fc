//! Entries in pages, filtered.

use super::*;

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
