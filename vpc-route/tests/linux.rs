//! A Linux router's routes, in a network namespace of this test's own; only with
//! `FLATNET_ROOT_TESTS=1`, as root.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::path::PathBuf;
use std::process::Command;

use flatnet_vpc_route::diff::ConflictKind;
use flatnet_vpc_route::providers::linux::LinuxRouter;
use kit::router::{self, Wanted, lines};

/// A namespace with two neighbours on a link, gone with its test.
struct Netns(String);

impl Netns {
    fn new() -> Option<Self> {
        if std::env::var_os("FLATNET_ROOT_TESTS").is_none_or(|v| v != "1") {
            eprintln!("skipped: it makes a network namespace; set FLATNET_ROOT_TESTS=1 as root");
            return None;
        }
        let name = format!("vpcr-{}", std::process::id());
        let made = Command::new("ip")
            .args(["netns", "add", &name])
            .output()
            .ok()?;
        if !made.status.success() {
            return None;
        }
        let netns = Self(name);
        netns.ip("link add up0 type veth peer name far0");
        netns.ip("link set up0 up");
        netns.ip("link set far0 up");
        netns.ip("addr add 192.0.2.10/24 dev up0");
        netns.ip("addr add 2001:db8::10/64 dev up0 nodad");
        Some(netns)
    }

    fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.0];
        all.extend(arguments.split(' '));
        let done = Command::new("ip").args(&all).output().unwrap();
        assert!(
            done.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        // A namespace that stays is seen by `ip netns`; a panic here would hide the first one.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// One round whose ops all succeed: a line each, and the conflicts.
async fn bring(router: &LinuxRouter, wanted: Wanted<'_>) -> Vec<String> {
    let (plan, failed) = router::bring(router, wanted).await;
    assert_eq!(failed, []);
    assert_eq!(router::plan(router, wanted).await.ops, []);
    let conflicts = plan.conflicts.iter().map(|c| {
        assert_eq!(c.kind, ConflictKind::Diverts);
        format!("! {}", c.destination)
    });
    lines(&plan).into_iter().chain(conflicts).collect()
}

#[tokio::test]
async fn a_linux_router_is_brought_to_what_is_desired_and_others_routes_stay() {
    let Some(netns) = Netns::new() else { return };
    netns.ip("route add 10.9.0.0/16 via 192.0.2.1 proto static");
    let path = PathBuf::from("/run/netns").join(&netns.0);
    let router = LinuxRouter::start(Some(&path), "lab".parse().unwrap()).unwrap();
    let first: Wanted<'_> = &[
        ("10.8.0.0/16", &["192.0.2.1"]),
        ("10.9.0.0/16", &["192.0.2.2"]),
        ("fd08::/48", &["2001:db8::1"]),
    ];
    let ops = bring(&router, first).await;
    assert_eq!(
        ops,
        ["create fd08::/48", "create 10.8.0.0/16", "! 10.9.0.0/16"]
    );
    let second: Wanted<'_> = &[
        ("10.8.0.0/16", &["192.0.2.1", "192.0.2.2"]),
        ("fd08::/48", &["2001:db8::2"]),
    ];
    let ops = bring(&router, second).await;
    assert_eq!(ops, ["modify 10.8.0.0/16", "modify fd08::/48"]);
    let routes = netns.ip("route show proto 95");
    assert!(
        routes.contains("10.8.0.0/16") && routes.matches("nexthop").count() == 2,
        "{routes}"
    );
    let routes = netns.ip("-6 route show proto 95");
    assert!(routes.contains("fd08::/48 via 2001:db8::2"), "{routes}");
    let ops = bring(&router, &[("10.8.0.0/16", &["192.0.2.2"])]).await;
    assert_eq!(ops, ["modify 10.8.0.0/16", "delete fd08::/48"]);
    bring(&router, &[]).await;
    assert_eq!(netns.ip("route show proto 95"), "");
    assert!(
        netns
            .ip("route show proto static")
            .contains("10.9.0.0/16 via 192.0.2.1")
    );
}
