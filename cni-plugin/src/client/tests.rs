use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use flatnet_types::NetworkName;
use flatnet_types::api::code;
use tempfile::TempDir;

use super::*;

/// A listener that takes one connection and does `script` with it.
fn server(script: impl FnOnce(UnixStream) + Send + 'static) -> (TempDir, JoinHandle<()>) {
    let dir = TempDir::new().expect("a directory");
    let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        script(stream);
    });
    (dir, thread)
}

/// Reads until the request is whole.
fn request(stream: &mut UnixStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"}") {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(text).expect("text")
}

fn ask(dir: &TempDir) -> Result<StatusReply, NetdError> {
    let netd = UnixNetd {
        connect: Duration::from_millis(100),
        status: Duration::from_millis(300),
        ..UnixNetd::default()
    };
    let network = NetworkName::new("pods").expect("a network");
    netd.status(
        &dir.path().join("s"),
        &StatusRequest {
            version: 1,
            network,
        },
    )
}

fn answered(answer: &'static [u8]) -> Result<StatusReply, NetdError> {
    let (dir, thread) = server(move |mut stream| {
        request(&mut stream);
        stream.write_all(answer).expect("written");
    });
    let reply = ask(&dir);
    thread.join().expect("no panic");
    reply
}

#[test]
fn a_request_is_one_that_any_http_server_takes() {
    let (dir, thread) = server(|mut stream| {
        let text = request(&mut stream);
        assert!(
            text.starts_with("POST /v1/cni/status HTTP/1.1\r\nhost: netd\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\r\n\r\n{\"version\":1,\"network\":\"pods\"}"),
            "{text}"
        );
        assert!(text.contains("\r\ncontent-length: 30\r\n"), "{text}");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .expect("written");
        // A server that keeps the connection open must not keep the client.
        thread::sleep(Duration::from_secs(1));
    });
    ask(&dir).expect("a reply");
    drop(thread);
}

#[test]
fn no_socket_and_nobody_behind_it_are_unreachable() {
    let dir = TempDir::new().expect("a directory");
    assert!(matches!(ask(&dir), Err(NetdError::Unreachable { .. })));
    drop(UnixListener::bind(dir.path().join("s")).expect("a socket"));
    assert!(matches!(ask(&dir), Err(NetdError::Unreachable { .. })));
}

#[test]
fn a_path_too_long_for_a_socket_is_unreachable() {
    let network = NetworkName::new("pods").expect("a network");
    let path = format!("/{}", "x".repeat(200));
    let reply = UnixNetd::default().status(
        Path::new(&path),
        &StatusRequest {
            version: 1,
            network,
        },
    );
    assert!(matches!(reply, Err(NetdError::Unreachable { .. })));
}

#[test]
fn connecting_to_a_full_queue_times_out() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join("s");
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )
    .expect("fd");
    nix::sys::socket::bind(fd.as_raw_fd(), &UnixAddr::new(&path).expect("a path")).expect("bound");
    let backlog = nix::sys::socket::Backlog::new(0).expect("a backlog");
    nix::sys::socket::listen(&fd, backlog).expect("listening");
    let begun = Instant::now();
    let waiting: Vec<_> = (0..4)
        .map(|_| open(&path, Duration::from_millis(50)))
        .collect();
    assert!(
        waiting.last().is_some_and(Result::is_err),
        "the queue took all"
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_connection_that_ends_early_is_interrupted() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{",
    ] {
        let reply = answered(answer);
        assert!(
            matches!(reply, Err(NetdError::Interrupted { .. })),
            "{reply:?}"
        );
    }
}

#[test]
fn a_server_that_closes_at_once_is_interrupted() {
    let (dir, thread) = server(drop);
    let reply = ask(&dir);
    assert!(
        matches!(reply, Err(NetdError::Interrupted { .. })),
        "{reply:?}"
    );
    thread.join().expect("no panic");
}

#[test]
fn an_invalid_answer_is_no_unreachable_netd() {
    let reply = answered(b"SSH-2.0-OpenSSH_9.9\r\n\r\n");
    assert!(matches!(reply, Err(NetdError::NotHttp { .. })), "{reply:?}");
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes"[..],
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 x\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        let reply = answered(answer);
        assert!(
            matches!(reply, Err(NetdError::NotAMessage { .. })),
            "{reply:?}"
        );
    }
}

#[test]
fn a_huge_answer_is_not_read_to_its_end() {
    let (dir, thread) = server(|mut stream| {
        request(&mut stream);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = [&b"10000\r\n"[..], &[b' '; 0x10000], b"\r\n"].concat();
        let mut written = stream.write_all(head);
        while written.is_ok() {
            written = stream.write_all(&chunk);
        }
    });
    let reply = ask(&dir);
    let Err(NetdError::NotHttp {
        source: HttpError::BodyTooLong,
    }) = reply
    else {
        panic!("{reply:?}");
    };
    thread.join().expect("no panic");
}

#[test]
fn an_answer_byte_by_byte_ends_at_the_deadline() {
    let (dir, thread) = server(|mut stream| {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        for byte in answer {
            if stream.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    let begun = Instant::now();
    let reply = ask(&dir);
    assert!(
        matches!(reply, Err(NetdError::TimedOut { .. })),
        "{reply:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_millis(1200),
        "{:?}",
        begun.elapsed()
    );
    thread.join().expect("no panic");
}

#[test]
fn an_error_reply_is_returned_as_it_is() {
    let reply = answered(
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 32\r\n\r\n\
          {\"code\":51,\"msg\":\"pool is full\"}",
    );
    let Err(NetdError::Refused(error)) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(error.code, code::LIMITED_CONNECTIVITY);
}

#[test]
fn an_answer_before_the_request_was_read_is_returned() {
    let (dir, thread) = server(|mut stream| {
        stream
            .write_all(b"HTTP/1.1 413 x\r\ncontent-length: 22\r\n\r\n{\"code\":7,\"msg\":\"big\"} ")
            .expect("written");
    });
    let network = NetworkName::new("pods").expect("a network");
    let valid = (0..60_000)
        .map(|n| flatnet_types::api::GcAttachment {
            container_id: flatnet_types::ContainerId::new(format!("c{n}")).expect("an ID"),
            ifname: flatnet_types::IfName::new("eth0").expect("an interface"),
        })
        .collect();
    let request = GcRequest {
        version: 1,
        network,
        valid,
    };
    let reply = UnixNetd::default().gc(&dir.path().join("s"), &request);
    // The kernel may drop what the server wrote once it resets the connection: either is
    // an error without a hang.
    assert!(
        matches!(
            reply,
            Err(NetdError::Refused(_) | NetdError::Interrupted { .. })
        ),
        "{reply:?}"
    );
    thread.join().expect("no panic");
}

#[test]
fn a_listener_that_is_not_roots_is_refused() {
    assert!(check_listener(0).is_ok());
    assert!(check_listener(nix::unistd::geteuid().as_raw()).is_ok());
    let refused = check_listener(65_534).expect_err("not netd").to_string();
    assert!(refused.contains("user 65534"), "{refused}");
}
