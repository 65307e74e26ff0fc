//! The database session against a real server, and against hostile ones.

mod common;

use std::time::{Duration, Instant};

use common::{Ovs, WAIT, wanted};
use flatnet_ovs::ovsdb::{
    Atom, ChangeKind, Condition, Datum, MonitorSpec, Op, OpErrorKind, Row, Session, SessionConfig,
    SessionError, TransactError, Uuid,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Adds a bridge to the configuration, as a database without a switch lets one.
fn add_bridge(name: &str) -> Vec<Op> {
    vec![
        Op::insert("Bridge", Row::new().with("name", name))
            .named("br")
            .into(),
        Op::mutate("Open_vSwitch")
            .insert("bridges", Atom::named("br"))
            .into(),
    ]
}

fn bridges(session: &Session) -> Vec<String> {
    session.read(|r| {
        let mut names: Vec<String> = r
            .rows("Bridge")
            .filter_map(|(_, row)| row.str("name").map(str::to_owned))
            .collect();
        names.sort();
        names
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replica_shows_a_transaction_when_it_has_returned() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::database();
    let session = ovs.session();
    session.ready(WAIT).await.expect("ready");
    let mut changes = session.changes();
    for n in 0..50 {
        let results = session
            .transact(&add_bridge(&format!("b{n}")))
            .await
            .expect("done");
        let uuid = results[0].uuid().expect("inserted");
        assert_eq!(results[1].count(), 1);
        session.read(|r| {
            assert_eq!(
                r.row("Bridge", uuid).and_then(|row| row.str("name")),
                Some(&*format!("b{n}"))
            );
            let (_, root) = r.rows("Open_vSwitch").next().expect("one row");
            assert_eq!(
                root.uuids("bridges").count(),
                n + 1,
                "a set grows by its difference"
            );
        });
    }
    let change = changes.recv().await.expect("a change");
    assert!(
        change
            .rows
            .iter()
            .any(|c| c.table == "Bridge" && c.kind == ChangeKind::Inserted)
    );

    session
        .transact(&[
            Op::delete("Bridge")
                .only(Condition::eq("name", "b1"))
                .into(),
            Op::update(
                "Bridge",
                Row::new().with("external_ids", Datum::map([("owner", "x")])),
            )
            .only(Condition::eq("name", "b2"))
            .into(),
        ])
        .await
        .expect_err("a bridge that is referred to cannot be deleted");
    let b1 = session
        .read(|r| r.find("Bridge", "name", "b1").map(|(id, _)| id))
        .expect("there");
    session
        .transact(&[
            Op::mutate("Open_vSwitch").delete("bridges", b1).into(),
            Op::update(
                "Bridge",
                Row::new().with("external_ids", Datum::map([("owner", "x")])),
            )
            .only(Condition::eq("name", "b2"))
            .into(),
        ])
        .await
        .expect("done");
    session.read(|r| {
        assert!(r.row("Bridge", b1).is_none(), "garbage is collected");
        let (_, b2) = r.find("Bridge", "name", "b2").expect("there");
        assert_eq!(b2.map_get("external_ids", "owner"), Some("x"));
    });
}

#[tokio::test]
async fn every_operation_and_its_failure_are_told() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::database();
    let session = ovs.session();
    session.ready(WAIT).await.expect("ready");
    session.transact(&add_bridge("b0")).await.expect("done");

    let rows = session
        .transact(&[Op::select("Bridge").columns(["name", "_uuid"]).into()])
        .await
        .expect("done");
    assert_eq!(rows[0].rows()[0].str("name"), Some("b0"));
    assert!(rows[0].rows()[0].uuid("_uuid").is_some());

    let guard = |name: &'static str| {
        Op::wait("Bridge")
            .only(Condition::eq("name", "b0"))
            .columns(["name"])
            .until_eq([Row::new().with("name", name)])
            .timeout(Duration::ZERO)
            .into()
    };
    let done = session
        .transact(&[guard("b0"), Op::comment("a test"), Op::commit(true)])
        .await
        .expect("the guard holds");
    assert_eq!(done.len(), 3);

    let failed = |ops: Vec<Op>| {
        let session = session.clone();
        async move {
            match session.transact(&ops).await {
                Err(TransactError::Op { op_index, error }) => (op_index, error.kind),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(
        failed(vec![Op::comment("x"), guard("b1")]).await,
        (1, OpErrorKind::TimedOut)
    );
    assert_eq!(failed(vec![Op::abort()]).await, (0, OpErrorKind::Aborted));
    assert_eq!(
        failed(vec![Op::assert("nobodys_lock")]).await,
        (0, OpErrorKind::NotOwner)
    );
    let unknown = Op::insert("Nonsense", Row::new()).into();
    assert_eq!(failed(vec![unknown]).await.0, 0);
    let vlan = Op::insert("Port", Row::new().with("name", "p").with("tag", 5000)).into();
    assert_eq!(failed(vec![vlan]).await, (0, OpErrorKind::Constraint));

    // A bridge without a port or an owner passes, and vanishes; a port without an interface
    // breaks the schema at the commit only.
    let lonely = Op::mutate("Bridge")
        .insert("ports", Uuid::from_u128(5))
        .into();
    match session.transact(&[lonely]).await {
        Err(TransactError::Commit { error }) => {
            assert_eq!(error.kind, OpErrorKind::ReferentialIntegrity);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bridges(&session), ["b0"]);
}

#[tokio::test]
async fn a_transaction_that_waits_is_cancelled_after_its_time() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::database();
    let session = ovs.session();
    session.ready(WAIT).await.expect("ready");
    let never = Op::wait("Bridge").columns(["name"]).until_ne([]);
    let ops = [never.into(), Op::comment("never")];
    let result = session
        .transact_within(&ops, Duration::from_millis(50))
        .await;
    assert!(
        matches!(result, Err(TransactError::TimedOut { .. })),
        "{result:?}"
    );
    session
        .transact(&[Op::comment("alive")])
        .await
        .expect("the session goes on");
}

#[tokio::test]
async fn a_restarted_server_is_found_again_and_the_replica_made_anew() {
    if !wanted() {
        return;
    }
    let ovs = Ovs::database();
    let session = ovs.session();
    session.ready(WAIT).await.expect("ready");
    session.transact(&add_bridge("before")).await.expect("done");
    let mut state = session.state();
    state.mark_unchanged();

    let parked = session.transact_later(
        &[Op::wait("Bridge").columns(["name"]).until_eq([]).into()],
        WAIT,
    );
    session
        .transact(&[Op::comment("the one before it was sent")])
        .await
        .expect("done");
    ovs.stop_database();
    let lost = parked.await.expect_err("the server is gone");
    assert_eq!(
        lost,
        TransactError::Disconnected {
            maybe_applied: true
        }
    );
    assert!(lost.is_retryable());
    state.changed().await.expect("told");
    assert!(!session.read(|r| r.synced()));
    assert_eq!(bridges(&session), ["before"], "the old copy stays readable");
    assert_eq!(
        session.transact(&[Op::comment("x")]).await,
        Err(TransactError::Disconnected {
            maybe_applied: false
        })
    );
    match session.ready(Duration::from_millis(50)).await {
        Err(SessionError::TimedOut { cause: Some(_), .. }) => {}
        other => panic!("{other:?}"),
    }

    // While nobody looks, the configuration changes.
    let file = ovs.file("conf.db");
    let change = r#"["Open_vSwitch",{"op":"insert","table":"Bridge","row":{"name":"meanwhile"},"uuid-name":"b"},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["named-uuid","b"]]]}]"#;
    common::run("ovsdb-tool", &["transact", &file, change]);
    let began = Instant::now();
    ovs.start_database();
    session
        .wait_for(WAIT, |r| (r.count("Bridge") == 2).then_some(()))
        .await
        .expect("in sync again");
    eprintln!(
        "the server's start and the resync took {:?}",
        began.elapsed()
    );
    assert_eq!(bridges(&session), ["before", "meanwhile"]);
    assert_eq!(session.reconnects(), 1);
    session.ready(WAIT).await.expect("ready");
    session.transact(&add_bridge("after")).await.expect("done");
}

/// A server that first plays its part, and then does as it is told.
async fn hostile(socket: &std::path::Path, after: &'static [u8], chunk: usize) -> UnixListener {
    let listener = UnixListener::bind(socket).expect("bound");
    let again = UnixListener::bind(socket.with_extension("unused")).expect("bound");
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(play(stream, after, chunk));
        }
    });
    again
}

async fn play(mut stream: UnixStream, after: &'static [u8], chunk: usize) {
    const SCHEMA: &[u8] = br#"{"id":"schema","error":null,"result":{"name":"db","tables":{"T":{"columns":{"n":{"type":"string"}}}}}}"#;
    const MONITOR: &[u8] = br#"{"id":"monitor","error":null,"result":{"T":{"00000000-0000-0000-0000-000000000001":{"initial":{"n":"a\"}{"}}}}}"#;
    let mut buffer = [0; 4096];
    let script = [SCHEMA, MONITOR, after].concat();
    // Whatever is asked first: the script does not depend on it.
    let _ = stream.read(&mut buffer).await;
    for piece in script.chunks(chunk) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

fn against(socket: &std::path::Path) -> Session {
    let mut config = SessionConfig::new(socket, MonitorSpec::new().table("T", ["n"]));
    config.limits.message_bytes = 1000;
    Session::start(config)
}

#[tokio::test]
async fn a_server_that_sends_byte_by_byte_is_understood() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("db.sock");
    let update = br#" {"method":"update2","id":null,"params":["monitor",{"T":{"00000000-0000-0000-0000-000000000001":{"modify":{"n":"b"}}}}]}"#;
    let _other = hostile(&socket, update, 1).await;
    let session = against(&socket);
    session
        .wait_for(WAIT, |r| r.find("T", "n", "b").map(|_| ()))
        .await
        .expect("the update came through");
    assert_eq!(session.reconnects(), 0);
}

#[tokio::test]
async fn garbage_ends_the_connection_and_another_is_made() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request"[..],
        b"{]",
        b"{\"a\":tru}",
        b"{\"method\":\"update2\",\"params\":[\"monitor\",{\"U\":{}}],\"id\":null}",
        &[b'{'; 100],
        &[b' '; 100],
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("db.sock");
        let _other = hostile(&socket, garbage, 7).await;
        let session = against(&socket);
        if garbage[0] == b' ' {
            session
                .ready(WAIT)
                .await
                .expect("white space is no garbage");
            continue;
        }
        // The state may pass through `Ready` faster than one can see; the counter does not.
        let end = Instant::now() + WAIT;
        while session.reconnects() == 0 {
            let garbage = String::from_utf8_lossy(garbage);
            assert!(Instant::now() < end, "{garbage:?} was taken");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(session.read(|r| r.find("T", "n", "a\"}{").is_some()));
    }
}

#[tokio::test]
async fn the_task_ends_with_its_last_handle() {
    let dir = tempfile::tempdir().expect("a directory");
    let socket = dir.path().join("db.sock");
    let _other = hostile(&socket, b"", 4096).await;
    let session = against(&socket);
    session.ready(WAIT).await.expect("ready");
    let mut state = session.state();
    let later = session.transact_later(&[Op::comment("x")], WAIT);
    drop(session);
    assert!(later.await.is_err());
    while state.changed().await.is_ok() {}
}
