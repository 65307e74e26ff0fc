//! Containers that stay attached while they are measured.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::runtime::{Added, Cni, ContainerNs, RuntimeConf};

/// The interface of a container.
const IFNAME: &str = "eth0";

/// One of them; detached when dropped.
pub(super) struct Pod {
    cni: Cni,
    conf: RuntimeConf,
    added: Added,
    netns: ContainerNs,
    /// Its IPv4 address.
    pub(super) at: IpAddr,
}

impl Pod {
    /// Attaches one. What an earlier run left of it goes first.
    pub(super) fn attach(cni: Cni, id: &str) -> Result<Self> {
        let netns = ContainerNs::create(id)?;
        let conf = RuntimeConf::new(id, netns.path(), IFNAME);
        cni.del(&conf, None)
            .with_context(|| format!("DEL before ADD of {id}"))?;
        let added = cni.add(&conf).with_context(|| format!("ADD of {id}"))?;
        let at = added.result.addresses().into_iter().find(IpAddr::is_ipv4);
        Ok(Self {
            at: at.with_context(|| format!("{id} has no IPv4 address"))?,
            cni,
            conf,
            added,
            netns,
        })
    }

    /// The path of its network namespace.
    pub(super) fn netns(&self) -> &Path {
        self.netns.path()
    }

    /// Fills checksums in before packets leave: a userspace switch on their way hands them on as
    /// they are. netd does so itself.
    pub(super) fn fill_checksums(&self) -> Result<()> {
        let done = self
            .netns
            .run(Command::new("ethtool").args(["-K", IFNAME, "tx", "off"]))?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(
            done.status.success(),
            "ethtool in {}: {said}",
            self.netns.id()
        );
        Ok(())
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        // A run that fails has said why; the next one begins with a DEL.
        let _ = self.cni.del(&self.conf, Some(&self.added.raw));
    }
}
