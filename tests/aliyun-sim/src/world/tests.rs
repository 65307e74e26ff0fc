use std::time::Duration;

use super::*;
use crate::error::ApiError;

mod calls;

const EXAMPLE: &str = include_str!("../../examples/world.yaml");

fn world() -> World {
    let file = WorldFile::parse(EXAMPLE).expect("the example is valid");
    World::new(&file, Timestamp(0)).expect("the example is a world")
}

fn by(now: u64) -> Writer {
    Writer {
        call: 1,
        now: Timestamp(now),
        dry_run: false,
    }
}

fn instance(id: &str) -> Vec<Hop> {
    vec![Hop {
        hop_type: "Instance".to_owned(),
        id: id.to_owned(),
        weight: 100,
    }]
}

fn entry(destination: &str, hops: Vec<Hop>) -> NewEntry {
    NewEntry {
        table: "vtb-lab".to_owned(),
        destination: parse_destination(destination).expect("a destination"),
        hops,
        name: "n".to_owned(),
        description: String::new(),
    }
}

fn create(world: &mut World, now: u64, destination: &str) -> Result<String, ApiError> {
    world.advance(Timestamp(now));
    world.create(by(now), &entry(destination, instance("i-vpc1")))
}

fn status(world: &World, id: &str) -> Option<Status> {
    let all = world.entries.values();
    all.filter(|e| e.id == id).map(|e| e.state.status()).next()
}

#[test]
fn an_entry_is_pending_then_available_then_deleting_then_gone() {
    let mut world = world();
    let id = create(&mut world, 1000, "172.30.16.0/20").expect("room");
    assert_eq!(status(&world, &id), Some(Status::Pending));
    world.advance(Timestamp(1199));
    assert_eq!(status(&world, &id), Some(Status::Pending));
    world.advance(Timestamp(1200));
    assert_eq!(status(&world, &id), Some(Status::Available));
    world
        .delete(by(2000), &DeleteTarget::Id(id.clone()))
        .expect("it is there");
    assert_eq!(status(&world, &id), Some(Status::Deleting));
    world.advance(Timestamp(9000));
    assert_eq!(status(&world, &id), None);
    let told: Vec<_> = world
        .history()
        .after(0)
        .iter()
        .map(|e| (e.at.0, e.status))
        .collect();
    assert_eq!(
        told,
        [
            (1000, Status::Pending),
            (1200, Status::Available),
            (2000, Status::Deleting),
            (2200, Status::Gone)
        ]
    );
}

#[test]
fn an_unstable_entry_keeps_all_others_of_its_vpc_from_changing_and_no_other_router() {
    let mut world = world();
    let first = create(&mut world, 0, "172.30.16.0/20").expect("room");
    assert_eq!(
        create(&mut world, 100, "172.30.32.0/20"),
        Err(ApiError::TaskConflict)
    );
    let target = DeleteTarget::Id(first.clone());
    let refused = world.delete(by(100), &target);
    assert_eq!(refused, Err(ApiError::IncorrectRouteEntryStatus(first)));
    let mut of_vbr = entry("172.30.0.0/16", Vec::new());
    of_vbr.table = "vtb-line1".to_owned();
    of_vbr.hops = vec![Hop {
        hop_type: "RouterInterface".to_owned(),
        id: "ri-line1-to-vpc".to_owned(),
        weight: 100,
    }];
    assert!(world.create(by(100), &of_vbr).is_ok());
    assert!(create(&mut world, 200, "172.30.32.0/20").is_ok());
}

#[test]
fn a_modified_entry_forwards_by_the_old_next_hop_until_it_has_the_new() {
    let mut world = world();
    let id = create(&mut world, 0, "172.30.16.0/20").expect("room");
    world.advance(Timestamp(200));
    let change = Change {
        hops: Some(instance("i-vpc2")),
        ..Change::default()
    };
    world
        .modify(by(1000), &DeleteTarget::Id(id), &change)
        .expect("it is there");
    world.advance(Timestamp(5000));
    let address = "172.30.17.1".parse().expect("an address");
    let path = world.history().path_of("vtb-lab", address);
    let seen: Vec<_> = path
        .iter()
        .map(|s| (s.from.0, s.next_hops.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (0, vec![]),
            (200, instance("i-vpc1")),
            (1200, instance("i-vpc2"))
        ]
    );
}

#[test]
fn a_name_changes_at_once() {
    let mut world = world();
    let id = create(&mut world, 0, "172.30.16.0/20").expect("room");
    world.advance(Timestamp(200));
    let change = Change {
        name: Some("other".to_owned()),
        ..Change::default()
    };
    world
        .modify(by(300), &DeleteTarget::Id(id.clone()), &change)
        .expect("it is there");
    assert_eq!(status(&world, &id), Some(Status::Available));
    assert_eq!(
        world.history().after(0).last().map(|e| e.name.as_str()),
        Some("other")
    );
}

