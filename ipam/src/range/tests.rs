use std::net::IpAddr;

use flatnet_types::NetworkName;
use proptest::prelude::*;

use super::*;

fn span(text: &str) -> Span {
    text.parse().expect("a span")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn range(text: &str, subnet: &str, exclude: &[&str]) -> HostRange {
    let exclude: Vec<Span> = exclude.iter().map(|e| span(e)).collect();
    let subnet = subnet.parse().expect("a subnet");
    HostRange::new(span(text), subnet, None, &exclude).expect("a range")
}

fn networks(ranges: &[(&str, HostRange)]) -> Result<Networks, RangeError> {
    Networks::new(ranges.iter().map(|(name, range)| {
        let name = NetworkName::new(*name).expect("a name");
        (name, vec![range.clone()])
    }))
}

#[test]
fn a_span_is_written_as_it_is_read() {
    for text in [
        "10.0.0.0/26",
        "10.0.0.5-10.0.0.9",
        "10.0.0.7",
        "2001:db8::/64",
        "2001:db8::1-2001:db8::ffff",
        "::/0",
        "0.0.0.0/0",
    ] {
        assert_eq!(span(text).to_string(), text);
    }
    assert_eq!(span("10.0.0.0-10.0.0.255").to_string(), "10.0.0.0/24");
}

#[test]
fn a_span_that_cannot_be_meant_is_refused() {
    for (text, says) in [
        ("", "no range"),
        ("10.0.0.0/33", "no range"),
        ("10.0.0.9-10.0.0.5", "after"),
        ("10.0.0.9-::1", "two families"),
        ("10.0.0.1/24", "10.0.0.0/24 is meant"),
    ] {
        let error = text.parse::<Span>().expect_err(text).to_string();
        assert!(error.contains(says), "{text:?}: {error}");
    }
}

#[test]
fn the_subnets_own_addresses_and_the_gateway_are_withheld() {
    let subnet = "10.0.0.0/28".parse().expect("a subnet");
    let whole =
        HostRange::new(span("10.0.0.0/28"), subnet, Some(ip("10.0.0.1")), &[]).expect("a range");
    assert_eq!(whole.capacity(), 13);
    assert_eq!(
        whole.withheld(ip("10.0.0.0")),
        Some(Withheld::NetworkAddress)
    );
    assert_eq!(whole.withheld(ip("10.0.0.1")), Some(Withheld::Gateway));
    assert_eq!(whole.withheld(ip("10.0.0.15")), Some(Withheld::Broadcast));
    assert!(whole.is_usable(ip("10.0.0.2")));
    assert!(!whole.is_usable(ip("10.0.0.16")));
}

#[test]
fn a_slice_in_the_middle_of_a_subnet_loses_nothing_to_broadcast() {
    let slice = range("10.0.0.64/26", "10.0.0.0/24", &[]);
    assert_eq!(slice.capacity(), 64);
}

#[test]
fn the_router_anycast_address_is_withheld_but_not_of_a_point_to_point_subnet() {
    let wide = range("2001:db8::/64", "2001:db8::/64", &[]);
    assert_eq!(wide.capacity(), (1 << 64) - 1);
    let anycast = ip("2001:db8::");
    assert_eq!(wide.withheld(anycast), Some(Withheld::RouterAnycast));
    assert_eq!(range("2001:db8::/127", "2001:db8::/127", &[]).capacity(), 2);
    assert_eq!(range("10.0.0.0/31", "10.0.0.0/31", &[]).capacity(), 2);
    assert_eq!(range("10.0.0.7", "10.0.0.7/32", &[]).capacity(), 1);
}

#[test]
fn exclusions_are_skipped_in_one_jump() {
    let holes = range(
        "2001:db8::/64",
        "2001:db8::/64",
        &["2001:db8::/65", "2001:db8::8000:0:0:5"],
    );
    let first = holes.usable_at_or_after(0).expect("there are some");
    assert_eq!(first, bits_of(ip("2001:db8::8000:0:0:0")));
    let next = holes.usable_at_or_after(bits_of(ip("2001:db8::8000:0:0:5")));
    assert_eq!(next, Some(bits_of(ip("2001:db8::8000:0:0:6"))));
}

#[test]
fn a_range_that_does_not_fit_is_refused() {
    let make = |text, subnet: &str, gateway: Option<&str>| {
        let subnet = subnet.parse().expect("a subnet");
        HostRange::new(span(text), subnet, gateway.map(ip), &[]).expect_err(text)
    };
    assert!(matches!(
        make("10.0.1.0/26", "10.0.0.0/24", None),
        RangeError::OutsideSubnet { .. }
    ));
    assert!(matches!(
        make("10.0.0.0/26", "10.0.0.0/24", Some("10.0.1.1")),
        RangeError::GatewayOutsideSubnet { .. }
    ));
    assert!(matches!(
        make("10.0.0.0/26", "10.0.0.0/24", Some("fe80::1")),
        RangeError::GatewayOutsideSubnet { .. }
    ));
    for (text, subnet) in [("224.0.0.0/24", "224.0.0.0/8"), ("ff02::/64", "ff00::/8")] {
        assert!(matches!(
            make(text, subnet, None),
            RangeError::NotUnicast { .. }
        ));
    }
    let everything = make("::/0", "::/0", None);
    assert!(matches!(everything, RangeError::NotUnicast { .. }));
}

#[test]
fn an_overlap_names_both_ranges() {
    let error = networks(&[
        ("web", range("10.0.0.0/26", "10.0.0.0/24", &[])),
        ("far", range("10.0.9.0/26", "10.0.9.0/24", &[])),
        ("db", range("10.0.0.60-10.0.0.70", "10.0.0.0/24", &[])),
    ])
    .expect_err("they overlap");
    assert_eq!(
        error.to_string(),
        "the range 10.0.0.0/26 of network web overlaps the range 10.0.0.60-10.0.0.70 of network db"
    );
}

#[test]
fn a_routers_link_local_address_is_a_gateway_of_ipv6() {
    let subnet = "fd00:1::/64".parse().expect("a subnet");
    let own = |gateway| HostRange::new(span("fd00:1::10/124"), subnet, Some(ip(gateway)), &[]);
    assert_eq!(own("fe80::1").expect("a range").capacity(), 16);
    assert_eq!(own("fd00:1::1").expect("a range").capacity(), 16);
    let outside = own("fd00:2::1").expect_err("it is on no link of the subnet");
    assert!(matches!(outside, RangeError::GatewayOutsideSubnet { .. }));
}

#[test]
fn the_gateway_of_one_range_is_withheld_from_all() {
    let subnet = "10.0.0.0/24".parse().expect("a subnet");
    let low = HostRange::new(span("10.0.0.0/25"), subnet, Some(ip("10.0.0.1")), &[]);
    let high = HostRange::new(span("10.0.0.128/25"), subnet, Some(ip("10.0.0.5")), &[]);
    let checked = networks(&[("a", low.expect("a range")), ("b", high.expect("a range"))])
        .expect("no overlap");
    let (_, ranges) = checked.iter().next().expect("the first network");
    assert_eq!(ranges[0].withheld(ip("10.0.0.5")), Some(Withheld::Gateway));
    assert!(!ranges[0].is_usable(ip("10.0.0.5")));
}

proptest! {
    /// The gaps against the definition, address by address.
    #[test]
    fn what_is_usable_is_what_is_inside_and_not_withheld(
        first in 0_u8..60,
        length in 0_u8..60,
        gateway in 0_u8..64,
        excluded in prop::collection::vec((0_u8..64, 0_u8..8), 0..6),
    ) {
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let last = first.saturating_add(length).min(63);
        let spans: Vec<Span> = excluded
            .iter()
            .map(|&(a, n)| Span::new(address(a), address((a + n).min(63))).expect("in order"))
            .collect();
        let subnet = "10.0.0.0/26".parse().expect("a subnet");
        let whole = Span::new(address(first), address(last)).expect("in order");
        let range = HostRange::new(whole, subnet, Some(address(gateway)), &spans).expect("it fits");
        let mut count = 0;
        for n in 0..64 {
            let wanted = (first..=last).contains(&n)
                && ![0, 63, gateway].contains(&n)
                && !spans.iter().any(|s| s.contains(address(n)));
            prop_assert_eq!(range.is_usable(address(n)), wanted, "{}", n);
            prop_assert_eq!(
                range.withheld(address(n)).is_some(),
                (first..=last).contains(&n) && !wanted
            );
            count += u128::from(wanted);
        }
        prop_assert_eq!(range.capacity(), count);
    }

    #[test]
    fn parsing_a_span_never_panics(text in "[0-9a-f.:/-]{0,40}") {
        if let Ok(span) = text.parse::<Span>() {
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }
    }
}
