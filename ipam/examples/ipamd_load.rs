//! `cargo run --release -p flatnet-ipam --example ipamd_load [HOSTS] [mtls]`
//!
//! Ten thousand hosts against a real ipamd over TCP with fsync, each by a token or, with `mtls`,
//! by a certificate:
//!
//! 1. all ask for the first time at once, a connection each;
//! 2. a power cut: ipamd is killed, started again, and all come at once with what they hold;
//! 3. one host asks again and again, then eight at once: the median.
//!
//! Prints the figures against what is promised (5 s, 1 ms), and ends with 1 if one is missed.

#[path = "../tests/kit/mod.rs"]
mod kit;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flatnet_client::Client;
use flatnet_types::NodeName;
use flatnet_types::ipamd::{Held, HostRanges, Report};
use kit::certs::{Authority, Pair};
use kit::{Process, held};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const HOSTS_EACH_SITE: usize = 1_000;
const ALL_WITHIN: Duration = Duration::from_secs(5);
const MEDIAN_WITHIN: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode, Failure> {
    let mut hosts = 10_000;
    let mut mtls = false;
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "mtls" => mtls = true,
            number => hosts = number.parse()?,
        }
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(hosts, mtls))
}

fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Sites of a thousand hosts, whose ranges are sub-allocated from one pool each.
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

/// How callers authenticate.
enum Credentials {
    Token,
    /// By a certificate. All bring the same: 10,000 authorities would be files, not handshakes.
    Certificate {
        ca: Box<Authority>,
        server: Pair,
        own: Pair,
    },
}

impl Credentials {
    fn by_certificate(dir: &Path) -> Result<Self, Failure> {
        let ca = Authority::new(dir, "ca")?;
        Ok(Self::Certificate {
            server: ca.sign(dir, "server", &["127.0.0.1"])?,
            own: ca.sign(dir, "own", &["URI:flatnet:admin"])?,
            ca: Box::new(ca),
        })
    }

    fn client(&self, port: u16) -> Result<Client, Failure> {
        Ok(match self {
            Self::Token => {
                let endpoint = format!("http://127.0.0.1:{port}").parse()?;
                Client::new(endpoint, Some(kit::TOKEN.to_owned()))
            }
            Self::Certificate { ca, own, .. } => {
                let endpoint = format!("https://127.0.0.1:{port}").parse()?;
                Client::open(endpoint, ca.access(Some(own)))?
            }
        })
    }

    fn daemon(&self, dir: &Path, port: u16) -> Result<Process, Failure> {
        let mut program = std::env::current_exe()?;
        program.pop();
        program.pop();
        let program = program.join("ipamd");
        let mut command = kit::command(&program, dir, port);
        command.arg("--init");
        match self {
            Self::Token => command.arg("--token-file").arg(dir.join("token")),
            Self::Certificate { ca, server, .. } => command
                .arg("--tls-client-ca")
                .arg(&ca.file)
                .arg("--tls-cert")
                .arg(&server.cert)
                .arg("--tls-key")
                .arg(&server.key),
        };
        let started = Process::spawn(&mut command);
        Ok(started.map_err(|e| format!("{}: {e}", program.display()))?)
    }
}

/// Reports until there is an answer: hosts retry while ipamd is down.
async fn report_until_answered(client: &Client, host: &NodeName, holds: &[Held]) -> HostRanges {
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
            tokio::spawn(async move { report_until_answered(&client, &name, &holds).await })
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

async fn run(hosts: usize, mtls: bool) -> Result<ExitCode, Failure> {
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join("plan.yaml"), plan(hosts))?;
    std::fs::write(dir.path().join("token"), kit::TOKEN)?;
    let port = kit::port()?;
    let credentials = match mtls {
        true => Credentials::by_certificate(dir.path())?,
        false => Credentials::Token,
    };
    let client = Arc::new(credentials.client(port)?);
    let names = names(hosts)?;
    let mut out = std::io::stdout();

    let daemon = credentials.daemon(dir.path(), port)?;
    if !kit::serves(&client).await {
        return Err("ipamd does not serve".into());
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
    let holds: Vec<Vec<Held>> = first.iter().map(|r| held(r, 15, 64)).collect();
    let begun = Instant::now();
    let _daemon = credentials.daemon(dir.path(), port)?;
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
