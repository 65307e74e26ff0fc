//! What the real binary holds in memory, and that a cold start writes nothing.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::Cloud;
use crate::{NODES, Verdict, plan_text};

/// The most resident memory that the process may ever have had (`VmHWM`), in MiB.
const LIMIT: f64 = 50.0;
/// Entries of one page of a listing.
const PAGE: usize = 100;
const WRITES: &[&str] = &[
    "CreateRouteEntries",
    "CreateRouteEntry",
    "ModifyRouteEntry",
    "DeleteRouteEntries",
];

/// A daemon that dies with its case.
struct Daemon(Child);

/// Resident memory, in MiB.
struct Memory {
    /// The most that it ever was.
    peak: f64,
    /// What it is now.
    settled: f64,
}

impl Daemon {
    fn start(directory: &Path, cloud: &Cloud, state: &str) -> Self {
        let config = json!({
            "cluster": "bench",
            "plan": directory.join("plan.yml"),
            "stateDir": directory.join(state),
            "socket": null,
            "intervalSeconds": 1,
            "aliyun": {
                "endpoint": cloud.address,
                "region": "cn-test",
                "credentials": {"source": "static", "accessKeyId": "testid",
                    "accessKeySecret": "testsecret"},
            },
        });
        let path = directory.join("config.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_vpc-route"))
            .arg("--config")
            .arg(&path)
            .arg("run")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// What it holds (proc(5)).
    fn memory(&self) -> Memory {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let mib = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            let kib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
            kib / 1024.0
        };
        Memory {
            peak: mib("VmHWM:"),
            settled: mib("VmRSS:"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be dead already: that is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The cloud of [`plan_text`]'s plan.
fn world(vpcs: u32, hosts: u32) -> String {
    let vpc = |vpc: u32| {
        let instances = (0..hosts).map(|i| {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0010 + vpc * 256 + i);
            json!({"id": format!("i-{vpc}-{i}"), "vSwitch": format!("vsw-{vpc}"),
                "addresses": [address]})
        });
        let cidr = format!("10.0.{vpc}.0/24");
        json!({
            "id": format!("vpc-{vpc}"), "cidr": cidr,
            "vSwitches": [{"id": format!("vsw-{vpc}"), "cidr": cidr}],
            "routeTables": [{"id": format!("vtb-{vpc}"), "type": "System", "quota": hosts}],
            "instances": instances.collect::<Vec<_>>(),
        })
    };
    let world = json!({
        "region": "cn-test",
        "accessKeys": [{"id": "testid", "secret": "testsecret"}],
        "timings": {"createMs": 0, "deleteMs": 0, "modifyMs": 0, "jitterMs": 0},
        "vpcs": (0..vpcs).map(vpc).collect::<Vec<_>>(),
    });
    world.to_string()
}

/// Waits until a table was listed three times since the last write, and there were writes
/// enough; how many writes there were.
async fn settled(cloud: &Cloud, entries: usize, at_least: usize) -> usize {
    let limit = Instant::now() + Duration::from_secs(600);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let log = cloud.log().await;
        let is_write = |c: &Value| WRITES.contains(&c["action"].as_str().unwrap_or_default());
        let writes = log.iter().filter(|c| is_write(c)).count();
        let quiet = log.iter().rev().take_while(|c| !is_write(c)).count();
        if writes >= at_least && quiet >= 3 * entries.div_ceil(PAGE) + 3 {
            return writes;
        }
        assert!(
            Instant::now() < limit,
            "{writes} writes, then {quiet} listings"
        );
    }
}

/// Hosts of a VPC: as many as a route table holds by default.
const HOSTS: u32 = 200;

/// One VPC of 200 nodes, and 10,000 nodes in 50 VPCs; a cold start against each.
pub(crate) async fn run(verdict: &mut Verdict) {
    for vpcs in [1, NODES / HOSTS] {
        let nodes = vpcs * HOSTS;
        let entries = usize::try_from(nodes).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("plan.yml"), plan_text(vpcs, HOSTS)).unwrap();
        let cloud = Cloud::start(&world(vpcs, HOSTS)).await;
        let daemon = Daemon::start(directory.path(), &cloud, "state");
        let written = settled(&cloud, entries, entries.div_ceil(50)).await;
        let name = format!("bring-up, {nodes} nodes");
        tell(verdict, &name, &daemon.memory());
        drop(daemon);
        // Another process with an empty state directory: it knows the plan and nothing else.
        let listed = cloud.log().await.len();
        let cold = Daemon::start(directory.path(), &cloud, "cold");
        while cloud.log().await.len() < listed + 3 * entries.div_ceil(PAGE) + 3 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let writes = settled(&cloud, entries, 0).await - written;
        let line = format!("cold start against {nodes} entries: {writes} writes (limit 0)");
        verdict.tell(writes == 0, &line);
        let name = format!("cold start, {nodes} nodes");
        tell(verdict, &name, &cold.memory());
    }
}

fn tell(verdict: &mut Verdict, name: &str, memory: &Memory) {
    let Memory { peak, settled } = memory;
    let line = format!(
        "memory: {name}, at most {peak:.1} MiB (limit {LIMIT} MiB), settled {settled:.1} MiB"
    );
    verdict.tell(*peak < LIMIT, &line);
}
