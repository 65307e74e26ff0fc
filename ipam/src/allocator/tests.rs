use std::collections::HashSet;
use std::sync::Arc;

use flatnet_types::{ContainerId, IfName};

use super::*;
use crate::range::{HostRange, Span};

const REST: Duration = Duration::from_secs(30);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn net() -> NetworkName {
    NetworkName::new("web").expect("a name")
}

fn owner(n: u32) -> Arc<AttachmentKey> {
    Arc::new(AttachmentKey {
        network: net(),
        container_id: ContainerId::new(format!("c{n}")).expect("an ID"),
        ifname: IfName::new("eth0").expect("a name"),
    })
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn networks(ranges: &[(&str, &str)]) -> Networks {
    let ranges = ranges.iter().map(|(span, subnet)| {
        let span: Span = span.parse().expect("a span");
        HostRange::new(span, subnet.parse().expect("a subnet"), None, &[]).expect("a range")
    });
    Networks::new([(net(), ranges.collect())]).expect("networks")
}

fn allocator(ranges: &[(&str, &str)]) -> Allocator {
    Allocator::new(&networks(ranges), REST, 100)
}

fn take(
    allocator: &mut Allocator,
    n: u32,
    ips: &[IpAddr],
    now: Timestamp,
) -> Result<Vec<String>, AllocateError> {
    let network = net();
    let request = Request {
        network: &network,
        ips,
    };
    let picked = allocator.allocate(request, &owner(n), now)?;
    Ok(picked
        .addresses
        .iter()
        .map(|a| a.address.to_string())
        .collect())
}

fn any(allocator: &mut Allocator, n: u32, now: Timestamp) -> String {
    take(allocator, n, &[], now).expect("one is free").join(" ")
}

const THREE: &[(&str, &str)] = &[("10.0.0.4-10.0.0.6", "10.0.0.0/24")];

#[test]
fn never_used_addresses_come_first_and_in_order() {
    let mut a = allocator(THREE);
    assert_eq!(any(&mut a, 1, at(0)), "10.0.0.4/24");
    a.release([ip("10.0.0.4")], &owner(1), at(1));
    assert_eq!(any(&mut a, 2, at(60_000)), "10.0.0.5/24");
    assert_eq!(any(&mut a, 3, at(60_000)), "10.0.0.6/24");
    assert_eq!(any(&mut a, 4, at(60_000)), "10.0.0.4/24");
}

#[test]
fn a_released_address_is_quarantined_and_the_earliest_release_is_reused_first() {
    let mut a = allocator(THREE);
    for n in 0..3 {
        any(&mut a, n, at(0));
    }
    a.release([ip("10.0.0.6")], &owner(2), at(1_000));
    a.release([ip("10.0.0.4")], &owner(0), at(2_000));
    let error = take(&mut a, 9, &[], at(30_999)).expect_err("both are in quarantine");
    assert_eq!(
        error.to_string(),
        "no IPv4 address of network web is free (10.0.0.4-10.0.0.6: 1 used and 2 resting of 3); the next one is free in 1 ms"
    );
    assert!(error.is_retryable());
    assert_eq!(any(&mut a, 9, at(31_000)), "10.0.0.6/24");
    assert!(take(&mut a, 10, &[], at(31_999)).is_err());
    assert_eq!(any(&mut a, 10, at(32_000)), "10.0.0.4/24");
    let full = take(&mut a, 11, &[], at(99_000)).expect_err("none is left");
    assert!(!full.is_retryable());
    assert_eq!(full.cni_code(), 105);
}

#[test]
fn a_clock_that_jumps_back_neither_prolongs_nor_shortens_a_quarantine() {
    let mut a = allocator(&[("10.0.0.4", "10.0.0.0/24")]);
    any(&mut a, 1, at(500_000));
    a.release([ip("10.0.0.4")], &owner(1), at(500_000));
    assert!(take(&mut a, 2, &[], at(510_000)).is_err());
    assert!(
        take(&mut a, 2, &[], at(0)).is_err(),
        "510 s back: 20 s are left"
    );
    assert!(take(&mut a, 2, &[], at(19_999)).is_err());
    assert_eq!(any(&mut a, 2, at(20_000)), "10.0.0.4/24");
}

#[test]
fn a_dual_stack_network_gives_one_of_each_family_or_none() {
    let mut a = allocator(&[
        ("2001:db8::/64", "2001:db8::/64"),
        ("10.0.0.4", "10.0.0.0/24"),
    ]);
    assert_eq!(any(&mut a, 1, at(0)), "10.0.0.4/24 2001:db8::1/64");
    let error = take(&mut a, 2, &[], at(0)).expect_err("no IPv4 is left");
    assert!(matches!(
        error,
        AllocateError::Exhausted {
            family: Family::V4,
            ..
        }
    ));
    let usage = a.usage(&net(), at(0)).expect("it is there");
    assert_eq!(usage[0].used, 1, "the failed one took no IPv6 address");
}

#[test]
fn ranges_are_filled_in_their_order() {
    let mut a = allocator(&[
        ("10.0.9.1-10.0.9.2", "10.0.9.0/24"),
        ("10.0.0.4", "10.0.0.0/24"),
    ]);
    let order: Vec<String> = (0..3).map(|n| any(&mut a, n, at(0))).collect();
    assert_eq!(order, ["10.0.9.1/24", "10.0.9.2/24", "10.0.0.4/24"]);
}

#[test]
fn a_requested_address_is_assigned_or_the_error_says_why_not() {
    let mut a = allocator(THREE);
    let ask = |a: &mut Allocator, n, text, now| take(a, n, &[ip(text)], now);
    assert_eq!(
        ask(&mut a, 1, "10.0.0.5", at(0)).expect("it is free"),
        ["10.0.0.5/24"]
    );
    let taken = ask(&mut a, 2, "10.0.0.5", at(0)).expect_err("it is taken");
    assert_eq!(
        taken.to_string(),
        "10.0.0.5 is taken by the attachment web/c1/eth0"
    );
    assert_eq!(taken.cni_code(), 104);
    let outside = ask(&mut a, 2, "10.0.0.9", at(0)).expect_err("it is outside");
    assert_eq!(
        outside.to_string(),
        "10.0.0.9 is in no range of network web on this host; it has 10.0.0.4-10.0.0.6"
    );
    a.release([ip("10.0.0.5")], &owner(1), at(0));
    let quarantined = ask(&mut a, 2, "10.0.0.5", at(10_000)).expect_err("it is in quarantine");
    assert_eq!(quarantined.cni_code(), 11);
    assert!(quarantined.to_string().ends_with("free in 20000 ms"));
    assert!(ask(&mut a, 2, "10.0.0.5", at(30_000)).is_ok());
    let two = take(&mut a, 3, &[ip("10.0.0.4"), ip("10.0.0.6")], at(0));
    assert!(matches!(two, Err(AllocateError::TwoOfOneFamily { .. })));
    assert_eq!(any(&mut a, 3, at(30_000)), "10.0.0.4/24");
    assert_eq!(any(&mut a, 4, at(30_000)), "10.0.0.6/24");
}

#[test]
fn a_withheld_address_is_refused_on_request_too() {
    let mut a = allocator(&[("10.0.0.0/24", "10.0.0.0/24")]);
    let error = take(&mut a, 1, &[ip("10.0.0.255")], at(0)).expect_err("broadcast");
    assert_eq!(
        error.to_string(),
        "10.0.0.255 is not handed out: it is the subnet's broadcast address"
    );
}

#[test]
fn a_network_that_the_host_does_not_have_is_named_with_those_it_has() {
    let mut a = allocator(THREE);
    let other = NetworkName::new("db").expect("a name");
    let request = Request {
        network: &other,
        ips: &[],
    };
    let error = a.allocate(request, &owner(1), at(0)).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "the network db is not on this host; it has web"
    );
}

