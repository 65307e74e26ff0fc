//! Whether the kernel can translate addresses: the guest's may be built without.

use anyhow::{Context, Result, bail};

use super::output;
use crate::suites::Skip;
use crate::{Datapath, Lab};

/// What netd names on a kernel without conntrack's zones, the guest's: services do not work there.
pub(in crate::suites) const LACKING: &str = "conntrack-zones";
/// A chain that no rule leads to.
const TRIAL: &str = "flatnet-trial";

/// Skips a check that translates addresses where the lab runs on the kernel's datapath and that
/// kernel knows no `nat` table.
///
/// On the userspace datapath the lab runs on the machine itself, where iptables is a precondition:
/// there the check goes on, and fails.
///
/// # Errors
/// [`Skip`]; what else iptables says.
pub(in crate::suites) fn needed(lab: &Lab) -> Result<()> {
    if lab.datapath() == Datapath::User {
        return Ok(());
    }
    let node = lab
        .nodes()?
        .into_iter()
        .next()
        .context("the lab has no node")?;
    let nat = |verb: &str| {
        output(
            node.command("iptables")
                .args(["-w", "-t", "nat", verb, TRIAL]),
        )
    };
    match nat("-N") {
        Ok(_) => nat("-X").map(drop),
        Err(e) if is_unknown(&e.to_string()) => {
            bail!(Skip(
                "this kernel translates no addresses: it has no nat table".to_owned()
            ))
        }
        Err(e) => Err(e).context("iptables, tried in a node"),
    }
}

/// What iptables says where the kernel has no such table, by nf_tables and before it.
fn is_unknown(text: &str) -> bool {
    text.contains("Operation not supported") || text.contains("Table does not exist")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_the_table_is_told_from_a_table_that_refuses() {
        assert!(is_unknown(
            "iptables v1.8.9 (nf_tables):  TABLE_ADD failed (Operation not supported): table nat"
        ));
        assert!(is_unknown(
            "can't initialize iptables table `nat': Table does not exist (do you need to insmod?)"
        ));
        assert!(!is_unknown("iptables: Chain already exists."));
        assert!(!is_unknown("you must be root"));
    }
}
