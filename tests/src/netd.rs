//! netd in the lab: how it is started, its CNI configurations, and asking it over its socket.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use flatnet_plan::NodeSpec;
use serde_json::json;

use crate::datapath::Datapath;
use crate::error::{Error, Result};
use crate::paths::{Layout, MemberPaths, namespace, netns_path};
use crate::process::{ProcessId, poll};
use crate::supervise::{Stage, Unit};

/// The netd that fails where the file that [`FAULTS_FILE`] names says so
/// (`netd/src/faults/mod.rs`).
pub const FAULTS: &str = "netd-faults";
/// The variable that names the file of orders.
pub const FAULTS_FILE: &str = "FLATNET_FAULTS";

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long netd may take to do something that it then answers.
const DONE: Duration = Duration::from_secs(20);
/// How much of an answer is read, in bytes.
const ANSWER_MAX: u64 = 64 << 20;

/// The name of a node's netd among the supervisor's units.
pub(crate) fn unit_name(node: &str) -> String {
    format!("{node}/netd")
}

/// netd of one node.
pub(crate) fn unit(layout: &Layout, node: &str, datapath: Datapath, build: String) -> Unit {
    let paths = layout.member(node);
    let show = |p: &Path| p.display().to_string();
    let argv = [
        show(&layout.bin("netd")),
        "run".into(),
        "--plan".into(),
        show(&layout.plan()),
        "--node".into(),
        node.into(),
        "--ipamd".into(),
        format!("unix:{}", show(&layout.ipamd_sock())),
        "--socket".into(),
        show(&paths.netd_sock()),
        "--state".into(),
        show(&paths.store()),
        "--spool".into(),
        show(&paths.spool()),
        "--ovsdb".into(),
        show(&paths.db_sock()),
        "--ovs-rundir".into(),
        show(&paths.ovs_dir()),
        "--datapath".into(),
        datapath.type_name().into(),
        "--log-format".into(),
        "json".into(),
    ];
    Unit {
        name: unit_name(node),
        netns: Some(netns_path(&namespace(node))),
        argv: argv.to_vec(),
        env: BTreeMap::new(),
        pid_file: Some(paths.netd_pid()),
        log: paths.log("netd"),
        after: Some(paths.db_sock()),
        stage: Stage::Node,
        repair: Vec::new(),
        build,
    }
}

/// Makes a netd take its ranges from the plan that it is given and not from ipamd, whose plan
/// is the lab's.
pub(crate) fn without_ipamd(argv: &mut Vec<String>) {
    if let Some(at) = argv.iter().position(|a| a == "--ipamd") {
        argv.drain(at..(at + 2).min(argv.len()));
    }
}

/// The node's CNI configurations: one for each network, the first one first in the
/// directory, where runtimes take it for the default.
///
/// # Errors
/// [`Error::Io`], [`Error::Json`].
pub(crate) fn write_conflists(spec: &NodeSpec, paths: &MemberPaths) -> Result<()> {
    crate::files::make_dir(&paths.net_d())?;
    for (index, network) in spec.networks.iter().enumerate() {
        let name = network.name.as_str();
        let text = conflist(name, paths)?;
        crate::files::write_if_changed(&paths.conflist(index, name), text.as_bytes())?;
    }
    Ok(())
}

fn conflist(network: &str, paths: &MemberPaths) -> Result<String> {
    let plugin = json!({
        "type": "flatnet",
        "network": network,
        "socket": paths.netd_sock(),
        "spool": paths.spool(),
        "capabilities": {"ips": true, "mac": true, "bandwidth": true},
    });
    // As docs/cni.md recommends it: plugins of every age read this version.
    let list = json!({"cniVersion": "1.0.0", "name": network, "plugins": [plugin]});
    serde_json::to_string_pretty(&list).map_err(|source| Error::Json {
        what: format!("the CNI configuration of {network}"),
        source,
    })
}