#[test]
fn a_release_by_another_than_the_owner_frees_nothing() {
    let mut a = allocator(THREE);
    any(&mut a, 1, at(0));
    assert!(a.release([ip("10.0.0.4")], &owner(2), at(0)).is_empty());
    assert_eq!(a.owner_of(ip("10.0.0.4")), Some(&owner(1)));
}

#[test]
fn a_wide_range_forgets_old_releases_and_finds_their_addresses_again() {
    let mut a = Allocator::new(&networks(&[("10.0.0.0/26", "10.0.0.0/24")]), REST, 8);
    let mut remembered = 0;
    for round in 0..1_000_u32 {
        let now = at(u64::from(round) * 60_000);
        let address = any(&mut a, round, now);
        let given = address.split('/').next().expect("an address");
        remembered += a.release([ip(given)], &owner(round), now).len();
        remembered -= a.forget().len();
        assert!(remembered <= 9, "{remembered} are remembered");
    }
    let usage = a.usage(&net(), at(100_000_000)).expect("it is there");
    assert_eq!((usage[0].capacity, usage[0].free), (63, 63));
    let all: HashSet<String> = (0..63).map(|n| any(&mut a, n, at(100_000_000))).collect();
    assert_eq!(all.len(), 63, "none is lost");
}

#[test]
fn a_release_is_not_forgotten_before_its_quarantine_is_over() {
    let mut a = Allocator::new(&networks(&[("10.0.0.0/26", "10.0.0.0/24")]), REST, 2);
    for n in 0..10 {
        any(&mut a, n, at(0));
    }
    for n in 0..10 {
        let given = ip(&format!("10.0.0.{}", n + 1));
        assert_eq!(a.release([given], &owner(n), at(1)).len(), 1);
        assert_eq!(a.forget(), Vec::<u64>::new());
    }
    a.advance_clock(at(30_001));
    assert_eq!(a.forget().len(), 8);
}

#[test]
fn other_ranges_change_no_address_in_use_or_in_quarantine() {
    let mut a = allocator(THREE);
    any(&mut a, 1, at(0));
    any(&mut a, 2, at(0));
    a.release([ip("10.0.0.5")], &owner(2), at(0));
    a.reconfigure(&networks(&[("10.0.0.6-10.0.0.7", "10.0.0.0/24")]));
    assert!(!a.is_usable(ip("10.0.0.4")));
    assert_eq!(a.owner_of(ip("10.0.0.4")), Some(&owner(1)));
    assert_eq!(any(&mut a, 3, at(1)), "10.0.0.6/24");
    a.reconfigure(&networks(&[("10.0.0.4-10.0.0.7", "10.0.0.0/24")]));
    let usage = a.usage(&net(), at(2)).expect("it is there");
    assert_eq!(
        (usage[0].used, usage[0].quarantined, usage[0].free),
        (2, 1, 1),
        "{usage:?}"
    );
    assert_eq!(any(&mut a, 4, at(3)), "10.0.0.7/24");
    assert!(take(&mut a, 5, &[], at(29_999)).is_err());
    assert_eq!(any(&mut a, 5, at(30_000)), "10.0.0.5/24");
}
