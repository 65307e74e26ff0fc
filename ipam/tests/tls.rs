//! ipamd over TLS: authentication, authorization, and the errors of refused callers.

mod kit;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use flatnet_client::{Access, Client, ClientError, Session};
use flatnet_types::NodeName;
use flatnet_types::ipamd::{Drain, Grow, HostRanges, Release, Report};
use kit::certs::{Authority, Pair};
use kit::{Process, TOKEN, held};
use tempfile::TempDir;

const PLAN: &str = include_str!("data/plan.yaml");

/// ipamd with a certificate of an authority, which signs its callers' too.
struct Site {
    dir: TempDir,
    ca: Authority,
    port: u16,
    server: Pair,
    /// None: it has ended.
    daemon: Option<Process>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("plan.yaml"), PLAN).expect("writes");
        std::fs::write(dir.path().join("token"), TOKEN).expect("writes");
        let ca = Authority::new(dir.path(), "ca").expect("an authority");
        let server = ca
            .sign(dir.path(), "server", &["127.0.0.1"])
            .expect("signs");
        Self {
            ca,
            port: kit::port().expect("a port"),
            server,
            daemon: None,
            dir,
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    async fn start(&mut self, more: &[&str]) {
        let program = Path::new(env!("CARGO_BIN_EXE_ipamd"));
        let mut command = kit::command(program, self.path(), self.port);
        let log = std::fs::File::create(self.log()).expect("a log");
        command
            .args(["--init", "--settle", "0", "--tls-client-ca"])
            .arg(&self.ca.file)
            .arg("--tls-cert")
            .arg(&self.server.cert)
            .arg("--tls-key")
            .arg(&self.server.key)
            .args(more)
            .env("RUST_LOG", "debug")
            .stderr(Stdio::from(log));
        self.daemon = Some(Process::spawn(&mut command).expect("starts"));
        let admin = self.caller("admin-first", &["URI:flatnet:admin"]);
        assert!(kit::serves(&admin).await, "it does not serve");
    }

    fn client(&self, access: Access) -> Client {
        let endpoint = format!("https://127.0.0.1:{}", self.port).parse();
        Client::open(endpoint.expect("an endpoint"), access).expect("a client")
    }

    /// A client with a certificate for these names.
    fn caller(&self, file: &str, names: &[&str]) -> Client {
        let own = self.ca.sign(self.path(), file, names).expect("signs");
        self.client(self.ca.access(Some(&own)))
    }
}

fn host(name: &str) -> NodeName {
    name.parse().expect("a name")
}

async fn session(client: &Client) -> Session {
    client.connect().await.expect("connects")
}

async fn ranges(session: &mut Session, name: &str) -> Result<HostRanges, ClientError> {
    session.ranges(&host(name), None, Duration::ZERO).await
}

/// The code of a refusal.
fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::Refused { body, .. }) => body.code,
        other => panic!("{other:?}"),
    }
}

