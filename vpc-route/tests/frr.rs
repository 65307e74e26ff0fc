//! Debian's FRR — zebra and staticd — in a network namespace of this test's own, with sockets
//! in a directory of its own; only with `FLATNET_ROOT_TESTS=1`, as root, with the package `frr`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flatnet_vpc_route::diff::ConflictKind;
use flatnet_vpc_route::providers::frr::{FrrConfig, FrrRouter, Save};
use flatnet_vpc_route::providers::{Failure, Provider};
use kit::router::{self, Wanted, lines, plan, table};
use tempfile::TempDir;

const DAEMONS: &str = "/usr/lib/frr";

/// A router with two neighbours on a link, and its FRR; gone with its test.
struct Edge {
    netns: String,
    directory: TempDir,
    daemons: Vec<Child>,
}

impl Edge {
    /// None where it cannot be, and why is said.
    fn start(name: &str) -> Option<Self> {
        if std::env::var_os("FLATNET_ROOT_TESTS").is_none_or(|v| v != "1") {
            eprintln!(
                "skipped: it runs FRR in a network namespace; set FLATNET_ROOT_TESTS=1 as root"
            );
            return None;
        }
        let staticd = Path::new(DAEMONS).join("staticd");
        assert!(
            staticd.exists(),
            "no {}: `cargo xtask install`",
            staticd.display()
        );
        // FRR's daemons run as the user frr: the directory must let it in.
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let mut edge = Self {
            netns: format!("{name}-{}", std::process::id()),
            directory,
            daemons: Vec::new(),
        };
        run("chown", &["frr:frr", &edge.path("")]);
        run("ip", &["netns", "add", &edge.netns]);
        for line in [
            "link set lo up",
            "link add up0 type veth peer name far0",
            "link set up0 up",
            "link set far0 up",
            "addr add 192.0.2.10/24 dev up0",
            "addr add 2001:db8::10/64 dev up0 nodad",
        ] {
            edge.ip(line);
        }
        edge.daemon("zebra");
        edge.daemon("staticd");
        Some(edge)
    }

