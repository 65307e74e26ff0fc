use super::*;
use proptest::prelude::*;

const INTERVAL: Duration = Duration::from_secs(5);

fn protocol(now: Instant) -> Protocol<&'static str> {
    let setup = Setup {
        database: "db".into(),
        monitor: MonitorSpec::new().table("T", ["name"]),
        limits: Limits::default(),
        setup_timeout: Duration::from_secs(60),
        probe_interval: INTERVAL,
        silence_limit: INTERVAL * 3,
    };
    Protocol::new(setup, now)
}

fn feed(p: &mut Protocol<&'static str>, now: Instant, v: &Value) -> Result<(), ProtocolError> {
    p.input().extend_from_slice(v.to_string().as_bytes());
    p.received(now)
}

/// What was sent, as messages.
fn sent(p: &mut Protocol<&'static str>) -> Vec<Value> {
    let mut framer = JsonFramer::new(Limits::default());
    framer.push(p.output());
    p.sent(p.output().len());
    let mut out = Vec::new();
    while let Some(frame) = framer.next_frame().expect("our own") {
        out.push(serde_json::from_slice(&frame).expect("JSON"));
    }
    out
}

fn schema_reply() -> Value {
    json!({"id": "schema", "error": null, "result": {"name": "db", "tables": {
        "T": {"columns": {"name": {"type": "string"}}}}}})
}

fn ready(now: Instant) -> Protocol<&'static str> {
    let mut p = protocol(now);
    feed(&mut p, now, &schema_reply()).expect("fine");
    feed(
        &mut p,
        now,
        &json!({"id": "monitor", "error": null, "result": {}}),
    )
    .expect("fine");
    assert!(matches!(p.event(), Some(Event::Synced(_))));
    sent(&mut p);
    p
}

const ID: &str = "00000000-0000-0000-0000-000000000001";

