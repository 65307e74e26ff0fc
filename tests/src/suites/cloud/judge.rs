//! The simulator as the judge: what its log and its history say since a moment.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Lab;
use crate::cloud::{HAND_KEY, ask};

/// Calls that change something.
const WRITES: [&str; 5] = [
    "CreateRouteEntry",
    "CreateRouteEntries",
    "ModifyRouteEntry",
    "DeleteRouteEntry",
    "DeleteRouteEntries",
];

/// A moment, and the lab whose simulator remembers what came after it.
pub(in crate::suites) struct Judge<'l> {
    lab: &'l Lab,
    /// The number of the last call and of the last event before it.
    calls: u64,
    events: u64,
    /// In milliseconds since 1970, by this machine's clock, which is the simulator's too.
    at: u64,
}

impl<'l> Judge<'l> {
    /// From now on.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub(in crate::suites) fn begin(lab: &'l Lab) -> Result<Self> {
        let last = |list: Vec<Value>| list.last().and_then(|v| v["seq"].as_u64()).unwrap_or(0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        Ok(Self {
            lab,
            calls: last(list(lab, "/_sim/log")?),
            events: last(list(lab, "/_sim/events")?),
            at: u64::try_from(now.as_millis())?,
        })
    }

    /// The writes by others than the one who works by hand.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub(in crate::suites) fn writes(&self) -> Result<Vec<Value>> {
        let calls = list(self.lab, &format!("/_sim/log?since={}", self.calls))?;
        let ours = |call: &Value| {
            call["key"] != HAND_KEY && WRITES.iter().any(|action| call["action"] == *action)
        };
        Ok(calls.into_iter().filter(ours).collect())
    }

    /// How many calls were hit by each of the faults.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub(in crate::suites) fn faults(&self) -> Result<usize> {
        let calls = list(self.lab, &format!("/_sim/log?since={}", self.calls))?;
        let hit = |call: &&Value| call["faults"].as_array().is_some_and(|f| !f.is_empty());
        Ok(calls.iter().filter(hit).count())
    }

    /// What became of entries, and why.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub(in crate::suites) fn events(&self) -> Result<Vec<Value>> {
        list(self.lab, &format!("/_sim/events?since={}", self.events))
    }

    /// That nobody wrote anything.
    ///
    /// # Errors
    /// The first write.
    pub(in crate::suites) fn nothing_written(&self) -> Result<()> {
        let writes = self.writes()?;
        match writes.first() {
            None => Ok(()),
            Some(first) => anyhow::bail!("{} writes, the first: {first}", writes.len()),
        }
    }

    /// That an address had a next hop in a table all the time.
    ///
    /// # Errors
    /// When it had none.
    pub(in crate::suites) fn always_routed(&self, table: &str, address: IpAddr) -> Result<()> {
        let path = self.path(table, address)?;
        let spans = path["spans"].as_array().context("spans")?;
        let gap = spans.iter().find(|span| {
            let empty = span["nextHops"].as_array().is_none_or(Vec::is_empty);
            // A state that ended before the moment is none of ours.
            empty && span["to"].as_u64().is_none_or(|to| to > self.at)
        });
        ensure!(
            gap.is_none() && !spans.is_empty(),
            "{address} had no route in {table}: {gap:?} of {spans:?}"
        );
        Ok(())
    }

    /// The most entries that a table ever held.
    ///
    /// # Errors
    /// If the simulator does not answer.
    pub(in crate::suites) fn peak(&self, table: &str) -> Result<u64> {
        let nobody = IpAddr::from([192, 0, 2, 1]);
        self.path(table, nobody)?["peak"].as_u64().context("a peak")
    }

    fn path(&self, table: &str, address: IpAddr) -> Result<Value> {
        get(
            self.lab,
            &format!("/_sim/path?table={table}&address={address}"),
        )
    }
}

fn list(lab: &Lab, path: &str) -> Result<Vec<Value>> {
    match get(lab, path)? {
        Value::Array(list) => Ok(list),
        other => anyhow::bail!("{path}: no list: {other}"),
    }
}

fn get(lab: &Lab, path: &str) -> Result<Value> {
    let (status, body) = ask(lab, "GET", path, "")?;
    ensure!(status == 200, "{path}: {status}: {body}");
    Ok(serde_json::from_str(&body)?)
}
