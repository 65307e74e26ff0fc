//! At boot, before ovs-vswitchd: the NIC out of the bridge that the database remembers.
//!
//! `conf.db` keeps the bridge, its `fail_mode=secure` and the NIC as its port. After a reboot the
//! switch would take the NIC into a bridge without flows while the distribution's scripts put the
//! host's address on the NIC, and the host would be away until netd runs, which needs kubelet,
//! which needs the API server. So the port does not outlive a boot: the host comes up as it would
//! without Flatnet, and netd moves the uplink again, with the same timer.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use thiserror::Error;

use crate::journal::Journal;

/// The database in the file.
const DATABASE: &str = "Open_vSwitch";

/// What a boot step is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootAction {
    /// Take the uplink's port out of the database.
    Release,
    /// Nothing: the move was made in this boot, or the switch runs and nothing says that it is of
    /// an earlier one.
    Leave,
}

/// Whether this is a boot, for the uplink: pure.
pub fn boot_action(journal: Option<&Journal>, boot_id: &str, switch_runs: bool) -> BootAction {
    match journal {
        Some(journal) if journal.boot_id == boot_id => BootAction::Leave,
        Some(_) => BootAction::Release,
        None if switch_runs => BootAction::Leave,
        None => BootAction::Release,
    }
}

/// Why the port is still in the database.
#[derive(Debug, Error)]
pub enum BootError {
    /// A program did not start.
    #[error("run {program}: {source}")]
    Start {
        /// Name of the program.
        program: &'static str,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{command}: {said}")]
    Failed {
        /// Its command line.
        command: String,
        /// Its standard error.
        said: String,
    },
    /// Its answer is not understood.
    #[error("ovsdb-tool's answer is not understood: {0}")]
    Answer(String),
}

/// Takes the uplink's ports out of the bridge in a database whose server does not run yet. Returns
/// their names. A file that is not there has none.
///
/// # Errors
/// [`BootError`]; [`BootError::Failed`] where the server runs, which holds the file's lock.
pub fn release_ports(conf_db: &Path, bridge: &str) -> Result<Vec<String>, BootError> {
    if !conf_db.exists() {
        return Ok(Vec::new());
    }
    let select = json!([DATABASE, {
        "op": "select",
        "table": "Port",
        "where": [["external_ids", "includes", ["map", [["flatnet-purpose", "uplink"]]]]],
        "columns": ["_uuid", "name"],
    }]);
    let answer = tool("query", conf_db, &select)?;
    let found = ports(&answer)?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let uuids: Vec<&Value> = found.iter().map(|(uuid, _)| uuid).collect();
    let mutate = json!([DATABASE, {
        "op": "mutate",
        "table": "Bridge",
        "where": [["name", "==", bridge]],
        "mutations": [["ports", "delete", ["set", uuids]]],
    }]);
    let answer = tool("transact", conf_db, &mutate)?;
    match answer.pointer("/0/count").and_then(Value::as_u64) {
        Some(_) => Ok(found.into_iter().map(|(_, name)| name).collect()),
        None => Err(BootError::Answer(answer.to_string())),
    }
}

fn ports(answer: &Value) -> Result<Vec<(Value, String)>, BootError> {
    let bad = || BootError::Answer(answer.to_string());
    let rows = answer.pointer("/0/rows").and_then(Value::as_array);
    rows.ok_or_else(bad)?
        .iter()
        .map(|row| {
            let name = row.get("name").and_then(Value::as_str);
            Some((row.get("_uuid")?.clone(), name?.to_owned()))
        })
        .collect::<Option<_>>()
        .ok_or_else(bad)
}

fn tool(verb: &str, conf_db: &Path, transaction: &Value) -> Result<Value, BootError> {
    let program = "ovsdb-tool";
    let output = Command::new(program)
        .arg(verb)
        .arg(conf_db)
        .arg(transaction.to_string())
        .output()
        .map_err(|source| BootError::Start { program, source })?;
    if !output.status.success() {
        return Err(BootError::Failed {
            command: format!("{program} {verb} {}", conf_db.display()),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    serde_json::from_slice(&output.stdout).map_err(|e| BootError::Answer(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Phase;

    fn journal(boot_id: &str) -> Journal {
        Journal {
            version: 1,
            boot_id: boot_id.to_owned(),
            phase: Phase::Kept,
            pid: 1,
            from: "eth0".into(),
            from_ifindex: 2,
            nic: "eth0".into(),
            bridge: "br-flat".into(),
            host_port: "flat0".into(),
            steps: Vec::new(),
            gates: Vec::new(),
            deadline_ms: 0,
            confirm_s: None,
            recorded: true,
        }
    }

    #[test]
    fn the_port_goes_at_a_boot_and_stays_where_the_move_is_of_this_boot() {
        use BootAction::{Leave, Release};
        assert_eq!(boot_action(Some(&journal("a")), "b", false), Release);
        assert_eq!(boot_action(Some(&journal("a")), "b", true), Release);
        assert_eq!(boot_action(Some(&journal("b")), "b", false), Leave);
        assert_eq!(boot_action(None, "b", false), Release);
        assert_eq!(boot_action(None, "b", true), Leave);
    }

    #[test]
    fn the_ports_are_read_from_the_tools_answer() {
        let answer = json!([{"rows": [{"_uuid": ["uuid", "x"], "name": "eth0"}]}]);
        let found = ports(&answer).expect("read");
        assert_eq!(found, [(json!(["uuid", "x"]), "eth0".to_owned())]);
        assert!(ports(&json!([{"error": "no such column"}])).is_err());
    }
}
