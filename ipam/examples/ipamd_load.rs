//! `cargo run --release -p flatnet-ipam --features client --example ipamd_load [HOSTS]`
//!
//! Ten thousand hosts against a real ipamd over TCP with a token and fsync:
//!
//! 1. all ask for the first time at once, a connection each;
//! 2. a power cut: ipamd is killed, started again, and all come at once with what they hold;
//! 3. one host asks again and again, then eight at once: the median.
//!
//! Prints the figures against what is promised (5 s, 1 ms), and ends with 1 if one is missed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_client::{Client, Endpoint};
use flatnet_types::NodeName;
use flatnet_types::ipamd::{Held, HostRanges, Report};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const HOSTS_EACH_SITE: usize = 1_000;
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";
const ALL_WITHIN: Duration = Duration::from_secs(5);
const MEDIAN_WITHIN: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode, Failure> {
    let hosts = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 10_000,
    };
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(hosts))
}

fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Sites of a thousand hosts, whose ranges are cut from one pool each.
fn plan(hosts: usize) -> String {
    let sites = hosts.div_ceil(HOSTS_EACH_SITE);
    let mut text = String::from(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: load}\nspec:\n  sites:\n",
    );
    for s in 0..sites {
        text += &format!(
            "    - name: idc{s}\n      type: IDC\n      switches: [{{name: tor{s}}}]\n      vlans:\n        - {{id: 10, name: hosts, role: host, subnets: [{{prefix: 10.{s}.0.0/20, gateway: 10.{s}.15.254}}]}}\n        - {{id: 100, name: web, role: pod, subnets: [{{prefix: 10.{n}.0.0/16, gateway: 10.{n}.0.1}}]}}\n",
            n = 100 + s,
        );
    }
    text += "  networks:\n";
    for s in 0..sites {
        let n = 100 + s;
        text += &format!(
            "    - {{name: web{s}, site: idc{s}, vlan: 100, pools: [{{prefix: 10.{n}.0.0/16, sliceLength: 26, exclude: [10.{n}.0.0/26]}}]}}\n"
        );
    }
    text += "  hostGroups:\n";
    for s in 0..sites {
        let count = HOSTS_EACH_SITE.min(hosts - s * HOSTS_EACH_SITE);
        text += &format!(
            "    - {{name: g{s}, site: idc{s}, hostName: \"h{s}-{{n}}\", count: {count}, addresses: [10.{s}.0.1/20], uplink: {{interface: eth0, switch: tor{s}}}}}\n"
        );
    }
    text
}

fn names(hosts: usize) -> Result<Vec<NodeName>, Failure> {
    let name = |i: usize| format!("h{}-{}", i / HOSTS_EACH_SITE, i % HOSTS_EACH_SITE + 1);
    (0..hosts).map(|i| Ok(name(i).parse()?)).collect()
}

struct Daemon(Child);

impl Daemon {
    fn start(dir: &Path, port: u16) -> Result<Self, Failure> {
        let mut program = std::env::current_exe()?;
        program.pop();
        program.pop();
        let program: PathBuf = program.join("ipamd");
        let child = Command::new(&program)
            .arg("run")
            .arg("--init")
            .arg("--plan")
            .arg(dir.join("plan.yaml"))
            .arg("--state")
            .arg(dir.join("state"))
            .arg("--socket")
            .arg(dir.join("ipamd.sock"))
            .arg("--token-file")
            .arg(dir.join("token"))
            .arg("--listen")
            .arg(format!("127.0.0.1:{port}"))
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))?;
        Ok(Self(child))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SIGKILL: this is the power cut.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn held(ranges: &HostRanges) -> Vec<Held> {
    let held = ranges.ranges.iter().map(|grant| Held {
        lease: grant.lease,
        ledger: grant.ledger,
        network: grant.network.clone(),
        prefix: grant.prefix,
        used: 15,
        capacity: 64,
    });
    held.collect()
}

