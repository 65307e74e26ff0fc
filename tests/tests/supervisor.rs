//! The supervisor and the lab around it, for real. It needs root, and the one lab of this
//! machine, which it takes down: `FLATNET_ROOT_TESTS=1 cargo test -p flatnet-lab --test
//! supervisor`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flatnet_lab::{Lab, LabGuard, ProcessId, Silent, UpOptions, down, lock, up};
use nix::sys::signal::Signal;
use serde_json::json;

const BIN: &str = env!("CARGO_BIN_EXE_flatnet-lab");

/// Whether these tests are to run.
fn wanted() -> bool {
    std::env::var_os("FLATNET_ROOT_TESTS").is_some_and(|v| v == "1")
}

fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn fabric_only() -> UpOptions {
    UpOptions {
        bin_dir: Path::new(BIN).parent().expect("directory").to_owned(),
        netd: false,
        ..UpOptions::default()
    }
}

/// A supervisor of its own state directory, with dummies for daemons.
struct Supervised {
    dir: tempfile::TempDir,
    supervisor: Child,
}

impl Supervised {
    fn start(daemons: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir(dir.path().join("bin")).expect("directory");
        std::os::unix::fs::symlink(BIN, dir.path().join("bin/flatnet-lab")).expect("link");
        let mut this = Self {
            supervisor: Command::new("true").spawn().expect("starts"),
            dir,
        };
        this.list(daemons);
        let log = fs::File::create(this.file("supervisor.log")).expect("log");
        this.supervisor.wait().expect("reaped");
        this.supervisor = Command::new(BIN)
            .args(["supervise", "--root"])
            .arg(this.dir.path())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("starts");
        this
    }