    fn path(&self, file: &str) -> String {
        self.directory
            .path()
            .join(file)
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// In the foreground, so that it is a child, and waited for until it listens.
    fn daemon(&mut self, name: &str) {
        let config = self.path(&format!("{name}.conf"));
        if !Path::new(&config).exists() {
            std::fs::write(&config, "").unwrap();
            run("chown", &["frr:frr", &config]);
        }
        let child = Command::new("ip")
            .args(["netns", "exec", &self.netns, &format!("{DAEMONS}/{name}")])
            .args(["-f", &config, "-i", &self.path(&format!("{name}.pid"))])
            .args([
                "-z",
                &self.path("zserv.api"),
                "--vty_socket",
                &self.path(""),
            ])
            .args(["-P", "0", "--log", "stdout", "--log-level", "err"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.daemons.push(child);
        let socket = self.path(&format!("{name}.vty"));
        let limit = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < limit, "{name} does not listen at {socket}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ip(&self, arguments: &str) -> String {
        let mut all = vec!["-n", &self.netns];
        all.extend(arguments.split(' '));
        run("ip", &all)
    }

    /// A person at the router.
    fn vtysh(&self, commands: &[&str]) -> String {
        let socket = self.path("");
        let mut all = vec!["--vty_socket", &socket];
        all.extend(commands.iter().flat_map(|c| ["-c", c]));
        run("vtysh", &all)
    }

    fn router(&self, save: Save) -> FrrRouter {
        let config = FrrConfig {
            sockets: self.directory.path().to_owned(),
            config_dir: self.directory.path().to_owned(),
            save,
            ..FrrConfig::default()
        };
        FrrRouter::new(config, "lab".parse().unwrap())
    }

    /// Ends the n-th daemon that was started.
    fn end(&mut self, at: usize) {
        let mut child = self.daemons.remove(at);
        // SIGTERM, as an administrator's stop is: zebra takes its routes away then.
        run("kill", &[&child.id().to_string()]);
        child.wait().unwrap();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for child in &mut self.daemons {
            // What is gone is gone; a panic here would hide the first one.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip")
            .args(["netns", "del", &self.netns])
            .status();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(done.stdout).unwrap()
}

/// One round; its ops, and what failed of them.
async fn bring(router: &FrrRouter, wanted: Wanted<'_>) -> (Vec<String>, Vec<Failure>) {
    let (plan, failures) = router::bring(router, wanted).await;
    (lines(&plan), failures)
}

/// The kernel's changes of routes while something is done.
struct Monitor {
    child: Child,
    file: PathBuf,
}

impl Monitor {
    fn start(edge: &Edge) -> Self {
        let file = edge.directory.path().join("monitor");
        let out = std::fs::File::create(&file).unwrap();
        let child = Command::new("ip")
            .args(["-n", &edge.netns, "-o", "monitor", "route"])
            .stdout(out)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Self { child, file }
    }

    /// Line by line; ours only.
    fn end(mut self) -> Vec<String> {
        std::thread::sleep(Duration::from_millis(300));
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut text = String::new();
        std::fs::File::open(&self.file)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        let ours = text.lines().filter(|l| l.contains("proto static"));
        ours.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn an_frr_is_brought_to_what_is_desired_and_others_routes_stay() {
    let Some(edge) = Edge::start("frrw") else {
        return;
    };
    edge.vtysh(&[
        "configure terminal",
        "ip route 10.9.0.0/16 192.0.2.1",
        "ip route 10.7.0.0/16 192.0.2.1 tag 7",
    ]);
    let router = edge.router(Save::Never);
    let first: Wanted<'_> = &[
        ("10.8.0.0/16", &["192.0.2.1"]),
        ("10.9.0.0/16", &["192.0.2.2"]),
        ("fd08::/48", &["2001:db8::1"]),
    ];
    let conflicts = plan(&router, first).await.conflicts;
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].kind, ConflictKind::Diverts);
    let (ops, failed) = bring(&router, first).await;
    assert_eq!(failed, []);
    assert_eq!(ops, ["create fd08::/48", "create 10.8.0.0/16"]);
    // RTPROT_ZSTATIC, which iproute2 shows by the name of another: `static`.
    let kernel = edge.ip("route show proto 196");
    assert!(
        kernel.contains("10.8.0.0/16") && kernel.contains("via 192.0.2.1 dev up0"),
        "{kernel}"
    );
    assert_eq!(plan(&router, first).await.ops, []);

    let second: Wanted<'_> = &[
        ("10.8.0.0/16", &["192.0.2.1", "192.0.2.2"]),
        ("fd08::/48", &["2001:db8::2"]),
    ];
    let (ops, failed) = bring(&router, second).await;
    assert_eq!(failed, []);
    assert_eq!(ops, ["modify 10.8.0.0/16", "modify fd08::/48"]);
    let config = edge.vtysh(&["show running-config"]);
    for line in [
        "ip route 10.7.0.0/16 192.0.2.1 tag 7\n",
        "ip route 10.8.0.0/16 192.0.2.1 tag 95\n",
        "ip route 10.8.0.0/16 192.0.2.2 tag 95\n",
        "ip route 10.9.0.0/16 192.0.2.1\n",
        "ipv6 route fd08::/48 2001:db8::2 tag 95\n",
    ] {
        assert!(config.contains(line), "no {line} in {config}");
    }
    assert_eq!(config.matches(" route ").count(), 5, "{config}");

    let (ops, failed) = bring(&router, &[]).await;
    assert_eq!((ops.len(), failed), (2, vec![]));
    let config = edge.vtysh(&["show running-config"]);
    assert_eq!(config.matches(" route ").count(), 2, "{config}");
}

#[tokio::test]
async fn the_kernel_has_a_route_at_every_moment_of_a_change() {
    let Some(edge) = Edge::start("frrg") else {
        return;
    };
    let router = edge.router(Save::Never);
    let to = |n: usize| {
        let v4 = format!("192.0.2.{}", n + 1);
        let v6 = format!("2001:db8::{}", n + 1);
        (v4, v6)
    };
    bring(
        &router,
        &[
            ("10.8.0.0/16", &["192.0.2.1"]),
            ("fd08::/48", &["2001:db8::1"]),
        ],
    )
    .await;
    let monitor = Monitor::start(&edge);
    for n in [1, 0, 1] {
        let (v4, v6) = to(n);
        let wanted: Wanted<'_> = &[("10.8.0.0/16", &[&v4]), ("fd08::/48", &[&v6])];
        let (ops, failed) = bring(&router, wanted).await;
        assert_eq!((ops.len(), failed), (2, vec![]));
    }
    let events = monitor.end();
    // IPv4 is replaced: nothing is ever deleted.
    let v4: Vec<_> = events.iter().filter(|e| e.contains("10.8.")).collect();
    assert!(v4.len() >= 6, "{events:#?}");
    assert!(v4.iter().all(|e| !e.starts_with("Deleted")), "{events:#?}");
    // IPv6 is deleted and made anew by zebra, and whenever it is away its more-specifics are there.
    let parts = ["fd08::/49", "fd08:0:0:8000::/49"];
    let mut there = std::collections::BTreeSet::from(["fd08::/48"]);
    let mut away = 0;
    for event in events.iter().filter(|e| e.contains("fd08:")) {
        let route = event.trim_start_matches("Deleted ");
        let route = route.split_whitespace().next().unwrap();
        let route = parts.into_iter().chain(["fd08::/48"]).find(|r| *r == route);
        let route = route.unwrap_or_else(|| panic!("{event}"));
        if event.starts_with("Deleted") {
            there.remove(route);
        } else {
            there.insert(route);
        }
        away += usize::from(!there.contains("fd08::/48"));
        let covered = there.contains("fd08::/48") || parts.iter().all(|p| there.contains(p));
        assert!(covered, "{event} in {events:#?}");
    }
    assert!(away >= 3, "zebra did not delete at all: {events:#?}");
    assert_eq!(there.len(), 1, "{events:#?}");
}

#[tokio::test]
async fn a_next_hop_that_cannot_be_reached_does_not_take_over() {
    let Some(edge) = Edge::start("frru") else {
        return;
    };
    let router = edge.router(Save::Never);
    let before: Wanted<'_> = &[
        ("10.8.0.0/16", &["192.0.2.1"]),
        ("fd08::/48", &["2001:db8::1"]),
    ];
    let after: Wanted<'_> = &[
        ("10.8.0.0/16", &["198.51.100.9"]),
        ("fd08::/48", &["2001:db9::9"]),
    ];
    bring(&router, before).await;
    let (_, failed) = bring(&router, after).await;
    let codes: Vec<&str> = failed.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["NotInForce", "NotInForce"]);
    assert_eq!(plan(&router, before).await.ops, []);
    edge.ip("addr add 198.51.100.1/24 dev up0");
    edge.ip("addr add 2001:db9::1/64 dev up0 nodad");
    let (_, failed) = bring(&router, after).await;
    assert_eq!(failed, []);
    assert!(
        edge.ip("route show 10.8.0.0/16")
            .contains("via 198.51.100.9")
    );
    assert!(
        edge.ip("-6 route show fd08::/48")
            .contains("via 2001:db9::9")
    );
}

