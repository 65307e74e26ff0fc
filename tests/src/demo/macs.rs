//! What the physical switches had to learn: with the MAC saver one MAC for a host and VLAN,
//! however many containers it has.

use std::collections::BTreeSet;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::MacMode;

use super::report::Attachment;
use crate::MacEntry;

/// One switch's MAC table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) switch: String,
    /// Entries of the table: pairs of VLAN and MAC.
    pub(super) entries: usize,
    pub(super) vlans: usize,
    /// Containers' MACs that were to be hidden behind their host's, and were learned.
    pub(super) leaked: Vec<String>,
}

/// Reads a table against what is attached.
pub(super) fn learned(
    plan: &NetworkPlan,
    switch: &str,
    table: &[MacEntry],
    attachments: &[Attachment],
) -> Learned {
    let hidden: BTreeSet<String> = attachments
        .iter()
        .filter(|a| {
            let named = |n: &&flatnet_plan::model::Network| n.name.as_str() == a.network;
            let network = plan.spec.networks.iter().find(named);
            network.is_some_and(|n| n.mac == MacMode::Host)
        })
        .map(|a| a.mac.to_lowercase())
        .collect();
    let vlans: BTreeSet<u16> = table.iter().map(|e| e.vlan).collect();
    let leaked = table.iter().map(|e| e.mac.to_lowercase());
    Learned {
        switch: switch.to_owned(),
        entries: table.len(),
        vlans: vlans.len(),
        leaked: leaked.filter(|mac| hidden.contains(mac)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(vlan: u16, mac: &str) -> MacEntry {
        MacEntry {
            port: "1".to_owned(),
            vlan,
            mac: mac.to_owned(),
            age: 0,
        }
    }

    fn attached(network: &str, mac: &str) -> Attachment {
        Attachment {
            node: "idc1".to_owned(),
            network: network.to_owned(),
            addresses: Vec::new(),
            mac: mac.to_owned(),
        }
    }

    #[test]
    fn a_container_behind_its_hosts_mac_is_not_to_be_learned() {
        let mut plan =
            flatnet_plan::load(include_str!("../../../examples/lab.yaml")).expect("a plan");
        let table = [
            entry(10, "02:00:00:00:00:01"),
            entry(100, "02:00:00:00:00:01"),
            entry(100, "0a:f1:0a:64:10:02"),
        ];
        let containers = [attached("web", "0A:F1:0A:64:10:02")];
        let hidden = learned(&plan, "tor1", &table, &containers);
        assert_eq!((hidden.entries, hidden.vlans), (3, 2));
        assert_eq!(hidden.leaked, ["0a:f1:0a:64:10:02"]);
        plan.spec.networks[0].mac = MacMode::Pod;
        assert!(
            learned(&plan, "tor1", &table, &containers)
                .leaked
                .is_empty()
        );
    }
}