#[test]
fn destinations_follow_the_rules() {
    let mut world = world();
    create(&mut world, 0, "172.30.16.0/20").expect("room");
    for (destination, hop, code) in [
        ("172.30.16.0/20", "i-vpc1", "InvalidRouteEntry.Duplicate"),
        ("172.30.16.0/20", "i-vpc2", "InvalidCIDRBlock.Duplicate"),
        ("172.20.1.0/24", "i-vpc1", "RouteConflict.AlreadyExist"),
        ("172.20.1.128/25", "i-vpc1", "InvalidCidrBlock"),
        ("fd20:1::/64", "i-vpc1", "RouteConflict.AlreadyExist"),
        ("fd20:1::5", "i-vpc1", "InvalidCidrBlock"),
        ("100.64.0.0/10", "i-vpc1", "InvalidCidrBlock"),
        ("100.100.0.0/16", "i-vpc1", "InvalidCidrBlock"),
        ("10.0.0.0/8", "i-none", "InvalidNextHopId.NotFound"),
    ] {
        world.advance(Timestamp(1000));
        let refused = world.create(by(1000), &entry(destination, instance(hop)));
        assert_eq!(
            refused.expect_err(destination).code(),
            code,
            "{destination} by {hop}"
        );
    }
    for (n, good) in ["172.20.0.0/16", "0.0.0.0/0", "fd20::/32", "100.0.0.0/8"]
        .iter()
        .enumerate()
    {
        let now = 2000 + 1000 * u64::try_from(n).expect("small");
        assert!(create(&mut world, now, good).is_ok(), "{good}");
    }
}

#[test]
fn more_specific_parts_of_the_shared_space_are_taken_where_the_world_says_so() {
    let mut file = WorldFile::parse(EXAMPLE).expect("the example is valid");
    file.shared_address_space = SharedAddressSpace::MoreSpecific;
    let mut world = World::new(&file, Timestamp(0)).expect("a world");
    assert!(create(&mut world, 0, "100.100.0.0/16").is_ok());
    let refused = create(&mut world, 1000, "100.64.0.0/10").expect_err("all of it");
    assert_eq!(refused.code(), "InvalidCidrBlock");
}

#[test]
fn a_destination_without_a_length_is_one_address_and_host_bits_are_malformed() {
    let one = parse_destination("10.1.2.3").map(|d| d.to_string());
    assert_eq!(one.as_deref(), Ok("10.1.2.3/32"));
    let one = parse_destination("fd00::1").map(|d| d.to_string());
    assert_eq!(one.as_deref(), Ok("fd00::1/128"));
    for bad in [
        "",
        "x",
        "10.1.2.3/24",
        "10.0.0.0/33",
        "fd00::1/64",
        "10.0.0.0/",
    ] {
        let refused = parse_destination(bad).expect_err(bad);
        assert_eq!(refused.code(), "InvalidCidrBlock.Malformed");
    }
}

#[test]
fn an_ecmp_entry_has_two_to_four_next_hops_of_one_type() {
    let mut file = WorldFile::parse(EXAMPLE).expect("the example is valid");
    let template = file.vpcs[0].instances[0].clone();
    for n in 3..=5 {
        let mut more = template.clone();
        more.id = format!("i-vpc{n}");
        file.vpcs[0].instances.push(more);
    }
    let mut world = World::new(&file, Timestamp(0)).expect("a world");
    let hops = |ids: &[usize]| -> Vec<Hop> {
        ids.iter()
            .flat_map(|n| instance(&format!("i-vpc{n}")))
            .collect()
    };
    for ids in [&[1usize, 1][..], &[1, 2, 3, 4, 5]] {
        let refused = world.create(by(0), &entry("10.0.0.0/8", hops(ids)));
        assert_eq!(
            refused,
            Err(ApiError::IllegalParam("NextHopList")),
            "{ids:?}"
        );
    }
    let mut mixed = hops(&[1]);
    mixed.push(Hop {
        hop_type: "RouterInterface".to_owned(),
        id: "ri-vpc-to-line1".to_owned(),
        weight: 1,
    });
    assert!(world.create(by(0), &entry("10.0.0.0/8", mixed)).is_err());
    assert!(
        world
            .create(by(0), &entry("10.0.0.0/8", hops(&[1, 2, 3, 4])))
            .is_ok()
    );
}

