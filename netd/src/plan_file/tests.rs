use std::path::Path;

use clap::Parser;
use flatnet_plan_source::{FilePlan, FileSource, PlanSource, Version};
use flatnet_types::NodeName;

use super::*;
use crate::cli::{Cli, Command};
use crate::config::RunArgs;
use crate::start::start;

const LAB: &str = include_str!("../../../examples/lab.yaml");

fn idc1() -> NodeName {
    "idc1".parse().expect("a name")
}

/// A directory with a plan's file, and the source of node idc1.
struct PlanDir {
    dir: tempfile::TempDir,
}

impl PlanDir {
    fn with(text: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("plan.yaml"), text).expect("written");
        Self { dir }
    }

    fn plan(&self) -> PathBuf {
        self.dir.path().join("plan.yaml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.plan(), text).expect("written");
    }

    fn source(&self, ipamd: bool) -> FileSource<NodePlan> {
        let file = FilePlan::new(&self.plan(), self.dir.path());
        let take = move |plan, _: &str| NodePlan::of(plan, &idc1(), ipamd);
        FileSource::open(file, take).expect("opens")
    }

    /// A `PlanFile` of the current file.
    fn file(&self, ipamd: bool) -> PlanFile {
        PlanFile {
            origin: Origin::File(self.plan()),
            state: self.dir.path().to_owned(),
            plan: self.source(ipamd).watch(),
            ipamd,
            drains: DrainingRanges::default(),
        }
    }
}

/// The spec that netd runs by.
fn running() -> NodeSpec {
    let plan = flatnet_plan::load(LAB).expect("the example is sound");
    node::derive(&plan, &idc1()).expect("derives")
}

/// The problems while netd runs by `running` and the file has `text`, which may be refused.
fn problems_with(text: &str, ipamd: bool, running: &NodeSpec) -> Vec<(&'static str, String)> {
    let plan_dir = PlanDir::with(LAB);
    drop(plan_dir.source(ipamd));
    plan_dir.write(text);
    let file = plan_dir.file(ipamd);
    let problems = file.problems(&file.plan.borrow().clone(), running);
    let found = problems.into_iter().map(|problem| {
        assert_eq!(problem.effect, crate::problems::Effect::StaysReady);
        (problem.code, problem.to_string())
    });
    found.collect()
}

