//! The real binary, as a runtime executes it, against a scripted netd on a unix socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use flatnet_spool::Spool;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Reads one request; returns its path and body.
fn request(stream: &mut UnixStream) -> (String, Value) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).expect("a request");
        assert!(n > 0, "the request broke off");
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            let path = head.split(' ').nth(1).expect("a path");
            return (path.to_owned(), body);
        }
    }
}

/// A netd that answers one call.
fn netd(dir: &Path, status: u16, reply: Value) -> JoinHandle<(String, Value)> {
    let listener = UnixListener::bind(dir.join("netd.sock")).expect("a socket");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let asked = request(&mut stream);
        let body = reply.to_string();
        write!(
            stream,
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("written");
        asked
    })
}

fn conf(dir: &Path, more: &Value) -> Value {
    let mut conf = json!({
        "cniVersion": "1.1.0", "name": "pods", "type": "flatnet",
        "socket": dir.join("netd.sock"), "spool": dir.join("spool"),
    });
    for (key, value) in more.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    conf
}

fn flatnet(command: &str, stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flatnet"))
        .env_clear()
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", "abc")
        .env("CNI_NETNS", "/run/netns/x")
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", "/opt/cni/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the plugin starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    // The plugin stops reading at its limit, and the pipe breaks then.
    let _ = pipe.write_all(stdin);
    drop(pipe);
    child.wait_with_output().expect("the plugin ends")
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn an_add_goes_to_netd_and_comes_back_as_a_result() {
    let dir = TempDir::new().expect("a directory");
    let netd = netd(
        dir.path(),
        200,
        json!({
            "host_ifname": "veth1", "host_mac": "02:00:00:00:00:01", "mac": "0a:f1:0a:00:00:05",
            "mtu": 1500, "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}],
            "routes": [{"dst": "0.0.0.0/0", "gateway": "10.0.0.1"}], "generation": 3,
            "of a newer netd": true,
        }),
    );
    let stdin = conf(dir.path(), &json!({})).to_string();
    let output = flatnet("ADD", stdin.as_bytes());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(json_of(&output)["ips"][0]["address"], "10.0.0.5/24");
    assert!(output.stderr.is_empty(), "{output:?}");
    let (path, body) = netd.join().expect("no panic");
    assert_eq!(path, "/v1/cni/add");
    assert_eq!(body["container_id"], "abc");
}

#[test]
fn an_error_of_netd_is_an_error_object_and_exit_code_1() {
    let dir = TempDir::new().expect("a directory");
    let netd = netd(
        dir.path(),
        507,
        json!({"code": 105, "msg": "full", "details": "10.0.0.0/28"}),
    );
    let output = flatnet("ADD", conf(dir.path(), &json!({})).to_string().as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        json_of(&output),
        json!({"cniVersion": "1.1.0", "code": 105, "msg": "full", "details": "10.0.0.0/28"})
    );
    netd.join().expect("no panic");
}

#[test]
fn without_netd_each_command_answers_as_the_runtime_needs_it() {
    let dir = TempDir::new().expect("a directory");
    let stdin = conf(dir.path(), &json!({"cni.dev/valid-attachments": []})).to_string();
    for (command, code) in [("ADD", 11), ("GC", 11), ("STATUS", 50)] {
        let output = flatnet(command, stdin.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert_eq!(json_of(&output)["code"], code, "{command}");
    }
    let output = flatnet("DEL", stdin.as_bytes());
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let listing = Spool::new(dir.path().join("spool"))
        .read_all()
        .expect("a listing");
    assert_eq!(listing.entries.len(), 1);
    let at = listing.entries[0].del.spooled_at.as_millis();
    assert!(at > 1_600_000_000_000, "not milliseconds since 1970: {at}");
}

#[test]
fn an_interrupted_connection_counts_as_an_unavailable_netd() {
    let dir = TempDir::new().expect("a directory");
    let listener = UnixListener::bind(dir.path().join("netd.sock")).expect("a socket");
    let netd = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("a connection");
            request(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
                .expect("written");
        }
    });
    let stdin = conf(dir.path(), &json!({})).to_string();
    assert_eq!(json_of(&flatnet("ADD", stdin.as_bytes()))["code"], 11);
    assert!(flatnet("DEL", stdin.as_bytes()).status.success());
    netd.join().expect("no panic");
    let listing = Spool::new(dir.path().join("spool"))
        .read_all()
        .expect("a listing");
    assert_eq!(listing.entries.len(), 1);
}

#[test]
fn a_hostile_stdin_is_answered_with_an_error_object() {
    let secret = json!({"name": "n", "password": "hunter2", "mtu": {"hunter2": 1}}).to_string();
    let twice = r#"{"name":"n","name":"hunter2"}"#.to_owned();
    let deep = format!(r#"{{"args":{}"#, "[".repeat(1_000_000));
    let huge = format!(r#"{{"name":"{}"}}"#, "hunter2".repeat(2_000_000));
    for stdin in [secret, twice, deep, huge, "\0".to_owned(), String::new()] {
        let output = flatnet("ADD", stdin.as_bytes());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = json_of(&output);
        assert!(matches!(error["code"].as_u64(), Some(6 | 7)), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

#[test]
fn version_needs_no_netd_and_no_stdin() {
    let output = flatnet("VERSION", b"");
    assert!(output.status.success());
    assert_eq!(json_of(&output)["cniVersion"], "1.1.0");
}
