//! Against daemons that say what they are told to say.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use insta::assert_snapshot;

use super::*;

/// A daemon on a unix socket with one answer for each request line, until the test ends.
struct Fake {
    dir: tempfile::TempDir,
    asked: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Fake {
    fn answering(name: &str, answers: &'static [(&'static str, u16, &'static str)]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(dir.path().join(name)).expect("a socket");
        let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = std::sync::Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut text = String::new();
                let mut piece = [0; 4096];
                while !whole(&text) {
                    let n = stream.read(&mut piece).expect("a request");
                    text.push_str(&String::from_utf8_lossy(&piece[..n]));
                }
                let (head, body) = text.split_once("\r\n\r\n").expect("a head");
                let line = head.split(" HTTP").next().expect("a request line");
                log.lock().expect("the log").push(format!("{line} {body}"));
                let found = answers.iter().find(|(l, _, _)| *l == line);
                let (_, status, reply) = found.unwrap_or(&("", 404, "{\"msg\":\"no\"}"));
                let answer = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{reply}",
                    reply.len()
                );
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
        });
        Self { dir, asked }
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        path.to_str().expect("text").to_owned()
    }
}

/// Whether a request has all of its body.
fn whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|l| {
        l.to_lowercase()
            .strip_prefix("content-length: ")
            .map(str::to_owned)
    });
    body.len() >= length.and_then(|l| l.parse().ok()).unwrap_or(0)
}

const NODE: &str = r#"{"ready":true,"spec":{"node":"idc-001","mode":{"vlan":{"hostVlan":10}},
  "uplink":"bond0","anything":"new"},"usage":[{"network":"web","ranges":[
  {"range":"10.100.1.0/26","capacity":62,"used":2,"resting":1,"free":59}]}],
  "last_reconcile":{"applied":[],"failed":[],"problems":[],"converged":true}}"#;
const ATTACHMENTS: &str = r#"[{"network":"web","plan_network":"web","container_id":
  "0123456789abcdef0123456789abcdef0123456789abcdef","ifname":"eth0","addresses":["10.100.1.5/17"],"state":"committed",
  "generation":7,"host_ifname":"fn7","ofport":107,"created_at":1000000,"version":1,"netns":"/run/netns/cart",
  "mac":"0a:f1:0a:64:01:05","mtu":1500,"bandwidth":{},"pod":{"namespace":"shop","name":"cart-0"}}]"#;
const VERSION: &str = r#"{"server":"netd 0.1.0","versions":[1]}"#;

const HEALTHY: &[(&str, u16, &str)] = &[
    ("GET /v1/node", 200, NODE),
    ("GET /v1/attachments", 200, ATTACHMENTS),
    ("GET /v1/version", 200, VERSION),
    (
        "GET /v1/plan",
        200,
        r#"{"would":[],"plan":{"ops":[],"problems":[]},"actual":{}}"#,
    ),
];

fn at_noon(args: &[&str]) -> Ran {
    let around = Surroundings {
        now: Timestamp::from_millis(1_000_000 + 7_500_000),
        ..Surroundings::default()
    };
    flatctl_on(around, args)
}

#[test]
fn a_healthy_node_would_change_nothing() {
    let netd = Fake::answering("netd.sock", HEALTHY);
    let ran = at_noon(&["node", "status", "--netd", &netd.path("netd.sock")]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(ran.out);
}

#[test]
fn a_node_with_work_to_do_exits_1_and_says_what() {
    let netd = Fake::answering(
        "netd.sock",
        &[
            ("GET /v1/node", 200, NODE),
            ("GET /v1/attachments", 200, "[]"),
            ("GET /v1/version", 200, VERSION),
            (
                "GET /v1/plan",
                200,
                r#"{"would":["delete link fn9: its attachment is no more"],
                    "plan":{"problems":["eth0 bears addresses: move them first"]},"actual":{}}"#,
            ),
        ],
    );
    let ran = at_noon(&["node", "status", "--netd", &netd.path("netd.sock")]);
    assert_eq!(ran.code, error::exit::FOUND);
    assert!(
        ran.out
            .contains("delete link fn9: its attachment is no more")
    );
    assert!(ran.out.contains("eth0 bears addresses: move them first"));
}

#[test]
fn a_problem_is_shown_with_its_code_its_age_and_the_command_that_repairs_it() {
    const BROKEN: &str = r#"{"ready":false,"usage":[],
        "spec":{"node":"idc-001","mode":"routed","uplink":"eth0"},
        "last_reconcile":{"applied":[],"failed":[],"problems":[],"converged":true},
        "problems":[{"code":"forward-drop","text":"the chain FORWARD drops what this node forwards",
        "repair":"iptables -P FORWARD ACCEPT","blocks_ready":true,"since":8495000}]}"#;
    const NOTHING: &str = r#"{"would":[],"plan":{"problems":[]},"actual":{}}"#;
    const ANSWERS: &[(&str, u16, &str)] = &[
        ("GET /v1/node", 200, BROKEN),
        ("GET /v1/attachments", 200, "[]"),
        ("GET /v1/version", 200, VERSION),
        ("GET /v1/plan", 200, NOTHING),
        (
            "GET /readyz",
            503,
            r#"{"code":50,"msg":"not ready","details":""}"#,
        ),
    ];
    let netd = Fake::answering("netd.sock", ANSWERS);
    let ran = at_noon(&["node", "status", "--netd", &netd.path("netd.sock")]);
    assert_eq!(ran.code, error::exit::FOUND);
    let row = ran.out.lines().find(|l| l.contains("forward-drop"));
    let row = row.expect("a row of the problem");
    assert!(row.contains("5s"), "{row}");
    assert!(
        ran.out.contains("`iptables -P FORWARD ACCEPT`"),
        "{}",
        ran.out
    );
}