/// The error of a caller that TLS refuses, at its handshake or at its first request.
async fn handshake_error(client: &Client) -> String {
    let mut session = match client.connect().await {
        Ok(session) => session,
        Err(e @ ClientError::Connect { .. }) => return e.to_string(),
        Err(e) => panic!("{e:?}"),
    };
    match session.list().await {
        Err(e @ ClientError::Broken(_)) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_manages_its_own_ranges_a_reader_reads_and_an_admin_releases() {
    let mut site = Site::new();
    site.start(&[]).await;
    let node = site.caller("b", &["b"]);
    let mut node = session(&node).await;
    let mine = ranges(&mut node, "b").await.expect("its own");
    let prefix = mine.ranges[0].prefix;
    let report = Report {
        held: held(&mine, 3, 254),
    };
    node.report(&host("b"), &report).await.expect("its own");
    node.peers(&host("b"), None, Duration::ZERO)
        .await
        .expect("its own");

    // Another's, and everybody's.
    assert_eq!(code(ranges(&mut node, "a").await), "notYours");
    assert_eq!(code(node.report(&host("a"), &report).await), "notYours");
    assert_eq!(
        code(node.peers(&host("a"), None, Duration::ZERO).await),
        "notYours"
    );
    assert_eq!(code(node.list().await), "notReader");
    assert_eq!(code(node.grants(None, Duration::ZERO).await), "notReader");
    let drain = Drain {
        host: host("b"),
        prefix,
        cancel: false,
    };
    assert_eq!(code(node.drain(&drain).await), "notAdmin");
    let grow = Grow {
        host: host("b"),
        network: "web".parse().expect("a name"),
    };
    assert_eq!(code(node.grow(&grow).await), "notAdmin");
    let mut release = Release {
        host: host("b"),
        prefix,
        lease: None,
        force: true,
    };
    assert_eq!(code(node.release(&release).await), "notAdmin");
    release.force = false;
    release.host = host("a");
    assert_eq!(code(node.release(&release).await), "notYours");

    let reader = site.caller("reader", &["URI:flatnet:reader"]);
    let mut reader = session(&reader).await;
    assert_eq!(reader.list().await.expect("reads").ranges.len(), 1);
    assert_eq!(
        reader
            .grants(None, Duration::ZERO)
            .await
            .expect("reads")
            .ranges
            .len(),
        1
    );
    assert_eq!(code(ranges(&mut reader, "b").await), "notYours");
    assert_eq!(code(reader.drain(&drain).await), "notAdmin");

    let admin = site.caller("admin", &["URI:flatnet:admin"]);
    let mut admin = session(&admin).await;
    admin.drain(&drain).await.expect("an admin drains");
    // It is in use: an admin gets the error too. The node releases its own range.
    release.host = host("b");
    assert_eq!(code(admin.release(&release).await), "inUse");
    let report = Report {
        held: held(&mine, 0, 254),
    };
    node.report(&host("b"), &report).await.expect("its own");
    node.release(&release).await.expect("its own");

    let by_uri = site.caller("uri", &["URI:flatnet:node:a"]);
    ranges(&mut session(&by_uri).await, "a")
        .await
        .expect("its own");
    let nobody = site.caller("nobody", &["URI:https://a.example"]);
    assert_eq!(
        code(ranges(&mut session(&nobody).await, "a").await),
        "nobody"
    );
}

#[tokio::test]
async fn a_wrong_authority_an_expired_certificate_and_none_are_refused() {
    let mut site = Site::new();
    site.start(&[]).await;
    let stranger = Authority::new(site.path(), "stranger").expect("an authority");
    let names = ["URI:flatnet:admin"];
    let foreign = stranger
        .sign(site.path(), "foreign", &names)
        .expect("signs");
    let error = handshake_error(&site.client(site.ca.access(Some(&foreign)))).await;
    assert!(error.contains("UnknownCA"), "{error}");
    let old = site.ca.sign_until(site.path(), "old", &names, 2001);
    let old = old.expect("signs");
    let error = handshake_error(&site.client(site.ca.access(Some(&old)))).await;
    assert!(error.contains("CertificateExpired"), "{error}");
    let error = handshake_error(&site.client(site.ca.access(None))).await;
    assert!(error.contains("CertificateRequired"), "{error}");
    // The caller verifies too: it does not trust the authority of ipamd's certificate.
    let error = handshake_error(&site.client(stranger.access(Some(&foreign)))).await;
    assert!(error.contains("UnknownIssuer"), "{error}");

    let log = std::fs::read_to_string(site.log()).expect("a log");
    assert!(log.contains("no TLS with this caller"), "{log}");
    for file in ["server.key", "foreign.key", "old.key"] {
        let key = std::fs::read_to_string(site.path().join(file)).expect("a key");
        let secret = key.lines().nth(1).expect("its first line");
        assert!(!log.contains(secret), "{file} is in the log");
    }
}

#[tokio::test]
async fn the_token_authenticates_callers_without_a_certificate_only() {
    let mut site = Site::new();
    let file = site.path().join("token");
    site.start(&["--token-file", file.to_str().expect("text")])
        .await;
    let mut access = site.ca.access(None);
    let without = site.client(access.clone());
    assert_eq!(code(session(&without).await.list().await), "token");
    access.token_file = Some(file.clone());
    let with = site.client(access);
    session(&with).await.list().await.expect("the token admits");
    let own = site.ca.sign(site.path(), "b", &["b"]).expect("signs");
    let mut both = site.ca.access(Some(&own));
    both.token_file = Some(file);
    let both = site.client(both);
    assert_eq!(code(session(&both).await.list().await), "notReader");
    let log = std::fs::read_to_string(site.log()).expect("a log");
    assert!(!log.contains(TOKEN), "the token is in the log");
}

#[tokio::test]
async fn certificates_are_read_again_and_damaged_ones_leave_the_old_in_force() {
    let mut site = Site::new();
    site.start(&[]).await;
    let (old, file) = (site.caller("b", &["b"]), site.ca.file.clone());
    ranges(&mut session(&old).await, "b").await.expect("serves");

    // A key that is not the certificate's.
    let good = std::fs::read(&site.server.key).expect("reads");
    std::fs::write(&site.server.key, "no key\n").expect("writes");
    let log = || std::fs::read_to_string(site.log()).expect("a log");
    let begun = Instant::now();
    while !log().contains("the changed certificates are refused") {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ranges(&mut session(&old).await, "b").await.expect("serves");
    std::fs::write(&site.server.key, good).expect("writes");

    // Another authority for both ends: the old callers are kept out, the new are let in.
    let ca = Authority::new(site.path(), "ca").expect("an authority");
    assert_eq!(ca.file, file);
    ca.sign(site.path(), "server", &["127.0.0.1"])
        .expect("signs");
    let admin = ca.sign(site.path(), "new", &["URI:flatnet:admin"]);
    let admin = site.client(ca.access(Some(&admin.expect("signs"))));
    let begun = Instant::now();
    loop {
        if let Ok(mut session) = admin.connect().await
            && session.list().await.is_ok()
        {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The same client object has read the new authority, and brings the old certificate.
    handshake_error(&old).await;
    ca.sign(site.path(), "b", &["b"]).expect("signs");
    ranges(&mut session(&old).await, "b")
        .await
        .expect("a renewed certificate is brought without a restart");
}

#[test]
fn a_listener_without_authentication_is_not_opened() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("plan.yaml"), PLAN).expect("writes");
    std::fs::write(dir.path().join("token"), TOKEN).expect("writes");
    let token = dir.path().join("token").display().to_string();
    let refused = |arguments: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_ipamd"))
            .args(["run", "--init", "--plan"])
            .arg(dir.path().join("plan.yaml"))
            .arg("--state")
            .arg(dir.path().join("state"))
            .arg("--socket")
            .arg(dir.path().join("ipamd.sock"))
            .args(arguments)
            .output()
            .expect("runs");
        assert!(!out.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let error = refused(&["--listen", "127.0.0.1:0"]);
    assert!(error.contains("would serve anybody"), "{error}");
    let error = refused(&["--listen", "0.0.0.0:0", "--token-file", &token]);
    assert!(error.contains("--insecure-plain"), "{error}");
    let error = refused(&["--listen", "127.0.0.1:0", "--tls-client-ca", &token]);
    assert!(error.contains("--tls-cert"), "{error}");
}
