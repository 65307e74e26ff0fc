//! ipamd with hostile callers and broken files, in the clear and by TLS: each is refused with
//! an error, other callers are not delayed, no secret is logged, and the ledger is never replaced.

mod kit;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_client::{Access, Client};
use kit::certs::Authority;
use kit::{Process, TOKEN};
use tempfile::TempDir;

const PLAN: &str = include_str!("data/plan.yaml");
/// Upper bound, on a busy machine, of what should be immediate.
const SOON: Duration = Duration::from_secs(20);

/// An ipamd that logs everything, in the clear or by TLS, and lets in who has the token.
struct Site {
    dir: TempDir,
    port: u16,
    ca: Option<Authority>,
    _daemon: Process,
}

fn directory() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("plan.yaml"), PLAN).expect("writes");
    fs::write(dir.path().join("token"), format!("{TOKEN}\n")).expect("writes");
    dir
}

fn command(dir: &Path, port: u16) -> Command {
    let mut command = kit::command(Path::new(env!("CARGO_BIN_EXE_ipamd")), dir, port);
    command
        .arg("--token-file")
        .arg(dir.join("token"))
        .args(["--settle", "0"]);
    command
}

impl Site {
    async fn start(tls: bool) -> Self {
        let dir = directory();
        let port = kit::port().expect("a port");
        let log = fs::File::create(dir.path().join("log")).expect("a log");
        let mut command = command(dir.path(), port);
        command
            .arg("--init")
            .env("RUST_LOG", "trace")
            .stderr(Stdio::from(log));
        let ca = tls.then(|| Authority::new(dir.path(), "ca").expect("an authority"));
        if let Some(ca) = &ca {
            let own = ca.sign(dir.path(), "own", &["127.0.0.1"]).expect("signs");
            command.arg("--tls-cert").arg(own.cert);
            command.arg("--tls-key").arg(own.key);
            command.arg("--tls-client-ca").arg(&ca.file);
        }
        let daemon = Process::spawn(&mut command).expect("starts");
        let site = Self {
            dir,
            port,
            ca,
            _daemon: daemon,
        };
        assert!(kit::serves(&site.client()).await, "it does not serve");
        site
    }

    fn client(&self) -> Client {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://127.0.0.1:{}", self.port).parse();
        let access = Access {
            token_file: Some(self.dir.path().join("token")),
            ca: self.ca.as_ref().map(|ca| ca.file.clone()),
            cert: None,
            key: None,
        };
        Client::open(endpoint.expect("an endpoint"), access).expect("a client")
    }

    /// A connection on which HTTP is spoken.
    fn connect(&self) -> Box<dyn Both> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connects");
        stream.set_read_timeout(Some(SOON)).expect("a time limit");
        stream.set_write_timeout(Some(SOON)).expect("a time limit");
        let Some(ca) = &self.ca else {
            return Box::new(stream);
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(flatnet_tls::roots(&ca.file).expect("an authority"))
            .with_no_client_auth();
        let name = "127.0.0.1".try_into().expect("a name");
        let session = rustls::ClientConnection::new(Arc::new(config), name).expect("a session");
        Box::new(rustls::StreamOwned::new(session, stream))
    }

    /// Sends bytes and returns the answer until the end of the connection.
    fn exchange(&self, bytes: &[u8]) -> String {
        exchange(&mut *self.connect(), bytes)
    }

    fn asking(&self, authorization: &str) -> String {
        let request = format!(
            "GET /v1/ranges HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n"
        );
        self.exchange(request.as_bytes())
    }

