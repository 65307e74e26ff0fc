//! A pod is drained under connections: by its address, and by a Service's that the host translates.
//!
//! ```text
//!   near, of this node ──▶ its addresses ───────────────────────▶ web        DELIVER
//!     └──▶ the Service's ──▶ host: DNAT ──▶ flat0 ──────────────▶ web        FROM_HOST
//!   kubelet, every second ──▶ its address ──▶ flat0 ────────────▶ web        FROM_HOST, and not late
//!   far, of another node ──▶ its addresses ──▶ switch ──▶ uplink ─▶ web       FROM_UPLINK
//!                                                                   └─ tcpdump: every SYN
//! ```

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::gated::{OWN, PORT, PROBED, SPACE, addresses, apply, condition, shows};
use super::{FOLLOWED, Scene};
use crate::netd;
use crate::suites::kit::nat::{self, Rule, SERVICE_PORT};
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{eventually, output, say};
use crate::suites::rig::{Pod, Rig};

/// How long no connection may come: what the pod says, as a time.
const QUIET: Duration = Duration::from_secs(1);
/// The address of its Service.
const SERVICE: &str = "10.96.0.77";
const SLICE: &str = "web-1";
/// The first segment of a TCP connection (pcap-filter(7), which knows TCP's flags in IPv4 only).
const SYN: &str = "(ip and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn) or \
                   (ip6[6] == 6 and ip6[53] & 0x12 == 2)";
/// Meters from here on count (docs/owned.md).
const FIRST_METER: u32 = 196_608;
/// So many calls are late.
const CALLS: u64 = 40;
/// How long a call may take: the machine may be busy.
const ANSWER: Duration = Duration::from_secs(5);

/// Says that the pod is ready or not, as the controller of EndpointSlices does.
fn offer(scene: &Scene<'_>, ips: &[IpAddr], ready: bool) -> Result<()> {
    let ips: Vec<_> = ips.iter().filter(|ip| ip.is_ipv4()).collect();
    apply(
        scene,
        &json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": SLICE, "namespace": SPACE, "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": PORT}],
            "endpoints": [{"addresses": ips, "conditions": {"ready": ready, "serving": ready, "terminating": false}}],
        }),
    )
}

fn wish(scene: &Scene<'_>, wished: bool) -> Result<()> {
    let label = format!("flatnet.io/serve={wished}");
    let args = ["-n", SPACE, "label", "--overwrite", "pod", OWN, &label];
    scene.cluster.kubectl(&args).map(drop)
}

/// How many flows of the node's bridge count connections.
fn counting_flows(rig: &Rig) -> Result<usize> {
    let bridge = crate::paths::NODE_BRIDGE;
    let flows = rig.ofctl(&["-O", "OpenFlow14", "dump-flows", bridge])?;
    let counts = flows.lines().filter(|l| l.contains("tcp_flags=+syn-ack"));
    Ok(counts.count())
}

fn counts(rig: &Rig, wanted: bool) -> Result<()> {
    eventually(FOLLOWED, || {
        let flows = counting_flows(rig)?;
        ensure!((flows > 0) == wanted, "{flows} flows count connections");
        Ok(())
    })?;
    Ok(())
}

