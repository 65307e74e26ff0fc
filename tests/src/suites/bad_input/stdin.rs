//! What comes on standard input.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scratch, Victim, refused};
use crate::LabGuard;
use crate::suites::rig::{Rig, Snapshot};

/// Hostile input is not to keep a node busy; milliseconds are usual.
const A_MOMENT: Duration = Duration::from_secs(5);
const COMMANDS: [&str; 5] = ["ADD", "CHECK", "DEL", "GC", "STATUS"];

pub(super) fn truncated(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-cut")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let call = rig
        .call("ADD", ns)
        .key("runtimeConfig", json!({"mac": "02:00:00:00:00:07"}))
        .key("prevResult", json!({"cniVersion": "1.1.0", "ips": []}));
    let whole = call.text();
    ensure!(whole.is_ascii() && whole.len() > 100, "it is {whole}");
    for length in 0..whole.len() {
        let answer = call.clone().stdin(&whole.as_bytes()[..length]).run()?;
        refused(&answer, &[6]).with_context(|| format!("{length} of {} bytes", whole.len()))?;
    }
    for command in &COMMANDS[1..] {
        let cut = &whole.as_bytes()[..whole.len() - 1];
        let answer = rig.call(command, ns).stdin(cut).run()?;
        refused(&answer, &[6]).with_context(|| (*command).to_owned())?;
    }
    rig.same_as(&before)
}

/// The configuration with one more member, as text.
fn with(conf: &str, member: &str) -> Vec<u8> {
    format!("{},{member}}}", &conf[..conf.len() - 1]).into_bytes()
}

