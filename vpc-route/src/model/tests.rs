use proptest::prelude::*;

use super::*;

fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

#[test]
fn a_bare_address_is_a_host_route() {
    assert_eq!(p("10.0.0.1"), p("10.0.0.1/32"));
    assert_eq!(p("fd00::1"), p("fd00::1/128"));
}

#[test]
fn host_bits_are_refused_with_what_would_be_right() {
    let error = "10.0.0.1/24".parse::<Prefix>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "10.0.0.1/24 has host bits set; write 10.0.0.0/24"
    );
}

#[test]
fn more_specifics_lie_in_their_whole_and_have_it_as_parent() {
    for whole in [
        "10.0.0.0/8",
        "0.0.0.0/0",
        "::/0",
        "fd00::/64",
        "10.0.0.2/31",
    ] {
        let whole = p(whole);
        let parts = whole.more_specifics().unwrap();
        assert!(
            parts
                .iter()
                .all(|p| whole.covers(*p) && p.parent() == Some(whole))
        );
        assert!(is_covered(whole, parts));
        assert!(!is_covered(whole, [parts[0]]) && !is_covered(whole, [parts[1]]));
    }
    assert_eq!(p("10.0.0.1/32").more_specifics(), None);
    assert_eq!(p("::1/128").more_specifics(), None);
}

#[test]
fn families_never_cover_each_other() {
    assert!(!p("0.0.0.0/0").overlaps(p("::/0")));
    assert!(!is_covered(p("10.0.0.0/8"), [p("::/0")]));
}

#[test]
fn a_prefix_with_a_hole_is_not_covered() {
    let parts = ["10.0.0.0/25", "10.0.0.128/26", "10.0.0.224/27"].map(p);
    assert!(!is_covered(p("10.0.0.0/24"), parts));
    let whole = parts
        .into_iter()
        .chain([p("10.0.0.192/27"), p("10.0.0.128/32")]);
    assert!(is_covered(p("10.0.0.0/24"), whole));
    assert!(is_covered(
        p("255.255.255.0/24"),
        [p("255.255.255.0/25"), p("255.255.255.128/25")]
    ));
}

#[test]
fn a_name_tells_cluster_generation_and_purpose() {
    let owner = Owner::parse("flatnet:prod-1:42:node/ecs-1:b").unwrap();
    assert_eq!(owner.cluster.as_str(), "prod-1");
    assert_eq!(owner.generation, Generation(42));
    assert_eq!(owner.label, "node/ecs-1:b");
}

#[test]
fn what_does_not_bear_our_mark_whole_is_not_ours() {
    for name in [
        "",
        "flatnet",
        "flatnet:prod",
        "flatnet:prod:1",
        "flatnet:prod:x:n",
        "flatnet:prod:+1:n",
        "flatnet:prod::n",
        "flatnet:PROD:1:n",
        "flatnet::1:n",
        "flatnets:prod:1:n",
        " flatnet:prod:1:n",
        "cce:prod:1:n",
    ] {
        assert_eq!(Owner::parse(name), None, "{name}");
    }
}

#[test]
fn next_hops_compare_as_a_set_with_weights() {
    let hop = |id: &str, weight| NextHop {
        kind: NextHopKind::Instance,
        id: id.into(),
        weight,
    };
    let ab = NextHops::new(vec![hop("a", 1), hop("b", 1)]).unwrap();
    let ba = NextHops::new(vec![hop("b", 1), hop("a", 1)]).unwrap();
    let heavier = NextHops::new(vec![hop("b", 2), hop("a", 1)]).unwrap();
    assert_eq!(ab, ba);
    assert_ne!(ab, heavier);
    assert_eq!(ab.single(), None);
    assert_eq!(NextHops::new(vec![]), Err(NextHopsError::None));
    let twice = NextHops::new(vec![hop("a", 1), hop("a", 2)]);
    assert_eq!(twice, Err(NextHopsError::Twice { id: "a".into() }));
}

#[test]
fn an_unknown_kind_of_next_hop_keeps_its_name() {
    let kind: NextHopKind = serde_json::from_str("\"Ipv6Gateway\"").unwrap();
    assert_eq!(kind, NextHopKind::Other("Ipv6Gateway".into()));
    assert_eq!(serde_json::to_string(&kind).unwrap(), "\"Ipv6Gateway\"");
}

proptest! {
    #[test]
    fn a_written_name_is_read_back_and_fits_the_api(
        cluster in "[a-z0-9-]{1,40}", generation: u64, label in ".{0,200}",
    ) {
        let owner = Owner {
            cluster: cluster.parse().unwrap(),
            generation: Generation(generation),
            label,
        };
        let name = owner.name();
        prop_assert!(name.len() <= 128 && name.is_ascii());
        let read = Owner::parse(&name).unwrap();
        prop_assert_eq!(&read.cluster, &owner.cluster);
        prop_assert_eq!(read.generation, owner.generation);
        // What was cut and cleaned once stays as it is.
        prop_assert_eq!(read.name(), name);
    }

    #[test]
    fn what_covers_a_prefix_sorts_before_it(bits: u32, a in 0u8..=32, b in 0u8..=32) {
        let at = |length: u8| {
            Prefix::truncating(format!("{}/{length}", std::net::Ipv4Addr::from(bits)).parse().unwrap())
        };
        let (short, long) = (at(a.min(b)), at(a.max(b)));
        prop_assert!(short.covers(long) && short <= long && long <= short.last_inside());
    }
}