#[test]
fn it_asks_for_the_schema_then_the_monitor_then_is_in_sync() {
    let now = Instant::now();
    let mut p = protocol(now);
    assert_eq!(
        sent(&mut p),
        [json!({"method": "get_schema", "params": ["db"], "id": "schema"})]
    );
    assert_eq!(p.transact(1, b"{}", vec![], "early"), Err("early"));
    feed(&mut p, now, &schema_reply()).expect("fine");
    assert_eq!(
        sent(&mut p),
        [json!({"method": "monitor_cond", "id": "monitor",
                "params": ["db", "monitor", {"T": [{"columns": ["name"]}]}]})]
    );
    let first = json!({"T": {ID: {"initial": {"name": "a"}}}});
    feed(
        &mut p,
        now,
        &json!({"id": "monitor", "error": null, "result": first}),
    )
    .expect("fine");
    match p.event() {
        Some(Event::Synced(replica)) => assert_eq!(replica.count("T"), 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_comes_out_before_the_reply_that_follows_it() {
    let now = Instant::now();
    let mut p = ready(now);
    p.transact(7, b"{}", vec![Answer::Count], "mine")
        .expect("ready");
    let update = json!({"method": "update2", "id": null,
                        "params": ["monitor", {"T": {ID: {"insert": {}}}}]});
    let reply = json!({"id": 7, "error": null, "result": [{"count": 1}]});
    p.input()
        .extend_from_slice(format!("{update}{reply}").as_bytes());
    p.received(now).expect("fine");
    assert!(matches!(p.event(), Some(Event::Updated(_))));
    assert!(matches!(
        p.event(),
        Some(Event::Replied {
            token: "mine",
            result: Ok(_)
        })
    ));
    assert!(p.event().is_none());
}

#[test]
fn the_servers_echo_is_answered_and_the_unknown_tolerated() {
    let now = Instant::now();
    let mut p = ready(now);
    feed(
        &mut p,
        now,
        &json!({"method": "echo", "params": ["x"], "id": "echo"}),
    )
    .expect("fine");
    feed(
        &mut p,
        now,
        &json!({"method": "locked", "params": ["l"], "id": null}),
    )
    .expect("fine");
    feed(
        &mut p,
        now,
        &json!({"method": "steal", "params": [], "id": 3}),
    )
    .expect("fine");
    feed(&mut p, now, &json!({"id": 99, "result": [], "error": null})).expect("fine");
    feed(&mut p, now, &json!({})).expect("fine");
    assert_eq!(
        sent(&mut p),
        [
            json!({"id": "echo", "result": ["x"], "error": null}),
            json!({"id": 3, "result": null, "error": "unknown method"}),
        ]
    );
    assert!(p.event().is_none());
}

#[test]
fn silence_is_probed_once_and_then_ends_the_connection() {
    let now = Instant::now();
    let mut p = ready(now);
    p.tick(now + INTERVAL / 2).expect("not yet");
    assert!(p.output().is_empty());
    assert_eq!(p.deadline(), now + INTERVAL);
    p.tick(now + INTERVAL).expect("a probe");
    assert_eq!(sent(&mut p).len(), 1);
    p.tick(now + INTERVAL).expect("one is enough");
    assert!(p.output().is_empty());
    assert_eq!(p.deadline(), now + INTERVAL * 3);
    assert_eq!(p.tick(now + INTERVAL * 2), Ok(()));
    assert_eq!(p.tick(now + INTERVAL * 3), Err(ProtocolError::Silent));
}

#[test]
fn an_answered_probe_starts_the_quiet_time_anew() {
    let now = Instant::now();
    let mut p = ready(now);
    p.tick(now + INTERVAL).expect("a probe");
    let later = now + INTERVAL + Duration::from_secs(1);
    feed(
        &mut p,
        later,
        &json!({"id": "echo", "result": [], "error": null}),
    )
    .expect("fine");
    p.tick(now + INTERVAL * 2).expect("alive");
    assert_eq!(p.deadline(), later + INTERVAL);
}

#[test]
fn setting_up_has_a_time_limit() {
    let now = Instant::now();
    let mut p = protocol(now);
    let end = now + Duration::from_secs(60);
    feed(
        &mut p,
        end,
        &json!({"method": "noise", "params": [], "id": null}),
    )
    .expect("fine");
    assert_eq!(p.tick(end), Err(ProtocolError::SetupTimeout));
}

#[test]
fn only_what_was_sent_whole_may_have_been_done() {
    let now = Instant::now();
    let mut p = ready(now);
    p.transact(1, b"{\"a\":1}", vec![], "whole").expect("ready");
    p.transact(2, b"{\"b\":2}", vec![], "half").expect("ready");
    p.sent(10);
    let mut rest: Vec<_> = p.into_unanswered().collect();
    rest.sort_unstable();
    assert_eq!(rest, [("half", false), ("whole", true)]);
}

#[test]
fn a_cancelled_transaction_is_forgotten() {
    let now = Instant::now();
    let mut p = ready(now);
    p.transact(5, b"{}", vec![], "late").expect("ready");
    sent(&mut p);
    p.cancel(5);
    p.cancel(5);
    assert_eq!(
        sent(&mut p),
        [json!({"method": "cancel", "params": [5], "id": null})]
    );
    feed(&mut p, now, &json!({"id": 5, "result": [], "error": null})).expect("fine");
    assert!(p.event().is_none());
}

proptest! {
    #[test]
    fn no_message_of_the_server_causes_a_panic(
        method in prop_oneof![Just("echo"), Just("update2"), Just("update"), Just("stolen")],
        id in prop_oneof![Just(Value::Null), Just(json!(1)), Just(json!("monitor")),
                          Just(json!("schema")), Just(json!([]))],
        body in prop_oneof![Just(json!([])), Just(json!({})), Just(json!(["monitor", {}])),
                            Just(json!(["monitor", {"T": {ID: {"modify": {"name": 1}}}}])),
                            Just(json!(["monitor", {"T": 1}])), Just(Value::Null)],
        early: bool,
        is_reply: bool,
    ) {
        let now = Instant::now();
        let mut p = if early { protocol(now) } else { ready(now) };
        let message = if is_reply {
            json!({"id": id, "result": body, "error": null})
        } else {
            json!({"method": method, "params": body, "id": id})
        };
        let _ = feed(&mut p, now, &message);
    }
}
