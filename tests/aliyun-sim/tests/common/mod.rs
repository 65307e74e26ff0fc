//! A running `aliyun-sim`, and a client of a few lines that signs with V1.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flatnet_aliyun_sim::gateway::{Params, v1_signature, v1_string_to_sign};
use flatnet_aliyun_sim::time::Timestamp;
use serde_json::Value;

pub(crate) const WORLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/world.yaml");

/// The binary; it ends with the value.
pub(crate) struct Sim {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["Code"].as_str().unwrap_or_default().to_owned()
    }
}

static NONCE: AtomicU64 = AtomicU64::new(0);

impl Sim {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aliyun-sim"))
            .args(["--listen", "127.0.0.1:0", "--world", WORLD])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("stdout");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("it said {line:?}"));
        Self {
            address: address.parse().expect("an address"),
            child,
        }
    }

    /// Any request; an error is a connection without an answer.
    pub(crate) fn http(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\
             content-length: {}\r\n{headers}\r\n{body}",
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            body: body.to_owned(),
        })
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.http("GET", path, "", "").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Value {
        let answer = self.http("POST", path, "", body).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// A call signed with V1, its parameters in the query.
    pub(crate) fn call(&self, action: &str, pairs: &[(&str, &str)]) -> io::Result<Answer> {
        self.http(
            "POST",
            &format!("/?{}", signed("POST", action, pairs)),
            "",
            "",
        )
    }

    /// The same, its parameters in a form.
    pub(crate) fn call_by_form(&self, action: &str, pairs: &[(&str, &str)]) -> io::Result<Answer> {
        let form = signed("POST", action, pairs);
        let media = "content-type: application/x-www-form-urlencoded\r\n";
        self.http("POST", "/", media, &form)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The signed parameters of a call. A pair overrides a parameter that is there by itself.
pub(crate) fn signed(method: &str, action: &str, pairs: &[(&str, &str)]) -> String {
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed).to_string();
    let now = Timestamp::now().iso();
    let own = [
        ("Action", action),
        ("Version", "2016-04-28"),
        ("Format", "JSON"),
        ("RegionId", "cn-hangzhou"),
        ("AccessKeyId", "testid"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureVersion", "1.0"),
        ("SignatureNonce", &nonce),
        ("Timestamp", &now),
    ];
    let mut params = Params::default();
    let mut secret = "testsecret";
    for (name, value) in own.iter().chain(pairs) {
        if *name == "<secret>" {
            secret = *value;
        } else {
            params.0.insert((*name).to_owned(), (*value).to_owned());
        }
    }
    let signature = v1_signature(secret, &v1_string_to_sign(method, &params));
    params.0.insert("Signature".to_owned(), signature);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&params.0);
    query.finish()
}