fn one(found: Vec<(&'static str, String)>) -> (&'static str, String) {
    let [one]: [_; 1] = found.try_into().expect("one problem");
    one
}

#[test]
fn the_plan_that_netd_runs_by_is_no_problem() {
    assert_eq!(problems_with(LAB, false, &running()), []);
    assert_eq!(problems_with(LAB, true, &running()), []);
}

#[test]
fn changes_that_need_a_restart_are_reported_with_the_command() {
    let mut spec = running();
    let excluded = spec.host_addresses.pop().expect("an address");
    spec.mtu = flatnet_types::Mtu::new(1400).expect("an MTU");
    let (code, text) = one(problems_with(&format!("{LAB}\n"), false, &spec));
    assert_eq!(code, "plan-changed");
    assert!(
        text.contains("mtu 1400 becomes 1500 (restart)")
            && text.contains(&format!("host_addresses with {excluded} (restart)"))
            && text.contains("2 for this node")
            && text.ends_with("`systemctl restart netd`"),
        "{text}"
    );
}

#[test]
fn a_change_that_is_not_for_this_node_is_no_problem() {
    let text = format!("# for the record\n{LAB}");
    assert_eq!(problems_with(&text, false, &running()), []);
    assert_eq!(problems_with(&text, true, &running()), []);
}

#[test]
fn a_plan_that_netd_could_not_start_with_is_reported_with_its_first_finding() {
    let (code, text) = one(problems_with("apiVersion: [", false, &running()));
    assert_eq!(code, "plan-invalid");
    for words in [
        "line 2: FN0001",
        "flatctl plan check",
        "stands, also over a restart",
        &Version::of(LAB).short(),
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let (code, text) = one(problems_with(
        &LAB.replace("idc1", "idc9"),
        false,
        &running(),
    ));
    assert_eq!(code, "plan-invalid");
    assert!(text.contains("no host idc1"), "{text}");
}

#[test]
fn with_ipamd_the_ranges_of_the_file_are_no_change() {
    let mut spec = running();
    // ipamd granted fewer ranges than the plan declares, and one drains.
    let range = &mut spec.networks[0].ranges[0];
    range.exclude.push(range.prefix);
    spec.networks[0].ranges.truncate(1);
    spec.peers.clear();
    let plan_dir = PlanDir::with(LAB);
    let file = plan_dir.file(true);
    let state = file.plan.borrow().clone();
    let drained = spec.networks[0].ranges[0].prefix;
    file.drains.lock().expect("no panic").insert(drained);
    assert_eq!(file.problems(&state, &spec), []);
    // A range that an older plan excluded is to give out addresses again.
    file.drains.lock().expect("no panic").clear();
    let problems = file.problems(&state, &spec);
    let text = &problems.first().expect("one problem").text;
    assert!(text.contains("exclude without"), "{text}");
}

#[test]
fn an_accepted_plan_that_is_not_kept_is_reported() {
    let plan_dir = PlanDir::with(LAB);
    let file = plan_dir.file(false);
    let state = State {
        unkept: Some("cannot write it: no space left".into()),
        ..file.plan.borrow().clone()
    };
    let problems = file.problems(&state, &running());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "plan-unkept");
    assert!(problems[0].text.contains("no space left"));
}

fn run_args(plan_dir: &PlanDir) -> RunArgs {
    let plan = plan_dir.plan();
    let state = plan_dir.dir.path();
    let args = ["netd", "run", "--node", "idc1", "--plan"].map(Path::new);
    let args = args
        .into_iter()
        .chain([&*plan, Path::new("--state"), state]);
    match Cli::try_parse_from(args).expect("arguments").command {
        Command::Run(args) => *args,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_start_with_a_broken_file_uses_the_accepted_plan_and_reports_it() {
    let plan_dir = PlanDir::with("no plan");
    let error = start(&run_args(&plan_dir))
        .await
        .err()
        .expect("nothing yet");
    let error = format!("{error:#}");
    assert!(
        error.contains("plan.yaml:1:1") && !error.contains(COPY),
        "{error}"
    );
    plan_dir.write(LAB);
    let first = start(&run_args(&plan_dir)).await.expect("starts");
    plan_dir.write("no plan");
    let again = start(&run_args(&plan_dir)).await.expect("starts");
    assert_eq!(again.spec, first.spec);
    let state = again.file.plan.borrow().clone();
    let (code, text) = {
        let problems = again.file.problems(&state, &again.spec);
        assert_eq!(problems.len(), 1);
        (problems[0].code, problems[0].text.clone())
    };
    assert_eq!(code, "plan-invalid");
    assert!(text.contains(COPY), "{text}");
    // What `/v1/node` shows.
    let status = state.status();
    assert_eq!(status.version, Version::of(LAB).to_string());
    assert!(status.refused.is_some_and(|r| r.contains("plan.yaml:1:1")));
}

/// The parts of netd on idc1 that follow the plan.
struct Netd {
    state: NodeState<crate::model::ModelNode>,
    metrics: Arc<Metrics>,
    tasks: tokio::task::JoinSet<()>,
}

impl Netd {
    fn start(plan_dir: &PlanDir) -> Self {
        use flatnet_ipam::{Config, Ipam, MemoryBackend};
        use flatnet_types::Timestamp;

        let source = plan_dir.source(false);
        let file = PlanFile {
            plan: source.watch(),
            ..plan_dir.file(false)
        };
        let spec = running();
        let config = Config::new(networks(&spec.networks).expect("ranges"));
        let now = Timestamp::from_millis(1_000_000);
        let disk = Box::new(MemoryBackend::default());
        let (ipam, _) = Ipam::open_with(disk, config, "boot-1", now).expect("opens");
        let node = crate::model::ModelNode::default();
        let state = NodeState::new(node, ipam, spec, Arc::new(move || now));
        let metrics = Arc::new(Metrics::default());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async { match source.follow().await {} });
        tasks.spawn(watch(file, state.clone(), Arc::clone(&metrics)));
        Self {
            state,
            metrics,
            tasks,
        }
    }

    /// Polls until the condition holds: tests get no event of a change.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never: {what}; {:?}, {:?}", self.codes(), self.state.spec());
    }

    fn codes(&self) -> Vec<&'static str> {
        self.state.board().counts().into_keys().collect()
    }

    fn shows(&self, line: &str) -> bool {
        let text = self.metrics.encode().expect("text");
        text.contains(&format!("{line}\n"))
    }
}