/// Waits until netd says that it is ready, and says how long that took.
///
/// # Errors
/// [`Error::Timeout`], with what netd says of itself and the last lines of its log.
pub(crate) fn wait_ready(node: &str, paths: &MemberPaths, timeout: Duration) -> Result<Duration> {
    let begun = Instant::now();
    let ready = poll(timeout, || is_ready(paths).then(|| begun.elapsed()));
    ready.ok_or_else(|| Error::Timeout {
        what: format!("netd of {node}"),
        after: timeout,
        hint: format!("{}; {}", says(paths), last_words(&paths.log("netd"))),
    })
}

/// What netd says of its readiness, in one line.
fn says(paths: &MemberPaths) -> String {
    match get(&paths.netd_sock(), "/readyz") {
        Ok((status, body)) => format!("it says {status}: {}", body.trim().replace('\n', "; ")),
        Err(e) => e.to_string(),
    }
}

/// Whether `GET /healthz` is answered with 200, by the process that is netd now.
pub(crate) fn is_ready(paths: &MemberPaths) -> bool {
    ProcessId::from_file(&paths.netd_pid()).is_some()
        && get(&paths.netd_sock(), "/healthz").is_ok_and(|(status, _)| status == 200)
}

/// How many attachments netd has; none where it does not say.
pub(crate) fn attachments(paths: &MemberPaths) -> Option<usize> {
    let (status, body) = get(&paths.netd_sock(), "/v1/attachments").ok()?;
    let value: serde_json::Value = serde_json::from_str(&body).ok()?;
    let list = value.get("attachments").unwrap_or(&value).as_array()?;
    (status == 200).then_some(list.len())
}

/// `GET path` over a unix socket: the status and the body.
///
/// # Errors
/// [`Error::Io`] where nobody listens, [`Error::Http`] for an answer that is not HTTP.
pub fn get(socket: &Path, path: &str) -> Result<(u16, String)> {
    ask(socket, "GET", path, TIMEOUT)
}

/// `POST path` without a body.
///
/// # Errors
/// As [`get`].
pub fn post(socket: &Path, path: &str) -> Result<(u16, String)> {
    ask(socket, "POST", path, DONE)
}

fn ask(socket: &Path, method: &str, path: &str, limit: Duration) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(socket).map_err(Error::io("connect to", socket))?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: netd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut answer = String::new();
    stream
        .set_read_timeout(Some(limit))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.take(ANSWER_MAX).read_to_string(&mut answer))
        .map_err(Error::io("speak with", socket))?;
    parse_answer(&answer).map_err(|reason| Error::Http {
        socket: socket.to_owned(),
        reason: reason.to_owned(),
    })
}

/// A status line, a head, a body to the end of the connection (RFC 9112 §6.3, rule 8).
pub(crate) fn parse_answer(answer: &str) -> Result<(u16, String), &'static str> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("it has no head")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .filter(|l| l.starts_with("HTTP/1."))
        .and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .ok_or("it has no status")?;
    let chunked = |l: &str| {
        let l = l.to_ascii_lowercase();
        l.starts_with("transfer-encoding:") && l.contains("chunked")
    };
    if lines.any(chunked) {
        return Err("it is in chunks");
    }
    Ok((status, body.to_owned()))
}

/// The end of a log, for an error message.
fn last_words(log: &Path) -> String {
    const LINES: usize = 2;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    match lines.len() {
        0 => format!("{} is empty", log.display()),
        n => format!(
            "{} ends with:\n{}",
            log.display(),
            lines[n.saturating_sub(LINES)..].join("\n")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno";
        assert_eq!(parse_answer(answer), Ok((503, "no".to_owned())));
        assert!(parse_answer("").is_err());
        assert!(parse_answer("SSH-2.0\r\n\r\n").is_err());
        assert!(parse_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0").is_err());
    }

    #[test]
    fn a_conflist_leads_to_its_nodes_socket() {
        let text = conflist("db", &Layout::default().member("idc2")).expect("json");
        let value: serde_json::Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value["name"], "db");
        let plugin = &value["plugins"][0];
        assert_eq!(plugin["type"], "flatnet");
        assert_eq!(plugin["socket"], "/run/flatnet-lab/idc2/netd.sock");
        assert_eq!(plugin["spool"], "/run/flatnet-lab/idc2/spool");
        assert_eq!(plugin["capabilities"]["ips"], true);
    }
}
