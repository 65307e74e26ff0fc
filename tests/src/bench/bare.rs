//! Open vSwitch alone: ports made with nothing around them, as the measure of what netd adds.
//!
//! An ADD is one transaction with the port's rows, a link (`ip link add`), and the wait until the
//! switch has given the number that was asked for; a DEL takes the rows out and the link away. Nothing
//! is reserved, configured, written down or secured.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Deserializer, Value, json};

use super::Settle;
use crate::scratch::{FailMode, ScratchBridge};
use crate::{Datapath, Member, run};

/// The bridge on a switch of the lab: its own Open vSwitch, which has hardly any other port.
const BRIDGE: &str = "br-bench";
/// The first number that is asked for: the switch gives none so high by itself.
const FIRST_NUMBER: u32 = 32_768;
/// How long the switch may take to give a port its number.
const PATIENCE: Duration = Duration::from_secs(10);

/// Its bridge, and how many ports were made in it so far.
#[derive(Debug)]
pub(super) struct Bare {
    bridge: ScratchBridge,
    socket: PathBuf,
    made: AtomicU32,
}

/// A port that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    link: String,
    row: Value,
}

impl Bare {
    /// Makes the bridge.
    pub(super) fn on(member: Member, datapath: Datapath) -> Result<Self> {
        Ok(Self {
            socket: member.paths.db_sock(),
            bridge: ScratchBridge::make(member, BRIDGE, datapath, FailMode::Secure)?,
            made: AtomicU32::new(0),
        })
    }

    /// The namespace that its Open vSwitch is in.
    pub(super) fn netns_path(&self) -> PathBuf {
        self.bridge.member().netns_path()
    }

    /// Waits until the switch has taken out what was deleted.
    pub(super) fn settles(&self) -> Settle {
        super::switch_settles(self.bridge.member().clone())
    }

    /// Makes a port whose other end is in a container, and waits for its number. The calling thread
    /// is in the switch's namespace.
    pub(super) fn add(&self, container: &str) -> Result<(Port, Duration)> {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        let (link, number) = (format!("bb{count}"), FIRST_NUMBER + count % 30_000);
        let begun = Instant::now();
        let mut database = Database::connect(&self.socket)?;
        database.send(&json!([
            "Open_vSwitch",
            {"op": "insert", "table": "Interface", "uuid-name": "interface",
             "row": {"name": link, "ofport_request": number}},
            {"op": "insert", "table": "Port", "uuid-name": "port",
             "row": {"name": link, "interfaces": ["named-uuid", "interface"]}},
            mutation("insert", &json!(["named-uuid", "port"])),
        ]))?;
        let peer = format!("link add {link} up type veth peer name eth0 netns {container}");
        run::output(run::command("ip").args(peer.split(' ')))?;
        let made = database.answer()?;
        database.send(&json!([
            "Open_vSwitch",
            {"op": "wait", "table": "Interface", "where": [["name", "==", link]],
             "columns": ["ofport"], "until": "==", "rows": [{"ofport": number}],
             "timeout": PATIENCE.as_millis()},
        ]))?;
        database
            .answer()
            .with_context(|| format!("{link} got no number"))?;
        let row = made[1]["uuid"].clone();
        Ok((Port { link, row }, begun.elapsed()))
    }

    /// Takes a port out, and its link away.
    pub(super) fn del(&self, port: &Port) -> Result<Duration> {
        let begun = Instant::now();
        let mut database = Database::connect(&self.socket)?;
        database.send(&json!(["Open_vSwitch", mutation("delete", &port.row)]))?;
        run::output(run::command("ip").args(["link", "delete", &port.link]))?;
        database.answer()?;
        Ok(begun.elapsed())
    }
}

fn mutation(what: &str, port: &Value) -> Value {
    json!({
        "op": "mutate", "table": "Bridge", "where": [["name", "==", BRIDGE]],
        "mutations": [["ports", what, ["set", [port]]]],
    })
}

/// A connection to OVSDB for a few transactions (RFC 7047 §4.1.3).
struct Database {
    stream: UnixStream,
}

impl Database {
    fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(PATIENCE + Duration::from_secs(1)))?;
        Ok(Self { stream })
    }

    fn send(&mut self, params: &Value) -> Result<()> {
        let request = json!({"id": 1, "method": "transact", "params": params});
        Ok(serde_json::to_writer(&self.stream, &request)?)
    }

    /// The results of the oldest transaction that was not answered yet, one at a time: nothing is read
    /// beyond an answer, since the next question is not sent before.
    fn answer(&mut self) -> Result<Value> {
        let mut answers = Deserializer::from_reader(&self.stream).into_iter::<Value>();
        let answer = answers
            .next()
            .context("the database closed the connection")??;
        let results = answer["result"].as_array().cloned().unwrap_or_default();
        let failed = results.iter().any(|r| !r["error"].is_null());
        ensure!(!results.is_empty() && !failed, "the database says {answer}");
        Ok(answer["result"].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> Result<Value> {
        let (near, far) = UnixStream::pair().expect("a pair");
        std::io::Write::write_all(&mut &far, answer.as_bytes()).expect("written");
        Database { stream: near }.answer()
    }

    #[test]
    fn an_operation_that_failed_is_an_error() {
        let good = told(r#"{"id":1,"error":null,"result":[{"uuid":["uuid","a"]}]}"#);
        assert_eq!(good.expect("good")[0]["uuid"][1], "a");
        for bad in [
            r#"{"id":1,"error":null,"result":[{},{"error":"timed out"}]}"#,
            r#"{"id":1,"error":"canceled","result":null}"#,
        ] {
            told(bad).expect_err("bad");
        }
    }
}
