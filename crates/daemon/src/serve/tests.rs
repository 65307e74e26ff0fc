use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant as Clock;

use super::*;

/// The most bytes of a body.
const LIMIT: usize = 1000;
/// Capacity of the pipe, in bytes.
const PIPE: usize = 1 << 16;

/// Connections that a test makes.
struct Pipes(mpsc::Receiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether it may be here.
#[derive(Debug, Clone, Copy)]
struct Known(bool);

impl Caller for Known {
    fn is_unauthorized(&self) -> bool {
        !self.0
    }
}

async fn bounded(request: Request, next: Next) -> Response {
    match read_body(request, LIMIT).await {
        Ok(request) => next.run(request).await,
        Err(e) => (e.status(), e.to_string()).into_response(),
    }
}

/// A server, and the way to it.
struct Server {
    connect: mpsc::Sender<DuplexStream>,
    stop: tokio::sync::oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Server {
    fn start(connections: usize, known: bool) -> Self {
        let router = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/", post(|body: String| async move { body }))
            .route("/large", get(|| async { "x".repeat(100 * PIPE) }))
            .layer(from_fn(bounded));
        let (connect, pipes) = mpsc::channel(1000);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = serve(
            Pipes(pipes),
            move |_, ()| Known(known),
            router,
            Limits { connections },
            async {
                // A sender that was dropped stops it too.
                let _ = stopped.await;
            },
        );
        Self {
            connect,
            stop,
            ended: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> DuplexStream {
        let (mine, theirs) = duplex(PIPE);
        self.connect.send(theirs).await.expect("it accepts");
        mine
    }

    /// Sends `text` and reads until the server ends the connection.
    async fn exchange(&self, text: &str) -> String {
        let mut pipe = self.connect().await;
        // The server may end it before it has read all.
        let _ = pipe.write_all(text.as_bytes()).await;
        read_to_end(&mut pipe).await
    }
}

async fn read_to_end(pipe: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    // What was read until an error is what the server said.
    let _ = pipe.read_to_end(&mut text).await;
    String::from_utf8(text).expect("text")
}

const WHOLE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_ends_the_connection() {
    let server = Server::start(10, true);
    let begun = Clock::now();
    for begun_head in ["", "GET / HTTP/1.1\r\nHost: x\r\nX-"] {
        let answer = server.exchange(begun_head).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    assert_eq!(begun.elapsed().as_secs(), 2 * HEAD_TIMEOUT.as_secs());
    // Nor does one that goes on and on, a byte at a time.
    let mut pipe = server.connect().await;
    let begun = Clock::now();
    pipe.write_all(b"GET / HTTP/1.1\r\nX: ")
        .await
        .expect("begun");
    while pipe.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(begun.elapsed() < 2 * HEAD_TIMEOUT, "it is served for ever");
    }
    assert!(server.exchange(WHOLE).await.ends_with("ok"));
}

#[tokio::test(start_paused = true)]
async fn a_long_head_is_refused_with_its_status() {
    let server = Server::start(10, true);
    let value = "x".repeat(1 << 20);
    let answer = server
        .exchange(&format!("GET / HTTP/1.1\r\nX: {value}\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many: String = (0..2 * HEADERS_MAX)
        .map(|n| format!("X{n}: 1\r\n"))
        .collect();
    let answer = server
        .exchange(&format!("GET / HTTP/1.1\r\n{many}\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_bounded_in_size_and_time() {
    let server = Server::start(10, true);
    let post = |head: &str, body: &str| {
        format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{body}")
    };
    let begun = Clock::now();
    let answer = server
        .exchange(&post("Content-Length: 1073741824", "begun"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with("more than 1000 bytes"), "{answer}");
    assert!(begun.elapsed().is_zero(), "what is too long is not read");
    let chunk = format!("3e8\r\n{}\r\n", "x".repeat(LIMIT));
    let answer = server
        .exchange(&post("Transfer-Encoding: chunked", &chunk.repeat(3)))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let answer = server.exchange(&post("Content-Length: 10", "begun")).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(begun.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    let answer = server.exchange(&post("Content-Length: 5", "whole")).await;
    assert!(answer.ends_with("whole"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_ends_the_connection() {
    let server = Server::start(1, true);
    let mut silent = server.connect().await;
    let large = WHOLE.replace("/ ", "/large ");
    silent.write_all(large.as_bytes()).await.expect("asked");
    // The only place is taken until then.
    let begun = Clock::now();
    assert!(server.exchange(WHOLE).await.ends_with("ok"));
    assert_eq!(begun.elapsed().as_secs(), READ_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn more_connections_than_there_are_places_wait_and_are_served() {
    let server = Server::start(3, true);
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(server.connect().await);
    }
    let begun = Clock::now();
    assert!(server.exchange(WHOLE).await.ends_with("ok"));
    assert_eq!(begun.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn strangers_take_nobodys_place() {
    let server = Server::start(1000, false);
    let mut idle = Vec::new();
    for _ in 0..UNAUTHORIZED_MAX {
        idle.push(server.connect().await);
    }
    let begun = Clock::now();
    assert_eq!(server.exchange(WHOLE).await, "", "one more is not served");
    assert!(begun.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_idle_connections_and_lets_requests_end() {
    let server = Server::start(10, true);
    let mut idle = server.connect().await;
    assert!(server.exchange(WHOLE).await.ends_with("ok"));
    let mut asking = server.connect().await;
    asking
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nbe")
        .await
        .expect("asked");
    assert!(server.exchange(WHOLE).await.ends_with("ok"));
    server.stop.send(()).expect("it runs");
    tokio::time::sleep(Duration::from_secs(1)).await;
    asking.write_all(b"gun").await.expect("the rest");
    assert!(read_to_end(&mut asking).await.ends_with("begun"));
    assert_eq!(read_to_end(&mut idle).await, "");
    server.ended.await.expect("it ends");
}

/// A log in memory, as JSON.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The spans of each line, the outermost first.
    fn spans(&self) -> Vec<serde_json::Value> {
        let text = self.0.lock().expect("no panic").clone();
        let lines = String::from_utf8(text).expect("text");
        let line = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("JSON") };
        lines.lines().map(|l| line(l)["spans"].take()).collect()
    }
}

#[tokio::test]
async fn what_a_handler_logs_bears_the_id_and_the_path_of_its_request() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let mut subscriber = Some(subscriber);
    let handler = || async {
        tracing::info!("handled");
        "ok"
    };
    let router = Router::new().fallback(handler);
    let (connect, pipes) = mpsc::channel(1);
    let limits = Limits { connections: 10 };
    let serving = serve(
        Pipes(pipes),
        |_, ()| (),
        router,
        limits,
        std::future::pending(),
    );
    let serving = tokio::spawn(serving);
    let long = format!("/v1/{}", "x".repeat(1000));
    let mut guard = None;
    for target in ["/before", "/v1/node?secret=1", long.as_str()] {
        let (mut mine, theirs) = duplex(PIPE);
        connect.send(theirs).await.expect("it accepts");
        let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        mine.write_all(text.as_bytes()).await.expect("sent");
        assert!(read_to_end(&mut mine).await.ends_with("ok"));
        // Everything runs on this thread. Not before the first request: a span that a thread without a log uses
        // first, while another one installs its log, may be taken for one that nobody wants.
        if let Some(subscriber) = subscriber.take() {
            guard = Some(tracing::subscriber::set_default(subscriber));
            tracing::callsite::rebuild_interest_cache();
        }
    }
    drop(guard);
    serving.abort();
    let spans = log.spans();
    let [first, second] = &spans[..] else {
        panic!("{spans:?}");
    };
    let (first, second) = (&first[0], &second[0]);
    assert_eq!(first["name"], "request");
    assert_eq!(
        (&first["method"], &first["path"]),
        (&"GET".into(), &"/v1/node".into())
    );
    assert_eq!(second["path"].as_str().map(str::len), Some(128));
    let id = |span: &serde_json::Value| span["request_id"].as_u64().expect("a number");
    assert!(id(first) < id(second), "{first} {second}");
}