/// In the middle of a drain somebody deletes what counts, and netd gets SIGKILL: it counts again, by as many flows.
fn broken_by_hand(scene: &Scene<'_>, rig: &Rig) -> Result<()> {
    let before = counting_flows(rig)?;
    let bridge = crate::paths::NODE_BRIDGE;
    let back = || {
        eventually(FOLLOWED, || {
            let now = counting_flows(rig)?;
            ensure!(now == before, "{now} of {before} flows count connections");
            Ok(())
        })
    };
    // With a meter go the flows that use it.
    let meters = rig.ofctl(&["-O", "OpenFlow14", "dump-meters", bridge])?;
    let ids = meters.split("meter=").filter_map(|m| {
        let digits = m.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    let first = ids.filter(|id| *id >= FIRST_METER).min();
    let first = first.with_context(|| format!("no meter counts: {meters}"))?;
    let meter = format!("meter={first}");
    rig.ofctl(&["-O", "OpenFlow14", "del-meters", bridge, &meter])?;
    let (_, took) = back()?;
    say(&format!(
        "a meter that was deleted by hand counts again after {took:.1?}"
    ));
    let node = &rig.node.name;
    let killed = scene.lab.kill_netd(node)?;
    ensure!(killed.wait_gone(FOLLOWED), "netd does not die");
    scene.lab.wait_ready(node, FOLLOWED)?;
    back()?;
    shows(scene, "False", "NotWished").context("after netd was killed")?;
    // What the datapath keeps of flows that were replaced counts nothing until it has been looked at.
    output(rig.node.appctl().arg("revalidator/wait"))?;
    Ok(())
}

/// Connections that came late, by netd's metric.
fn late(rig: &Rig) -> Result<u64> {
    let (status, text) = netd::get(&rig.node.paths.netd_sock(), "/metrics")?;
    ensure!(status == 200, "netd answers {status}: {text}");
    let mut lines = text.lines();
    let line = lines.find_map(|l| l.strip_prefix("flatnet_late_connections_total "));
    Ok(line.context("there is no such metric")?.trim().parse()?)
}

/// Who opens one connection after the other until it is dropped.
struct Caller {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    failed: Arc<Mutex<Option<anyhow::Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl Caller {
    /// With so long a pause after each call.
    fn start(ways: Vec<Way>, pause: Duration) -> Self {
        let mut caller = Self {
            stop: Arc::default(),
            calls: Arc::default(),
            failed: Arc::default(),
            thread: None,
        };
        let (stop, calls) = (Arc::clone(&caller.stop), Arc::clone(&caller.calls));
        let failed = Arc::clone(&caller.failed);
        let thread = std::thread::spawn(move || {
            for (from, at) in ways.iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = ask(from, *at, ANSWER) {
                    failed.lock().expect("not poisoned").replace(error);
                    return;
                }
                calls.fetch_add(1, Ordering::Relaxed);
                // The pace of who calls, as kubelet's probes have one; nothing is waited for.
                std::thread::sleep(pause);
            }
        });
        caller.thread = Some(thread);
        caller
    }

    /// Waits for so many calls more.
    fn more(&self, calls: u64) -> Result<()> {
        let before = self.calls.load(Ordering::Relaxed);
        eventually(FOLLOWED, || {
            let now = self.calls.load(Ordering::Relaxed);
            ensure!(now >= before + calls, "{} calls", now - before);
            Ok(())
        })?;
        Ok(())
    }

    /// Ends it; when its last call was over.
    fn end(mut self) -> Result<Instant> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        ensure!(ended.is_some_and(|e| e.is_ok()), "the caller panicked");
        let last = Instant::now();
        match self.failed.lock().expect("not poisoned").take() {
            Some(error) => Err(error.context("a call was not answered")),
            None => Ok(last),
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// From a namespace to a place.
type Way = (PathBuf, SocketAddr);

/// Who calls the pod by which way: see the picture above.
fn ways<'r>(
    scene: &Scene<'_>,
    rig: &'r Rig,
    ips: &[IpAddr],
    [near, far]: [&Pod; 2],
) -> Result<(Vec<Way>, Option<Rule<'r>>)> {
    let mut ways = Vec::new();
    for ip in ips {
        let at = SocketAddr::new(*ip, PORT);
        ways.extend([near, far].map(|from| (from.ns.path().to_owned(), at)));
    }
    let v4 = ips.iter().find(|ip| ip.is_ipv4()).context("no IPv4")?;
    // The guest's kernel may translate nothing: there only what is direct is counted.
    let service = match nat::needed(scene.lab) {
        Ok(()) => Some(Rule::add(
            &rig.node,
            SERVICE.parse()?,
            SocketAddr::new(*v4, PORT),
        )?),
        Err(why) => {
            say(&format!("without a Service: {why}"));
            None
        }
    };
    if service.is_some() {
        let at = SocketAddr::new(SERVICE.parse()?, SERVICE_PORT);
        ways.push((near.ns.path().to_owned(), at));
    }
    Ok((ways, service))
}

/// The pod is in service, and drained in the end.
pub(super) fn late_connections(
    scene: &Scene<'_>,
    rig: &Rig,
    web: &Pod,
    clients: [&Pod; 2],
) -> Result<()> {
    let ips = addresses(web)?;
    let _greeter = Greeter::start(web.ns.path(), PORT)?;
    let (ways, _service) = ways(scene, rig, &ips, clients)?;
    let all_ways = u64::try_from(ways.len())?;
    offer(scene, &ips, true)?;
    ensure!(
        counting_flows(rig)? == 0,
        "connections are counted of a pod that serves"
    );
    let caller = Caller::start(ways, Duration::ZERO);
    caller.more(all_ways)?;
    let probed = SocketAddr::new(ips[0], PORT);
    let kubelet = (rig.node.netns_path(), probed);
    let own = ask(&kubelet.0, probed, ANSWER)?;
    let kubelet = Caller::start(vec![kubelet], PROBED);

    wish(scene, false)?;
    let (_, took) = eventually(FOLLOWED, || shows(scene, "False", "NotWished"))?;
    say(&format!("out of service {took:.1?} after the wish went"));
    counts(rig, true)?;
    // It is offered still: whatever it waits for is told, and it is not drained.
    eventually(FOLLOWED, || {
        let said = shows(scene, "False", "NotWished")?["message"].to_string();
        ensure!(said.contains(SLICE), "it says {said}");
        Ok(())
    })?;
    ensure!(
        late(rig)? == 0,
        "a connection is late while the pod is offered"
    );

    broken_by_hand(scene, rig)?;

    let foreign = format!("({SYN}) and not src host {own}");
    let capture = || Capture::taken("web eth0", web.ns.path(), "eth0", &foreign);
    let all = capture()?;
    offer(scene, &ips, false)?;
    eventually(FOLLOWED, || {
        ensure!(late(rig)? > 0, "no connection is late");
        Ok(())
    })?;
    let certain = capture()?;
    caller.more(CALLS)?;
    shows(scene, "False", "NotWished").context("under connections")?;
    let last = caller.end()?;
    let certain = certain.finish()?.frames.len();
    let (drained, _) = eventually(FOLLOWED, || shows(scene, "False", "Drained"))?;
    let after = last.elapsed();
    kubelet.more(1)?;
    kubelet.end()?;
    let all = all.finish()?.frames.len();
    let message = drained["message"].as_str().unwrap_or_default();
    say(&format!(
        "drained {after:.1?} after the last connection: {message}"
    ));
    ensure!(after >= QUIET, "it was quiet for {after:?} only");
    let counted = message.rsplit_once("late before that: ").map(|(_, n)| n);
    let counted = counted.and_then(|n| n.strip_suffix(" connections"));
    let counted: usize = counted.context("the message names no late ones")?.parse()?;
    say(&format!(
        "{counted} late connections counted; on the wire {all} since the slice was written, {certain} since the first \
         was counted"
    ));
    ensure!(
        certain >= usize::try_from(CALLS)?,
        "only {certain} were certainly late"
    );
    ensure!(
        certain <= counted && counted <= all,
        "{certain} <= {counted} <= {all}"
    );
    ensure!(
        u64::try_from(counted)? == late(rig)?,
        "the metric is another"
    );
    counts(rig, false)
}

/// It is wished again, and then deleted by somebody.
pub(super) fn comes_back_and_is_deleted(scene: &Scene<'_>, rig: &Rig, web: &Pod) -> Result<()> {
    let ips = addresses(web)?;
    wish(scene, true)?;
    eventually(FOLLOWED, || shows(scene, "True", "InService"))?;
    offer(scene, &ips, true)?;
    let delete = [
        "-n",
        SPACE,
        "delete",
        "pod",
        OWN,
        "--wait=false",
        "--grace-period=60",
    ];
    scene.cluster.kubectl(&delete)?;
    eventually(FOLLOWED, || shows(scene, "False", "Deleting"))?;
    counts(rig, true)?;
    offer(scene, &ips, false)?;
    let (_, took) = eventually(FOLLOWED, || shows(scene, "False", "Drained"))?;
    say(&format!(
        "deleted: drained {took:.1?} after the slice was written"
    ));
    let message = condition(scene)?["message"].to_string();
    ensure!(!message.contains("late"), "it says {message}");
    counts(rig, false)
}
