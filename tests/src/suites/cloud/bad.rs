//! What vpc-route is given is wrong: a clear error with what to do, an exit status, and nothing
//! changed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Result, ensure};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Range;
use serde_json::{Value, json};

use super::forward::steps;
use super::judge::Judge;
use super::rig::{Config, TABLE, converged, entries, tables};
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::{Lab, LabGuard, netns};

/// Where something answers that is no API.
const NO_API: &str = "127.0.0.1:8801";

/// Entries of others, by their name.
const THEIRS: &str = "somebody else's";

/// A case: what it is called, and what the error must have in it.
struct Case {
    name: &'static str,
    /// A part of the message that says what is wrong, and one that says what to do.
    says: [&'static str; 2],
}

pub(super) fn a_table_that_does_not_exist(lab: &LabGuard) -> Result<()> {
    let case = Case {
        name: "bad-table",
        says: ["vtb-none", "no such route table"],
    };
    let plan = with_plan(lab, &case, |plan| {
        let tables = plan.spec.sites.iter_mut().flat_map(|s| &mut s.route_tables);
        tables.for_each(|t| t.id = Some("vtb-none".to_owned()));
    })?;
    refused(lab, &case, plan)
}

pub(super) fn credentials_refused(lab: &LabGuard) -> Result<()> {
    for (case, id, secret) in [
        (
            Case {
                name: "bad-secret",
                says: [
                    "SignatureDoesNotMatch",
                    "does not belong to the AccessKeyId",
                ],
            },
            "flatnet-lab",
            "not-the-secret",
        ),
        (
            Case {
                name: "bad-key",
                says: ["InvalidAccessKeyId", "key"],
            },
            "nobody",
            "not-the-secret",
        ),
    ] {
        refused(lab, &case, |config: &mut Value| {
            config["aliyun"]["credentials"] =
                json!({"source": "static", "accessKeyId": id, "accessKeySecret": secret});
        })?;
    }
    Ok(())
}

pub(super) fn over_quota(lab: &LabGuard) -> Result<()> {
    let outcome = too_much(lab);
    let theirs = entries(lab, TABLE)?;
    let theirs = theirs.iter().filter(|e| e.name == THEIRS);
    let gone: Vec<Value> = theirs
        .map(|e| json!({"removeEntry": {"id": e.id}}))
        .collect();
    steps(lab, &Value::from(gone))?;
    outcome
}

fn too_much(lab: &LabGuard) -> Result<()> {
    // A plan that cannot fit, and one that does not beside what others have there.
    let alone = Case {
        name: "bad-quota",
        says: ["FN0601", "its quota is 6"],
    };
    let plan = with_plan(lab, &alone, |plan| tight(plan, 6))?;
    refused(lab, &alone, plan)?;
    let others: Vec<Value> = (0..3)
        .map(|n| {
            let entry = json!({
                "destination": format!("10.{}.0.0/16", 97 + n), "name": THEIRS,
                "nextHops": [{"type": "Instance", "id": "i-vpc1"}],
            });
            json!({"addEntry": {"table": TABLE, "entry": entry}})
        })
        .collect();
    steps(lab, &Value::from(others))?;
    let beside = Case {
        name: "bad-room",
        says: ["3 of others", "exceed the quota of 12: aggregate the plan"],
    };
    let plan = with_plan(lab, &beside, |plan| tight(plan, 12))?;
    refused(lab, &beside, plan)
}

/// Another quota, and a range more: 11 entries instead of 10.
fn tight(plan: &mut NetworkPlan, quota: u32) {
    let tables = plan.spec.sites.iter_mut().flat_map(|s| &mut s.route_tables);
    tables.for_each(|t| t.quota = quota);
    let host = plan
        .spec
        .hosts
        .iter_mut()
        .find(|h| h.name.as_str() == "vpc2");
    if let (Some(host), Ok(network), Ok(prefix)) =
        (host, "cloud".parse(), "172.30.112.0/20".parse())
    {
        host.ranges.push(Range { network, prefix });
    }
}

pub(super) fn html(lab: &LabGuard) -> Result<()> {
    let case = Case {
        name: "bad-html",
        says: ["instead of JSON", "proxy"],
    };
    let _proxy = Proxy::start()?;
    refused(lab, &case, |config: &mut Value| {
        config["aliyun"]["endpoint"] = format!("http://{NO_API}").into();
    })
}

/// A configuration that reads the lab's plan after `change`.
fn with_plan(
    lab: &Lab,
    case: &Case,
    change: fn(&mut NetworkPlan),
) -> Result<impl Fn(&mut Value) + use<>> {
    let mut plan = lab.plan().clone();
    change(&mut plan);
    let dir = lab.layout().member(VPC_ROUTER);
    let path = dir.dir().join(format!("{}.plan.yaml", case.name));
    std::fs::write(&path, flatnet_plan::to_yaml(&plan)?)?;
    Ok(move |config: &mut Value| config["plan"] = path.display().to_string().into())
}

/// Runs `plan` and `apply`: both say what is wrong and end with status 1, and no table changes.
fn refused(lab: &Lab, case: &Case, change: impl Fn(&mut Value)) -> Result<()> {
    converged(lab)?;
    let dir = lab.layout().member(VPC_ROUTER);
    let state = dir.dir().join(format!("{}.state", case.name));
    let config = Config::write(lab, case.name, |config| {
        // The lab's own leads; this one is to fail by what it is given.
        config["stateDir"] = state.display().to_string().into();
        change(config);
    })?;
    let before = tables(lab)?;
    let judge = Judge::begin(lab)?;
    for what in ["plan", "apply"] {
        let output = config.command(lab, &[what]).output()?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        ensure!(
            output.status.code() == Some(1),
            "{}: `{what}` ended with {}: {text}",
            case.name,
            output.status
        );
        for part in case.says {
            ensure!(text.contains(part), "{}: no {part:?} in: {text}", case.name);
        }
        ensure!(!text.contains("not-the-secret"), "a secret is told: {text}");
    }
    judge.nothing_written()?;
    ensure!(tables(lab)? == before, "{}: the tables changed", case.name);
    Ok(())
}

/// Answers whatever it is asked with a page, in the VPC router's namespace.
struct Proxy {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    fn start() -> Result<Self> {
        let router = netns_path(&namespace(VPC_ROUTER));
        let listener = netns::enter(&router, || TcpListener::bind(NO_API))??;
        listener.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                match listener.accept() {
                    // One that went away needs no answer.
                    Ok((mut stream, _)) => drop(page(&mut stream)),
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
                }
            }
        });
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

fn page(stream: &mut std::net::TcpStream) -> std::io::Result<()> {
    const PAGE: &str = "<html><body><h1>Please log in</h1></body></html>";
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    let mut head = [0; 8192];
    let _ = stream.read(&mut head)?;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{PAGE}",
        PAGE.len()
    )
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}