#[tokio::test]
async fn what_is_saved_comes_back_with_a_restart_and_without_it_the_next_round_brings_it() {
    let Some(mut edge) = Edge::start("frrs") else {
        return;
    };
    let wanted: Wanted<'_> = &[("10.8.0.0/16", &["192.0.2.1"])];
    let unsaved = edge.router(Save::Never);
    bring(&unsaved, wanted).await;
    edge.end(1);
    let error = unsaved.list(&table()).await.unwrap_err().to_string();
    assert!(error.starts_with("staticd is not running"), "{error}");
    edge.daemon("staticd");
    let (ops, failed) = bring(&unsaved, wanted).await;
    assert_eq!(
        (ops, failed),
        (vec!["create 10.8.0.0/16".to_owned()], vec![])
    );

    for save in [Save::Daemon, Save::Integrated] {
        let router = edge.router(save);
        bring(&router, &[]).await;
        bring(&router, wanted).await;
        let file = match save {
            Save::Integrated => "frr.conf",
            _ => "staticd.conf",
        };
        let text = std::fs::read_to_string(edge.path(file)).unwrap();
        assert!(
            text.contains("ip route 10.8.0.0/16 192.0.2.1 tag 95\n"),
            "{file}: {text}"
        );
    }
    // Staticd's own file is the one that this staticd reads.
    edge.router(Save::Daemon).list(&table()).await.unwrap();
    edge.end(1);
    edge.daemon("staticd");
    assert_eq!(plan(&unsaved, wanted).await.ops, []);

    edge.end(0);
    let error = unsaved.list(&table()).await.unwrap_err().to_string();
    assert!(error.starts_with("zebra is not running"), "{error}");
}
