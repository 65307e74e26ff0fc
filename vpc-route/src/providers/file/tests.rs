use super::statics::Statics;
use super::*;
use crate::diff::{InPlace, Rules, Sightings, diff};
use crate::model::{DesiredEntry, DesiredTable, Generation, NextHopKind, NextHops, Timestamp};

const TEXT: &str = "hostname edge
!
ip route 0.0.0.0/0 203.0.113.1
! flatnet:prod:1:vpc-a
ip route 10.1.0.0/16 192.0.2.1
ip route 10.1.0.0/16 192.0.2.5
ipv6 route fd00:1::/48 2001:db8::1
";

fn table() -> TableScope {
    TableScope::of_router("edge")
}

#[test]
fn a_comment_names_the_routes_below_it() {
    let entries = Statics::parse(TEXT)
        .unwrap()
        .table(&table().id)
        .unwrap()
        .entries;
    let names: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["", "flatnet:prod:1:vpc-a", "flatnet:prod:1:vpc-a"]);
    assert_eq!(entries[1].next_hops.iter().len(), 2);
}

#[test]
fn a_text_that_is_written_and_read_again_says_the_same() {
    let once = Statics::parse(TEXT).unwrap();
    let again = Statics::parse(&once.render()).unwrap();
    assert_eq!(
        once.table(&table().id).unwrap(),
        again.table(&table().id).unwrap()
    );
    assert_eq!(
        again.render(),
        Statics::parse(&again.render()).unwrap().render()
    );
    assert!(once.render().starts_with("hostname edge\n"));
}

#[test]
fn a_route_that_is_none_is_named_by_its_line() {
    let error = Statics::parse("!\nip route 10.0.0.0/8\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2: `ip route 10.0.0.0/8` is no static route"
    );
}

#[tokio::test]
async fn a_file_is_brought_to_what_is_desired_and_foreign_lines_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("edge.conf");
    std::fs::write(&path, TEXT).unwrap();
    let router = FileRouter::new(&path);
    let desired = DesiredTable {
        table: table().id,
        entries: vec![DesiredEntry {
            destination: "10.1.0.0/16".parse().unwrap(),
            next_hops: NextHops::one(NextHopKind::Gateway, "192.0.2.9"),
            label: "vpc-a".into(),
        }],
    };
    let mut rules = Rules::new("prod".parse().unwrap(), Generation(2));
    rules.in_place = InPlace::Always;
    let now = Timestamp(0);
    let plan = diff(
        &desired,
        &router.list(&table()).await.unwrap(),
        &rules,
        &Sightings::new(),
        now,
    );
    assert_eq!(plan.ops.len(), 2);
    for op in &plan.ops {
        router
            .write(&table(), std::slice::from_ref(op))
            .await
            .unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text,
        "hostname edge\n!\nip route 0.0.0.0/0 203.0.113.1\n\
         ! flatnet:prod:2:vpc-a\nip route 10.1.0.0/16 192.0.2.9\n"
    );
    let after = router.list(&table()).await.unwrap();
    assert!(
        diff(&desired, &after, &rules, &Sightings::new(), now)
            .ops
            .is_empty()
    );
}
