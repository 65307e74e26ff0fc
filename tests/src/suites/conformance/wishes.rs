//! What a runtime may ask for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::LabGuard;
use crate::suites::rig::{Call, Pod, Rig, Snapshot, global_addresses, interface};

fn runtime(key: &'static str, value: Value) -> impl Fn(Call) -> Call {
    move |call| call.key("runtimeConfig", json!({key: value}))
}

fn has(pod: &Pod, address: &str) -> Result<()> {
    let has = pod.attached.addresses();
    ensure!(
        has.iter().any(|a| a == address),
        "{address} was asked for, and {has:?} was given"
    );
    let inside = interface(&pod.ns, "eth0")?.context("eth0 is not there")?;
    let bears = global_addresses(&inside);
    ensure!(
        bears.iter().any(|a| a == address),
        "{address} was given, and eth0 has {bears:?}"
    );
    Ok(())
}

/// An address of each family that nobody had for a while: one that was released rests, so
/// a run takes others than the run before.
fn fresh() -> Result<(String, String)> {
    const EACH_RUN: u64 = 16;
    const ALL: u64 = 2800;
    static FIRST: OnceLock<u64> = OnceLock::new();
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let first = FIRST.get_or_init(|| now * EACH_RUN);
    let n = (first + TAKEN.fetch_add(1, Ordering::Relaxed)) % ALL;
    Ok((
        format!("10.100.{}.{}", 20 + n / 256, n % 256),
        format!("fd10:100::1:{:x}", 0x4000 + n),
    ))
}

pub(super) fn addresses(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let (v4, v6) = fresh()?;
    {
        let pod = rig.attach_with("wish-v4", runtime("ips", json!([v4])))?;
        has(&pod, &format!("{v4}/16"))?;
        ensure!(
            pod.attached.addresses().len() == 2,
            "the other family is netd's to choose"
        );
        let other = rig.attach_with("wish-v6", runtime("ips", json!([format!("{v6}/64")])))?;
        has(&other, &format!("{v6}/64"))?;

        let ns = rig.container("wish-no")?;
        let before = Snapshot::take(&rig)?;
        let refusals: [(Value, u64, &[&str]); 10] = [
            (json!([v4]), 104, &[&v4, "taken", "wish-v4"]),
            (json!([v6]), 104, &[&v6, "taken", "wish-v6"]),
            (
                json!(["10.100.200.1"]),
                104,
                &["10.100.200.1", "10.100.16.0/20"],
            ),
            (json!(["10.200.16.9"]), 104, &["10.200.16.9"]),
            (json!(["fd10:100::7:1"]), 104, &["fd10:100::7:1"]),
            (json!(["10.100.0.1"]), 104, &["10.100.0.1"]),
            (json!(["fd10:100::1"]), 104, &["fd10:100::1"]),
            (
                json!(["10.100.30.1", "10.100.30.2"]),
                104,
                &["10.100.30.1", "one family"],
            ),
            (json!(["10.100.16"]), 7, &["runtimeConfig.ips", "10.100.16"]),
            (json!("10.100.30.1"), 7, &["runtimeConfig.ips"]),
        ];
        for (ips, code, words) in refusals {
            let answer = runtime("ips", ips.clone())(rig.call("ADD", &ns)).run()?;
            answer
                .refused(code, words)
                .with_context(|| format!("ips {ips}"))?;
        }
        rig.same_as(&before)?;
    }
    let both = fresh()?;
    let mut pod = rig.attach_with("wish-both", runtime("ips", json!([both.1, both.0])))?;
    has(&pod, &format!("{}/16", both.0))?;
    has(&pod, &format!("{}/64", both.1))?;
    pod.attached.del()?;
    // What was just released may still be in somebody's caches.
    let answer = runtime("ips", json!([both.0]))(rig.call("ADD", &pod.ns)).run()?;
    answer.refused(11, &[&both.0, "quarantine"])?;
    // In mode `routed` the first address of the range is the host's own.
    let cloud = Rig::new(lab, "vpc1", "cloud")?;
    let ns = cloud.container("wish-gw")?;
    for gateway in ["172.30.16.1", "fd20:30::1:1"] {
        let answer = runtime("ips", json!([gateway]))(cloud.call("ADD", &ns)).run()?;
        answer.refused(104, &[gateway])?;
    }
    Ok(())
}

pub(super) fn priority(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let (a, b) = (fresh()?.0, fresh()?.0);
    let third = "10.100.31.200";
    {
        let pod = rig.attach_with("first", |call| {
            call.set("CNI_ARGS", format!("IP={third}"))
                .key("args", json!({"cni": {"ips": [b]}}))
                .key("runtimeConfig", json!({"ips": [a]}))
        })?;
        has(&pod, &format!("{a}/16"))?;
    }
    let pod = rig.attach_with("second", |call| {
        call.set("CNI_ARGS", format!("IP={third}"))
            .key("args", json!({"cni": {"ips": [b]}}))
    })?;
    has(&pod, &format!("{b}/16"))
}

