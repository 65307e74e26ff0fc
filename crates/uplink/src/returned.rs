//! An address that comes back on the NIC after the move.

use std::fmt;

use ipnetwork::IpNetwork;

use crate::clients::{Client, Scope};

/// A NIC in the bridge that bears an address again. The host has it twice, and what leaves by the
/// NIC does not come back to it: the node is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// The NIC.
    pub nic: String,
    /// What it bears.
    pub addresses: Vec<IpNetwork>,
    /// Who put it there, as far as a process is known that does such things.
    pub by: Vec<Client>,
}

/// Whether the NIC, a port of the bridge, bears addresses again. Link-local IPv6 addresses that
/// the kernel forms do not count. Pure: who calls it says what was observed.
pub fn returned(
    nic: &str,
    in_bridge: bool,
    addresses: impl IntoIterator<Item = IpNetwork>,
    clients: &[Client],
) -> Option<Returned> {
    let formed = |a: &IpNetwork| matches!(a, IpNetwork::V6(a) if a.ip().is_unicast_link_local());
    let addresses: Vec<IpNetwork> = addresses.into_iter().filter(|a| !formed(a)).collect();
    if !in_bridge || addresses.is_empty() {
        return None;
    }
    let by = clients
        .iter()
        .filter(|c| c.scope == Scope::All || c.scope == Scope::Device(nic.to_owned()))
        .cloned()
        .collect();
    Some(Returned {
        nic: nic.to_owned(),
        addresses,
        by,
    })
}

impl Returned {
    /// The command that stops who put it there, where a process is known, and takes it off.
    pub fn repair(&self) -> String {
        let mut commands: Vec<String> = self.by.iter().map(|c| c.command(&self.nic)).collect();
        commands.push(format!("ip address flush dev {} scope global", self.nic));
        // Also where the first one fails: a dhcpcd may be slow to end.
        commands.join("; ")
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        write!(
            f,
            "{} bears {} again, put there by ",
            self.nic,
            addresses.join(", ")
        )?;
        match self.by.as_slice() {
            [] => {
                f.write_str("nobody who still runs (the distribution's scripts, somebody's hand)")
            }
            some => {
                let who: Vec<String> = some.iter().map(ToString::to_string).collect();
                f.write_str(&who.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::ClientKind;

    fn net(text: &str) -> IpNetwork {
        text.parse().expect("a prefix")
    }

    #[test]
    fn an_address_that_comes_back_is_named_with_who_put_it_there() {
        let client = Client {
            kind: ClientKind::Dhclient,
            pid: Some(77),
            argv: vec!["dhclient".into(), "eth0".into()],
            scope: Scope::Device("eth0".into()),
            leases: true,
            profile: None,
        };
        let found = returned("eth0", true, [net("10.0.0.5/24")], &[client]).expect("it is back");
        let text = found.to_string();
        assert!(
            text.starts_with("eth0 bears 10.0.0.5/24 again, put there by dhclient (process 77)"),
            "{text}"
        );
        assert_eq!(
            found.repair(),
            "kill 77; ip address flush dev eth0 scope global"
        );
        let found = returned("eth0", true, [net("10.0.0.5/24")], &[]).expect("it is back");
        assert_eq!(found.repair(), "ip address flush dev eth0 scope global");
    }

    #[test]
    fn a_nic_outside_of_the_bridge_or_with_a_link_local_address_is_no_problem() {
        assert_eq!(returned("eth0", false, [net("10.0.0.5/24")], &[]), None);
        assert_eq!(returned("eth0", true, [net("fe80::1/64")], &[]), None);
    }
}
