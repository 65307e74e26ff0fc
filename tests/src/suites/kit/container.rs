//! A container of a suite: attached as a runtime attaches it, detached in any case.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;
use serde_json::Value;

use super::wire::{Capture, Sender};
use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf};
use crate::{Lab, Node};

/// The interface inside.
pub(in crate::suites) const IFNAME: &str = "eth0";

/// What an ADD asks for beside what the configuration says.
#[derive(Debug, Clone, Default)]
pub(in crate::suites) struct Wish {
    /// More keys of the plugin's object.
    pub(in crate::suites) conf: Vec<(&'static str, Value)>,
    /// `runtimeConfig`.
    pub(in crate::suites) capabilities: Vec<(&'static str, Value)>,
    /// CNI's version; `None`: as the node's configuration says.
    version: Option<&'static str>,
}

impl Wish {
    /// A key of the plugin's object.
    pub(in crate::suites) fn conf(key: &'static str, value: Value) -> Self {
        Self {
            conf: vec![(key, value)],
            ..Self::default()
        }
    }

    /// A key of `runtimeConfig`.
    pub(in crate::suites) fn capability(key: &'static str, value: Value) -> Self {
        Self {
            capabilities: vec![(key, value)],
            ..Self::default()
        }
    }

    /// By another version of CNI than the node's configuration: 1.1.0 results have the MTU.
    pub(in crate::suites) fn of_version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// With one more key of `runtimeConfig`.
    pub(in crate::suites) fn and(mut self, key: &'static str, value: Value) -> Self {
        self.capabilities.push((key, value));
        self
    }
}

/// One attached container.
#[derive(Debug)]
pub(in crate::suites) struct Container {
    /// Before the namespace, so that the DEL of a drop comes while there is one.
    call: Call,
    netns: ContainerNs,
    /// The node that it is on.
    pub(in crate::suites) node: Node,
    /// Its MAC.
    pub(in crate::suites) mac: MacAddr,
    /// Its IPv4 address.
    pub(in crate::suites) v4: Ipv4Addr,
    /// Its IPv6 address.
    pub(in crate::suites) v6: Ipv6Addr,
    /// What ADD answered.
    pub(in crate::suites) added: Added,
}

#[derive(Debug)]
struct Call {
    cni: Cni,
    conf: RuntimeConf,
    live: bool,
}

impl Call {
    fn del(&mut self, added: Option<&Added>) -> Result<()> {
        self.live = false;
        self.cni.del(&self.conf, added.map(|a| &a.raw))?;
        Ok(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.live {
            // The check's own failure is the one to tell.
            let _ = self.del(None);
        }
    }
}

impl Container {
    /// Attaches a container to a network of a node. `id` is its own in the whole lab; what an
    /// earlier run left of it goes first.
    ///
    /// # Errors
    /// What ADD says.
    pub(in crate::suites) fn attach(
        lab: &Lab,
        node: &Node,
        network: &str,
        id: &str,
    ) -> Result<Self> {
        Self::attach_as(lab, node, network, id, &Wish::default())
    }

    /// The same with wishes.
    ///
    /// # Errors
    /// What ADD says.
    pub(in crate::suites) fn attach_as(
        lab: &Lab,
        node: &Node,
        network: &str,
        id: &str,
        wish: &Wish,
    ) -> Result<Self> {
        let conflists = node.conflists();
        let found = conflists.iter().find(|(name, _)| name.as_str() == network);
        let (_, file) = found.with_context(|| format!("{} has no network {network}", node.name))?;
        let mut list = Conflist::read(file)?;
        if let Some(version) = wish.version {
            list = list.with_version(version);
        }
        for (key, value) in &wish.conf {
            for plugin in &mut list.plugins {
                plugin.conf.insert((*key).to_owned(), value.clone());
            }
        }
        let netns = ContainerNs::create(id)?;
        let mut conf = RuntimeConf::new(id, netns.path(), IFNAME).arg("IgnoreUnknown", "1");
        for (key, value) in &wish.capabilities {
            conf = conf.capability(key, value.clone());
        }
        let bin = lab.layout().bin_dir();
        let cni = Cni::new(list, &[&bin]).on_node(&node.netns_path());
        let mut call = Call {
            cni,
            conf,
            live: true,
        };
        call.del(None)
            .with_context(|| format!("DEL before ADD of {id}"))?;
        call.live = true;
        let added = call
            .cni
            .add(&call.conf)
            .with_context(|| format!("ADD of {id}"))?;
        let addresses = added.result.addresses();
        let v4 = addresses.iter().find_map(|a| match a {
            IpAddr::V4(a) => Some(*a),
            IpAddr::V6(_) => None,
        });
        let v6 = addresses.iter().find_map(|a| match a {
            IpAddr::V6(a) => Some(*a),
            IpAddr::V4(_) => None,
        });
        let mac = added
            .result
            .container_interface(IFNAME)
            .map(|i| i.mac.clone());
        Ok(Self {
            node: node.clone(),
            mac: mac
                .unwrap_or_default()
                .parse()
                .context("the result has no MAC")?,
            v4: v4.context("the result has no IPv4 address")?,
            v6: v6.context("the result has no IPv6 address")?,
            call,
            netns,
            added,
        })
    }

    /// Detaches it and takes its namespace away.
    ///
    /// # Errors
    /// What DEL says.
    pub(in crate::suites) fn detach(mut self) -> Result<()> {
        let added = self.added.clone();
        self.call
            .del(Some(&added))
            .with_context(|| format!("DEL of {}", self.netns.id()))
    }

    /// CHECK.
    ///
    /// # Errors
    /// What CHECK says.
    pub(in crate::suites) fn check(&self) -> Result<()> {
        self.call.cni.check(&self.call.conf, &self.added.raw)?;
        Ok(())
    }

    /// Its addresses, IPv4 first.
    pub(in crate::suites) fn ips(&self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }

    /// The name of the host's end of its link, which is its port of the bridge.
    ///
    /// # Errors
    /// If the result names none.
    pub(in crate::suites) fn host_end(&self) -> Result<&str> {
        let host_end = self.added.result.host_interface();
        Ok(&host_end.context("the result names no host's end")?.name)
    }

    /// The link-local address of its MAC.
    pub(in crate::suites) fn link_local(&self) -> Ipv6Addr {
        self.mac.link_local()
    }

    /// Waits until its link-local address is no longer tentative (RFC 4862 §5.4).
    ///
    /// # Errors
    /// If it stays so.
    pub(in crate::suites) fn settle(&self) -> Result<()> {
        let look = || {
            let text = self.run("ip", &["-6", "address", "show", "dev", IFNAME])?;
            let settled = text.contains("scope link") && !text.contains("tentative");
            ensure!(settled, "{}: {text}", self.netns.id());
            Ok(())
        };
        super::eventually(std::time::Duration::from_secs(5), look)?;
        Ok(())
    }

    /// The path of its network namespace.
    pub(in crate::suites) fn netns(&self) -> &Path {
        self.netns.path()
    }

    /// Its ID.
    pub(in crate::suites) fn id(&self) -> &str {
        self.netns.id()
    }

    /// A command that runs inside.
    pub(in crate::suites) fn command(&self, program: &str) -> Command {
        crate::lab::inside(self.netns.path(), program)
    }

    /// Runs a program inside and gives what it printed.
    ///
    /// # Errors
    /// If it fails, with its words.
    pub(in crate::suites) fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        super::output(self.command(program).args(args))
            .with_context(|| format!("in {}", self.netns.id()))
    }

    /// A raw socket on its interface.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(in crate::suites) fn sender(&self) -> Result<Sender> {
        Sender::open(self.netns(), IFNAME)
    }

    /// Captures what its interface receives.
    ///
    /// # Errors
    /// If tcpdump does not start.
    pub(in crate::suites) fn capture(&self) -> Result<Capture> {
        Capture::received(self.netns.id(), self.netns(), IFNAME)
    }

    /// Captures what its interface sends.
    ///
    /// # Errors
    /// If tcpdump does not start.
    pub(in crate::suites) fn capture_sent(&self) -> Result<Capture> {
        Capture::sent(self.netns.id(), self.netns(), IFNAME)
    }

    /// Pings an address, and wants every answer, each once.
    ///
    /// # Errors
    /// If one is lost, late or doubled, with what ping printed.
    pub(in crate::suites) fn reaches(&self, to: IpAddr) -> Result<()> {
        self.reaches_with(to, &[])
    }

    /// The same with more arguments for ping.
    ///
    /// # Errors
    /// As [`Container::reaches`].
    pub(in crate::suites) fn reaches_with(&self, to: IpAddr, how: &[&str]) -> Result<()> {
        let scoped = match to {
            IpAddr::V6(a) if a.segments()[0] & 0xffc0 == 0xfe80 => format!("{a}%{IFNAME}"),
            other => other.to_string(),
        };
        ping(self.command("ping").args(how), &scoped)
            .with_context(|| format!("{} ({}) to {to}", self.netns.id(), self.node.name))
    }
}

/// Three echo requests by a prepared `ping`, each of which is to be answered once.
///
/// # Errors
/// If one is lost or doubled, with what ping printed.
pub(in crate::suites) fn ping(command: &mut Command, to: &str) -> Result<()> {
    // All three at once: then ping waits for each as long as `-W` says. Spaced, it gives the last
    // no more than two round trips once one answer came; and with `-w` it goes on until it has
    // three answers, of which later ones may overtake earlier ones: the kernel's datapath handles
    // the first packets of a flow in userspace and the next ones by itself.
    command
        .args(["-n", "-c", "3", "-l", "3", "-W", "3", to])
        .env("LC_ALL", "C");
    let out = command.output().context("cannot run ping")?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(
        (1..=3).all(|seq| answered(&text, seq)) && !text.contains("DUP"),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}

/// Whether ping printed an answer to this request; that none comes (`From … icmp_seq=1 Destination unreachable`) is a
/// line of the same number.
fn answered(text: &str, seq: u32) -> bool {
    let number = format!(" icmp_seq={seq} ");
    text.lines()
        .any(|line| line.contains(" bytes from ") && line.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_bears_the_requests_number_is_no_answer() {
        let text = "64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=0.1 ms\n\
                    From fe80::1%eth0 icmp_seq=2 Destination unreachable: Address unreachable\n";
        let seen: Vec<bool> = (1..=3).map(|seq| answered(text, seq)).collect();
        assert_eq!(seen, [true, false, false]);
    }
}
