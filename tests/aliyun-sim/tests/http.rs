//! The binary over its sockets: forms of a request, faults, metadata, the log.

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::{Sim, WORLD, signed};
use serde_json::{Value, json};

const ENTRY: [(&str, &str); 4] = [
    ("RouteTableId", "vtb-lab"),
    ("DestinationCidrBlock", "172.30.16.0/20"),
    ("NextHopType", "Instance"),
    ("NextHopId", "i-vpc1"),
];

fn fault(sim: &Sim, kind: &Value, actions: &[&str]) {
    let plan = json!({ "faults": [{ "kind": kind, "actions": actions, "times": 1 }] });
    sim.post("/_sim/faults", &plan.to_string());
}

fn entries(sim: &Sim) -> usize {
    let tables = sim.get("/_sim/tables");
    tables[0]["entries"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_call_may_come_by_query_or_form_and_be_answered_in_json_or_xml() {
    let sim = Sim::start();
    let answer = sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(
        answer.json()["RouteEntryId"]
            .as_str()
            .is_some_and(|id| id.starts_with("rte-"))
    );
    let answer = sim.call_by_form("DescribeVpcs", &[]).expect("an answer");
    assert_eq!(answer.json()["TotalCount"], 1);
    let path = format!("/?{}", signed("GET", "DescribeVpcs", &[("Format", "XML")]));
    let answer = sim.http("GET", &path, "", "").expect("an answer");
    assert!(
        answer.body.contains("<DescribeVpcsResponse>"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("<VpcId>vpc-lab</VpcId>"),
        "{}",
        answer.body
    );
    let odd = sim
        .call("DescribeVpcs", &[("Format", "YAML")])
        .expect("an answer");
    assert_eq!((odd.status, odd.code().as_str()), (400, "InvalidFormat"));
}

#[test]
fn a_refusal_has_the_services_five_fields() {
    let sim = Sim::start();
    let answer = sim
        .call("DescribeVpcs", &[("<secret>", "wrong")])
        .expect("an answer");
    assert_eq!(answer.status, 400);
    let body = answer.json();
    for field in ["RequestId", "HostId", "Code", "Message", "Recommend"] {
        assert!(
            body[field].as_str().is_some_and(|v| !v.is_empty()),
            "{field}: {body}"
        );
    }
    let message = body["Message"].as_str().unwrap_or_default();
    assert!(
        message.contains("server string to sign is:POST&%2F&"),
        "{message}"
    );
    let unknown = sim
        .call("DescribeVpcs", &[("AccessKeyId", "x")])
        .expect("an answer");
    assert_eq!(
        (unknown.status, unknown.code().as_str()),
        (404, "InvalidAccessKeyId.NotFound")
    );
}

#[test]
fn the_log_has_each_call_and_what_it_did_but_no_secret() {
    let sim = Sim::start();
    sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    let log = sim.get("/_sim/log");
    assert_eq!(log[0]["action"], "CreateRouteEntry");
    assert_eq!(
        (&log[0]["status"], &log[0]["code"]),
        (&json!(200), &Value::Null)
    );
    assert_eq!(log[0]["events"], json!([1, 1]));
    assert_eq!(log[0]["params"]["NextHopId"], "i-vpc1");
    assert_eq!(log[1]["code"], "TaskConflict");
    assert_eq!(log[1]["events"], Value::Null);
    let text = log.to_string();
    for secret in ["testsecret", "Signature\"", "SecurityToken"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let events = sim.get("/_sim/events");
    assert_eq!(
        (&events[0]["status"], &events[0]["cause"]),
        (&json!("Pending"), &json!({"call": 1}))
    );
    assert_eq!(sim.get("/_sim/log?since=2"), json!([]));
}

#[test]
fn a_connection_is_cut_before_or_after_the_effect() {
    for (kind, left) in [("cutBefore", 0), ("cutAfter", 1)] {
        let sim = Sim::start();
        fault(&sim, &json!(kind), &["CreateRouteEntry"]);
        sim.call("CreateRouteEntry", &ENTRY).expect_err("no answer");
        assert_eq!(entries(&sim), left, "{kind}");
        let log = sim.get("/_sim/log");
        assert_eq!(
            (&log[0]["status"], &log[0]["faults"]),
            (&Value::Null, &json!([kind]))
        );
    }
}

#[test]
fn errors_throttling_and_html_come_on_command_and_do_nothing() {
    let sim = Sim::start();
    for (kind, status, code) in [
        (json!({"throttle": {}}), 400, "Throttling"),
        (
            json!({"throttle": {"code": "Throttling.User"}}),
            400,
            "Throttling.User",
        ),
        (
            json!({"error": {"status": 503, "code": "ServiceUnavailable"}}),
            503,
            "ServiceUnavailable",
        ),
        (
            json!({"error": {"status": 400, "code": "OperationFailed.DistibuteLock"}}),
            400,
            "OperationFailed.DistibuteLock",
        ),
    ] {
        fault(&sim, &kind, &[]);
        let answer = sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    fault(&sim, &json!({"html": {"status": 502}}), &[]);
    let answer = sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(answer.body.starts_with("<html>"), "{}", answer.body);
    assert_eq!(entries(&sim), 0);
    fault(&sim, &json!("errorAfter"), &[]);
    let answer = sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (500, "InternalError")
    );
    assert_eq!(entries(&sim), 1, "done all the same");
}

#[test]
fn a_delay_is_before_or_after_the_effect() {
    let sim = Sim::start();
    fault(&sim, &json!({"delayBefore": {"ms": 300}}), &[]);
    let begun = Instant::now();
    sim.call("DescribeVpcs", &[]).expect("an answer");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    fault(
        &sim,
        &json!({"delayAfter": {"ms": 2000}}),
        &["CreateRouteEntry"],
    );
    std::thread::scope(|threads| {
        threads.spawn(|| sim.call("CreateRouteEntry", &ENTRY).expect("an answer"));
        let begun = Instant::now();
        while entries(&sim) == 0 {
            assert!(
                begun.elapsed() < Duration::from_millis(1500),
                "done at once"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn a_call_is_done_even_if_its_caller_is_gone() {
    use std::io::Write as _;
    let sim = Sim::start();
    fault(
        &sim,
        &json!({"delayBefore": {"ms": 200}}),
        &["CreateRouteEntry"],
    );
    let query = signed("POST", "CreateRouteEntry", &ENTRY);
    let mut stream = std::net::TcpStream::connect(sim.address).expect("a connection");
    write!(
        stream,
        "POST /?{query} HTTP/1.1\r\nhost: sim\r\ncontent-length: 0\r\n\r\n"
    )
    .expect("sent");
    std::thread::sleep(Duration::from_millis(50));
    drop(stream);
    let begun = Instant::now();
    while entries(&sim) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is never done");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_skewed_clock_refuses_every_request() {
    let sim = Sim::start();
    sim.post("/_sim/faults", r#"{"clockSkewSeconds": 1000}"#);
    let answer = sim.call("DescribeVpcs", &[]).expect("an answer");
    assert_eq!(answer.code(), "InvalidTimeStamp.Expired");
    let cleared = sim
        .http("DELETE", "/_sim/faults", "", "")
        .expect("an answer");
    assert_eq!(cleared.status, 200);
    assert_eq!(
        sim.call("DescribeVpcs", &[]).expect("an answer").status,
        200
    );
}

#[test]
fn chance_hits_the_same_calls_from_the_same_seed() {
    let hits = || {
        let sim = Sim::start();
        let fault = json!({"kind": {"throttle": {}}, "probability": 0.5});
        sim.post(
            "/_sim/faults",
            &json!({"faults": [fault], "seed": 7}).to_string(),
        );
        let call = |_| sim.call("DescribeVpcs", &[]).expect("an answer").status;
        (0..40).map(call).collect::<Vec<_>>()
    };
    let first = hits();
    assert_eq!(first, hits());
    assert!(first.contains(&200) && first.contains(&400), "{first:?}");
}

#[test]
fn other_users_change_the_world_too() {
    let sim = Sim::start();
    let step = json!([
        {"addEntry": {"table": "vtb-lab", "entry": {
            "destination": "192.168.0.0/16", "name": "by hand",
            "nextHops": [{"type": "Instance", "id": "i-vpc2"}]}}},
        {"setQuota": {"table": "vtb-lab", "quota": 1}},
    ]);
    let made = sim.post("/_sim/world", &step.to_string());
    let answer = sim.call("CreateRouteEntry", &ENTRY).expect("an answer");
    assert_eq!(answer.code(), "QuotaExceeded");
    let gone = json!([{"removeEntry": {"id": made[0]["id"]}}]);
    sim.post("/_sim/world", &gone.to_string());
    assert_eq!(entries(&sim), 0);
    let path = sim.get("/_sim/path?table=vtb-lab&address=192.168.1.1");
    assert_eq!(path["peak"], 1);
    assert_eq!(path["spans"][0]["nextHops"][0]["id"], "i-vpc2");
    let bad = sim
        .http("POST", "/_sim/world", "", r#"[{"destroy": {}}]"#)
        .expect("an answer");
    assert_eq!(bad.status, 400);
    assert!(
        bad.body.contains("unknown variant `destroy`"),
        "{}",
        bad.body
    );
}

#[test]
fn the_roles_credentials_are_keys_of_the_api() {
    let sim = Sim::start();
    let root = "/latest/meta-data/ram/security-credentials/";
    let role = sim.http("GET", root, "", "").expect("an answer").body;
    assert_eq!(role, "FlatnetRoutes");
    let keys = sim.get(&format!("{root}{role}"));
    assert_eq!(keys["Code"], "Success");
    let text = |name: &str| keys[name].as_str().expect("a text").to_owned();
    let (id, secret, token) = (
        text("AccessKeyId"),
        text("AccessKeySecret"),
        text("SecurityToken"),
    );
    let mut pairs = vec![("AccessKeyId", id.as_str()), ("<secret>", secret.as_str())];
    let without = sim.call("DescribeVpcs", &pairs).expect("an answer");
    assert_eq!(without.code(), "InvalidSecurityToken.MismatchWithAccessKey");
    pairs.push(("SecurityToken", token.as_str()));
    assert_eq!(
        sim.call("DescribeVpcs", &pairs).expect("an answer").status,
        200
    );
    assert_eq!(
        sim.get(&format!("{root}{role}"))["AccessKeyId"],
        id.as_str(),
        "still good"
    );
    for (path, text) in [
        ("instance-id", "i-vpc1"),
        ("region-id", "cn-hangzhou"),
        ("vpc-id", "vpc-lab"),
        ("vswitch-id", "vsw-zone-a"),
        ("mac", "00:16:3e:00:01:0b"),
    ] {
        let answer = sim
            .http("GET", &format!("/latest/meta-data/{path}"), "", "")
            .expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, text));
    }
}

#[test]
fn a_metadata_token_is_taken_until_it_is_dropped() {
    let sim = Sim::start();
    let ttl = "X-aliyun-ecs-metadata-token-ttl-seconds: 60\r\n";
    let path = "/latest/meta-data/instance-id";
    let token = sim
        .http("PUT", "/latest/api/token", ttl, "")
        .expect("an answer");
    assert_eq!(token.status, 200);
    let header = format!("X-aliyun-ecs-metadata-token: {}\r\n", token.body);
    let status = |header: &str| sim.http("GET", path, header, "").expect("an answer").status;
    assert_eq!(status(&header), 200);
    assert_eq!(status("X-aliyun-ecs-metadata-token: made-up\r\n"), 401);
    sim.post("/_sim/world", r#"["dropMetadataTokens"]"#);
    assert_eq!(status(&header), 401);
    let long = "X-aliyun-ecs-metadata-token-ttl-seconds: 21601\r\n";
    assert_eq!(
        sim.http("PUT", "/latest/api/token", long, "")
            .expect("an answer")
            .status,
        400
    );
    fault(
        &sim,
        &json!({"error": {"status": 500, "code": "x"}}),
        &["metadata"],
    );
    assert_eq!(status(""), 500);
    assert_eq!(status(""), 200);
}

#[test]
fn a_wrong_world_file_is_refused_with_the_place_that_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = std::fs::read_to_string(WORLD).expect("the example");
    for (from, to, says) in [
        (
            "i-vpc1\n  role",
            "i-none\n  role",
            "metadata.instance: there is no instance i-none",
        ),
        ("createMs", "createMillis", "unknown field `createMillis`"),
        (
            "172.20.0.0/16",
            "172.20.0.0/99",
            "invalid address: 172.20.0.0/99 at line 12",
        ),
    ] {
        let path = dir.path().join("world.yaml");
        assert!(world.contains(from), "{from}");
        std::fs::write(&path, world.replace(from, to)).expect("written");
        let out = Command::new(env!("CARGO_BIN_EXE_aliyun-sim"))
            .args(["--check", "--world"])
            .arg(&path)
            .output()
            .expect("it runs");
        let error = String::from_utf8_lossy(&out.stderr);
        assert!(
            !out.status.success() && error.contains(says),
            "{says}: {error}"
        );
    }
}
