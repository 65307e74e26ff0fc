//! The daemon as a process: its ledger, its plan file, its listeners.

mod kit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use flatnet_client::{Client, ClientError, Session};
use flatnet_types::NodeName;
use flatnet_types::ipamd::{Drain, GrantState, HostRanges, Report, WaitReason};
use kit::{Process, TOKEN, held};

const PLAN: &str = include_str!("data/plan.yaml");

struct Ipamd {
    client: Client,
    _process: Process,
}

fn command(dir: &Path, port: u16) -> Command {
    let mut command = kit::command(Path::new(env!("CARGO_BIN_EXE_ipamd")), dir, port);
    command
        .arg("--token-file")
        .arg(dir.join("token"))
        .args(["--settle", "0"]);
    command
}

fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("plan.yaml"), PLAN).expect("writes");
    fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("writes");
    dir
}

fn client(port: u16, token: Option<&str>) -> Client {
    let endpoint = format!("http://127.0.0.1:{port}").parse();
    Client::new(endpoint.expect("an endpoint"), token.map(str::to_owned))
}

impl Ipamd {
    async fn start(dir: &Path, arguments: &[&str]) -> Self {
        let port = kit::port().expect("a port");
        let process = Process::spawn(command(dir, port).args(arguments)).expect("starts");
        let client = client(port, Some(TOKEN));
        assert!(kit::serves(&client).await, "it does not serve");
        Self {
            client,
            _process: process,
        }
    }

    async fn session(&self) -> Session {
        self.client.connect().await.expect("connects")
    }

    async fn ranges(&self, name: &str) -> HostRanges {
        let (mut session, name) = (self.session().await, host(name));
        let asked = session.ranges(&name, None, Duration::ZERO);
        asked.await.expect("answers")
    }

    /// `GET path`, over a connection of its own.
    async fn get(&self, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let authority = self.client.endpoint().to_string();
        let authority = authority.trim_start_matches("http://").to_owned();
        let mut stream = tokio::net::TcpStream::connect(&authority)
            .await
            .expect("connects");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        answer
    }
}

fn host(name: &str) -> NodeName {
    name.parse().expect("a name")
}

fn prefixes(ranges: &HostRanges) -> Vec<String> {
    ranges.ranges.iter().map(|g| g.prefix.to_string()).collect()
}

fn replace_plan(dir: &Path, from: &str, to: &str) {
    assert!(PLAN.contains(from));
    let fresh: PathBuf = dir.join("plan.new");
    fs::write(&fresh, PLAN.replace(from, to)).expect("writes");
    fs::rename(fresh, dir.join("plan.yaml")).expect("renames");
}

#[tokio::test]
async fn a_ledger_is_created_only_on_request_and_survives_a_kill() {
    let dir = directory();
    let refused = command(dir.path(), kit::port().expect("a port"))
        .output()
        .expect("runs");
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains("ipamd init"),
        "{words}"
    );

    let ipamd = Ipamd::start(dir.path(), &["--init"]).await;
    let first = ipamd.ranges("b").await;
    // The first is excluded, and a's is a's although it has not asked.
    assert_eq!(prefixes(&first), ["10.100.1.0/24"]);
    drop(ipamd);
    let ipamd = Ipamd::start(dir.path(), &[]).await;
    assert_eq!(prefixes(&ipamd.ranges("a").await), ["10.100.16.0/24"]);
    let again = ipamd.ranges("b").await;
    assert_eq!(again.ranges, first.ranges);
    assert_ne!(again.ledger, first.ledger);

    // A lost ledger is not replaced by a new one: its mark is still there.
    drop(ipamd);
    fs::remove_file(dir.path().join("state/ledger.redb")).expect("removes");
    let ipamd = Ipamd::start(dir.path(), &["--init"]).await;
    let waits = ipamd.ranges("a").await;
    assert_eq!(waits.ranges, []);
    assert_eq!(waits.waiting[0].reason, WaitReason::GracePeriod);
    let report = Report {
        held: held(&first, 1, 254),
    };
    let shown = ipamd.session().await.report(&host("b"), &report).await;
    assert_eq!(shown.expect("reports").ranges, first.ranges);
}

