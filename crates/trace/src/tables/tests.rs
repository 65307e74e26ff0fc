use super::*;

fn hop(id: &str) -> Vec<NextHop> {
    vec![NextHop {
        kind: "Instance".to_owned(),
        id: id.to_owned(),
        weight: 0,
    }]
}

fn entry(destination: &str, id: &str, ours: bool) -> Entry {
    Entry {
        destination: destination.parse().expect("a prefix"),
        next_hops: hop(id),
        name: "name".to_owned(),
        id: None,
        status: Status::Available,
        kind: Origin::Custom,
        owner: ours.then(|| Owner {
            cluster: "lab".to_owned(),
            generation: 3,
            label: id.to_owned(),
        }),
    }
}

/// A table that wants 172.30.16.0/20 at i-1.
fn table(entries: Vec<Entry>) -> Table {
    Table {
        title: "route table main in vpc".to_owned(),
        report: None,
        kind: Some(Kind::VpcRouteTable),
        site: "vpc".to_owned(),
        name: "main".to_owned(),
        table: "vtb-1".to_owned(),
        quota: Some(200),
        desired: vec![Desired {
            destination: "172.30.16.0/20".parse().expect("a prefix"),
            next_hops: hop("i-1"),
            label: "vpc1".to_owned(),
        }],
        not_understood: Vec::new(),
        entries,
        plan: None,
        events: Vec::new(),
        error: None,
    }
}

fn fault(entries: Vec<Entry>) -> Option<Fault> {
    let address = "172.30.16.9".parse().expect("an address");
    judge(&table(entries), address).fault
}

#[test]
fn the_longest_entry_in_force_is_taken() {
    let mut making = entry("172.30.16.0/24", "i-9", true);
    making.status = Status::Pending;
    let held = table(vec![
        entry("0.0.0.0/0", "i-0", false),
        entry("172.30.16.0/20", "i-1", true),
        making,
    ]);
    let address = "172.30.16.9".parse().expect("an address");
    let taken = held.lookup(address).expect("an entry");
    assert_eq!(taken.next_hops, hop("i-1"));
    assert_eq!(judge(&held, address).fault, None);
    assert_eq!(held.used(), 3);
}

#[test]
fn each_way_to_go_astray_has_its_name() {
    let right = || entry("172.30.16.0/20", "i-1", true);
    let mut making = right();
    making.status = Status::Pending;
    assert_eq!(fault(vec![right()]), None);
    assert_eq!(fault(vec![]), Some(Fault::Missing));
    assert_eq!(fault(vec![making]), Some(Fault::InTransition));
    let wider = || entry("172.16.0.0/12", "i-7", false);
    assert_eq!(fault(vec![wider()]), Some(Fault::Wider));
    assert_eq!(fault(vec![wider(), right()]), None);
    let wrong = |ours| entry("172.30.16.0/20", "i-2", ours);
    assert_eq!(fault(vec![wrong(true)]), Some(Fault::WrongNextHop));
    assert_eq!(fault(vec![wrong(false)]), Some(Fault::Diverts));
    let inside = |ours| entry("172.30.16.0/28", "i-2", ours);
    assert_eq!(fault(vec![right(), inside(false)]), Some(Fault::Shadows));
    assert_eq!(fault(vec![right(), inside(true)]), Some(Fault::Stale));
}

#[test]
fn a_wider_entry_with_the_right_next_hop_does_no_harm() {
    assert_eq!(fault(vec![entry("172.30.0.0/16", "i-1", false)]), None);
}

#[test]
fn what_the_plan_does_not_lead_there_is_no_fault_of_the_table() {
    let judged = judge(&table(vec![]), "192.0.2.1".parse().expect("an address"));
    assert_eq!((judged.wanted.is_none(), judged.fault), (true, None));
}

#[test]
fn a_newer_vpc_routes_document_is_read_too() {
    let text = r#"{"version":2,"cluster":"lab","new":1,"tables":[
        {"title":"t","kind":"vbr","site":"vpc","name":"line1","table":"vtb-1","quota":48,
         "desired":[],"entries":[{"destination":"10.0.0.0/8","nextHops":
         [{"kind":"New","id":"x","also":1}],"status":"Sleeping","kind":"Dreamt"}],
         "plan":{"table":"vtb-1","ops":[],"foreign":1},"events":[]},
        {"title":"u","error":"no"}]}"#;
    let read: Tables = serde_json::from_str(text).expect("a document");
    assert_eq!(read.tables[0].entries[0].status, Status::Other);
    assert!(!read.tables[0].entries[0].is_in_force());
    assert_eq!(read.tables[1].error.as_deref(), Some("no"));
    assert!(read.get(Kind::Vbr, "vpc", "line1").is_some());
}
