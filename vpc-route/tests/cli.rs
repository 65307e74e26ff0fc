//! The binary, as an operator calls it, against the simulator.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::time::{Duration, Instant};

use flatnet_trace::tables::{Fault, Kind, Tables, judge};
use flatnet_vpc_route::diff::{DeleteReason, Op};
use flatnet_vpc_route::model::TableId;
use kit::Cloud;
use kit::site::{PLAN, Site, WORLD};
use serde_json::{Value, json};

async fn new() -> Site {
    let site = Site::new(&WORLD.replace("200", "20")).await;
    site.write("plan.yml", PLAN);
    configure(&site, "testsecret");
    site
}

fn configure(site: &Site, secret: &str) {
    site.configure("cn-hangzhou", |config| {
        config["aliyun"]["credentials"]["accessKeySecret"] = secret.into();
        site.edge(config);
    });
}

/// Until a plan says that nothing is to be done.
async fn settled(site: &Site, within: Duration) -> Duration {
    let started = Instant::now();
    loop {
        let (status, said) = site.run(&["plan"]).await;
        if status == 0 {
            return started.elapsed();
        }
        assert!(started.elapsed() < within, "{said}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_2_for_changes_an_apply_makes_them_and_a_plan_says_0() {
    let site = new().await;
    let (status, said) = site.run(&["plan"]).await;
    assert_eq!(status, 2, "{said}");
    assert!(
        said.contains("+ 172.30.16.0/20 via Instance i-vpc1"),
        "{said}"
    );
    let (status, said) = site.run(&["plan", "-o", "json"]).await;
    let plans: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, plans["tables"][0]["plan"]["ops"][0]["op"].as_str()),
        (2, Some("create"))
    );
    let (status, said) = site.run(&["apply"]).await;
    assert_eq!(status, 0, "{said}");
    let (status, said) = site.run(&["plan", "--color", "never"]).await;
    assert_eq!(
        (status, said.matches("no change").count()),
        (0, 3),
        "{said}"
    );
    let edge = std::fs::read_to_string(site.path("edge.conf")).unwrap();
    assert!(
        edge.contains("ip route 172.30.0.0/16 10.255.0.2\n"),
        "{edge}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_a_clear_error_and_changes_nothing() {
    let site = new().await;
    configure(&site, "wrong");
    let (status, said) = site.run(&["apply"]).await;
    assert_eq!(status, 1);
    assert!(said.contains("AccessKeySecret does not belong"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    configure(&site, "testsecret");
    site.write("plan.yml", &PLAN.replace("vtb-lab", "vtb-none"));
    let (status, said) = site.run(&["plan"]).await;
    assert!(
        status == 1 && said.contains("look at the plan's IDs"),
        "{said}"
    );
    site.write(
        "plan.yml",
        &PLAN.replace("id: vtb-lab", "id: vtb-lab, quota: 4"),
    );
    let (status, said) = site.run(&["apply"]).await;
    // Either the plan's own check or the table's limit stops it; both say the number.
    assert!(status != 0, "{said}");
    site.write("plan.yml", PLAN);
    site.cloud
        .faults(json!([{"kind": {"html": {"status": 200}}}]))
        .await;
    let (status, said) = site.run(&["apply"]).await;
    assert!(
        status == 1 && said.contains("text/html instead of JSON"),
        "{said}"
    );
    assert_eq!(site.cloud.events().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_made_by_hand_are_adopted_and_then_kept() {
    let site = new().await;
    let entry = json!({"destination": "172.30.16.0/20", "name": "by hand",
        "nextHops": [{"type": "Instance", "id": "i-vpc1"}]});
    site.cloud
        .change(json!([{"addEntry": {"table": "vtb-lab", "entry": entry}}]))
        .await;
    let (_, said) = site.run(&["apply"]).await;
    assert!(
        said.contains("conflict") && said.contains("leads the same way"),
        "{said}"
    );
    assert_eq!(site.run(&["adopt"]).await.0, 2);
    let (status, said) = site.run(&["adopt", "--yes"]).await;
    assert!(
        status == 0 && said.contains("1 entries taken over"),
        "{said}"
    );
    let (status, said) = site.run(&["plan"]).await;
    assert!(status == 0 && !said.contains("conflict"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_goes_back_holds_and_lets_go() {
    let site = new().await;
    assert_eq!(site.run(&["apply"]).await.0, 0);
    site.write(
        "plan.yml",
        &PLAN.replace("172.30.32.0/20", "172.30.48.0/20"),
    );
    site.run(&["apply"]).await;
    // The old prefix goes when its grace is over.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    site.run(&["apply"]).await;
    // The second state is the one before the prefix was re-homed.
    let (_, said) = site.run(&["rollback", "--list"]).await;
    assert_eq!(said.lines().count(), 3, "{said}");
    let (status, said) = site.run(&["rollback", "--to", "2"]).await;
    assert!(status == 0 && said.contains("+ 172.30.32.0/20"), "{said}");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    site.run(&["apply"]).await;
    assert_eq!(site.run(&["plan"]).await.0, 0);
    let (_, said) = site.run(&["rollback", "--release"]).await;
    assert!(said.contains("+ 172.30.48.0/20"), "{said}");
    assert_eq!(site.run(&["rollback", "--to", "77"]).await.0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_repairs_drift_and_a_standby_takes_over() {
    let site = new().await;
    let first = site.daemon();
    settled(&site, Duration::from_secs(20)).await;
    let standby = site.daemon();
    let (status, said) = site.run(&["apply"]).await;
    assert!(
        status == 1 && said.is_empty(),
        "one that does not lead changes nothing: {said}"
    );
    // Somebody deletes an entry of ours.
    let events = site.cloud.events().await;
    let ours = events
        .iter()
        .find(|e| e["destination"] == "172.30.16.0/20")
        .unwrap();
    site.cloud
        .change(json!([{"removeEntry": {"id": ours["entry"]}}]))
        .await;
    assert_eq!(site.run(&["plan"]).await.0, 2);
    settled(&site, Duration::from_secs(10)).await;
    drop(first);
    site.write(
        "plan.yml",
        &PLAN.replace("172.30.32.0/20", "172.30.48.0/20"),
    );
    let took = settled(&site, Duration::from_secs(15)).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    drop(standby);
}

/// Deletes an entry of the VPC's table as a person with a key does: it goes in its own time.
async fn delete_by_hand(site: &Site, destination: &str) {
    let client = site.cloud.client(Cloud::key(), Duration::from_secs(5));
    let table = TableId("vtb-lab".into());
    let listed = client.list(&table).await.unwrap();
    let mut entries = listed.entries.into_iter();
    let entry = entries.find(|e| e.destination.to_string() == destination);
    let entry = entry.unwrap();
    let op = Op::Delete {
        destination: entry.destination,
        next_hops: entry.next_hops,
        id: entry.id,
        why: DeleteReason::Orphan,
    };
    assert_eq!(client.write(&table, &[op]).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_waits_for_what_is_in_transition_and_a_plan_tells_of_it() {
    let slow = WORLD.replace("deleteMs: 200", "deleteMs: 2500");
    let site = Site::new(&slow.replace("cn-hangzhou", "cn-test")).await;
    site.write("plan.yml", PLAN);
    site.configure("cn-test", |config| site.edge(config));
    assert_eq!(site.run(&["apply"]).await.0, 0);
    delete_by_hand(&site, "172.30.16.0/20").await;
    let (status, said) = site.run(&["plan"]).await;
    assert!(
        status == 1 && said.contains("in transition, such as 172.30.16.0/20"),
        "{status}: {said}"
    );
    let (status, said) = site.run(&["apply", "--color", "never"]).await;
    assert!(
        status == 0 && said.contains("+ 172.30.16.0/20") && !said.contains("waits"),
        "{status}: {said}"
    );
    assert_eq!(site.run(&["plan"]).await.0, 0);
}

/// What the daemon of this site says of its tables; none: it does not answer yet.
async fn asked(site: &Site) -> Option<Tables> {
    asked_for(site).await
}

async fn asked_for<T: serde::de::DeserializeOwned>(site: &Site) -> Option<T> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let socket = site.path("vpc-route.sock");
    let mut stream = tokio::net::UnixStream::connect(socket).await.ok()?;
    let request = b"GET /v1/tables HTTP/1.1\r\nhost: vpc-route\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{text}");
    Some(serde_json::from_str(body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tables_hold_is_told_by_plan_and_by_the_daemon() {
    let site = new().await;
    let (status, said) = site.run(&["plan", "-o", "json"]).await;
    let told: Tables = serde_json::from_str(&said).unwrap();
    assert_eq!((status, told.leader.as_deref()), (2, None));
    assert_eq!(told.config, site.path("config.yml").display().to_string());
    let address = "172.30.16.9".parse().unwrap();
    let table = told.get(Kind::VpcRouteTable, "vpc", "main").unwrap();
    assert_eq!(judge(table, address).fault, Some(Fault::Missing));

    let daemon = site.daemon();
    settled(&site, Duration::from_secs(20)).await;
    let told = asked(&site).await.unwrap();
    assert!(told.leader.is_some());
    let kinds = [Kind::VpcRouteTable, Kind::Vbr, Kind::EdgeRouter];
    let names = ["main", "line1", "edge"];
    for ((kind, name), site) in kinds.into_iter().zip(names).zip(["vpc", "vpc", "idc"]) {
        let table = told.get(kind, site, name).unwrap();
        assert_eq!((table.error.as_deref(), table.events.len()), (None, 0));
        assert!(table.plan.as_ref().unwrap().ops.is_empty());
        for desired in &table.desired {
            let judged = judge(table, desired.destination.ip());
            assert_eq!(judged.fault, None, "{}", table.title);
            let owner = judged.takes.unwrap().owner.unwrap();
            assert!(!owner.label.is_empty(), "{}", table.title);
        }
    }
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_is_huge_endless_or_no_file_is_refused_at_once_and_changes_nothing() {
    let site = new().await;
    let plan = site.path("plan.yml");
    let long = site.path("long.yml");
    std::fs::File::create(&long)
        .unwrap()
        .set_len(100 << 20)
        .unwrap();
    let fifo = site.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (target, words) in [
        (long.as_path(), "104857600 bytes; at most 67108864"),
        (&fifo, "it is a FIFO"),
        ("/dev/zero".as_ref(), "it is a device"),
        ("/".as_ref(), "it is a directory"),
        ("/nowhere/plan".as_ref(), "a symbolic link to /nowhere/plan"),
    ] {
        std::fs::remove_file(&plan).unwrap();
        std::os::unix::fs::symlink(target, &plan).unwrap();
        let ran = tokio::time::timeout(Duration::from_secs(20), site.output(&["apply"])).await;
        let ran = ran.unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(said.contains(words) && said.contains("plan.yml"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_plan_is_told_and_the_accepted_one_stands_also_over_a_restart() {
    let site = new().await;
    // A first start has no plan to go by.
    site.write("plan.yml", "no plan");
    let ran = tokio::time::timeout(Duration::from_secs(20), site.output(&["run"])).await;
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("plan.yml:1:1"), "{said}");

    site.write("plan.yml", PLAN);
    let daemon = site.daemon();
    settled(&site, Duration::from_secs(20)).await;
    let told: Value = asked_for(&site).await.unwrap();
    let version = told["plan"]["version"].clone();
    assert_eq!(told["plan"]["refused"], Value::Null, "{told}");
    site.write("plan.yml", "no plan");
    // Nobody is told of it: the daemon is asked until it has looked.
    let refused = async || {
        let begun = Instant::now();
        loop {
            let told: Option<Value> = asked_for(&site).await;
            if let Some(told) = told.filter(|t| t["plan"]["refused"].is_string()) {
                return told;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "never refused");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let told = refused().await;
    assert_eq!(told["plan"]["version"], version);
    drop(daemon);
    let _again = site.daemon();
    let told = refused().await;
    assert_eq!(told["plan"]["version"], version);
    let tables: Tables = serde_json::from_value(told).unwrap();
    let table = tables.get(Kind::VpcRouteTable, "vpc", "main").unwrap();
    assert!(table.error.is_none() && !table.desired.is_empty());
    // A command is about the file that its caller names.
    let ran = site.output(&["plan"]).await;
    assert_eq!(ran.status.code(), Some(1));
}
