//! A service's address is translated, if the kernel can: the guest's may be built without.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};

use super::output;
use crate::suites::Skip;
use crate::{Datapath, Lab, Node};

/// What netd names on a kernel without conntrack's zones, the guest's: services do not work there.
pub(in crate::suites) const LACKING: &str = "conntrack-zones";
/// Where services listen.
pub(in crate::suites) const SERVICE_PORT: u16 = 80;
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

/// Rules that lead a service to a container by TCP and UDP, as kube-proxy translates on the node, until it is dropped.
pub(in crate::suites) struct Rule<'n> {
    node: &'n Node,
    service: IpAddr,
    to: SocketAddr,
}

impl<'n> Rule<'n> {
    /// From a service's address, at [`SERVICE_PORT`].
    ///
    /// # Errors
    /// iptables'.
    pub(in crate::suites) fn add(node: &'n Node, service: IpAddr, to: SocketAddr) -> Result<Self> {
        let rule = Self { node, service, to };
        rule.change("-A")?;
        Ok(rule)
    }

    fn change(&self, verb: &str) -> Result<()> {
        let program = match self.service {
            IpAddr::V4(_) => "iptables",
            IpAddr::V6(_) => "ip6tables",
        };
        for protocol in ["tcp", "udp"] {
            let args = format!(
                "-w -t nat {verb} PREROUTING -d {} -p {protocol} --dport {SERVICE_PORT} -j DNAT \
                 --to-destination {}",
                self.service, self.to
            );
            output(self.node.command(program).args(args.split_whitespace()))?;
        }
        Ok(())
    }
}

impl Drop for Rule<'_> {
    fn drop(&mut self) {
        // A lab that is taken down takes it along.
        let _ = self.change("-D");
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
