//! A node that forwards, as every node of a cluster does.

use anyhow::Result;

use crate::{Node, netns};

const SWITCHES: [&str; 2] = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/all/forwarding",
];

/// Forwarding on a node, for the time of a check.
pub(in crate::suites) struct Forwarding<'n> {
    node: &'n Node,
    before: Vec<(&'static str, String)>,
}

impl<'n> Forwarding<'n> {
    /// Switches it on, in both families.
    ///
    /// # Errors
    /// If the node's namespace is gone.
    pub(in crate::suites) fn on(node: &'n Node) -> Result<Self> {
        let mut this = Self {
            node,
            before: Vec::new(),
        };
        for switch in SWITCHES {
            let before = netns::enter(&node.netns_path(), || -> std::io::Result<String> {
                let before = std::fs::read_to_string(switch)?;
                std::fs::write(switch, "1")?;
                Ok(before)
            })??;
            this.before.push((switch, before));
        }
        Ok(this)
    }
}

impl Drop for Forwarding<'_> {
    fn drop(&mut self) {
        for (switch, before) in &self.before {
            let back = || std::fs::write(switch, before.trim());
            // A lab that is taken down takes it along.
            let _ = netns::enter(&self.node.netns_path(), back);
        }
    }
}