    /// Fails where the token is in the log or in a file that ipamd wrote.
    fn nothing_secret_was_written(&self) {
        let log = fs::read(self.dir.path().join("log")).expect("a log");
        let text = String::from_utf8_lossy(&log);
        assert!(text.contains("serving"), "nothing was logged: {text}");
        for part in [TOKEN, &TOKEN[..20]] {
            let line = text.lines().find(|line| line.contains(part));
            assert_eq!(line, None, "the token is in the log");
        }
    }
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

fn exchange(stream: &mut dyn Both, bytes: &[u8]) -> String {
    // The server may end the connection before it has read all.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

async fn tokens_and_requests(tls: bool) {
    let site = Site::start(tls).await;
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let right = bearer(TOKEN);
    assert!(site.asking(&right).starts_with("HTTP/1.1 200 "));
    let other = TOKEN.replace('0', "1");
    for (what, wrong) in [
        ("none", String::new()),
        ("an empty one", bearer("")),
        ("another", bearer(&other)),
        ("its beginning", bearer(&TOKEN[..TOKEN.len() - 1])),
        ("its end", bearer(&TOKEN[1..])),
        ("more than it", bearer(&format!("{TOKEN}0"))),
        ("it twice in one line", bearer(&format!("{TOKEN} {TOKEN}"))),
        ("in capitals", bearer(&TOKEN.to_uppercase())),
        ("bytes", bearer("\u{ff}\u{fe}")),
        ("of another scheme", right.replace("Bearer", "Basic")),
        ("two lines of it", format!("{right}{right}")),
        (
            "with another after it",
            format!("{right}{}", bearer(&other)),
        ),
        ("after another", format!("{}{right}", bearer(&other))),
        ("long", bearer(&TOKEN.repeat(1000))),
    ] {
        let answer = site.asking(&wrong);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{what}: {answer}");
        assert!(answer.contains("--token-file"), "{what}: {answer}");
        assert!(!answer.contains(&TOKEN[..20]), "{what}: {answer}");
    }
    let long = "x".repeat(1 << 20);
    let post = |head: &str, body: &str| {
        format!(
            "POST /v1/hosts/a/use HTTP/1.1\r\nHost: x\r\n{right}Connection: close\r\n{head}\r\n\r\n{body}"
        )
    };
    let of = |body: &str| post(&format!("Content-Length: {}", body.len()), body);
    let deep = format!("{{\"held\": {}", "[".repeat(100_000));
    for (what, status, request) in [
        (
            "a head of 1 MiB",
            431,
            format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"),
        ),
        (
            "a path of 1 MiB",
            431,
            format!("GET /{long} HTTP/1.1\r\n\r\n"),
        ),
        ("a gigabyte", 413, post("Content-Length: 1073741824", "{")),
        (
            "a gigabyte of a stranger",
            401,
            post("Content-Length: 1073741824", "{").replace(&right, ""),
        ),
        (
            "two lengths",
            400,
            post("Content-Length: 5\r\nContent-Length: 6", "{}"),
        ),
        ("half a document", 400, of("{\"held\": [")),
        ("deep nesting", 400, of(&deep)),
        ("a huge number", 400, of("{\"held\": [{\"used\": 1e999}]}")),
        ("NULs", 400, of("\0\0\0")),
        ("another type", 400, of("[]")),
        (
            "a name that is none",
            400,
            of("{}").replace("/a/", "/..%2f..%2fa/"),
        ),
        (
            "an endless wait",
            400,
            format!(
                "GET /v1/hosts/a/ranges?after=1&wait=1e400 HTTP/1.1\r\nHost: x\r\n{right}Connection: close\r\n\r\n"
            ),
        ),
    ] {
        let answer = site.exchange(request.as_bytes());
        let expected = format!("HTTP/1.1 {status} ");
        let start: String = answer.chars().take(300).collect();
        assert!(answer.starts_with(&expected), "{what}: {start}");
        assert!(answer.len() < 2000, "{what}: {start}");
    }
    assert!(site.asking(&right).starts_with("HTTP/1.1 200 "));
    site.nothing_secret_was_written();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_and_requests_are_refused_in_the_clear() {
    tokens_and_requests(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_tokens_and_requests_are_refused_by_tls() {
    tokens_and_requests(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_speaks_the_other_protocol_is_let_go_and_others_are_served() {
    const CLIENT_HELLO: &[u8] =
        b"\x16\x03\x01\x00\x20\x01\x00\x00\x1c\x03\x03xxxxxxxxxxxxxxxxxxxxxxxx";
    let (plain, tls) = (Site::start(false).await, Site::start(true).await);
    let clear = |site: &Site, bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).expect("connects");
        stream.set_read_timeout(Some(SOON)).expect("a time limit");
        exchange(&mut stream, bytes)
    };
    let answer = clear(&tls, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!answer.contains("HTTP/1.1 2"), "{answer:?}");
    let answer = clear(&plain, CLIENT_HELLO);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
        "{answer:?}"
    );
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    for site in [&plain, &tls] {
        assert!(site.asking(&right).starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_that_say_nothing_are_bounded_and_root_is_served_meanwhile() {
    const FILES: u64 = 512;
    const CALLERS: usize = 2000;
    let dir = directory();
    let port = kit::port().expect("a port");
    let program = env!("CARGO_BIN_EXE_ipamd");
    let mut limited = Command::new("prlimit");
    limited
        .arg(format!("--nofile={FILES}:{FILES}"))
        .arg(program);
    let whole = command(dir.path(), port);
    limited.args(whole.get_args()).arg("--init");
    let log = fs::File::create(dir.path().join("log")).expect("a log");
    limited.env("RUST_LOG", "info").stderr(Stdio::from(log));
    let _daemon = Process::spawn(&mut limited).expect("starts");
    let endpoint = format!("http://127.0.0.1:{port}").parse();
    let client = Client::new(endpoint.expect("an endpoint"), Some(TOKEN.to_owned()));
    assert!(kit::serves(&client).await, "it does not serve");

    nix::sys::resource::setrlimit(
        nix::sys::resource::Resource::RLIMIT_NOFILE,
        4096,
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
            .expect("a limit")
            .1,
    )
    .expect("more files");
    let idle: Vec<TcpStream> = (0..CALLERS)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("queued or served"))
        .collect();
    let log = || fs::read_to_string(dir.path().join("log")).expect("a log");
    let begun = Instant::now();
    while !log().contains("as many connections as are served") {
        assert!(begun.elapsed() < SOON, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Root's socket has places of its own, and the ledger takes writes.
    let mut root = UnixStream::connect(dir.path().join("ipamd.sock")).expect("connects");
    root.set_read_timeout(Some(SOON)).expect("a time limit");
    let asked = b"GET /v1/hosts/b/ranges HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(&mut root, asked);
    assert!(answer.contains("10.100.1.0/24"), "{answer}");
    assert!(!log().contains("Too many open files"), "{}", log());
    drop(idle);
    let mut session = client.connect().await.expect("connects");
    session.list().await.expect("others are served again");
}

/// The error of a start that fails.
fn refusal(command: &mut Command) -> String {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let begun = Instant::now();
    while child.try_wait().expect("waits").is_none() {
        if begun.elapsed() > SOON {
            child.kill().expect("kills");
            child.wait().expect("ends");
            panic!("it neither serves nor ends");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = child.wait_with_output().expect("output");
    assert!(!ended.status.success());
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

#[test]
fn a_plan_that_is_no_readable_file_is_refused_at_once() {
    use nix::sys::stat::Mode;
    let dir = directory();
    let plan = dir.path().join("plan.yaml");
    let (long, latin) = (dir.path().join("long"), dir.path().join("latin"));
    let file = fs::File::create(&long).expect("made");
    file.set_len(100 << 20).expect("sparse");
    fs::write(&latin, b"apiVersion: \xff\n").expect("writes");
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    for (target, words) in [
        (long.as_path(), "104857600 bytes; at most 67108864"),
        (&latin, "not UTF-8: byte 13 in line 1"),
        (&fifo, "it is a FIFO"),
        (dir.path(), "it is a directory"),
        (Path::new("/dev/zero"), "it is a device"),
        (Path::new("/nowhere/plan"), "symbolic link to /nowhere/plan"),
    ] {
        fs::remove_file(&plan).expect("removed");
        symlink(target, &plan).expect("links");
        let error = refusal(command(dir.path(), kit::port().expect("a port")).arg("--init"));
        assert!(
            error.contains(words) && error.contains("plan.yaml"),
            "{error}"
        );
    }
}

#[test]
fn a_token_or_a_ledger_that_is_none_is_refused_and_left_alone() {
    let dir = directory();
    let at = |name: &str| dir.path().join(name);
    let start = || refusal(command(dir.path(), kit::port().expect("a port")).arg("--init"));
    fs::write(at("token"), format!("{TOKEN}\n{TOKEN}\n")).expect("writes");
    let error = start();
    assert!(
        error.contains("openssl rand") && !error.contains(&TOKEN[..20]),
        "{error}"
    );
    fs::remove_file(at("token")).expect("removed");
    symlink("/dev/zero", at("token")).expect("links");
    assert!(start().contains("it is a device"));
    fs::remove_file(at("token")).expect("removed");
    fs::write(at("token"), TOKEN).expect("writes");

    let ledger: PathBuf = at("state/ledger.redb");
    fs::remove_dir_all(at("state")).expect("what the starts made");
    fs::create_dir(at("state")).expect("made");
    symlink("/mnt/not-mounted/ledger.redb", &ledger).expect("links");
    let error = start();
    assert!(
        error.contains("symbolic link to /mnt/not-mounted"),
        "{error}"
    );
    assert!(fs::symlink_metadata(&ledger).expect("there").is_symlink());
    fs::remove_file(&ledger).expect("removed");
    fs::create_dir(&ledger).expect("made");
    assert!(start().contains("it is a directory"));
    fs::remove_dir(&ledger).expect("removed");
    for content in ["", "not a database"] {
        fs::write(&ledger, content).expect("writes");
        let error = start();
        assert!(error.contains("ledger.redb is damaged"), "{error}");
        assert_eq!(fs::read_to_string(&ledger).expect("there"), content);
    }
    // A socket's name that something else has.
    fs::remove_file(&ledger).expect("removed");
    fs::remove_file(at("ipamd.sock")).expect("what a start left");
    fs::write(at("ipamd.sock"), "somebody's").expect("writes");
    let error = start();
    assert!(
        error.contains("ipamd.sock: a file has that name"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(at("ipamd.sock")).expect("kept"),
        "somebody's"
    );
}
