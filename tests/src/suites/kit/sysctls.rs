//! Settings of a node's kernel, for the time of a check.

use anyhow::{Context, Result};

use crate::{Node, netns};

/// Settings that are as they were again when this is dropped.
pub(in crate::suites) struct Sysctls<'n> {
    node: &'n Node,
    before: Vec<(&'static str, String)>,
}

impl<'n> Sysctls<'n> {
    /// Sets each, by its path below `/proc/sys/net`.
    ///
    /// # Errors
    /// If the node's namespace is gone, or its kernel has no such setting.
    pub(in crate::suites) fn set(node: &'n Node, all: &[(&'static str, &str)]) -> Result<Self> {
        let mut this = Self {
            node,
            before: Vec::new(),
        };
        for (name, value) in all {
            let before = netns::enter(&node.netns_path(), || -> std::io::Result<String> {
                let before = std::fs::read_to_string(path(name))?;
                std::fs::write(path(name), value)?;
                Ok(before)
            })?;
            this.before
                .push((*name, before.with_context(|| path(name))?));
        }
        Ok(this)
    }
}

fn path(name: &str) -> String {
    format!("/proc/sys/net/{name}")
}

impl Drop for Sysctls<'_> {
    fn drop(&mut self) {
        for (name, before) in &self.before {
            let back = || std::fs::write(path(name), before.trim());
            // A lab that is taken down takes it along.
            let _ = netns::enter(&self.node.netns_path(), back);
        }
    }
}
