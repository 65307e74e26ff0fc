use super::super::{Batch, Failure, Flow};
use super::*;
use bytes::Bytes;
use proptest::prelude::*;

const INTERVAL: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(2);

type Machine = Protocol<&'static str>;

fn protocol(now: Instant) -> Machine {
    Protocol::new(
        Setup {
            setup_timeout: Duration::from_secs(60),
            probe_interval: INTERVAL,
            silence_limit: INTERVAL * 3,
            request_timeout: REQUEST,
            answer_bytes: 1000,
            settings: Settings::default(),
            unwatched: (0x464c << 48, 0xffff << 48),
        },
        now,
    )
}

fn feed(p: &mut Machine, now: Instant, kind: u8, xid: u32, body: &[u8]) {
    let mut bytes = Vec::new();
    message(&mut bytes, kind, xid, |out| out.extend_from_slice(body));
    p.input().extend_from_slice(&bytes);
    p.received(now).expect("well-formed");
}

/// What was sent, as (type, xid, body).
fn sent(p: &mut Machine) -> Vec<(u8, u32, Bytes)> {
    let mut framer = OpenFlowFramer::new();
    framer.push(p.output());
    p.sent(p.output().len());
    let mut out = Vec::new();
    while let Some(frame) = framer.next_frame().expect("our own") {
        out.push((frame.kind, frame.xid, frame.body));
    }
    out
}

fn kinds(p: &mut Machine) -> Vec<u8> {
    sent(p).into_iter().map(|(kind, _, _)| kind).collect()
}

fn port(number: u32, name: &str) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    out.extend_from_slice(&[0, 40, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]);
    let mut padded = [0; 16];
    padded[..name.len()].copy_from_slice(name.as_bytes());
    out.extend_from_slice(&padded);
    out.extend_from_slice(&[0; 8]);
    out
}

fn port_status(reason: u8, number: u32, name: &str) -> Vec<u8> {
    [vec![reason, 0, 0, 0, 0, 0, 0, 0], port(number, name)].concat()
}

fn ready(now: Instant) -> Machine {
    let mut p = protocol(now);
    feed(&mut p, now, OFPT_HELLO, 1, &[]);
    feed(&mut p, now, OFPT_FEATURES_REPLY, SETUP_XID, &[0; 24]);
    feed(
        &mut p,
        now,
        OFPT_MULTIPART_REPLY,
        PORTS_XID,
        &[0, 13, 0, 0, 0, 0, 0, 0],
    );
    feed(&mut p, now, OFPT_BARRIER_REPLY, READY_XID, &[]);
    assert!(matches!(p.event(), Some(Event::Ready { .. })));
    sent(&mut p);
    p
}

fn two_flows() -> Batch {
    let mut batch = Batch::new();
    batch.add(&Flow::new(0, 1)).add(&Flow::new(0, 2));
    batch
}

fn submit(p: &mut Machine, atomic: bool, token: &'static str, now: Instant) {
    let batch = two_flows();
    p.request(Request::Batch { batch, atomic }, token, now)
        .expect("ready");
}

