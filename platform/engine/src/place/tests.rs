use flatnet_platform_types::kinds::{CellCount, LocationWish, Resources, Spread};

use super::*;

const SIZE: Resources = Resources {
    cpu_millis: 1_000,
    memory_bytes: 1 << 30,
};

fn node(name: &str, switch: &str, room: u32) -> Node {
    Node {
        name: name.to_owned(),
        switch: Some(switch.to_owned()),
        cpu_millis: u64::from(room) * SIZE.cpu_millis,
        memory_bytes: u64::from(room) * SIZE.memory_bytes,
        pods: room,
        addresses: room,
        present: 0,
    }
}

fn group<'a>(cluster: &'a str, location: &'a str, nodes: &'a [Node]) -> Headroom<'a> {
    Headroom {
        cluster,
        location,
        group: "mixed",
        nodes,
        reserved: 0,
        made: 0,
    }
}

fn wishes(wishes: &[(&str, Option<u32>)]) -> Vec<LocationWish> {
    let wish = |(name, min): &(&str, Option<u32>)| LocationWish {
        name: (*name).to_owned(),
        min: *min,
    };
    wishes.iter().map(wish).collect()
}

fn request<'a>(count: u32, locations: &'a [LocationWish]) -> Request<'a> {
    Request {
        count,
        size: SIZE,
        locations,
        existing: &[],
        spread: Spread::Switch,
    }
}

fn counts(placement: &Placement) -> Vec<(&str, u32)> {
    let cells = placement.cells.iter();
    cells.map(|c| (c.cluster.as_str(), c.count)).collect()
}

#[test]
fn a_node_has_room_for_what_its_scarcest_resource_allows() {
    let mut one = node("n", "s", 5);
    assert_eq!(one.room(&SIZE), 5);
    one.addresses = 2;
    assert_eq!(one.room(&SIZE), 2);
    one.cpu_millis = 1_999;
    assert_eq!(one.room(&SIZE), 1);
}

#[test]
fn what_is_free_is_shared_and_what_others_were_promised_is_not() {
    let (a, b) = ([node("a1", "s", 20)], [node("b1", "s", 20)]);
    let locations = wishes(&[("idc", None), ("cloud", None)]);
    let mut groups = [group("a", "idc", &a), group("b", "cloud", &b)];
    let even = place(&request(10, &locations), &groups).expect("fits");
    assert_eq!(counts(&even), [("a", 5), ("b", 5)]);
    groups[0].reserved = 20;
    let one = place(&request(10, &locations), &groups).expect("fits");
    assert_eq!(counts(&one), [("b", 10)]);
}

#[test]
fn minimums_come_first_and_count_what_is_there() {
    let (a, b) = ([node("a1", "s", 4)], [node("b1", "s", 96)]);
    let groups = [group("a", "idc", &a), group("b", "cloud", &b)];
    let locations = wishes(&[("idc", Some(4)), ("cloud", None)]);
    let placed = place(&request(8, &locations), &groups).expect("fits");
    assert_eq!(counts(&placed), [("a", 4), ("b", 4)]);
    let existing = [CellCount {
        cluster: "a".to_owned(),
        location: "idc".to_owned(),
        group: "mixed".to_owned(),
        count: 4,
    }];
    let mut more = request(8, &locations);
    more.existing = &existing;
    let placed = place(&more, &groups).expect("fits");
    assert_eq!(counts(&placed), [("b", 8)]);
}

#[test]
fn what_does_not_fit_is_said_with_the_numbers() {
    let mut a = [node("a1", "s", 4)];
    a[0].addresses = 2;
    let groups = [group("a", "idc", &a)];
    let locations = wishes(&[("idc", Some(3)), ("cloud", None)]);
    let short = place(&request(3, &locations), &groups).expect_err("too much");
    assert_eq!((short.wanted, short.fits), (3, 2));
    assert_eq!(counts(&short.partial), [("a", 2)]);
    assert_eq!(
        short.to_string(),
        "2 of 3 instances fit; idc has room for 2 (least: addresses) and lacks 3 of its minimum; \
         cloud has no reachable cluster with a group for it"
    );
}

#[test]
fn instances_are_spread_over_switches_then_hosts_where_there_is_a_choice() {
    let nodes = [
        node("n1", "s1", 9),
        node("n2", "s1", 9),
        node("n3", "s2", 5),
    ];
    let groups = [group("a", "idc", &nodes)];
    let locations = wishes(&[("idc", None)]);
    let placed = place(&request(4, &locations), &groups).expect("fits");
    let on = |nodes: &[(&str, u32)]| -> Vec<(String, u32)> {
        nodes.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect()
    };
    assert_eq!(
        placed.cells[0].nodes,
        on(&[("n1", 1), ("n2", 1), ("n3", 2)])
    );
    assert_eq!(
        placed.to_string(),
        "idc: 4 in cluster a, group mixed, probably on n1, n2, n3 (2)\n"
    );
    let mut packed = request(4, &locations);
    packed.spread = Spread::Pack;
    let placed = place(&packed, &groups).expect("fits");
    assert_eq!(placed.cells[0].nodes, on(&[("n3", 4)]));
}