#[tokio::test]
async fn a_changed_plan_file_is_reported_until_it_is_restored() {
    let plan_dir = PlanDir::with(LAB);
    let mut netd = Netd::start(&plan_dir);
    plan_dir.write("no plan");
    let invalid = |n: &Netd| n.codes() == ["plan-invalid"];
    netd.until("refused", invalid).await;
    assert!(netd.shows("flatnet_plan_valid 0"));
    let other = LAB.replacen("mtu: 1500", "mtu: 1400", 1);
    plan_dir.write(&other);
    let changed = |n: &Netd| n.codes() == ["plan-changed"];
    netd.until("the node's own MTU waits", changed).await;
    // It is still the accepted plan: a restart would apply it.
    std::fs::remove_file(plan_dir.plan()).expect("removed");
    let both = |n: &Netd| n.codes() == ["plan-changed", "plan-invalid"];
    netd.until("gone", both).await;
    plan_dir.write(LAB);
    netd.until("put back", |n| n.codes().is_empty()).await;
    assert!(netd.shows("flatnet_plan_valid 1"));
    assert_eq!(*netd.state.spec(), running());
    netd.tasks.shutdown().await;
}

#[tokio::test]
async fn live_changes_are_applied_while_netd_runs_and_others_are_reported() {
    let plan_dir = PlanDir::with(LAB);
    let mut netd = Netd::start(&plan_dir);
    let range = "        - {network: web, prefix: 10.100.16.0/20}\n";
    let more = "        - {network: web, prefix: 10.100.96.0/20}\n";
    let other =
        LAB.replacen(range, &format!("{range}{more}"), 1)
            .replacen("mtu: 1500", "mtu: 1400", 1);
    plan_dir.write(&other);
    netd.until("the MTU of the links waits", |n| {
        n.codes() == ["plan-changed"]
    })
    .await;
    let spec = netd.state.spec();
    assert_eq!(spec.mtu.get(), 1500);
    // New attachments have the new one, and addresses of the new range.
    let web = &spec.networks[0];
    assert_eq!(web.mtu.get(), 1400);
    let prefixes = |web: &flatnet_plan::node::NodeNetwork| -> Vec<String> {
        web.ranges.iter().map(|r| r.prefix.to_string()).collect()
    };
    assert!(prefixes(web).contains(&"10.100.96.0/20".to_owned()));
    let usage = netd.state.ipam().usage(&web.name, netd.state.now());
    let spans = usage
        .expect("known")
        .into_iter()
        .map(|u| u.range.to_string());
    assert!(
        spans
            .collect::<Vec<_>>()
            .contains(&"10.100.96.0/20".to_owned())
    );
    // A removed range stays until it is empty and netd restarts.
    plan_dir.write(LAB);
    netd.until("the MTU is back", |n| {
        n.state.spec().networks[0].mtu.get() == 1500
    })
    .await;
    netd.until("the range is named", |n| {
        let problems = n.state.board().view();
        problems.iter().any(|p| {
            p.text
                .contains("networks web.ranges without 10.100.96.0/20 (drain)")
        })
    })
    .await;
    netd.tasks.shutdown().await;
}