fn done(p: &mut Machine) -> Option<(&'static str, Result<Parts, OpenFlowError>)> {
    match p.event() {
        Some(Event::Done { token, result }) => Some((token, result)),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

const BAD_PREREQ: [u8; 4] = [0, 4, 0, 9];

#[test]
fn the_first_write_sets_everything_up() {
    let mut p = protocol(Instant::now());
    assert_eq!(kinds(&mut p), [0, 5, 9, 28, 18, 18, 20]);
}

#[test]
fn ports_that_change_before_the_list_is_there_are_not_lost() {
    let now = Instant::now();
    let mut p = protocol(now);
    feed(
        &mut p,
        now,
        OFPT_FEATURES_REPLY,
        SETUP_XID,
        &[0, 0, 0, 0, 0, 0, 0, 9],
    );
    feed(
        &mut p,
        now,
        OFPT_PORT_STATUS,
        0,
        &port_status(0, 1, "early"),
    );
    let list = [
        vec![0, 13, 0, 0, 0, 0, 0, 0],
        port(1, "early"),
        port(2, "two"),
    ]
    .concat();
    feed(&mut p, now, OFPT_MULTIPART_REPLY, PORTS_XID, &list);
    feed(&mut p, now, OFPT_PORT_STATUS, 0, &port_status(1, 2, "two"));
    feed(&mut p, now, OFPT_BARRIER_REPLY, READY_XID, &[]);
    match p.event() {
        Some(Event::Ready {
            datapath_id: 9,
            ports,
            monitored: true,
        }) => {
            let names: Vec<&str> = ports.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names, ["early"]);
        }
        other => panic!("{other:?}"),
    }
    feed(
        &mut p,
        now,
        OFPT_PORT_STATUS,
        0,
        &port_status(2, 3, "later"),
    );
    assert!(matches!(p.event(), Some(Event::Port(PortEvent::Modified(p))) if p.number == 3));
}

#[test]
fn a_batch_is_done_when_its_barrier_comes_back() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, false, "a", now);
    submit(&mut p, false, "b", now);
    let out = sent(&mut p);
    assert_eq!(
        out.iter().map(|m| m.0).collect::<Vec<_>>(),
        [14, 14, 20, 14, 14, 20]
    );
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[2].1, &[]);
    assert_eq!(done(&mut p), Some(("a", Ok(vec![]))));
    assert_eq!(done(&mut p), None);
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[5].1, &[]);
    assert_eq!(done(&mut p), Some(("b", Ok(vec![]))));
}

#[test]
fn an_error_goes_to_its_message_of_its_batch() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, false, "a", now);
    submit(&mut p, false, "b", now);
    let out = sent(&mut p);
    feed(&mut p, now, OFPT_ERROR, out[4].1, &BAD_PREREQ);
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[2].1, &[]);
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[5].1, &[]);
    assert_eq!(done(&mut p), Some(("a", Ok(vec![]))));
    match done(&mut p) {
        Some(("b", Err(OpenFlowError::Rejected { failures }))) => {
            assert!(matches!(
                failures.as_slice(),
                [Failure { index: Some(1), error }] if error.kind == ErrorKind::BadMatch
            ));
        }
        other => panic!("{other:?}"),
    }
    feed(&mut p, now, OFPT_ERROR, 1_000_000, &BAD_PREREQ);
    assert_eq!(done(&mut p), None, "an error of nobody's is passed over");
}

#[test]
fn a_bundle_is_committed_when_all_of_it_was_taken_and_nothing_overtakes_it() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, true, "atomic", now);
    submit(&mut p, false, "after", now);
    let out = sent(&mut p);
    assert_eq!(
        out.iter().map(|m| m.0).collect::<Vec<_>>(),
        [33, 34, 34, 20]
    );
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[3].1, &[]);
    assert_eq!(done(&mut p), None, "not committed yet");
    let out = sent(&mut p);
    assert_eq!(
        out.iter().map(|m| m.0).collect::<Vec<_>>(),
        [33, 20, 14, 14, 20]
    );
    assert_eq!(out[0].2[4..6], [0, 4], "a commit");
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[1].1, &[]);
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[4].1, &[]);
    assert_eq!(done(&mut p), Some(("atomic", Ok(vec![]))));
    assert_eq!(done(&mut p), Some(("after", Ok(vec![]))));
}

