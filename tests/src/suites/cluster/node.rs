//! A node of Kubernetes on a node of the lab: `node.sh` makes it, containerd, kubelet and kube-proxy are in
//! it, and all of it ends with this process, however that ends.
//!
//! ```text
//!   [Node::start] ─▶ launch (dies with the suite) ─▶ unshare ─▶ first process of the node's pid namespace
//!        └─▶ the janitor: outlives the suite by a moment, and removes the node's cgroups
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;
use serde::Deserialize;

use super::parts::Parts;
use super::{cgroups, config};
use crate::suites::kit::{bound, eventually, output};
use crate::suites::kubernetes::cluster::Cluster;
use crate::{Lab, netd};

/// How long the namespaces and mounts of a node take, on a busy machine.
const MADE: Duration = Duration::from_secs(20);
/// What ends when nobody holds its standard input any more: the processes are gone with the suite then, or
/// about to, and what is left are empty groups.
const JANITOR: &str = "cat > /dev/null; n=0; \
    for group in \"$@\"; do \
        while [ -d \"$group\" ] && [ $n -lt 200 ]; do \
            find \"$group\" -depth -type d -exec rmdir {} + 2> /dev/null; \
            [ ! -d \"$group\" ] || sleep 0.05; n=$((n + 1)); \
        done; \
    done";

/// One node.
pub(in crate::suites) struct Node {
    /// Its name in Kubernetes, in the plan and in the lab.
    pub(in crate::suites) name: String,
    /// Its first process, as the machine knows it.
    pid: Pid,
    logs: PathBuf,
    groups: Vec<PathBuf>,
    first: Child,
    janitor: (Child, Option<ChildStdin>),
}

/// A container that netd of a node has attached.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::suites) struct Attached {
    /// Its addresses with prefix lengths.
    pub(in crate::suites) addresses: Vec<String>,
    /// Where the runtime named its network namespace, in the node.
    netns: Option<String>,
    /// Its pod.
    pub(in crate::suites) pod: Option<Pod>,
}

/// A pod, as the runtime told of it.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::suites) struct Pod {
    /// Its name.
    pub(in crate::suites) name: String,
}

impl Node {
    /// Starts one, whose address in the plan is `address`.
    ///
    /// Assumptions: called by the thread that lasts as long as the process.
    ///
    /// # Errors
    /// If it is not made in time, with what the script said.
    pub(in crate::suites) fn start(
        lab: &Lab,
        cluster: &Cluster,
        parts: &Parts,
        (name, address): (&str, &str),
    ) -> Result<Self> {
        let member = lab.member(name)?;
        let dir = member.paths.dir().join("kubernetes");
        // Of a suite that was killed.
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        let [work, logs, files] = ["work", "logs", "files"].map(|part| dir.join(part));
        for part in [&work, &logs, &files] {
            fs::create_dir_all(part)?;
        }
        config::write(cluster, name, &files)?;
        let groups = cgroups::groups(name)?;
        cgroups::remove_old()?;
        let janitor = janitor(&groups)?;
        let log = fs::File::create(logs.join("node.log"))?;
        let mut command = bound(&member.netns_path(), Path::new("sh"))?;
        let shown: Vec<String> = groups.iter().map(|g| g.display().to_string()).collect();
        command
            .arg(files.join("node.sh"))
            .env("NAME", name)
            .env("ADDRESS", address)
            .env("CGROUPS", shown.join(" "))
            .env("WORK", &work)
            .env("LOGS", &logs)
            .env("OVS", member.paths.ovs_dir())
            .env("PROGRAMS", &parts.programs)
            .env("IMAGES", &parts.images)
            .env("KUBE", &cluster.kube)
            .env("FILES", &files)
            .stdout(log.try_clone()?)
            .stderr(log);
        let first = command.spawn().context("cannot run sh")?;
        let said = || fs::read_to_string(logs.join("node.log")).unwrap_or_default();
        let pid = eventually(MADE, || {
            let text = fs::read_to_string(logs.join("pid"))?;
            Ok(Pid::from_raw(text.trim().parse()?))
        });
        let (pid, _) = pid.with_context(|| format!("node {name} is not made: {}", said()))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            logs,
            groups,
            first,
            janitor,
        })
    }

    /// Its power is cut: every process of it ends at once.
    ///
    /// # Errors
    /// If it had ended.
    pub(in crate::suites) fn cut(&self) -> Result<()> {
        nix::sys::signal::kill(self.pid, nix::sys::signal::Signal::SIGKILL)?;
        Ok(())
    }

    /// A command in the node.
    pub(in crate::suites) fn command(&self, program: &str) -> Command {
        let mut command = crate::run::command("nsenter");
        command.args(["--target", &self.pid.to_string(), "--all", "--"]);
        // Before what the machine has.
        let path = "/opt/programs/usr/sbin:/opt/programs/usr/bin:/opt/programs/bin";
        command.args(["env", &format!("PATH={path}:{}", crate::run::search_path())]);
        command.arg(program);
        command
    }

    /// What containerd's own client prints.
    ///
    /// # Errors
    /// What it says.
    pub(in crate::suites) fn ctr(&self, args: &[&str]) -> Result<String> {
        let mut command = self.command("ctr");
        output(command.args(["-n", "k8s.io"]).args(args))
    }

    /// A path of the node, as the machine sees it. Its symbolic links must not be absolute.
    pub(in crate::suites) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid))
    }

    /// What netd of the node has attached.
    ///
    /// # Errors
    /// If netd does not answer.
    pub(in crate::suites) fn attached(&self) -> Result<Vec<Attached>> {
        let socket = self.path("/run/flatnet/netd.sock");
        let (status, text) = netd::get(&socket, "/v1/attachments")?;
        ensure!(
            status == 200,
            "netd of {} answers {status}: {text}",
            self.name
        );
        Ok(serde_json::from_str(&text)?)
    }

    /// The network namespace of an attached container, as the machine sees it.
    ///
    /// # Errors
    /// If netd does not know it.
    pub(in crate::suites) fn netns_of(&self, attached: &Attached) -> Result<PathBuf> {
        let named = attached.netns.as_deref().context("it has no namespace")?;
        // `/var/run` is an absolute link.
        Ok(self.path(named.strip_prefix("/var").unwrap_or(named)))
    }

    /// The end of a daemon's log, for an error.
    pub(in crate::suites) fn log(&self, daemon: &str) -> String {
        let text = fs::read_to_string(self.logs.join(format!("{daemon}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Its cgroups.
    pub(in crate::suites) fn groups(&self) -> Vec<PathBuf> {
        self.groups.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.first.kill();
        let _ = self.first.wait();
        // Its end is what the janitor waits for.
        drop(self.janitor.1.take());
        let _ = self.janitor.0.wait();
    }
}

fn janitor(groups: &[PathBuf]) -> Result<(Child, Option<ChildStdin>)> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("sh");
    command.args(["-c", JANITOR, "sh"]).args(groups);
    // Who kills the suite's process group does not kill it.
    command.process_group(0).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot run sh")?;
    let stdin = child.stdin.take();
    Ok((child, stdin))
}