#[test]
fn a_router_is_a_next_hop_only_by_its_own_interface() {
    let mut world = world();
    let by_interface = |id: &str| {
        vec![Hop {
            hop_type: "RouterInterface".to_owned(),
            id: id.to_owned(),
            weight: 100,
        }]
    };
    for wrong in ["ri-line1-to-vpc", "ri-line1", "i-vpc1"] {
        let refused = world.create(by(0), &entry("10.0.0.0/8", by_interface(wrong)));
        assert_eq!(refused, Err(ApiError::NextHopNotFound(wrong.to_owned())));
    }
    let good = world.create(by(0), &entry("10.0.0.0/8", by_interface("ri-vpc-to-line1")));
    assert!(good.is_ok());
    let mut back = entry("10.0.0.0/8", by_interface("ri-line1"));
    back.table = "vtb-line1".to_owned();
    assert!(world.create(by(0), &back).is_ok());
    let views = world.view();
    let to: Vec<&Resolved> = views
        .iter()
        .map(|t| &t.entries[0].next_hops[0].to)
        .collect();
    let router = "vbr-line1".to_owned();
    assert_eq!(*to[0], Resolved::Router { router });
    assert!(matches!(to[1], Resolved::Line { addresses } if addresses.len() == 2));
}

#[test]
fn a_busy_part_refuses_writes_with_its_own_code() {
    for (id, code) in [
        ("vpc-lab", "IncorrectVpcStatus"),
        ("vsw-zone-b", "IncorrectVSwitchStatus"),
        ("vtb-lab", "IncorrectStatus.RouteTableStatus"),
        ("i-vpc1", "IncorrectInstanceStatus"),
    ] {
        let mut world = world();
        world.set_health(id, Health::Pending).expect("it is there");
        let refused = create(&mut world, 0, "10.0.0.0/8").expect_err(id);
        assert_eq!(refused.code(), code);
        world
            .set_health(id, Health::Available)
            .expect("it is there");
        assert!(create(&mut world, 0, "10.0.0.0/8").is_ok());
    }
}

#[test]
fn a_machine_that_is_new_can_be_led_to() {
    let mut world = world();
    let new = |v_switch: &str| crate::config::Instance {
        id: "i-new".to_owned(),
        v_switch: v_switch.to_owned(),
        addresses: vec!["172.20.2.77".parse().expect("an address")],
        mac: None,
    };
    let entry = entry("172.30.99.0/24", instance("i-new"));
    let refused = world.create(by(0), &entry).expect_err("not there yet");
    assert_eq!(refused.code(), "InvalidNextHopId.NotFound");
    let wrong = world.put_instance("vpc-lab", &new("vsw-none"));
    assert!(
        wrong
            .expect_err("no vSwitch")
            .to_string()
            .contains("vsw-none")
    );
    world
        .put_instance("vpc-lab", &new("vsw-zone-b"))
        .expect("it comes");
    world.create(by(0), &entry).expect("it is there");
}

#[test]
fn what_a_world_file_has_wrong_is_named() {
    for (from, to, says) in [
        (
            "opposite: ri-line1-to-vpc",
            "opposite: ri-none",
            "routerInterfaces[0].opposite",
        ),
        ("type: System", "type: Custom", "a VPC has exactly one"),
        (
            "vSwitch: vsw-zone-b",
            "vSwitch: vsw-none",
            "vpcs[0].instances[1].vSwitch",
        ),
        (
            "cidr: 172.20.2.0/24",
            "cidr: 172.21.2.0/24",
            "vpcs[0].vSwitches[1].cidr",
        ),
        ("id: i-vpc2", "id: i-vpc1", "the id i-vpc1 is there twice"),
        (
            "router: vbr-line1",
            "router: vbr-none",
            "there is no VPC or VBR vbr-none",
        ),
    ] {
        assert!(EXAMPLE.contains(from), "{from}");
        let file = WorldFile::parse(&EXAMPLE.replace(from, to)).expect("the form is right");
        let error = World::new(&file, Timestamp(0)).expect_err(to).to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = WorldFile::parse("vpc: []").expect_err("an unknown field");
    let source = std::error::Error::source(&error);
    let error = source.map(ToString::to_string).unwrap_or_default();
    assert!(error.contains("unknown field `vpc`"), "{error}");
}

#[test]
fn jitter_makes_things_take_longer_but_not_longer_than_it_says() {
    let mut world = world();
    world.set_timings(crate::config::Timings {
        create_ms: 100,
        jitter_ms: 50,
        ..*world.timings()
    });
    for n in 0..50u64 {
        let now = n * 1000;
        create(&mut world, now, &format!("10.0.{n}.0/24")).expect("room");
        let until = world
            .entries
            .values()
            .next_back()
            .and_then(|e| e.state.until());
        let took = until.expect("pending").since(Timestamp(now));
        let most = Duration::from_millis(150);
        assert!(
            (Duration::from_millis(100)..=most).contains(&took),
            "{took:?}"
        );
    }
}
