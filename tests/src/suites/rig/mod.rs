//! What the suites of the CNI plugin share: the plugin run by hand, and what a node looks
//! like before and after.
//!
//! ```text
//!   [call] Call ──environment, stdin──▶ flatnet ──▶ Answer: ok() | refused(code, words)
//!   Rig ─ attach() ─▶ Pod               [state] Snapshot: ports, flows, links, attachments
//!    └── [daemon] netd stopped, or with another plan, until the guard is dropped
//! ```
//!
//! The plugin is run bare here, without the driver of [`crate::runtime`]: these suites send
//! what no driver would.

mod call;
mod daemon;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::process::poll;
use crate::runtime::{Conflist, ContainerNs};
use crate::{Lab, Node, netd, run};

pub(super) use call::{Answer, Call};
pub(super) use daemon::Changed;
pub(super) use state::Snapshot;

/// How long something may take that takes milliseconds on an idle machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A network of a node, as the plugin is called for it.
#[derive(Debug, Clone)]
pub(super) struct Rig {
    pub(super) node: Node,
    pub(super) network: String,
    pub(super) bin: PathBuf,
    conf: Map<String, Value>,
}

/// One attachment, deleted when dropped.
#[derive(Debug)]
pub(super) struct Attached {
    rig: Rig,
    pub(super) id: String,
    pub(super) netns: PathBuf,
    pub(super) ifname: String,
    /// The result of its ADD.
    pub(super) result: Value,
    gone: bool,
}

/// A container with one attachment.
#[derive(Debug)]
pub(super) struct Pod {
    // Deleted before the namespace is removed.
    pub(super) attached: Attached,
    pub(super) ns: ContainerNs,
}

impl Rig {
    pub(super) fn new(lab: &Lab, node: &str, network: &str) -> Result<Self> {
        let node = lab.node(node)?;
        let (_, path) = node
            .conflists()
            .into_iter()
            .find(|(name, _)| name.as_str() == network)
            .with_context(|| format!("{} has no network {network}", node.name))?;
        let list = Conflist::read(&path)?;
        let mut conf = list.plugins[0].conf.clone();
        conf.insert("name".into(), json!(list.name));
        conf.insert("cniVersion".into(), json!("1.1.0"));
        Ok(Self {
            node,
            network: network.to_owned(),
            bin: lab.layout().bin_dir(),
            conf,
        })
    }

    /// A container's namespace; what an earlier run left attached under its name is deleted.
    pub(super) fn container(&self, id: &str) -> Result<ContainerNs> {
        let ns = ContainerNs::create(&format!("cni-{id}"))?;
        self.call("DEL", &ns)
            .run()?
            .ok()
            .context("DEL before ADD")?;
        Ok(ns)
    }

    /// A call for `eth0` of a container.
    pub(super) fn call(&self, command: &str, ns: &ContainerNs) -> Call {
        self.call_for(command, ns.id(), ns.path(), "eth0")
    }

    pub(super) fn call_for(&self, command: &str, id: &str, netns: &Path, ifname: &str) -> Call {
        self.call_bare(command)
            .set("CNI_CONTAINERID", id)
            .set("CNI_NETNS", netns)
            .set("CNI_IFNAME", ifname)
    }

    /// A call about no container: GC, STATUS, VERSION.
    pub(super) fn call_bare(&self, command: &str) -> Call {
        Call::new(
            &self.bin.join("flatnet"),
            &self.node.netns_path(),
            self.conf.clone(),
        )
        .set("CNI_COMMAND", command)
        .set("CNI_PATH", &self.bin)
    }

    /// A container with `eth0`.
    pub(super) fn attach(&self, id: &str) -> Result<Pod> {
        self.attach_with(id, |call| call)
    }

    /// The same; `change` may change the ADD.
    pub(super) fn attach_with(&self, id: &str, change: impl Fn(Call) -> Call) -> Result<Pod> {
        let ns = self.container(id)?;
        let attached = self.add(&ns, "eth0", change)?;
        Ok(Pod { attached, ns })
    }

    /// An interface for a container.
    pub(super) fn add(
        &self,
        ns: &ContainerNs,
        ifname: &str,
        change: impl Fn(Call) -> Call,
    ) -> Result<Attached> {
        let call = self.call_for("ADD", ns.id(), ns.path(), ifname);
        let result = change(call)
            .run()?
            .ok()
            .with_context(|| format!("ADD of {ifname}"))?;
        Ok(Attached {
            rig: self.clone(),
            id: ns.id().to_owned(),
            netns: ns.path().to_owned(),
            ifname: ifname.to_owned(),
            result,
            gone: false,
        })
    }