pub(super) fn hostile(lab: &LabGuard) -> Result<()> {
    const DEEP: usize = 200_000;
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-hostile")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let conf = rig.call("ADD", ns).text();
    let deep = |key: &str, open: &str, close: &str| {
        let nested = format!("{}0{}", open.repeat(DEEP), close.repeat(DEEP));
        with(&conf, &format!("\"{key}\":{nested}"))
    };
    let utf16: Vec<u8> = conf.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut split = conf.clone().into_bytes();
    split.insert(conf.len() / 2, 0);
    let mut overlong = with(&conf, "\"x\":\"\"");
    let at = overlong.len() - 2;
    // An overlong NUL, as some decoders take it (RFC 3629 §3).
    overlong.splice(at..at, [0xc0, 0x80]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("200,000 arrays in each other", deep("prevResult", "[", "]")),
        (
            "200,000 objects in each other",
            deep("runtimeConfig", "{\"a\":", "}"),
        ),
        (
            "arrays that are never closed",
            "[".repeat(DEEP).into_bytes(),
        ),
        ("a NUL in the middle", split),
        ("a NUL behind it", [conf.as_bytes(), b"\0"].concat()),
        ("NULs only", vec![0; 4096]),
        ("two documents", conf.repeat(2).into_bytes()),
        ("one bracket more", format!("{conf}}}").into_bytes()),
        ("a byte order mark", format!("\u{feff}{conf}").into_bytes()),
        ("UTF-16", utf16),
        ("overlong UTF-8", overlong),
        ("half a surrogate", with(&conf, r#""network":"\ud800""#)),
        ("a line break in a string", with(&conf, "\"x\":\"a\nb\"")),
        ("a comment", format!("/* */{conf}").into_bytes()),
        ("a trailing comma", with(&conf, "")),
        ("NaN", with(&conf, "\"mtu\":NaN")),
        (
            "an exponent without end",
            with(&conf, &format!("\"mtu\":1e{}", "9".repeat(9999))),
        ),
        (
            "a number of 100,000 digits",
            with(&conf, &format!("\"mtu\":{}", "9".repeat(100_000))),
        ),
        ("a key twice", with(&conf, "\"mtu\":1400,\"mtu\":1300")),
    ];
    for command in ["ADD", "DEL", "GC"] {
        for (what, input) in &cases {
            let begun = Instant::now();
            let answer = rig.call(command, ns).stdin(input.clone()).run()?;
            refused(&answer, &[6]).with_context(|| format!("{command}: {what}"))?;
            ensure!(
                begun.elapsed() < A_MOMENT,
                "{command}: {what} took {:?}",
                begun.elapsed()
            );
        }
    }
    // Behind a key that is nobody's, it is nobody's either.
    for input in [
        deep("x", "[", "]"),
        deep("x", "{\"a\":", "}"),
        with(&conf, "\"x\":1,\"x\":2"),
    ] {
        for command in ["DEL", "STATUS"] {
            let answer = rig.call(command, ns).stdin(input.clone()).run()?;
            answer.ok().context("a foreign key")?;
        }
    }
    rig.same_as(&before)
}

pub(super) fn wrong_values(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-values")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let rates = |rate: Value| {
        json!({"bandwidth": {"ingressRate": rate, "ingressBurst": 1000,
                             "egressRate": 0, "egressBurst": 0}})
    };
    let cases: Vec<(&str, Value)> = vec![
        ("mtu", json!(-1)),
        ("mtu", json!(1.5)),
        ("mtu", json!("1400")),
        ("mtu", json!(1)),
        ("mtu", json!(u64::MAX)),
        ("mtu", json!(1e300)),
        ("network", json!("we\u{0}b")),
        ("network", json!("../web")),
        ("network", json!(7)),
        ("vlanTrunk", json!([0])),
        ("vlanTrunk", json!([4095])),
        ("vlanTrunk", json!(["a"])),
        ("vlanTrunk", json!([{"id": 1e9}])),
        ("vlanTrunk", json!({"id": 5})),
        ("routes", json!("0.0.0.0/0")),
        ("routes", json!([{"dst": "10.0.0.0/33"}])),
        ("routes", json!([{"dst": "10.0.0.0/8", "gw": "fd00::1"}])),
        ("routes", json!([{"gw": "10.100.0.1"}])),
        ("dns", json!("10.0.0.1")),
        ("dns", json!({"nameservers": "10.0.0.1"})),
        ("runtimeConfig", json!([])),
        ("runtimeConfig", json!({"mac": 5})),
        ("runtimeConfig", json!({"ips": [5]})),
        ("runtimeConfig", json!({"ips": vec!["10.100.16.9"; 10_000]})),
        ("runtimeConfig", rates(json!(-1))),
        ("runtimeConfig", rates(json!(1e30))),
        ("runtimeConfig", rates(json!("1M"))),
        ("args", json!("a=b")),
        ("args", json!({"cni": {"ips": "10.100.16.9/99"}})),
        ("prevResult", json!("a result")),
        ("prevResult", json!([1, 2, 3])),
        (
            "prevResult",
            json!({"cniVersion": "1.1.0", "ips": [{"address": "nowhere"}]}),
        ),
        ("prevResult", json!({"cniVersion": "9.9.9"})),
        ("spool", json!("relative")),
        ("spool", json!(5)),
    ];
    for (key, value) in cases {
        let shown: String = value.to_string().chars().take(80).collect();
        let answer = rig.call("ADD", ns).key(key, value).run()?;
        let object =
            refused(&answer, &[1, 6, 7, 104]).with_context(|| format!("{key}: {shown}"))?;
        let said = format!("{} {}", object["msg"], object["details"]);
        let inner = ["mac", "ips", "bandwidth", "address", "CNI version"];
        ensure!(
            said.contains(key) || inner.iter().any(|k| said.contains(k)),
            "{key}: {shown}: the error does not say where: {said}"
        );
    }
    rig.same_as(&before)
}

pub(super) fn large(lab: &LabGuard) -> Result<()> {
    const MIB: usize = 1 << 20;
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-large")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let conf = rig.call("ADD", ns).text();
    let filled = |size: usize| with(&conf, &format!("\"x\":\"{}\"", "y".repeat(size)));
    for command in COMMANDS {
        let cases = [
            ("10 MiB of a string", filled(10 * MIB)),
            ("10 MiB of spaces", vec![b' '; 10 * MIB]),
            ("10 MiB of zeros", vec![0; 10 * MIB]),
            ("10 MiB of keys", with(&conf, &"\"k\":[{}],".repeat(MIB))),
        ];
        for (what, input) in cases {
            let begun = Instant::now();
            let answer = rig.call(command, ns).stdin(input).run()?;
            let object = refused(&answer, &[6]).with_context(|| format!("{command}: {what}"))?;
            ensure!(
                object["msg"]
                    .as_str()
                    .is_some_and(|m| m.contains("longer than")),
                "{command}: {what}: {object}"
            );
            ensure!(begun.elapsed() < A_MOMENT, "{command}: {what} took long");
        }
    }
    rig.same_as(&before)?;
    let mut served = rig.add(ns, "eth0", |call| call.stdin(filled(3 * MIB)))?;
    served.del()?;
    rig.same_as(&before)
}

pub(super) fn foreign_keys(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let nested: Value = (0..60).fold(json!(null), |inner, _| json!({"x": [inner]}));
    let mut pod = rig.attach_with("bi-foreign", |call| {
        call.key("x-vendor", nested.clone())
            .key("", json!("a key without a name"))
            .key("\u{1f980}", json!(1))
            .key(
                "args",
                json!({"org.example": {"a": 1}, "cni": {"labels": [1, 2]}}),
            )
            .key("dns", json!({"nameservers": ["10.0.0.53"], "x": 1}))
            .key(
                "runtimeConfig",
                json!({"x": nested, "aliases": {"web": ["a"]}, "cgroupPath": "/x"}),
            )
            .set(
                "CNI_ARGS",
                "IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_NAMESPACE=n;x=;y=a=b",
            )
            .set("CNI_X", "y")
    })?;
    pod.attached.check()?.ok().context("CHECK")?;
    pod.attached.del()?;
    rig.same_as(&before)
}

pub(super) fn sockets(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let victim = Victim::of(&rig, "bi-socket")?;
    let ns = &victim.ns;
    let before = Snapshot::take(&rig)?;
    let dir = Scratch::on(&rig.node)?;
    let file = dir.at("file");
    std::fs::write(&file, "")?;
    let nobody = dir.at("nobody.sock");
    drop(std::os::unix::net::UnixListener::bind(&nobody)?);
    for path in [&dir.0, &file, &nobody, &dir.at("missing")] {
        let path = path.display().to_string();
        for (command, codes) in [
            ("ADD", [11]),
            ("CHECK", [11]),
            ("GC", [11]),
            ("STATUS", [50]),
        ] {
            let call = rig
                .call(command, ns)
                .key("socket", json!(path))
                .key("prevResult", prev_result())
                .key("cni.dev/valid-attachments", json!([]));
            let object =
                refused(&call.run()?, &codes).with_context(|| format!("{command} at {path}"))?;
            ensure!(object.to_string().contains(&path), "{object}");
        }
    }
    for wrong in [
        json!("relative"),
        json!("/".repeat(200)),
        json!(5),
        json!(""),
    ] {
        let answer = rig.call("ADD", ns).key("socket", wrong.clone()).run()?;
        let object = refused(&answer, &[6, 7]).with_context(|| wrong.to_string())?;
        ensure!(object.to_string().contains("socket"), "{object}");
    }
    rig.same_as(&before)
}

/// A result that CHECK can read.
fn prev_result() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/x"}],
        "ips": [{"address": "10.100.16.9/16", "interface": 0}],
    })
}
