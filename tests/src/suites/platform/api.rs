//! A client of an API server by a `kubectl proxy` on a unix socket: a call costs milliseconds, and needs no TLS.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The administrator's way to an API server.
#[derive(Debug, Clone)]
pub(in crate::suites) struct Api {
    pub(in crate::suites) socket: PathBuf,
}

impl Api {
    pub(in crate::suites) fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, "application/json", &Value::Null)
    }

    pub(in crate::suites) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, "application/json", body)
    }

    pub(in crate::suites) fn merge(&self, path: &str, patch: &Value) -> Result<Value> {
        self.call("PATCH", path, "application/merge-patch+json", patch)
    }

    /// A strategic merge patch: conditions are merged by their types.
    pub(in crate::suites) fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        self.call(
            "PATCH",
            path,
            "application/strategic-merge-patch+json",
            patch,
        )
    }

    pub(in crate::suites) fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, "application/json", &Value::Null)
    }

    /// The objects of a list.
    pub(in crate::suites) fn items(&self, path: &str) -> Result<Vec<Value>> {
        let mut list = self.get(path)?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("GET {path}: no list but {other}"),
        }
    }

    fn call(&self, method: &str, path: &str, content: &str, body: &Value) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket)
            .with_context(|| format!("cannot reach {}", self.socket.display()))?;
        stream.set_read_timeout(Some(ANSWER))?;
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        // HTTP/1.0: the answer ends with the connection, and is in one piece.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {content}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let (head, text) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status: u16 = head.split(' ').nth(1).context("no status")?.parse()?;
        if !(200..300).contains(&status) {
            bail!("{method} {path}: {status}: {text}");
        }
        Ok(serde_json::from_str(text)?)
    }
}