    /// What netd says that it has.
    pub(super) fn attachments(&self) -> Result<Vec<Value>> {
        let (status, body) = netd::get(&self.node.paths.netd_sock(), "/v1/attachments")?;
        ensure!(status == 200, "netd answers {status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// One of them, of this network.
    pub(super) fn attachment(&self, id: &str, ifname: &str) -> Result<Option<Value>> {
        let mut all = self.attachments()?;
        all.retain(|a| {
            a["network"] == *self.network && a["container_id"] == id && a["ifname"] == ifname
        });
        Ok(all.pop())
    }

    /// Runs a program on the node and gives what it printed.
    pub(super) fn on_node(&self, program: &str, args: &[&str]) -> Result<String> {
        Ok(run::output(self.node.command(program).args(args))?)
    }

    /// Runs `ovs-vsctl` on the node.
    pub(super) fn vsctl(&self, args: &[&str]) -> Result<String> {
        Ok(run::output(self.node.vsctl().args(args))?)
    }

    /// Runs `ovs-ofctl` on the node.
    pub(super) fn ofctl(&self, args: &[&str]) -> Result<String> {
        Ok(run::output(self.node.ofctl().args(args))?)
    }

    /// The names of the entries in the spool.
    pub(super) fn spool(&self) -> Result<Vec<PathBuf>> {
        let dir = self.node.paths.spool();
        let mut files: Vec<PathBuf> = std::fs::read_dir(dir)?
            .map(|f| Ok(f?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        Ok(files)
    }

    /// Fails unless the node is soon as it was: what netd does behind an answer is over in
    /// milliseconds, and what is really left over stays.
    pub(super) fn same_as(&self, before: &Snapshot) -> Result<()> {
        let mut last = Vec::new();
        let same = poll(PATIENCE / 2, || match Snapshot::take(self) {
            Ok(now) => {
                last = before.differences(&now);
                last.is_empty().then_some(())
            }
            Err(e) => {
                last = vec![format!("{e:#}")];
                None
            }
        });
        ensure!(
            same.is_some(),
            "the node is not as before: {}",
            last.join("; ")
        );
        Ok(())
    }
}

impl Attached {
    /// A call for it.
    pub(super) fn call(&self, command: &str) -> Call {
        self.rig
            .call_for(command, &self.id, &self.netns, &self.ifname)
    }

    /// A CHECK with the ADD's result.
    pub(super) fn check(&self) -> Result<Answer> {
        self.call("CHECK")
            .key("prevResult", self.result.clone())
            .run()
    }

    /// Deletes it, as a runtime does.
    pub(super) fn del(&mut self) -> Result<()> {
        self.gone = true;
        self.call("DEL")
            .key("prevResult", self.result.clone())
            .run()?
            .ok()?;
        Ok(())
    }

    /// Somebody else deletes it.
    pub(super) fn forget(&mut self) {
        self.gone = true;
    }

    /// The addresses of the result with their prefix lengths (0.3.0 and later).
    pub(super) fn addresses(&self) -> Vec<String> {
        let ips = self.result["ips"].as_array().into_iter().flatten();
        ips.filter_map(|ip| Some(ip["address"].as_str()?.to_owned()))
            .collect()
    }

    /// Its first address without the prefix length.
    pub(super) fn address(&self) -> Result<String> {
        let all = self.addresses();
        let first = all.first().context("there is no address")?;
        Ok(first.split('/').next().unwrap_or(first).to_owned())
    }

    /// The host's end, as netd says.
    pub(super) fn host_ifname(&self) -> Result<String> {
        let known = self.rig.attachment(&self.id, &self.ifname)?;
        let known = known.with_context(|| format!("netd does not have {}", self.id))?;
        Ok(known["host_ifname"].as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if !self.gone {
            // A check that failed has said why.
            let _ = self.call("DEL").run();
        }
    }
}

impl Pod {
    /// `ip` inside, by JSON.
    pub(super) fn ip_json(&self, args: &[&str]) -> Result<Value> {
        ip_json(&self.ns, args)
    }

    /// Runs a program inside.
    pub(super) fn exec(&self, program: &str, args: &[&str]) -> Result<String> {
        exec(&self.ns, program, args)
    }
}

/// Runs a program in a container and gives what it printed.
pub(super) fn exec(ns: &ContainerNs, program: &str, args: &[&str]) -> Result<String> {
    let out = ns.run(run::command(program).args(args))?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let err = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "{program} {} in {}: {err}{text}",
        args.join(" "),
        ns.id()
    );
    Ok(text)
}

/// `ip -j` in a container.
pub(super) fn ip_json(ns: &ContainerNs, args: &[&str]) -> Result<Value> {
    let text = exec(ns, "ip", &[&["-j"], args].concat())?;
    Ok(serde_json::from_str(text.trim()).unwrap_or(Value::Null))
}

/// What `ip -j address` says of one interface of a container, once duplicate address detection is over (RFC 4862, 5.4); none
/// if there is none.
pub(super) fn interface(ns: &ContainerNs, ifname: &str) -> Result<Option<Value>> {
    let look = || -> Result<Option<Value>> {
        let all = ip_json(ns, &["address", "show"])?;
        let mut all = all.as_array().cloned().unwrap_or_default();
        all.retain(|i| i["ifname"] == ifname);
        Ok(all.pop())
    };
    let settled = |i: &Value| {
        let mut addresses = i["addr_info"].as_array().into_iter().flatten();
        addresses.all(|a| a["tentative"] != true)
    };
    let mut last = None;
    poll(PATIENCE, || {
        last = Some(look());
        let Some(Ok(Some(found))) = &last else {
            return Some(());
        };
        settled(found).then_some(())
    });
    last.unwrap_or_else(look)
}

/// The addresses of an interface but the link-local ones, with their prefix lengths.
pub(super) fn global_addresses(interface: &Value) -> Vec<String> {
    let infos = interface["addr_info"].as_array().into_iter().flatten();
    infos
        .filter(|a| a["scope"] == "global")
        .map(|a| {
            format!(
                "{}/{}",
                a["local"].as_str().unwrap_or_default(),
                a["prefixlen"]
            )
        })
        .collect()
}

/// Waits for something.
pub(super) fn wait(what: &str, done: impl FnMut() -> bool) -> Result<()> {
    let mut done = done;
    let came = poll(PATIENCE, || done().then_some(()));
    ensure!(
        came.is_some(),
        "{what} did not come about within {PATIENCE:?}"
    );
    Ok(())
}
