//! A list of plugins on a node, and a container that is attached by it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::runtime::{Added, Cni, Conflist, ContainerNs, Plugin, RuntimeConf, RuntimeError};
use crate::{Lab, Node, run};

/// Where Debian has the reference plugins.
const REFERENCE: &str = "/usr/lib/cni";
/// The interface inside.
pub(super) const IFNAME: &str = "eth0";

/// A container and its chain, detached when dropped.
#[derive(Debug)]
pub(super) struct Chained {
    // Deleted before the namespace is removed.
    runtime: Runtime,
    pub(super) ns: ContainerNs,
    pub(super) node: Node,
    /// What the runtime cached.
    pub(super) added: Added,
}

/// A runtime for one list and one container: what it did it undoes when it is dropped.
#[derive(Debug)]
pub(super) struct Runtime {
    cni: Cni,
    pub(super) conf: RuntimeConf,
    live: bool,
}

/// A plugin's object in the list.
pub(super) fn plugin(conf: Value) -> Result<Plugin> {
    Ok(Plugin::new(conf)?)
}

/// The list of a node's network with plugins behind flatnet.
///
/// The version is the newest that the reference plugins of Debian 12 know.
pub(super) fn list(node: &Node, network: &str, behind: &[Plugin]) -> Result<Conflist> {
    let conflists = node.conflists();
    let file = conflists.iter().find(|(name, _)| name.as_str() == network);
    let (_, file) = file.with_context(|| format!("{} has no network {network}", node.name))?;
    let list = Conflist::read(file)?.with_version("1.0.0");
    Ok(behind.iter().cloned().fold(list, Conflist::chained))
}

impl Runtime {
    /// Plugins are looked for beside flatnet, among the reference plugins, and in `more`.
    pub(super) fn new(
        lab: &Lab,
        node: &Node,
        list: Conflist,
        ns: &ContainerNs,
        more: &[&Path],
    ) -> Result<Self> {
        ensure!(
            Path::new(REFERENCE).join("portmap").is_file(),
            "there is no {REFERENCE}/portmap: `cargo xtask install` installs \
             containernetworking-plugins"
        );
        let mut path = vec![lab.layout().bin_dir(), REFERENCE.into()];
        path.extend(more.iter().map(|&dir| dir.to_owned()));
        let path: Vec<&Path> = path.iter().map(AsRef::as_ref).collect();
        Ok(Self {
            cni: Cni::new(list, &path).on_node(&node.netns_path()),
            conf: RuntimeConf::new(ns.id(), ns.path(), IFNAME).arg("IgnoreUnknown", "1"),
            live: false,
        })
    }

    /// With a capability's value.
    pub(super) fn capability(mut self, name: &str, value: Value) -> Self {
        self.conf = std::mem::take(&mut self.conf).capability(name, value);
        self
    }

    /// ADD.
    pub(super) fn add(&mut self) -> Result<Added, RuntimeError> {
        self.live = true;
        self.cni.add(&self.conf)
    }

    /// DEL, with or without the result of the ADD.
    pub(super) fn del(&mut self, added: Option<&Added>) -> Result<()> {
        self.cni.del(&self.conf, added.map(|a| &a.raw))?;
        self.live = false;
        Ok(())
    }

    /// CHECK of the whole chain.
    pub(super) fn check(&self, added: &Added) -> Result<(), RuntimeError> {
        self.cni.check(&self.conf, &added.raw)?;
        Ok(())
    }

    /// CHECK of the first plugin alone, which is flatnet, with the result of the whole chain.
    pub(super) fn check_flatnet(
        &self,
        lab: &Lab,
        node: &Node,
        added: &Added,
    ) -> Result<(), RuntimeError> {
        let mut list = self.cni.list().clone();
        list.plugins.truncate(1);
        let cni = Cni::new(list, &[&lab.layout().bin_dir()]).on_node(&node.netns_path());
        cni.check(&self.conf, &added.raw)?;
        Ok(())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.live {
            // The check's own failure is the one to tell.
            let _ = self.del(None);
        }
    }
}

impl Chained {
    /// Attaches a container; what an earlier run left under its name goes first.
    pub(super) fn attach(
        lab: &Lab,
        node: &Node,
        list: Conflist,
        id: &str,
        capabilities: &[(&str, Value)],
    ) -> Result<Self> {
        let ns = ContainerNs::create(id)?;
        let runtime = Runtime::new(lab, node, list, &ns, &[])?;
        let mut runtime = capabilities.iter().fold(runtime, |r, (name, value)| {
            r.capability(name, value.clone())
        });
        runtime
            .del(None)
            .with_context(|| format!("DEL before ADD of {id}"))?;
        let added = runtime.add().with_context(|| format!("ADD of {id}"))?;
        Ok(Self {
            runtime,
            ns,
            node: node.clone(),
            added,
        })
    }

    /// DEL, as a runtime does it.
    pub(super) fn detach(&mut self) -> Result<()> {
        self.runtime.del(Some(&self.added)).context("DEL")
    }

    /// DEL by a runtime that lost what it cached.
    pub(super) fn detach_without_result(&mut self) -> Result<()> {
        self.runtime.del(None).context("DEL without the result")
    }

    /// DEL after the namespace is gone, as after a reboot.
    pub(super) fn detach_after_namespace(self) -> Result<()> {
        let Self {
            mut runtime,
            ns,
            added,
            ..
        } = self;
        ns.destroy()?;
        runtime.conf.netns = None;
        runtime
            .del(Some(&added))
            .context("DEL without the namespace")
    }

    /// CHECK of the whole chain.
    pub(super) fn check(&self) -> Result<(), RuntimeError> {
        self.runtime.check(&self.added)
    }

    /// CHECK of flatnet with the chain's result.
    pub(super) fn check_flatnet(&self, lab: &Lab) -> Result<(), RuntimeError> {
        self.runtime.check_flatnet(lab, &self.node, &self.added)
    }

    /// The addresses in the result, of both families.
    pub(super) fn ips(&self) -> Vec<IpAddr> {
        self.added.result.addresses()
    }

    /// Its IPv4 address.
    pub(super) fn v4(&self) -> Result<Ipv4Addr> {
        let v4 = self.ips().into_iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        v4.context("the result has no IPv4 address")
    }

    /// The host's end of its link, as the result names it.
    pub(super) fn host_end(&self) -> Result<&str> {
        let host = self.added.result.host_interface();
        Ok(&host.context("the result names no link of the host")?.name)
    }

    /// A command inside.
    pub(super) fn command(&self, program: &str) -> Command {
        crate::lab::inside(self.ns.path(), program)
    }

    /// Runs a program inside and gives what it printed.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        Ok(run::output(self.command(program).args(args))?)
    }
}

/// Runs a program on a node and gives what it printed.
pub(super) fn on_node(node: &Node, program: &str, args: &[&str]) -> Result<String> {
    Ok(run::output(node.command(program).args(args))?)
}
