//! Ranges that the plan does not declare: ipamd cut them, and the tables lead to them.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use flatnet_types::ipamd::{GrantState, Grants, HostGrant};
use kit::site::{PLAN, Site, WORLD};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The plan, with the IPv4 ranges of the VPC's nodes cut from the pool.
fn cut() -> String {
    let plan = PLAN.replace(
        "{prefix: 172.30.0.0/16}",
        "{prefix: 172.30.0.0/16, sliceLength: 26}",
    );
    let declared = |line: &&str| line.contains("network: cloud, prefix: 172.30.");
    let lines: Vec<&str> = plan.lines().filter(|l| !declared(l)).collect();
    lines.join("\n")
}

/// An ipamd that says what it is told to say, and waits as the real one does.
struct Ipamd {
    says: watch::Sender<Grants>,
    socket: PathBuf,
    door: JoinHandle<()>,
}

impl Ipamd {
    fn start(socket: PathBuf, says: Grants) -> Self {
        let says = watch::Sender::new(says);
        let door = Self::open(&socket, &says);
        Self { says, socket, door }
    }

    fn open(socket: &PathBuf, says: &watch::Sender<Grants>) -> JoinHandle<()> {
        type Asked = Query<std::collections::BTreeMap<String, String>>;
        let answer = |State(says): State<Arc<watch::Sender<Grants>>>, Query(q): Asked| async move {
            let mut says = says.subscribe();
            let others = |g: &Grants| q.get("after") != Some(&g.revision);
            let wait = Duration::from_secs(20);
            let _ = tokio::time::timeout(wait, says.wait_for(others)).await;
            let now = says.borrow().clone();
            Json(now)
        };
        let _ = std::fs::remove_file(socket);
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        let app = Router::new()
            .route("/v1/grants", get(answer))
            .with_state(Arc::new(says.clone()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
    }

    fn go_away(&self) {
        self.door.abort();
        let _ = std::fs::remove_file(&self.socket);
    }

    fn come_back(&mut self, says: Grants) {
        self.says.send_replace(says);
        self.door = Self::open(&self.socket, &self.says);
    }
}

fn grants(revision: &str, settling: bool, held: &[(&str, &str, GrantState)]) -> Grants {
    let ranges = held.iter().map(|(host, prefix, state)| HostGrant {
        host: host.parse().unwrap(),
        network: "cloud".parse().unwrap(),
        prefix: prefix.parse().unwrap(),
        state: *state,
    });
    Grants {
        revision: revision.to_owned(),
        in_grace_period: settling,
        ranges: ranges.collect(),
    }
}

const A: &str = "172.30.0.0/26";
const B: &str = "172.30.0.64/26";

fn both(revision: &str) -> Grants {
    let active = GrantState::Active;
    grants(revision, false, &[("vpc1", A, active), ("vpc2", B, active)])
}

async fn new() -> Site {
    let site = Site::new(WORLD).await;
    site.write("plan.yml", &cut());
    site.configure("cn-hangzhou", |config| {
        config["ipamd"] = json!({"endpoint": format!("unix:{}", socket(&site).display())});
        config["intervalSeconds"] = 60.into();
        config["graceSeconds"] = 0.into();
        site.edge(config);
    });
    site
}

fn socket(site: &Site) -> PathBuf {
    site.path("ipamd.sock")
}

/// Runs a command to its end: its status, and all that it said.
async fn run(site: &Site, command: &str) -> (i32, String) {
    let done = site.output(&[command]).await;
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

/// Where the VPC's table leads for the pool, as the simulator has it.
async fn table(site: &Site) -> Vec<String> {
    let entries = site.cloud.entries("vtb-lab").await;
    let mut ours: Vec<String> = entries
        .into_iter()
        .filter(|(destination, _)| destination.starts_with("172.30."))
        .map(|(destination, hop)| format!("{destination} {hop}"))
        .collect();
    ours.sort();
    ours
}

/// Until nothing has happened in any table for a second: what had happened by then.
async fn quiet(site: &Site) -> usize {
    let begun = Instant::now();
    let mut before = site.cloud.events().await.len();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = site.cloud.events().await.len();
        if now == before {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "never quiet");
        before = now;
    }
}

async fn until(site: &Site, wanted: &[String]) {
    let begun = Instant::now();
    loop {
        let table = table(site).await;
        if table == wanted {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{table:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipamd_that_was_never_heard_refuses_the_round_and_a_saved_answer_stands_for_it() {
    let site = new().await;
    let (status, said) = run(&site, "apply").await;
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("has not said yet what hosts hold") && said.contains("start ipamd"),
        "{said}"
    );
    assert_eq!(site.cloud.events().await.len(), 0);

    // One that has just started does not know everything yet: nothing to go by either.
    let settling = grants("1-1", true, &[("vpc1", A, GrantState::Active)]);
    let mut ipamd = Ipamd::start(socket(&site), settling);
    assert_eq!(run(&site, "apply").await.0, 1);
    assert_eq!(site.cloud.events().await.len(), 0);

    ipamd.says.send_replace(both("1-2"));
    let (status, said) = run(&site, "apply").await;
    assert_eq!(status, 0, "{said}");
    let led = [format!("{A} i-vpc1"), format!("{B} i-vpc2")];
    assert_eq!(table(&site).await, led);

    ipamd.go_away();
    let (status, said) = run(&site, "plan").await;
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("going by what it said last"), "{said}");

    // Back from an old copy: what it does not know any more stays while it settles.
    ipamd.come_back(grants("2-1", true, &[("vpc1", A, GrantState::Active)]));
    let (status, said) = run(&site, "plan").await;
    assert_eq!(status, 0, "{said}");

    site.write("state/ranges.json", "{");
    let (status, said) = run(&site, "plan").await;
    assert!(status == 1 && said.contains("ranges.json"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_leads_to_what_was_cut_and_goes_on_while_a_range_drains() {
    let site = new().await;
    let ipamd = Ipamd::start(socket(&site), both("1-1"));
    let _daemon = site.daemon();
    let led = [format!("{A} i-vpc1"), format!("{B} i-vpc2")];
    until(&site, &led).await;
    let changed = quiet(&site).await;
    let draining = [
        ("vpc1", A, GrantState::Active),
        ("vpc2", B, GrantState::Draining),
    ];
    ipamd.says.send_replace(grants("1-2", false, &draining));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(table(&site).await, led);
    assert_eq!(site.cloud.events().await.len(), changed);

    // Released, rested, and the other host's: no restart, and no interval was waited for.
    let moved = [
        ("vpc1", A, GrantState::Active),
        ("vpc1", B, GrantState::Active),
    ];
    ipamd.says.send_replace(grants("1-3", false, &moved));
    until(&site, &["172.30.0.0/25 i-vpc1".to_owned()]).await;
}
