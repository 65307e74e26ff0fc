//! A node that forwards, as every node of a cluster does.

use anyhow::Result;

use super::sysctls::Sysctls;
use crate::Node;

/// Forwarding on a node, in both families, for the time of a check.
///
/// # Errors
/// If the node's namespace is gone.
pub(in crate::suites) fn forwarding(node: &Node) -> Result<Sysctls<'_>> {
    let both = [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];
    Sysctls::set(node, &both)
}