#[test]
fn a_node_that_is_not_ready_says_why() {
    let netd = Fake::answering(
        "netd.sock",
        &[
            (
                "GET /v1/node",
                200,
                r#"{"ready":false,"spec":{"node":"idc-001","mode":"routed","uplink":"eth0"},"usage":[],
                    "last_reconcile":{"applied":[],"failed":[],"problems":[],"converged":false}}"#,
            ),
            ("GET /v1/attachments", 200, "[]"),
            ("GET /v1/version", 200, VERSION),
            (
                "GET /v1/plan",
                200,
                r#"{"would":[],"plan":{"problems":[]},"actual":{}}"#,
            ),
            (
                "GET /readyz",
                503,
                r#"{"code":50,"msg":"the node is not ready","details":"flat0 has no port"}"#,
            ),
        ],
    );
    let ran = at_noon(&["node", "status", "--netd", &netd.path("netd.sock")]);
    assert_eq!(ran.code, error::exit::FOUND);
    let because = "because         the node is not ready: flat0 has no port\n";
    assert!(ran.out.contains(because), "{}", ran.out);
    assert!(ran.out.contains("nothing that it could"), "{}", ran.out);
}

#[test]
fn attachments_are_listed_with_their_pods() {
    let netd = Fake::answering("netd.sock", HEALTHY);
    let socket = netd.path("netd.sock");
    let ran = at_noon(&["attachments", "--netd", &socket, "-o", "wide"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(ran.out);
    let none = at_noon(&["attachments", "--netd", &socket, "--network", "db"]);
    assert_eq!(none.out, "no attachments\n");
}

#[test]
fn who_has_an_address_is_told_down_to_the_container() {
    let netd = Fake::answering("idc-001.sock", HEALTHY);
    let who = |address: &str, more: &[&str]| {
        let mut args = vec!["ip", "who", address, "--plan", TWO_SITES];
        args.extend_from_slice(more);
        at_noon(&args)
    };
    let socket = netd.path("idc-001.sock");
    let dir = netd.path("");
    let found = who("10.100.1.5", &["--netd", &socket]);
    assert_eq!((found.code, found.err.as_str()), (0, ""));
    assert_snapshot!(found.out);
    assert_eq!(who("10.100.1.5", &["--netd-dir", &dir]).out, found.out);
    assert!(
        who("10.100.1.6", &["--netd", &socket])
            .out
            .contains("no container has it now")
    );
    let other = who("10.100.1.70", &["--netd", &socket]);
    assert!(
        other.err.contains("is idc-001's, not idc-002's"),
        "{}",
        other.err
    );
    let offline = who("10.100.1.70", &["--netd-dir", &dir]);
    assert!(
        offline.out.contains("host idc-002 in idc"),
        "{}",
        offline.out
    );
    assert!(
        offline.out.contains("netd of idc-002 knows"),
        "{}",
        offline.out
    );
    let nobody = who("192.0.2.1", &[]);
    assert_eq!(
        (nobody.code, nobody.out.as_str()),
        (1, "192.0.2.1\nnot in the plan\n")
    );
}

const LISTING: &str = r#"{"ledger":"00ff","settling":false,"ranges":[
  {"id":3,"ledger":"00ff","host":"idc-001","network":"web","prefix":"10.100.1.0/26","source":"plan",
   "state":{"is":"active"},"granted_at":1000000,"stamp":3,"used":12,"capacity":62},
  {"id":4,"ledger":"00ff","host":"idc-002","network":"web","prefix":"10.100.1.64/26","source":"plan",
   "state":{"is":"draining","reason":"admin"},"granted_at":1000000,"stamp":9}],
  "waiting":[{"host":"idc-009","network":"web","reason":"exhausted","message":"no pool has a free /26"}]}"#;
const GRANTS: &str = r#"{"host":"idc-002","revision":"r","ledger":"00ff","ranges":[
  {"lease":4,"ledger":"00ff","network":"web","prefix":"10.100.1.64/26","state":"draining"}]}"#;