    fn list(&self, daemons: &[(&str, &str)]) {
        let units: Vec<_> = daemons
            .iter()
            .map(|(name, script)| {
                json!({
                    "name": name, "netns": null, "argv": ["sh", "-c", script],
                    "pidFile": self.file(&format!("{name}.pid")),
                    "log": self.file(&format!("{name}.log")),
                    "after": null, "stage": "node",
                })
            })
            .collect();
        let text = serde_json::to_string(&units).expect("json");
        fs::write(self.file("units.json"), text).expect("written");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn daemon(&self, name: &str) -> Option<ProcessId> {
        ProcessId::from_file(&self.file(&format!("{name}.pid")))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("supervisor.log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.supervisor.id()).expect("pid");
        let supervisor = ProcessId::of(pid).expect("the supervisor lives");
        supervisor.signal(signal).expect("signalled");
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

#[test]
fn a_killed_daemon_is_back_within_200_ms_every_time() {
    if !wanted() {
        return;
    }
    let lab = Supervised::start(&[("dummy", "sleep 1000")]);
    let mut process = wait("the daemon", || lab.daemon("dummy"));
    for _ in 0..20 {
        let killed = Instant::now();
        process.signal(Signal::SIGKILL).expect("signalled");
        process = wait("the daemon", || {
            lab.daemon("dummy").filter(|p| *p != process)
        });
        let back = killed.elapsed();
        assert!(back < Duration::from_secs(2), "back after {back:?}");
    }
}

#[test]
fn a_daemon_that_crashes_again_and_again_is_slowed_and_named() {
    if !wanted() {
        return;
    }
    let lab = Supervised::start(&[("broken", "echo no good; exit 3")]);
    wait("a word of it", || {
        lab.log()
            .contains("broken: ended (exit status: 3)")
            .then_some(())
    });
    wait("a word of the loop", || {
        lab.log().contains("again and again").then_some(())
    });
    let said = fs::read_to_string(lab.file("broken.log")).expect("its log");
    assert!(said.contains("no good"));
}

#[test]
fn a_new_list_starts_ends_and_leaves_alone() {
    if !wanted() {
        return;
    }
    let lab = Supervised::start(&[("stays", "sleep 1000"), ("goes", "sleep 1000")]);
    let stays = wait("the first", || lab.daemon("stays"));
    let goes = wait("the second", || lab.daemon("goes"));
    lab.list(&[("stays", "sleep 1000"), ("comes", "sleep 1000")]);
    lab.signal(Signal::SIGHUP);
    wait("the new one", || lab.daemon("comes"));
    assert!(!goes.alive());
    assert_eq!(lab.daemon("stays"), Some(stays));
}

#[test]
fn daemons_end_with_their_supervisor_however_it_ends() {
    if !wanted() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        // One that heeds no SIGTERM.
        let lab = Supervised::start(&[("deaf", "trap '' TERM; while :; do sleep 0.1; done")]);
        let daemon = wait("the daemon", || lab.daemon("deaf"));
        std::thread::sleep(Duration::from_millis(50));
        lab.signal(signal);
        wait("its end", || (!daemon.alive()).then_some(()));
    }
}

/// The lab's namespaces that there are.
fn namespaces() -> Vec<String> {
    let Ok(names) = fs::read_dir("/run/netns") else {
        return Vec::new();
    };
    names
        .flatten()
        .filter_map(|n| n.file_name().into_string().ok())
        .filter(|n| n.starts_with("fn-") || n.starts_with("fnc-"))
        .collect()
}

fn own_links() -> String {
    let ip = Command::new("ip")
        .args(["-br", "link"])
        .output()
        .expect("ip");
    String::from_utf8_lossy(&ip.stdout).into_owned()
}

fn assert_nothing_is_left(links_before: &str) {
    assert_eq!(namespaces(), Vec::<String>::new());
    assert!(!Path::new("/run/flatnet-lab").exists());
    assert!(!Path::new(lock::COMMAND).exists());
    assert_eq!(own_links(), links_before);
}

/// One test, for there is one lab: each scene begins where the one before ended.
#[test]
fn whatever_happens_to_the_lab_up_mends_it_and_down_leaves_nothing() {
    if !wanted() {
        return;
    }
    let guard = LabGuard::take(&fabric_only()).expect("the lab is up");
    let links = own_links();

    // A second `up` has nothing to do.
    let again = up(&fabric_only(), &Silent).expect("harmless");
    assert!(!again.created && again.repaired.is_empty(), "{again:?}");

    // A lost namespace comes back, and its daemons with it.
    let deleted = Command::new("ip")
        .args(["netns", "del", "fn-vpc1"])
        .status();
    assert!(deleted.expect("ip").success());
    let repaired = up(&fabric_only(), &Silent).expect("repaired").repaired;
    assert!(
        repaired.contains(&"vpc1: a namespace".to_owned()),
        "{repaired:?}"
    );
    let again = up(&fabric_only(), &Silent).expect("harmless").repaired;
    assert_eq!(again, Vec::<String>::new());

    // The edge router has its addresses again after its switch was killed.
    guard.kill_ovs("edge").expect("back");
    let edge = guard.member("edge").expect("edge");
    wait("the gateway", || {
        let ping = edge.command("ip").args(["-br", "addr"]).output().ok()?;
        let text = String::from_utf8_lossy(&ping.stdout).into_owned();
        (text.contains("10.100.0.1/16") && text.contains("fd10:200::1/64")).then_some(())
    });

    // A killed supervisor takes its daemons along; `down` cleans what it left.
    let supervisor = guard.layout().supervisor_pid();
    let supervisor = ProcessId::from_file(&supervisor).expect("it lives");
    let vswitchd = ProcessId::from_file(&edge.paths.vswitchd_pid()).expect("it lives");
    supervisor.signal(Signal::SIGKILL).expect("signalled");
    wait("the daemons' end", || (!vswitchd.alive()).then_some(()));
    down(&Silent).expect("down");
    assert_nothing_is_left(&links);

    // Without its state directory the supervisor is found all the same.
    up(&fabric_only(), &Silent).expect("up");
    let path = Lab::open().expect("open").layout().supervisor_pid();
    let supervisor = ProcessId::from_file(&path).expect("it lives");
    fs::remove_dir_all("/run/flatnet-lab").expect("removed");
    let sandbox = flatnet_lab::Sandbox::create("left-behind").expect("made");
    let mut sleeper = sandbox
        .command("sleep")
        .arg("1000")
        .spawn()
        .expect("starts");
    std::mem::forget(sandbox);
    down(&Silent).expect("down");
    sleeper.wait().expect("reaped");
    assert!(!supervisor.alive());
    assert_nothing_is_left(&links);

    // `up` killed at any moment: `down` leaves nothing, and so does `up` and `down`.
    for delay in (0..12).map(|n| Duration::from_millis(60 * n)) {
        let mut half = Command::new(BIN)
            .args(["up", "--no-netd"])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        std::thread::sleep(delay);
        half.kill().expect("killed");
        half.wait().expect("reaped");
        if delay.as_millis() % 120 == 0 {
            up(&fabric_only(), &Silent).expect("goes on from there");
        }
        down(&Silent).expect("down");
        assert_nothing_is_left(&links);
    }

    // Four at once: one raises it, and the others find it well.
    let reports: Vec<_> = std::thread::scope(|scope| {
        let ups: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| up(&fabric_only(), &Silent).expect("up")))
            .collect();
        ups.into_iter().map(|t| t.join().expect("joined")).collect()
    });
    assert_eq!(reports.iter().filter(|r| r.created).count(), 1);
    assert!(reports.iter().all(|r| r.repaired.is_empty()), "{reports:?}");

    // Another plan is not forced upon a lab that is up.
    let bigger = UpOptions {
        idc: Some(3),
        ..fabric_only()
    };
    let refused = up(&bigger, &Silent).expect_err("another plan").to_string();
    assert!(refused.contains("down"), "{refused}");
    down(&Silent).expect("down");
    assert_nothing_is_left(&links);
    down(&Silent).expect("down twice is harmless");
}

/// Binaries for a lab whose netds say that they are ready, and no more.
fn fake_binaries() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("directory");
    let built = Path::new(BIN).parent().expect("directory");
    for (from, to) in [
        ("flatnet-lab", "flatnet-lab"),
        ("examples/fake-netd", "netd"),
        ("examples/fake-netd", "flatnet"),
        ("examples/fake-netd", "ipamd"),
        ("examples/fake-netd", "flatctl"),
        ("examples/fake-netd", "vpc-route"),
        ("examples/fake-netd", "aliyun-sim"),
    ] {
        fs::copy(built.join(from), dir.path().join(to))
            .expect("`cargo build -p flatnet-lab --examples` makes it");
    }
    dir
}