#[test]
fn a_bundle_with_a_refused_message_is_discarded() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, true, "atomic", now);
    let out = sent(&mut p);
    feed(&mut p, now, OFPT_ERROR, out[2].1, &BAD_PREREQ);
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[3].1, &[]);
    let out = sent(&mut p);
    assert_eq!(out[0].2[4..6], [0, 6], "a discard");
    feed(&mut p, now, OFPT_BARRIER_REPLY, out[1].1, &[]);
    match done(&mut p) {
        Some(("atomic", Err(OpenFlowError::Rejected { failures }))) => {
            assert_eq!(failures[0].index, Some(1));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bundle_that_gets_no_answer_is_discarded_and_lets_the_others_go_on() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, true, "atomic", now);
    submit(&mut p, false, "after", now);
    sent(&mut p);
    assert_eq!(p.deadline(), now + REQUEST);
    p.tick(now + REQUEST).expect("alive");
    let error = OpenFlowError::TimedOut { after: REQUEST };
    assert_eq!(done(&mut p), Some(("atomic", Err(error))));
    assert_eq!(kinds(&mut p), [33, 20, 14, 14, 20]);
}

#[test]
fn what_is_lost_with_the_connection_may_have_been_done_only_if_it_was_sent_whole() {
    let now = Instant::now();
    let mut p = ready(now);
    submit(&mut p, false, "whole", now);
    p.sent(p.output().len());
    submit(&mut p, false, "half", now);
    p.sent(p.output().len() - 1);
    submit(&mut p, true, "bundle", now);
    submit(&mut p, false, "held", now);
    let mut lost: Vec<_> = p.into_unanswered().collect();
    lost.sort_unstable();
    assert_eq!(
        lost,
        [
            ("bundle", false),
            ("half", false),
            ("held", false),
            ("whole", true)
        ]
    );
}

#[test]
fn a_list_may_come_in_parts_but_not_without_end() {
    let now = Instant::now();
    let mut p = ready(now);
    let list = |p: &mut Machine, token| {
        let request = Request::Multipart {
            kind: Multipart::Flow,
            body: vec![],
        };
        p.request(request, token, now).expect("ready");
        sent(p)[0].1
    };
    let xid = list(&mut p, "short");
    feed(
        &mut p,
        now,
        OFPT_MULTIPART_REPLY,
        xid,
        &[0, 1, 0, 1, 0, 0, 0, 0, 7],
    );
    assert_eq!(done(&mut p), None);
    feed(
        &mut p,
        now,
        OFPT_MULTIPART_REPLY,
        xid,
        &[0, 1, 0, 0, 0, 0, 0, 0, 8],
    );
    let parts = vec![Bytes::from_static(&[7]), Bytes::from_static(&[8])];
    assert_eq!(done(&mut p), Some(("short", Ok(parts))));

    let xid = list(&mut p, "long");
    let part = [vec![0, 1, 0, 1, 0, 0, 0, 0], vec![0; 600]].concat();
    feed(&mut p, now, OFPT_MULTIPART_REPLY, xid, &part);
    feed(&mut p, now, OFPT_MULTIPART_REPLY, xid, &part);
    assert_eq!(
        done(&mut p),
        Some(("long", Err(OpenFlowError::TooLong { limit: 1000 })))
    );

    let xid = list(&mut p, "refused");
    feed(&mut p, now, OFPT_ERROR, xid, &[0, 1, 0, 5]);
    assert!(matches!(
        done(&mut p),
        Some(("refused", Err(OpenFlowError::Rejected { .. })))
    ));
}

#[test]
fn echoes_are_answered_and_silence_is_probed_and_then_ends_the_connection() {
    let now = Instant::now();
    let mut p = ready(now);
    feed(&mut p, now, OFPT_ECHO_REQUEST, 77, b"hi");
    assert_eq!(
        sent(&mut p),
        [(OFPT_ECHO_REPLY, 77, Bytes::from_static(b"hi"))]
    );
    p.tick(now + INTERVAL).expect("a probe");
    assert_eq!(kinds(&mut p), [OFPT_ECHO_REQUEST]);
    assert_eq!(p.tick(now + INTERVAL * 2), Ok(()));
    assert_eq!(p.tick(now + INTERVAL * 3), Err(ProtocolError::Silent));
}