pub(super) fn mac(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let wanted = "02:12:34:56:78:9a";
    let pod = rig.attach_with("mac", runtime("mac", json!(wanted)))?;
    let inside = interface(&pod.ns, "eth0")?.context("eth0 is not there")?;
    ensure!(
        inside["address"] == wanted,
        "eth0 has {}",
        inside["address"]
    );
    ensure!(
        pod.attached.result["interfaces"][1]["mac"] == wanted,
        "{}",
        pod.attached.result
    );
    pod.attached.check()?.ok()?;
    pod.exec("ping", &["-c", "2", "-W", "5", "10.100.0.1"])
        .context("with a MAC of its own")?;

    let ns = rig.container("mac-no")?;
    let before = Snapshot::take(&rig)?;
    let refusals: [(&str, u64, &[&str]); 5] = [
        (wanted, 104, &[wanted, "cni-mac"]),
        ("01:00:5e:00:00:01", 7, &["mac"]),
        ("00:00:00:00:00:00", 7, &["mac"]),
        ("ff:ff:ff:ff:ff:ff", 7, &["mac"]),
        ("02:12:34:56:78", 7, &["mac"]),
    ];
    for (mac, code, words) in refusals {
        let answer = runtime("mac", json!(mac))(rig.call("ADD", &ns)).run()?;
        answer
            .refused(code, words)
            .with_context(|| mac.to_owned())?;
    }
    rig.same_as(&before)
}

pub(super) fn bandwidth(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let wish = json!({"ingressRate": 20_000_000, "ingressBurst": 2_000_000,
                      "egressRate": 10_000_000, "egressBurst": 1_000_000});
    let mut pod = rig.attach_with("meters", runtime("bandwidth", wish))?;
    let limited = Snapshot::take(&rig)?;
    // Two meters of two lines each, as `ovs-ofctl` prints them: rates in kbit/s.
    ensure!(
        limited.has(&["meter", "rate=20000", "burst_size=2000"]),
        "no meter of what it gets"
    );
    ensure!(
        limited.has(&["meter", "rate=10000", "burst_size=1000"]),
        "no meter of what it sends"
    );
    ensure!(limited.has(&["flow", "meter:"]), "no flow uses a meter");
    pod.attached.check()?.ok()?;
    pod.attached.del()?;
    rig.same_as(&before)?;

    let ns = rig.container("meters-no")?;
    let zero = json!({"ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0});
    drop(
        rig.attach_with("meters", runtime("bandwidth", zero))
            .context("no limits")?,
    );
    for wish in [
        json!({"ingressRate": 1_000_000}),
        json!({"egressBurst": 1_000_000}),
        json!({"ingressRate": -1, "ingressBurst": 1}),
        json!({"ingressRate": 5, "ingressBurst": 5}),
        json!({"egressRate": "1M", "egressBurst": "1M"}),
        json!("1M"),
    ] {
        let answer = runtime("bandwidth", wish.clone())(rig.call("ADD", &ns)).run()?;
        answer
            .refused(7, &["bandwidth"])
            .with_context(|| wish.to_string())?;
    }
    rig.same_as(&before)
}

pub(super) fn cni_args(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let address = fresh()?.0;
    let args = format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;\
         K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=7f3e;IP={address}"
    );
    let pod = rig.attach_with("args", |call| call.set("CNI_ARGS", &args))?;
    has(&pod, &format!("{address}/16"))?;
    let known = rig
        .attachment(&pod.attached.id, "eth0")?
        .context("netd does not have it")?;
    let wanted = json!({"namespace": "shop", "name": "cart-0", "uid": "7f3e"});
    ensure!(
        known["pod"] == wanted,
        "netd says of the pod {}",
        known["pod"]
    );
    Ok(())
}

pub(super) fn configuration(lab: &LabGuard) -> Result<()> {
    let rig = Rig::new(lab, "idc1", "web")?;
    let pod = rig.attach_with("conf", |call| {
        let routes = json!([{"dst": "10.8.0.0/16"}, {"dst": "10.9.0.9/16", "gw": "10.100.0.7"}]);
        call.key("mtu", json!(1400)).key("routes", routes)
    })?;
    let inside = interface(&pod.ns, "eth0")?.context("eth0 is not there")?;
    ensure!(inside["mtu"] == 1400, "eth0 has the MTU {}", inside["mtu"]);
    ensure!(
        pod.attached.result["interfaces"][1]["mtu"] == 1400,
        "{}",
        pod.attached.result
    );
    for (dst, gateway) in [("10.8.0.0/16", "10.100.0.1"), ("10.9.0.0/16", "10.100.0.7")] {
        let there = pod.ip_json(&["route", "show", dst])?;
        ensure!(
            there[0]["gateway"] == gateway,
            "{dst}: the container has {there}"
        );
        let told = pod.attached.result["routes"]
            .as_array()
            .into_iter()
            .flatten();
        let mut told = told.filter(|r| r["dst"] == dst && r["gw"] == gateway);
        ensure!(
            told.next().is_some(),
            "{dst} is not in {}",
            pod.attached.result
        );
    }
    pod.attached.check()?.ok()?;
    let ns = rig.container("conf-no")?;
    let before = Snapshot::take(&rig)?;
    let refusals: [(&str, Value, &[&str]); 6] = [
        ("mtu", json!(9000), &["9000", "1500"]),
        ("mtu", json!(1000), &["1000", "1280"]),
        ("mtu", json!("1500"), &["mtu"]),
        ("routes", json!([{"dst": "10.0.0.0"}, {}]), &["routes"]),
        (
            "routes",
            json!([{"dst": "10.8.0.0/16", "gw": "fd10::1"}]),
            &["routes"],
        ),
        ("vlanTrunk", json!([300]), &["300", "200"]),
    ];
    for (key, value, words) in refusals {
        let answer = rig.call("ADD", &ns).key(key, value.clone()).run()?;
        answer
            .refused(7, words)
            .with_context(|| format!("{key} {value}"))?;
    }
    rig.same_as(&before)
}