#[tokio::test]
async fn a_changed_plan_is_applied_and_an_invalid_one_is_not() {
    let dir = directory();
    let ipamd = Ipamd::start(dir.path(), &["--init"]).await;
    let before = ipamd.ranges("a").await;
    let mut session = ipamd.session().await;

    replace_plan(dir.path(), "10.100.16.0/24", "10.100.16.0/23");
    let name = host("a");
    let watch = session.ranges(&name, Some(&before.revision), Duration::from_secs(20));
    let grown = watch.await.expect("answers");
    assert_eq!(prefixes(&grown), ["10.100.16.0/23"]);

    replace_plan(dir.path(), "10.100.16.0/24", "10.99.0.0/24");
    let begun = Instant::now();
    while !ipamd.get("/v1/plan").await.contains("refused") {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it is not refused"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(prefixes(&ipamd.ranges("a").await), ["10.100.16.0/23"]);
    let metrics = ipamd.get("/metrics").await;
    for line in [
        "flatnet_ipamd_plan_valid 0",
        "flatnet_ipamd_plan_reloads_total{result=\"refused\"} 1",
        "flatnet_ipamd_pool_addresses{network=\"web\",pool=\"10.100.0.0/16\",state=\"owned\"} 512",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    // `/v1/grants` lists what is held; host a is in no vSwitch, so it has no peers.
    let mut session = ipamd.session().await;
    let all = session.grants(None, Duration::ZERO).await.expect("answers");
    let held: Vec<_> = all.ranges.iter().map(|g| g.prefix.to_string()).collect();
    assert_eq!(
        (held.as_slice(), all.in_grace_period),
        (["10.100.16.0/23".to_owned()].as_slice(), false)
    );
    let peers = session.peers(&host("a"), None, Duration::ZERO).await;
    assert_eq!(peers.expect("answers").ranges, []);
    // A start with the wrong plan goes on with the one that was in force.
    drop(ipamd);
    let ipamd = Ipamd::start(dir.path(), &[]).await;
    assert_eq!(prefixes(&ipamd.ranges("a").await), ["10.100.16.0/23"]);
}

#[tokio::test]
async fn the_tcp_listener_requires_the_token_and_errors_say_what_to_do() {
    let dir = directory();
    let ipamd = Ipamd::start(dir.path(), &["--init"]).await;
    let authority = ipamd.client.endpoint().clone();
    for token in [None, Some("0123456789abcdef0123456789abcdee")] {
        let stranger = Client::new(authority.clone(), token.map(str::to_owned));
        let mut session = stranger.connect().await.expect("connects");
        let refused = session.list().await;
        let Err(ClientError::Refused { status: 401, body }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(body.code, "token");
    }
    let mut session = ipamd.session().await;
    let refused = session.ranges(&host("z"), None, Duration::ZERO).await;
    let Err(ClientError::Refused { status: 404, body }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(body.code, "unknownHost");
    assert!(
        body.message.contains("add it to the plan"),
        "{}",
        body.message
    );

    let mine = ipamd.ranges("b").await;
    let drain = Drain {
        host: host("b"),
        prefix: mine.ranges[0].prefix,
        cancel: false,
    };
    let drained = session.drain(&drain).await.expect("drains");
    assert_eq!(drained.ranges[0].state, GrantState::Draining);
    let owner = session
        .owner("10.100.1.7".parse().expect("an address"))
        .await;
    let owner = owner.expect("answers").lease.expect("a lease");
    assert_eq!(owner.lease.host, host("b"));
    assert!(ipamd.get("/healthz").await.starts_with("HTTP/1.1 200"));
}