#[test]
fn a_refused_or_incomplete_setting_up_ends_the_connection() {
    let now = Instant::now();
    let mut p = protocol(now);
    let mut bytes = Vec::new();
    message(&mut bytes, OFPT_BARRIER_REPLY, READY_XID, |_| {});
    p.input().extend_from_slice(&bytes);
    assert_eq!(p.received(now), Err(ProtocolError::Incomplete));

    let mut p = protocol(now);
    let mut bytes = Vec::new();
    message(&mut bytes, OFPT_ERROR, 0, |out| {
        out.extend_from_slice(&[0; 4])
    });
    p.input().extend_from_slice(&bytes);
    assert!(matches!(
        p.received(now),
        Err(ProtocolError::NoCommonVersion)
    ));
    assert_eq!(
        protocol(now).tick(now + Duration::from_secs(60)),
        Err(ProtocolError::SetupTimeout)
    );
}

proptest! {
    #[test]
    fn no_bytes_of_the_switch_cause_a_panic(
        frames in prop::collection::vec(
            (any::<u8>(), 0u32..40, prop::collection::vec(any::<u8>(), 0..80)), 0..20),
        atomic: bool,
    ) {
        let now = Instant::now();
        let mut p = ready(now);
        submit(&mut p, atomic, "a", now);
        submit(&mut p, !atomic, "b", now);
        for (kind, xid, body) in frames {
            let mut bytes = Vec::new();
            message(&mut bytes, kind % 36, xid, |out| out.extend_from_slice(&body));
            p.input().extend_from_slice(&bytes);
            if p.received(now).is_err() {
                break;
            }
        }
    }
}

/// The front of a flow monitor's message, and one addition of a flow with this cookie.
fn added(cookie: u64) -> Vec<u8> {
    let mut body = vec![0, 16, 0, 0, 0, 0, 0, 0, 0, 32, 0, 1];
    body.extend_from_slice(&[0; 12]);
    body.extend_from_slice(&cookie.to_be_bytes());
    body.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 0]);
    body
}

#[test]
fn changes_of_flows_that_come_together_are_one_event() {
    let now = Instant::now();
    let mut p = ready(now);
    for cookie in [7, 8] {
        let mut bytes = Vec::new();
        message(&mut bytes, OFPT_MULTIPART_REPLY, 0, |out| {
            out.extend_from_slice(&added(cookie));
        });
        p.input().extend_from_slice(&bytes);
    }
    p.received(now).expect("well-formed");
    assert!(matches!(p.event(), Some(Event::FlowsChanged)));
    assert!(p.event().is_none());
    feed(&mut p, now, OFPT_MULTIPART_REPLY, 0, &added(0x464c << 48));
    assert!(p.event().is_none(), "a learned flow is no news");
}

#[test]
fn a_switch_without_flow_monitors_is_of_use_all_the_same() {
    let now = Instant::now();
    let mut p = protocol(now);
    feed(&mut p, now, OFPT_FEATURES_REPLY, SETUP_XID, &[0; 24]);
    let list = [0, 13, 0, 0, 0, 0, 0, 0];
    feed(&mut p, now, OFPT_MULTIPART_REPLY, PORTS_XID, &list);
    // OFPBRC_BAD_STAT.
    feed(&mut p, now, OFPT_ERROR, MONITOR_XID, &[0, 1, 0, 2]);
    feed(&mut p, now, OFPT_BARRIER_REPLY, READY_XID, &[]);
    let Some(Event::Ready { monitored, .. }) = p.event() else {
        panic!("not ready");
    };
    assert!(!monitored);
}

#[test]
fn the_settings_are_asked_for_and_answered() {
    let now = Instant::now();
    let mut p = ready(now);
    p.request(Request::Config, "config", now).expect("ready");
    let (kind, xid, _) = sent(&mut p).remove(0);
    assert_eq!(kind, 7);
    feed(&mut p, now, OFPT_GET_CONFIG_REPLY, xid, &[0, 1, 0, 128]);
    let (token, parts) = done(&mut p).expect("answered");
    assert_eq!(token, "config");
    assert_eq!(parts.expect("an answer")[0].as_ref(), [0, 1, 0, 128]);
}
