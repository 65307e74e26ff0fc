//! Two VPCs with two route tables each, in one plan, by one controller against the simulator.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::time::{Duration, Instant};

use kit::site::Site;
use serde_json::{Value, json};

/// The VPCs, each with the second byte of its addresses.
const VPCS: [(&str, u8); 2] = [("east", 1), ("west", 2)];
/// How many hosts each has.
const HOSTS: u8 = 4;

/// One region with the VPCs, each with a system table and one more.
fn world() -> String {
    let vpcs = VPCS.map(|(name, n)| {
        let instances = (0..HOSTS).map(|i| {
            json!({"id": format!("i-{name}-{i}"), "vSwitch": format!("vsw-{name}"),
                "addresses": [format!("10.{n}.0.{}", 10 + i)]})
        });
        json!({
            "id": format!("vpc-{name}"), "cidr": format!("10.{n}.0.0/16"),
            "vSwitches": [{"id": format!("vsw-{name}"), "cidr": format!("10.{n}.0.0/24")}],
            "routeTables": [
                {"id": format!("vtb-{name}"), "type": "System"},
                {"id": format!("vtb-{name}-more"), "type": "Custom"},
            ],
            "instances": instances.collect::<Vec<_>>(),
        })
    });
    let world = json!({
        "region": "cn-test",
        "accessKeys": [{"id": "testid", "secret": "testsecret"}],
        "timings": {"createMs": 300, "deleteMs": 300, "modifyMs": 300, "jitterMs": 0},
        "vpcs": vpcs,
    });
    world.to_string()
}

/// The ranges are 172.30.(base + host).0/24 in the east, 172.31.… in the west: with a gap
/// between two, so that nothing is aggregated.
fn plan(base: u8) -> String {
    let sites = VPCS.map(|(name, n)| {
        json!({"name": name, "type": "VPC", "vpcId": format!("vpc-{name}"),
        "vSwitches": [{"name": format!("zone-{name}"),
            "subnets": [{"prefix": format!("10.{n}.0.0/24"),
                "gateway": format!("10.{n}.0.253")}]}],
        "routeTables": [
            {"name": "main", "id": format!("vtb-{name}")},
            {"name": "more", "id": format!("vtb-{name}-more"),
                "vSwitches": [format!("zone-{name}")]},
        ]})
    });
    let networks = VPCS.map(|(name, n)| {
        json!({"name": format!("pods-{name}"), "site": name,
            "pools": [{"prefix": format!("172.{}.0.0/16", 29 + n)}]})
    });
    let hosts = VPCS.iter().flat_map(|(name, n)| {
        (0..HOSTS).map(move |i| {
            json!({"name": format!("{name}{i}"), "site": name,
                "vSwitch": format!("zone-{name}"), "instanceId": format!("i-{name}-{i}"),
                "addresses": [format!("10.{n}.0.{}/24", 10 + i)],
                "uplink": {"interface": "eth0"},
                "ranges": [{"network": format!("pods-{name}"),
                    "prefix": format!("172.{}.{}.0/24", 29 + n, base + 2 * i)}]})
        })
    });
    let plan = json!({
        "apiVersion": "flatnet.io/v1alpha1", "kind": "NetworkPlan",
        "metadata": {"name": "two"},
        "spec": {"sites": sites, "networks": networks, "hosts": hosts.collect::<Vec<_>>()},
    });
    plan.to_string()
}

async fn new() -> Site {
    let site = Site::new(&world()).await;
    site.configure("cn-test", |config| {
        config["massDelete"] = json!({"share": 100, "always": 5});
        config["aliyun"]["timeoutSeconds"] = 1.into();
    });
    site.write("plan.yml", &plan(0));
    site
}

/// Where an address leads in a table, now.
async fn leads(site: &Site, table: &str, address: &str) -> Vec<String> {
    let (spans, _) = site.cloud.path(table, address).await;
    spans.last().cloned().unwrap_or_default()
}

/// Until every host of a VPC has its range in both tables; how long it took.
async fn settled(site: &Site, (name, n): (&str, u8), base: u8, within: Duration) -> Duration {
    let started = Instant::now();
    loop {
        let mut left = Vec::new();
        for table in [format!("vtb-{name}"), format!("vtb-{name}-more")] {
            for i in 0..HOSTS {
                let address = format!("172.{}.{}.7", 29 + n, base + 2 * i);
                if leads(site, &table, &address).await != [format!("i-{name}-{i}")] {
                    left.push(format!("{table} {address}"));
                }
            }
        }
        if left.is_empty() {
            return started.elapsed();
        }
        assert!(started.elapsed() < within, "{left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn conflicts(site: &Site) -> usize {
    let log = site.cloud.log().await;
    let refused = |c: &&Value| {
        c["code"]
            .as_str()
            .is_some_and(|c| c.contains("TaskConflict"))
    };
    log.iter().filter(refused).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_vpc_has_one_writer_and_they_work_side_by_side() {
    let site = new().await;
    let (status, said) = site.run(&["plan"]).await;
    assert_eq!(
        (status, said.matches("4 changes").count()),
        (2, 4),
        "{said}"
    );
    let (status, said) = site.run(&["apply"]).await;
    assert_eq!(status, 0, "{said}");
    assert_eq!(site.run(&["plan"]).await.0, 0);
    // No write came while an entry of its VPC was unstable: the service would have refused it.
    assert_eq!(conflicts(&site).await, 0);
    let log = site.cloud.log().await;
    let writes: Vec<&str> = log
        .iter()
        .filter(|c| c["action"] == "CreateRouteEntries")
        .filter_map(|c| c["params"]["RouteEntries.1.RouteTableId"].as_str())
        .collect();
    assert_eq!(writes.len(), 4, "{writes:?}");
    // The first write of either VPC comes before the second of the other.
    let vpcs: Vec<&str> = writes.iter().map(|t| &t[4..8]).collect();
    assert_ne!(vpcs[0], vpcs[1], "{writes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vpc_that_cannot_be_written_does_not_hold_up_the_other() {
    let [east, west] = VPCS;
    let site = new().await;
    // Longer than the client waits: each write of the west is in doubt, again and again.
    let west_tables = ["vtb-west", "vtb-west-more"];
    let faults = json!([
        {"kind": {"delayBefore": {"ms": 1500}}, "tables": west_tables,
         "actions": ["Create*", "Delete*"]},
        {"kind": "cutBefore", "tables": west_tables, "actions": ["Create*", "Delete*"]},
    ]);
    site.cloud.faults(faults).await;
    let daemon = site.daemon();
    settled(&site, east, 0, Duration::from_secs(8)).await;
    assert!(leads(&site, "vtb-west", "172.31.0.7").await.is_empty());
    // The next round does not wait for the west either.
    site.write("plan.yml", &plan(1));
    settled(&site, east, 1, Duration::from_secs(20)).await;
    assert!(leads(&site, "vtb-west", "172.31.1.7").await.is_empty());
    site.cloud.faults(json!([])).await;
    settled(&site, west, 1, Duration::from_secs(40)).await;
    drop(daemon);
    assert_eq!(conflicts(&site).await, 0);
}
