use super::attributes::push;
use super::*;

fn nic() -> LinkId {
    LinkId {
        name: "eth0".into(),
        ifindex: 2,
    }
}

fn host_port() -> LinkId {
    LinkId {
        name: "flat0".into(),
        ifindex: 700,
    }
}

fn names(index: u32) -> String {
    match index {
        2 => "eth0".into(),
        700 => "flat0".into(),
        n => format!("if{n}"),
    }
}

/// 10.0.0.5/24 with the label eth0:1, secondary, with 500 s left.
fn address_entry() -> Entry {
    let mut p = vec![2, 24, 0x80 | 1, 0];
    p.extend(2u32.to_ne_bytes());
    push(&mut p, libc::IFA_ADDRESS, &[10, 0, 0, 5]);
    push(&mut p, libc::IFA_LOCAL, &[10, 0, 0, 5]);
    push(&mut p, libc::IFA_LABEL, b"eth0:1\0");
    push(&mut p, libc::IFA_FLAGS, &0x281u32.to_ne_bytes());
    let mut info = Vec::new();
    for word in [400u32, 500, 1, 2] {
        info.extend(word.to_ne_bytes());
    }
    push(&mut p, libc::IFA_CACHEINFO, &info);
    Entry::new(EntryKind::Address, p).expect("whole")
}

/// default metric 100 with a locked MTU of 1400, by two next hops, the first of them linkdown.
fn route_entry() -> Entry {
    let mut p = vec![2, 0, 0, 0, 254, 16, 0, 1];
    p.extend(16u32.to_ne_bytes());
    push(&mut p, libc::RTA_PRIORITY, &100u32.to_ne_bytes());
    let mut metrics = Vec::new();
    push(&mut metrics, 1, &4u32.to_ne_bytes());
    push(&mut metrics, 2, &1400u32.to_ne_bytes());
    push(&mut p, libc::RTA_METRICS, &metrics);
    let mut hops = Vec::new();
    for (index, flags, last) in [(2u32, 16u8 | 4, 1u8), (9, 0, 2)] {
        hops.extend([16, 0, flags, 0]);
        hops.extend(index.to_ne_bytes());
        push(&mut hops, libc::RTA_GATEWAY, &[10, 0, 0, last]);
    }
    push(&mut p, libc::RTA_MULTIPATH, &hops);
    Entry::new(EntryKind::Route, p).expect("whole")
}

#[test]
fn an_address_moves_with_its_label_flags_and_lifetime() {
    let moved = address_entry().moved(&nic(), &host_port());
    assert_eq!(
        moved.words(&names),
        "10.0.0.5/24 dev flat0 label flat0:1 noprefixroute valid_lft 500 preferred_lft 400"
    );
    assert!(moved.is_of(&host_port()) && !moved.is_of(&nic()));
    assert_eq!(moved.as_address().expect("one").flags, 0x200);
}

#[test]
fn a_route_moves_with_every_next_hop_of_the_link_and_its_locked_mtu() {
    let route = route_entry();
    assert!(route.is_of(&nic()));
    let moved = route.moved(&nic(), &host_port());
    assert_eq!(
        moved.words(&names),
        "default proto dhcp metric 100 mtu lock 1400 \
         nexthop via 10.0.0.1 dev flat0 onlink weight 1 nexthop via 10.0.0.2 dev if9 weight 1"
    );
}

#[test]
fn a_move_there_and_back_is_the_entry_itself() {
    for entry in [address_entry(), route_entry()] {
        let back = entry
            .moved(&nic(), &host_port())
            .moved(&host_port(), &nic());
        assert_eq!(back, entry.as_request());
        assert!(back.is_same(&entry));
    }
}

#[test]
fn an_entry_is_the_same_whatever_is_left_of_its_lifetime() {
    let mut later = address_entry();
    // The last word but two of the cache's information.
    let at = later.payload.len() - 12;
    later.payload[at] = later.payload[at].wrapping_sub(9);
    assert_ne!(later, address_entry());
    assert!(later.is_same(&address_entry()));
}

#[test]
fn a_rule_moves_by_name() {
    let mut p = vec![2, 0, 0, 0, 100, 0, 0, 1];
    p.extend(8u32.to_ne_bytes());
    push(&mut p, attributes::FRA_IIFNAME, b"eth0\0");
    push(&mut p, 6, &1000u32.to_ne_bytes());
    push(&mut p, 15, &100u32.to_ne_bytes());
    let rule = Entry::new(EntryKind::Rule, p).expect("whole");
    assert!(rule.is_of(&nic()));
    let moved = rule.moved(&nic(), &host_port());
    assert_eq!(
        moved.words(&names),
        "from all iif flat0 lookup 100 priority 1000"
    );
    // That its interface was away is no part of a request.
    assert_eq!(moved.payload[8..12], [0; 4]);
}

#[test]
fn an_entry_is_read_back_from_its_text() {
    for entry in [address_entry(), route_entry()] {
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
    for bad in [
        "",
        "address",
        "address:0",
        "address:00",
        "tea:00",
        "route:zz",
        "route:é0",
    ] {
        assert!(bad.parse::<Entry>().is_err(), "{bad:?} was taken");
    }
}
