use std::time::Duration;

use flatnet_types::ipamd::{Drain, GrantState, Release};

use super::tests::{begin_on, name};
use super::*;
use crate::assign::declared::{DeclaredHost, DeclaredNetwork, DeclaredPool, Segment};
use crate::assign::store::LedgerMemory;

/// Three hosts: h0 and h1 share a segment, h2 is in another, h3 is in none.
fn segments() -> Arc<Declared> {
    let pool = DeclaredPool {
        prefix: "10.0.0.0/16".parse().expect("a prefix"),
        slice: Some(26),
        blocked: Vec::new(),
    };
    let network = DeclaredNetwork {
        cluster: None,
        site: "vpc".to_owned(),
        pools: vec![pool],
    };
    let host = |segment: Option<&str>| DeclaredHost {
        cluster: None,
        site: "vpc".to_owned(),
        segment: segment.map(|name| Segment {
            site: "vpc".to_owned(),
            name: name.to_owned(),
        }),
        ranges: Vec::new(),
    };
    let hosts = [Some("a"), Some("a"), Some("b"), None].map(host);
    let hosts = hosts.into_iter().enumerate().map(|(n, h)| (name(n), h));
    let web = "web".parse().expect("a name");
    let plan = Declared::new([(web, network)].into(), hosts.collect());
    Arc::new(plan.expect("a sound plan"))
}

fn wait(after: &str, at_most: Duration) -> Option<Wait> {
    Some(Wait {
        after: after.to_owned(),
        at_most,
    })
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_peer_is_notified_of_its_segment_only_and_a_route_keeper_of_all_hosts() {
    let service = begin_on(LedgerMemory::default(), Trust::New, 1, segments());
    let me = name(0);
    let nothing = service.peers(&me, None).await.expect("an answer");
    assert_eq!(nothing.ranges, []);
    let all = service.grants(None).await.expect("an answer");

    // Another segment's host: the peer keeps waiting, the route keeper is notified.
    let theirs = service.ranges(&name(2)).await.expect("ranges").ranges[0].prefix;
    let still = service
        .peers(&me, wait(&nothing.revision, SHORT))
        .await
        .expect("an answer");
    assert_eq!(still, nothing);
    let answer = service.grants(wait(&all.revision, LONG)).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.ranges[0].prefix, theirs);

    // One's own ranges are not one's peers'; the neighbour's are.
    service.ranges(&me).await.expect("ranges");
    let waiting = {
        let (service, me, after) = (service.clone(), me.clone(), nothing.revision.clone());
        tokio::spawn(async move {
            let mut seen = service.peers(&me, wait(&after, LONG)).await;
            while seen.as_ref().is_ok_and(|s| s.ranges.is_empty()) {
                let after = seen.expect("an answer").revision;
                seen = service.peers(&me, wait(&after, LONG)).await;
            }
            seen
        })
    };
    let neighbour = service.ranges(&name(1)).await.expect("ranges").ranges[0].prefix;
    let seen = waiting.await.expect("ends").expect("an answer");
    assert_eq!(seen.ranges.len(), 1);
    assert_eq!(
        (&seen.ranges[0].host, seen.ranges[0].prefix),
        (&name(1), neighbour)
    );
    assert_eq!(service.grants(None).await.expect("all").ranges.len(), 3);
    let lone = service.peers(&name(3), None).await.expect("an answer");
    assert_eq!(lone.ranges, []);
    let unknown = service.peers(&name(9), None).await.expect_err("no host");
    assert_eq!(unknown.code(), "unknownHost");
}

#[tokio::test]
async fn a_range_that_drains_is_held_until_it_is_released() {
    let service = begin_on(LedgerMemory::default(), Trust::New, 1, segments());
    let (me, other) = (name(0), name(1));
    let prefix = service.ranges(&other).await.expect("ranges").ranges[0].prefix;
    let drain = Drain {
        host: other.clone(),
        prefix,
        cancel: false,
    };
    service.drain(drain).await.expect("drains");
    let draining = service.peers(&me, None).await.expect("an answer");
    assert_eq!(draining.ranges[0].state, GrantState::Draining);
    let release = Release {
        host: other,
        prefix,
        lease: None,
        force: true,
    };
    service.release(release).await.expect("releases");
    let released = service.peers(&me, wait(&draining.revision, LONG)).await;
    assert_eq!(released.expect("an answer").ranges, []);
}

#[tokio::test]
async fn a_restarted_ipamd_lists_what_hosts_hold_before_they_have_reported_it() {
    let store = LedgerMemory::default();
    let service = begin_on(store.clone(), Trust::New, 1, segments());
    service.ranges(&name(1)).await.expect("ranges");
    let before = service.grants(None).await.expect("an answer");
    drop(service);
    let service = begin_on(store, Trust::Current, 2, segments());
    // Another incarnation has other revisions: a watch with an old one returns at once.
    let after = service.grants(wait(&before.revision, LONG)).await;
    let after = after.expect("an answer");
    assert_eq!(after.ranges, before.ranges);
    assert_ne!(after.revision, before.revision);
}