#[test]
fn ranges_are_listed_drained_and_released_by_ipamd() {
    let ipamd = Fake::answering(
        "ipamd.sock",
        &[
            ("GET /v1/ranges", 200, LISTING),
            ("POST /v1/ranges/drain", 200, GRANTS),
            (
                "POST /v1/ranges/release",
                409,
                r#"{"code":"inUse","message":"3 addresses of 10.100.1.64/26 are in use","retryable":true}"#,
            ),
        ],
    );
    let at = format!("unix:{}", ipamd.path("ipamd.sock"));
    let listed = at_noon(&["range", "--ipamd", &at, "list"]);
    assert_eq!((listed.code, listed.err.as_str()), (0, ""));
    let drained = at_noon(&[
        "range",
        "drain",
        "idc-002",
        "10.100.1.64/26",
        "--ipamd",
        &at,
    ]);
    assert_eq!(drained.code, 0, "{}", drained.err);
    let refused = at_noon(&[
        "range",
        "release",
        "idc-002",
        "10.100.1.64/26",
        "--ipamd",
        &at,
    ]);
    assert_eq!(
        (refused.code, refused.out.as_str()),
        (error::exit::UNREACHABLE, "")
    );
    assert_snapshot!(format!(
        "{}\n{}{}\n{}",
        listed.out, drained.out, drained.err, refused.err
    ));
    let asked = ipamd.asked.lock().expect("the log").clone();
    assert_eq!(
        asked[1],
        r#"POST /v1/ranges/drain {"host":"idc-002","prefix":"10.100.1.64/26","cancel":false}"#
    );
}

#[test]
fn a_daemon_that_is_away_is_told_with_what_to_do() {
    let mut said = refusal(&["node", "status", "--netd", "/no/such/netd.sock"]);
    said.push_str(&refusal(&[
        "range",
        "list",
        "--ipamd",
        "unix:/no/such/ipamd.sock",
    ]));
    said.push_str(&refusal(&[
        "range",
        "list",
        "--ipamd",
        "http://127.0.0.1:1",
    ]));
    assert_snapshot!(said);
}

const HELD: &[(&str, u16, &str)] = &[(
    "GET /v1/grants",
    200,
    r#"{"revision":"1-1","settling":false,"ranges":[
      {"host":"idc-001","network":"web","prefix":"10.100.64.0/26","state":"active"},
      {"host":"gone","network":"web","prefix":"10.100.65.0/26","state":"active"}]}"#,
)];

/// The plan of two sites whose web pool is cut by ipamd, in a directory.
fn cut(dir: &std::path::Path) -> String {
    let text = std::fs::read_to_string(TWO_SITES).expect("the fixture");
    let declared = "      ranges:\n        - {network: web, length: 26, from: 10.100.1.0}\n";
    let pool = "{prefix: 10.100.0.0/17, exclude";
    assert!(text.contains(declared) && text.contains(pool));
    let text = text.replace(declared, "");
    let text = text.replace(pool, "{prefix: 10.100.0.0/17, sliceLength: 26, exclude");
    let path = dir.join("plan.yaml");
    std::fs::write(&path, text).expect("a plan");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_range_that_ipamd_cut_is_its_hosts_for_who_and_for_trace() {
    let ipamd = Fake::answering("ipamd.sock", HELD);
    let at = format!("unix:{}", ipamd.path("ipamd.sock"));
    let plan = cut(ipamd.dir.path());
    let asked = ["--plan", &plan, "--ipamd", &at];
    let who = at_noon(&[&["ip", "who", "10.100.64.5"][..], &asked].concat());
    assert_eq!(who.code, 0, "{}", who.err);
    assert!(
        who.out.contains("idc-001") && who.out.contains("10.100.64.0/26"),
        "{}",
        who.out
    );
    assert!(
        who.err
            .contains("gone holds 10.100.65.0/26 of web, and the plan has no such host"),
        "{}",
        who.err
    );
    let tables = ["--tables", "fixtures/tables.json", "-o", "json"];
    let words = ["trace", "10.100.64.5", "10.10.0.12"];
    let trace = at_noon(&[&words[..], &asked, &tables].concat());
    let view: serde_json::Value = serde_json::from_str(&trace.out).expect("JSON");
    assert_eq!(
        view["there"]["hops"][0]["found"],
        "container of idc-001 → host idc-002"
    );
}

#[test]
fn an_ipamd_that_is_silent_makes_an_address_unknown_and_not_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let plan = cut(dir.path());
    let at = format!("unix:{}", dir.path().join("ipamd.sock").display());
    let asked = ["--plan", &plan, "--ipamd", &at];
    let words = ["trace", "10.100.64.5", "10.10.0.12", "-o", "json"];
    let tables = ["--tables", "fixtures/tables.json"];
    let trace = at_noon(&[&words[..], &asked, &tables].concat());
    assert_eq!(trace.code, error::exit::UNKNOWN);
    assert!(
        trace.err.contains("are not known: ipamd does not answer"),
        "{}",
        trace.err
    );
    let view: serde_json::Value = serde_json::from_str(&trace.out).expect("JSON");
    assert_eq!(view["verdict"], "unknown");
    assert_eq!(view["fault"]["repair"]["command"], "flatctl range list");
}