/// A plan without a VPC: its lab has no route tables that a vpc-route would have to fill.
fn idc_alone() -> String {
    let mut plan = flatnet_lab::plan::generate(2, 0).expect("a plan");
    let spec = &mut plan.spec;
    spec.sites.retain(|s| s.name == "idc");
    spec.networks.retain(|n| n.site == "idc");
    spec.links.clear();
    flatnet_plan::to_yaml(&plan).expect("YAML")
}

#[test]
fn a_netd_that_is_killed_changed_or_rebuilt_is_the_one_that_is_wanted() {
    if !wanted() {
        return;
    }
    let binaries = fake_binaries();
    let plan = binaries.path().join("plan.yaml");
    fs::write(&plan, idc_alone()).expect("written");
    let options = UpOptions {
        bin_dir: binaries.path().to_owned(),
        plan: Some(plan),
        ..UpOptions::default()
    };
    let lab = LabGuard::take(&options).expect("the lab is up");
    let patience = Duration::from_secs(10);
    for _ in 0..20 {
        let before = lab.kill_netd("idc1").expect("it lived");
        let after = wait("netd", || lab.netd_pid("idc1").ok());
        assert_ne!(before, after);
        lab.wait_ready("idc1", patience).expect("ready");
    }

    let environment = |node: &str| {
        let pid = lab.netd_pid(node).expect("it lives").pid;
        fs::read(format!("/proc/{pid}/environ")).expect("its environment")
    };
    let has = |node, what: &str| String::from_utf8_lossy(&environment(node)).contains(what);
    let other = lab.netd_pid("idc2").expect("it lives");
    lab.set_netd_env("idc1", &[("FAIL_AT", "3")]).expect("set");
    lab.wait_ready("idc1", patience).expect("ready");
    assert!(has("idc1", "FAIL_AT=3") && !has("idc2", "FAIL_AT=3"));
    lab.set_netd_args("idc1", &["--rest", "1"]).expect("set");
    lab.wait_ready("idc1", patience).expect("ready");
    assert_eq!(lab.netd_pid("idc2").expect("it lives"), other, "left alone");

    // `up` makes everything usual again, and a newer build is run at once.
    let repaired = up(&options, &Silent).expect("repaired").repaired;
    assert_eq!(repaired, ["the supervisor has a new list of daemons"]);
    lab.wait_ready("idc1", patience).expect("ready");
    assert!(!has("idc1", "FAIL_AT=3"));
    let netd = fs::File::options()
        .write(true)
        .open(binaries.path().join("netd"));
    let now = std::time::SystemTime::now();
    netd.and_then(|f| f.set_modified(now)).expect("touched");
    let repaired = up(&options, &Silent).expect("repaired").repaired;
    assert!(repaired[0].contains("newer build"), "{repaired:?}");
    wait("the new one", || {
        lab.netd_pid("idc2").ok().filter(|p| *p != other)
    });
    let status = flatnet_lab::status(&lab).expect("status");
    let idc1 = status
        .members
        .iter()
        .find(|m| m.name == "idc1")
        .expect("node");
    let attachments = idc1.netd.as_ref().expect("netd").attachments;
    assert_eq!((idc1.ovs, attachments), (Some(true), Some(0)));
}