/// Asks until it is answered: hosts try again as long as ipamd is away.
async fn insist(client: &Client, host: &NodeName, holds: &[Held]) -> HostRanges {
    let report = Report {
        held: holds.to_vec(),
    };
    loop {
        if let Ok(mut session) = client.connect().await
            && let Ok(ranges) = session.report(host, &report).await
            && !ranges.ranges.is_empty()
        {
            return ranges;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn all(
    client: &Arc<Client>,
    names: &[NodeName],
    holds: &[Vec<Held>],
) -> Result<Vec<HostRanges>, Failure> {
    let tasks: Vec<_> = names
        .iter()
        .zip(holds)
        .map(|(name, holds)| {
            let (client, name, holds) = (Arc::clone(client), name.clone(), holds.clone());
            tokio::spawn(async move { insist(&client, &name, &holds).await })
        })
        .collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(task.await?);
    }
    Ok(answers)
}

async fn ask(client: &Client, name: &NodeName, times: usize) -> Result<Vec<Duration>, Failure> {
    let mut session = client.connect().await?;
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        session.ranges(name, None, Duration::ZERO).await?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn quantile(sorted: &[Duration], percent: usize) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(last * percent / 100)
        .copied()
        .unwrap_or_default()
}

async fn run(hosts: usize) -> Result<ExitCode, Failure> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("plan.yaml"), plan(hosts))?;
    std::fs::write(dir.path().join("token"), TOKEN)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let endpoint: Endpoint = format!("http://127.0.0.1:{port}").parse()?;
    let client = Arc::new(Client::new(endpoint, Some(TOKEN.to_owned())));
    let names = names(hosts)?;
    let mut out = std::io::stdout();

    let daemon = Daemon::start(dir.path(), port)?;
    while client.connect().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = Instant::now();
    let first = all(&client, &names, &vec![Vec::new(); hosts]).await?;
    let assigned = begun.elapsed();
    let distinct: std::collections::BTreeSet<_> = first
        .iter()
        .flat_map(|r| r.ranges.iter().map(|g| g.prefix))
        .collect();
    if distinct.len() != hosts {
        return Err(format!("{hosts} hosts have {} ranges", distinct.len()).into());
    }
    writeln!(
        out,
        "{hosts} hosts ask for the first time at once: {assigned:.2?}"
    )?;

    drop(daemon);
    let holds: Vec<Vec<Held>> = first.iter().map(held).collect();
    let begun = Instant::now();
    let _daemon = Daemon::start(dir.path(), port)?;
    let again = all(&client, &names, &holds).await?;
    let served = begun.elapsed();
    for (before, after) in first.iter().zip(&again) {
        if before.ranges != after.ranges {
            return Err(format!("{} has other ranges than before", before.host).into());
        }
    }
    writeln!(
        out,
        "{hosts} hosts at once after a power cut, from the start of ipamd to the last answer: {served:.2?} (promised: {ALL_WITHIN:.0?})"
    )?;

    let mut one = ask(&client, &names[0], 5_000).await?;
    one.sort_unstable();
    writeln!(
        out,
        "one host asks again and again: median {:.0?}, p99 {:.0?} (promised: {MEDIAN_WITHIN:.0?})",
        quantile(&one, 50),
        quantile(&one, 99)
    )?;
    let tasks: Vec<_> = names
        .iter()
        .take(8)
        .map(|name| {
            let (client, name) = (Arc::clone(&client), name.clone());
            tokio::spawn(async move { ask(&client, &name, 2_000).await })
        })
        .collect();
    let mut eight = Vec::new();
    for task in tasks {
        eight.extend(task.await??);
    }
    eight.sort_unstable();
    writeln!(
        out,
        "eight at once: median {:.0?}, p99 {:.0?}",
        quantile(&eight, 50),
        quantile(&eight, 99)
    )?;
    let kept = served < ALL_WITHIN && quantile(&one, 50) < MEDIAN_WITHIN;
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
